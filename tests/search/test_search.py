"""Search: Algorithm 1 and its control, budgets, each architecture once, and a journal to go on from."""

import dataclasses
import json
import signal

import numpy as np
import pytest
from conftest import lines

from srnas_tf.arch import Space
from srnas_tf.arch.block import plan
from srnas_tf.errors import UserError
from srnas_tf.host.interrupt import Interrupted
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.front import chosen, front
from srnas_tf.search.screening import PROBES, Screening
from srnas_tf.search.search import USUAL, search
from srnas_tf.search.settings import STRATEGIES, Budget, Pick, SearchSettings
from srnas_tf.search.strategies import STRATEGIES as MADE

SPACE = Space(depth=4, width=16)
ALL = Feasible(SPACE, {})
SETTINGS = SearchSettings(population=12, iterations=6, top_k=3)
FILLING = [name for name in STRATEGIES if name != "grid"]
"""Strategies that go on until a search has as many networks as it has room for."""


def quality(codes) -> float:
    """A landscape with one summit, (5, 2, 7, 0)."""
    return 30 - sum(bin(code ^ best).count("1") for code, best in zip(codes, (5, 2, 7, 0), strict=True))


class Counted:
    def __init__(self, evaluate=quality):
        self.calls, self._evaluate = [], evaluate

    def __call__(self, codes):
        self.calls.append(tuple(codes))
        return self._evaluate(codes)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_architecture_is_evaluated_once(tmp_path, strategy):
    evaluate = Counted()
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    best = search(ALL, settings, evaluate, tmp_path, pick=Pick("psnr"))
    uniform = len(list(SPACE.uniform()))
    assert len(evaluate.calls) == len(set(evaluate.calls)) == (uniform if strategy == "grid" else 72)
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
    search(Feasible(wide, {}), settings, lambda codes: quality(codes[:4]) + quality(codes[4:]), tmp_path)
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
            totals.append(search(ALL, settings, quality, tmp_path / strategy / str(seed))[0]["psnr"])
        found[strategy] = sum(totals)
    assert found["evolution"] > found["random"]


@pytest.mark.parametrize("strategy", FILLING)
def test_a_search_goes_on_to_the_same_journal(tmp_path, strategy):
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    search(ALL, settings, quality, tmp_path / "a")
    whole = (tmp_path / "a" / "journal.jsonl").read_bytes()
    for kept in (0, 5, 31, 71):
        evaluate = Counted()

        def killed(codes, evaluate=evaluate, kept=kept):
            if len(evaluate.calls) == kept:
                raise KeyboardInterrupt
            return evaluate(codes)

        folder = tmp_path / f"{strategy}{kept}"
        with pytest.raises(KeyboardInterrupt):
            search(ALL, settings, killed, folder)
        with (folder / "journal.jsonl").open("a") as file:
            file.write('{"arch": "x4:w1')  # the line that the kill cut short
        resumed = Counted()
        search(ALL, settings, resumed, folder)
        assert len(resumed.calls) == 72 - kept
        assert (folder / "journal.jsonl").read_bytes() == whole


def test_a_signal_costs_no_measurement(tmp_path):
    search(ALL, SETTINGS, quality, tmp_path / "a")

    def measure(codes):
        if len(interrupted.calls) == 8:
            signal.raise_signal(signal.SIGINT)
        return quality(codes)

    interrupted, resumed = Counted(measure), Counted()
    with pytest.raises(Interrupted):
        search(ALL, SETTINGS, interrupted, tmp_path / "b")
    assert len(lines(tmp_path / "b" / "journal.jsonl")) == len(interrupted.calls) == 8
    search(ALL, SETTINGS, resumed, tmp_path / "b")
    assert len(resumed.calls) == 72 - 8
    assert (tmp_path / "b" / "journal.jsonl").read_bytes() == (tmp_path / "a" / "journal.jsonl").read_bytes()


def uneven(codes) -> float:
    """The landscape without equal heights."""
    return quality(codes) + 0.3 * np.random.default_rng(codes).random()


def rough(codes) -> float:
    """What a lower precision makes of it: all a little lower, by not quite the same."""
    return uneven(codes) - 0.015 + 0.005 * np.random.default_rng([7, *codes]).random()


@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_a_screened_search_is_the_exact_one(tmp_path, strategy):
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    exact = search(ALL, settings, uneven, tmp_path / "exact")
    again = Counted(uneven)
    assert search(ALL, settings, again, tmp_path / "screened", rough) == exact
    entries = lines(tmp_path / "screened" / "journal.jsonl")
    proposed = [entry["codes"] for entry in entries if "screened" in entry]
    assert proposed == [entry["codes"] for entry in lines(tmp_path / "exact" / "journal.jsonl")]
    assert [tuple(entry["codes"]) for entry in entries if "psnr" in entry] == again.calls
    assert PROBES <= len(again.calls) < len(proposed) / 2


def test_a_screened_search_goes_on_to_the_same_journal(tmp_path):
    search(ALL, SETTINGS, uneven, tmp_path / "a", rough)
    whole = (tmp_path / "a" / "journal.jsonl").read_bytes()
    for cut in (5, 13, 40):
        (tmp_path / str(cut)).mkdir()
        (tmp_path / str(cut) / "journal.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:cut]))
        search(ALL, SETTINGS, uneven, tmp_path / str(cut), rough)
        assert (tmp_path / str(cut) / "journal.jsonl").read_bytes() == whole
    with pytest.raises(UserError, match="line 1 is of another search"):
        search(ALL, SETTINGS, uneven, tmp_path / "a")


def test_screening_measures_more_where_the_rough_way_errs_more(tmp_path):
    def rougher(codes) -> float:
        return uneven(codes) + np.random.default_rng([7, *codes]).normal()

    counts = []
    for screen in (rough, rougher):
        evaluate = Counted(uneven)
        search(ALL, SETTINGS, evaluate, tmp_path / screen.__name__, screen)
        counts.append(len(evaluate.calls))
    assert counts[0] < counts[1] <= 72


def test_seeds_differ(tmp_path):
    journals = set()
    for seed in (0, 1):
        search(ALL, dataclasses.replace(SETTINGS, seed=seed), quality, tmp_path / str(seed))
        journals.add((tmp_path / str(seed) / "journal.jsonl").read_text())
    assert len(journals) == 2


def test_a_journal_of_another_search_is_refused(tmp_path):
    search(ALL, SETTINGS, quality, tmp_path)
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(UserError, match="another search"):
        search(ALL, dataclasses.replace(SETTINGS, seed=9), quality, tmp_path)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("limit", ["params", "macs"])
@pytest.mark.parametrize("strategy", FILLING)
def test_budgets_are_hard(tmp_path, limit, strategy):
    costs = {"params": lambda n: n.params, "macs": lambda n: n.macs()}
    middle = costs[limit](SPACE.network((3, 3, 0, 0)))
    settings = dataclasses.replace(SETTINGS, strategy=strategy)
    search(Feasible(SPACE, {limit: middle}), settings, quality, tmp_path)
    entries = lines(tmp_path / "journal.jsonl")
    assert len(entries) == 72
    assert max(entry[limit] for entry in entries) <= middle


@pytest.mark.parametrize("strategy", FILLING)
def test_a_tight_budget_is_filled_with_what_fits(tmp_path, strategy):
    space = Space(depth=6, width=16, stages=4)
    costs = sorted(plan(choice, 16).params for choice in space.blocks)
    least = space.smallest(lambda network: network.params).params
    settings = dataclasses.replace(SETTINGS, strategy=strategy, iterations=2, population=6)
    tight = least + costs[1] - costs[0]
    search(Feasible(space, {"params": tight}), settings, lambda codes: 30.0, tmp_path)
    entries = lines(tmp_path / "journal.jsonl")
    assert len(entries) == len({tuple(entry["codes"]) for entry in entries}) >= 6
    assert max(entry["params"] for entry in entries) <= tight
    exact = search(Feasible(space, {"params": least}), settings, lambda codes: 30.0, tmp_path / "exact")
    assert exact[0]["params"] == least


def priced(codes) -> float:
    """Larger networks are better, with less and less to gain; some waste what they cost."""
    waste = 1 + codes[0] / 10
    return 30 + 2 * np.log(SPACE.network(codes).params / waste)


def dominated_area(entries) -> float:
    """What a front leaves below it, parameters over PSNR, up to the space's largest network at 30 dB."""
    costs = [entry["params"] for entry in entries] + [SPACE.network((7, 7, 7, 7)).params]
    return sum((b - a) * (entry["psnr"] - 30) for entry, a, b in zip(entries, costs, costs[1:], strict=False))


def test_nsga_finds_a_better_front_than_random(tmp_path):
    areas = {}
    for strategy in ("pareto", "random"):
        settings = dataclasses.replace(SETTINGS, strategy=strategy, objectives="params", population=20, iterations=10)
        areas[strategy] = 0.0
        for seed in range(3):
            folder = tmp_path / strategy / str(seed)
            search(ALL, dataclasses.replace(settings, seed=seed), priced, folder)
            areas[strategy] += dominated_area(json.loads((folder / "front.json").read_text()))
    assert areas["pareto"] > areas["random"]


def test_the_front_is_what_nothing_beats(tmp_path):
    settings = dataclasses.replace(SETTINGS, strategy="pareto", objectives="params,macs")
    best = search(ALL, settings, uneven, tmp_path)
    entries, found = lines(tmp_path / "journal.jsonl"), json.loads((tmp_path / "front.json").read_text())

    def beats(one, other) -> bool:
        pairs = [(one["psnr"], other["psnr"]), (-one["params"], -other["params"]), (-one["macs"], -other["macs"])]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    unbeaten = [entry for entry in entries if not any(beats(other, entry) for other in entries)]
    assert sorted(entry["codes"] for entry in found) == sorted(entry["codes"] for entry in unbeaten)
    assert all(entry in found for entry in best)


def points(*pairs: tuple[float, float]) -> list[dict]:
    return [{"psnr": psnr, "macs": macs} for macs, psnr in pairs]


def test_picks():
    entries = points((1, 30.0), (2, 31.8), (3, 31.9), (9, 32.0), (9, 31.0), (4, 31.9))
    assert front(entries, ["macs"]) == points((1, 30.0), (2, 31.8), (3, 31.9), (9, 32.0))
    picks = [("knee", "random"), ("", "pareto"), ("psnr", "pareto"), ("", "evolution"), ("macs:8", "pareto")]
    first = {each: chosen(entries, SearchSettings(strategy=each[1]), Pick(each[0]))[0] for each in picks}
    assert list(first.values()) == points((2, 31.8), (2, 31.8), (9, 32.0), (9, 32.0), (3, 31.9))
    assert chosen(entries, SearchSettings(top_k=2), USUAL) == points((9, 32.0), (3, 31.9))
    with pytest.raises(UserError, match=r"--pick=macs:0.5: the least .* takes 1"):
        chosen(entries, SETTINGS, Pick("macs:0.5"))
    for wrong in ("best", "macs", "macs:", "macs:-1", "macs:nan", "size:3", ":3"):
        with pytest.raises(UserError, match="--pick="):
            Pick(wrong)


def test_another_pick_measures_nothing_again(tmp_path):
    search(ALL, SETTINGS, uneven, tmp_path)
    journal, evaluate = (tmp_path / "journal.jsonl").read_bytes(), Counted()
    knee = search(ALL, SETTINGS, evaluate, tmp_path, pick=Pick("knee"))
    assert not evaluate.calls
    assert (tmp_path / "journal.jsonl").read_bytes() == journal
    assert knee == json.loads((tmp_path / "best.json").read_text())


def test_every_strategy_that_a_flag_names_is_there():
    assert tuple(MADE) == STRATEGIES


def test_a_space_smaller_than_the_search_is_searched_whole(tmp_path):
    evaluate = Counted()
    small = Space(depth=2, stages=2, width=16)
    search(Feasible(small, {}), dataclasses.replace(SETTINGS, population=10), lambda c: evaluate((*c, 0, 0)), tmp_path)
    assert len(evaluate.calls) == 16


@pytest.mark.parametrize(
    "wrong",
    [
        {"population": 1},
        {"iterations": 0},
        {"mutation": 0},
        {"top_k": 0},
        {"objectives": ""},
        {"objectives": "size"},
        {"search_precision": "auto", "strategy": "pareto"},
    ],
)
def test_bad_settings(wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        SearchSettings(**wrong)
    with pytest.raises(UserError, match="--max_params"):
        Budget(max_params=-1)


def test_parents_are_a_fifth_of_the_population_though_fewer_are_wanted(tmp_path):
    """A single parent would have no children but itself."""
    search(ALL, dataclasses.replace(SETTINGS, population=50, iterations=2, top_k=1), quality, tmp_path)
    entries = [entry for entry in lines(tmp_path / "journal.jsonl") if entry["iteration"] == 1]
    assert [entry["origin"] for entry in entries].count("crossover") == 25


def test_screening_reaches_beyond_the_most_seen_by_all_that_was_seen_to_vary():
    exact = {(i,): 30.0 + i / 10 for i in range(PROBES)}
    rough = {codes: psnr - (0.5 if codes == (0,) else 0.2) for codes, psnr in exact.items()}
    assert Screening(1, rough, exact).reach == pytest.approx(0.5 + 0.3)
