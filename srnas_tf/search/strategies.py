"""How candidates are proposed: the thesis' Algorithm 1, and random search as its control.

A strategy is a function that proposes the architectures of one iteration. It sees what was evaluated and draws from a
generator made of (seed, iteration), so a search that is replayed from its journal proposes what it did before.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from srnas_tf.arch import Space
from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError

if TYPE_CHECKING:
    from srnas_tf.search.settings import Budget, SearchSettings

TRIES = 10_000
"""Draws in vain, one after another, after which the rest of a population is taken for not to be had."""


class Candidate(NamedTuple):
    codes: Codes
    origin: str
    """random, crossover or mutation."""


class Pool:
    """The architectures that may still be proposed: of the space, within the budget, each once."""

    def __init__(self, space: Space, budget: "Budget", seen: set[Codes]) -> None:
        self.space, self._budget, self._seen = space, budget, set(seen)

    def take(self, draw: Callable[[], Codes], count: int, origin: str) -> Iterator[Candidate]:
        """Up to `count` new architectures from a source of codes."""
        failures = 0
        while count > 0 and failures < TRIES:
            codes = draw()
            if codes in self._seen or not self._budget.allows(self.space.network(codes)):
                failures += 1
                continue
            self._seen.add(codes)
            count, failures = count - 1, 0
            yield Candidate(codes, origin)

    def fill(self, candidates: list[Candidate], size: int, rng: np.random.Generator) -> list[Candidate]:
        """The candidates, and random ones up to `size`."""
        return candidates + list(self.take(lambda: self.space.sample(rng), size - len(candidates), "random"))


def _random(settings: "SearchSettings", pool: Pool, best: list[Codes], rng: np.random.Generator) -> list[Candidate]:
    """Uniform over the space."""
    return pool.fill([], settings.population, rng)


def _evolution(settings: "SearchSettings", pool: Pool, best: list[Codes], rng: np.random.Generator) -> list[Candidate]:
    """Algorithm 1: a random population, then half crossovers and half mutations of the best so far."""
    if not best:
        return pool.fill([], settings.population, rng)

    def parent() -> Codes:
        return best[int(rng.integers(len(best)))]

    def crossover() -> Codes:
        pair = np.array([parent(), parent()])
        return tuple(int(code) for code in pair[rng.integers(2, size=pair.shape[1]), np.arange(pair.shape[1])])

    def mutation() -> Codes:
        fresh, changed = pool.space.sample(rng), rng.random(pool.space.depth) < settings.mutation
        return tuple(new if change else old for new, old, change in zip(fresh, parent(), changed, strict=True))

    half = settings.population // 2
    proposed = list(pool.take(crossover, half, "crossover"))
    proposed += pool.take(mutation, settings.population - half, "mutation")
    return pool.fill(proposed, settings.population, rng)


STRATEGIES: dict[str, Callable] = {"evolution": _evolution, "random": _random}


def propose(
    settings: "SearchSettings", space: Space, budget: "Budget", seen: set[Codes], best: list[Codes], rng
) -> list[Candidate]:
    """The architectures of the next iteration; fewer than a population where the space holds no more.

    Raises:
        UserError: where the budget is met, but by too few networks to be found by drawing.
    """
    candidates = STRATEGIES[settings.strategy](settings, Pool(space, budget, seen), best, rng)
    if not candidates and not seen:
        raise UserError(
            f"--max_params, --max_macs: of {TRIES} networks of space {space} none met the budget; raise it, "
            "or choose a smaller --width"
        )
    return candidates
