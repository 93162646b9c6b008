"""Writes metrics of a training run to its journal and to TensorBoard, and the course of a search to TensorBoard.

TensorBoard also gets a run's settings, and an image at each validation.
"""

import contextlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf

from srnas_tf import seconds_since_start
from srnas_tf.errors import writing
from srnas_tf.workdir.files import write_text
from srnas_tf.workdir.journal import append_line, read_lines


class _Board:
    """Scalars, images and hyperparameters of a folder, as events in its `tensorboard`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tensorboard"
        with self._writing():
            self._writer = tf.summary.create_file_writer(str(self._path))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        with self._writing(), self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def show(self, step: int, images: Mapping[str, np.ndarray]) -> None:
        """Adds images, uint8 RGB, by their names."""
        with self._writing(), self._writer.as_default(step=step):
            for name, image in images.items():
                tf.summary.image(name, image[None])

    def describe(self, trial: str, hparams: Mapping[str, Any]) -> None:
        """Writes the settings of the run, for the table of runs under TensorBoard's HPARAMS."""
        from tensorboard.plugins.hparams import api as hp

        plain = {
            name: value if isinstance(value, bool | int | float) else str(value) for name, value in hparams.items()
        }
        with self._writing(), self._writer.as_default(step=0):
            hp.hparams_config([hp.HParam(name) for name in plain], [hp.Metric("val_psnr", display_name="PSNR, dB")])
            hp.hparams(plain, trial_id=trial)

    def flush(self) -> None:
        with self._writing():
            self._writer.flush()

    def close(self) -> None:
        with self._writing():
            self._writer.close()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return writing(self._path, tf.errors.OpError)


class Metrics:
    """Sends a run's (name, value) pairs to `metrics.jsonl` and TensorBoard.

    Args:
        folder: folder of the run.
        step: the step from which the run continues. Later lines of an earlier process are dropped.
        hparams: its settings by name, for TensorBoard.

    Raises:
        WorkError: here and later, if something cannot be written.
    """

    def __init__(self, folder: Path, step: int, hparams: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._path = folder / "metrics.jsonl"
        lines = read_lines(self._path)
        kept = [line for line in lines if isinstance(line.get("step"), int) and line["step"] <= step]
        if len(kept) < len(lines):
            write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._board = _Board(folder)
        if hparams:
            self._board.describe("/".join(folder.absolute().parts[-2:]), hparams)

    def show(self, step: int, **images: np.ndarray) -> None:
        """Gives TensorBoard images, uint8 RGB."""
        self._board.show(step, images)

    def write(self, step: int, **values: float) -> None:
        """Adds a line, with the seconds since the process began."""
        append_line(self._path, {"step": step, **values, "seconds": round(seconds_since_start(), 3)})
        self._board.add(step, values)

    def close(self) -> None:
        """Closes the files."""
        self._board.close()


class SearchBoard:
    """A search in TensorBoard: the PSNR (dB) of each measured network, and the best so far.

    A resumed search is drawn anew from its journal.

    Args:
        folder: folder of the search.

    Raises:
        WorkError: here and later, if something cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        self._board, self._shown, self._best = _Board(folder), set[tuple[int, ...]](), -math.inf

    def show(self, measured: list[dict]) -> None:
        """Draws the new ones of all measurements so far, each with `codes`, `psnr` and, if any, `rung`."""
        for entry in measured:
            if (key := (entry.get("rung", 1), *entry["codes"])) not in self._shown:
                self._shown.add(key)
                self._best = max(self._best, entry["psnr"])
                self._board.add(len(self._shown), {"psnr": entry["psnr"], "best_psnr": self._best})
        self._board.flush()
