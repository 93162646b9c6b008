"""The table of small networks: which ones, its file, and searches of it."""

import math
import os

import filelock
import numpy as np
import pytest
from PIL import Image

from benchmarks import replaying, tabulated
from benchmarks.contenders import RECIPE, VALIDATED
from benchmarks.replaying import ARMS, Listed, replay, trained
from benchmarks.tabulated import REPEATED, STEPS, VALIDATE_EVERY, draw
from benchmarks.telling import bins_of, over_seeds, told
from benchmarks.workdirs import train_apart
from srnas_tf.arch import parse
from srnas_tf.errors import UserError
from srnas_tf.search.latency_model import LatencyModel

FIRST = f"{STEPS}-0"


def made_up() -> list[tabulated.Small]:
    """What the table might hold: larger networks are better, those of few blocks a little."""
    networks = []
    for text, origin in list(tabulated.origins().items())[:60]:
        network = parse(text)
        chance = np.random.default_rng(list(text.encode())).normal()
        psnr = 25 + 0.5 * math.log(network.macs() / 1e9) - 0.02 * len(network.blocks) + 0.01 * chance
        curve = {step: psnr - 100 / step for step in range(VALIDATE_EVERY, STEPS + 1, VALIDATE_EVERY)}
        ms = {"onnxruntime": network.macs() / 1e8 * (1 + 0.1 * len(network.blocks))}
        trainings = {FIRST: {"psnr": curve[STEPS], "curve": curve, "images": {"set14": [psnr] * 14}}}
        networks.append(tabulated.Small(text, origin, ms, trainings))
    return networks


def test_the_networks_are_of_the_space_and_the_size():
    origins = tabulated.origins()
    assert 240 <= len(origins) <= tabulated.GRID + tabulated.DRAWN
    for text, origin in origins.items():
        network = parse(text)
        assert str(network) == text
        assert tabulated.SPACE.codes(network) is not None
        assert tabulated.SMALLEST <= network.params <= tabulated.LARGEST
        assert origin != "grid" or len(set(network.blocks)) == 1


def test_a_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "table.json.gz"
    assert tabulated.load(path) == []
    networks = {each.arch: dict(zip(each._fields[1:], each[1:], strict=True)) for each in made_up()[:3]}
    for own in networks.values():  # as JSON has them
        own["trainings"][FIRST]["curve"] = {str(k): v for k, v in own["trainings"][FIRST]["curve"].items()}
    tabulated.write(path, {"version": tabulated.VERSION, "networks": networks})
    first = path.read_bytes()
    read = tabulated.load(path)
    assert [each.curve()[STEPS] for each in read] == [each.psnr() for each in read]
    assert read[0].seeds() == [0]
    assert read[0].test()["set14"] == pytest.approx(read[0].psnr() + 100 / STEPS)
    tabulated.write(path, tabulated.read(path))
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "no table"), (b"\x1f\x8bxx", "no table"), (None, "of version 0, and these are networks")],
)
def test_another_table_is_refused(tmp_path, content, says):
    path = tmp_path / "table.json.gz"
    if content is None:
        tabulated.write(path, {"version": 0, "networks": {}})
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=says):
        tabulated.load(path)


@pytest.mark.parametrize("name", [name for name in ARMS if "guided" not in name])
def test_searches_of_the_table(name, monkeypatch):
    monkeypatch.setattr(replaying, "ITERATIONS", 2)
    listed = Listed(made_up(), "onnxruntime", 20.0)
    found = replay(listed, ARMS[name], 5)
    assert len(found["costs"]) == len(found["regret"]["median"])
    for low, middle, high in zip(*found["regret"].values(), strict=True):
        assert 0 <= low <= middle <= high
    assert found["regret"]["median"][-1] <= found["regret"]["median"][0]
    assert replay(listed, ARMS[name], 5) == found


def test_what_guides_finds_the_best_of_a_table():
    listed = Listed(made_up(), "onnxruntime", 20.0)
    guided, chance = (
        replaying.regrets(listed, ARMS[name], 0, np.array([40 * STEPS]))[0] for name in ("guided", "random")
    )
    assert guided == 0 <= chance


def test_the_plot_shows_networks_that_are_trained_and_timed(tmp_path):
    draw(made_up()[:3], tmp_path / "table.png")
    assert Image.open(tmp_path / "table.png").width > 400
    draw([each._replace(ms={}) for each in made_up()[:3]], tmp_path / "empty.png")
    assert not (tmp_path / "empty.png").exists()


def test_the_card_says_what_the_table_is_of():
    card = (tabulated.ROOT / "results" / "table" / "README.md").read_text("utf-8")
    origins = list(tabulated.origins().values())
    assert f"| {len(origins)} of 10 to 60 thousand parameters" in card
    assert f"{origins.count('grid')} of a grid, whose blocks are alike, and {origins.count('drawn')} drawn" in card
    assert f"{STEPS} steps of {RECIPE['batch']} patches of {RECIPE['patch']} x {RECIPE['patch']}" in card
    assert f"every {VALIDATE_EVERY} steps" in card
    assert f"the first {REPEATED} networks from three seeds" in card
    assert "the first 20 of" in card
    assert VALIDATED == 20


@pytest.mark.parametrize("count", [60, 150, 248])
def test_latency_is_told_as_well_as_the_documents_say(count):
    networks = [each for each in tabulated.load() if "onnxruntime" in each.ms]
    by_text = {each.arch: each.ms["onnxruntime"] for each in networks}
    some = {text: by_text[text] for text in list(tabulated.origins())[:count]}
    error, rank = LatencyModel("", "onnxruntime", "", 1, "128x128", "2026-11-30", 4, some).checked
    document = (tabulated.ROOT / "docs" / "latency.md").read_text("utf-8")
    assert f"| {count} networks | {100 * error:.1f} % | {rank:.3f} |" in document


def test_what_can_be_told_before_a_training():
    networks = made_up()
    psnrs = [each.psnr() for each in networks]
    figures = told(networks, "onnxruntime", {"backwards": [-psnr for psnr in psnrs]}, repeats=1)
    taus = figures["kendall"]
    assert taus["MACs"]["range"] > 0.8
    assert taus[f"{STEPS // 2} steps"] == pytest.approx({"range": 1, "bins": 1})
    assert taus["backwards"] == pytest.approx({"range": -1, "bins": -1})
    assert taus["predictor, 32 networks"]["range"] > 0.7
    assert taus["predictor, nine networks of ten"]["range"] > taus["predictor, 16 networks"]["range"]
    # Within a bin networks differ by their blocks and by chance alone.
    assert taus["MACs"]["bins"] < taus["MACs"]["range"]
    assert figures["deviation over networks"]["bins"] < figures["deviation over networks"]["range"]
    assert figures["deviation over seeds"] is None
    assert [entry["networks"] for entry in figures["bins"]] == [12] * 5
    best = [entry["best drawn"] for entry in figures["bins"]]
    assert max(best) == max(each.psnr() for each in networks if each.origin == "drawn")


def test_bins_of_latency_are_of_equally_many_networks():
    ms = [30.0, 1.0, 20.0, 2.0] * 6
    assert [sorted(ms[i] for i in some) for some in bins_of(ms)] == [[1.0] * 6 + [2.0] * 6, [20.0] * 6 + [30.0] * 6]
    assert len(bins_of(ms[:20])) == 1
    assert len(bins_of(ms * 20)) == 6


def test_seeds_are_compared_where_there_are_several():
    first, second, *_ = made_up()
    again = {f"{STEPS}-1": {**first.trainings[FIRST], "psnr": first.psnr() + 0.02}}
    twice = first._replace(trainings={**first.trainings, **again})
    assert over_seeds([twice, second]) == pytest.approx(0.02 / math.sqrt(2))


def test_a_training_has_a_process_and_a_folder_of_its_own(tmp_path):
    made = tmp_path / "made"
    assert train_apart(tmp_path / "one", os.mkdir, made)
    assert made.exists()
    with filelock.FileLock(tmp_path / "one" / "lock"):
        assert not train_apart(tmp_path / "one", os.mkdir, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(SystemExit, match="one: the training failed"):  # the folder is there already
        train_apart(tmp_path / "one", os.mkdir, made)


def test_too_few_networks_are_not_searched():
    networks = made_up()
    with pytest.raises(UserError, match="has 10 networks, trained and timed"):
        trained(networks[:10], ["onnxruntime"])
    assert trained(networks, ["onnxruntime"]) == networks
