"""MATLAB's `imresize(..., 'bicubic')` on uint8 images, to the last bit."""

import functools

import numpy as np


@functools.lru_cache(maxsize=256)
def _taps(size: int, out_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [taps, out_size] and clamped source indices of one axis; antialiased where it shrinks."""
    scale = out_size / size
    width = 4.0 / min(scale, 1.0)
    centres = (np.arange(out_size) + 1) / scale + 0.5 * (1 - 1 / scale)
    first = np.floor(centres - width / 2)
    positions = first[None] + np.arange(int(np.ceil(width)) + 2)[:, None]
    distance = (centres[None] - positions) * min(scale, 1.0)
    weights = _cubic(distance)
    weights /= weights.sum(axis=0)
    # MATLAB mirrors at the borders.
    mirrored = np.concatenate([np.arange(size), np.arange(size - 1, -1, -1)])
    indices = mirrored[np.mod(positions.astype(int) - 1, 2 * size)]
    used = np.any(weights != 0, axis=1)
    return weights[used], indices[used]


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _resize_rows(image: np.ndarray, out_size: int) -> np.ndarray:
    weights, indices = _taps(image.shape[0], out_size)
    total = np.zeros((out_size, *image.shape[1:]))
    for weight, index in zip(weights, indices, strict=True):
        total += weight.reshape(-1, *[1] * (image.ndim - 1)) * image[index]
    # Half away from zero; what is negative clips to zero anyway.
    return np.clip(np.floor(total + 0.5), 0, 255).astype(np.uint8)


def imresize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image at another size: height first, rounded to uint8 after each pass.

    Args:
        image: uint8 [height, width] or [height, width, channels].
        height: of the result, >= 1.
        width: of the result, >= 1.
    """
    rows = _resize_rows(image, height)
    return np.ascontiguousarray(_resize_rows(rows.swapaxes(0, 1), width).swapaxes(0, 1))


def crop_to_multiple(image: np.ndarray, scale: int) -> np.ndarray:
    """The image without the last rows and columns that `scale` does not divide."""
    height, width = (size // scale * scale for size in image.shape[:2])
    return image[:height, :width]


def reduce(image: np.ndarray, scale: int) -> np.ndarray:
    """The low-resolution image of a uint8 image whose sides `scale` divides."""
    return imresize(image, image.shape[0] // scale, image.shape[1] // scale)


def pair(image: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """(LR, HR) of any uint8 image: cropped to a multiple of the scale, and reduced; empty where it is smaller."""
    hr = crop_to_multiple(image, scale)
    return reduce(hr, scale) if hr.size else hr, hr


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic enlargement of a uint8 image: the baseline of every table."""
    return imresize(image, image.shape[0] * scale, image.shape[1] * scale)
