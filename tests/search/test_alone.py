"""Searches that train their networks alone, in rungs: who goes on, what is kept, what is proposed."""

import dataclasses
import functools
import itertools
import json
import math

import numpy as np
import pytest
from conftest import lines
from spaces import wide

from srnas_tf import arch
from srnas_tf.arch import Network, Space, SpaceKind
from srnas_tf.errors import UserError
from srnas_tf.search.alone import search_alone
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.predictor import Predictor
from srnas_tf.search.settings import TRAIN_ALONE, Pick, Rung, RungSettings, SearchSettings

SPACE = wide()
FEASIBLE = Feasible(SPACE, {"params": 9000})
SETTINGS = SearchSettings(strategy="halving", population=6, iterations=4, top_k=3)
RUNGS = (Rung(24, 10), Rung(6, 30), Rung(2, 90))


def trained(task) -> float:
    """What a network comes to: the larger and the longer, the better, and a little chance of its own."""
    text, steps = task
    chance = np.random.default_rng([steps, *text.encode()]).normal()
    return 25 + math.log(Network.parse(text).macs() / 1e8) * (1 - 1 / steps) + 0.02 * chance


class Counted:
    def __init__(self, most=math.inf):
        self.tasks, self._most = [], most

    def __call__(self, task):
        if len(self.tasks) >= self._most:
            raise KeyboardInterrupt
        self.tasks.append(task)
        return trained(task)


@pytest.mark.parametrize("strategy", [*TRAIN_ALONE, "random", "evolution", "pareto"])
def test_rungs_hold_the_budget_and_the_best_go_on(tmp_path, strategy):
    train = Counted()
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    best = search_alone(FEASIBLE, settings, RUNGS, train, tmp_path, Pick("psnr"))
    assert len(train.tasks) == len(set(train.tasks))
    entries = lines(tmp_path / "journal.jsonl")
    assert [(entry["arch"], entry["steps"]) for entry in entries] == train.tasks
    by_rung = [[entry for entry in entries if entry["rung"] == number] for number in (1, 2, 3)]
    assert [(len(rung), rung[0]["steps"]) for rung in by_rung] == [tuple(rung) for rung in RUNGS]
    for before, after in itertools.pairwise(by_rung):
        ranked = sorted(before, key=lambda entry: -entry["psnr"])
        assert [entry["arch"] for entry in after] == [entry["arch"] for entry in ranked[: len(after)]]
    for entry in entries:
        network = SPACE.network(entry["codes"])
        assert (entry["arch"], entry["params"]) == (str(network), network.params)
        assert network.params <= 9000
    assert json.loads((tmp_path / "best.json").read_text()) == best
    last = sorted(by_rung[2], key=lambda entry: -entry["psnr"])
    assert [entry["arch"] for entry in best[:2]] == [entry["arch"] for entry in last]
    assert (best[2]["rung"], len(best)) == (2, 3)  # the last rung has two


@pytest.mark.parametrize("strategy", TRAIN_ALONE)
def test_killed_anywhere_it_goes_on_to_the_same_journal(tmp_path, strategy):
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    search_alone(FEASIBLE, settings, RUNGS, trained, tmp_path / "whole")
    for most in (0, 5, 6, 20, 24, 27, 31):
        again = tmp_path / str(most)
        with pytest.raises(KeyboardInterrupt):
            search_alone(FEASIBLE, settings, RUNGS, Counted(most), again)
        search_alone(FEASIBLE, settings, RUNGS, trained, again)
        for name in ("journal.jsonl", "best.json", "front.json"):
            assert (again / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_journal_of_other_rungs_is_refused(tmp_path):
    search_alone(FEASIBLE, SETTINGS, RUNGS, trained, tmp_path)
    with pytest.raises(UserError, match="line 1 is of another search"):
        search_alone(FEASIBLE, SETTINGS, (Rung(24, 11), *RUNGS[1:]), trained, tmp_path)


def test_a_grid_is_of_networks_of_equal_blocks(tmp_path):
    uniform = list(SPACE.uniform())
    assert len(uniform) == len(set(uniform)) == len(SPACE.trunks) * len(SPACE.blocks)
    assert all(len(set(SPACE.network(codes).blocks)) == 1 for codes in uniform)
    search_alone(FEASIBLE, dataclasses.replace(SETTINGS, strategy="grid"), RUNGS, trained, tmp_path)
    grid = [SPACE.network(entry["codes"]) for entry in lines(tmp_path / "journal.jsonl")[:24]]
    assert all(len(set(network.blocks)) == 1 for network in grid)
    # Spread over the space: all widths, depths and stems that the budget allows.
    allowed = [SPACE.network(codes) for codes in uniform if FEASIBLE.allows(codes)]
    assert {network.width for network in grid} == {network.width for network in allowed}
    assert {len(network.blocks) for network in grid} == {len(network.blocks) for network in allowed}


def test_a_grid_may_begin_at_a_share_of_a_limit(tmp_path):
    settings = dataclasses.replace(SETTINGS, strategy="grid", grid_from=0.6)
    search_alone(FEASIBLE, settings, RUNGS, trained, tmp_path)
    entries = lines(tmp_path / "journal.jsonl")
    [(name, limit)] = FEASIBLE.limits.items()
    assert min(entry[name] for entry in entries) >= 0.6 * limit
    with pytest.raises(UserError, match="--grid_from=1: no network of equal blocks needs so much"):
        search_alone(FEASIBLE, dataclasses.replace(settings, grid_from=1.0), RUNGS, trained, tmp_path / "none")
    with pytest.raises(UserError, match=r"--grid_from=0\.5: is for --strategy=grid, not halving"):
        dataclasses.replace(SETTINGS, grid_from=0.5)


def test_a_grid_smaller_than_the_search_ends_where_it_ends(tmp_path):
    small = Feasible(Space(depth=3, width=16, stages=1), {})
    search_alone(small, dataclasses.replace(SETTINGS, strategy="grid"), RUNGS[:1], trained, tmp_path)
    assert len(lines(tmp_path / "journal.jsonl")) == 2


def test_a_grid_without_networks_is_refused(monkeypatch, tmp_path):
    by_position = SpaceKind(lambda space, position: ("T", "TC")[position : position + 1], "bare")
    monkeypatch.setitem(arch.SPACES, "positions", by_position)
    feasible = Feasible(Space(space="positions", depth=2, width=16), {})
    with pytest.raises(UserError, match="--strategy=grid: the budget allows no network of equal blocks"):
        search_alone(feasible, dataclasses.replace(SETTINGS, strategy="grid"), RUNGS, trained, tmp_path)


@functools.cache
def known(count: int) -> tuple[tuple[Network, ...], tuple[float, ...]]:
    rng = np.random.default_rng(0)
    networks = tuple({str(n): n for n in (SPACE.network(SPACE.sample(rng)) for _ in range(10 * count))}.values())
    return networks[:count], tuple(trained((str(network), 90)) for network in networks[:count])


def test_a_predictor_ranks_networks_that_it_was_not_fitted_to():
    networks, psnrs = known(60)
    psnr, deviation = Predictor(networks[:40], psnrs[:40]).predict(networks[40:])
    assert np.corrcoef(psnr, psnrs[40:])[0, 1] > 0.9
    assert np.abs(psnr - psnrs[40:]).mean() < 0.1
    assert (deviation > 0).all()
    assert (Predictor(networks[:40], psnrs[:40]).predict(networks[40:]).psnr == psnr).all()


def test_what_guides_finds_more_than_chance(tmp_path):
    found = {}
    for strategy in ("halving", "guided"):
        settings = SearchSettings(strategy=strategy, population=8, iterations=7)
        best = search_alone(FEASIBLE, settings, (Rung(56, 90),), trained, tmp_path / strategy)
        found[strategy] = best[0]["psnr"]
    assert found["guided"] > found["halving"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rungs": "30,10"}, "--rungs=30,10: give numbers of steps that rise"),
        ({"rungs": "10,10"}, "rise"),
        ({"rungs": "10,x"}, "whole numbers"),
        ({"rungs": "0,5"}, "1 or more"),
        ({"rungs": "10,30,90", "survivors": "3"}, "--survivors=3: give one number for each rung"),
        ({"rungs": "10,30,90", "survivors": "3,4"}, "more networks go on than there are"),
        ({"rungs": "10,30", "survivors": "x"}, "whole numbers"),
    ],
)
def test_rungs_that_cannot_be(given, says):
    with pytest.raises(UserError, match=says):
        RungSettings(**given)


def test_rungs_of_a_search():
    usual = SearchSettings(strategy="guided", population=16, iterations=7)
    assert RungSettings().of(usual) == (Rung(112, 1500), Rung(28, 4000), Rung(7, 12000))
    assert RungSettings(rungs="10,20,30", survivors="16,5").of(usual) == (Rung(112, 10), Rung(16, 20), Rung(5, 30))
    assert RungSettings().of(SearchSettings()) == RungSettings(rungs="supernet").of(usual) == ()
    assert RungSettings(rungs="10").of(SearchSettings(population=3, iterations=2)) == (Rung(6, 10),)
    with pytest.raises(UserError, match="more than the 112 networks"):
        RungSettings(rungs="10,20", survivors="113").of(usual)
