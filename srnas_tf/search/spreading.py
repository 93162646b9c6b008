"""Picks a few of many: the best, or some that are spread evenly."""

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from srnas_tf.arch.space import Codes
from srnas_tf.search.feasible import Feasible


def spread(columns: Sequence[Sequence[float]], count: int, rng: np.random.Generator) -> list[int]:
    """Rows that are spread evenly over a grid, which reaches from the least to the greatest value of each column.

    The grid has about `count` cells. Cells take turns in random order. Each gives one of its rows at random while it
    has any.

    Args:
        columns: columns of equal lengths.
        count: rows to pick; all if there are fewer.
    """
    side = math.ceil(count ** (1 / len(columns)))
    places = []
    for column in np.array(columns, float):
        low, width = column.min(), np.ptp(column) or 1.0
        places.append(np.minimum(side - 1, (side * (column - low) / width).astype(int)))
    cells: dict[tuple[int, ...], list[int]] = {}
    for row in rng.permutation(len(columns[0])):
        cells.setdefault(tuple(int(place[row]) for place in places), []).append(int(row))
    order = rng.permutation(len(cells))
    turns = itertools.zip_longest(*(list(cells.values())[i] for i in order))
    return [row for turn in turns for row in turn if row is not None][:count]


def measures(feasible: Feasible, many: Sequence[Codes]) -> list[list[float]]:
    """Columns to spread networks over: the logarithm of latency, or of MACs if latency is unknown; that of width;
    depth.
    """
    prices = [feasible.price(codes) for codes in many]
    name = "latency_ms" if "latency_ms" in prices[0] else "macs"
    trunks = [feasible.space.trunks[feasible.space.split(codes)[0]] for codes in many]
    return [
        [math.log(price[name]) for price in prices],
        [math.log(trunk.width) for trunk in trunks],
        [float(trunk.depth) for trunk in trunks],
    ]


def best_of(psnrs: Mapping[Codes, float], count: int) -> list[Codes]:
    """The best by PSNR. Of equal ones, those that were proposed first."""
    return heapq.nlargest(count, psnrs, key=psnrs.__getitem__)
