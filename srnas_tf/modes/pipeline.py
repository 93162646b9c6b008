"""`--mode=pipeline`: from images to a network that is searched, trained again, measured and exported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf import flags, metrics
from srnas_tf.arch import Network, Space
from srnas_tf.data import record
from srnas_tf.data.degrade.pipeline import DEFAULT, called
from srnas_tf.data.sources import DataSettings, Pair, load_for, load_some
from srnas_tf.freeze.export import check_replaceable, export
from srnas_tf.freeze.settings import ExportSettings, LatencySettings
from srnas_tf.modes.finalists import Timed, baseline_of, best_of, time_finalists
from srnas_tf.modes.plan import PlanSettings, defaults_of
from srnas_tf.modes.retrain import Retraining, retrain, starts_of
from srnas_tf.modes.retrain import settle as settle_retraining
from srnas_tf.modes.search import feasible_of, search_by_training, search_supernet, trainer_of
from srnas_tf.modes.start import start_of
from srnas_tf.nets import Net
from srnas_tf.report import page
from srnas_tf.report.compare import ROWS, compare, crops, write_crops
from srnas_tf.report.table import print_table
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.settings import Budget, Pick, RungSettings, SearchSettings, weighs_latency
from srnas_tf.train.alone import InRungs
from srnas_tf.train.evaluate import Scores, Upscaler, bicubic, of_network, scores
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.files import write_json
from srnas_tf.workdir.folder import Workdir


class Asked(NamedTuple):
    """What a pipeline is asked for.

    Attributes:
        training: the recipe of the supernet, or of the networks that a search with rungs trains alone.
        plan: None if flags name the space, the search or the training.
    """

    space: Space
    data: DataSettings
    searching: SearchSettings
    rungs: RungSettings
    training: TrainSettings
    budget: Budget
    pick: Pick
    conditions: LatencySettings
    retraining: Retraining
    machine: MachineSettings
    plan: PlanSettings | None

    @property
    def sections(self) -> dict[str, Any]:
        """What the workdir records."""
        sections = {
            "network": self.space,
            "data": self.data,
            _section(self.rungs, self.searching): self.training,
            "search": self.searching,
            "rungs": self.rungs,
            "budget": self.budget,
            "pick": self.pick,
            "latency": self.conditions,
            "retraining": self.retraining.differences,
            "retrain": self.retraining.recipe,
        }
        return {**sections, "plan": self.plan} if self.plan else sections


class Trained(NamedTuple):
    """The found network and IMDN, trained by one recipe.

    Attributes:
        timed: how long they take; empty if nobody asked for milliseconds.
    """

    found: Net
    imdn: Net
    timed: Timed


class Row(NamedTuple):
    """A line of the final table; a method without a network has no architecture and no cost.

    Attributes:
        latency_ms: timed directly, or predicted for another device; None if it is not known.
    """

    method: str
    network: Network | None
    codes: tuple[int, ...] | None
    scores: Scores
    latency_ms: float | None = None


def run(workdir: Workdir) -> None:
    """Runs all steps. If it is stopped, the same command continues."""
    asked = _asked(workdir)
    space, data, machine = asked.space, asked.data, asked.machine
    # Of several workers, only the chief searches and knows the costs of networks.
    feasible = Feasible(space, {})
    if workdir.owned:
        feasible = feasible_of(space, asked.searching, asked.budget, asked.pick, asked.conditions, workdir)
    check_replaceable(workdir / "export")
    test = load_for(data, "test", space.scale, machine.cache_dir)
    job = Job(data, asked.training, machine, space.scale, workdir.path)
    retraining_job = job.by(asked.retraining.recipe)
    rungs = asked.rungs.of(asked.searching)
    trainer = trainer_of(data, asked.retraining.recipe, machine, space, workdir) if rungs else None
    start = None if rungs else start_of(asked.training.init, space)
    workdir.claim(**asked.sections)
    if workdir.owned:
        record.keep(data, workdir.path)

    if trainer:
        top = search_by_training(trainer, asked.searching, rungs, feasible, asked.pick, machine, workdir)
    else:
        job.train_supernet(space, workdir / "supernet", start)
        top = job.shared(lambda: search_supernet(data, asked.searching, feasible, asked.pick, machine, workdir))
    best = [Network.parse(entry["arch"]) for entry in top]
    trained = _train(asked, retraining_job, best, trainer, workdir)
    if job.writes:
        _conclude(asked, trained, test, workdir)


def _asked(workdir: Workdir) -> Asked:
    """The settings of all steps, from flags, the workdir's record, and the plan for a limit of milliseconds alone."""
    planned = defaults_of(workdir)

    def settled(section: str, kind: type, overrides: Mapping[str, Any] = {}) -> Any:
        return flags.settle(workdir, section, kind, overrides, planned.get(section, {}))

    space, data = settled("network", Space), settled("data", DataSettings)
    record.check(data, workdir.path)
    searching, rungs = settled("search", SearchSettings), settled("rungs", RungSettings)
    # A supernet cannot begin as itself: --init=supernet speaks of the networks found in it.
    own = {"init": "scratch"} if flags.FLAGS.init == "supernet" else {}
    training = settled(_section(rungs, searching), TrainSettings, own)
    return Asked(
        space=space,
        data=data,
        searching=searching,
        rungs=rungs,
        training=training,
        budget=settled("budget", Budget),
        pick=settled("pick", Pick),
        conditions=settled("latency", LatencySettings),
        retraining=settle_retraining(workdir, training),
        machine=flags.from_flags(MachineSettings),
        plan=settled("plan", PlanSettings) if planned else None,
    )


def _section(rungs: RungSettings, searching: SearchSettings) -> str:
    """The section of the workdir's record that holds the recipe of what a search measures."""
    return "alone" if rungs.of(searching) else "supernet"


def _train(asked: Asked, job: Job, best: list[Network], trainer: InRungs | None, workdir: Workdir) -> Trained:
    """Trains the chosen networks, times them if milliseconds count, and trains an IMDN to compare with the best."""
    networks = retrain(job, best, starts_of(job.settings, best, workdir), workdir, trainer)
    timed = Timed({}, "")
    if weighs_latency(asked.searching, asked.budget, asked.pick):
        timed = Timed(*job.shared(lambda: time_finalists(best, asked.conditions, asked.space, workdir)))
    chosen, found = best_of(best, networks, timed.ms, asked.budget.max_latency_ms)
    # With random weights in any case: no weights fit a network of another width.
    imdn = job.train_network(baseline_of(chosen, timed.ms), workdir / "retrain" / "imdn")
    return Trained(found, imdn, timed)


def _conclude(asked: Asked, trained: Trained, test: list[Pair], workdir: Workdir) -> None:
    """Measures and exports the found network, and shows what came of it."""
    scale, data = asked.space.scale, asked.data
    networks = {"IMDN": trained.imdn, "found": trained.found}
    upscalers: dict[str, Upscaler] = {"bicubic": bicubic(scale)}
    upscalers |= {name: of_network(network) for name, network in networks.items()}
    architectures: dict[str, Any] = {name: network.network for name, network in networks.items()}
    rows = []
    for name, upscale in upscalers.items():
        network = architectures.get(name)
        codes = asked.space.codes(network) if network else None
        rows.append(Row(name, network, codes, scores(upscale, test, scale), trained.timed.ms.get(str(network))))
    low_resolution = data.images("test", scale).low_resolution
    evaluated = {data.name_of_test: rows[-1].scores.summary()}
    if low_resolution != DEFAULT:
        beside = {"degradation": low_resolution, "bicubic": rows[0].scores.summary()["psnr"]}
        evaluated[data.name_of_test] |= {"set": data.name_of_test, **beside}
    write_json(workdir / "evaluate.json", evaluated)
    export(
        trained.found,
        test,
        workdir / "export",
        load_some(data, scale),
        flags.from_flags(ExportSettings),
        evaluated,
        low_resolution=low_resolution,
    )
    _picture(upscalers, test, scale, workdir)
    _write(rows, trained.timed.what, workdir)
    page.write(workdir.path)
    _print(rows, data, scale, asked.retraining.recipe.init, low_resolution, workdir, trained.timed.what)


def _picture(upscalers: Mapping[str, Upscaler], test: list[Pair], scale: int, workdir: Workdir) -> None:
    enlarged = {name: [metrics.to_uint8(up(pair.lr)) for pair in test[:ROWS]] for name, up in upscalers.items()}
    shown = crops(test, enlarged, scale)
    compare(shown, workdir / "compare.png")
    write_crops(shown, workdir / "compare")


def _write(rows: list[Row], timed: str, workdir: Workdir) -> None:
    """Writes the table to `pipeline.json`."""
    entries = [
        {
            "method": row.method,
            "arch": str(row.network) if row.network else None,
            "codes": list(row.codes) if row.codes else None,
            "params": row.network.params if row.network else None,
            "macs": row.network.macs() if row.network else None,
            **({"latency_ms": row.latency_ms, "timed": timed} if row.latency_ms else {}),
            **row.scores.summary(),
        }
        for row in rows
    ]
    write_json(workdir / "pipeline.json", entries)


def _print(
    rows: list[Row], data: DataSettings, scale: int, init: str, low_resolution: str, workdir: Workdir, timed: str
) -> None:
    """Prints the final table, with milliseconds and their runtime if they are known."""
    lines = [
        [
            row.method,
            row.network.recipes if row.network else "-",
            ",".join(map(str, row.codes)) if row.codes else "-",
            str(row.network.params) if row.network else "-",
            f"{row.network.macs() / 1e9:.2f} G" if row.network else "-",
            *([f"{row.latency_ms:.3g}" if row.latency_ms else "-"] if timed else []),
            f"{row.scores.psnr:.2f}",
            f"{row.scores.ssim:.4f}",
        ]
        for row in rows
    ]
    shared = data.paths("test") == data.paths("val")
    held_out = "images that the networks were chosen by" if shared else "held-out images"
    head_start = "" if init == "scratch" else f", found networks trained on from weights of {Path(init).name}"
    milliseconds = [f"ms, {timed}"] if timed else []
    print_table(
        f"x{scale}, {held_out}{head_start}{'' if low_resolution == DEFAULT else f'; {called(low_resolution)}'}",
        ["", "recipes", "codes", "parameters", "MACs (1280x720)", *milliseconds, "PSNR", "SSIM"],
        lines,
    )
    print(f"exported: {workdir / 'export'}")
    print(f"pictures: {workdir / 'compare.png'}")
    print(f"report: {workdir / page.NAME}")
