"""How candidates are proposed: the thesis' Algorithm 1, random search as its control, and NSGA-II."""

import heapq
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.pool import Candidate, Pool, Strategy
from srnas_tf.search.settings import SearchSettings


class Random:
    """Uniform over what the budget allows."""

    def __init__(self, settings: SearchSettings, feasible: Feasible) -> None:
        self._population = settings.population

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        return pool.fill([], self._population, rng)

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        """A random search does not learn."""


class Evolution:
    """Algorithm 1: a random population, then half crossovers and half mutations of the best so far."""

    def __init__(self, settings: SearchSettings, feasible: Feasible) -> None:
        self._settings, self._best = settings, list[Codes]()

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        size, best = self._settings.population, self._best
        if not best:
            return pool.fill([], size, rng)

        def parent() -> Codes:
            return best[int(rng.integers(len(best)))]

        def crossover() -> Codes:
            pair = np.array([parent(), parent()])
            return pool.space.canonical(pair[rng.integers(2, size=pair.shape[1]), np.arange(pair.shape[1])])

        def mutation() -> Codes:
            fresh = pool.space.sample(rng)
            changed = rng.random(len(fresh)) < self._settings.mutation
            mixed = (new if change else old for new, old, change in zip(fresh, parent(), changed, strict=True))
            return pool.space.canonical(tuple(mixed))

        half = size // 2
        proposed = list(pool.take(_endless(crossover), half, "crossover"))
        proposed += pool.take(_endless(mutation), size - half, "mutation")
        return pool.fill(proposed, size, rng)

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        self._best = best_of(psnrs, self._settings.parents)


def best_of(psnrs: Mapping[Codes, float], count: int) -> list[Codes]:
    """The best by PSNR; of equal ones, the first proposed."""
    return heapq.nlargest(count, psnrs, key=psnrs.__getitem__)


def _endless(draw: Callable[[], Codes]) -> Iterator[Codes]:
    while True:
        yield draw()


def _pareto(settings: SearchSettings, feasible: Feasible) -> Strategy:
    # Imported where it is wanted: pymoo is an extra.
    from srnas_tf.search.pareto import NSGA

    return NSGA(settings, feasible)


STRATEGIES: dict[str, Callable[[SearchSettings, Feasible], Strategy]] = {
    "evolution": Evolution,
    "random": Random,
    "pareto": _pareto,
}
"""By `--strategy`; its names are those of `settings.STRATEGIES`."""
