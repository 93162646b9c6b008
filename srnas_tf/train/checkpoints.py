"""Checkpoints of a training: the newest few, each whole."""

import logging
import shutil
from pathlib import Path

import tensorflow as tf

from srnas_tf.errors import first_line, writing

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of a folder: `ckpt-<steps done>.index` and the `.data` files that it speaks of.

    The names alone say which there are. TensorFlow's own manager goes by the clock, and forgets all of them where that
    was set back.

    Args:
        folder: for them.
        keep: how many to keep, >= 1.
        objects: what they hold, by name.
    """

    def __init__(self, folder: Path, keep: int, **objects) -> None:
        self._folder, self._keep = folder, keep
        self._done = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(done=self._done, **objects)

    @property
    def paths(self) -> list[Path]:
        """What TensorFlow takes for the names of the checkpoints, oldest first."""
        return list(self._by_steps().values())

    def _by_steps(self) -> dict[int, Path]:
        found = [path.with_suffix("") for path in self._folder.glob("ckpt-*.index")]
        steps = {path.name.removeprefix("ckpt-"): path for path in found}
        return {int(name): steps[name] for name in sorted(filter(str.isdecimal, steps), key=int)}

    def restore(self) -> int:
        """Goes back to the newest checkpoint that can be read; returns the steps done, 0 where there is none."""
        for path in reversed(self.paths):
            try:
                _read_through(path)
                self._checkpoint.read(str(path)).assert_existing_objects_matched()
            except (tf.errors.OpError, ValueError, IndexError, AssertionError) as error:
                log.warning("%s: cannot be read (%s); going back to the one before", path, first_line(error))
            else:
                return int(self._done)
        return 0

    def save(self, done: int) -> None:
        """Adds a checkpoint, and removes the oldest one too many.

        Args:
            done: steps so far.

        Raises:
            WorkError: where it cannot be written; the earlier ones stay.
        """
        self._done.assign(done)
        partial = self._folder / "partial"
        with writing(self._folder, tf.errors.OpError):
            try:
                self._checkpoint.write(str(partial / f"ckpt-{done}"))
                # What the index names is there before it is.
                for path in sorted(partial.iterdir(), key=lambda path: path.suffix == ".index"):
                    path.replace(self._folder / path.name)
            finally:
                shutil.rmtree(partial, ignore_errors=True)  # on a full disk, what there is of it takes up room
            # A later one could not be read, or this would have begun there.
            earlier = [path for steps, path in self._by_steps().items() if steps <= done]
            for path in set(self.paths) - set(earlier[-self._keep :]):
                # The index first: it must not name what is gone.
                for file in sorted(self._folder.glob(f"{path.name}.*"), key=lambda file: file.suffix != ".index"):
                    file.unlink()


def _read_through(path: Path) -> None:
    """Reads every tensor of a checkpoint, which checks its sums: a restore that broke off would leave half of it."""
    reader = tf.train.load_checkpoint(str(path))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)
