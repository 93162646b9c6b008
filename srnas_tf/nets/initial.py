"""Initial weights as a function of the seed, the same on every backend."""

import math

import numpy as np

from srnas_tf.nets.block import Block
from srnas_tf.nets.network import SRNet
from srnas_tf.nets.supernet import Supernet, own_shapes
from srnas_tf.seeding import generator


def _draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A kernel uniform in +-1/sqrt(fan in), as IMDN's authors' framework draws it; a bias of zeros."""
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    limit = 1 / math.sqrt(math.prod(shape[:-1]))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def initialize(model: SRNet | Supernet, seed: int) -> None:
    """Draws all weights of a network or supernet anew."""
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
