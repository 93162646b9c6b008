"""Predicts the latency of any network of a wide space on one machine, from some networks that were timed."""

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from srnas_tf.arch.block import Block
from srnas_tf.arch.latency import check_fields, check_full
from srnas_tf.arch.network import Network
from srnas_tf.arch.space import Space
from srnas_tf.arch.work import LARGER, SMALL, Work, of_block, of_frame, work
from srnas_tf.errors import UserError
from srnas_tf.search.feasible import PRICES, Feasible
from srnas_tf.search.spreading import measures, spread
from srnas_tf.seeding import generator

VERSION = 2
"""The version of the file's format (export/latency/README.md). Version 1 is a table of blocks (`arch.latency`)."""
MIN_NETWORKS = 20
"""The least number of timed networks."""
WORST_ERROR, WORST_RANK = 0.2, 0.85
"""Limits of a model's median error and rank correlation. A search refuses worse models."""


RANGE, POOL = 30, 4
"""The largest timed network's MACs, as a multiple of the smallest's; and networks drawn for each one that is timed."""


class Check(NamedTuple):
    """The result of leave-one-out cross-validation: each timed network is predicted from all others.

    Attributes:
        error: median of the differences, as a share of the measured latency.
        rank: Spearman's correlation of the two.
    """

    error: float
    rank: float


@dataclass(frozen=True)
class LatencyModel:
    """Milliseconds as a sum over layers. Each kind of layer has a price for its call and one for its work.

    `arch.work` counts calls and work. Prices are fitted to timed networks, by least squares of relative errors, and
    none is below 0. Latency is then a sum over the blocks of a trunk, as parameters and MACs are.

    Attributes:
        machine: its name.
        runtime: `tf`, `onnxruntime`, `litert`, or any other name in a file from elsewhere.
        runtime_version: its version.
        threads: threads that the runtime could use, >= 1.
        input_size: size of the low-resolution image, as HEIGHTxWIDTH.
        date: day of the measurement, such as 2026-11-29.
        scale: enlargement of all networks.
        networks: milliseconds, > 0, by the network's text form.

    Raises:
        ValueError: if a network has another scale, or there are fewer than `MIN_NETWORKS`.
    """

    machine: str
    runtime: str
    runtime_version: str
    threads: int
    input_size: str
    date: str
    scale: int
    networks: Mapping[str, float]

    def __post_init__(self) -> None:
        for text in self.networks:
            if (network := Network.parse(text)).scale != self.scale:
                raise ValueError(f"network {text} is of scale {network.scale}, not {self.scale}")
        if len(self.networks) < MIN_NETWORKS:
            raise ValueError(f"it has {len(self.networks)} networks, and takes {MIN_NETWORKS} or more")

    @functools.cached_property
    def kinds(self) -> tuple[str, ...]:
        """The counts that have a price, by their names in `arch.work`."""
        return tuple(sorted({kind for each in self._works for kind in each}))

    @functools.cached_property
    def _works(self) -> list[Work]:
        return [work(Network.parse(text)) for text in self.networks]

    def _matrix(self, works: Sequence[Work]) -> np.ndarray:
        return np.array([[each[kind] for kind in self.kinds] for each in works], float)

    @functools.cached_property
    def _fitted(self) -> tuple[LinearRegression, np.ndarray, np.ndarray]:
        """The regression, and its data: counts for each measured millisecond, and ones."""
        measured = np.array(list(self.networks.values()))
        counts = self._matrix(self._works) / measured[:, None]
        regression = LinearRegression(positive=True, fit_intercept=False)
        return regression.fit(counts, np.ones(len(counts))), counts, measured

    @property
    def prices(self) -> dict[str, float]:
        """Milliseconds for one of each kind."""
        return dict(zip(self.kinds, self._fitted[0].coef_.tolist(), strict=True))

    def predict(self, network: Network) -> float:
        """Milliseconds of a network.

        Raises:
            UserError: if it has a kind of layer that no timed network has.
        """
        return self._of(work(network))

    def of_frame(self, network: Network) -> float:
        """Milliseconds of a network without its blocks. Raises as `predict`."""
        return self._of(of_frame(network.deployed))

    def of_block(self, block: Block, like: Network) -> float:
        """Milliseconds that a block adds to a network like this one. Raises as `predict`."""
        return self._of(of_block(block.deployed, like.width))

    def _of(self, counted: Work) -> float:
        if unknown := self._unknown(counted):
            raise UserError(
                f"the latency model knows no layers of kind {unknown[0]!r}; measure one with --mode=benchmark"
            )
        return sum(self.prices[self._known(kind)] * count for kind, count in counted.items())

    def _known(self, kind: str) -> str:
        """The kind whose price a kind has: its own, or for large kernels that were not timed, that of small ones."""
        return kind if kind in self.prices else kind.replace(LARGER, SMALL)

    def _unknown(self, kinds: Iterable[str]) -> list[str]:
        """Those of some kinds that have no price."""
        return sorted(kind for kind in kinds if self._known(kind) not in self.prices)

    @functools.cached_property
    def checked(self) -> Check:
        """Cross-validation: each network is left out in turn."""
        regression, counts, measured = self._fitted
        shares = cross_val_predict(regression, counts, np.ones(len(counts)), cv=LeaveOneOut())
        rank = stats.spearmanr(shares * measured, measured).statistic
        return Check(float(np.median(np.abs(shares - 1))), float(rank))

    def check(self, space: Space, source: str) -> None:
        """Refuses a model that cannot predict the networks of a space.

        Args:
            source: the flag or file to name.

        Raises:
            UserError: says what is wrong.
        """
        if space.scale != self.scale:
            raise UserError(f"{source}: is of scale {self.scale}, and the networks are of scale {space.scale}")
        if missing := self._unknown({kind for each in works_of(space) for kind in each}):
            raise UserError(
                f"{source}: no network in it has layers of kind {missing[0]!r}, and some of space {space} do; "
                "give one of this space"
            )
        error, rank = self.checked
        if not (error <= WORST_ERROR and rank >= WORST_RANK):
            raise UserError(
                f"{source}: tells networks that it does not know with an error of {error:.0%} (at most "
                f"{WORST_ERROR:.0%}) and a rank correlation of {rank:.2f} (at least {WORST_RANK}); measure again on a "
                "quiet machine"
            )

    def to_json(self) -> dict[str, Any]:
        """The model as plain data: the networks that it is fitted to."""
        return {"version": VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> "LatencyModel":
        """The inverse of `to_json`.

        Raises:
            ValueError: says what is wrong.
        """
        values = check_fields(cls, data, VERSION)
        check_full("network", values["networks"], Network.parse)
        return cls(**values)


def works_of(space: Space) -> Iterator[Work]:
    """The work of every part that a network of a space can have."""
    for trunk in space.trunks:
        yield of_frame(Network(space.scale, trunk.width, space.blocks[:1] * trunk.depth, trunk.stem).deployed)
    for block in space.blocks:
        yield of_block(block.deployed, max(space.width))


def to_time(space: Space, limits: Mapping[str, float], count: int, seed: int = 0) -> list[Network]:
    """The networks of a space to time for a model: some of equal blocks and random ones, spread over MACs, widths and
    depths. Together they have all kinds of layers.

    They need at most `RANGE` times the MACs of the smallest one. Larger networks are predicted from their layers.

    Args:
        space: it may hold fewer networks than `count`.
        limits: limits of costs in `PRICES`, which all networks meet.
        count: the number of networks.

    Raises:
        UserError: if no network meets the limits, or fewer than `MIN_NETWORKS` do.
    """
    most = RANGE * space.smallest(PRICES["macs"]).macs()
    rng = generator(seed, "latency")
    small = {**limits, "macs": min(limits.get("macs", most), most)}
    for bounds in (small, limits):  # large networks, too, if there are too few small ones
        within = Feasible(space, bounds)
        grid = [codes for codes in space.uniform() if within.allows(codes)]
        mixed = [grid[i] for i in rng.permutation(len(grid))[: POOL * count]]
        mixed += itertools.islice(within.draws(rng), POOL * count)
        different = list(dict.fromkeys(mixed))
        if len(different) >= MIN_NETWORKS:
            networks = [space.network(codes) for codes in different]
            first = _with_all_kinds(networks)
            others = (i for i in spread(measures(within, different), len(different), rng) if i not in first)
            return [networks[i] for i in (*first, *others)][:count]
    raise UserError(
        f"--runtime: the space has {len(different)} networks{' within the limits' if limits else ''}, and their "
        f"latency is told from {MIN_NETWORKS} or more; give --width, --depth or --recipes more values"
    )


def _with_all_kinds(networks: Sequence[Network]) -> list[int]:
    """Of some networks, the indices of a few that have all kinds of layers of all of them."""
    known: set[str] = set()
    chosen = []
    for i, network in enumerate(networks):
        if not (kinds := work(network).keys()) <= known:
            chosen.append(i)
            known |= kinds
    return chosen
