"""Which paths of the supernet a step trains, as a function of (seed, step), and what they learn from."""

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
        draw: (space, seed, step counted from 0) -> the paths that the step trains on its batch, as many in each step.
        distills: whether the paths after the first learn the first's output instead of the photograph.
    """

    draw: Callable[[Space, int, int], tuple[Codes, ...]]
    distills: bool = False


def _uniform(space: Space, seed: int, step: int) -> tuple[Codes, ...]:
    """One network, every one equally likely (Guo et al. 2020; the thesis)."""
    return (space.sample(generator(seed, "path", step)),)


def _fair(space: Space, seed: int, step: int) -> tuple[Codes, ...]:
    """Strict fairness (Chu et al. 2021): as many networks as a block has paths, each path of each block in one of them.

    Raises:
        UserError: where blocks differ in their number of paths, so that none of them could be used once alone.
    """
    if len(set(space.cardinalities)) > 1:
        raise UserError(f"--sampling=fair: the blocks of space {space} have not all as many paths; give another")
    rng = generator(seed, "fair", step)
    orders = [rng.permutation(count).tolist() for count in space.cardinalities]
    return tuple(zip(*orders, strict=True))


def _sandwich(space: Space, seed: int, step: int) -> tuple[Codes, ...]:
    """The network of most parameters, that of fewest, and a random one (Yu and Huang 2019)."""
    return (*_extremes(space), space.sample(generator(seed, "path", step)))


@functools.cache
def _extremes(space: Space) -> tuple[Codes, ...]:
    found = (space.largest(lambda network: network.params), space.smallest(lambda network: network.params))
    return tuple(space.codes(network) or () for network in found)


SAMPLINGS = {"uniform": Sampling(_uniform), "fair": Sampling(_fair), "sandwich": Sampling(_sandwich, distills=True)}
