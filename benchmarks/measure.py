"""Times by turns: what is compared runs alternately, so that a machine that slows down slows all of it."""

import contextlib
import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from srnas_tf.host import silence

_PAUSE = 0.3
"""Seconds."""


class Spread(NamedTuple):
    """A figure over rounds: its median and quartiles.

    Attributes:
        unit: "ratio", "s", "MiB" or "dB".
    """

    median: float
    low: float
    high: float
    unit: str = "ratio"


class Findings(NamedTuple):
    """What a measurement returns.

    Attributes:
        figures: spreads by their names.
        curves: (x, y) points by their names.
    """

    figures: dict[str, Spread]
    curves: dict[str, list[tuple[float, float]]] = {}


@contextlib.contextmanager
def apart(makers: Mapping[str, Callable[[], Callable[[], object]]]) -> Iterator[dict[str, Callable[[], object]]]:
    """Each run in a process of its own, as its users have it: beside TensorFlow, PyTorch takes a fifth longer.

    Args:
        makers: by the runs' names; called in the new process, and so pickled. What a run returns stays there.
    """
    context = multiprocessing.get_context("spawn")
    runs: dict[str, Callable[[], object]] = {}
    with contextlib.ExitStack() as stack:
        for name, make in makers.items():
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, pickle.dumps(make)), daemon=True)
            process.start()
            theirs.close()
            stack.callback(process.join)
            stack.callback(ours.close)
            runs[name] = lambda ours=ours: (ours.send(None), ours.recv())
        yield runs


def _serve(asked: Connection, pickled: bytes) -> None:
    with silence.stderr_aside():  # what it needs greets as it is imported
        make = pickle.loads(pickled)
    run = make()
    with contextlib.suppress(EOFError):
        while True:
            asked.recv()
            run()
            asked.send(None)


def alternate(runs: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each run, once a round, all of them in turn, after `warm` rounds that do not count.

    A pause comes before each: the threads of one library wait for more work in a loop, and would take the other's time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(warm + rounds):
        for name, run in runs.items():
            time.sleep(_PAUSE)
            start = time.perf_counter()
            run()
            if i >= warm:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def spread(values: Sequence[float], unit: str) -> Spread:
    low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    return Spread(median, low, high, unit)


def ratio(ours: Sequence[float], peer: Sequence[float]) -> Spread:
    """Of the rounds' ratios."""
    return spread(np.divide(ours, peer).tolist(), "ratio")
