"""`--mode=retrain`: trains the networks that the search found."""

import dataclasses
import json
from collections.abc import Callable

from srnas_tf import flags
from srnas_tf.arch import Network, Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.modes.search import trained_supernet
from srnas_tf.nets import Net
from srnas_tf.nets.supernet import load_path
from srnas_tf.settings import Workdir
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, RetrainSettings, TrainSettings


def run(workdir: Workdir) -> None:
    """Trains the networks of `search/best.json`, best first, into `retrain/1`, `retrain/2`, ..."""
    space = flags.recorded(workdir, "network", Space, "--mode=supernet")
    data = flags.recorded(workdir, "data", DataSettings, "--mode=supernet")
    # Training flags speak of the networks here; the supernet's recipe only fills in what they leave open.
    supernet = flags.recorded(workdir, "supernet", TrainSettings, "--mode=supernet", obey=False)
    retraining, settings = settle(workdir, supernet)
    best = found(workdir)
    job = Job(data, settings, flags.from_flags(MachineSettings), space.scale, workdir.path)
    workdir.claim(retraining=retraining, retrain=settings)
    retrain(job, retraining, best, workdir)


def settle(workdir: Workdir, supernet: TrainSettings) -> tuple[RetrainSettings, TrainSettings]:
    """How to retrain: as the supernet was trained, but for what flags say."""
    retraining = flags.settle(workdir, "retraining", RetrainSettings)
    settings = flags.settle(
        workdir, "retrain", TrainSettings, retraining.overrides, defaults=dataclasses.asdict(supernet)
    )
    return retraining, settings


def found(workdir: Workdir) -> list[Network]:
    """The networks of `search/best.json`, best first.

    Raises:
        UserError: where there is none yet.
    """
    path = workdir / "search" / "best.json"
    if not path.exists():
        raise UserError(f"{path}: missing; run --mode=search with --workdir={workdir.path} to its end first")
    return [Network.parse(entry["arch"]) for entry in json.loads(path.read_text("utf-8"))]


def retrain(job: Job, settings: RetrainSettings, networks: list[Network], workdir: Workdir) -> list[Net]:
    """Trains networks in order of rank."""
    start_from: Callable[[Net], None] | None = None
    if settings.init == "supernet":
        supernet = trained_supernet(workdir)

        def start_from(model: Net) -> None:
            load_path(model, supernet)

    folders = [workdir / "retrain" / str(rank) for rank in range(1, len(networks) + 1)]
    pairs = zip(networks, folders, strict=True)
    return [job.train_network(network, folder, start_from) for network, folder in pairs]
