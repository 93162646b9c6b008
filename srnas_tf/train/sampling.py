"""Which path of the supernet a step trains, as a function of (seed, step)."""

from collections.abc import Callable

from srnas_tf.arch import Space
from srnas_tf.arch.space import Codes
from srnas_tf.seeding import generator


def _uniform(space: Space, seed: int, step: int) -> Codes:
    """Every network equally likely (Guo et al. 2020; the thesis)."""
    return space.sample(generator(seed, "path", step))


SAMPLINGS: dict[str, Callable[[Space, int, int], Codes]] = {"uniform": _uniform}
