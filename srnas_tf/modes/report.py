"""`--mode=report`: makes one page of a workdir. Needs no TensorFlow, and disturbs no process that works there."""

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.report import page
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Writes `report.html` with all results so far."""
    if not workdir.path.is_dir():
        raise UserError(f"--workdir={workdir.path}: no such folder; give the folder of an experiment")
    for section, kind in (("network", Space), ("data", DataSettings)):
        flags.settle(workdir, section, kind)  # flags must not contradict the record
    print(f"report: {page.write(workdir.path)}")
