"""Chooses networks to train alone, to check how well a supernet ranks them."""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srnas_tf.arch import Space
from srnas_tf.arch.space import Codes
from srnas_tf.host.progress import progress
from srnas_tf.search.spreading import spread
from srnas_tf.seeding import generator
from srnas_tf.settings import MANY, check, setting

SPREADS = ("psnr", "size")
POOL = 10
"""Networks that are drawn and measured for each one that is picked."""
BAND = 0.05
"""The largest distance of the band's networks from the median size, as a share of it."""
TRIES = 100
"""A pool stays incomplete after so many draws for each of its networks."""
_LEAN = 3.0

Measure = Callable[[Sequence[int]], float]
"""Codes -> validation PSNR, dB."""


@dataclass(frozen=True)
class RankSettings:
    """Settings of the networks that are trained alone, to compare their ranking with the supernet's."""

    rank_networks: int = setting(20, "networks of all sizes, and as many of about one size", bounds=(3, 100_000))
    rank_steps: int = setting(0, "training steps of each network alone; 0: as many as the supernet", bounds=(0, MANY))
    rank_seeds: int = setting(
        1, "trainings of each network, with different seeds; its PSNR is their mean", bounds=(1, 1000)
    )
    rank_spread: str = setting(
        "psnr",
        "what the networks are spread over: psnr: parameters and the supernet's PSNR; size: parameters alone, so that "
        "all supernets of a space have the same networks",
        SPREADS,
    )
    rank_from: str = setting(
        "", "workdir of another supernet: rank the networks that --mode=rank trained there, and train none"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.rank_from:
            object.__setattr__(self, "rank_from", os.path.abspath(Path(self.rank_from).expanduser()))

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields of `TrainSettings` that these settings decide."""
        return {"steps": self.rank_steps} if self.rank_steps else {}


def choose(space: Space, settings: RankSettings, seed: int, measure: Measure) -> list[dict]:
    """The networks to train. They depend on space, settings and seed; with cells of PSNR, also on measurements.

    There are two samples of `settings.rank_networks` networks. "range" covers all sizes of the space. "band" lies
    within 5 % of the median size, so that size alone cannot rank it. Each sample is drawn from a pool of ten times as
    many, evenly over cells of parameters, or of parameters and PSNR. A small space may hold fewer.

    Args:
        measure: codes -> the supernet's PSNR.

    Returns:
        For each network, in the order of codes: `arch`, `codes`, `params`, `macs`, `supernet_psnr`, and the names of
            its `samples`.
    """
    rng = generator(seed, "ranking")
    pools = {"range": _over_range(space, POOL * settings.rank_networks, rng)}
    pools["band"] = _within_band(space, POOL * settings.rank_networks, rng)
    measured: dict[Codes, float] = {}
    if settings.rank_spread == "psnr":
        measured = _measure_all(itertools.chain(*pools.values()), measure)
    picked: dict[Codes, list[str]] = {}
    for name, pool in pools.items():
        columns: list[list[float]] = [[space.network(codes).params for codes in pool]]
        if measured:
            columns.append([measured[codes] for codes in pool])
        for i in spread(columns, settings.rank_networks, rng):
            picked.setdefault(pool[i], []).append(name)
    measured = measured or _measure_all(picked, measure)
    return [_facts(space, codes, measured[codes], samples) for codes, samples in sorted(picked.items())]


def _facts(space: Space, codes: Codes, psnr: float, samples: list[str]) -> dict:
    network = space.network(codes)
    return {
        "arch": str(network),
        "codes": list(codes),
        "params": network.params,
        "macs": network.macs(),
        "supernet_psnr": psnr,
        "samples": samples,
    }


def _measure_all(networks, measure: Measure) -> dict[Codes, float]:
    """Measured in the order of codes, because neighbours share features."""
    ordered = sorted(set(networks))
    measured = {}
    with progress("rank: networks in the supernet", len(ordered)) as report:
        for codes in ordered:
            measured[codes] = measure(codes)
            report(len(measured), "")
    return measured


def _over_range(space: Space, count: int, rng: np.random.Generator) -> list[Codes]:
    """Different networks of all sizes. Each is drawn with its own preference for small or large paths.

    In uniform draws, large and small blocks would nearly always balance.
    """
    start = space.codes(space.smallest(lambda network: network.params)) or ()
    weights = []
    for position, paths in enumerate(space.cardinalities):
        others = (space.canonical((*start[:position], path, *start[position + 1 :])) for path in range(paths))
        sizes = [space.network(codes).params for codes in others]
        weights.append((np.array(sizes) - min(sizes)) / max(1, max(sizes) - min(sizes)))

    def draw() -> Codes:
        lean = rng.uniform(-_LEAN, _LEAN)
        likely = [np.exp(lean * size) for size in weights]
        return space.canonical([int(rng.choice(len(p), p=p / p.sum())) for p in likely])

    return _different(draw, lambda codes: True, count)


def _within_band(space: Space, count: int, rng: np.random.Generator) -> list[Codes]:
    """Different networks, equally likely, whose sizes are within the band around their median."""
    sizes = [space.network(space.sample(rng)).params for _ in range(count)]
    middle = sorted(sizes)[count // 2]  # one that there is

    def fits(codes: Codes) -> bool:
        return abs(space.network(codes).params - middle) <= BAND * middle

    return _different(lambda: space.sample(rng), fits, count)


def _different(draw: Callable[[], Codes], fits: Callable[[Codes], bool], count: int) -> list[Codes]:
    found: dict[Codes, None] = {}
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        codes = draw()
        if fits(codes):
            found[codes] = None
    return list(found)
