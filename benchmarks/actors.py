"""What more Ray actors give a search: real ones on this machine, and many that only take as long."""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import idle
from benchmarks.measure import Findings, Spread, ratio
from srnas_tf import nets
from srnas_tf.arch import Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.executors import Executor, executor_of, in_turn
from srnas_tf.nets.files import save
from srnas_tf.nets.initial import initialize
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import SearchSettings
from srnas_tf.train.scoring import travelling_scorers
from srnas_tf.train.settings import MachineSettings

ACTORS = (1, 2, 4, 8, 16, 32, 64)
_SPACE = Space(width=32, depth=4)
_REAL = SearchSettings(strategy="random", population=100, iterations=1)
_LONG = SearchSettings(strategy="random", population=256, iterations=4)


def executor(rounds: int) -> Findings:
    """A random search of 100 networks (dynamic space, width 32, depth 4) by 1 and 2 actors and this process, by turns.

    Then 4 iterations of 256 networks with, instead of measurements, sleeps as long as these took in one process, 1 to
    64 actors, once each: what the executor itself costs. The clock begins when all actors have measured once.
    """
    with tempfile.TemporaryDirectory() as folder:
        supernet = nets.Supernet(_SPACE)
        initialize(supernet, 0)
        save(supernet, Path(folder) / "supernet.keras")
        memory = int(MachineSettings().memory_gb * 2**30)
        times: dict[int, list[float]] = {0: [], 1: [], 2: []}
        for _ in range(rounds):
            for actors, seconds in times.items():
                measure, _ = travelling_scorers(Path(folder) / "supernet.keras", DataSettings(), memory, "float32")
                seconds.append(_timed(measure, actors, _REAL))
        one = sorted(times[0])[len(times[0]) // 2] / _REAL.population
        sleeps = {actors: _timed(functools.partial(idle.sleep, one), actors, _LONG) for actors in ACTORS}
    speedups = [(float(actors), sleeps[1] / seconds) for actors, seconds in sleeps.items()]
    many, gain = speedups[-1]
    figures = {
        "a search by 1 actor / by this process": ratio(times[1], times[0]),
        "a search by 2 actors / by 1, on this machine": ratio(times[2], times[1]),
        f"speedup of {many:.0f} actors over 1, {1000 * one:.0f} ms a network": Spread(gain, gain, gain),
    }
    return Findings(figures, {"actors: speedup": speedups})


def _timed(measure: Callable, actors: int, settings: SearchSettings) -> float:
    """Seconds of a search; 0 actors: in this process."""
    run: Executor = executor_of("ray", "", actors, 600) if actors else in_turn
    while actors and len(set(run(idle.process, range(4 * actors)))) < actors:
        pass
    list(run(measure, [(0,) * _SPACE.depth] * max(1, actors)))  # each loads and traces what it needs
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        search(Feasible(_SPACE, {}), settings, measure, Path(folder), run=run)
        seconds = time.perf_counter() - started
    if actors:
        run.close()  # type: ignore[attr-defined]
    return seconds
