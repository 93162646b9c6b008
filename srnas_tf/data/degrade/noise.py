"""Noise, as sensors add it."""

from dataclasses import dataclass

import numpy as np

from srnas_tf.data.degrade.picture import Change, Picture, Size, Window, levels


@dataclass(frozen=True)
class Gauss(Change):
    """Gaussian noise, independent for each pixel and channel.

    Args:
        sigma: standard deviation, levels of 255.
    """

    sigma: float
    channels = 3

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        height, width, _ = wanted.shape
        noise = rng.standard_normal((height, width, self.channels), dtype=np.float32)
        return levels(picture.part(wanted) + np.float32(self.sigma) * noise)


class Gray(Gauss):
    """Gaussian noise, equal in all channels of a pixel."""

    channels = 1


@dataclass(frozen=True)
class Poisson(Change):
    """Shot noise, which grows with brightness.

    Args:
        strength: the standard deviation at a level is `strength` times its square root.
    """

    strength: float

    def apply(self, picture: Picture, wanted: Window, after: Size, rng: np.random.Generator) -> np.ndarray:
        pixels = picture.part(wanted)
        if self.strength < 0.01:  # less than a level anywhere, and more photons than can be counted
            return pixels
        gain = self.strength**2
        return levels(gain * rng.poisson(pixels / gain))
