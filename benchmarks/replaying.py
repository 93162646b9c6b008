"""What `benchmarks.replay` replays: searches of networks that stand in a table."""

import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.tabulated import SPACE, STEPS, Small
from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError
from srnas_tf.host.progress import progress
from srnas_tf.search.alone import search_alone
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.settings import Pick, Rung, SearchSettings

POPULATION, ITERATIONS = 8, 7
"""Of a search: 56 networks."""
RUNGS = (STEPS // 6, STEPS // 2, STEPS)


class Arm(NamedTuple):
    """A strategy, and the steps of its rungs; as many networks as its total cost allows."""

    strategy: str
    rungs: tuple[int, ...]


ARMS = {
    "random": Arm("random", (STEPS,)),
    "random, halving": Arm("halving", RUNGS),
    "grid": Arm("grid", (STEPS,)),
    "grid, halving": Arm("grid", RUNGS),
    "guided": Arm("guided", (STEPS,)),
    "guided, halving": Arm("guided", RUNGS),
}


class Listed(Feasible):
    """A list of networks within a limit of milliseconds, as a search sees what a budget allows."""

    def __init__(self, networks: Sequence[Small], runtime: str, limit: float) -> None:
        within = [each for each in networks if each.ms[runtime] <= limit]
        self.space, self.limits = SPACE, {"latency_ms": limit}
        self.known: dict[Codes, Small] = {}
        for each in within:
            codes = SPACE.codes(each.network)
            assert codes is not None, each.arch
            self.known[codes] = each
        self._runtime = runtime
        self.example = next(iter(self.known))

    def allows(self, codes: Sequence[int]) -> bool:
        return tuple(codes) in self.known

    def price(self, codes: Sequence[int]) -> dict[str, float]:
        own = self.known[tuple(codes)]
        return {"params": own.params, "macs": own.macs, "latency_ms": own.ms[self._runtime]}

    def draws(self, rng: np.random.Generator) -> Iterator[Codes]:
        every = list(self.known)
        while True:
            yield from (every[i] for i in rng.permutation(len(every)))


def trained(networks: Sequence[Small], runtimes: Sequence[str]) -> list[Small]:
    """Those that were trained and timed.

    Raises:
        UserError: where there are too few to search.
    """
    known = [n for n in networks if f"{STEPS}-0" in n.trainings and all(runtime in n.ms for runtime in runtimes)]
    if len(known) < 3 * POPULATION:
        raise UserError(f"the table has {len(known)} networks, trained and timed; train more of them first")
    return known


def replay(listed: Listed, arm: Arm, repeats: int) -> dict:
    """What searches of one arm came to: at each cost, in steps, the regret in dB: median, and 10 and 90 %."""
    costs = np.linspace(0, POPULATION * ITERATIONS * STEPS, 29)[1:]
    curves = []
    with progress(f"{arm.strategy} {arm.rungs}", repeats) as report:
        for seed in range(repeats):
            curves.append(regrets(listed, arm, seed, costs))
            report(seed + 1, "")
    low, middle, high = np.quantile(np.array(curves), [0.1, 0.5, 0.9], axis=0)
    return {
        "costs": costs.tolist(),
        "regret": {"10 %": low.tolist(), "median": middle.tolist(), "90 %": high.tolist()},
        "mean at the end": float(np.mean([curve[-1] for curve in curves])),
    }


def regrets(listed: Listed, arm: Arm, seed: int, costs: np.ndarray) -> list[float]:
    settings = SearchSettings(arm.strategy, POPULATION, ITERATIONS, seed=seed, top_k=1)
    first = POPULATION * ITERATIONS
    rungs = [Rung(max(1, first // 4**i), steps) for i, steps in enumerate(arm.rungs)]
    by_text = {each.arch: each for each in listed.known.values()}

    def look_up(task: tuple[str, int]) -> float:
        text, steps = task
        return by_text[text].curve()[steps]

    with tempfile.TemporaryDirectory() as folder:
        search_alone(listed, settings, rungs, look_up, Path(folder), Pick("psnr"))
        lines = (Path(folder) / "journal.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    best = max(each.psnr() for each in by_text.values())
    spent = np.cumsum([entry["steps"] for entry in entries])
    # At each cost: the network of the highest rung that has the best reading there.
    ahead = list(itertools.accumulate(entries, lambda a, b: max(a, b, key=lambda e: (e["steps"], e["psnr"]))))
    worth = [best - by_text[entry["arch"]].psnr() for entry in ahead]
    worst = best - min(each.psnr() for each in by_text.values())
    return [worth[i - 1] if (i := int(np.searchsorted(spent, cost, "right"))) else worst for cost in costs]
