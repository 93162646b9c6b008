"""`--mode=rank`: checks how well the supernet ranks networks, against networks that are trained alone."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings, load_for
from srnas_tf.errors import UserError
from srnas_tf.executors import executor_of
from srnas_tf.modes.search import trained_supernet
from srnas_tf.reading import check_fields
from srnas_tf.report.scatter import scatter
from srnas_tf.report.table import print_table
from srnas_tf.search.agreement import Comparison, Estimate, compare, repeats
from srnas_tf.search.ranking import RankSettings, choose
from srnas_tf.train.alone import Alone
from srnas_tf.train.scoring import PathScorer
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.files import read_record, read_records, write_json
from srnas_tf.workdir.folder import Workdir

S = TypeVar("S")
SAMPLES = ("range", "band")
PAIR = {"arch": str, "codes": list[int], "params": int, "samples": list[str], "psnr": float, "psnrs": list[float]}
"""The fields of a ranked network."""
RANKED = {name: PAIR[name] for name in ("arch", "codes", "params", "samples")} | {"supernet_psnr": float}
"""The fields of a network before it is trained alone."""


class Ranking(NamedTuple):
    """The networks to rank, and their training.

    Attributes:
        settings: the networks.
        recipe: recipe for training them alone.
        source: the workdir of the networks; None for this one.
    """

    settings: RankSettings
    recipe: TrainSettings
    source: Workdir | None


def run(workdir: Workdir) -> None:
    """Ranks, or continues, into `rank/`, `rank.json` and `rank.png`."""
    space = flags.recorded(workdir, "network", Space, "--mode=supernet")
    data = flags.recorded(workdir, "data", DataSettings, "--mode=supernet")
    # Training flags speak of the networks alone, as in --mode=retrain.
    training = flags.recorded(workdir, "supernet", TrainSettings, "--mode=supernet", obey=False)
    settings, recipe, source = settle(workdir, training)
    record.check(data, workdir.path, *(("val",) if source else ("train", "val")))
    machine = flags.from_flags(MachineSettings)
    supernet = trained_supernet(workdir)
    scorer = PathScorer(supernet, load_for(data, "val", space.scale, machine.cache_dir), int(machine.memory_gb * 2**30))
    theirs = _ranked_in(source, space, data) if source else []
    alone = None if source else Alone(data, recipe, machine, space.scale, workdir.path)
    workdir.claim(rank=settings, ranked=recipe)
    path = workdir / "rank" / "networks.json"
    if not path.exists():  # the networks are chosen and scored only once
        measured = [{**entry, "supernet_psnr": scorer(entry["codes"])} for entry in theirs]
        write_json(path, measured or choose(space, settings, recipe.seed, scorer))
    chosen = read_records(path, RANKED, "networks")
    if alone:
        run = executor_of(machine.executor, machine.ray_address, machine.actors, machine.patience)
        seeds = [recipe.seed + i for i in range(settings.rank_seeds)]
        chosen = _train_all(chosen, seeds, functools.partial(run, alone), workdir)
    _report(chosen, recipe.seed, workdir)


def settle(workdir: Workdir, training: TrainSettings) -> Ranking:
    """The networks to rank, and their recipe: that of the supernet, except for first weights and flags.

    Under `--rank_from` both come from that workdir.

    Raises:
        UserError: if flags contradict the record, or that workdir's.
    """
    asked = flags.settle(workdir, "rank", RankSettings)
    usual = dataclasses.asdict(training) | {"init": "scratch"}
    if not asked.rank_from:
        return Ranking(asked, flags.settle(workdir, "ranked", TrainSettings, asked.overrides, usual), None)
    source = Workdir(asked.rank_from)
    if not source.holds("rank") or not source.holds("ranked"):
        raise UserError(f"--rank_from={asked.rank_from}: holds no ranking; run --mode=rank there first")
    their_settings = source.settle("rank", RankSettings, {}, {})
    their_recipe = source.settle("ranked", TrainSettings, {}, {})
    own = dataclasses.asdict(their_settings) | {"rank_from": asked.rank_from}
    settings = flags.settle(workdir, "rank", RankSettings, defaults=own)
    recipe = flags.settle(workdir, "ranked", TrainSettings, settings.overrides, dataclasses.asdict(their_recipe))
    _agrees(dataclasses.replace(settings, rank_from=their_settings.rank_from), their_settings, source)
    _agrees(recipe, their_recipe, source)
    return Ranking(settings, recipe, source)


def _agrees(ours: Any, theirs: Any, source: Workdir) -> None:
    for name, value in dataclasses.asdict(theirs).items():
        if getattr(ours, name) != value:
            raise UserError(f"--{name}={getattr(ours, name)}: --rank_from={source.path} has {value}; drop the flag")


def _ranked_in(source: Workdir, space: Space, data: DataSettings) -> list[dict]:
    """The networks of another supernet's ranking, with their results alone.

    Raises:
        UserError: if they are not there yet, or are of another space or other images.
    """
    for section, ours in (("network", space), ("data", data)):
        theirs = source.settle(section, type(ours), {}, {})
        # What the paths of a supernet share is not a matter of the networks alone.
        if dataclasses.asdict(theirs) | {"sharing": ...} != dataclasses.asdict(ours) | {"sharing": ...}:
            raise UserError(f"--rank_from={source.path}: its {section} settings are others than those of this workdir")
    path = source / "rank.json"
    if not path.exists():
        raise UserError(f"--rank_from={source.path}: holds no {path.name}; run --mode=rank there to its end first")
    pairs = read_record(path, {"pairs": list})["pairs"]
    try:
        for entry in pairs:
            check_fields(entry, PAIR)
    except ValueError as error:
        raise UserError(f"{path}: is spoiled ({error}); run --mode=rank there again") from None
    return pairs


def _train_all(chosen: Sequence[dict], seeds: Sequence[int], run: Callable, workdir: Workdir) -> list[dict]:
    """The networks with their results alone: `psnrs`, one for each seed, and `psnr`, their mean.

    Args:
        run: runs tasks of `Alone`, and returns their results in order.
    """
    home = workdir.path.absolute() / "rank"
    tasks = [
        (entry["arch"], home / str(number) / str(i), {"seed": seed})
        for number, entry in enumerate(chosen, start=1)
        for i, seed in enumerate(seeds, start=1)
    ]
    psnrs = np.reshape(list(run(tasks)), (len(chosen), len(seeds)))
    return [
        {**entry, "psnr": float(np.mean(own)), "psnrs": own.tolist()} for entry, own in zip(chosen, psnrs, strict=True)
    ]


def _report(pairs: list[dict], seed: int, workdir: Workdir) -> None:
    """Writes `rank.json` and `rank.png`, and prints a table. The sample "range" comes first in the file."""
    samples = {name: [entry for entry in pairs if name in entry["samples"]] for name in SAMPLES}
    compared = {name: _compare(some, seed) for name, some in samples.items()}
    alone = repeats([entry["psnrs"] for entry in pairs])
    result: dict[str, Any] = {name: _number(each.value) for name, each in compared["range"].measured.items()}
    result |= {name: _entry(compared[name], some) for name, some in samples.items()}
    result["repeats"] = {key: _number(value) for key, value in alone._asdict().items()}
    write_json(workdir / "rank.json", {**result, "pairs": pairs})
    titles = {
        f"{name}: Kendall tau {_shown(compared[name].measured['kendall_tau'])}": samples[name] for name in SAMPLES
    }
    scatter(titles, workdir / "rank.png")
    rows = [
        [f"{who}, {name} of {len(samples[name])}", *map(_shown, estimates.values())]
        for name, comparison in compared.items()
        for who, estimates in zip(("supernet", "parameters", "difference"), comparison, strict=True)
    ]
    rows.append(
        ["another seed of training alone", "-" if math.isnan(alone.kendall_tau) else f"{alone.kendall_tau:.2f}", "-"]
    )
    print_table("ranks of networks against those trained alone (95 %)", ["", "Kendall tau", "Spearman"], rows)
    print(f"pictures: {workdir / 'rank.png'}")


def _compare(networks: Sequence[dict], seed: int) -> Comparison:
    psnrs, sizes, alone = ([entry[key] for entry in networks] for key in ("supernet_psnr", "params", "psnr"))
    return compare(psnrs, sizes, alone, seed)


def _entry(comparison: Comparison, networks: Sequence[dict]) -> dict:
    """A sample's part of `rank.json`: its sizes, and each figure with its interval."""
    sizes = [entry["params"] for entry in networks]
    figures = {
        who: {name: [_number(x) for x in estimate] for name, estimate in estimates.items()}
        for who, estimates in zip(("supernet", "params", "difference"), comparison, strict=True)
    }
    return {"networks": len(networks), "min_params": min(sizes), "max_params": max(sizes), **figures}


def _number(value: float) -> float | None:
    """A number for JSON."""
    return None if math.isnan(value) else value


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"
