"""Training patches as a pure function of (seed, step)."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.data import images, imresize
from srnas_tf.errors import UserError
from srnas_tf.seeding import generator

_CONTEXT = 3
"""LR pixels around a patch whose HR pixels its reduction depends on: the kernel reaches 2, one more for rounding."""

log = logging.getLogger(__name__)


class Photographs:
    """Training photographs and their reductions.

    They are decoded once and kept in memory while they fit; the rest is decoded again whenever a patch of it is cut,
    and only that patch is reduced. Both give the same bytes.

    Args:
        paths: image files.
        scale: enlargement.
        memory: bytes of pixels to keep.

    Raises:
        UserError: where no file can be read.
    """

    def __init__(self, paths: list[Path], scale: int, memory: int = 4 << 30) -> None:
        self.scale = scale
        self.paths: list[Path] = []
        self.sizes: list[tuple[int, int]] = []
        """Heights and widths of the reductions."""
        self._kept: list[tuple[np.ndarray, np.ndarray] | None] = []
        used = 0
        for path, (lr, hr) in images.load_all(paths, lambda image: imresize.pair(image, scale)):
            used += hr.nbytes + lr.nbytes
            self.paths.append(path)
            self.sizes.append((hr.shape[0] // scale, hr.shape[1] // scale))
            self._kept.append((lr, hr) if used <= memory else None)
        streamed = self._kept.count(None)
        if streamed:
            log.warning("%d of %d photographs do not fit in memory and are read again from disk", streamed, len(paths))

    def cut(self, index: int, top: int, left: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """A patch: uint8 LR [size, size, 3], and the HR [size * scale, size * scale, 3] it came from."""
        s = self.scale
        hr_window = np.s_[top * s : (top + size) * s, left * s : (left + size) * s]
        kept = self._kept[index]
        if kept is not None:
            lr, hr = kept
            return lr[top : top + size, left : left + size], hr[hr_window]
        hr = imresize.crop_to_multiple(images.load(self.paths[index]), s)
        return reduce_region(hr, s, top, left, size), hr[hr_window]


class Patches:
    """Batches of aligned, randomly flipped and turned patches.

    Args:
        photographs: to cut them from.
        patch: side of a low-resolution patch, pixels.
        batch: patches a step.
        seed: the experiment's seed.

    Photographs smaller than a patch are left out, which is said once.

    Raises:
        UserError: where all of them are.
    """

    def __init__(self, photographs: Photographs, patch: int, batch: int, seed: int) -> None:
        self.photographs, self.patch, self.batch, self.seed = photographs, patch, batch, seed
        self._gone: UserError | None = None
        sizes = photographs.sizes
        self._usable = [index for index, size in enumerate(sizes) if min(size) >= patch]
        small = [index for index, size in enumerate(sizes) if min(size) < patch]
        if small:
            (height, width), scale = sizes[small[0]], photographs.scale
            first = f"{photographs.paths[small[0]]}: {width * scale} x {height * scale} is smaller than a patch"
            needed = f"of {patch * scale} pixels (--patch={patch} at x{scale})"
            if not self._usable:
                raise UserError(f"{first} {needed}, and so are all others; lower --patch or give larger images")
            log.warning("%s %s: it is left out; so are %d others", first, needed, len(small) - 1)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a step: uint8 [batch, patch, patch, 3] and [batch, patch * scale, patch * scale, 3]."""
        rng = generator(self.seed, "patches", step)
        sides = (self.patch, self.patch * self.photographs.scale)
        lr, hr = (np.empty((self.batch, side, side, 3), np.uint8) for side in sides)
        for i in range(self.batch):
            patches, turns, flip = self._draw(rng)
            for place, patch in zip((lr[i], hr[i]), patches, strict=True):
                turned = np.rot90(_pixels(patch), turns)
                _pixels(place)[...] = turned[:, ::-1] if flip else turned
        return lr, hr

    def _draw(self, rng: np.random.Generator) -> tuple[tuple[np.ndarray, np.ndarray], int, bool]:
        """A patch, as it lies in its photograph, the quarter turns that it is to make, and whether it is mirrored."""
        index = self._usable[int(rng.integers(len(self._usable)))]
        height, width = self.photographs.sizes[index]
        top = int(rng.integers(height - self.patch + 1))
        left = int(rng.integers(width - self.patch + 1))
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        return self.photographs.cut(index, top, left, self.patch), turns, flip

    def dataset(self, start: int, stop: int) -> tf.data.Dataset:
        """Batches of the steps `start` .. `stop` - 1, made ahead of their use."""
        shapes = [(self.batch, side, side, 3) for side in (self.patch, self.patch * self.photographs.scale)]

        def make(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            lr, hr = tf.numpy_function(self._at, [step], [tf.uint8, tf.uint8], stateful=False)
            return tf.ensure_shape(lr, shapes[0]), tf.ensure_shape(hr, shapes[1])

        options = tf.data.Options()
        # There is nothing to tune, and whoever is done would wait for the tuner's next turn: up to a minute.
        options.autotune.enabled = False
        steps = tf.data.Dataset.range(start, stop).with_options(options)
        return steps.map(make, num_parallel_calls=2, deterministic=True).prefetch(4)

    def _at(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.at(int(step))
        except UserError as error:
            self._gone = error
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """For whoever takes batches of the data set inside.

        Raises:
            UserError: where a photograph that is read again and again cannot be read any more; tf.data would hide that
                in an error of its own.
        """
        try:
            yield
        except tf.errors.OpError:
            if self._gone is None:
                raise
            raise UserError(f"{self._gone}; it could be read before: give it back, then the same command") from None


def reduce_region(hr: np.ndarray, scale: int, top: int, left: int, size: int) -> np.ndarray:
    """`reduce(hr, scale)[top : top + size, left : left + size]` without reducing the rest."""
    (y0, y1, dy), (x0, x1, dx) = (
        (max(0, start - _CONTEXT), min(length // scale, start + size + _CONTEXT), min(start, _CONTEXT))
        for start, length in ((top, hr.shape[0]), (left, hr.shape[1]))
    )
    region = imresize.reduce(hr[y0 * scale : y1 * scale, x0 * scale : x1 * scale], scale)
    return region[dy : dy + size, dx : dx + size]


def _pixels(image: np.ndarray) -> np.ndarray:
    """The uint8 image [height, width, 3] as [height, width] of whole pixels, which NumPy turns twice as fast."""
    return image.view("V3")[..., 0]
