"""`--mode=search`: searches the trained supernet of a workdir, or by training networks alone."""

from collections.abc import Sequence
from pathlib import Path

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.executors import executor_of
from srnas_tf.freeze.latency import known_latency, latency_of
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.nets import Supernet
from srnas_tf.nets.files import load_supernet
from srnas_tf.search.alone import search_alone
from srnas_tf.search.feasible import PRICES, Feasible, Price
from srnas_tf.search.search import search
from srnas_tf.search.settings import Budget, Pick, Rung, RungSettings, SearchSettings, weighs_latency
from srnas_tf.train import precision
from srnas_tf.train.alone import Alone, InRungs
from srnas_tf.train.scoring import travelling_scorers
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.train.writer import SearchBoard
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Searches, or continues, into `search/`."""
    settings = flags.settle(workdir, "search", SearchSettings)
    asked = flags.settle(workdir, "rungs", RungSettings)
    rungs = asked.of(settings)
    alone = None
    if rungs:
        space = flags.settle(workdir, "network", Space)
        data = flags.settle(workdir, "data", DataSettings)
        alone = flags.settle(workdir, "alone", TrainSettings)
        record.check(data, workdir.path, "train", "val")
    else:
        space = flags.recorded(workdir, "network", Space, "--mode=supernet")
        data = flags.recorded(workdir, "data", DataSettings, "--mode=supernet")
        record.check(data, workdir.path, "val")
        supernet_file(workdir)
    budget = flags.settle(workdir, "budget", Budget)
    pick = flags.settle(workdir, "pick", Pick)
    conditions = flags.settle(workdir, "latency", LatencySettings)
    machine = flags.from_flags(MachineSettings)
    feasible = feasible_of(space, settings, budget, pick, conditions, workdir)
    sections = {"search": settings, "rungs": asked, "budget": budget, "pick": pick, "latency": conditions}
    if alone:
        trainer = trainer_of(data, alone, machine, space, workdir)
        workdir.claim(network=space, data=data, alone=alone, **sections)
        record.keep(data, workdir.path)
        search_by_training(trainer, settings, rungs, feasible, pick, machine, workdir)
        return
    workdir.claim(**sections)
    search_supernet(data, settings, feasible, pick, machine, workdir)


def feasible_of(
    space: Space,
    settings: SearchSettings,
    budget: Budget,
    pick: Pick,
    conditions: LatencySettings,
    workdir: Workdir,
) -> Feasible:
    """The networks within a budget. Latency is among their costs if it is known or needed.

    Raises:
        UserError: if no network meets the budget.
    """
    Feasible(space, {name: limit for name, limit in budget.limits.items() if name in PRICES})  # before all measuring
    known = known_latency(conditions, space, workdir)
    if weighs_latency(settings, budget, pick) and not known:
        limits = {name: limit for name, limit in budget.limits.items() if name in PRICES}
        known = latency_of(conditions, space, workdir, limits)
    latency = {"latency_ms": Price(known.of_frame, known.of_block)} if known else {}
    return Feasible(space, budget.limits, {**PRICES, **latency})


def supernet_file(workdir: Workdir) -> Path:
    """The file of a workdir's supernet.

    Raises:
        UserError: if its training is not finished.
    """
    path = workdir / "supernet" / "supernet.keras"
    if not path.exists():
        raise UserError(f"{path}: missing; run --mode=supernet with --workdir={workdir.path} to its end first")
    return path


def trained_supernet(workdir: Workdir) -> Supernet:
    """The supernet of a workdir. Raises as `supernet_file`."""
    return load_supernet(supernet_file(workdir))


def search_supernet(
    data: DataSettings,
    settings: SearchSettings,
    feasible: Feasible,
    pick: Pick,
    machine: MachineSettings,
    workdir: Workdir,
) -> list[dict]:
    """Searches by validation PSNR with the supernet's weights. Returns the chosen networks."""
    policy = precision.settle(settings.search_precision, workdir.path)
    evaluate, screen = travelling_scorers(
        supernet_file(workdir), data, int(machine.memory_gb * 2**30), policy, machine.cache_dir
    )
    run = executor_of(machine.executor, machine.ray_address, machine.actors, machine.patience)
    folder = workdir / "search"
    return search(feasible, settings, evaluate, folder, screen, pick, run, SearchBoard(folder).show)


def trainer_of(
    data: DataSettings, recipe: TrainSettings, machine: MachineSettings, space: Space, workdir: Workdir
) -> InRungs:
    """The trainer for the networks of a search.

    Raises:
        UserError: if the images cannot be used, the recipe begins with a supernet's weights, or several workers would
            train each network together.
    """
    if machine.distribution == "multiworker":
        raise UserError(
            "--distribution=multiworker: a search trains many small networks, each on one machine; give --executor=ray"
        )
    if recipe.init == "supernet":
        raise UserError("--init=supernet: a search that trains its networks alone has no supernet; drop the flag")
    folder = Path(machine.trained_dir).expanduser() if machine.trained_dir else workdir / "search" / "networks"
    return InRungs(Alone(data, recipe, machine, space.scale, workdir.path), recipe, data, folder)


def search_by_training(
    trainer: InRungs,
    settings: SearchSettings,
    rungs: Sequence[Rung],
    feasible: Feasible,
    pick: Pick,
    machine: MachineSettings,
    workdir: Workdir,
) -> list[dict]:
    """Searches by validation PSNR of networks that are trained alone. Returns the chosen networks."""
    run = executor_of(machine.executor, machine.ray_address, machine.actors, machine.patience)
    folder = workdir / "search"
    return search_alone(feasible, settings, rungs, trainer, folder, pick, run, SearchBoard(folder).show)
