"""First weights as a function of the seed, the same on every backend."""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import numpy as np

from srnas_tf.arch.graph import Weight
from srnas_tf.errors import UserError
from srnas_tf.nets.build import Net
from srnas_tf.nets.conv import deploy_weights, set_deploy_weights
from srnas_tf.nets.network import Frame
from srnas_tf.nets.sharing import ROW, weight_of
from srnas_tf.nets.supernet import Supernet
from srnas_tf.nets.zoo import ZooNet
from srnas_tf.seeding import generator

_QUIET = 0.1
"""Scale of the drawn weights whose output is added to the interpolated image."""


def initialize(model: Net | Supernet, seed: int, start: str = "") -> None:
    """Draws all weights of a network or supernet anew.

    Args:
        start: a key of `STARTS`; empty takes the network's own.

    Raises:
        UserError: if the network cannot start so.
    """
    rng = generator(seed, "weights")
    chosen = STARTS[start or model.start]
    if isinstance(model, Supernet):
        for slot in model.slots:
            drawn = [_value(weight, chosen, rng) for weight in slot.placement.weights]
            slot.assign(slot.placement.numbers(drawn))
        _arrange_trunks(model, chosen)
        return
    for variable, weight in _to_draw(model):
        variable.assign(_value(weight, chosen, rng))
    chosen.arrange(model)


def _arrange_trunks(supernet: Supernet, start: "Start") -> None:
    """Arranges the layers around the blocks. Each trunk keeps what wider or deeper ones have arranged."""
    slot, trunks = supernet.slots[0], supernet.space.trunks
    done = np.zeros(slot.placement.rows * ROW, bool)
    for number in sorted(range(len(trunks)), key=lambda i: (-trunks[i].width, -trunks[i].depth)):
        frame = supernet.frame(number)
        slot.read(number, frame.variables_in_order)
        start.arrange(frame)
        slot.write(number, frame.variables_in_order, but=done)
        for where in slot.placement.places(number):
            done[where] = True


def _to_draw(model: Net) -> Iterable[tuple[keras.Variable, Weight]]:
    """The variables to draw, each with how it starts."""
    if isinstance(model, ZooNet):
        return model.variables_to_draw
    return [(v, weight_of(tuple(v.shape))) for v in model.trainable_variables]


def _value(weight: Weight, start: "Start", rng: np.random.Generator) -> np.ndarray:
    if weight.start == "drawn":
        return start.draw(weight, rng).astype(np.float32)
    if weight.start == "bilinear":
        height, width = (1 - np.abs((np.arange(n) - (n - 1) / 2) / (n / 2)) for n in weight.shape[:2])
        return np.broadcast_to(np.outer(height, width)[..., None, None], weight.shape).astype(np.float32)
    return np.full(weight.shape, weight.start, np.float32)


def _uniform(weight: Weight, rng: np.random.Generator) -> np.ndarray:
    """Uniform in +-1/sqrt(fan in), as PyTorch draws it by default."""
    limit = 1 / math.sqrt(weight.fan_in)
    return rng.uniform(-limit, limit, weight.shape)


def _he(weight: Weight, rng: np.random.Generator) -> np.ndarray:
    """Normal, of variance 2 / fan in (He et al. 2015), which a chain of ReLUs preserves."""
    return rng.normal(0, math.sqrt(2 / weight.fan_in), weight.shape)


def _interpolate(model: Net | Frame) -> None:
    """Makes the network a bilinear interpolation, to which the blocks add little.

    The first convolution passes the three colours through. The skip connection carries them to the upsampling conv,
    which interpolates. A network with random weights needs its first thousands of steps to learn the same.
    """
    if not isinstance(model, Frame) or model.stem.enlarges:
        raise UserError("--first_weights=interpolation is for networks that enlarge at their end; drop it")
    if model.width < 3:
        raise UserError(f"--first_weights=interpolation needs --width=3 or more, not {model.width}")
    conv_first, scale = model.conv_first.kernel.numpy(), model.scale
    dense, *filters, bias = deploy_weights(model.upsample)
    conv_first[..., :3] = 0
    dense *= _QUIET
    dense[..., :3, :] = 0
    for colour, i, j in itertools.product(range(3), range(scale), range(scale)):
        conv_first[1, 1, colour, colour] = 1
        subpixel = (i * scale + j) * 3 + colour
        around = np.zeros((3, 3), np.float32)
        for (y, down), (x, right) in itertools.product(_bilinear(i, scale), _bilinear(j, scale)):
            around[1 + y, 1 + x] = down * right
        if filters:
            dense[0, 0, colour, subpixel], filters[0][..., 0, subpixel] = 1, around
        else:
            dense[..., colour, subpixel] = around
    model.conv_first.kernel.assign(conv_first)
    set_deploy_weights(model.upsample, [dense, *filters, bias])
    # The last kernel alone: scaling both of two in a row would scale their product twice.
    *kernels, bias = deploy_weights(model.conv_after_body)
    set_deploy_weights(model.conv_after_body, [*kernels[:-1], _QUIET * kernels[-1], bias])


def _bilinear(i: int, scale: int) -> list[tuple[int, float]]:
    """The two low-resolution neighbours (-1, 0 or 1) of the i-th subpixel, and their weights."""
    offset = (i + 0.5) / scale - 0.5
    return [(0, 1 - abs(offset)), (1 if offset > 0 else -1, abs(offset))]


class Start(NamedTuple):
    """A kind of first weights.

    Attributes:
        draw: (weight, generator) -> its first value.
        arrange: changes the network, or the layers around a supernet's blocks, afterwards.
    """

    draw: Callable[[Weight, np.random.Generator], np.ndarray]
    arrange: Callable[[Net | Frame], None] = lambda model: None


STARTS = {"uniform": Start(_uniform), "he": Start(_he), "interpolation": Start(_uniform, _interpolate)}
