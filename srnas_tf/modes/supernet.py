"""`--mode=supernet`: trains the supernet of a space."""

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.modes.start import start_of
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Trains, or continues, into `supernet/`."""
    space = flags.settle(workdir, "network", Space)
    data = flags.settle(workdir, "data", DataSettings)
    record.check(data, workdir.path)
    settings = flags.settle(workdir, "supernet", TrainSettings)
    job = Job(data, settings, flags.from_flags(MachineSettings), space.scale, workdir.path)
    start = start_of(settings.init, space)
    workdir.claim(network=space, data=data, supernet=settings)
    if workdir.owned:
        record.keep(data, workdir.path)
    job.train_supernet(space, workdir / "supernet", start)
