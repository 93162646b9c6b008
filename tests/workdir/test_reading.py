"""Records of other types than their fields', however they came about, are named; nothing is believed or crashes."""

import json

import pytest

from srnas_tf import reading
from srnas_tf.arch import Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.modes.retrain import found
from srnas_tf.search.settings import SearchSettings
from srnas_tf.train.settings import TrainSettings
from srnas_tf.workdir.folder import Workdir
from srnas_tf.workdir.journal import read_lines

RECORDS = [
    ("data", DataSettings, "data", 5),
    ("network", Space, "depth", 2.5),
    ("network", Space, "skip_first", "x"),
    ("network", Space, "skip_first", 1),
    ("network", Space, "width", True),
    ("supernet", TrainSettings, "steps", 1.5),
    ("supernet", TrainSettings, "learning_rate", "fast"),
    ("supernet", TrainSettings, "seed", None),
    ("search", SearchSettings, "objectives", ["macs"]),
]


@pytest.mark.parametrize(("section", "kind", "name", "value"), RECORDS)
def test_a_record_of_another_type_is_named(tmp_path, section, kind, name, value):
    for folder in ("supernet", "search"):
        (tmp_path / folder).mkdir()
    (tmp_path / "experiment.json").write_text(json.dumps({section: {name: value}}))
    with (
        Workdir(tmp_path) as workdir,
        pytest.raises(UserError, match=rf"experiment\.json: is spoiled \({section}.*{name}"),
    ):
        workdir.settle(section, kind, {}, {})


@pytest.mark.parametrize("section", [5, [], "x", None])
def test_a_section_that_is_no_record(tmp_path, section):
    (tmp_path / "experiment.json").write_text(json.dumps({"network": section}))
    with pytest.raises(UserError, match=r"experiment\.json: is spoiled \(network: it is no record\)"):
        Workdir(tmp_path).settle("network", Space, {}, {})


def test_a_record_beyond_its_bounds_is_named(tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "experiment.json").write_text(json.dumps({"search": {"population": -1}}))
    with pytest.raises(UserError, match=r"experiment\.json: --population=-1: must be"):
        Workdir(tmp_path).settle("search", SearchSettings, {}, {})


@pytest.mark.parametrize(
    "content", ["[]", "{}", "5", "[1]", "[{}]", '[{"arch": 5}]', '[{"arch": null}]', '[{"arch": "x"}]']
)
def test_networks_to_retrain_that_are_none(tmp_path, content):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "best.json").write_text(content)
    with pytest.raises(UserError, match=r"best\.json|architecture"):
        found(Workdir(tmp_path))


def test_a_number_of_400_digits_is_a_spoiled_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"psnr": 30.5}\n{"psnr": ' + "9" * 400 + "}\n")
    with pytest.raises(UserError, match=r"journal\.jsonl: line 2 is spoiled"):
        read_lines(path)


def test_types():
    for value, kind in ((1, int), (1, float), (None, int | None), ([1, 2], list[int]), ({"a": 1.5}, dict[str, float])):
        assert reading.is_of(value, kind)
    for value, kind in (
        (True, int),
        (True, float),
        (1.0, int),
        ("1", int),
        ([1, "2"], list[int]),
        ({"a": "b"}, dict[str, int]),
    ):
        assert not reading.is_of(value, kind)
    assert reading.parse("[1, 2.5, -9223372036854775807]") == [1, 2.5, -(2**63) + 1]
    for text in ("1" * 400, "1e400", "[" * 100_000, "9223372036854775808", b"\xff"):
        with pytest.raises(ValueError, match=r"\w"):
            reading.parse(text)
