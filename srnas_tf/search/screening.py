"""Screening: measures all networks roughly, and only those exactly that may be among the best."""

from collections.abc import Mapping

from srnas_tf.arch.space import Codes

PROBES = 10
"""Networks that are measured both ways before any is ruled out."""


class Screening:
    """Chooses the next network to measure exactly, so that the best are those of an exact search.

    A rough measurement (for instance in a lower precision) shifts all networks by about the same amount. The difference
    between exact and rough is known for networks that were measured both ways. For the others, an upper bound is
    assumed: the largest difference so far, plus the range of the differences so far. A network that cannot be among the
    best within this bound is ruled out.

    Args:
        best: number of networks that the search needs.
        rough: rough measurements by codes. The caller adds to it.
        exact: exact measurements by codes. The caller adds to it.
    """

    def __init__(self, best: int, rough: Mapping[Codes, float], exact: Mapping[Codes, float]) -> None:
        self._best, self._rough, self._exact = best, rough, exact

    @property
    def reach(self) -> float:
        """The most that an exact measurement is assumed to add."""
        if len(self._exact) < PROBES:
            return float("inf")
        added = [self._exact[codes] - self._rough[codes] for codes in self._exact]
        return max(added) + (max(added) - min(added))

    def promising(self) -> list[Codes]:
        """The networks without an exact measurement, in the order of `next`."""
        left = [codes for codes in self._rough if codes not in self._exact]
        return sorted(left, key=self._rough.__getitem__, reverse=True)

    def next(self) -> Codes | None:
        """The most promising network without an exact measurement; None if none can be among the best."""
        left = (codes for codes in self._rough if codes not in self._exact)
        promising = max(left, key=self._rough.__getitem__, default=None)
        if promising is None:
            return None
        if len(self._exact) < self._best:
            return promising
        to_beat = sorted(self._exact.values(), reverse=True)[self._best - 1]
        return promising if self._rough[promising] + self.reach >= to_beat else None
