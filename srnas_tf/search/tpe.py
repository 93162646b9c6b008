"""Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), as a control."""

from collections.abc import Iterator, Mapping

import numpy as np
import optuna

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.pool import Candidate, Pool
from srnas_tf.search.settings import SearchSettings

OUTSIDE = 0.0
"""The PSNR (dB) that networks over the budget count for, so that similar ones are not proposed."""


class TPE:
    """Each code is a categorical parameter. Networks over the budget count as very bad."""

    def __init__(self, settings: SearchSettings, feasible: Feasible) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._size, self._space = settings.population, feasible.space
        sampler = optuna.samplers.TPESampler(n_startup_trials=settings.population, seed=settings.seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._codes: dict[str, optuna.distributions.BaseDistribution] = {
            f"code{i}": optuna.distributions.CategoricalDistribution(range(count))
            for i, count in enumerate(self._space.cardinalities)
        }
        self._asked: dict[Codes, optuna.trial.Trial] = {}

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        self._asked = {}
        proposed = list(pool.take(self._trials(pool), self._size, "tpe"))
        return pool.fill(proposed, self._size, rng)

    def _trials(self, pool: Pool) -> Iterator[Codes]:
        for _ in range(20 * self._size):
            trial = self._study.ask(self._codes)
            codes = self._space.canonical([trial.params[name] for name in self._codes])
            if pool.allows(codes):
                self._asked[codes] = trial
                yield codes
            else:
                self._study.tell(trial, OUTSIDE)

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        for codes, trial in self._asked.items():
            self._study.tell(trial, psnrs[codes])
        self._asked = {}
