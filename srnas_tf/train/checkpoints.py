"""The newest checkpoints of a training."""

import logging
import shutil
from pathlib import Path

import tensorflow as tf

from srnas_tf.errors import first_line, writing

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of a folder: `ckpt-<steps done>.index` and the `.data` files that it names.

    The files' names alone tell which checkpoints exist. TensorFlow's own manager goes by the clock, and forgets them
    all if the clock was set back.

    Args:
        folder: folder of the checkpoints.
        keep: number of checkpoints to keep, >= 1.
        objects: the contents, by name.
    """

    def __init__(self, folder: Path, keep: int, **objects) -> None:
        self._folder, self._keep = folder, keep
        self._done = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(done=self._done, **objects)

    @property
    def paths(self) -> list[Path]:
        """The checkpoints' paths, as TensorFlow names them, oldest first."""
        return list(self._by_steps().values())

    def _by_steps(self) -> dict[int, Path]:
        found = [path.with_suffix("") for path in self._folder.glob("ckpt-*.index")]
        steps = {path.name.removeprefix("ckpt-"): path for path in found}
        return {int(name): steps[name] for name in sorted(filter(str.isdecimal, steps), key=int)}

    def restore(self) -> int:
        """Restores the newest checkpoint that can be read. Returns the steps done; 0 if there is none."""
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
        """Adds a checkpoint, and removes the oldest ones beyond `keep`.

        Args:
            done: steps so far.

        Raises:
            WorkError: if it cannot be written. The earlier ones stay.
        """
        self._done.assign(done)
        partial = self._folder / "partial"
        with writing(self._folder, tf.errors.OpError):
            try:
                self._checkpoint.write(str(partial / f"ckpt-{done}"))
                # The data come first: the index must not name files that are not there.
                for path in sorted(partial.iterdir(), key=lambda path: path.suffix == ".index"):
                    path.replace(self._folder / path.name)
            finally:
                shutil.rmtree(partial, ignore_errors=True)  # an incomplete file would take up room on a full disk
            # Later checkpoints could not be read, or the run would have begun there.
            earlier = [path for steps, path in self._by_steps().items() if steps <= done]
            for path in set(self.paths) - set(earlier[-self._keep :]):
                # The index goes first: it must not name files that are gone.
                for file in sorted(self._folder.glob(f"{path.name}.*"), key=lambda file: file.suffix != ".index"):
                    file.unlink()


def _read_through(path: Path) -> None:
    """Reads every tensor of a checkpoint, which checks its sums. A restore that fails halfway would leave a mixture."""
    reader = tf.train.load_checkpoint(str(path))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)
