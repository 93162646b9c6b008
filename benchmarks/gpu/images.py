"""Photographs in one file, and on the device: all of them, decoded, with patches gathered where they lie."""

import io
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras import ops
from PIL import Image

from srnas_tf.data import imresize, places
from srnas_tf.data.places import Place
from srnas_tf.errors import UserError
from srnas_tf.host.devices import cores
from srnas_tf.kit import formats
from srnas_tf.seeding import generator

FORMATS = {"avif": {"subsampling": "4:4:4"}, "jpeg": {"subsampling": 0, "optimize": True}, "webp": {"lossless": True}}
"""By name, what Pillow writes them with; WebP is lossless here, and takes no quality."""
MAX_PIXELS = 2**31 - 1
"""Pixels that the device counts to."""


def write(paths: Sequence[Path], path: Path, kind: str, quality: int) -> None:
    """Writes images into an archive, in their order.

    Args:
        paths: of the images.
        path: of the archive.
        kind: a key of `FORMATS`.
        quality: 1 to 100.
    """

    def encoded(source: Path) -> bytes:
        into = io.BytesIO()
        with Image.open(source, formats=formats.KINDS) as image:
            image.convert("RGB").save(into, kind, quality=quality, **FORMATS[kind])
        return into.getvalue()

    with zipfile.ZipFile(path, "w") as archive, ThreadPoolExecutor(cores()) as threads:
        for number, content in enumerate(threads.map(encoded, paths)):
            archive.writestr(f"{number:05}.{kind}", content)


def read(path: Path) -> list[np.ndarray]:
    """The images of an archive, in their order: uint8 [height, width, 3]."""
    with zipfile.ZipFile(path) as archive:
        contents = [archive.read(name) for name in sorted(archive.namelist())]

    def decoded(content: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert("RGB"))

    with ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(decoded, contents))


class Flat(NamedTuple):
    """Images of one resolution as one row of pixels.

    Attributes:
        pixels: uint8 [pixels, 3], on the device.
        starts: where each image begins.
        widths: of each image.
    """

    pixels: object
    starts: np.ndarray
    widths: np.ndarray

    @classmethod
    def of(cls, images: Sequence[np.ndarray]) -> "Flat":
        """All images behind one another, moved to the device."""
        ends = np.cumsum([image.shape[0] * image.shape[1] for image in images])
        if ends[-1] > MAX_PIXELS:
            raise UserError(f"{ends[-1]} pixels are more than a device counts to ({MAX_PIXELS}); pack fewer images")
        row = np.concatenate([image.reshape(-1, 3) for image in images])
        return cls(ops.convert_to_tensor(row), np.r_[0, ends[:-1]], np.array([image.shape[1] for image in images]))

    def lines(self, taken: Sequence[Place], scale: int, size: int) -> np.ndarray:
        """Of each patch of `size` pixels: its first pixel, and how far apart rows and columns lie; int32 [batch, 3]."""
        index, top, left, turns, flip = map(np.array, zip(*taken, strict=True))
        last, width = size - 1, self.widths[index]
        corner = self.starts[index] + top * scale * width + left * scale
        # A pixel of the turned patch lies at first + i * down + j * right of the photograph.
        first = np.choose(turns, [0, last, last * width + last, last * width])
        down = np.choose(turns, [width, -np.ones_like(width), -width, np.ones_like(width)])
        right = np.choose(turns, [np.ones_like(width), width, -np.ones_like(width), -width])
        first, right = np.where(flip, first + last * right, first), np.where(flip, -right, right)
        return np.stack([corner + first, down, right], axis=1).astype(np.int32)


def gather(pixels, lines, size: int):
    """The patches that `Flat.lines` speaks of: uint8 [batch, size, size, 3], in `keras.ops`."""
    along = ops.arange(size, dtype="int32")
    first, down, right = (lines[:, i, None, None] for i in range(3))
    return ops.take(pixels, first + down * along[None, :, None] + right * along[None, None, :], axis=0)


class Photographs:
    """Photographs and their bicubic reductions on the device, and where a step's patches lie among them.

    Args:
        images: uint8 [height, width, 3].
        scale: enlargement.
        seed: of the training; the patches of a step are those that `srnas_tf.data.patches` would cut.
    """

    def __init__(self, images: Sequence[np.ndarray], scale: int, seed: int) -> None:
        self._scale, self._seed = scale, seed
        with ThreadPoolExecutor(cores()) as threads:
            reduced = list(threads.map(lambda image: imresize.pair(image, scale)[0], images))
        self._sizes = [image.shape[:2] for image in reduced]
        self.lr, self.hr = Flat.of(reduced), Flat.of(images)

    @property
    def pixels(self) -> tuple:
        """Low and high resolution, as `gather` takes them."""
        return self.lr.pixels, self.hr.pixels

    def lines(self, step: int, patch: int, batch: int) -> np.ndarray:
        """Where the patches of a step lie: int32 [batch, 2, 3], low resolution first.

        Raises:
            UserError: where no photograph is as large as a patch.
        """
        among = places.usable(self._sizes, patch)
        if not among:
            raise UserError(f"--patch={patch}: no photograph is as large; give a smaller one")
        taken = list(places.draw(generator(self._seed, "patches", step), self._sizes, among, patch, batch))
        both = (self.lr.lines(taken, 1, patch), self.hr.lines(taken, self._scale, patch * self._scale))
        return np.stack(both, axis=1)
