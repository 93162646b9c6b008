"""A search that is led by a model of what networks come to: explore, predict, and train what promises most."""

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
"""Share of the iterations in which networks are spread over the space, before any model is believed."""
POOL = 10
"""Networks that are drawn for each that is picked to explore."""
IMAGINED, GENERATIONS = 64, 16
"""Population and generations of NSGA-II on the model, which costs no training."""
OPTIMISM = 1.0
"""Standard deviations by which a network counts as better than predicted: what is little known is tried."""


class Guided:
    """Trains networks that are spread over the space, then those of which a predictor promises most.

    To explore, networks of equal blocks and random ones are mixed, and spread over costs, widths and depths. Then,
    again and again, a Gaussian process is fitted to all that was measured (`predictor`); NSGA-II goes through networks
    by PSNR, predicted with optimism, and cost; the next population is half those of the highest PSNR within the budget,
    half those that lie spread over the front.
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
        """Networks that were not proposed yet, in the order in which to train them."""
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
        """What the model promises of the networks that NSGA-II goes through."""
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
