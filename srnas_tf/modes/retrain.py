"""`--mode=retrain`: trains the networks that the search found."""

import dataclasses
import functools
from typing import NamedTuple

from srnas_tf import flags
from srnas_tf.arch import Network, Space
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.modes.search import trained_supernet
from srnas_tf.modes.start import Start, start_of
from srnas_tf.nets import Net
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, RetrainSettings, TrainSettings
from srnas_tf.workdir.files import read_records
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Trains the networks of `search/best.json`, best first, into `retrain/1`, `retrain/2`, ..."""
    space = flags.recorded(workdir, "network", Space, "--mode=supernet")
    data = flags.recorded(workdir, "data", DataSettings, "--mode=supernet")
    record.check(data, workdir.path, "train", "val")
    # Training flags speak of the networks here; the supernet's recipe only fills in what they leave open.
    supernet = flags.recorded(workdir, "supernet", TrainSettings, "--mode=supernet", obey=False)
    settings = settle(workdir, supernet)
    best = found(workdir)
    job = Job(data, settings.recipe, flags.from_flags(MachineSettings), space.scale, workdir.path)
    starts = starts_of(settings.recipe, best, workdir)
    workdir.claim(retraining=settings.differences, retrain=settings.recipe)
    retrain(job, best, starts, workdir)


class Retraining(NamedTuple):
    """What the flags say of retraining, and the recipe that follows from it."""

    differences: RetrainSettings
    recipe: TrainSettings


def settle(workdir: Workdir, supernet: TrainSettings) -> Retraining:
    """How to retrain: as the supernet was trained, but for its first weights and what flags say."""
    differences = flags.settle(workdir, "retraining", RetrainSettings)
    usual = dataclasses.asdict(supernet) | {"init": "scratch"}
    return Retraining(
        differences, flags.settle(workdir, "retrain", TrainSettings, differences.overrides, defaults=usual)
    )


def found(workdir: Workdir) -> list[Network]:
    """The networks of `search/best.json`, best first.

    Raises:
        UserError: where there is none yet, or it is spoiled.
    """
    path = workdir / "search" / "best.json"
    if not path.exists():
        raise UserError(f"{path}: missing; run --mode=search with --workdir={workdir.path} to its end first")
    return [Network.parse(entry["arch"]) for entry in read_records(path, {"arch": str}, "networks")]


def starts_of(settings: TrainSettings, networks: list[Network], workdir: Workdir) -> list[Start | None]:
    """How each network begins."""
    supernet = functools.cache(functools.partial(trained_supernet, workdir))
    return [start_of(settings.init, network, supernet) for network in networks]


def retrain(job: Job, networks: list[Network], starts: list[Start | None], workdir: Workdir) -> list[Net]:
    """Trains networks in order of rank."""
    folders = [workdir / "retrain" / str(rank) for rank in range(1, len(networks) + 1)]
    triples = zip(networks, folders, starts, strict=True)
    return [job.train_network(network, folder, start) for network, folder, start in triples]
