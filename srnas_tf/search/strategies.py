"""How candidates are proposed: the thesis' Algorithm 1, and random search as its control.

A strategy is a function that proposes the architectures of one iteration. It sees what was evaluated and draws from a
generator made of (seed, iteration), so a search that is replayed from its journal proposes what it did before.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from srnas_tf.arch import Network, Space
from srnas_tf.arch.space import Codes

TRIES = 2_000
"""Draws in vain, one after another, after which the rest of a population is taken for not to be had."""


class Candidate(NamedTuple):
    codes: Codes
    origin: str
    """random, crossover or mutation."""


class Pool:
    """The architectures that may still be proposed: of the space, within the budget, each once."""

    def __init__(self, space: Space, allows: Callable[[Network], bool], seen: set[Codes]) -> None:
        self.space, self._allows, self._seen = space, allows, set(seen)

    def take(self, draw: Callable[[], Codes], count: int, origin: str, tries: int = TRIES) -> Iterator[Candidate]:
        """Up to `count` new architectures from a source of codes; it gives up after `tries` draws in vain."""
        failures = 0
        while count > 0 and failures < tries:
            codes = draw()
            if codes in self._seen or not self._allows(self.space.network(codes)):
                failures += 1
                continue
            self._seen.add(codes)
            count, failures = count - 1, 0
            yield Candidate(codes, origin)

    def fill(self, candidates: list[Candidate], size: int, rng: np.random.Generator) -> list[Candidate]:
        """The candidates, and random ones up to `size`.

        They are drawn uniformly from the space, those over the budget thrown away. Where a tight budget leaves nothing
        of that, they are drawn block by block within what is left of it: every network that fits can come up, though
        no longer each as likely as the others.
        """
        candidates = candidates + list(self.take(lambda: self.space.sample(rng), size - len(candidates), "random"))
        return candidates + list(
            self.take(lambda: self._within_budget(rng), size - len(candidates), "random", tries=TRIES // 10)
        )

    def _within_budget(self, rng: np.random.Generator) -> Codes:
        """Codes drawn block by block, in random order, each among the paths that leave room for the cheapest rest."""
        cheapest = self.space.codes(self.space.smallest(lambda network: network.params))
        codes = list(cheapest or ())
        for position in rng.permutation(len(codes)):
            options = [
                path
                for path in range(self.space.cardinalities[position])
                if self._allows(self.space.network((*codes[:position], path, *codes[position + 1 :])))
            ]
            if options:
                codes[position] = int(rng.choice(options))
        return tuple(codes)


class Proposal(NamedTuple):
    """What a strategy is asked for.

    Attributes:
        population: how many architectures.
        mutation: probability that a mutation changes a block's path.
        best: the best architectures so far, best first; none at first.
    """

    population: int
    mutation: float
    best: list[Codes]


def _random(asked: Proposal, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
    """Uniform over the space."""
    return pool.fill([], asked.population, rng)


def _evolution(asked: Proposal, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
    """Algorithm 1: a random population, then half crossovers and half mutations of the best so far."""
    if not asked.best:
        return pool.fill([], asked.population, rng)

    def parent() -> Codes:
        return asked.best[int(rng.integers(len(asked.best)))]

    def crossover() -> Codes:
        pair = np.array([parent(), parent()])
        return tuple(int(code) for code in pair[rng.integers(2, size=pair.shape[1]), np.arange(pair.shape[1])])

    def mutation() -> Codes:
        fresh, changed = pool.space.sample(rng), rng.random(pool.space.depth) < asked.mutation
        return tuple(new if change else old for new, old, change in zip(fresh, parent(), changed, strict=True))

    half = asked.population // 2
    proposed = list(pool.take(crossover, half, "crossover"))
    proposed += pool.take(mutation, asked.population - half, "mutation")
    return pool.fill(proposed, asked.population, rng)


STRATEGIES: dict[str, Callable[[Proposal, Pool, np.random.Generator], list[Candidate]]] = {
    "evolution": _evolution,
    "random": _random,
}
