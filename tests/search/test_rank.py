"""Ranking: which networks are compared, the statistics, and a mode that goes on where it was."""

import json
import math
import shutil

import numpy as np
import pytest
from scipy import stats
from spaces import wide
from test_cli import TRAINING, folder

from srnas_tf.arch import Space
from srnas_tf.errors import UserError
from srnas_tf.search.agreement import bootstrap, compare, kendall_tau, repeats, spearman
from srnas_tf.search.ranking import BAND, RankSettings, choose
from srnas_tf.search.spreading import spread
from srnas_tf.train.jobs import Job

__all__ = ["folder"]  # a fixture
SPACE = Space(depth=4, width=16)


def test_correlations_by_hand():
    assert kendall_tau([1, 2, 3, 4], [1, 2, 3, 4]) == pytest.approx(1)
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)  # 5 pairs agree, 1 does not
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))  # tau-b: one pair is tied
    assert spearman([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman([1, 2, 3], [1e3, 10, -5]) == pytest.approx(-1)
    for correlation in (kendall_tau, spearman):
        assert math.isnan(correlation([1, 1, 1], [1, 2, 3]))
        assert math.isnan(correlation([1], [1]))


def test_correlations_are_those_of_scipy():
    one, other = np.random.default_rng(0).integers(12, size=(2, 50, 15))  # with ties
    for ours, theirs in ((kendall_tau, stats.kendalltau), (spearman, stats.spearmanr)):
        wanted = [theirs(a, b).statistic for a, b in zip(one, other, strict=True)]
        np.testing.assert_allclose(ours(one, other), wanted, atol=1e-12)


def test_intervals_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    value, low, high = bootstrap(kendall_tau, (x, y), 0)
    theirs = stats.bootstrap(
        (x, y), kendall_tau, paired=True, vectorized=False, n_resamples=1000, method="percentile", rng=1
    ).confidence_interval
    assert value == pytest.approx(stats.kendalltau(x, y).statistic)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.04)
    assert bootstrap(kendall_tau, (x, y), 0) == (value, low, high) != bootstrap(kendall_tau, (x, y), 1)
    assert math.isnan(bootstrap(kendall_tau, ([], []), 0).value)
    assert math.isnan(bootstrap(kendall_tau, ([1, 1], [1, 2]), 0).low)


def test_a_supernet_that_only_counts_parameters_has_no_advantage():
    rng = np.random.default_rng(0)
    sizes = rng.permutation(20)
    truth = sizes + rng.normal(0, 3, 20)
    counted = compare(sizes * 2.0, sizes, truth, 0)
    assert counted.measured == counted.control
    assert set(counted.advantage["kendall_tau"]) == {0}
    better = compare(truth + rng.normal(0, 0.3, 20), rng.permutation(20), truth, 0).advantage["kendall_tau"]
    assert better.low > 0


def test_repeats():
    assert repeats([[1, 2], [3, 4], [5, 6]]) == pytest.approx((1, math.sqrt(0.5)))
    assert repeats([[1, 6], [3, 4], [5, 2]]).kendall_tau == pytest.approx(-1)
    assert all(math.isnan(each) for each in repeats([[1], [2]]))


def test_rows_lie_evenly():
    rng = np.random.default_rng(0)
    values = rng.normal(size=500)  # dense in the middle
    taken = values[spread([values], 10, rng)]
    bins = np.floor(10 * (taken - values.min()) / np.ptp(values)).clip(max=9)
    assert len(set(bins)) == 10
    two = [values, values + rng.normal(0, 0.3, 500)]
    rows = spread(two, 20, rng)
    assert len(set(rows)) == 20
    assert np.ptp(two[1][rows]) > 0.8 * np.ptp(two[1])
    assert sorted(spread([[1.0, 1.0, 1.0]], 5, rng)) == [0, 1, 2]


@pytest.mark.parametrize("over", ["psnr", "size"])
def test_networks_are_a_function_of_the_seed_and_lie_over_the_space(over):
    settings = RankSettings(rank_networks=15, rank_spread=over)
    asked = []

    def measure(codes):
        asked.append(codes)
        return 30 - abs(sum(codes) - 14) / 10

    chosen = choose(SPACE, settings, 0, measure)
    assert chosen == choose(SPACE, settings, 0, measure) != choose(SPACE, settings, 1, measure)
    samples = {name: [e for e in chosen if name in e["samples"]] for name in ("range", "band")}
    assert [len(some) for some in samples.values()] == [15, 15]
    sizes = {name: [entry["params"] for entry in some] for name, some in samples.items()}
    costs = [choose_cost(lambda network: network.params).params for choose_cost in (SPACE.smallest, SPACE.largest)]
    assert np.ptp(sizes["range"]) > 0.7 * np.ptp(costs)
    assert max(sizes["band"]) / min(sizes["band"]) <= (1 + BAND) / (1 - BAND)
    assert len(set(asked)) > 100 if over == "psnr" else len(set(asked)) <= 60
    if over == "size":  # whatever the supernet says
        other = choose(SPACE, settings, 0, lambda codes: 0.0)
        assert [entry["codes"] for entry in other] == [entry["codes"] for entry in chosen]


@pytest.mark.parametrize("wrong", [{"rank_networks": 2}, {"rank_steps": -1}, {"rank_seeds": 0}])
def test_bad_settings(wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        RankSettings(**wrong)


NETWORK = ("--depth=1", "--width=16", "--scale=2", "--stages=2")
RANK = ("--mode=rank", "--rank_networks=3", "--rank_steps=2", "--rank_seeds=2", "--rank_spread=size")


def test_a_ranking_goes_on_and_lends_its_networks(folder, invoke, tmp_path, monkeypatch):
    first, second, again = (tmp_path / name for name in ("first", "second", "again"))
    for workdir, *more in ((first,), (second, "--sampling=sandwich", "--sharing=entangled", "--seed=1")):
        training = (f"--workdir={workdir}", f"--data={folder}", *NETWORK, *TRAINING, *more)
        assert invoke("--mode=supernet", *training)[0] == 0
    status, stdout, stderr = invoke(*RANK, f"--workdir={first}")
    assert status == 0, stderr
    assert "Kendall" in stdout
    _check(first)
    _check_that_it_goes_on(first, again, invoke)
    _check_that_it_lends(first, second, invoke, monkeypatch)


def _check(workdir):
    """A ranking of two seeds: its files say what they should, and agree with each other."""
    result = json.loads((workdir / "rank.json").read_text())
    assert {"kendall_tau", "spearman", "range", "band", "repeats", "pairs"} == set(result)
    assert result["repeats"]["spread"] > 0
    assert result["range"]["networks"] == 3
    value, low, high = result["range"]["supernet"]["kendall_tau"]
    assert low <= value <= high
    for entry in result["pairs"]:
        assert {"arch", "params", "macs", "supernet_psnr", "psnr", "samples"} < set(entry)
        assert entry["psnr"] == pytest.approx(np.mean(entry["psnrs"]))
        assert len(set(entry["psnrs"])) == 2
    in_range = [entry for entry in result["pairs"] if "range" in entry["samples"]]
    truth, guess = ([entry[key] for entry in in_range] for key in ("psnr", "supernet_psnr"))
    assert result["kendall_tau"] == pytest.approx(stats.kendalltau(guess, truth).statistic)
    assert (workdir / "rank.png").exists()


def _check_that_it_goes_on(finished, workdir, invoke):
    """A ranking that stopped at the end of its second network's second training goes on there, and ends alike."""
    shutil.copytree(finished, workdir)
    (workdir / "rank.json").unlink()
    (workdir / "rank" / "2" / "2" / "model.keras").unlink()
    kept = sorted(workdir.glob("rank/*/*/model.keras"))
    assert len(kept) >= 5
    times = [path.stat().st_mtime_ns for path in kept]
    status, _, stderr = invoke("--mode=rank", f"--workdir={workdir}")  # the workdir remembers the settings
    assert status == 0, stderr
    assert (workdir / "rank.json").read_bytes() == (finished / "rank.json").read_bytes()
    assert [path.stat().st_mtime_ns for path in kept] == times


def _check_that_it_lends(first, second, invoke, monkeypatch):
    """Another supernet of the space is ranked by the same networks, and none of them is trained."""
    monkeypatch.setattr(Job, "train_network", None)
    here = ("--mode=rank", f"--workdir={second}", f"--rank_from={first}")
    for more, named in (
        ("--rank_from=nowhere", "--rank_from"),
        ("--rank_seeds=1", "--rank_seeds=1"),
        ("--learning_rate=0.5", "--learning_rate=0.5"),
        ("--width=24", "--width=24"),
    ):
        status, _, stderr = invoke(*here, more)
        assert (status, named in stderr, len(stderr.splitlines())) == (2, True, 1), stderr
    assert invoke(*here)[0] == 0
    lent, theirs = (json.loads((workdir / "rank.json").read_text())["pairs"] for workdir in (second, first))
    for ours, entry in zip(lent, theirs, strict=True):
        assert ours["supernet_psnr"] != entry["supernet_psnr"]
        assert {**ours, "supernet_psnr": 0} == {**entry, "supernet_psnr": 0}
    record = json.loads((first / "experiment.json").read_text())
    record["network"]["rate"] = 0.5
    (first / "experiment.json").write_text(json.dumps(record))
    shutil.rmtree(second / "rank")
    status, _, stderr = invoke(*here)
    assert (status, "network settings" in stderr) == (2, True)


def test_networks_of_several_trunks_are_chosen_too():
    space = wide()
    chosen = choose(space, RankSettings(rank_networks=12, rank_spread="size"), 0, lambda codes: 30.0)
    samples = {name: [entry for entry in chosen if name in entry["samples"]] for name in ("range", "band")}
    assert [len(some) for some in samples.values()] == [12, 12]
    networks = [space.network(entry["codes"]) for entry in samples["range"]]
    assert len({(network.width, len(network.blocks)) for network in networks}) > 1
    sizes = [entry["params"] for entry in samples["band"]]
    assert max(sizes) / min(sizes) <= (1 + BAND) / (1 - BAND)
