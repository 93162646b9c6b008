"""Searches that train their networks alone, from the command line: with no supernet, in rungs, each network once."""

import json

import pytest
from conftest import lines
from spaces import WIDE, wide

from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.modes.search import trainer_of
from srnas_tf.nets.files import load
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.workdir.folder import Workdir

FLAGS = [f"--{name}={value}" for name, value in WIDE.items()]
RECIPE = ("--steps=4", "--batch=2", "--patch=8", "--validate_every=4", "--checkpoint_every=2")
SEARCH = ("--strategy=grid", "--rungs=2,4", "--survivors=1", "--population=3", "--iterations=1", "--top_k=1")


def test_a_search_without_a_supernet_trains_each_network_once(invoke, photographs, tmp_path):
    given = (f"--data={photographs}", f"--trained_dir={tmp_path / 'trained'}", *FLAGS, *RECIPE, *SEARCH)
    first, other = tmp_path / "first", tmp_path / "other"
    status, _, stderr = invoke("--mode=search", f"--workdir={first}", *given)
    assert status == 0, stderr
    entries = lines(first / "search" / "journal.jsonl")
    assert [(entry["rung"], entry["steps"]) for entry in entries] == [(1, 2), (1, 2), (1, 2), (2, 4)]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "trained").glob("*/model.keras")}
    assert len(made) == 4
    [best] = json.loads((first / "search" / "best.json").read_text())
    assert best["psnr"] == entries[-1]["psnr"]

    # Another search of the same networks finds them.
    status, _, stderr = invoke("--mode=search", f"--workdir={other}", *given)
    assert status == 0, stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "trained").glob("*/model.keras")} == made
    assert lines(other / "search" / "journal.jsonl") == entries

    # Of other photographs by the same names they are other networks.
    changed = sorted(photographs.glob("*.png"))[0]
    changed.write_bytes(changed.read_bytes() + b"\0")
    status, _, stderr = invoke("--mode=search", f"--workdir={tmp_path / 'changed'}", *given)
    assert status == 0, stderr
    assert len(list((tmp_path / "trained").glob("*/model.keras"))) == 8
    changed.write_bytes(changed.read_bytes()[:-1])

    # By the last rung's recipe the network comes to the same weights.
    status, _, stderr = invoke("--mode=retrain", f"--workdir={first}")
    assert status == 0, stderr
    network = load(first / "retrain" / "1" / "model.keras")
    assert (str(network.network), network.provenance["val_psnr"]) == (best["arch"], best["psnr"])


def test_the_pipeline_takes_the_network_of_the_last_rung(invoke, photographs, tmp_path):
    work = tmp_path / "w"
    given = (f"--data={photographs}", *FLAGS, *RECIPE, *SEARCH[1:], "--strategy=halving", "--export_files=model.onnx")
    status, _, stderr = invoke("--mode=pipeline", f"--workdir={work}", "--card_latency=false", *given)
    assert status == 0, stderr
    assert not (work / "supernet").exists()
    [found] = (work / "search" / "networks").glob("4-*")
    taken = work / "retrain" / "1"
    assert (taken / "metrics.jsonl").read_bytes().startswith((found / "metrics.jsonl").read_bytes())
    assert len(lines(taken / "metrics.jsonl")) - len(lines(found / "metrics.jsonl")) < 2  # no step was done again
    weights = (load(folder / "model.keras").get_weights() for folder in (taken, found))
    assert all((a == b).all() for a, b in zip(*weights, strict=True))
    assert (work / "export" / "model.onnx").exists()
    assert (work / "report.html").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--rungs=4,2",), "--rungs=4,2: give numbers of steps that rise"),
        (("--survivors=9",), "--survivors=9: more than the 3 networks"),
        (("--init=supernet",), "--init=supernet: a search that trains its networks alone has no supernet"),
        (("--max_params=9",), "--max_params=9: the smallest network"),
        (("--strategy=evolution", "--rungs=supernet", "--survivors="), "run --mode=supernet there first"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(invoke, photographs, tmp_path, given, says):
    status, _, stderr = invoke(
        "--mode=search", f"--workdir={tmp_path / 'w'}", f"--data={photographs}", *FLAGS, *RECIPE, *SEARCH, *given
    )
    assert status == 2
    assert says in stderr
    assert len(stderr.splitlines()) == 1
    assert not (tmp_path / "w" / "search").exists()


def test_workers_do_not_train_small_networks_together(tmp_path):
    machine = MachineSettings(distribution="multiworker")
    with pytest.raises(UserError, match="--distribution=multiworker: a search trains many small networks"):
        trainer_of(DataSettings(), TrainSettings(), machine, wide(), Workdir(tmp_path))
