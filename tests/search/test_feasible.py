"""Budgets: what fits, what is drawn from it, and what is refused."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from srnas_tf.arch import Space
from srnas_tf.errors import UserError
from srnas_tf.search.feasible import BATCH, PRICES, Feasible, Price, additive

SPACE = Space(depth=4, width=16)
ALL = Feasible(SPACE, {})


def test_an_impossible_budget_names_the_smallest():
    least = SPACE.network((0, 0, 0, 0))
    with pytest.raises(UserError, match=rf"--max_params={least.params - 1}: .* needs {least.params}$"):
        Feasible(SPACE, {"params": least.params - 1})
    assert Feasible(SPACE, {"params": least.params}).allows((0, 0, 0, 0))
    # One cost rises where the other falls: each limit can be met, both together cannot.
    params = PRICES["params"]
    tax = Price(lambda network: 10**6 - params.of_frame(network), lambda block, like: -params.of_block(block, like))
    prices = {"params": params, "tax": tax}
    with pytest.raises(UserError, match=r"--max_tax=.* within --max_params=.* needs \d+$"):
        Feasible(SPACE, {"params": least.params + 9, "tax": 10**6 - least.params - 10}, prices)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 1.0])
def test_draws_are_uniform_over_what_a_budget_allows(share):
    space = Space(depth=3, width=16)
    everything = list(itertools.product(range(8), repeat=3))
    params = {codes: space.network(codes).params for codes in everything}
    limit = int(np.quantile(list(params.values()), share))
    allowed = [codes for codes in everything if params[codes] <= limit]
    feasible = Feasible(space, {"params": limit})
    assert [codes for codes in everything if feasible.allows(codes)] == allowed
    draws = feasible.draws(np.random.default_rng(0))
    counts = collections.Counter(itertools.islice(draws, 40 * len(allowed)))
    assert set(counts) == set(allowed)
    assert chisquare([counts[codes] for codes in allowed]).pvalue > 0.001


@settings(max_examples=20)
@given(
    st.builds(Space, stages=st.integers(1, 4), depth=st.integers(1, 5), width=st.integers(16, 32)),
    st.dictionaries(st.sampled_from(["params", "macs"]), st.floats(-0.2, 1.2), min_size=1),
    st.integers(0, 9),
)
def test_what_is_drawn_fits_any_budget_and_none_is_refused_that_can_be_met(space, shares, seed):
    """Limits lie between the least and the most that the space's networks cost, and somewhat beyond."""
    limits = {}
    for name, share in shares.items():
        cost = additive(space, 0, PRICES[name])
        most = cost.of([int(np.argmax(extra)) for extra in cost.extra])
        limits[name] = round(cost.base + share * (most - cost.base))
    # The same path in all blocks: the cheapest network in both is among these, if one network is.
    least = {name: min(PRICES[name](space.network([code] * space.depth[0])) for code in range(2**space.stages))
             for name in limits}  # fmt: skip
    if any(limits[name] < least[name] for name in limits):
        with pytest.raises(UserError, match=r"--max_(params|macs)=.* needs \d+"):
            Feasible(space, limits)
        return
    try:
        feasible = Feasible(space, limits)
    except UserError:
        # Each limit can be met alone: then no network is to meet both.
        assert len(limits) == 2
        everything = itertools.islice(itertools.product(*map(range, space.cardinalities)), 5000)
        costs = (space.network(codes) for codes in everything)
        assert not any(all(PRICES[name](network) <= limits[name] for name in limits) for network in costs)
        return
    for codes in (feasible.example, *itertools.islice(feasible.draws(np.random.default_rng(seed)), 30)):
        network = space.network(codes)
        assert feasible.allows(codes)
        assert all(PRICES[name](network) <= limit for name, limit in limits.items())
        assert feasible.price(codes) == {name: price(network) for name, price in PRICES.items()}


@settings(max_examples=10)
@given(st.tuples(*[st.integers(0, 7)] * 4), st.sampled_from(["params", "macs"]))
def test_a_limit_is_the_most_that_is_allowed(codes, name):
    cost = PRICES[name](SPACE.network(codes))
    assert Feasible(SPACE, {name: cost}).allows(codes)
    if cost > PRICES[name](SPACE.smallest(PRICES[name])):
        assert not Feasible(SPACE, {name: cost - 1}).allows(codes)


def test_draws_under_a_tight_budget_are_cheap():
    """Of all networks of this space one in 80 million fits; of what is drawn, more than one in a hundred is kept."""
    space = Space(depth=12, width=16)
    cost = additive(space, 0, PRICES["params"])
    steps = np.unique(cost.extra[0])
    feasible = Feasible(space, {"params": int(cost.base + 3 * steps[1])})
    rng = CountedDraws(np.random.default_rng(0))
    drawn = list(itertools.islice(feasible.draws(rng), 500))
    assert all(map(feasible.allows, drawn))
    assert len(set(drawn)) > 100
    assert rng.batches * BATCH < 100 * 500


class CountedDraws:
    """A generator that counts the batches whose fate it decides."""

    def __init__(self, rng):
        self._rng, self.batches = rng, 0

    def choice(self, *args, **kwargs):
        return self._rng.choice(*args, **kwargs)

    def random(self, size):
        self.batches += 1
        return self._rng.random(size)


def test_two_limits_hold_together():
    space = Space(depth=3, width=16)
    odd = Price(lambda network: 0, lambda block, like: sum(map(ord, block.recipe)))
    prices = {"params": PRICES["params"], "odd": odd}
    limits = {"params": prices["params"](space.network((3, 3, 3))), "odd": prices["odd"](space.network((5, 5, 5)))}
    feasible = Feasible(space, limits, prices)
    allowed = [codes for codes in itertools.product(range(8), repeat=3) if feasible.allows(codes)]
    assert 0 < len(allowed) < 512
    drawn = collections.Counter(itertools.islice(feasible.draws(np.random.default_rng(0)), 30 * len(allowed)))
    assert chisquare([drawn[codes] for codes in allowed]).pvalue > 0.001


TRUNKS = Space(
    space="tapped", scale=2, width="12/16", depth="1/2", stem="thin/plain", recipes="T/TC", attention="none/cca"
)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 1.0])
def test_draws_are_uniform_over_the_networks_of_all_trunks(share):
    everything = [c for c in itertools.product(*map(range, TRUNKS.cardinalities)) if TRUNKS.canonical(c) == c]
    assert len(everything) == TRUNKS.count == 4 * (4 + 16)
    params = {codes: TRUNKS.network(codes).params for codes in everything}
    limit = int(np.quantile(list(params.values()), share))
    allowed = sorted(codes for codes in everything if params[codes] <= limit)
    feasible = Feasible(TRUNKS, {"params": limit})
    assert sorted(codes for codes in everything if feasible.allows(codes)) == allowed
    counts = collections.Counter(itertools.islice(feasible.draws(np.random.default_rng(1)), 60 * len(allowed)))
    assert set(counts) == set(allowed)
    assert chisquare([counts[codes] for codes in allowed]).pvalue > 0.001
    # The beginning of a stream is as uniform as the whole: trunks do not come one after the other.
    rng = np.random.default_rng(2)
    first = collections.Counter(next(feasible.draws(rng)) for _ in range(30 * len(allowed)))
    assert chisquare([first[codes] for codes in allowed]).pvalue > 0.001


@settings(max_examples=20)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_survey_counts_what_is_allowed(params, macs):
    everything = [c for c in itertools.product(*map(range, TRUNKS.cardinalities)) if TRUNKS.canonical(c) == c]
    costs = {name: sorted(price(TRUNKS.network(c)) for c in everything) for name, price in PRICES.items()}
    limits = {
        name: costs[name][int(share * (len(everything) - 1))] for name, share in (("params", params), ("macs", macs))
    }
    allowed = [c for c in everything if all(PRICES[n](TRUNKS.network(c)) <= limit for n, limit in limits.items())]
    if not allowed:
        with pytest.raises(UserError, match="needs"):
            Feasible(TRUNKS, limits)
        return
    found = Feasible(TRUNKS, limits).survey()
    sizes = [TRUNKS.network(codes).params for codes in allowed]
    assert found.networks == len(allowed)
    assert [TRUNKS.network(codes).params for codes in found[1:]] == [min(sizes), max(sizes)]


def test_an_impossible_budget_names_the_smallest_of_all_trunks():
    least = TRUNKS.smallest(PRICES["params"])
    assert (least.width, len(least.blocks)) == (12, 1)
    with pytest.raises(UserError, match=rf"--max_params=10: .* needs {least.params}$"):
        Feasible(TRUNKS, {"params": 10})


def test_costs_are_those_of_the_network():
    rng = np.random.default_rng(0)
    for _ in range(20):
        codes = SPACE.sample(rng)
        network = SPACE.network(codes)
        assert ALL.price(codes) == {"params": network.params, "macs": network.macs()}
