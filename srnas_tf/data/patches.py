"""Training patches as a pure function of (seed, step)."""

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.data import imresize, partners, places
from srnas_tf.data.degrade.picture import Window
from srnas_tf.data.degrade.pipeline import PLAIN, Degradation
from srnas_tf.data.shelf import Shelf
from srnas_tf.data.store import Store
from srnas_tf.errors import UserError
from srnas_tf.host.devices import cores
from srnas_tf.seeding import generator

_AT_ONCE = 16
"""The most batches that are made at a time."""

log = logging.getLogger(__name__)


class Photographs:
    """Training images and their low-resolution images.

    An image is decoded once and kept, in memory or in a store. If there is no room, it is decoded again for each patch.
    A plain reduction is kept with its image. Any other degradation is made for each patch. All ways give the same
    bytes.

    Args:
        paths: image files.
        scale: enlargement.
        memory: bytes of pixels to keep.
        degradation: makes the low-resolution images.
        pairs: files of low-resolution images, by high-resolution file. Others are made.
        store: keeps images that do not fit in memory.

    Raises:
        UserError: if no file can be read, or the sizes of a pair do not agree.
    """

    def __init__(
        self,
        paths: list[Path],
        scale: int,
        memory: int = 4 << 30,
        degradation: Degradation = PLAIN,
        pairs: Mapping[Path, Path] = {},
        store: Store | None = None,
    ) -> None:
        self.scale, self._degradation, self.pairs = scale, degradation, pairs
        self._shelf = Shelf(memory, store)
        self._plain = {f"x{scale} {degradation}": functools.partial(_reduction, scale=scale)}
        self._shelf.load((path for path in paths if path not in pairs), self._plain if degradation.plain else {})
        self._shelf.load(each for path in paths if path in pairs for each in (path, pairs[path]))
        shapes = self._shelf.shapes
        self.paths = [path for path in paths if path in shapes and pairs.get(path, path) in shapes]
        self.sizes: list[tuple[int, int]] = [
            partners.common_size(path, pairs.get(path), shapes, scale) for path in self.paths
        ]
        """Heights and widths of the low-resolution images."""

    def cut(
        self, index: int, top: int, left: int, size: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """A patch: uint8 LR [size, size, 3], and its HR [size * scale, size * scale, 3].

        Args:
            index: index of the image.
            top: first row of the patch, in low-resolution pixels.
            left: first column of the patch, in low-resolution pixels.
            size: side of the patch, in low-resolution pixels.
            rng: draws the values of a degradation.
        """
        s, path = self.scale, self.paths[index]
        window = np.s_[top : top + size, left : left + size]
        hr = self._shelf.pixels(path)
        patch = hr[top * s : (top + size) * s, left * s : (left + size) * s]
        if path in self.pairs:
            return self._shelf.pixels(self.pairs[path])[window], patch
        if self._degradation.plain:
            [(text, make)] = self._plain.items()
            whole = self._shelf.made(path, text, make)
            if whole is not None:
                return whole[window], patch
        at = Window(top, left, top + size, left + size)
        return self._degradation.window(hr, self.sizes[index], s, at, rng), patch

    def flat(self, colour: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A patch of one colour: uint8 LR [size, size, 3], and its HR [size * scale, size * scale, 3].

        It is degraded as photographs are. Where these have partners, its LR is the colour itself.

        Args:
            colour: uint8 [3].
            size: side of the patch, in low-resolution pixels.
            rng: draws the values of a degradation.
        """
        side = size * self.scale
        hr = np.broadcast_to(colour, (side, side, 3))
        return self._degradation.whole(hr, self.scale, rng), hr


def _reduction(image: np.ndarray, path: Path, scale: int) -> np.ndarray:
    """The plain reduction of an image of any size."""
    return imresize.pair(image, scale)[0]


class Patches:
    """Batches of aligned, randomly flipped and turned patches.

    Args:
        photographs: the training images.
        patch: side of a low-resolution patch, pixels.
        batch: patches in a step.
        seed: the experiment's seed.
        flat: share of the patches that are one colour. A network takes what is beyond an image's border for black.
            Photographs alone do not teach it what to make of that beside pure colours.

    Images smaller than a patch are left out, and a line says so once.

    Raises:
        UserError: if all images are smaller.
    """

    def __init__(self, photographs: Photographs, patch: int, batch: int, seed: int, flat: float = 0.0) -> None:
        self.photographs, self.patch, self.batch, self.seed, self.flat = photographs, patch, batch, seed, flat
        self._gone: UserError | None = None
        sizes = photographs.sizes
        self._usable = places.usable(sizes, patch)
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
        drawn = places.draw(rng, self.photographs.sizes, self._usable, self.patch, self.batch)
        # Generators of their own, so that neither flat patches nor a degradation change places and turns.
        flat = generator(self.seed, "flat patches", step)
        for i, place in enumerate(drawn):
            degraded = generator(self.seed, f"degradation of patch {i}", step)
            if flat.random() < self.flat:
                cut = self.photographs.flat(_colour(flat), self.patch, degraded)
            else:
                cut = self.photographs.cut(place.photograph, place.top, place.left, self.patch, degraded)
            for room, patch in zip((lr[i], hr[i]), cut, strict=True):
                turned = np.rot90(_pixels(patch), place.turns)
                _pixels(room)[...] = turned[:, ::-1] if place.flip else turned
        return lr, hr

    def dataset(self, start: int, stop: int) -> tf.data.Dataset:
        """The batches of steps `start` .. `stop` - 1. They are made ahead of their use."""
        shapes = [(self.batch, side, side, 3) for side in (self.patch, self.patch * self.photographs.scale)]

        def make(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            lr, hr = tf.numpy_function(self._at, [step], [tf.uint8, tf.uint8], stateful=False)
            return tf.ensure_shape(lr, shapes[0]), tf.ensure_shape(hr, shapes[1])

        options = tf.data.Options()
        # There is nothing to tune, and the end would wait up to a minute for the tuner's next turn.
        options.autotune.enabled = False
        steps = tf.data.Dataset.range(start, stop).with_options(options)
        at_once = max(2, min(cores(), _AT_ONCE))
        return steps.map(make, num_parallel_calls=at_once, deterministic=True).prefetch(4)

    def _at(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.at(int(step))
        except UserError as error:
            self._gone = error
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """A context in which batches of `dataset` are taken.

        Raises:
            UserError: if an image can no longer be read. tf.data would hide that in an error of its own.
        """
        try:
            yield
        except tf.errors.OpError:
            if self._gone is None:
                raise
            raise UserError(f"{self._gone}; it could be read before: give it back, then the same command") from None


class Changing:
    """Batches whose patches change in size or number over a training.

    Args:
        by_start: batches, by the step from which on they are taken, in order; the first is step 0.
    """

    def __init__(self, by_start: Mapping[int, Patches]) -> None:
        self._by_start = dict(by_start)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a step, as `Patches.at`."""
        return self._by_start[max(start for start in self._by_start if start <= step)].at(step)

    def dataset(self, start: int, stop: int) -> tf.data.Dataset:
        """Batches of the steps `start` .. `stop` - 1, made ahead of their use."""
        ends = [*list(self._by_start)[1:], stop]
        spans = [
            (patches, max(first, start), min(end, stop))
            for (first, patches), end in zip(self._by_start.items(), ends, strict=True)
        ]
        parts = [patches.dataset(first, end) for patches, first, end in spans if first < end]
        return functools.reduce(tf.data.Dataset.concatenate, parts)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """See `Patches.reading`."""
        with contextlib.ExitStack() as stack:
            for patches in self._by_start.values():
                stack.enter_context(patches.reading())
            yield


def _colour(rng: np.random.Generator) -> np.ndarray:
    """A colour, uint8 [3]: one of the eight corners of the colour cube as often as any other."""
    levels = rng.integers(256, size=3)
    return (np.where(levels < 128, 0, 255) if rng.random() < 0.5 else levels).astype(np.uint8)


def _pixels(image: np.ndarray) -> np.ndarray:
    """A uint8 image [height, width, 3] as [height, width] of whole pixels, which NumPy rotates twice as fast."""
    return image.view("V3")[..., 0]
