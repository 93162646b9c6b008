"""The networks of a space within a budget, and uniform draws of them."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from srnas_tf.arch import Block, Network, Space
from srnas_tf.arch.block import plan
from srnas_tf.arch.space import Codes
from srnas_tf.errors import UserError

BATCH = 64
"""Networks drawn at once."""
STATES = 2_000_000
"""Different sums of costs, up to which networks are counted exactly."""
PATIENCE = 1_000
"""Drawing ends after so many batches in a row without a network."""


@dataclass(frozen=True)
class Price:
    """A cost of networks, as a sum over the frame and the blocks.

    Attributes:
        of_frame: network -> cost of all but its blocks.
        of_block: (block, network) -> cost of the block in a network of that width, stem and scale.
    """

    of_frame: Callable[[Network], float]
    of_block: Callable[[Block, Network], float]

    def __call__(self, network: Network) -> float:
        """The cost of a whole network."""
        return self.of_frame(network) + sum(self.of_block(block, network) for block in network.blocks)


Prices = Mapping[str, Price]
"""Prices by the name of the cost."""

PRICES: Prices = {
    "params": Price(lambda network: network.frame.params, lambda block, like: plan(block, like.width).params),
    "macs": Price(
        lambda network: network.frame.macs(network.pixels()),
        lambda block, like: plan(block, like.width).macs(like.pixels()),
    ),
}
"""Parameters, and MACs at 1280x720 output. Latency is added if it was measured."""


class Cost(NamedTuple):
    """A cost of a trunk's networks, as a sum over blocks.

    Attributes:
        base: the cost of the network of the cheapest paths.
        extra: for each position, the cost of each path above the cheapest, >= 0.
    """

    base: float
    extra: tuple[np.ndarray, ...]

    def of(self, paths: Sequence[int]) -> float:
        """The cost of the network of these paths."""
        return self.base + sum(extra[path].item() for extra, path in zip(self.extra, paths, strict=True))


def additive(space: Space, trunk: int, price: Price) -> Cost:
    """The cost of a trunk's networks; exact if prices are integers."""
    some = space.network(space.compose(trunk, (0,) * space.trunks[trunk].depth))
    of_blocks = {block: price.of_block(block, some) for block in dict.fromkeys(itertools.chain(*_own(space, trunk)))}
    costs = [np.array([of_blocks[block] for block in blocks]) for blocks in _own(space, trunk)]
    base = price.of_frame(some) + sum(cost.min().item() for cost in costs)
    return Cost(base, tuple(cost - cost.min() for cost in costs))


def _own(space: Space, trunk: int) -> Sequence[tuple[Block, ...]]:
    """The blocks of each position of a trunk."""
    return space.positions[: space.trunks[trunk].depth]


class Survey(NamedTuple):
    """The networks of a trunk or a space within limits."""

    networks: int
    smallest: tuple[int, ...]
    largest: tuple[int, ...]


class _Trunk:
    """The networks of one trunk within limits, with exact uniform draws by rejection.

    Each path is proposed with probability proportional to exp(-weights . cost). Proposals then cost about as much as
    the limits. A network within the limits is kept with probability exp(weights . (cost - limits)). This undoes the
    preference: each network is proposed and kept with probability 1 / `bound`. The weights maximize the share that is
    kept, which is a convex problem. Without limits they are 0, and all networks are kept.

    Attributes:
        log_bound: logarithm of `bound`. At most `bound` networks are within the limits, and exactly as many without
            limits. -inf if there is none.
        example: the paths of a network within the limits, or None.
    """

    def __init__(self, costs: Mapping[str, Cost], limits: Mapping[str, float], choices: Sequence[int]) -> None:
        self.costs = costs
        self._choices = choices
        self._bound = [costs[name] for name in limits]
        self._slack = np.array([limits[name] - costs[name].base for name in limits], float)
        self.example, self.missed = self._find()
        self.log_bound, self._weights = -np.inf, np.zeros(len(self._bound))
        if self.example is not None:
            self.log_bound, self._weights = self._tilt()
        self._chances = [special.softmax(-self._weights @ self._extra(i)) for i in range(len(choices))]

    def propose(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Paths [count, depth], and whether to keep each. All networks are equally likely."""
        drawn = np.stack([rng.choice(len(chance), count, p=chance) for chance in self._chances], axis=1)
        over = sum(self._extra(i)[:, drawn[:, i]] for i in range(len(self._chances))) - self._slack[:, None]
        kept = (over <= 0).all(axis=0) & (rng.random(count) < np.exp(self._weights @ np.minimum(over, 0)))
        return drawn, kept

    def survey(self, sized: Cost) -> "Survey | None":
        """The number of networks within the limits, and the extremes of a cost; None if there are too many to count.

        Position by position, networks with equal sums of costs so far are counted together.
        """
        bounds, slack = [*self._bound, sized], np.append(self._slack, np.inf)
        sums, times, examples = np.zeros((1, len(bounds))), np.ones(1, object), np.zeros(1, object)
        for position, choices in enumerate(self._choices):
            if len(sums) * choices > STATES:
                return None
            extra = np.array([cost.extra[position] for cost in bounds]).T
            sums = (sums[:, None] + extra[None]).reshape(-1, len(bounds))
            fits = (sums <= slack).all(axis=1)
            sums, times = sums[fits], np.repeat(times, choices)[fits]
            examples = (examples[:, None] * choices + np.arange(choices)).ravel()[fits]
            if position < len(self._choices) - 1:
                sums, first, where = np.unique(sums, axis=0, return_index=True, return_inverse=True)
                merged = np.zeros(len(sums), object)
                np.add.at(merged, where.ravel(), times)
                times, examples = merged, examples[first]
        ends = (examples[pick(sums[:, -1])] for pick in (np.argmin, np.argmax))
        return Survey(int(times.sum()), *map(self._decoded, ends))

    def _decoded(self, number: int) -> tuple[int, ...]:
        """Paths from numbers in a mixed base."""
        paths = []
        for choices in reversed(self._choices):
            number, path = divmod(number, choices)
            paths.append(int(path))
        return tuple(reversed(paths))

    def _extra(self, position: int) -> np.ndarray:
        """[limits, paths]."""
        rows = [cost.extra[position] for cost in self._bound]
        return np.array(rows, float).reshape(len(rows), self._choices[position])

    def _tilt(self) -> tuple[float, np.ndarray]:
        """The logarithm of the bound, and the weights that minimize it."""
        positions = range(len(self._choices))
        if not self._bound:
            return sum(np.log(count) for count in self._choices), np.zeros(0)
        unit = np.array([max(extra.max() for extra in cost.extra) or 1.0 for cost in self._bound])
        tables = [self._extra(i) / unit[:, None] for i in positions]

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            """The logarithm, and its gradient."""
            exponents = [-weights @ table for table in tables]
            means = sum(table @ special.softmax(x) for table, x in zip(tables, exponents, strict=True))
            value = sum(special.logsumexp(x) for x in exponents) + weights @ (self._slack / unit)
            return float(value), self._slack / unit - means

        start = np.zeros(len(unit))
        bounds = [(0, 1e4)] * len(unit)
        found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return loss(found.x)[0], found.x / unit

    def _find(self) -> tuple[tuple[int, ...] | None, tuple[int, float]]:
        """A network within the limits. If there is none: None, the limit that cannot be met, and the least that can."""
        # Of two beginnings of a network, one that is at least as cheap in every cost can stand for both.
        begun: dict[tuple[float, ...], tuple[int, ...]] = {(0.0,) * len(self._bound): ()}
        for position in range(len(self._choices)):
            extra = self._extra(position).T
            begun = _least(
                {
                    tuple(np.add(spent, added)): (*paths, path)
                    for spent, paths in begun.items()
                    for path, added in enumerate(extra)
                }
            )
        for i, cost in enumerate(self._bound):
            fitting = {spent: paths for spent, paths in begun.items() if spent[i] <= self._slack[i]}
            if not fitting:
                return None, (i, min(cost.of(paths) for paths in begun.values()))
            begun = fitting
        return next(iter(begun.values())), (len(self._bound), 0.0)


class Feasible:
    """The networks of a space within limits.

    Draws are uniform over the networks of all trunks together, however tight the limits are. First a trunk is drawn in
    proportion to the bound on how many of its networks fit. Then one of its networks is proposed and kept with the
    inverse of that bound (`_Trunk`). Each network of any trunk therefore has the same probability. If a network is not
    kept, the next draw begins with a trunk again.

    Args:
        space: the networks.
        limits: the highest cost of each kind.
        prices: all costs, also those without a limit.

    Raises:
        UserError: if no network meets the limits. It says what the cheapest costs.
    """

    def __init__(self, space: Space, limits: Mapping[str, float], prices: Prices = PRICES) -> None:
        self.space, self.limits = space, dict(limits)
        self._trunks = []
        for number, trunk in enumerate(space.trunks):
            costs = {name: additive(space, number, price) for name, price in prices.items()}
            self._trunks.append(_Trunk(costs, self.limits, list(map(len, space.positions[: trunk.depth]))))
        self._check_some()
        bounds = np.array([trunk.log_bound for trunk in self._trunks])
        self._chances = special.softmax(bounds)
        number = int(np.argmax(bounds))
        self.example = space.compose(number, self._trunks[number].example or ())

    def allows(self, codes: Sequence[int]) -> bool:
        """Whether a network is within all limits."""
        trunk, paths = self.space.split(codes)
        costs = self._trunks[trunk].costs
        return all(costs[name].of(paths) <= limit for name, limit in self.limits.items())

    def price(self, codes: Sequence[int]) -> dict[str, float]:
        """All costs of a network."""
        trunk, paths = self.space.split(codes)
        return {name: cost.of(paths) for name, cost in self._trunks[trunk].costs.items()}

    def used(self, codes: Sequence[int]) -> float:
        """The share of a limit that a network needs, the greatest of several limits; 1 without limits."""
        prices = self.price(codes)
        return max((prices[name] / limit for name, limit in self.limits.items()), default=1.0)

    def draws(self, rng: np.random.Generator) -> Iterator[Codes]:
        """An endless draw of networks within the limits, all equally likely.

        If very many draws in a row are rejected, it ends with a network that is known.
        """
        vain = 0
        while vain < PATIENCE:
            drawn = self._batch(rng)
            vain = 0 if drawn else vain + 1
            yield from drawn
        yield self.example

    def _batch(self, rng: np.random.Generator) -> list[Codes]:
        """The networks that are kept of `BATCH` proposals, in order."""
        chosen = np.zeros(BATCH, int)
        if len(self._trunks) > 1:
            chosen = rng.choice(len(self._trunks), BATCH, p=self._chances)
        kept: dict[int, Codes] = {}
        for number in np.unique(chosen).tolist():
            places = np.flatnonzero(chosen == number).tolist()
            paths, keeps = self._trunks[number].propose(rng, len(places))
            drawn = (self.space.compose(number, own) for own in paths.tolist())
            kept |= {place: codes for place, codes, keep in zip(places, drawn, keeps, strict=True) if keep}
        return [codes for _, codes in sorted(kept.items())]

    def survey(self) -> Survey | None:
        """The number of networks within the limits, and the codes of the smallest and the largest by parameters.

        None if there are too many sums of costs to count.
        """
        if not self.limits:
            ends = (self.space.smallest(PRICES["params"]), self.space.largest(PRICES["params"]))
            return Survey(self.space.count, *(self.space.codes(network) or () for network in ends))
        count, ends_of_trunks = 0, []
        for number, trunk in enumerate(self._trunks):
            if trunk.example is None:
                continue
            found = trunk.survey(trunk.costs["params"])
            if found is None:
                return None
            count += found.networks
            ends_of_trunks += [self.space.compose(number, paths) for paths in found[1:]]

        def size(codes: Codes) -> float:
            return self.price(codes)["params"]

        return Survey(count, min(ends_of_trunks, key=size), max(ends_of_trunks, key=size))

    def _check_some(self) -> None:
        if any(trunk.example is not None for trunk in self._trunks):
            return
        # The trunk that meets the most limits, and then needs the least of the next one.
        reached = max(trunk.missed[0] for trunk in self._trunks)
        least = min(trunk.missed[1] for trunk in self._trunks if trunk.missed[0] == reached)
        names = list(self.limits)
        others = "".join(f" within --max_{other}={self.limits[other]}" for other in names[:reached])
        name = names[reached]
        raise UserError(
            f"--max_{name}={self.limits[name]}: the smallest network of space {self.space}{others} needs {_said(least)}"
        )


def _said(cost: float) -> str:
    """Counts as they are, milliseconds in three digits."""
    return f"{cost:.3g}" if cost % 1 else str(cost)


def _least(sums: dict[tuple[float, ...], tuple[int, ...]]) -> dict[tuple[float, ...], tuple[int, ...]]:
    """The sums of costs that no other one dominates."""
    kept: list[tuple[float, ...]] = []
    for spent in sorted(sums):
        if not kept or not (np.array(kept) <= spent).all(axis=1).any():
            kept.append(spent)
    return {spent: sums[spent] for spent in kept}
