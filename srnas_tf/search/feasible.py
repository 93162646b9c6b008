"""The networks of a space that a budget allows, and uniform draws of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from srnas_tf.arch import Network, Space
from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError

BATCH = 64
"""Networks that are drawn at once."""
PATIENCE = 1_000
"""Batches in vain, one after another, after which nothing is drawn any more."""

Prices = Mapping[str, Callable[[Network], float]]
"""Name of a cost -> what a network costs: a sum over its blocks, and what is the same for all networks of a space."""

PRICES: Prices = {"params": lambda network: network.params, "macs": lambda network: network.macs()}
"""Parameters, and MACs at 1280x720 output. Latency joins them where it was measured."""


class Cost(NamedTuple):
    """A cost that is a sum over blocks.

    Attributes:
        base: of the network of the cheapest paths.
        extra: for each position, what each of its paths costs beyond the cheapest, >= 0.
    """

    base: float
    extra: tuple[np.ndarray, ...]

    def of(self, codes: Sequence[int]) -> float:
        """Of the network that codes name."""
        return self.base + sum(extra[code].item() for extra, code in zip(self.extra, codes, strict=True))


def additive(space: Space, price: Callable[[Network], float]) -> Cost:
    """The cost of a space's networks from a price that is a sum over blocks; exact where prices are integers."""
    first = (0,) * space.depth
    start = price(space.network(first))
    base, extras = start, []
    for position, count in enumerate(space.cardinalities):
        others = [(*first[:position], code, *first[position + 1 :]) for code in range(count)]
        added = np.array([price(space.network(codes)) - start for codes in others])
        base += added.min().item()
        extras.append(added - added.min())
    return Cost(base, tuple(extras))


class Feasible:
    """The networks of a space within limits.

    Draws are uniform however tight the limits are. Each path is drawn by exp(-weights . cost), so that networks come
    out at about the limits, and a network within them is kept with probability exp(weights . (cost - limits)), which
    undoes the preference. The weights are those that keep the most (a convex problem); without limits they are 0, and
    all is kept.

    Args:
        space: what networks there are.
        limits: the highest cost of each kind.
        prices: what the space's networks cost; those without a limit are there to be asked for.

    Raises:
        UserError: where no network meets the limits, with what the least costs.
    """

    def __init__(self, space: Space, limits: Mapping[str, float], prices: Prices = PRICES) -> None:
        self.space = space
        self.costs = {name: additive(space, price) for name, price in prices.items()}
        self.limits = dict(limits)
        self._bound = [self.costs[name] for name in self.limits]
        self._slack = np.array([self.limits[name] - self.costs[name].base for name in self.limits], float)
        self.example = self._find()
        self._weights = self._best_weights()

    def allows(self, codes: Sequence[int]) -> bool:
        """Whether a network is within all limits."""
        return all(self.costs[name].of(codes) <= limit for name, limit in self.limits.items())

    def price(self, codes: Sequence[int]) -> dict[str, float]:
        """All costs of a network."""
        return {name: cost.of(codes) for name, cost in self.costs.items()}

    def draws(self, rng: np.random.Generator) -> Iterator[Codes]:
        """Networks within the limits, each equally likely, again and again.

        They end, with one that is known, where so many draws were in vain that there is next to nothing to be had.
        """
        chances = [
            special.softmax(-self._weights @ self._extra(position)) for position in range(len(self.space.cardinalities))
        ]
        vain = 0
        while vain < PATIENCE:
            drawn = np.stack([rng.choice(len(chance), BATCH, p=chance) for chance in chances], axis=1)
            over = sum(self._extra(i)[:, drawn[:, i]] for i in range(len(chances))) - self._slack[:, None]
            kept = (over <= 0).all(axis=0) & (rng.random(BATCH) < np.exp(self._weights @ np.minimum(over, 0)))
            vain = 0 if kept.any() else vain + 1
            yield from (tuple(codes.tolist()) for codes in drawn[kept])
        yield self.example

    def _extra(self, position: int) -> np.ndarray:
        """[limits, paths]."""
        rows = [cost.extra[position] for cost in self._bound]
        return np.array(rows, float).reshape(len(rows), self.space.cardinalities[position])

    def _best_weights(self) -> np.ndarray:
        if not self.limits:
            return np.zeros(0)
        unit = np.array([max(extra.max() for extra in cost.extra) or 1.0 for cost in self._bound])
        tables = [self._extra(i) / unit[:, None] for i in range(self.space.depth)]

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            """What is drawn in vain, as a logarithm, and its gradient."""
            exponents = [-weights @ table for table in tables]
            means = sum(table @ special.softmax(x) for table, x in zip(tables, exponents, strict=True))
            value = sum(special.logsumexp(x) for x in exponents) + weights @ (self._slack / unit)
            return float(value), self._slack / unit - means

        start = np.zeros(len(unit))
        bounds = [(0, 1e4)] * len(unit)
        return optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x / unit

    def _find(self) -> Codes:
        """A network within the limits."""
        # Of two that begin a network, one that costs no more in anything serves as well.
        begun: dict[tuple[float, ...], Codes] = {(0.0,) * len(self.limits): ()}
        for position in range(self.space.depth):
            extra = self._extra(position).T
            begun = _least(
                {
                    tuple(np.add(spent, added)): (*codes, code)
                    for spent, codes in begun.items()
                    for code, added in enumerate(extra)
                }
            )
        for i, (name, limit) in enumerate(self.limits.items()):
            fitting = {spent: codes for spent, codes in begun.items() if spent[i] <= self._slack[i]}
            if not fitting:
                least = min(self.costs[name].of(codes) for codes in begun.values())
                others = "".join(f" within --max_{other}={self.limits[other]}" for other in list(self.limits)[:i])
                raise UserError(
                    f"--max_{name}={limit}: the smallest network of space {self.space}{others} needs {least}"
                )
            begun = fitting
        return next(iter(begun.values()))


def _least(sums: dict[tuple[float, ...], Codes]) -> dict[tuple[float, ...], Codes]:
    """Those that no other one is below or equal to in every cost."""
    kept: list[tuple[float, ...]] = []
    for spent in sorted(sums):
        if not kept or not (np.array(kept) <= spent).all(axis=1).any():
            kept.append(spent)
    return {spent: sums[spent] for spent in kept}
