"""The results of a search: the front of its networks, and the chosen ones."""

from collections.abc import Sequence

import numpy as np

from srnas_tf.errors import UserError
from srnas_tf.search.settings import Pick, SearchSettings


def chosen(entries: Sequence[dict], settings: SearchSettings, pick: Pick) -> list[dict]:
    """Chooses the best networks, at most `settings.top_k`; the best comes first.

    Args:
        entries: the measurements in the order of proposal, each with `psnr` and its costs.
        settings: settings of the search.
        pick: rule for the choice.

    Raises:
        UserError: if nothing was measured within the budget.
    """
    kind = pick.pick or ("knee" if settings.strategy == "pareto" else "psnr")
    if kind == "knee":
        return knee(front(entries, settings.objective_names), settings.objective_names)[: settings.top_k]
    if kind != "psnr":
        name, limit = pick.limit
        least = min(entry[name] for entry in entries)
        entries = [entry for entry in entries if entry[name] <= limit]
        if not entries:
            raise UserError(f"--pick={kind}: the least that the search measured takes {least}")
    return sorted(entries, key=lambda entry: -entry["psnr"])[: settings.top_k]  # of equal ones, the first proposed


def front(entries: Sequence[dict], objectives: Sequence[str]) -> list[dict]:
    """The Pareto front by PSNR and all objectives, cheapest first.

    Of equal networks, the first one stays.
    """
    ordered = sorted(entries, key=lambda entry: (*(entry[name] for name in objectives), -entry["psnr"]))
    kept: list[dict] = []
    values = np.empty((0, 1 + len(objectives)))
    for entry in ordered:
        here = _values(entry, objectives)
        if not (values <= here).all(axis=1).any():
            kept.append(entry)
            values = np.vstack([values, here])
    return kept


def knee(entries: Sequence[dict], objectives: Sequence[str]) -> list[dict]:
    """A front's networks in the order of their distance from the plane through its extremes, farthest first (Das 1999).

    Each quantity is scaled to 0..1 over the front. The plane's normal is then (1, ..., 1), and the distance is a sum.
    """
    values = np.array([_values(entry, objectives) for entry in entries])
    low, high = values.min(axis=0), values.max(axis=0)
    shares = (values - low) / np.where(high > low, high - low, 1)
    return [entries[i] for i in np.argsort(shares.sum(axis=1), kind="stable")]


def _values(entry: dict, objectives: Sequence[str]) -> np.ndarray:
    """The values to minimize."""
    return np.array([-entry["psnr"], *(entry[name] for name in objectives)])
