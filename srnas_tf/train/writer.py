"""The metrics of a training run, as a journal and for TensorBoard."""

import contextlib
import json
from pathlib import Path

import tensorflow as tf

from srnas_tf import seconds_since_start
from srnas_tf.errors import writing
from srnas_tf.journal import append_line, read_lines
from srnas_tf.settings import write_text


class Metrics:
    """Sends a run's (name, value) pairs to `metrics.jsonl` and TensorBoard.

    Args:
        folder: of the run.
        step: the step the run goes on from; lines that an earlier process wrote past it are dropped.

    Raises:
        WorkError: here and later, where something cannot be written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "metrics.jsonl"
        lines = read_lines(self._path)
        kept = [line for line in lines if isinstance(line.get("step"), int) and line["step"] <= step]
        if len(kept) < len(lines):
            write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._events = folder / "tensorboard"
        with self._to_board():
            self._board = tf.summary.create_file_writer(str(self._events))

    def write(self, step: int, **values: float) -> None:
        append_line(self._path, {"step": step, **values, "seconds": round(seconds_since_start(), 3)})
        with self._to_board(), self._board.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def close(self) -> None:
        with self._to_board():
            self._board.close()

    def _to_board(self) -> contextlib.AbstractContextManager[None]:
        return writing(self._events, tf.errors.OpError)
