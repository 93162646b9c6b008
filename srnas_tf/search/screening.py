"""Measuring roughly first, and exactly only what may be among the best."""

from collections.abc import Mapping

from srnas_tf.arch.space import Codes

PROBES = 10
"""Networks that are measured both ways before any is dismissed."""


class Screening:
    """Says which network has to be measured exactly next, so that the best are those of an exact search.

    Rough measurement (a lower precision, say) moves all networks by about the same amount. What exact measurement added
    to the rough one is known of the networks measured both ways. Of the others none adds more, it is taken, than the
    most seen, and as much again as what was seen varies: who cannot get among the best with that is dismissed.

    Args:
        best: how many networks the search goes by.
        rough: what was measured roughly, by codes; the caller adds to it.
        exact: what was measured exactly, by codes; the caller adds to it.
    """

    def __init__(self, best: int, rough: Mapping[Codes, float], exact: Mapping[Codes, float]) -> None:
        self._best, self._rough, self._exact = best, rough, exact

    @property
    def reach(self) -> float:
        """What an exact measurement is taken to add at most."""
        if len(self._exact) < PROBES:
            return float("inf")
        added = [self._exact[codes] - self._rough[codes] for codes in self._exact]
        return max(added) + (max(added) - min(added))

    def promising(self) -> list[Codes]:
        """What is not measured exactly, in the order in which `next` will ask for it."""
        left = [codes for codes in self._rough if codes not in self._exact]
        return sorted(left, key=self._rough.__getitem__, reverse=True)

    def next(self) -> Codes | None:
        """The most promising network that is not measured exactly; None where none can be among the best."""
        left = (codes for codes in self._rough if codes not in self._exact)
        promising = max(left, key=self._rough.__getitem__, default=None)
        if promising is None:
            return None
        if len(self._exact) < self._best:
            return promising
        to_beat = sorted(self._exact.values(), reverse=True)[self._best - 1]
        return promising if self._rough[promising] + self.reach >= to_beat else None
