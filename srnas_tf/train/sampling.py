"""Path sampling: the networks that a step trains, as a function of (seed, step), and their targets."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from srnas_tf.arch import Space
from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError
from srnas_tf.seeding import generator


class Sampling(NamedTuple):
    """A way to train a supernet.

    Attributes:
        draw: (space, seed, step counted from 0) -> codes of the networks that the step trains on its batch, equally
            many in each step.
        distills: whether all networks but the first learn the first's output instead of the image.
    """

    draw: Callable[[Space, int, int], tuple[Codes, ...]]
    distills: bool = False


def _uniform(space: Space, seed: int, step: int) -> tuple[Codes, ...]:
    """One network, every one equally likely (Guo et al. 2020; the thesis)."""
    return (space.sample(generator(seed, "path", step)),)


def _fair(space: Space, seed: int, step: int) -> tuple[Codes, ...]:
    """Strict fairness (Chu et al. 2021): the networks of a step use each path of each block exactly once.

    Raises:
        UserError: if blocks differ in their number of paths.
    """
    if len(set(space.cardinalities)) > 1:
        raise UserError(f"--sampling=fair: the blocks of space {space} have not all as many paths; give another")
    rng = generator(seed, "fair", step)
    orders = [rng.permutation(count).tolist() for count in space.cardinalities]
    return tuple(zip(*orders, strict=True))


def _sandwich(space: Space, seed: int, step: int) -> tuple[Codes, ...]:
    """The largest network by parameters, the smallest, and a random one (Yu and Huang 2019)."""
    return (*_extremes(space), space.sample(generator(seed, "path", step)))


@functools.cache
def _extremes(space: Space) -> tuple[Codes, ...]:
    found = (space.largest(lambda network: network.params), space.smallest(lambda network: network.params))
    return tuple(space.codes(network) or () for network in found)


SAMPLINGS = {"uniform": Sampling(_uniform), "fair": Sampling(_fair), "sandwich": Sampling(_sandwich, distills=True)}
