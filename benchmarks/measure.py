"""Times by turns: what is compared runs alternately, so that a machine that slows down slows all of it."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Times(NamedTuple):
    """Seconds of each round."""

    seconds: list[float]


def alternate(runs: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1) -> dict[str, Times]:
    """Times each run once a round, all of them in turn, after `warm` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(warm + rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if i >= warm:
                seconds[name].append(time.perf_counter() - start)
    return {name: Times(each) for name, each in seconds.items()}


def ratio(ours: Times, peer: Times) -> dict[str, float]:
    """Median of the rounds' ratios, and their quartiles."""
    ratios = np.divide(ours.seconds, peer.seconds)
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return {"ratio": float(middle), "low": float(low), "high": float(high)}
