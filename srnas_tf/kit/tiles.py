"""Enlarges images of any size in bounded memory, tile by tile. Needs numpy alone.

With stages (`nets.stages`), the result equals that of the whole image at once. Each stage runs on all tiles. The maps
between stages are in memory or, for large images, in a temporary file. Other models enlarge overlapping tiles, and see
no more of the image than a tile. A file of one size gets tiles of that size.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .rows import File, rows_of

PIXELS = 104 * 1024
"""Pixels of the small image in a tile by default."""

FEWEST = 32 * 32
"""The least pixels of a tile. If these do not fit into memory, the work fails."""

OVERLAP = 16
"""Pixels around a tile for a model without stages. Small tiles of a fixed size have fewer."""

GRID = 6
"""Such tiles begin at multiples of this, because enhanced spatial attention works on squares of this side."""

ROWS = 64
"""The fewest rows of a tile in a wide image. Fewer would cost more by overlap than they save."""


Told = Callable[[float], None]

_CACHED = 2**15
"""Numbers that are converted to levels at a time."""


class Stages(NamedTuple):
    """A model in stages.

    Attributes:
        run: (stage, maps, moments [2, gathered], mask [height, width, 1]) -> (maps, moments), as in `nets.stages`; maps
            are a list of [height, width, channels]. The last stage's list holds the enlarged image.
        reaches: for each stage, the pixels that a tile needs around it.
        channels: numbers of channels of the maps between stages.
        planes: whether all maps are [channels, height, width] instead.
        grid: a tile, with the pixels around it, begins at a multiple of this.
    """

    run: Callable
    reaches: tuple[int, ...]
    channels: tuple[int, ...]
    planes: bool = False
    grid: int = 1


class Model(NamedTuple):
    """An upscaler.

    Attributes:
        whole: float32 RGB [height, width, 3] in 0..1 -> enlarged image, 1.0 is white, not clipped.
        scale: the enlargement.
        stages: loads its stages; None if there are none.
        size: height and width of the only images of `whole`; None for any.
    """

    whole: Callable[[np.ndarray], np.ndarray]
    scale: int
    stages: Callable[[], Stages | None] = lambda: None
    size: tuple[int, int] | None = None


def enlarge(
    image: np.ndarray,
    model: Model,
    pixels: int = 0,
    shrunk: Callable[[int], None] = lambda pixels: None,
    told: Told = lambda share: None,
) -> np.ndarray | File:
    """Enlarges an image. If memory runs out, tiles become smaller.

    Args:
        image: uint8 or uint16 [height, width, channels]; usually RGB.
        model: the upscaler.
        pixels: number of pixels of the image in a tile; 0 takes PIXELS. A model of one size ignores it.
        shrunk: called with the new number of pixels each time that memory ran out.
        told: called after each tile with the share of the work that is done, up to 1.

    Raises:
        MemoryError: if not even the smallest tiles fit.
    """
    pixels = model.size[0] * model.size[1] if model.size else pixels or PIXELS
    height, width, channels = image.shape
    result = rows_of((height * model.scale, width * model.scale, channels), image.dtype)
    while True:
        try:
            _enlarge(image, model, pixels, result, told)
            return result
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if model.size or pixels // 4 < FEWEST:
                raise MemoryError(f"too little memory for parts of {pixels} pixels") from None
            pixels = min(pixels, height * width) // 4
        shrunk(pixels)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a runtime's exception means that memory ran out. Each has its own."""
    words = ("out of memory", "bad_alloc", "bad allocation", "failed to allocate")
    exhausted = type(error).__name__ == "ResourceExhaustedError"
    return isinstance(error, MemoryError) or exhausted or any(word in str(error).lower() for word in words)


def _enlarge(image: np.ndarray, model: Model, pixels: int, result, told: Told) -> None:
    height, width = image.shape[:2]
    if model.size:
        _in_windows(image, model, model.size, result, told)
    elif height * width <= pixels:
        result[0 : height * model.scale] = _levels(model.whole(_floats(image)), image.dtype)
    elif stages := model.stages():
        _in_stages(image, stages, model.scale, pixels, result, told)
    else:
        _overlapping(image, model, pixels, result, told)


def _floats(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def _levels(image: np.ndarray, dtype) -> np.ndarray:
    """0..1 as integers, clipped and rounded. It works on a few rows at a time, which fit into the processor's cache."""
    levels = np.empty(image.shape, dtype)
    most = np.float64(np.iinfo(dtype).max)
    step = max(1, _CACHED // max(1, image[0].size)) if len(image) else 1
    for start in range(0, len(image), step):
        rows = slice(start, start + step)
        levels[rows] = np.rint(np.clip(image[rows], 0.0, 1.0) * most)
    return levels


def _parts(size: int, part: int) -> Iterator[tuple[int, int]]:
    """Splits an axis into parts of at most that size, as equal as possible."""
    count = -(-size // max(1, part))
    ends = [size * i // count for i in range(count + 1)]
    return itertools.pairwise(ends)


def _overlapping(image: np.ndarray, model: Model, pixels: int, result, told: Told) -> None:
    height, width = image.shape[:2]
    side = max(1, round(pixels**0.5))
    columns = min(width, max(side, pixels // height))
    s = model.scale
    for top, bottom in _parts(height, max(1, pixels // columns)):
        above, below = _before(top, OVERLAP, GRID), min(OVERLAP, height - bottom)
        pieces = []
        for left, right in _parts(width, columns):
            before, after = _before(left, OVERLAP, GRID), min(OVERLAP, width - right)
            sr = model.whole(_floats(image[top - above : bottom + below, left - before : right + after]))
            sr = sr[above * s : (above + bottom - top) * s, before * s : (before + right - left) * s]
            pieces.append(_levels(sr, image.dtype))
            told((top * width + (bottom - top) * right) / (height * width))
        result[top * s : bottom * s] = np.concatenate(pieces, axis=1)


def _in_windows(image: np.ndarray, model: Model, size: tuple[int, int], result, told: Told) -> None:
    """Tiles of one size. A smaller image is extended by its last rows and columns."""
    height, width = image.shape[:2]
    missing = [max(0, side - own) for side, own in zip(size, (height, width), strict=True)]
    image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], "edge") if any(missing) else image
    s = model.scale
    for y, top, bottom in _windows(image.shape[0], size[0]):
        pieces = []
        for x, left, right in _windows(image.shape[1], size[1]):
            sr = model.whole(_floats(image[y : y + size[0], x : x + size[1]]))
            pieces.append(_levels(sr[(top - y) * s : (bottom - y) * s, (left - x) * s : (right - x) * s], image.dtype))
            told((top + (bottom - top) * right / image.shape[1]) / image.shape[0])
        result[top * s : bottom * s] = np.concatenate(pieces, axis=1)[: (height - top) * s, : width * s]


def _windows(size: int, side: int) -> Iterator[tuple[int, int, int]]:
    """Windows of one length over an axis: the beginning of each, and the range in which its output counts."""
    least = min(OVERLAP, side // 4)  # pixels that each of two neighbours sees beyond their border
    count = max(1, -(-(size - 2 * least) // (side - 2 * least)))
    starts = [(size - side) * i // max(1, count - 1) for i in range(count)]
    meet = [0, *((start + side + following) // 2 for start, following in itertools.pairwise(starts)), size]
    return zip(starts, meet[:-1], meet[1:], strict=True)


def _in_stages(image: np.ndarray, stages: Stages, scale: int, pixels: int, result, told: Told) -> None:
    height, width = image.shape[:2]
    rows = min(height, max(ROWS, pixels // width))
    columns = max(1, pixels // rows)
    planes = stages.planes
    source = _Image(image, planes)
    maps = [rows_of((height, n, width) if planes else (height, width, n), np.float16) for n in stages.channels]
    moments = np.zeros((2, stages.channels[-1]), np.float32)
    last = len(stages.reaches) - 1
    for stage, reach in enumerate(stages.reaches):
        seen = [source] if stage == 0 else [*maps, source] if stage == last else maps
        total = _Moments()
        rooms = [_Room() for _ in seen]
        for top, bottom, above, bands in _bands(seen, height, rows, reach, stages.grid):
            pieces = []
            for left, right in _parts(width, columns):
                before, after = _before(left, reach, stages.grid), min(reach, width - right)
                within = slice(left - before, right + after)
                part = [_part(band, within, planes, room) for band, room in zip(bands, rooms, strict=True)]
                own = np.s_[above : above + bottom - top, before : before + right - left]
                made, found = stages.run(stage, part, moments, _mask(part[0], own, planes))
                total.add(found, (bottom - top) * (right - left))
                pieces.append([_own(each, own, scale if stage == last else 1, planes) for each in made])
                done = (top * width + (bottom - top) * right) / (height * width)
                told((stage + done) / len(stages.reaches))
            along = 2 if planes else 1
            joined = [np.concatenate(each, along) if len(each) > 1 else each[0] for each in zip(*pieces, strict=True)]
            if stage == last:
                levels = _levels(joined[0], image.dtype)
                result[top * scale : bottom * scale] = levels.swapaxes(1, 2) if planes else levels
            else:
                for whole, values in zip(maps, joined, strict=True):
                    whole[top:bottom] = values
        moments = total.moments()


def _before(start: int, reach: int, grid: int) -> int:
    """Pixels before a tile that it needs, from the beginning of their square."""
    return start - max(0, start - reach) // grid * grid


class _Image:
    """The image's rows as float32 in 0..1, [rows, columns, 3], or [rows, 3, columns] of planes."""

    def __init__(self, image: np.ndarray, planes: bool) -> None:
        self._image, self._planes = image, planes

    def __getitem__(self, rows: slice) -> np.ndarray:
        floats = _floats(self._image[rows])
        return floats.swapaxes(1, 2) if self._planes else floats


def _bands(
    seen: list, height: int, rows: int, reach: int, grid: int
) -> Iterator[tuple[int, int, int, list[list[np.ndarray]]]]:
    """Yields bands of rows with the rows around them that a stage needs: (top, bottom, rows above, maps).

    A map's band holds the rows kept from the band before, and new ones. The map's rows may be overwritten before the
    next band.
    """
    kept = [each[0:0] for each in seen]
    for top, bottom in _parts(height, rows):
        below = min(height, bottom + reach)
        bands = [[above, each[top:below]] for above, each in zip(kept, seen, strict=True)]
        kept = [np.concatenate([above, rest[: bottom - top]]) for above, rest in bands]
        kept = [each[len(each) - _before(bottom, reach, grid) :] for each in kept]
        yield top, bottom, len(bands[0][0]), bands


class _Room:
    """Memory that is reused for one array after another. New memory would cost more time than writing into it."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An uninitialized array. It replaces the one before."""
        size = int(np.prod(shape)) * dtype.itemsize
        if size > len(self._bytes):
            self._bytes = np.empty(size, np.uint8)
        return self._bytes[:size].view(dtype).reshape(shape)


def _part(band: list[np.ndarray], columns: slice, planes: bool, room: _Room) -> np.ndarray:
    """Columns of a band as an input of a stage; `planes` as in `Stages`."""
    band = [each[:, :, columns].swapaxes(0, 1) if planes else each[:, columns] for each in band]
    shape, axis = list(band[0].shape), 1 if planes else 0
    shape[axis] = sum(each.shape[axis] for each in band)
    return np.concatenate(band, axis, out=room.array(tuple(shape), band[0].dtype))


def _mask(part: np.ndarray, own: tuple[slice, slice], planes: bool) -> np.ndarray:
    """1 for the tile's own pixels, 0 for those around it: [height, width, 1]."""
    mask = np.zeros((*(part.shape[1:] if planes else part.shape[:2]), 1), np.float32)
    mask[own] = 1
    return mask


def _own(made: np.ndarray, own: tuple[slice, slice], scale: int, planes: bool) -> np.ndarray:
    """The tile's own pixels in a stage's output, with rows first."""
    rows, columns = (slice(side.start * scale, side.stop * scale) for side in own)
    return made[:, rows, columns].swapaxes(0, 1) if planes else made[rows, columns]


class _Moments:
    """Mean and variance of all pixels, from those of the tiles."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, moments: np.ndarray, count: int) -> None:
        mean, variance = moments.astype(np.float64)
        step, whole = mean - self._mean, self._count + count
        self._mean = self._mean + step * count / whole
        self._squares = self._squares + variance * count + step**2 * self._count * count / whole
        self._count = whole

    def moments(self) -> np.ndarray:
        return np.stack([self._mean, self._squares / max(1, self._count)]).astype(np.float32)
