"""`--mode=train`: trains one given network."""

from dataclasses import dataclass

from srnas_tf import flags
from srnas_tf.arch import Architecture, Space, ZooNetwork, parse
from srnas_tf.data import record
from srnas_tf.data.degrade.pipeline import DEFAULT
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.modes.start import start_of
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.folder import Workdir


@dataclass(frozen=True)
class Subject:
    """The text of the network in a workdir's `train/`."""

    arch: str


def run(workdir: Workdir) -> None:
    """Trains, or continues, into `train/`."""
    data = flags.settle(workdir, "data", DataSettings)
    record.check(data, workdir.path)
    settings = flags.settle(workdir, "train", TrainSettings)
    asked = flags.chosen_network(flags.settle(workdir, "network", Space))
    if asked is None and not workdir.holds("subject"):
        raise UserError("--mode=train needs --net, or --arch: codes (7,1,7), recipes (SCCC-SSSC), a text (x4:w64:...)")
    subject = workdir.settle("subject", Subject, {"arch": str(asked)} if asked else {}, {})
    network = parse(subject.arch)
    flags.check_agrees(network)
    _check_degradation(network, data)
    job = Job(data, settings, flags.from_flags(MachineSettings), network.scale, workdir.path)
    start = start_of(settings.init, network)
    workdir.claim(data=data, train=settings, subject=subject)
    if workdir.owned:
        record.keep(data, workdir.path)
    job.train_network(network, workdir / "train", start)


def _check_degradation(network: Architecture, data: DataSettings) -> None:
    """Refuses degradations for a network that enlarges by bicubic first: it would have to undo both."""
    if isinstance(network, ZooNetwork) and network.enlarges_first and data.degradation != DEFAULT:
        raise UserError(
            f"--degradation={data.degradation}: {network.name} enlarges by bicubic before its first layer, and is for "
            "bicubic reductions; drop the flag, or take another network"
        )
