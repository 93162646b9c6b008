"""Transparency: colours under transparent pixels, and enlargement. Arrays are uint8 or uint16 [height, width,
channels].
"""

import numpy as np

REACH = 16
"""Visible colours are bled outward by so many pixels. Beyond lies their mean."""

_NEIGHBOURS = [(y, x) for y in (0, 1, 2) for x in (0, 1, 2) if (y, x) != (1, 1)]


def bled(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Replaces colours under transparent pixels by visible colours around them.

    The colour under a pixel of alpha 0 is arbitrary, and often black. A network or bicubic would mix it into visible
    edges.

    Args:
        pixels: [height, width, 3].
        alpha: [height, width, 1], 0 for transparent pixels.
    """
    height, width = pixels.shape[:2]
    seen = alpha[..., 0] > 0
    if seen.all() or not seen.any():
        return pixels
    known = np.pad(seen, 1)
    colours = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))
    for _ in range(REACH):
        rows, columns = np.nonzero(_grown(known) & ~known[1:-1, 1:-1])
        if not len(rows):
            break
        total, count = np.zeros((len(rows), 3), np.float32), np.zeros((len(rows), 1), np.float32)
        for down, right in _NEIGHBOURS:
            near = known[rows + down, columns + right][:, None]
            total += colours[rows + down, columns + right] * near
            count += near
        colours[rows + 1, columns + 1] = np.rint(total / count)
        known[rows + 1, columns + 1] = True
    colours = colours[1 : height + 1, 1 : width + 1]
    colours[~known[1:-1, 1:-1]] = np.rint(pixels[seen].mean(axis=0))
    return np.ascontiguousarray(colours)


def _grown(known: np.ndarray) -> np.ndarray:
    """Whether a pixel or one of its eight neighbours is known; without the border."""
    rows = known[:-2] | known[1:-1] | known[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def bicubic(plane: np.ndarray, scale: int) -> np.ndarray:
    """Enlarges floats [height, width, channels] as Pillow does. At the border, weights outside are left out."""
    rows = _along(plane, scale)
    return _along(rows.swapaxes(0, 1), scale).swapaxes(0, 1)


def _along(values: np.ndarray, scale: int) -> np.ndarray:
    size = len(values)
    centres = (np.arange(size * scale) + 0.5) / scale
    first = np.floor(centres - 1.5).astype(int)
    indices = first[:, None] + np.arange(5)
    distances = np.abs(indices + 0.5 - centres[:, None])
    near = (1.5 * distances - 2.5) * distances**2 + 1
    far = ((-0.5 * distances + 2.5) * distances - 4) * distances + 2
    weights = np.where(distances < 1, near, np.where(distances < 2, far, 0))
    weights *= (indices >= 0) & (indices < size)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    total = np.zeros((size * scale, *values.shape[1:]), np.float32)
    for weight, index in zip(weights.T, np.clip(indices, 0, size - 1).T, strict=True):
        total += weight.reshape(-1, *[1] * (values.ndim - 1)) * values[index]
    return total
