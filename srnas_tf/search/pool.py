"""The interface of a search strategy, and the pool from which it proposes.

A strategy proposes the networks of one iteration, and is then told their measurements. It draws from a generator made
of (seed, iteration). A search that is replayed from its journal therefore proposes the same networks again.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible

TRIES = 2_000
"""A population stays incomplete after so many rejected draws in a row."""


class Candidate(NamedTuple):
    """A proposed network and its origin."""

    codes: Codes
    origin: str
    """random, crossover, mutation, offspring, grid, spread, predicted or tpe."""


class Pool:
    """The networks that can still be proposed: within the budget, each once."""

    def __init__(self, feasible: Feasible, seen: set[Codes]) -> None:
        self.space, self._feasible, self._seen = feasible.space, feasible, set(seen)

    @property
    def seen(self) -> set[Codes]:
        """The networks that were proposed already."""
        return set(self._seen)

    def allows(self, codes: Codes) -> bool:
        """Whether a network is within the budget and was not proposed yet."""
        return codes not in self._seen and self._feasible.allows(codes)

    def take(self, source: Iterator[Codes], count: int, origin: str) -> Iterator[Candidate]:
        """At most `count` new networks from a source. Fewer if it ends, or after `TRIES` rejected ones in a row."""
        failures = 0
        while count > 0 and failures < TRIES and (codes := next(source, None)):
            if not self.allows(codes):
                failures += 1
                continue
            self._seen.add(codes)
            count, failures = count - 1, 0
            yield Candidate(codes, origin)

    def fill(self, candidates: list[Candidate], size: int, rng: np.random.Generator) -> list[Candidate]:
        """The candidates, filled up to `size` by uniform draws within the budget."""
        return candidates + list(self.take(self._feasible.draws(rng), size - len(candidates), "random"))


class Strategy(Protocol):
    """Proposes networks, and may learn from their measurements."""

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        """The networks of the next iteration."""

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        """Called with all measurements so far (dB), in the order of proposal."""
