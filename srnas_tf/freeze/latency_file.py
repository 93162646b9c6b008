"""Files of latency: a table of a space's blocks, or timed networks for a model."""

from pathlib import Path
from typing import Any

from srnas_tf import reading
from srnas_tf.arch import latency
from srnas_tf.arch.latency import LatencyTable
from srnas_tf.errors import UserError
from srnas_tf.search import latency_model
from srnas_tf.search.latency_model import LatencyModel
from srnas_tf.workdir.files import write_json

Latency = LatencyTable | LatencyModel
"""The interface of both: their conditions, the latency of a network, and whether they cover a space."""
_KINDS: dict[Any, type[LatencyTable] | type[LatencyModel]] = {
    latency.VERSION: LatencyTable,
    latency_model.VERSION: LatencyModel,
}


def write(path: Path, known: Latency) -> None:
    write_json(path, known.to_json())


def read(path: Path) -> Latency:
    """Reads such a file.

    Raises:
        UserError: if it is missing or neither of the two. It says what is wrong.
    """
    try:
        data = reading.parse(reading.content(path))
        version = data.get("version") if isinstance(data, dict) else None
        return _KINDS.get(version, LatencyTable).from_json(data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a latency table ({reason}); see export/latency/README.md") from None
