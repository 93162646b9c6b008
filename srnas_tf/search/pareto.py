"""NSGA-II (Deb et al. 2002) over PSNR and costs, by pymoo."""

from collections.abc import Callable, Mapping

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.evaluator import Evaluator
from pymoo.core.individual import Individual
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.rm import ChoiceRandomMutation
from pymoo.problems.static import StaticProblem

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.pool import Candidate, Pool
from srnas_tf.search.settings import SearchSettings


class NSGA:
    """A random population, then offspring of the fittest, by domination rank and crowding distance.

    Tournaments, uniform crossover, and mutation by a new path are pymoo's. Offspring over the budget, or proposed
    before, are left out.
    """

    def __init__(self, settings: SearchSettings, feasible: Feasible) -> None:
        self._size = settings.population
        self._feasible, self._objective_names = feasible, settings.objective_names
        self._refuses = _Refuses(self._codes)
        self._algorithm = NSGA2(
            pop_size=self._size,
            crossover=UniformCrossover(),
            mutation=ChoiceRandomMutation(prob_var=settings.mutation),
            eliminate_duplicates=self._refuses,
        )
        paths = {i: Choice(options=range(count)) for i, count in enumerate(feasible.space.cardinalities)}
        problem = Problem(vars=paths, n_obj=1 + len(settings.objective_names))
        self._algorithm.setup(problem, termination=NoTermination())
        self._asked: list[Codes] = []

    def ask(self, pool: Pool, rng: np.random.Generator) -> list[Candidate]:
        candidates = []
        if self._algorithm.is_initialized:
            self._algorithm.random_state, self._refuses.pool = rng, pool
            offspring = self._algorithm.ask()
            # The algorithm must not end if it finds none: missing networks are drawn.
            self._algorithm.termination.force_termination = False
            found = map(self._codes, offspring if offspring is not None else ())
            candidates = list(pool.take(found, self._size, "offspring"))
        candidates = pool.fill(candidates, self._size, rng)
        self._asked = [candidate.codes for candidate in candidates]
        return candidates

    def tell(self, psnrs: Mapping[Codes, float]) -> None:
        if not self._asked:
            return
        prices = map(self._feasible.price, self._asked)
        wanted = [
            [-psnrs[codes], *(price[name] for name in self._objective_names)]
            for codes, price in zip(self._asked, prices, strict=True)
        ]
        measured = Population.new("X", np.array(self._asked, object))
        Evaluator().eval(StaticProblem(self._algorithm.problem, F=np.array(wanted, float)), measured)
        self._algorithm.tell(infills=measured)

    def _codes(self, individual: Individual) -> Codes:
        return self._feasible.space.canonical([int(value) for value in individual.X])


class _Refuses(DuplicateElimination):
    """Leaves out individuals that a pool does not allow, or that come twice."""

    pool: Pool

    def __init__(self, codes_of: Callable[[Individual], Codes]) -> None:
        super().__init__()
        self._codes = codes_of

    def _do(self, pop: Population, other: Population | None, is_duplicate: np.ndarray) -> np.ndarray:
        taken = set() if other is None else set(map(self._codes, other))
        for i, individual in enumerate(pop):
            codes = self._codes(individual)
            is_duplicate[i] = codes in taken or not self.pool.allows(codes)
            if other is None:
                taken.add(codes)
        return is_duplicate
