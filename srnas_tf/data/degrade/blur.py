"""Blur, as lenses, hands and focus cause it."""

import math
from dataclasses import dataclass

import numpy as np

from srnas_tf.data.degrade.picture import Change, Picture, Size, Window, levels

REACH = 3.5
"""A Gaussian ends after so many standard deviations. Less than a thousandth of it lies beyond."""


def _radius(sigma: float) -> int:
    return math.ceil(REACH * sigma)


@dataclass(frozen=True)
class Gaussian(Change):
    """Blur that is the same in all directions. Images continue as their mirror image.

    Args:
        sigma: standard deviation, pixels of the image at this step.
    """

    sigma: float

    def needs(self, wanted: Window, size: Size, after: Size) -> Window:
        return wanted.grown(_radius(self.sigma), size)

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        from scipy import ndimage

        radius = _radius(self.sigma)
        if not radius:
            return picture.part(wanted)
        kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / self.sigma) ** 2)
        kernel /= kernel.sum()
        # Each pixel is a sum of its own in double precision, so that no window changes a bit.
        rows = ndimage.correlate1d(picture.pixels, kernel, axis=0, output=np.float32)
        blurred = ndimage.correlate1d(rows, kernel, axis=1)
        return levels(picture._replace(pixels=blurred).part(wanted))


@dataclass(frozen=True)
class Anisotropic(Change):
    """Blur that is wider in one direction: motion, astigmatism. Images continue as their mirror image.

    Args:
        sigma: standard deviation along the angle, pixels.
        across: standard deviation across it, pixels.
        angle: degrees, counterclockwise from the horizontal.
    """

    sigma: float
    across: float
    angle: float

    @property
    def _reach(self) -> int:
        return _radius(max(self.sigma, self.across))

    def needs(self, wanted: Window, size: Size, after: Size) -> Window:
        return wanted.grown(self._reach, size)

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        radius = self._reach
        if not radius:
            return picture.part(wanted)
        source = picture.part(self.needs(wanted, picture.size, after))
        beyond = [
            (max(0, radius - low), max(0, high + radius - side))
            for low, high, side in zip(wanted[:2], wanted[2:], picture.size, strict=True)
        ]
        padded = np.pad(source, (*beyond, (0, 0)), mode="symmetric")
        # A circular convolution is wrong only at its borders, which are the margin.
        shape = padded.shape[:2]
        spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(self._kernel(radius), shape, axes=(0, 1))[..., None]
        return levels(np.fft.irfft2(spectrum, shape, axes=(0, 1))[2 * radius :, 2 * radius :])

    def _kernel(self, radius: int) -> np.ndarray:
        """Weights [2 * radius + 1, 2 * radius + 1] whose sum is 1."""
        y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        along, aside = x * cos - y * sin, x * sin + y * cos
        # Without blur, a direction still has the width of a pixel.
        weights = np.exp(-0.5 * ((along / max(self.sigma, 0.1)) ** 2 + (aside / max(self.across, 0.1)) ** 2))
        return weights / weights.sum()
