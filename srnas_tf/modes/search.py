"""`--mode=search`: searches the trained supernet of a workdir."""

from pathlib import Path

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.executors import executor_of
from srnas_tf.freeze.latency import known_table, table_of
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.nets import Supernet
from srnas_tf.nets.files import load_supernet
from srnas_tf.search.feasible import PRICES, Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import Budget, Pick, SearchSettings, weighs_latency
from srnas_tf.train import precision
from srnas_tf.train.paths import travelling_scorers
from srnas_tf.train.settings import MachineSettings
from srnas_tf.train.writer import SearchBoard
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Searches, or goes on searching, into `search/`."""
    space = flags.recorded(workdir, "network", Space, "--mode=supernet")
    data = flags.recorded(workdir, "data", DataSettings, "--mode=supernet")
    record.check(data, workdir.path, "val")
    settings = flags.settle(workdir, "search", SearchSettings)
    budget = flags.settle(workdir, "budget", Budget)
    pick = flags.settle(workdir, "pick", Pick)
    conditions = flags.settle(workdir, "latency", LatencySettings)
    supernet_file(workdir)
    feasible = feasible_of(space, settings, budget, pick, conditions, workdir)
    workdir.claim(search=settings, budget=budget, pick=pick, latency=conditions)
    search_supernet(data, settings, feasible, pick, flags.from_flags(MachineSettings), workdir)


def feasible_of(
    space: Space,
    settings: SearchSettings,
    budget: Budget,
    pick: Pick,
    conditions: LatencySettings,
    workdir: Workdir,
) -> Feasible:
    """The networks that a budget allows. Their latency is among their costs where a table of it is known, or wanted.

    Raises:
        UserError: where no network meets the budget.
    """
    Feasible(space, {name: limit for name, limit in budget.limits.items() if name in PRICES})  # before all measuring
    wanted = weighs_latency(settings, budget, pick)
    table = table_of(conditions, space, workdir) if wanted else known_table(conditions, space, workdir)
    latency = {"latency_ms": table.predict} if table else {}
    return Feasible(space, budget.limits, {**PRICES, **latency})


def supernet_file(workdir: Workdir) -> Path:
    """Where the supernet of a workdir is.

    Raises:
        UserError: where its training has not come to its end.
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
    """The networks to go on with, by validation PSNR with the supernet's weights."""
    policy = precision.settle(settings.search_precision, workdir.path)
    evaluate, screen = travelling_scorers(
        supernet_file(workdir), data, int(machine.memory_gb * 2**30), policy, machine.cache_dir
    )
    run = executor_of(machine.executor, machine.ray_address, machine.actors, machine.patience)
    folder = workdir / "search"
    return search(feasible, settings, evaluate, folder, screen, pick, run, SearchBoard(folder).show)
