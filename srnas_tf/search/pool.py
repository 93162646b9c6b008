"""What a search strategy is, and where it takes architectures from.

A strategy proposes the architectures of one iteration and is told what came of them. It draws from a generator made of
(seed, iteration), so a search that is replayed from its journal proposes what it did before.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible

TRIES = 2_000
"""Draws in vain, one after another, after which the rest of a population is taken for not to be had."""


class Candidate(NamedTuple):
    """A proposed network, and how it came up."""

    codes: Codes
    origin: str
    """random, crossover, mutation, offspring, grid, spread, predicted or tpe."""


class Pool:
    """The architectures that may still be proposed: within the budget, each once."""

    def __init__(self, feasible: Feasible, seen: set[Codes]) -> None:
        self.space, self._feasible, self._seen = feasible.space, feasible, set(seen)

    @property
    def seen(self) -> set[Codes]:
        """What was proposed already."""
        return set(self._seen)

    def allows(self, codes: Codes) -> bool:
        """Whether a network is within the budget and was not proposed yet."""
        return codes not in self._seen and self._feasible.allows(codes)

    def take(self, source: Iterator[Codes], count: int, origin: str) -> Iterator[Candidate]:
        """Up to `count` new architectures from a source; it gives up where that ends, or after `TRIES` in vain."""
        failures = 0
        while count > 0 and failures < TRIES and (codes := next(source, None)):
            if not self.allows(codes):
                failures += 1
                continue
            self._seen.add(codes)
            count, failures = count - 1, 0
            yield Candidate(codes, origin)

    def fill(self, candidates: list[Candidate], size: int, rng: np.random.Generator) -> list[Candidate]:
        """The candidates, and up to `size` others drawn uniformly from what the budget allows."""
        return candidates + list(self.take(self._feasible.draws(rng), size - len(candidates), "random"))


class Strategy(Protocol):
    """Proposes, and learns."""

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        """The architectures of the next iteration."""

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        """All that was measured so far, dB, in the order of proposal."""
