"""Learning-rate schedules. Each gives the rate of a step as a share of the highest rate."""

import math
from collections.abc import Callable


def _step(step: int, steps: int, halve_every: int, restarts: int) -> float:
    """Halves the rate every `halve_every` steps (IMDN, the thesis' supernets)."""
    return 0.5 ** (step // halve_every)


def _cosine(step: int, steps: int, halve_every: int, restarts: int) -> float:
    """Decays from 1 to 0 over the run, or over each of its equal parts if there are restarts.

    See Loshchilov and Hutter 2017. The thesis uses it for fine-tuning.
    """
    return 0.5 * (1 + math.cos(math.pi * (step * (restarts + 1) % steps) / steps))


def _constant(step: int, steps: int, halve_every: int, restarts: int) -> float:
    """Keeps the rate constant, until a warm-down if there is one (warm-up, stable, decay: Hu et al. 2024)."""
    return 1.0


SCHEDULES: dict[str, Callable[[int, int, int, int], float]] = {"step": _step, "cosine": _cosine, "constant": _constant}
"""Schedules by name: (step counted from 0, steps of the run, steps between two halvings, restarts) -> share."""
