"""Measures PSNR and SSIM of any upscaler on a set of pairs."""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from srnas_tf import metrics
from srnas_tf.data import imresize
from srnas_tf.data.sources import Pair
from srnas_tf.metrics import as_batch
from srnas_tf.nets import Net, Supernet
from srnas_tf.train.pieces import TRACING, Pieces

Upscaler = Callable[[np.ndarray], np.ndarray]
"""RGB [height, width, 3], uint8, uint16, or float32 in 0..1 -> enlarged float RGB, 1.0 is white, not clipped."""


SHOWN = 192
"""Side of the part of an image that TensorBoard shows, in high-resolution pixels."""

T = TypeVar("T")


def lanes() -> int:
    """Number of images that are measured at the same time: one for each of TensorFlow's CPU devices."""
    return len(tf.config.list_logical_devices("CPU"))


class Lanes:
    """An upscaler that enlarges several images at once, each in a lane with its own trace.

    Two traces share no kernel. With oneDNN (TensorFlow 2.21) a convolution and the addition behind it become one
    kernel. Two threads that run such a kernel at once crash, or get wrong numbers.

    Args:
        trace: the upscaler of a lane, by its number.
        count: number of lanes.
    """

    def __init__(self, trace: Callable[[int], Upscaler], count: int) -> None:
        self._trace, self.count = trace, count

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        return self._trace(0)(lr)

    def then(self, change: Callable[[np.ndarray], np.ndarray]) -> "Lanes":
        """The same lanes, with a function applied to each output."""

        def changed(i: int) -> Upscaler:
            upscale = self._trace(i)
            return lambda lr: change(upscale(lr))

        return Lanes(changed, self.count)

    def share(self, i: int, measure: Callable[[np.ndarray, Pair], T], pairs: Sequence[Pair]) -> list[T]:
        """A lane's share of `measured`: every `count`-th pair, beginning with its own number."""
        upscale = self._trace(i)
        return [measure(upscale(pair.lr), pair) for pair in pairs[i :: self.count]]


def measured(upscale: Upscaler, measure: Callable[[np.ndarray, Pair], T], pairs: Sequence[Pair]) -> list[T]:
    """`measure` of each pair's enlarged image and the pair, in order. All lanes work at once."""
    if not isinstance(upscale, Lanes) or upscale.count == 1:
        return [measure(upscale(pair.lr), pair) for pair in pairs]
    found: list = [None] * len(pairs)
    with ThreadPoolExecutor(upscale.count) as threads:
        shares = threads.map(lambda i: upscale.share(i, measure, pairs), range(upscale.count))
        for i, share in enumerate(shares):
            found[i :: upscale.count] = share
    return found


class Scores(NamedTuple):
    """PSNR (dB) and SSIM (0..1) of each image."""

    psnrs: list[float]
    ssims: list[float]

    @property
    def psnr(self) -> float:
        """Mean PSNR, dB."""
        return float(np.mean(self.psnrs))

    @property
    def ssim(self) -> float:
        """Mean SSIM."""
        return float(np.mean(self.ssims))

    def summary(self) -> dict:
        """The means for `evaluate.json`. An infinite PSNR, of equal images, is null there."""
        psnr = self.psnr if np.isfinite(self.psnr) else None
        return {"psnr": psnr, "ssim": self.ssim, "images": len(self.psnrs)}


def mean_psnr(outputs: Iterable[np.ndarray], pairs: Sequence[Pair], scale: int) -> float:
    """Mean over images of the PSNR, dB, of an upscaler's outputs for `pairs`."""
    return float(np.mean([_psnr(sr, pair, scale) for sr, pair in zip(outputs, pairs, strict=True)]))


class Validation(NamedTuple):
    """The result of a validation.

    Attributes:
        psnr: mean PSNR, dB.
        image: result of `side_by_side` for one image.
    """

    psnr: float
    image: np.ndarray


def side_by_side(upscale: Upscaler, pair: Pair, scale: int) -> np.ndarray:
    """The middle of an image, uint8 RGB. From left to right: bicubic, the upscaler's output, and the original."""
    height, width = (min(size, SHOWN // scale) for size in pair.lr.shape[:2])
    top, left = ((size - part) // 2 for size, part in zip(pair.lr.shape[:2], (height, width), strict=True))
    lr = pair.lr[top : top + height, left : left + width]
    hr = pair.hr[scale * top : scale * (top + height), scale * left : scale * (left + width)]
    return np.hstack([metrics.to_uint8(bicubic(scale)(lr)), metrics.to_uint8(upscale(lr)), hr])


def validation_psnr(upscale: Upscaler, pairs: Sequence[Pair], scale: int) -> float:
    """The mean PSNR (dB) of an upscaler, which validation and search use."""
    return float(np.mean(measured(upscale, functools.partial(_psnr, scale=scale), pairs)))


def _psnr(enlarged: np.ndarray, pair: Pair, scale: int) -> float:
    return metrics.psnr(metrics.to_uint8(enlarged), pair.hr, scale)


def scores(
    upscale: Upscaler, pairs: Sequence[Pair], scale: int, told: Callable[[int, str], None] = lambda done, name: None
) -> Scores:
    """PSNR and SSIM of each image. `told` is called with the number of images done and the last one."""
    done = itertools.count(1)

    def both(enlarged: np.ndarray, pair: Pair) -> tuple[float, float]:
        levels = metrics.to_uint8(enlarged)
        found = metrics.psnr(levels, pair.hr, scale), metrics.ssim(levels, pair.hr, scale)
        told(next(done), pair.name)
        return found

    each = measured(upscale, both, pairs)
    return Scores([psnr for psnr, _ in each], [ssim for _, ssim in each])


def bicubic(scale: int) -> Upscaler:
    """MATLAB's bicubic enlargement."""
    return lambda lr: imresize.enlarge(lr, scale) / np.float32(255)  # uint8 alone: MATLAB's rounding


def of_network(network: Net) -> Lanes:
    """The upscaler of a network. Each lane has one trace for all image sizes."""

    @functools.cache
    def traced(i: int) -> Callable:
        run = tf.function(lambda lr: network(lr), input_signature=[tf.TensorSpec([1, None, None, 3])])
        with TRACING:
            return run.get_concrete_function()

    return Lanes(lambda i: lambda lr: traced(i)(tf.constant(as_batch(lr)))[0].numpy(), lanes())


def of_paths(supernet: Supernet) -> Callable[[Sequence[int]], Lanes]:
    """The upscalers of a supernet's networks, by codes. Those of one lane share the traces of their pieces."""
    pieces = [Pieces(supernet) for _ in range(lanes())]

    def at(codes: Sequence[int]) -> Lanes:
        def upscaler(lane: int) -> Upscaler:
            return lambda lr: pieces[lane](tf.constant(as_batch(lr)), codes)[0].numpy()

        return Lanes(upscaler, len(pieces))

    return at
