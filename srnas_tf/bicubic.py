"""The weights of MATLAB's bicubic resizing."""

import functools

import numpy as np


@functools.lru_cache(maxsize=256)
def taps(size: int, out_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [taps, out_size] and mirrored source indices of one axis; antialiased if it shrinks."""
    scale = out_size / size
    width = 4.0 / min(scale, 1.0)
    centres = (np.arange(out_size) + 1) / scale + 0.5 * (1 - 1 / scale)
    first = np.floor(centres - width / 2)
    positions = first[None] + np.arange(int(np.ceil(width)) + 2)[:, None]
    distance = (centres[None] - positions) * min(scale, 1.0)
    weights = cubic(distance)
    weights /= weights.sum(axis=0)
    # MATLAB mirrors at the borders.
    mirrored = np.concatenate([np.arange(size), np.arange(size - 1, -1, -1)])
    indices = mirrored[np.mod(positions.astype(int) - 1, 2 * size)]
    used = np.any(weights != 0, axis=1)
    return weights[used], indices[used]


def phases(up: int, down: int) -> tuple[np.ndarray, int]:
    """Resizing by up / down as one small kernel for each of its `up` phases.

    Returns:
        Kernels [up, taps] for every `down`-th pixel, and how many pixels they reach before it.
    """
    blocks = 16  # enough that the middle one sees no border
    weights, indices = taps(down * blocks, up * blocks)
    block = slice(up * blocks // 2, up * blocks // 2 + up)
    weights, offsets = weights[:, block], indices[:, block] - down * blocks // 2
    used = weights != 0
    reach = -int(offsets[used].min())
    kernels = np.zeros((up, reach + int(offsets[used].max()) + 1))
    for phase in range(up):
        kernels[phase, offsets[used[:, phase], phase] + reach] = weights[used[:, phase], phase]
    return kernels, reach


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
