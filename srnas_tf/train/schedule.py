"""Learning rates as functions of the step."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srnas_tf.train.settings import TrainSettings


def _step(step: int, settings: "TrainSettings") -> float:
    """Halved every `halve_every` steps (IMDN, the thesis' supernets)."""
    return 0.5 ** (step // settings.halve_every)


def _cosine(step: int, settings: "TrainSettings") -> float:
    """From 1 to 0 over the run (Loshchilov and Hutter 2017, without restarts; the thesis' fine-tuning)."""
    return 0.5 * (1 + math.cos(math.pi * step / settings.steps))


SCHEDULES: dict[str, Callable[[int, "TrainSettings"], float]] = {"step": _step, "cosine": _cosine}


def learning_rate(step: int, settings: "TrainSettings") -> float:
    """The rate of a step, counted from 0."""
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    return settings.learning_rate * warm * SCHEDULES[settings.schedule](step, settings)
