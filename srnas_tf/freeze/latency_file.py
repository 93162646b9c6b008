"""A latency table as a file."""

from pathlib import Path

from srnas_tf import reading
from srnas_tf.arch.latency import LatencyTable
from srnas_tf.errors import UserError
from srnas_tf.workdir.files import write_json


def write(path: Path, table: LatencyTable) -> None:
    write_json(path, table.to_json())


def read(path: Path) -> LatencyTable:
    """A table's file.

    Raises:
        UserError: where it is missing or no table, with what is wrong about it.
    """
    try:
        return LatencyTable.from_json(reading.parse(reading.content(path)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a latency table ({reason}); see export/latency/README.md") from None
