"""PSNR and SSIM on the luma of uint8 RGB images, borders cropped: the measurement of the thesis' tables."""

import numpy as np

PEAK = 255.0
BT601, BLACK = (65.481, 128.553, 24.966), 16.0
"""Weights of R, G and B in Y, per level of 255, and the Y of black: BT.601 in studio range."""
_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def as_batch(lr: np.ndarray) -> np.ndarray:
    """Levels [height, width, 3] as float32 [1, height, width, 3] in 0..1. Floats stay as they are."""
    batch = lr[None].astype(np.float32)
    return batch if lr.dtype.kind == "f" else batch / np.float32(np.iinfo(lr.dtype).max)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """A float image in 0..1 (1.0 = white) as uint8, clipped and rounded."""
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def luma(image: np.ndarray) -> np.ndarray:
    """Y of BT.601 in studio range (16..235) of a uint8 RGB image [height, width, 3], kept as float64."""
    return BLACK + image.astype(np.float64) @ np.array(BT601) / 255.0


def _cropped_luma(image: np.ndarray, border: int) -> np.ndarray:
    y = luma(image)
    return y[border : y.shape[0] - border, border : y.shape[1] - border]


def psnr(image: np.ndarray, reference: np.ndarray, border: int) -> float:
    """PSNR in dB over peak 255, infinite for equal images.

    Args:
        image: uint8 [height, width, 3].
        reference: the same shape.
        border: pixels left out on each side; usually the scale.
    """
    error = np.mean((_cropped_luma(image, border) - _cropped_luma(reference, border)) ** 2)
    return float(10 * np.log10(PEAK**2 / error)) if error else float("inf")


def ssim(image: np.ndarray, reference: np.ndarray, border: int) -> float:
    """SSIM (Wang et al. 2004): 11 x 11 Gaussian window of sigma 1.5, valid region. Arguments as in `psnr`."""
    x, y = _cropped_luma(image, border), _cropped_luma(reference, border)
    c1, c2 = (_K1 * PEAK) ** 2, (_K2 * PEAK) ** 2
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return float(np.mean(similarity))


def _blur(plane: np.ndarray) -> np.ndarray:
    """Gaussian-weighted means of all windows that lie within the plane."""
    weights = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    weights /= weights.sum()
    rows = sum(w * plane[i : plane.shape[0] - _WINDOW + 1 + i] for i, w in enumerate(weights))
    return sum(w * rows[:, i : rows.shape[1] - _WINDOW + 1 + i] for i, w in enumerate(weights))
