"""Rank correlations between two measurements of networks, with their uncertainty."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from srnas_tf.seeding import generator

RESAMPLES = 1000
"""Resamples of a bootstrap."""
INTERVAL = (2.5, 97.5)
"""The percentiles of a 95 % interval."""


class Estimate(NamedTuple):
    """A figure and its 95 % bootstrap interval; nan if too little is known."""

    value: float
    low: float
    high: float


def kendall_tau(one: ArrayLike, other: ArrayLike) -> np.ndarray:
    """Kendall's tau-b, -1 to 1, along the last axis; nan if all values of one sample are equal."""
    # By hand: SciPy takes one pair of samples at a time, and a bootstrap has a thousand.
    a, b = (np.sign(x[..., :, None] - x[..., None, :]) for x in (np.asarray(one, float), np.asarray(other, float)))
    return _cosine(a.reshape(*a.shape[:-2], -1), b.reshape(*b.shape[:-2], -1))


def spearman(one: ArrayLike, other: ArrayLike) -> np.ndarray:
    """Spearman's rho, -1 to 1, along the last axis; nan as for `kendall_tau`."""
    ranks = (rankdata(x, axis=-1) for x in (one, other))
    return _cosine(*(rank - rank.mean(-1, keepdims=True) for rank in ranks))


CORRELATIONS = {"kendall_tau": kendall_tau, "spearman": spearman}


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def bootstrap(statistic: Callable[..., np.ndarray], columns: Sequence[Sequence[float]], seed: int) -> Estimate:
    """A statistic of some columns, and its percentile interval over resampled rows (Efron 1979).

    Args:
        statistic: (columns, [..., rows]) -> values; nan if there is none, as may happen in resamples of few rows.
        columns: columns of equal lengths; a row is a network.
        seed: seed of the resampling. Equal numbers of rows are resampled alike.
    """
    table = np.array(columns, float)
    count = table.shape[1]
    picked = generator(seed, "bootstrap").integers(max(1, count), size=(RESAMPLES, count))
    resampled = statistic(*table[:, picked])
    known = resampled[~np.isnan(resampled)]
    low, high = np.percentile(known, INTERVAL) if len(known) else (math.nan, math.nan)
    return Estimate(float(statistic(*table)), float(low), float(high))


class Comparison(NamedTuple):
    """The quality of a measurement's ranking, compared with that of a simpler one.

    Attributes:
        measured: the measurement's correlation with the truth, by its name.
        control: the simpler measurement's correlation, by its name.
        advantage: their difference, by name.
    """

    measured: dict[str, Estimate]
    control: dict[str, Estimate]
    advantage: dict[str, Estimate]


def compare(measured: Sequence[float], control: Sequence[float], truth: Sequence[float], seed: int) -> Comparison:
    """Compares two measurements of the same networks with the truth."""
    results: list[dict[str, Estimate]] = [{}, {}, {}]
    for name, correlation in CORRELATIONS.items():

        def advantage(one, other, true, correlation=correlation):
            return correlation(one, true) - correlation(other, true)

        results[0][name] = bootstrap(correlation, (measured, truth), seed)
        results[1][name] = bootstrap(correlation, (control, truth), seed)
        results[2][name] = bootstrap(advantage, (measured, control, truth), seed)
    return Comparison(*results)


class Repeats(NamedTuple):
    """The differences between repetitions of a measurement. No ranking can be expected to agree better.

    Attributes:
        kendall_tau: mean over pairs of repetitions; nan without repetition.
        spread: standard deviation between the repetitions of a network, root mean square over networks; nan without
            repetition.
    """

    kendall_tau: float
    spread: float


def repeats(values: Sequence[Sequence[float]]) -> Repeats:
    """The differences between repetitions, from measurements [networks, repetitions]."""
    table = np.array(values, float)
    if not table.size or table.shape[1] < 2:
        return Repeats(math.nan, math.nan)
    taus = [float(kendall_tau(one, other)) for one, other in itertools.combinations(table.T, 2)]
    return Repeats(float(np.mean(taus)), float(np.sqrt(table.var(axis=1, ddof=1).mean())))
