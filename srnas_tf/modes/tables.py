"""`--mode=tables`: prints the thesis' tables with our own measurements, as Markdown. No TensorFlow."""

from pathlib import Path

from srnas_tf import flags
from srnas_tf.errors import UserError
from srnas_tf.report import results, thesis
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir | None) -> None:
    """Prints `--table`, or all tables, with the results of the folder `--results`."""
    tables = thesis.load()
    wanted = flags.FLAGS.table
    if wanted is not None and wanted not in tables:
        raise UserError(f"--table={wanted}: choose one of {', '.join(tables)}")
    measured = results.read_folder(_folder())
    parts = [thesis.markdown(number, tables[number], measured) for number in ([wanted] if wanted else tables)]
    print("\n".join([thesis.LEGEND + "\n", *parts]), end="")


def _folder() -> Path:
    """The folder of results. The default one may be missing.

    Raises:
        UserError: if a folder that the user names is missing.
    """
    if not flags.FLAGS.results:
        return results.DEFAULT_FOLDER
    folder = Path(flags.FLAGS.results).expanduser()
    if not folder.is_dir():
        raise UserError(f"--results={folder}: no such folder; give one with files of --mode=evaluate --record")
    return folder
