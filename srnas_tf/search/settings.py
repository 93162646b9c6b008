"""The settings of a search and its budget."""

import dataclasses
import importlib.util
import itertools
from dataclasses import dataclass
from typing import NamedTuple

from srnas_tf.errors import UserError
from srnas_tf.settings import MANY, check, setting
from srnas_tf.train.settings import PRECISIONS

STRATEGIES = ("evolution", "random", "pareto", "grid", "halving", "guided", "tpe")
TRAIN_ALONE = ("grid", "halving", "guided", "tpe")
"""Strategies that train networks alone by default."""
EXTRAS = {"pareto": ("pymoo", "pareto"), "guided": ("pymoo", "pareto"), "tpe": ("optuna", "tpe")}
"""The modules that strategies need, and the extras that install them."""
SUPERNET = "supernet"
USUAL_RUNGS = (1500, 4000, 12000)
COSTS = ("params", "macs", "latency_ms")
"""The costs of a network."""


@dataclass(frozen=True)
class Budget:
    """Limits for the costs of a network; 0 means no limit."""

    max_params: int = setting(0, "most parameters of a found network; 0: no limit", bounds=(0, 10**18))
    max_macs: int = setting(
        0, "most MACs of a found network, for 1280x720 pixels of output; 0: no limit", bounds=(0, 10**18)
    )
    max_latency_ms: float = setting(
        0.0, "most milliseconds of a found network, measured in --runtime; 0: no limit", bounds=(0, MANY)
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost."""
        return {name.removeprefix("max_"): limit for name, limit in dataclasses.asdict(self).items() if limit}


@dataclass(frozen=True)
class SearchSettings:
    """Settings of the search strategy.

    The defaults are those of Guo et al. 2020 for Algorithm 1, except for the numbers of networks.

    Raises:
        UserError: if a value is out of range, two values exclude each other, or the strategy's module is not installed.
    """

    strategy: str = setting("evolution", "how candidates are proposed", STRATEGIES)
    population: int = setting(50, "networks in an iteration", bounds=(2, 1_000_000))
    iterations: int = setting(20, "iterations; the search measures population * iterations networks", bounds=(1, MANY))
    mutation: float = setting(0.1, "probability that a mutation changes a block's path")
    top_k: int = setting(3, "best networks to report and to train again", bounds=(1, 1_000_000))
    grid_from: float = setting(
        0.0, "grid: leave out networks that need less than this share of each limit", bounds=(0.0, 1.0)
    )
    objectives: str = setting("macs", "costs on the front besides PSNR: one or two of params, macs, latency_ms")
    search_precision: str = setting(
        "float32",
        "Keras dtype policy of a first, rough measurement; the best networks are measured again in float32",
        PRECISIONS,
    )
    seed: int = setting(0, "seed of all randomness", bounds=(0, MANY))

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.mutation <= 1:
            raise UserError(f"--mutation={self.mutation}: must be above 0 and at most 1")
        if not self.objective_names or len(self.objective_names) > 2 or not set(self.objective_names) <= set(COSTS):
            raise UserError(f"--objectives={self.objectives}: give one or two of {', '.join(COSTS)}, a comma between")
        if self.grid_from and self.strategy != "grid":
            raise UserError(f"--grid_from={self.grid_from:g}: is for --strategy=grid, not {self.strategy}; drop it")
        module, extra = EXTRAS.get(self.strategy, ("", ""))
        if module and importlib.util.find_spec(module) is None:
            raise UserError(f"--strategy={self.strategy} needs {module}: pip install 'srnas_tf[{extra}]'")
        if self.strategy == "pareto" and self.search_precision != "float32":
            raise UserError(
                f"--search_precision={self.search_precision}: screening is for a search of the best networks; "
                "--strategy=pareto goes by all of them, in float32"
            )

    @property
    def objective_names(self) -> tuple[str, ...]:
        """The names of the costs on the front."""
        return tuple(dict.fromkeys(name.strip() for name in self.objectives.split(",") if name.strip()))

    @property
    def parents(self) -> int:
        """Size of Algorithm 1's Topk, from which parents come: a fifth of the population, as in Guo et al."""
        return max(self.top_k, self.population // 5)


class Rung(NamedTuple):
    """A round of trainings: the number of networks, and the steps of each."""

    networks: int
    steps: int


@dataclass(frozen=True)
class RungSettings:
    """Settings for training candidates alone, in rungs: all of them for a short time, the best of these for longer.

    This is successive halving (Jamieson and Talwalkar 2016). Each rung trains from the first step, with a complete
    schedule. Each ranking thus compares complete trainings of the same length.

    Raises:
        UserError: if the text of a flag is wrong.
    """

    rungs: str = setting(
        "",
        "rising numbers of steps that candidates train alone (1500,4000,12000); supernet: they are measured with the "
        "supernet's weights; by default 1500,4000,12000 for grid, halving, guided and tpe, and supernet for others",
    )
    survivors: str = setting(
        "", "numbers of networks in the second rung, the third, and so on; by default a quarter of those before"
    )

    def __post_init__(self) -> None:
        steps, left = (self._numbers(name) for name in ("rungs", "survivors"))
        if any(later <= before for before, later in itertools.pairwise(steps)):
            raise UserError(f"--rungs={self.rungs}: give numbers of steps that rise, such as 1500,4000,12000")
        if any(later > before for before, later in itertools.pairwise(left)):
            raise UserError(f"--survivors={self.survivors}: more networks go on than there are")
        if left and len(left) != len(steps or USUAL_RUNGS) - 1:
            raise UserError(f"--survivors={self.survivors}: give one number for each rung after the first")

    def _numbers(self, name: str) -> list[int]:
        text = getattr(self, name)
        if name == "rungs" and text == SUPERNET:
            return []
        parts = [part.strip() for part in text.split(",")] if text else []
        if not all(part.isdigit() and 0 < int(part) <= MANY for part in parts):
            raise UserError(f"--{name}={text}: give whole numbers, 1 or more, with commas between")
        return [int(part) for part in parts]

    def of(self, search: SearchSettings) -> tuple[Rung, ...]:
        """The rungs of a search; none if the supernet measures.

        Raises:
            UserError: if more networks go on to a rung than there are.
        """
        steps = self._numbers("rungs")
        if not self.rungs and search.strategy in TRAIN_ALONE:
            steps = list(USUAL_RUNGS)
        counts = [search.population * search.iterations]
        counts += self._numbers("survivors")
        if counts[1:2] and counts[1] > counts[0]:
            raise UserError(f"--survivors={self.survivors}: more than the {counts[0]} networks of the search")
        while len(counts) < len(steps):
            counts.append(max(1, counts[-1] // 4))
        return tuple(map(Rung, counts, steps))


@dataclass(frozen=True)
class Pick:
    """The rule that chooses which networks are trained again.

    Raises:
        UserError: if there is no such rule.
    """

    pick: str = setting(
        "",
        "networks to train again: psnr (the best), knee (of the front), or the best within a limit (macs:2e9); "
        "by default knee for --strategy=pareto, and psnr for others",
    )

    def __post_init__(self) -> None:
        name, limit = self.limit
        if self.pick not in ("", "psnr", "knee") and not (name in COSTS and limit > 0):
            raise UserError(f"--pick={self.pick}: give psnr, knee, or a limit such as macs:2e9")

    @property
    def limit(self) -> tuple[str, float]:
        """The limited cost and its limit, which is nan if there is none."""
        name, _, number = self.pick.partition(":")
        try:
            return name, float(number)
        except ValueError:
            return name, float("nan")


@dataclass(frozen=True)
class PlanSettings:
    """The time for a pipeline that gets nothing but a limit in milliseconds."""

    minutes: float = setting(
        40.0,
        "with --max_latency_ms, and no flag of space, search or training: minutes that the pipeline may take, about",
        bounds=(1, MANY),
    )

    def __post_init__(self) -> None:
        check(self)


def weighs_latency(settings: SearchSettings, budget: Budget, pick: Pick) -> bool:
    """Whether a search needs the latency of networks."""
    return "latency_ms" in (*settings.objective_names, *budget.limits, pick.limit[0])
