"""Learning-rate schedules: the rate of a step, as a share of the highest."""

import math
from collections.abc import Callable


def _step(step: int, steps: int, halve_every: int, restarts: int) -> float:
    """Halved every `halve_every` steps (IMDN, the thesis' supernets)."""
    return 0.5 ** (step // halve_every)


def _cosine(step: int, steps: int, halve_every: int, restarts: int) -> float:
    """From 1 to 0 over the run or each of its equal parts (Loshchilov and Hutter 2017; the thesis' fine-tuning)."""
    return 0.5 * (1 + math.cos(math.pi * (step * (restarts + 1) % steps) / steps))


def _constant(step: int, steps: int, halve_every: int, restarts: int) -> float:
    """As it is, for a warm-down (Hu et al. 2024: warm-up, stable, decay)."""
    return 1.0


SCHEDULES: dict[str, Callable[[int, int, int, int], float]] = {"step": _step, "cosine": _cosine, "constant": _constant}
"""By name: (step counted from 0, steps of the run, steps between two halvings, restarts) -> share."""
