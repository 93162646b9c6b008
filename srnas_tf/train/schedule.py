"""Learning-rate schedules: the rate of a step, as a share of the highest."""

import math
from collections.abc import Callable


def _step(step: int, steps: int, halve_every: int) -> float:
    """Halved every `halve_every` steps (IMDN, the thesis' supernets)."""
    return 0.5 ** (step // halve_every)


def _cosine(step: int, steps: int, halve_every: int) -> float:
    """From 1 to 0 over the run (Loshchilov and Hutter 2017, without restarts; the thesis' fine-tuning)."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


SCHEDULES: dict[str, Callable[[int, int, int], float]] = {"step": _step, "cosine": _cosine}
"""By name: (step counted from 0, steps of the run, steps between two halvings) -> share."""
