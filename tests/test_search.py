"""Search: Algorithm 1 and its control, budgets, each architecture once, and a journal to go on from."""

import dataclasses
import json

import numpy as np
import pytest
from conftest import lines

from srnas_tf.arch import Space
from srnas_tf.arch.block import plan
from srnas_tf.errors import UserError
from srnas_tf.search.screening import PROBES
from srnas_tf.search.search import search
from srnas_tf.search.settings import Budget, SearchSettings

SPACE = Space(depth=4, width=16)
SETTINGS = SearchSettings(population=12, iterations=6, top_k=3)


def quality(codes) -> float:
    """A landscape with one summit, (5, 2, 7, 0)."""
    return 30 - sum(bin(code ^ best).count("1") for code, best in zip(codes, (5, 2, 7, 0), strict=True))


class Counted:
    def __init__(self, evaluate=quality):
        self.calls, self._evaluate = [], evaluate

    def __call__(self, codes):
        self.calls.append(tuple(codes))
        return self._evaluate(codes)


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_each_architecture_is_evaluated_once(tmp_path, strategy):
    evaluate = Counted()
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    best = search(SPACE, settings, Budget(), evaluate, tmp_path)
    assert len(evaluate.calls) == len(set(evaluate.calls)) == 72
    entries = lines(tmp_path / "journal.jsonl")
    assert [tuple(entry["codes"]) for entry in entries] == evaluate.calls
    assert json.loads((tmp_path / "best.json").read_text()) == best
    assert [entry["psnr"] for entry in best] == sorted((e["psnr"] for e in entries), reverse=True)[:3]
    for entry in best:
        network = SPACE.network(entry["codes"])
        assert (entry["arch"], entry["params"], entry["macs"]) == (str(network), network.params, network.macs())


def test_evolution_is_algorithm_1(tmp_path):
    settings = dataclasses.replace(SETTINGS, population=20, iterations=5, mutation=0.1)
    wide = dataclasses.replace(SPACE, depth=8)
    search(wide, settings, Budget(), lambda codes: quality(codes[:4]) + quality(codes[4:]), tmp_path)
    entries = lines(tmp_path / "journal.jsonl")
    assert {e["origin"] for e in entries if e["iteration"] == 0} == {"random"}
    for iteration in range(1, 5):
        earlier = [e for e in entries if e["iteration"] < iteration]
        ranked = sorted(earlier, key=lambda e: -e["psnr"])  # stable: of equal ones the first stays ahead
        parents = [tuple(e["codes"]) for e in ranked[: settings.parents]]
        origins = [e["origin"] for e in entries if e["iteration"] == iteration]
        assert origins.count("mutation") == 10
        assert origins.count("crossover") + origins.count("random") == 10  # parents that are alike have few children
        assert origins.count("crossover") == 10 or iteration > 1
        changes = [
            min(sum(a != b for a, b in zip(entry["codes"], parent, strict=True)) for parent in parents)
            for entry in entries
            if entry["iteration"] == iteration and entry["origin"] == "mutation"
        ]
        assert sum(changes) / len(changes) < 3  # 8 blocks, each changed with probability .1; of those drawn anew 7
        for entry in (e for e in entries if e["iteration"] == iteration and e["origin"] == "crossover"):
            assert any(
                all(code in pair for code, pair in zip(entry["codes"], zip(one, two, strict=True), strict=True))
                for one in parents
                for two in parents
            )


def test_evolution_climbs_higher_than_random(tmp_path):
    found = {}
    for strategy in ("evolution", "random"):
        totals = []
        for seed in range(5):
            settings = dataclasses.replace(SETTINGS, strategy=strategy, seed=seed)
            totals.append(search(SPACE, settings, Budget(), quality, tmp_path / strategy / str(seed))[0]["psnr"])
        found[strategy] = sum(totals)
    assert found["evolution"] > found["random"]


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_a_search_goes_on_to_the_same_journal(tmp_path, strategy):
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    search(SPACE, settings, Budget(), quality, tmp_path / "a")
    whole = (tmp_path / "a" / "journal.jsonl").read_bytes()
    for kept in (0, 5, 31, 71):
        evaluate = Counted()

        def killed(codes, evaluate=evaluate, kept=kept):
            if len(evaluate.calls) == kept:
                raise KeyboardInterrupt
            return evaluate(codes)

        folder = tmp_path / f"{strategy}{kept}"
        with pytest.raises(KeyboardInterrupt):
            search(SPACE, settings, Budget(), killed, folder)
        with (folder / "journal.jsonl").open("a") as file:
            file.write('{"arch": "x4:w1')  # the line that the kill cut short
        resumed = Counted()
        search(SPACE, settings, Budget(), resumed, folder)
        assert len(resumed.calls) == 72 - kept
        assert (folder / "journal.jsonl").read_bytes() == whole


def uneven(codes) -> float:
    """The landscape without equal heights."""
    return quality(codes) + 0.3 * np.random.default_rng(codes).random()


def rough(codes) -> float:
    """What a lower precision makes of it: all a little lower, by not quite the same."""
    return uneven(codes) - 0.015 + 0.005 * np.random.default_rng([7, *codes]).random()


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_a_screened_search_is_the_exact_one(tmp_path, strategy):
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    exact = search(SPACE, settings, Budget(), uneven, tmp_path / "exact")
    again = Counted(uneven)
    assert search(SPACE, settings, Budget(), again, tmp_path / "screened", rough) == exact
    entries = lines(tmp_path / "screened" / "journal.jsonl")
    proposed = [entry["codes"] for entry in entries if "screened" in entry]
    assert proposed == [entry["codes"] for entry in lines(tmp_path / "exact" / "journal.jsonl")]
    assert [tuple(entry["codes"]) for entry in entries if "psnr" in entry] == again.calls
    assert PROBES <= len(again.calls) < len(proposed) / 2


def test_a_screened_search_goes_on_to_the_same_journal(tmp_path):
    search(SPACE, SETTINGS, Budget(), uneven, tmp_path / "a", rough)
    whole = (tmp_path / "a" / "journal.jsonl").read_bytes()
    for cut in (5, 13, 40):
        (tmp_path / str(cut)).mkdir()
        (tmp_path / str(cut) / "journal.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:cut]))
        search(SPACE, SETTINGS, Budget(), uneven, tmp_path / str(cut), rough)
        assert (tmp_path / str(cut) / "journal.jsonl").read_bytes() == whole
    with pytest.raises(UserError, match="line 1 is of another search"):
        search(SPACE, SETTINGS, Budget(), uneven, tmp_path / "a")


def test_screening_measures_more_where_the_rough_way_errs_more(tmp_path):
    def rougher(codes) -> float:
        return uneven(codes) + np.random.default_rng([7, *codes]).normal()

    counts = []
    for screen in (rough, rougher):
        evaluate = Counted(uneven)
        search(SPACE, SETTINGS, Budget(), evaluate, tmp_path / screen.__name__, screen)
        counts.append(len(evaluate.calls))
    assert counts[0] < counts[1] <= 72


def test_seeds_differ(tmp_path):
    journals = set()
    for seed in (0, 1):
        search(SPACE, dataclasses.replace(SETTINGS, seed=seed), Budget(), quality, tmp_path / str(seed))
        journals.add((tmp_path / str(seed) / "journal.jsonl").read_text())
    assert len(journals) == 2


def test_a_journal_of_another_search_is_refused(tmp_path):
    search(SPACE, SETTINGS, Budget(), quality, tmp_path)
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(UserError, match="another search"):
        search(SPACE, dataclasses.replace(SETTINGS, seed=9), Budget(), quality, tmp_path)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("limit", ["max_params", "max_macs"])
@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_budgets_are_hard(tmp_path, limit, strategy):
    costs = {"max_params": lambda n: n.params, "max_macs": lambda n: n.macs()}
    middle = costs[limit](SPACE.network((3, 3, 0, 0)))
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    search(SPACE, settings, Budget(**{limit: middle}), quality, tmp_path)
    entries = lines(tmp_path / "journal.jsonl")
    assert len(entries) == 72
    assert max(entry[limit.removeprefix("max_")] for entry in entries) <= middle


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_a_tight_budget_is_filled_with_what_fits(tmp_path, strategy):
    space = Space(depth=6, width=16, stages=4)
    costs = sorted(plan(choice, 16).params for choice in space.choices)
    least = space.smallest(lambda network: network.params).params
    settings = dataclasses.replace(SETTINGS, strategy=strategy, iterations=2, population=6)
    tight = Budget(max_params=least + costs[1] - costs[0])
    search(space, settings, tight, lambda codes: 30.0, tmp_path)
    entries = lines(tmp_path / "journal.jsonl")
    assert len(entries) == len({tuple(entry["codes"]) for entry in entries}) >= 6
    assert max(entry["params"] for entry in entries) <= tight.max_params
    exact = search(space, settings, Budget(max_params=least), lambda codes: 30.0, tmp_path / "exact")
    assert exact[0]["params"] == least


def test_an_impossible_budget_names_the_smallest(tmp_path):
    least = SPACE.network((0, 0, 0, 0)).params
    with pytest.raises(UserError, match=f"needs {least}"):
        search(SPACE, SETTINGS, Budget(max_params=least - 1), quality, tmp_path / "s")
    assert not (tmp_path / "s").exists()
    assert Budget(max_params=least).allows(SPACE.network((0, 0, 0, 0)))


def test_a_space_smaller_than_the_search_is_searched_whole(tmp_path):
    evaluate = Counted()
    small = Space(depth=2, stages=2, width=16)
    search(small, dataclasses.replace(SETTINGS, population=10), Budget(), lambda c: evaluate((*c, 0, 0)), tmp_path)
    assert len(evaluate.calls) == 16


@pytest.mark.parametrize("wrong", [{"population": 1}, {"iterations": 0}, {"mutation": 0}, {"top_k": 0}])
def test_bad_settings(wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        SearchSettings(**wrong)
    with pytest.raises(UserError, match="--max_params"):
        Budget(max_params=-1)
