"""Whatever a flag is set to: it does what it says, or one line names it; never a traceback."""

import dataclasses
import json
import zipfile

import pytest
import tensorflow as tf

from srnas_tf import nets
from srnas_tf.arch import Space, imdn
from srnas_tf.errors import UserError
from srnas_tf.nets import files
from srnas_tf.search.settings import Budget, SearchSettings
from srnas_tf.train.settings import MachineSettings, RetrainSettings, TrainSettings

SETTINGS = (Space, TrainSettings, RetrainSettings, SearchSettings, Budget, MachineSettings)
HUGE = str(10**30)
OPEN = {"ema": {"0"}, "retrain_learning_rate": {"0"}}
"""What the flags that have no bounds in their settings may be, of the values that are tried here."""
NUMBERS = {
    field.name: field for kind in SETTINGS for field in dataclasses.fields(kind) if type(field.default) in (int, float)
}


def _may_be(field, value: str) -> bool:
    try:
        number = type(field.default)(value)
    except ValueError:
        return False
    choices, bounds = field.metadata["choices"], field.metadata["bounds"]
    if not choices and not bounds:
        return value in OPEN.get(field.name, ())
    return number in choices if choices else bounds[0] <= number <= bounds[1]


def refused(invoke, *arguments: str) -> str:
    """The one line in which a command is refused."""
    status, stdout, stderr = invoke(*arguments)
    assert (status, stdout) == (2, ""), stderr
    [line] = stderr.splitlines()
    assert line.startswith("srnas_tf: ")
    return line


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(invoke, tmp_path, monkeypatch, name):
    """The pipeline reads all settings, and only then looks for its photographs."""
    monkeypatch.chdir(tmp_path)
    for value in ("0", "-1", "-0.5", HUGE, "nan", "inf", "1e400", "six", "", " ", "9" * 5000):
        line = refused(invoke, "--mode=pipeline", "--data=nowhere", f"--{name}={value}")
        passes = _may_be(NUMBERS[name], value)
        assert ("nowhere: no such folder" in line) == passes, line
        assert passes or name in line, line
    assert list(tmp_path.iterdir()) == []


CONTRADICTIONS = {
    "a network by name, and a depth": (["train", "--net=imdn", "--depth=4"], "--net=imdn"),
    "a width that a network cannot have": (["describe", "--net=idn", "--width=24"], "--width=24"),
    "a network by name, and codes": (["describe", "--net=carn", "--arch=1,2"], "--net=carn"),
    "a full text, and a depth": (["describe", "--arch=x4:w64:imdn:SCSCS", "--depth=2"], "--depth=2"),
    "ends that differ, and are shared": (["supernet", "--sharing=ends", "--ending=imdn"], "--ending=reduced"),
    "skips twice": (["supernet", "--space=initial20", "--skip_first"], "--skip_first"),
    "a budget that nothing meets": (["pipeline", "--max_macs=1000"], "--max_macs=1000"),
    "codes outside": (["describe", "--stages=2", "--arch=4,0,0,0,0,0"], "0 to 3"),
    "a supernet as its own beginning": (["supernet", "--init=supernet"], "--init=supernet"),
    "a beginning that is not there": (["supernet", "--init=no.keras"], "no.keras"),
    "channels too few to split": (["supernet", "--width=3"], "--width"),
    "weights that are no file": (["import", "--input=no.pth"], "no.pth"),
    "an image that is not there": (["upscale", "--input=no.png", "--output=a.png", "--model=no.onnx"], "no.onnx"),
    "an unknown image format": (["upscale", f"--input={__file__}", "--output=a.xyz", "--model=x2"], "a.xyz"),
    "a folder that is a file": (["supernet", f"--data={__file__}"], "no such folder"),
    "no folder at all": (["supernet", "--data=,"], "--data"),
    "an unknown mode": (["fly"], "mode"),
    "an empty mode": ([""], "mode"),
    "an unknown table": (["tables", "--table=9.9"], "--table=9.9"),
    "results that are not there": (["tables", "--results=nowhere"], "--results=nowhere"),
    "an unknown schedule": (["supernet", "--schedule=linear"], "schedule"),
    "a truth that is none": (["supernet", "--skip_first=perhaps"], "skip_first"),
    "a kernel that is even": (["supernet", "--kernel=4"], "kernel 4"),
    "a kernel that is no number": (["supernet", "--kernel=a,b"], "--kernel=a,b"),
    "a kernel without end": (["supernet", f"--kernel={HUGE}"], "--kernel"),
    "a fusion that nobody has": (["supernet", "--fusion_kernel=5"], "--fusion_kernel=5"),
    "a scale that nobody has": (["supernet", "--scale=5"], "--scale=5"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions(invoke, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (mode, *arguments), named = CONTRADICTIONS[case]
    assert named in refused(invoke, f"--mode={mode}", *arguments)
    assert list(tmp_path.iterdir()) == []


ARCHITECTURES = [
    "", ",", "-", "1,,2", "7,1,7,7,5", "7,1,7,7,5,7,7", "-1,0,0,0,0,0", "7;1;7", "²,1,7,7,5,7", "9" * 5000, "SCXC",
    "SCS-SCS", "scs", "S" * 100_000, "x4", "x4:", "x4:w64", "x4:w64:", "x9:w64:imdn:SCS", "x4:w0:imdn:SCS",
    f"x4:w{HUGE}:imdn:SCS", f"x{'9' * 5000}:w64:imdn:SCS", "x4:w64:imdn:r2:SCS", "x4:w64:imdn:k4:SCS",
    "x4:w64:imdn:k0:SCS",
    f"x4:w64:imdn:k{HUGE}:SCS", "x4:w64:imdn:rnan:SCS", "x4:w64:nothing:SCS", "x4:w64:imdn:SCS+k", "x4:w64:imdn:SCS-",
    "x4:carn:carn", "x7:carn", f"x{'9' * 5000}:carn", "x4:w64:" + "-".join(["C"] * 2000),
]  # fmt: skip


@pytest.mark.parametrize("text", ARCHITECTURES, ids=lambda text: repr(text[:20]))
def test_malformed_architectures(invoke, text):
    line = refused(invoke, "--mode=describe", f"--arch={text}")
    assert len(line) < 1000


def test_flagfiles(invoke, tmp_path):
    """One that includes itself says what it says once."""
    (tmp_path / "self.flags").write_text(f"--mode=describe\n--depth=2\n--flagfile={tmp_path / 'self.flags'}\n")
    status, stdout, _ = invoke(f"--flagfile={tmp_path / 'self.flags'}")
    assert status == 0
    assert "supernet_params" in json.loads(stdout)
    (tmp_path / "one.flags").write_text(f"--mode=describe\n--flagfile={tmp_path / 'two.flags'}\n")
    (tmp_path / "two.flags").write_text(f"--width=0\n--flagfile={tmp_path / 'one.flags'}\n")
    status, stdout, stderr = invoke(f"--flagfile={tmp_path / 'one.flags'}")
    assert (status, stdout) == (2, "")
    assert "--width=0" in stderr.splitlines()[-1]
    assert str(tmp_path) in refused(invoke, f"--flagfile={tmp_path}")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model file that is what it should be."""
    path = tmp_path_factory.mktemp("models") / "model.keras"
    files.save(nets.build(imdn(2, 8, 1)), path)
    return path


def _rewritten(path, target, change) -> None:
    """A copy of an archive in which the members are what `change` makes of them; None leaves one out."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as changed:
        for name in archive.namelist():
            if (content := change(name, archive.read(name))) is not None:
                changed.writestr(name, content)


def _config(change):
    """Changes the configuration within a model file."""

    def rewrite(name, content):
        if name != "config.json":
            return content
        config = json.loads(content)
        change(config)
        return json.dumps(config)

    return rewrite


BROKEN = {
    "of a later version": _config(lambda config: config["config"].update(gates=3)),
    "of another package": _config(lambda config: config.update(registered_name="other>Net", class_name="Net")),
    "of no class": _config(lambda config: config.clear()),
    "of no known network": _config(lambda config: config["config"].update(network="x4:w64:perhaps")),
    "of another network": _config(lambda config: config["config"].update(network="x2:w16:imdn:SCSCS")),
    "of a network without end": _config(
        lambda config: config["config"].update(network="x2:w4096:imdn:k31:S" + "C" * 63)
    ),
    "whose network is a number": _config(lambda config: config["config"].update(network=7)),
    "whose configuration is a list": lambda name, content: b"[]" if name == "config.json" else content,
    "whose configuration is no JSON": lambda name, content: b"{" if name == "config.json" else content,
    "whose configuration is deep": lambda name, content: b"[" * 100_000 if name == "config.json" else content,
    "without a configuration": lambda name, content: None if name == "config.json" else content,
    "without weights": lambda name, content: None if name.endswith("h5") else content,
    "whose weights are none": lambda name, content: b"weights" if name.endswith("h5") else content,
    "whose weights are cut": lambda name, content: content[: len(content) // 2] if name.endswith("h5") else content,
}


@pytest.mark.parametrize("harm", BROKEN)
def test_model_files(model, tmp_path, harm):
    _rewritten(model, tmp_path / "bad.keras", BROKEN[harm])
    with pytest.raises(UserError, match=r"bad\.keras") as caught:
        files.load(tmp_path / "bad.keras")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("harm", ["truncated", "text", "empty", "folder", "zip", "missing", *BROKEN])
@pytest.mark.parametrize("mode", ["describe", "evaluate", "upscale", "export"])
def test_modes_and_model_files(invoke, model, tmp_path, harm, mode):
    bad = tmp_path / "bad.keras"
    if harm in BROKEN:
        _rewritten(model, bad, BROKEN[harm])
    elif harm == "folder":
        bad.mkdir()
    elif harm == "zip":
        _rewritten(model, bad, lambda name, content: None)
    elif harm != "missing":
        content = {"truncated": model.read_bytes()[:-500], "text": b"weights", "empty": b""}[harm]
        bad.write_bytes(content)
    (tmp_path / "a.png").touch()
    flags_ = [f"--model={bad}", f"--input={tmp_path}/a.png", f"--output={tmp_path}/b.png", "--data=photos"]
    if mode == "describe" and harm in DESCRIBED:
        assert invoke("--mode=describe", *flags_)[0] == 0
    else:
        assert "bad.keras" in refused(invoke, f"--mode={mode}", *flags_)


DESCRIBED = {
    "of a later version", "of another package", "of another network", "without weights", "whose weights are none",
    "whose weights are cut", "of a network without end",
}  # fmt: skip
"""What a description can be read from all the same."""


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")])
def test_more_than_the_machine_has_is_one_line(invoke, monkeypatch, error):
    def run(workdir):
        raise error

    monkeypatch.setattr("srnas_tf.modes.describe.run", run)
    status, _, stderr = invoke("--mode=describe")
    assert status == 1
    assert stderr.startswith("srnas_tf: out of memory; lower ")
