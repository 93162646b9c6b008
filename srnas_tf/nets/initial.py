"""First weights as a function of the seed, the same on every backend."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from srnas_tf.errors import UserError
from srnas_tf.nets.block import Block
from srnas_tf.nets.network import Frame, SRNet
from srnas_tf.nets.supernet import Supernet, own_shapes
from srnas_tf.seeding import generator

_QUIET = 0.1
"""Of its drawn size: what is added to the interpolated image at first."""


def initialize(model: SRNet | Supernet, seed: int, start: str = "uniform") -> None:
    """Draws all weights of a network or supernet anew.

    Args:
        start: a key of `STARTS`.

    Raises:
        UserError: where the network is too narrow to start so.
    """
    rng = generator(seed, "weights")
    segments = {}
    if isinstance(model, Supernet):
        space = model.space
        paths = [own_shapes(Block(choice, space.width), space.sharing) for choice in space.choices]
        segments = {id(block.paths): [shape for path in paths for shape in path] for block in model.blocks}
    for variable in model.trainable_variables:
        shapes = segments.get(id(variable))
        if shapes is None:
            variable.assign(_draw(tuple(variable.shape), rng))
        else:
            variable.assign(np.concatenate([_draw(shape, rng).ravel() for shape in shapes]))
    STARTS[start](model)


def _draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A kernel uniform in +-1/sqrt(fan in), as IMDN's authors' framework draws it; a bias of zeros."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    limit = 1 / math.sqrt(math.prod(shape[:-1]))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def _uniform(model: Frame) -> None:
    """Leaves the weights as drawn."""


def _interpolation(model: Frame) -> None:
    """Lets the network begin as a bilinear interpolation, to which the blocks add little.

    The head passes the three colours through, the skip connection carries them to the upsampling conv, and that
    interpolates. A network drawn at random spends its first thousands of steps on learning the same.
    """
    if model.width < 3:
        raise UserError(f"--first_weights=interpolation needs --width=3 or more, not {model.width}")
    head, upsample, scale = model.head.kernel.numpy(), _QUIET * model.upsample.kernel.numpy(), model.scale
    head[..., :3] = 0
    upsample[..., :3, :] = 0
    for colour, i, j in itertools.product(range(3), range(scale), range(scale)):
        head[1, 1, colour, colour] = 1
        subpixel = (i * scale + j) * 3 + colour
        for (y, down), (x, right) in itertools.product(_bilinear(i, scale), _bilinear(j, scale)):
            upsample[1 + y, 1 + x, colour, subpixel] += down * right
    model.head.kernel.assign(head)
    model.upsample.kernel.assign(upsample)
    model.smooth.kernel.assign(_QUIET * model.smooth.kernel.numpy())


def _bilinear(i: int, scale: int) -> list[tuple[int, float]]:
    """The two low-resolution neighbours (-1, 0 or 1) of the i-th subpixel, and their weights."""
    offset = (i + 0.5) / scale - 0.5
    return [(0, 1 - abs(offset)), (1 if offset > 0 else -1, abs(offset))]


STARTS: dict[str, Callable[[Frame], None]] = {"uniform": _uniform, "interpolation": _interpolation}
