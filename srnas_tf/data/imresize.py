"""MATLAB's `imresize(..., 'bicubic')` on uint8 images, to the last bit."""

import numpy as np
from PIL import Image

from srnas_tf.bicubic import taps

CONTEXT = 3
"""A part of a reduction depends on so many LR pixels around it: 2 for the kernel, one for rounding."""

_EXACT = (2, 4)
"""Scales whose weights are multiples of 1/4096. Both Pillow's fixed point and doubles hold their sums exactly."""


def _rows(image: np.ndarray, out_size: int) -> np.ndarray:
    weights, indices = taps(image.shape[0], out_size)
    total = np.zeros((out_size, *image.shape[1:]))
    for weight, index in zip(weights, indices, strict=True):
        total += weight.reshape(-1, *[1] * (image.ndim - 1)) * image[index]
    return total


def _resize_rows(image: np.ndarray, out_size: int) -> np.ndarray:
    total = _rows(image, out_size)
    # Half away from zero. Negative numbers are clipped to zero anyway.
    return np.clip(np.floor(total + 0.5), 0, 255).astype(np.uint8)


def imresize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes an image: height first, rounded to uint8 after each pass.

    Args:
        image: uint8 [height, width] or [height, width, channels].
        height: height of the result, >= 1.
        width: width of the result, >= 1.
    """
    rows = _resize_rows(image, height)
    return np.ascontiguousarray(_resize_rows(rows.swapaxes(0, 1), width).swapaxes(0, 1))


def smooth(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes any image without rounding or clipping: float64 [height, width, ...]."""
    return _rows(_rows(image, height).swapaxes(0, 1), width).swapaxes(0, 1)


def crop_to_multiple(image: np.ndarray, scale: int) -> np.ndarray:
    """The image without its last rows and columns, so that `scale` divides the sides."""
    height, width = (size // scale * scale for size in image.shape[:2])
    return image[:height, :width]


def reduce(image: np.ndarray, scale: int) -> np.ndarray:
    """The low-resolution image of a uint8 RGB image. `scale` must divide the sides."""
    if scale not in _EXACT or not image.size:
        return imresize(image, image.shape[0] // scale, image.shape[1] // scale)
    # Pillow renormalizes its kernel at borders, where MATLAB mirrors the image.
    margin = CONTEXT * scale
    mirrored = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(reduce_inner(mirrored, scale)[CONTEXT:-CONTEXT, CONTEXT:-CONTEXT])


def reduce_inner(image: np.ndarray, scale: int) -> np.ndarray:
    """Does the same as `reduce` in a third of the time. The outermost two rows and columns may differ."""
    if scale not in _EXACT:
        return reduce(image, scale)
    height, width = image.shape[0] // scale, image.shape[1] // scale
    rows = Image.fromarray(np.ascontiguousarray(image)).resize((image.shape[1], height), Image.Resampling.BICUBIC)
    return np.asarray(rows.resize((width, height), Image.Resampling.BICUBIC))


def pair(image: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """(LR, HR) of any uint8 image: cropped to a multiple of the scale, and reduced. Both are empty if the image is
    smaller than the scale.
    """
    hr = crop_to_multiple(image, scale)
    return reduce(hr, scale) if hr.size else hr, hr


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic enlargement of a uint8 image: the baseline of every table."""
    return imresize(image, image.shape[0] * scale, image.shape[1] * scale)
