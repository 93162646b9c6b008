"""Training patches as a pure function of (seed, step)."""

import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.data import images, imresize
from srnas_tf.errors import UserError
from srnas_tf.seeding import generator

_CONTEXT = 3
"""LR pixels around a patch whose HR pixels its reduction depends on: the kernel reaches 2, one more for rounding."""

log = logging.getLogger(__name__)


class Patches:
    """Batches of aligned, randomly flipped and turned patches.

    Photographs are decoded once and kept, reduced, in memory while they fit; the rest is decoded again whenever a
    patch of it is drawn, and only that patch is reduced. Both give the same bytes.

    Args:
        paths: image files.
        scale: enlargement.
        patch: side of a low-resolution patch, pixels.
        batch: patches a step.
        seed: the experiment's seed.
        memory: bytes of pixels to keep.

    Raises:
        UserError: where no file can be read, or an image is smaller than a patch.
    """

    def __init__(self, paths: list[Path], scale: int, patch: int, batch: int, seed: int, memory: int = 4 << 30) -> None:
        self.scale, self.patch, self.batch, self.seed = scale, patch, batch, seed
        self._paths: list[Path] = []
        self._sizes: list[tuple[int, int]] = []  # of the reductions
        self._kept: list[tuple[np.ndarray, np.ndarray] | None] = []
        used = 0
        for path, (lr, hr) in images.load_all(paths, lambda image: imresize.pair(image, scale)):
            if min(hr.shape[:2]) < patch * scale:
                raise UserError(
                    f"{path}: {hr.shape[1]} x {hr.shape[0]} is smaller than a patch of {patch * scale} pixels "
                    f"(--patch={patch} at x{scale}); remove it or lower --patch"
                )
            used += hr.nbytes + lr.nbytes
            self._paths.append(path)
            self._sizes.append(lr.shape[:2])
            self._kept.append((lr, hr) if used <= memory else None)
        streamed = self._kept.count(None)
        if streamed:
            log.warning("%d of %d photographs do not fit in memory and are read again from disk", streamed, len(paths))

    def __len__(self) -> int:
        return len(self._paths)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a step: uint8 [batch, patch, patch, 3] and [batch, patch * scale, patch * scale, 3]."""
        rng = generator(self.seed, "patches", step)
        pairs = [self._draw(rng) for _ in range(self.batch)]
        return np.stack([lr for lr, _ in pairs]), np.stack([hr for _, hr in pairs])

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        index = int(rng.integers(len(self._paths)))
        height, width = self._sizes[index]
        top = int(rng.integers(height - self.patch + 1))
        left = int(rng.integers(width - self.patch + 1))
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        lr, hr = self._cut(index, top, left)
        lr, hr = np.rot90(lr, turns), np.rot90(hr, turns)
        return (lr[:, ::-1], hr[:, ::-1]) if flip else (lr, hr)

    def _cut(self, index: int, top: int, left: int) -> tuple[np.ndarray, np.ndarray]:
        s, p = self.scale, self.patch
        kept = self._kept[index]
        if kept is not None:
            lr, hr = kept
            return lr[top : top + p, left : left + p], hr[top * s : (top + p) * s, left * s : (left + p) * s]
        hr = imresize.crop_to_multiple(images.load(self._paths[index]), s)
        return reduce_region(hr, s, top, left, p), hr[top * s : (top + p) * s, left * s : (left + p) * s]

    def dataset(self, start: int, stop: int) -> tf.data.Dataset:
        """Batches of the steps `start` .. `stop` - 1, made ahead of their use."""
        shapes = [(self.batch, side, side, 3) for side in (self.patch, self.patch * self.scale)]

        def make(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            lr, hr = tf.numpy_function(lambda at: self.at(int(at)), [step], [tf.uint8, tf.uint8], stateful=False)
            return tf.ensure_shape(lr, shapes[0]), tf.ensure_shape(hr, shapes[1])

        steps = tf.data.Dataset.range(start, stop)
        return steps.map(make, num_parallel_calls=2, deterministic=True).prefetch(4)


def reduce_region(hr: np.ndarray, scale: int, top: int, left: int, size: int) -> np.ndarray:
    """`reduce(hr, scale)[top : top + size, left : left + size]` without reducing the rest."""
    (y0, y1, dy), (x0, x1, dx) = (
        (max(0, start - _CONTEXT), min(length // scale, start + size + _CONTEXT), min(start, _CONTEXT))
        for start, length in ((top, hr.shape[0]), (left, hr.shape[1]))
    )
    region = imresize.reduce(hr[y0 * scale : y1 * scale, x0 * scale : x1 * scale], scale)
    return region[dy : dy + size, dx : dx + size]
