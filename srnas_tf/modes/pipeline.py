"""`--mode=pipeline`: from images to a network that is searched, trained again, measured and exported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf import flags, metrics
from srnas_tf.arch import Network, Space
from srnas_tf.data import record
from srnas_tf.data.degrade.pipeline import DEFAULT, called
from srnas_tf.data.sources import DataSettings, load_for, load_some
from srnas_tf.freeze.export import check_replaceable, export
from srnas_tf.freeze.settings import ExportSettings, LatencySettings
from srnas_tf.modes.finalists import Timed, baseline_of, best_of, time_finalists
from srnas_tf.modes.plan import PlanSettings, defaults_of
from srnas_tf.modes.retrain import retrain, starts_of
from srnas_tf.modes.retrain import settle as settle_retraining
from srnas_tf.modes.search import feasible_of, search_by_training, search_supernet, trainer_of
from srnas_tf.modes.start import start_of
from srnas_tf.report import page
from srnas_tf.report.compare import ROWS, compare, crops, write_crops
from srnas_tf.report.table import print_table
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.settings import Budget, Pick, RungSettings, SearchSettings, weighs_latency
from srnas_tf.train.evaluate import Scores, Upscaler, bicubic, of_network, scores
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.files import write_json
from srnas_tf.workdir.folder import Workdir


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
    planned = defaults_of(workdir)
    space = flags.settle(workdir, "network", Space, defaults=planned.get("network", {}))
    data = flags.settle(workdir, "data", DataSettings)
    record.check(data, workdir.path)
    # A supernet cannot begin as itself: --init=supernet speaks of the networks found in it.
    own = {"init": "scratch"} if flags.FLAGS.init == "supernet" else {}
    searching = flags.settle(workdir, "search", SearchSettings, defaults=planned.get("search", {}))
    asked = flags.settle(workdir, "rungs", RungSettings, defaults=planned.get("rungs", {}))
    rungs = asked.of(searching)
    trained = "alone" if rungs else "supernet"
    training = flags.settle(workdir, trained, TrainSettings, own, planned.get(trained, {}))
    budget = flags.settle(workdir, "budget", Budget)
    pick = flags.settle(workdir, "pick", Pick)
    conditions = flags.settle(workdir, "latency", LatencySettings, defaults=planned.get("latency", {}))
    # Of several workers, only the chief searches and knows the costs of networks.
    feasible = Feasible(space, {})
    if workdir.owned:
        feasible = feasible_of(space, searching, budget, pick, conditions, workdir)
    retraining = settle_retraining(workdir, training)
    machine = flags.from_flags(MachineSettings)
    job = Job(data, training, machine, space.scale, workdir.path)
    retraining_job = job.by(retraining.recipe)
    check_replaceable(workdir / "export")
    test = load_for(data, "test", space.scale, machine.cache_dir)
    trainer = trainer_of(data, retraining.recipe, machine, space, workdir) if rungs else None
    start = None if rungs else start_of(training.init, space)
    sections = {"search": searching, "rungs": asked, "budget": budget, "pick": pick, "latency": conditions}
    if planned:
        sections["plan"] = flags.settle(workdir, "plan", PlanSettings)
    sections |= {"retraining": retraining.differences, "retrain": retraining.recipe}
    workdir.claim(network=space, data=data, **{trained: training}, **sections)
    if workdir.owned:
        record.keep(data, workdir.path)

    if trainer:
        top = search_by_training(trainer, searching, rungs, feasible, pick, machine, workdir)
    else:
        job.train_supernet(space, workdir / "supernet", start)
        top = job.shared(lambda: search_supernet(data, searching, feasible, pick, machine, workdir))
    best = [Network.parse(entry["arch"]) for entry in top]
    networks = retrain(retraining_job, best, starts_of(retraining.recipe, best, workdir), workdir, trainer)
    weighed = weighs_latency(searching, budget, pick)
    timed = Timed({}, "")
    if weighed:
        timed = Timed(*job.shared(lambda: time_finalists(best, conditions, space, workdir)))
    chosen, found = best_of(best, networks, timed.ms, budget.max_latency_ms)
    # In any case with random weights: no weights fit a network of another width.
    baseline = retraining_job.train_network(baseline_of(chosen, timed.ms), workdir / "retrain" / "imdn")
    if not job.writes:
        return

    upscalers: dict[str, Upscaler] = {
        "bicubic": bicubic(space.scale),
        "IMDN": of_network(baseline),
        "found": of_network(found),
    }
    architectures: dict[str, Any] = {"IMDN": baseline.network, "found": found.network}
    rows = []
    for name, upscale in upscalers.items():
        network = architectures.get(name)
        codes = space.codes(network) if network else None
        rows.append(Row(name, network, codes, scores(upscale, test, space.scale), timed.ms.get(str(network))))
    low_resolution = data.images("test", space.scale).low_resolution
    evaluated = {data.name_of_test: rows[-1].scores.summary()}
    if low_resolution != DEFAULT:
        beside = {"degradation": low_resolution, "bicubic": rows[0].scores.summary()["psnr"]}
        evaluated[data.name_of_test] |= {"set": data.name_of_test, **beside}
    write_json(workdir / "evaluate.json", evaluated)
    training_images = load_some(data, space.scale)
    exporting = flags.from_flags(ExportSettings)
    export(found, test, workdir / "export", training_images, exporting, evaluated, low_resolution=low_resolution)
    _picture(upscalers, test, space.scale, workdir)
    _write(rows, timed.what, workdir)
    page.write(workdir.path)
    _print(rows, data, space.scale, retraining.recipe.init, low_resolution, workdir, timed.what)


def _picture(upscalers: Mapping[str, Upscaler], test, scale: int, workdir: Workdir) -> None:
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
