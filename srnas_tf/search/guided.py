"""A search that is guided by a predictor: explore, predict, and train the most promising networks."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.front import front
from srnas_tf.search.pareto import NSGA
from srnas_tf.search.pool import Candidate, Pool
from srnas_tf.search.predictor import Predictor
from srnas_tf.search.settings import SearchSettings
from srnas_tf.search.spreading import best_of, measures, spread

EXPLORING = 4 / 7
"""Share of the iterations that explore, before the predictor is used."""
POOL = 10
"""Networks drawn for each one that is picked to explore."""
IMAGINED, GENERATIONS = 64, 16
"""Population and generations of NSGA-II on the predictor, which costs no training."""
OPTIMISM = 1.0
"""Standard deviations added to a prediction, so that uncertain networks are tried."""


class Guided:
    """Trains networks that are spread over the space, then those that a predictor ranks highest.

    To explore, it mixes networks of equal blocks with random ones, and spreads them over costs, widths and depths. Each
    later iteration fits a Gaussian process to all measurements (`predictor`). NSGA-II then searches by optimistic PSNR
    and cost. Half of the next population have the highest PSNR within the budget. The other half are spread over the
    front.
    """

    def __init__(self, settings: SearchSettings, feasible: Feasible) -> None:
        self._settings, self._feasible = settings, feasible
        self._exploring = math.ceil(EXPLORING * settings.iterations)
        self._asked, self._psnrs = 0, dict[Codes, float]()

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        self._asked += 1
        size = self._settings.population
        if self._asked <= self._exploring:
            return pool.fill(self._explored(pool, size, rng), size, rng)
        promising = self._promising(pool, rng)
        return pool.fill(list(pool.take(iter(promising), size, "predicted")), size, rng)

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        self._psnrs = dict(psnrs)

    def _explored(self, pool: Pool, size: int, rng: np.random.Generator) -> list[Candidate]:
        drawn = Pool(self._feasible, pool.seen).fill([], POOL * size, rng)
        grid = [codes for codes in self._feasible.space.uniform() if pool.allows(codes)]
        some = rng.permutation(len(grid))[: POOL * size]
        mixed = list(dict.fromkeys([*(each.codes for each in drawn), *(grid[i] for i in some)]))
        picked = [mixed[i] for i in spread(measures(self._feasible, mixed), size, rng)] if mixed else []
        return list(pool.take(iter(picked), size, "spread"))

    def _promising(self, pool: Pool, rng: np.random.Generator) -> list[Codes]:
        """New networks, in the order in which to train them."""
        space, half = self._feasible.space, self._settings.population // 2
        predictor = Predictor([space.network(codes) for codes in self._psnrs], list(self._psnrs.values()))
        imagined = self._imagine(predictor, pool.seen, rng)
        best = best_of(imagined, self._settings.population)
        entries = [{"codes": codes, "psnr": psnr, **self._feasible.price(codes)} for codes, psnr in imagined.items()]
        ahead = [entry["codes"] for entry in front(entries, self._settings.objective_names)]
        others = [codes for codes in ahead if codes not in best[:half]]
        spaced = [others[i] for i in spread(measures(self._feasible, others), half, rng)] if others else []
        return [*best[: len(best) - half], *spaced, *best[len(best) - half :]]

    def _imagine(self, predictor: Predictor, seen: set[Codes], rng: np.random.Generator) -> dict[Codes, float]:
        """The optimistic PSNR of all networks that NSGA-II visits."""
        nsga = NSGA(dataclasses.replace(self._settings, population=IMAGINED), self._feasible)
        promised: dict[Codes, float] = {}
        for _ in range(GENERATIONS):
            fresh = [each.codes for each in nsga.ask(Pool(self._feasible, seen | set(promised)), rng)]
            if not fresh:
                break
            promised |= dict(zip(fresh, self._promise(predictor, fresh), strict=True))
            nsga.tell(promised)
        return promised

    def _promise(self, predictor: Predictor, many: Sequence[Codes]) -> list[float]:
        psnr, deviation = predictor.predict([self._feasible.space.network(codes) for codes in many])
        return (psnr + OPTIMISM * deviation).tolist()
