"""The strategies: the thesis' Algorithm 1, random search and a grid as its controls, and others."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.pool import Candidate, Pool, Strategy
from srnas_tf.search.settings import SearchSettings
from srnas_tf.search.spreading import best_of, measures, spread
from srnas_tf.seeding import generator


class Random:
    """Uniform draws within the budget."""

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


def _endless(draw: Callable[[], Codes]) -> Iterator[Codes]:
    while True:
        yield draw()


class Grid:
    """Networks whose blocks are all equal, as one would write them by hand: a control for other strategies.

    If there are more than the search has room for, they are spread over costs, widths and depths. Those that leave too
    much of each limit unused are left out, as larger networks are better on the whole (`SearchSettings.grid_from`).

    Raises:
        UserError: if the budget allows none, or all of those are left out.
    """

    def __init__(self, settings: SearchSettings, feasible: Feasible) -> None:
        allowed = [codes for codes in feasible.space.uniform() if feasible.allows(codes)]
        if not allowed:
            raise UserError(
                f"--strategy=grid: the budget allows no network of equal blocks in space {feasible.space}; raise it"
            )
        allowed = [codes for codes in allowed if feasible.used(codes) >= settings.grid_from]
        if not allowed:
            raise UserError(f"--grid_from={settings.grid_from:g}: no network of equal blocks needs so much; lower it")
        rng = generator(settings.seed, "grid")
        picked = spread(measures(feasible, allowed), settings.population * settings.iterations, rng)
        self._left, self._population = iter([allowed[i] for i in picked]), settings.population

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        return list(pool.take(self._left, self._population, "grid"))

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        """A grid does not learn."""


def _pareto(settings: SearchSettings, feasible: Feasible) -> Strategy:
    # Imported here, because pymoo is an extra.
    from srnas_tf.search.pareto import NSGA

    return NSGA(settings, feasible)


def _guided(settings: SearchSettings, feasible: Feasible) -> Strategy:
    from srnas_tf.search.guided import Guided

    return Guided(settings, feasible)


def _tpe(settings: SearchSettings, feasible: Feasible) -> Strategy:
    from srnas_tf.search.tpe import TPE

    return TPE(settings, feasible)


STRATEGIES: dict[str, Callable[[SearchSettings, Feasible], Strategy]] = {
    "evolution": Evolution,
    "random": Random,
    "pareto": _pareto,
    "grid": Grid,
    "halving": Random,  # whose networks are trained alone
    "guided": _guided,
    "tpe": _tpe,
}
"""Strategies by the value of `--strategy`. The names are those of `settings.STRATEGIES`."""
