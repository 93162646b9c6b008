"""Files of one JSON object a line that survive a kill, and the metrics of a training run."""

import json
import time
from pathlib import Path

import tensorflow as tf

from srnas_tf import STARTED
from srnas_tf.settings import write_text


def read_lines(path: Path) -> list[dict]:
    """The whole lines of a journal; a last line that a kill cut short is dropped, from the file too."""
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    complete = text[: text.rfind("\n") + 1]
    if complete != text:
        write_text(path, complete)
    return [json.loads(line) for line in complete.splitlines()]


def append_line(path: Path, entry: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


class Metrics:
    """Sends a run's (name, value) pairs to `metrics.jsonl` and TensorBoard.

    Args:
        folder: of the run.
        step: the step the run goes on from; lines that an earlier process wrote past it are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "metrics.jsonl"
        lines = read_lines(self._path)
        kept = [line for line in lines if line["step"] <= step]
        if len(kept) < len(lines):
            write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._board = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def write(self, step: int, **values: float) -> None:
        append_line(self._path, {"step": step, **values, "seconds": round(time.time() - STARTED, 3)})
        with self._board.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def close(self) -> None:
        self._board.close()
