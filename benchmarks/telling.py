"""What of a network's PSNR can be told before it is trained, by the table of small networks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmarks.tabulated import STEPS, VALIDATE_EVERY, Small
from srnas_tf.search.predictor import Predictor

MOST, LEAST = 6, 12
"""Bins of latency at most, and networks in one at least."""
FITTED = (16, 32, 64, 112)
"""Networks that a predictor is fitted to."""
FOLDS = 10


class Tau(NamedTuple):
    """Kendall's tau-b between a figure of networks and their PSNR.

    Attributes:
        range: over all networks.
        bins: within bins of latency, the mean; None if there is one bin alone.
    """

    range: float
    bins: float | None


def told(
    networks: Sequence[Small], runtime: str, scores: Mapping[str, Sequence[float]] | None = None, repeats: int = 10
) -> dict:
    """How well figures rank networks, and what there is to be found. All networks are trained and timed.

    Args:
        networks: of the table.
        runtime: whose milliseconds make the bins.
        scores: further figures of the networks, by name.
        repeats: predictors of each number of networks, the mean of which counts.

    Returns:
        kendall: `Tau` of each figure, as a dict.
        deviation over networks, over seeds: of PSNR, dB; None where nothing was trained twice.
        bins: of each bin, its milliseconds, the number of its networks, and the best ones' PSNR, dB.
    """
    psnrs = np.array([each.psnr() for each in networks])
    bins = bins_of([each.ms[runtime] for each in networks])
    columns: dict[str, Sequence[float]] = {
        "parameters": [each.params for each in networks],
        "MACs": [each.macs for each in networks],
        "milliseconds": [each.ms[runtime] for each in networks],
        **{f"{n} steps": [each.curve()[n] for each in networks] for n in range(VALIDATE_EVERY, STEPS, VALIDATE_EVERY)},
        **(scores or {}),
    }
    taus = {name: _tau(np.array(column, float), psnrs, bins) for name, column in columns.items()}
    for count in FITTED:
        if count <= len(networks) - LEAST:
            drawn = [np.random.default_rng(seed).permutation(len(networks)) for seed in range(repeats)]
            found = [_tau(_predicted(networks, psnrs, [order[:count]]), psnrs, bins) for order in drawn]
            taus[f"predictor, {count} networks"] = _mean(found)
    if len(networks) >= FOLDS:
        folds = np.array_split(np.random.default_rng(0).permutation(len(networks)), FOLDS)
        others = [np.setdiff1d(np.arange(len(networks)), fold) for fold in folds]
        taus["predictor, nine networks of ten"] = _tau(_predicted(networks, psnrs, others), psnrs, bins)
    return {
        "kendall": {name: tau._asdict() for name, tau in taus.items()},
        "deviation over networks": _deviations(psnrs, bins),
        "deviation over seeds": over_seeds(networks),
        "bins": [_best([networks[i] for i in some], runtime) for some in bins],
    }


def bins_of(ms: Sequence[float]) -> list[np.ndarray]:
    """The indices of networks of about equal latency: bins of equally many networks."""
    count = max(1, min(MOST, len(ms) // LEAST))
    return np.array_split(np.argsort(ms, kind="stable"), count)


def over_seeds(networks: Sequence[Small]) -> float | None:
    """The standard deviation of PSNR over seeds, dB, of the networks that were trained from several."""
    repeated = [[each.psnr(seed=seed) for seed in each.seeds()] for each in networks if len(each.seeds()) > 1]
    return float(np.sqrt(np.mean([np.var(each, ddof=1) for each in repeated]))) if repeated else None


def _deviations(psnrs: np.ndarray, bins: Sequence[np.ndarray]) -> dict[str, float]:
    within = np.sqrt(np.mean([np.var(psnrs[some], ddof=1) for some in bins]))
    return {"range": float(np.std(psnrs, ddof=1)), "bins": float(within)}


def _tau(column: np.ndarray, psnrs: np.ndarray, bins: Sequence[np.ndarray]) -> Tau:
    """Of the networks whose figure is known, and not NaN."""
    known = ~np.isnan(column)
    usable = [some for some in (some[known[some]] for some in bins) if len(some) > 2]
    within = [_kendall(column[some], psnrs[some]) for some in usable]
    return Tau(_kendall(column[known], psnrs[known]), float(np.mean(within)) if len(within) > 1 else None)


def _kendall(one: np.ndarray, other: np.ndarray) -> float:
    return float(stats.kendalltau(one, other).statistic)


def _predicted(networks: Sequence[Small], psnrs: np.ndarray, fits: Sequence[np.ndarray]) -> np.ndarray:
    """The PSNR that a predictor tells of networks that it was not fitted to, dB; NaN for those that all fits had.

    Args:
        fits: the indices of the networks of each fit. What one of them leaves out, it predicts.
    """
    predicted = np.full(len(networks), np.nan)
    for fitted in fits:
        left = np.setdiff1d(np.arange(len(networks)), fitted)
        predictor = Predictor([networks[i].network for i in fitted], psnrs[fitted])
        predicted[left] = predictor.predict([networks[i].network for i in left]).psnr
    return predicted


def _mean(taus: Sequence[Tau]) -> Tau:
    within = [tau.bins for tau in taus if tau.bins is not None]
    return Tau(float(np.mean([tau.range for tau in taus])), float(np.mean(within)) if within else None)


def _best(networks: Sequence[Small], runtime: str) -> dict:
    ms = [each.ms[runtime] for each in networks]
    grid, drawn = ([each.psnr() for each in networks if each.origin == origin] for origin in ("grid", "drawn"))
    return {
        "ms": [min(ms), max(ms)],
        "networks": len(networks),
        "best of the grid": max(grid, default=None),
        "best drawn": max(drawn, default=None),
    }
