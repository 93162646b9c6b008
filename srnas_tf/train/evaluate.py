"""PSNR and SSIM of anything that enlarges, over a set of pairs."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from srnas_tf import metrics
from srnas_tf.data import imresize
from srnas_tf.data.sources import Pair
from srnas_tf.nets import Net, Supernet

Upscaler = Callable[[np.ndarray], np.ndarray]
"""RGB [height, width, 3], uint8, uint16, or float32 in 0..1 -> float RGB, enlarged, 1.0 = white, not clipped."""


class Scores(NamedTuple):
    """PSNR (dB) and SSIM (0..1) of each image."""

    psnrs: list[float]
    ssims: list[float]

    @property
    def psnr(self) -> float:
        """Mean, dB."""
        return float(np.mean(self.psnrs))

    @property
    def ssim(self) -> float:
        """Mean."""
        return float(np.mean(self.ssims))

    def summary(self) -> dict:
        """Means, as `evaluate.json` has them; a PSNR without end, of equal images, is null there."""
        psnr = self.psnr if np.isfinite(self.psnr) else None
        return {"psnr": psnr, "ssim": self.ssim, "images": len(self.psnrs)}


def mean_psnr(outputs: Iterable[np.ndarray], pairs: Sequence[Pair], scale: int) -> float:
    """Mean over images of the PSNR, dB, of an upscaler's outputs for `pairs`."""
    both = zip(outputs, pairs, strict=True)
    return float(np.mean([metrics.psnr(metrics.to_uint8(sr), pair.hr, scale) for sr, pair in both]))


def validation_psnr(upscale: Upscaler, pairs: Sequence[Pair], scale: int) -> float:
    """What validation and search go by: the mean PSNR, dB, of an upscaler."""
    return mean_psnr((upscale(pair.lr) for pair in pairs), pairs, scale)


def scores(upscale: Upscaler, pairs: Sequence[Pair], scale: int) -> Scores:
    """Both figures of each image."""
    psnrs, ssims = [], []
    for pair in pairs:
        enlarged = metrics.to_uint8(upscale(pair.lr))
        psnrs.append(metrics.psnr(enlarged, pair.hr, scale))
        ssims.append(metrics.ssim(enlarged, pair.hr, scale))
    return Scores(psnrs, ssims)


def bicubic(scale: int) -> Upscaler:
    """MATLAB's bicubic enlargement."""
    return lambda lr: imresize.enlarge(lr, scale) / np.float32(255)  # uint8 alone: MATLAB's rounding


def of_network(network: Net) -> Upscaler:
    """A network, traced once for all image sizes."""
    run = tf.function(lambda lr: network(lr), input_signature=[tf.TensorSpec([1, None, None, 3])])
    return lambda lr: run(as_batch(lr))[0].numpy()


def of_paths(supernet: Supernet) -> Callable[[Sequence[int]], Upscaler]:
    """A supernet's networks by their codes, all from one trace."""
    specs = [tf.TensorSpec([1, None, None, 3]), tf.TensorSpec([supernet.depth], tf.int32)]
    run = tf.function(lambda lr, codes: supernet(lr, codes), input_signature=specs)

    def at(codes: Sequence[int]) -> Upscaler:
        chosen = tf.constant(codes, tf.int32)
        return lambda lr: run(as_batch(lr), chosen)[0].numpy()

    return at


def as_batch(lr: np.ndarray) -> np.ndarray:
    """Levels [height, width, 3] as float32 [1, height, width, 3] in 0..1; floats are taken as they are."""
    batch = lr[None].astype(np.float32)
    return batch if lr.dtype.kind == "f" else batch / np.float32(np.iinfo(lr.dtype).max)
