"""How a space is searched, and within which budget."""

from dataclasses import dataclass

from srnas_tf import arch
from srnas_tf.errors import UserError
from srnas_tf.search.strategies import STRATEGIES
from srnas_tf.settings import setting
from srnas_tf.train.settings import PRECISIONS


@dataclass(frozen=True)
class Budget:
    """What a network may cost at most; 0 sets no limit."""

    max_params: int = setting(0, "parameters that a found network may have at most; 0: no limit")
    max_macs: int = setting(0, "MACs at 1280x720 output that it may take at most; 0: no limit")

    def __post_init__(self) -> None:
        for name in ("max_params", "max_macs"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}={getattr(self, name)}: must not be negative")

    def allows(self, network: arch.Network) -> bool:
        return not (self.max_params and network.params > self.max_params) and not (
            self.max_macs and network.macs() > self.max_macs
        )

    def check(self, space: arch.Space) -> None:
        """Refuses a budget that no network of the space meets.

        Raises:
            UserError: with what the smallest network needs.
        """
        costs = {"max_params": lambda network: network.params, "max_macs": lambda network: network.macs()}
        for name, cost in costs.items():
            limit, least = getattr(self, name), cost(space.smallest(cost))
            if limit and limit < least:
                raise UserError(f"--{name}={limit}: the smallest network of space {space} needs {least}")


@dataclass(frozen=True)
class SearchSettings:
    """The thesis' Algorithm 1 and its control; the defaults are those of Guo et al. 2020, but for their size."""

    strategy: str = setting("evolution", "how candidates are proposed", tuple(STRATEGIES))
    population: int = setting(50, "architectures an iteration")
    iterations: int = setting(20, "iterations; the search evaluates population * iterations architectures")
    mutation: float = setting(0.1, "probability that a mutation changes a block's path")
    top_k: int = setting(3, "best architectures to report and retrain")
    search_precision: str = setting(
        "float32", "Keras dtype policy of a first, rough measurement; the best are measured in float32", PRECISIONS
    )
    seed: int = setting(0, "seed of all that is drawn")

    def __post_init__(self) -> None:
        for name, least in {"population": 2, "iterations": 1, "top_k": 1, "seed": 0}.items():
            if getattr(self, name) < least:
                raise UserError(f"--{name}={getattr(self, name)}: must be at least {least}")
        if not 0 < self.mutation <= 1:
            raise UserError(f"--mutation={self.mutation}: must be above 0 and at most 1")

    @property
    def parents(self) -> int:
        """Size of Algorithm 1's Topk, where parents come from: a fifth of the population, as in Guo et al."""
        return max(self.top_k, self.population // 5)
