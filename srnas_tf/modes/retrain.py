"""`--mode=retrain`: trains the networks that the search found."""

import dataclasses
import functools
import shutil
from typing import NamedTuple

from srnas_tf import flags
from srnas_tf.arch import Network, Space
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError, writing
from srnas_tf.modes.search import trained_supernet
from srnas_tf.modes.start import Start, start_of
from srnas_tf.nets import Net
from srnas_tf.train.alone import InRungs
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, RetrainSettings, TrainSettings
from srnas_tf.workdir.files import read_records
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Trains the networks of `search/best.json`, best first, into `retrain/1`, `retrain/2`, ..."""
    space = flags.recorded(workdir, "network", Space, "--mode=supernet")
    data = flags.recorded(workdir, "data", DataSettings, "--mode=supernet")
    record.check(data, workdir.path, "train", "val")
    # Training flags are for the networks here. The search's recipe is the default for the others.
    searched = "alone" if workdir.holds("alone") else "supernet"
    settings = settle(workdir, flags.recorded(workdir, searched, TrainSettings, "--mode=supernet", obey=False))
    best = found(workdir)
    job = Job(data, settings.recipe, flags.from_flags(MachineSettings), space.scale, workdir.path)
    starts = starts_of(settings.recipe, best, workdir)
    workdir.claim(retraining=settings.differences, retrain=settings.recipe)
    retrain(job, best, starts, workdir)


class Retraining(NamedTuple):
    """The settings of retraining, and their recipe."""

    differences: RetrainSettings
    recipe: TrainSettings


def settle(workdir: Workdir, searched: TrainSettings) -> Retraining:
    """The recipe of retraining: that of the search's networks or supernet, except for first weights and flags."""
    differences = flags.settle(workdir, "retraining", RetrainSettings)
    usual = dataclasses.asdict(searched) | {"init": "scratch"}
    return Retraining(
        differences, flags.settle(workdir, "retrain", TrainSettings, differences.overrides, defaults=usual)
    )


def found(workdir: Workdir) -> list[Network]:
    """The networks of `search/best.json`, best first.

    Raises:
        UserError: if there is none yet, or it is broken.
    """
    path = workdir / "search" / "best.json"
    if not path.exists():
        raise UserError(f"{path}: missing; run --mode=search with --workdir={workdir.path} to its end first")
    return [Network.parse(entry["arch"]) for entry in read_records(path, {"arch": str}, "networks")]


def starts_of(settings: TrainSettings, networks: list[Network], workdir: Workdir) -> list[Start | None]:
    """The first weights of each network."""
    supernet = functools.cache(functools.partial(trained_supernet, workdir))
    return [start_of(settings.init, network, supernet) for network in networks]


def retrain(
    job: Job,
    networks: list[Network],
    starts: list[Start | None],
    workdir: Workdir,
    trainer: InRungs | None = None,
) -> list[Net]:
    """Trains networks in the order of rank. Those that a search trained alone by the same recipe are reused."""
    folders = [workdir / "retrain" / str(rank) for rank in range(1, len(networks) + 1)]
    for network, folder in zip(networks, folders, strict=True):
        done = trainer.folder(str(network), job.settings.steps) if trainer else folder
        if (done / "model.keras").exists() and not folder.exists():
            with writing(folder):
                shutil.copytree(done, folder)
    triples = zip(networks, folders, starts, strict=True)
    return [job.train_network(network, folder, start) for network, folder, start in triples]
