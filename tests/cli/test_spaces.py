"""Spaces of several dimensions, from the command line and from Python: what is counted, trained, searched, refused."""

import json

import numpy as np
import pytest
from conftest import lines
from spaces import WIDE, wide

from srnas_tf import arch, nets
from srnas_tf.nets.files import load, load_supernet
from srnas_tf.nets.supernet import load_path

FLAGS = [f"--{name}={value}" for name, value in WIDE.items()]
TRAINING = ("--steps=3", "--batch=2", "--patch=8", "--validate_every=3", "--checkpoint_every=2")
SEARCH = ("--population=4", "--iterations=2", "--top_k=1")


def test_describe_counts_networks_and_those_of_a_budget(invoke):
    status, stdout, _ = invoke("--mode=describe", *FLAGS, "--sharing=entangled", "--max_params=9000")
    described, space = json.loads(stdout), wide()
    assert status == 0
    assert described["dimensions"] == {
        "recipes": ["T", "TC"],
        "width": [12, 16],
        "depth": [1, 2],
        "stem": ["thin", "plain"],
        "kernel": ["3", "5"],
        "conv": ["blueprint", "expanded"],
        "attention": ["none", "cca"],
        "inner": [0.5, 1.0],
    }
    assert described["networks"] == space.count == 4 * (32 + 32**2)
    assert described["supernet_params"] == space.supernet_params
    sizes = [
        space.network(space.compose(trunk, paths)).params
        for trunk in range(len(space.trunks))
        for paths in np.ndindex(*(32,) * space.trunks[trunk].depth)
    ]
    fitting = [size for size in sizes if size <= 9000]
    assert described["networks_within_budget"] == len(fitting)
    assert [described[name]["params"] for name in ("smallest", "largest")] == [min(fitting), max(fitting)]
    for name in ("smallest", "largest"):
        assert arch.parse(described[name]["arch"]).params == described[name]["params"]


def test_one_value_each_is_no_choice(invoke):
    status, stdout, _ = invoke("--mode=describe", "--space=dynamic", "--depth=3", "--width=16")
    described = json.loads(stdout)
    assert (status, described["dimensions"].keys(), described["networks"]) == (0, {"recipes"}, 8**3)


def test_supernet_search_and_retraining_of_a_wide_space(invoke, photographs, tmp_path):
    work = f"--workdir={tmp_path / 'w'}"
    data = f"--data={photographs}"
    assert invoke("--mode=supernet", work, data, *FLAGS, "--sharing=entangled", *TRAINING)[0] == 0
    assert invoke("--mode=search", work, *SEARCH, "--max_params=9000")[0] == 0
    entries = lines(tmp_path / "w" / "search" / "journal.jsonl")
    assert len(entries) == 8
    space, supernet = wide(), load_supernet(tmp_path / "w" / "supernet" / "supernet.keras")
    assert supernet.space == space
    for entry in entries:
        network = arch.parse(entry["arch"])
        assert space.codes(network) == tuple(entry["codes"])
        assert network.params == entry["params"] <= 9000
    assert invoke("--mode=retrain", work, "--init=supernet")[0] == 0
    found = load(tmp_path / "w" / "retrain" / "1" / "model.keras")
    [best] = json.loads((tmp_path / "w" / "search" / "best.json").read_text())
    assert found.network == arch.parse(best["arch"]).deployed
    load_path(nets.SRNet(best["arch"]), supernet)  # it can be taken out of the supernet by its text
    # Other dimensions are another experiment.
    status, _, stderr = invoke("--mode=supernet", work, "--width=12/24")
    assert (status, "--width=12/24 contradicts 12/16" in stderr) == (2, True)


def test_a_space_of_ones_own_needs_no_change_of_the_package(invoke, photographs, tmp_path, monkeypatch):
    def recipes(space, position):
        return ["TC", "TCC"] if position == 0 else ["T", "TC", "TT"]

    monkeypatch.setitem(arch.SPACES, "mine", arch.SpaceKind(recipes, ending="bare", conv="expanded", stem="thin"))
    space = arch.Space(space="mine", scale=2, width="8/12", depth="1/2", sharing="entangled")
    assert space.cardinalities == (4, 2, 3)
    assert space.count == 2 * (2 + 2 * 3)
    work, data = f"--workdir={tmp_path / 'w'}", f"--data={photographs}"
    flags = ("--space=mine", "--scale=2", "--width=8/12", "--depth=1/2", "--sharing=entangled")
    status, _, stderr = invoke(
        "--mode=pipeline",
        work,
        data,
        *flags,
        *TRAINING,
        *SEARCH,
        "--retrain_optimizer=muon",
        "--nocard_latency",
        "--export_files=model.onnx,model_int8.onnx",
    )
    assert status == 0, stderr
    assert (tmp_path / "w" / "report.html").exists()
    recorded = json.loads((tmp_path / "w" / "experiment.json").read_text("utf-8"))
    assert [recorded[section]["optimizer"] for section in ("supernet", "retrain")] == ["adam", "muon"]
    codes = [tuple(entry["codes"]) for entry in lines(tmp_path / "w" / "search" / "journal.jsonl")]
    assert {space.canonical(each) for each in codes} == set(codes)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--width="], "--width="),
        (["--width=16/"], "--width=16/"),
        (["--width=16/16"], "--width=16/16: 16 is given twice"),
        (["--width=16/many"], "--width=16/many"),
        (["--width=16/0"], "--width=0"),
        (["--depth=2/1.5"], "--depth=2/1.5"),
        (["--conv=plain/odd"], "--conv=odd"),
        (["--conv=plain/"], "--conv=plain/: a value is missing"),
        (["--attention=none/sharp"], "--attention=sharp"),
        (["--kernel=3/4"], "kernel 4"),
        (["--recipes=TC/XY"], "unknown letter 'X'"),
        (["--recipes=TC/TC"], "TC is given twice"),
        (["--inner=1/0"], "--inner=0"),
        (["--space=tapped", "--width=16", "--inner=1/0.05"], "--inner=0.05"),
        (["--space=tapped", "--width=2/16"], "--width"),
        (["--rate=0.25/1.5"], "--rate=1.5"),
        (["--sharing=ends", "--space=tapped", "--width=16"], "--sharing=ends"),
        (["--space=nowhere"], "--space=nowhere"),
        (["--net=imdn", "--width=16/32"], "--width=16/32: --net=imdn is one network"),
        (["--net=imdn", "--attention=none/cca"], "--attention: --net=imdn"),
        ([*FLAGS, "--max_params=100"], "--max_params=100: the smallest network of space of 2 recipes needs 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(invoke, flags, named):
    status, stdout, stderr = invoke("--mode=describe", *flags)
    [line] = stderr.splitlines()
    assert (status, stdout) == (2, "")
    assert named in line
