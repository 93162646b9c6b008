"""Chooses space, search and training of a pipeline from a limit in milliseconds and the minutes that it may take."""

import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf import flags
from srnas_tf.arch import Network, Space
from srnas_tf.data.shelf import decoded_bytes
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.modes.catalogue import leaves_all_open
from srnas_tf.modes.search import feasible_of
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.pool import Pool
from srnas_tf.search.settings import Budget, Pick, PlanSettings, SearchSettings
from srnas_tf.search.strategies import STRATEGIES
from srnas_tf.seeding import generator
from srnas_tf.settings import Values
from srnas_tf.train.alone import Alone
from srnas_tf.train.loop import LOG_EVERY
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.folder import Workdir

SPACE = {
    "space": "tapped",
    "recipes": Values(("T", "TC", "TCC", "TCCC", "TCTC")),
    "width": Values((16, 32, 48, 64)),
    "depth": Values(range(1, 7)),
    "conv": Values(("expanded", "expanded_blueprint")),
    "attention": Values(("none", "esa")),
    "stem": Values(("expanded",)),
}
"""The dimensions in which networks differ most in time and quality: width, depth, kind of convolution, attention.

Widths are multiples of 16, since others are slow in most runtimes.
"""
SEARCH = {"strategy": "grid", "population": 8, "iterations": 2, "top_k": 2, "grid_from": 0.5}
"""Networks of equal blocks that need half of a limit or more. Of random ones, nearly all would have six blocks of 16
channels, since most networks of the space have.
"""
SURVIVORS = (4, 2)
LENGTHS = (3, 8, 24)
"""Relative numbers of steps: of the rungs, and of the training of the final network."""
RECIPE = {
    "batch": 16,
    "patch": 24,
    "optimizer": "muon",
    "frequency_loss": 0.05,
    "learning_rate": 4e-3,
    "schedule": "cosine",
    "warmup": 50,
    "ema": 0.99,
}
"""Training settings that suit small networks and a few thousand steps (docs/training.md: what each is worth)."""
LATENCY_NETWORKS = 40
VALIDATED, PIXELS = 20, 250_000
"""Maximum number of validation images, and of their low-resolution pixels. Each network is measured once for a rung:
without a limit, that takes longer than a short training.
"""
SHORTEST = 60
"""Minimum number of steps of the first rung. After fewer steps, a ranking means nothing."""
PROBED = 3 * LOG_EVERY
"""Number of steps of a training that measures the speed. The middle third is timed: nothing is validated in it."""
REST = 90.0
"""Seconds that are reserved for export, tables and the report."""

Defaults = Mapping[str, dict[str, Any]]
"""Values of settings that the flags leave open, by the section of the workdir's record."""


class Speed(NamedTuple):
    """The training speed of this machine.

    Attributes:
        start: seconds that a training takes in addition to its steps.
        step: seconds per step, of any network.
        work: seconds per step and per MAC of the network, at an output of 1280x720.
    """

    start: float
    step: float
    work: float

    @classmethod
    def between(cls, measured: Sequence[tuple[float, float, float]]) -> "Speed":
        """From the (start, step, MACs) of two networks, in order of MACs. More MACs never take less time."""
        starts, steps, macs = zip(*measured, strict=True)
        work = max(0.0, steps[1] - steps[0]) / max(1.0, macs[1] - macs[0])
        return cls(statistics.mean(starts), max(0.0, steps[1] - work * macs[1]), work)


def defaults_of(workdir: Workdir) -> Defaults:
    """Chooses the settings for a limit in milliseconds; returns an empty mapping if flags choose more than that.

    It prints on stderr how long everything takes. Then it measures the latency of the space, and the training speed.
    The rungs take the rest of the time.

    Raises:
        UserError: if no network meets the budget, or the minutes are too few.
    """
    if not leaves_all_open():
        if flags.given(PlanSettings):
            raise UserError(
                f"--minutes={flags.FLAGS.minutes:g}: is for --max_latency_ms without flags of the space, the search or "
                "the training; with these, --rungs and --steps say how long it takes"
            )
        return {}
    minutes = flags.settle(workdir, "plan", PlanSettings).minutes
    fixed: Defaults = {"network": SPACE, "search": SEARCH, "latency": {"latency_networks": LATENCY_NETWORKS}}
    if workdir.holds("rungs"):
        return fixed
    began = time.monotonic()
    print(f"about {minutes:g} minutes here; --minutes gives more or fewer", file=sys.stderr, flush=True)
    space = flags.settle(workdir, "network", Space, defaults=SPACE)
    search = flags.settle(workdir, "search", SearchSettings, defaults=SEARCH)
    feasible = feasible_of(
        space,
        search,
        flags.settle(workdir, "budget", Budget),
        flags.settle(workdir, "pick", Pick),
        flags.settle(workdir, "latency", LatencySettings, defaults=fixed["latency"]),
        workdir,
    )
    validation = {"val_images": _enough(flags.settle(workdir, "data", DataSettings), space.scale)}
    data = flags.settle(workdir, "data", DataSettings, defaults=validation)
    networks = _first(feasible, search)
    speed = _speed_of([networks[len(networks) // 2], networks[-1]], space, data)
    left = 60 * minutes - (time.monotonic() - began) - REST
    starts, growing = costs(speed, [each.macs() for each in networks])
    steps = tuple(int((left - starts) / growing * length) for length in LENGTHS)
    if steps[0] < SHORTEST:
        least = minutes + (starts + growing * SHORTEST / LENGTHS[0] - left) / 60
        raise UserError(f"--minutes={minutes:g}: too few to train networks here; give {math.ceil(least)} or more")
    each_third = {"validate_every": max(1, steps[-1] // 3), "checkpoint_every": 500}
    return {
        **fixed,
        "data": validation,
        "alone": {**RECIPE, "steps": steps[-1], **each_third},
        "rungs": {"rungs": ",".join(map(str, steps)), "survivors": ",".join(map(str, SURVIVORS))},
    }


def costs(speed: Speed, macs: Sequence[int]) -> tuple[float, float]:
    """Seconds of all trainings: for their starts, and for each unit of `LENGTHS`.

    The later rungs may train the largest networks. IMDN's training counts as one more in the last rung.

    Args:
        macs: of the networks in the first rung, at an output of 1280x720.
    """
    *some, last = SURVIVORS
    largest = sorted(macs, reverse=True)
    rungs = [largest, *(largest[:count] for count in some), [*largest[:last], largest[0]]]
    steps = [sum(speed.step + speed.work * each for each in rung) for rung in rungs]
    growing = sum(length * each for length, each in zip(LENGTHS, steps, strict=True))
    return sum(map(len, rungs)) * speed.start, growing


def _first(feasible: Feasible, search: SearchSettings) -> list[Network]:
    """The networks of the search's first rung, in order of MACs."""
    strategy, rng = STRATEGIES[search.strategy](search, feasible), generator(search.seed, "plan")
    asked = [strategy.ask(Pool(feasible, set()), rng) for _ in range(search.iterations)]
    networks = [feasible.space.network(each.codes) for some in asked for each in some]
    return sorted(networks, key=lambda network: network.macs())


def _enough(data: DataSettings, scale: int) -> int:
    """The number of validation images to use: at most `VALIDATED`, and of about `PIXELS` low-resolution pixels."""
    paths = data.paths("val")
    pixels = decoded_bytes(paths) / 3 / scale**2
    return max(1, min(VALIDATED, int(len(paths) * PIXELS / max(1, pixels))))


def _speed_of(networks: Sequence[Network], space: Space, data: DataSettings) -> Speed:
    """Trains two networks for a few steps, and deletes them."""
    recipe = TrainSettings(**{**RECIPE, **flags.given(TrainSettings), "steps": PROBED, "validate_every": PROBED})
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        train = Alone(data, recipe, flags.from_flags(MachineSettings), space.scale, home)
        for number, network in enumerate(networks):
            own = home / f"network{number}"
            began = time.monotonic()
            train((str(network), own, {}))
            whole = time.monotonic() - began
            lines = [json.loads(line) for line in (own / "metrics.jsonl").read_text("utf-8").splitlines()]
            seconds = {line["step"]: line["seconds"] for line in lines}
            step = (seconds[2 * LOG_EVERY] - seconds[LOG_EVERY]) / LOG_EVERY
            measured.append((max(0.0, whole - PROBED * step), step, network.macs()))
    return Speed.between(measured)
