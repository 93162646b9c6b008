"""Latency of a space's networks as a file: a table of its blocks, or timed networks that a model is fitted to."""

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
"""Both say under which conditions they hold, what a network takes, and whether they know a space."""
_KINDS: dict[Any, type[LatencyTable] | type[LatencyModel]] = {
    latency.VERSION: LatencyTable,
    latency_model.VERSION: LatencyModel,
}


def write(path: Path, known: Latency) -> None:
    write_json(path, known.to_json())


def read(path: Path) -> Latency:
    """What a file holds.

    Raises:
        UserError: where it is missing or neither of the two, with what is wrong about it.
    """
    try:
        data = reading.parse(reading.content(path))
        version = data.get("version") if isinstance(data, dict) else None
        return _KINDS.get(version, LatencyTable).from_json(data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a latency table ({reason}); see export/latency/README.md") from None
