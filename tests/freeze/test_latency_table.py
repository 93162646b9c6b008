"""The latency table as a value: sums, its file, and what is wrong with files that are none."""

import json

import pytest

from srnas_tf.arch import Network, Space
from srnas_tf.arch.latency import LatencyTable
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency_file

SPACE = Space(stages=2, depth=3, width=16, scale=2)


def table(**changes) -> LatencyTable:
    """One of `SPACE`: path n takes 1 + n / 4 ms, the frame 10."""
    blocks = {str(block): 1 + code / 4 for code, block in enumerate(SPACE.blocks)}
    described = {"machine": "2 cores", "runtime": "litert", "runtime_version": "2.3.0", "threads": 2}
    described |= {"input_size": "128x96", "date": "2026-11-23", "scale": 2, "width": 16, "depth": 3, "stem": "plain"}
    return LatencyTable(**{**described, "frame": 10.0, "blocks": blocks, **changes})


def test_a_network_is_the_sum_of_its_parts():
    network = SPACE.network((0, 3, 1))
    assert table().of_frame(network) == 10
    assert [table().of_block(block) for block in network.blocks] == [1, 1.75, 1.25]
    assert table().predict(network) == 14
    assert SPACE.smallest(table().predict) == SPACE.network((0, 0, 0))
    assert SPACE.smallest(lambda other: -table().predict(other)) == SPACE.network((3, 3, 3))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x2:w16:reduced:r0.25:k3:f3:SSS-SSS", "depth 3"),
        ("x2:w24:reduced:r0.25:k3:f3:SSS-SSS-SSS", "width 16"),
        ("x2:w16:strided:reduced:r0.25:k3:f3:SSS-SSS-SSS", "strided"),
        ("x2:w16:light:reduced:r0.25:k3:f3:SSS-SSS-SSS", "stem plain"),
        ("x2:w16:reduced:r0.25:k3:f1:SSS-SSS-SSS", "SSS+reduced+r0.25+k3+f1"),
    ],
)
def test_networks_that_a_table_knows_nothing_of(text, named):
    with pytest.raises(UserError, match=named.replace("+", r"\+")):
        table().predict(Network.parse(text))


def test_a_file_holds_all_of_a_table(tmp_path):
    latency_file.write(tmp_path / "table.json", table())
    assert latency_file.read(tmp_path / "table.json") == table()
    assert json.loads((tmp_path / "table.json").read_text())["version"] == 1


def _changed(**changes) -> dict:
    return {**table().to_json(), **changes}


WRONG = {
    "an older version": (_changed(version=0), "version is 0"),
    "no version": ({name: value for name, value in _changed().items() if name != "version"}, "version"),
    "a list": ([], "no JSON object"),
    "a field too few": ({name: value for name, value in _changed().items() if name != "frame"}, "'frame' is missing"),
    "a field too many": (_changed(flops=1), "'flops' unknown"),
    "not a number": (_changed(frame="10"), "'frame' is '10'"),
    "endless": (_changed(frame=float("inf")), "'frame' is inf"),
    "NaN": (_changed(frame=float("nan")), "'frame' is nan"),
    "nothing": (_changed(frame=0), "'frame' is 0"),
    "true": (_changed(frame=True), "'frame' is True"),
    "half a thread": (_changed(threads=1.5), "'threads'"),
    "no threads": (_changed(threads=0), "'threads'"),
    "no machine": (_changed(machine=" "), "'machine'"),
    "no size": (_changed(input_size="128"), "128x128"),
    "no blocks": (_changed(blocks={}), "'blocks'"),
    "a negative block": (_changed(blocks={"SCS+reduced+r0.25+k3+f3": -1.0}), "SCS.*-1.0"),
    "an unknown letter": (_changed(blocks={"SXS+reduced+r0.25+k3+f3": 1.0}), "'X'"),
    "half a block": (_changed(blocks={"SCS": 1.0}), r"full form, 'SCS\+imdn"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_no_table(tmp_path, case):
    data, named = WRONG[case]
    path = tmp_path / "table.json"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=rf"table\.json: not a latency table.*{named}"):
        latency_file.read(path)


def test_files_that_are_not_even_json(tmp_path):
    (tmp_path / "table.json").write_bytes(b"\xff\xd8")
    for name in ("table.json", "none.json"):
        with pytest.raises(UserError, match=f"{name}: not a latency table"):
            latency_file.read(tmp_path / name)


@pytest.mark.parametrize(
    ("space", "named"),
    [
        (Space(stages=2, depth=4, width=16, scale=2), "of depth 3"),
        (Space(stages=2, depth=3, width=20, scale=2), "of width 16"),
        (Space(stages=2, depth=3, width=16, scale=3), "of scale 2"),
        (Space(stages=2, depth=3, width=16, scale=2, stem="light"), "of stem plain"),
        (Space(stages=3, depth=3, width=16, scale=2), "lacks 8 of the 8 blocks of space dynamic with 3 stages: SSSS+"),
        (Space(stages=2, depth=3, width=16, scale=2, fusion_kernel=1), "f1"),
    ],
)
def test_a_table_of_another_space(space, named):
    table().check(SPACE, "--latency_table=a.json")
    with pytest.raises(UserError, match=rf"^--latency_table=a\.json: .*{named.replace('+', chr(92) + '+')}"):
        table().check(space, "--latency_table=a.json")
