"""How a space is searched, and within which budget."""

import dataclasses
import importlib.util
from dataclasses import dataclass

from srnas_tf.errors import UserError
from srnas_tf.settings import MANY, check, setting
from srnas_tf.train.settings import PRECISIONS

STRATEGIES = ("evolution", "random", "pareto")
COSTS = ("params", "macs", "latency_ms")
"""What a network costs, by name."""


@dataclass(frozen=True)
class Budget:
    """What a network may cost at most; 0 sets no limit."""

    max_params: int = setting(0, "parameters that a found network may have at most; 0: no limit", bounds=(0, 10**18))
    max_macs: int = setting(0, "MACs at 1280x720 output that it may take at most; 0: no limit", bounds=(0, 10**18))
    max_latency_ms: float = setting(
        0.0, "milliseconds that it may take at most, as --runtime has it; 0: no limit", bounds=(0, MANY)
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost."""
        return {name.removeprefix("max_"): limit for name, limit in dataclasses.asdict(self).items() if limit}


@dataclass(frozen=True)
class SearchSettings:
    """The thesis' Algorithm 1 and its control; the defaults are those of Guo et al. 2020, but for their size."""

    strategy: str = setting("evolution", "how candidates are proposed", STRATEGIES)
    population: int = setting(50, "architectures an iteration", bounds=(2, 1_000_000))
    iterations: int = setting(
        20, "iterations; the search evaluates population * iterations architectures", bounds=(1, MANY)
    )
    mutation: float = setting(0.1, "probability that a mutation changes a block's path")
    top_k: int = setting(3, "best architectures to report and retrain", bounds=(1, 1_000_000))
    objectives: str = setting(
        "macs", "what PSNR is weighed against on the front: one or two of params, macs, latency_ms"
    )
    search_precision: str = setting(
        "float32", "Keras dtype policy of a first, rough measurement; the best are measured in float32", PRECISIONS
    )
    seed: int = setting(0, "seed of all that is drawn", bounds=(0, MANY))

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.mutation <= 1:
            raise UserError(f"--mutation={self.mutation}: must be above 0 and at most 1")
        if not self.weighed or len(self.weighed) > 2 or not set(self.weighed) <= set(COSTS):
            raise UserError(f"--objectives={self.objectives}: give one or two of {', '.join(COSTS)}, a comma between")
        if self.strategy == "pareto":
            if importlib.util.find_spec("pymoo") is None:
                raise UserError("--strategy=pareto needs pymoo: pip install 'srnas_tf[pareto]'")
            if self.search_precision != "float32":
                raise UserError(
                    f"--search_precision={self.search_precision}: screening is for a search of the best networks; "
                    "--strategy=pareto goes by all of them, in float32"
                )

    @property
    def weighed(self) -> tuple[str, ...]:
        """The costs that PSNR is weighed against."""
        return tuple(dict.fromkeys(name.strip() for name in self.objectives.split(",") if name.strip()))

    @property
    def parents(self) -> int:
        """Size of Algorithm 1's Topk, where parents come from: a fifth of the population, as in Guo et al."""
        return max(self.top_k, self.population // 5)


@dataclass(frozen=True)
class Pick:
    """Which of the networks that a search measured to go on with."""

    pick: str = setting(
        "",
        "networks to go on with: psnr (the best), knee (of the front), or the best within a limit (macs:2e9); "
        "unless given, knee for --strategy=pareto, else psnr",
    )

    def __post_init__(self) -> None:
        name, limit = self.limit
        if self.pick not in ("", "psnr", "knee") and not (name in COSTS and limit > 0):
            raise UserError(f"--pick={self.pick}: give psnr, knee, or a limit such as macs:2e9")

    @property
    def limit(self) -> tuple[str, float]:
        """The cost that is limited, and its limit; not a number where there is none."""
        name, _, number = self.pick.partition(":")
        try:
            return name, float(number)
        except ValueError:
            return name, float("nan")


def weighs_latency(settings: SearchSettings, budget: Budget, pick: Pick) -> bool:
    """Whether a search has to know how long networks take."""
    return "latency_ms" in (*settings.weighed, *budget.limits, pick.limit[0])
