"""The command line as a person meets it: arguments without flags, help, the version, mistakes that answer at once."""

import ast
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image

from docs import pages
from srnas_tf import __version__, models
from srnas_tf.modes import catalogue
from srnas_tf.modes.catalogue import MODES

HEAVY = {"tensorflow", "keras", "onnx", "onnxruntime", "matplotlib", "ray", "jax", "torch"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def image(tmp_path):
    """A small photograph."""
    path = tmp_path / "photo.png"
    Image.fromarray(photograph(np.random.default_rng(0), 20, 24)).save(path)
    return path


def _size(path):
    with Image.open(path) as image:
        return image.size


def test_upscale_needs_no_flag(invoke, image, tmp_path):
    assert invoke("upscale", str(image))[0] == 0
    assert _size(tmp_path / "photo-x4.png") == (96, 80)
    assert invoke("upscale", str(image), str(tmp_path / "large.webp"), "--scale=2")[0] == 0
    assert _size(tmp_path / "large.webp") == (48, 40)


def test_an_argument_never_names_a_file_to_overwrite(invoke, image, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(image.read_bytes())
    status, _, stderr = invoke("upscale", str(image), str(other))
    assert (status, other.read_bytes()) == (2, image.read_bytes())
    assert "other.png: exists" in stderr
    assert "name their folder" in invoke("upscale", str(image), "a.png", "b.png")[2]
    assert "--input=c.png is given, too" in invoke("upscale", str(image), "--input=c.png")[2]


def test_arguments_and_flags_are_the_same(invoke, image):
    assert f"srnas upscale {image}" in invoke(str(image))[2]
    assert invoke("describe", "--net=carn") == invoke("--mode=describe", "--net=carn")
    assert "fly: no mode" in invoke("fly")[2]


def test_a_network_of_the_package_has_a_name(invoke):
    assert invoke("describe", "--model=x4") == invoke("describe", f"--model={models.named('x4')}")
    status, _, stderr = invoke("evaluate", "x9")
    assert status == 2
    assert ", ".join(models.names()) in stderr


def test_the_version(invoke):
    assert invoke("--version") == (0, f"srnas_tf {__version__}\n", "")


@pytest.mark.parametrize("door", ["srnas_tf", "srnas_tf.run"])
def test_the_doors_are_one(door):
    line = [sys.executable, "-m", door, "--version"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert done.stdout == f"srnas_tf {__version__}\n"


MISTAKES = [
    ["supernet", "--steps=0"],
    ["train", "--colour=red"],
    ["supernet", "--data=nowhere"],
    ["search", "--workdir=nowhere"],
    ["upscale", "nowhere.jpg"],
    ["export", "nowhere.keras"],
    ["pipeline", "--max_megapixels=0"],
    ["pipeline", "--export_files=model.gif"],
    ["evaluate"],
]


def test_a_mistake_is_told_before_anything_heavy_is_imported(tmp_path):
    """On modules, not on time: numpy and Pillow take a third of a second, TensorFlow five."""
    script = f"""
import sys
from absl import flags
from srnas_tf import run
for arguments in {MISTAKES}:
    for names in [flags.FLAGS.flags_by_module_dict().get(m, []) for m in ("srnas_tf.run", "srnas_tf.flags")]:
        for flag in list(names):
            delattr(flags.FLAGS, flag.name)
    assert run.main(["srnas", *arguments]) == 2, arguments
    assert not {HEAVY} & set(sys.modules), (arguments, {HEAVY} & set(sys.modules))
"""
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == len(MISTAKES)
    assert list(tmp_path.iterdir()) == []


def _used(mode: str) -> tuple[set[str], set[str]]:
    """The settings that a mode's module takes from flags, and the flags that it asks for by name."""
    tree = ast.parse((ROOT / "srnas_tf" / "modes" / f"{MODES[mode].module}.py").read_text("utf-8"))
    kinds, names = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in (
            "from_flags",
            "settle",
            "recorded",
            "given",
        ):
            kinds |= {each.id for each in node.args if isinstance(each, ast.Name) and each.id in KINDS}
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("path", "required_path"):
            names |= {each.value for each in node.args if isinstance(each, ast.Constant)}
        if isinstance(node, ast.Attribute) and getattr(node.value, "attr", "") == "FLAGS":
            names.add(node.attr)
    return kinds, names - {"mode"}


PARTLY = {
    "evaluate": {"MachineSettings"},
    "upscale": {"Space"},
    "demo": {"Space"},
    "describe": {"DataSettings"},
}
"""Settings of which a mode uses a flag or two."""
KINDS = {kind.__name__ for kind in catalogue.settings()}


@pytest.mark.parametrize("mode", MODES)
def test_help_shows_the_flags_that_a_mode_uses(invoke, mode):
    status, stdout, stderr = invoke(f"--mode={mode}", "--help")
    assert (status, stderr) == (0, "")
    assert stdout == invoke(mode, "--help")[1]
    shown = {line.split(":")[0].strip(" -") for line in stdout.splitlines() if line.startswith("  --")}
    assert shown == MODES[mode].names
    kinds, names = _used(mode)
    whole = {kind.__name__ for kind in MODES[mode].kinds}
    partly = (
        {"MachineSettings", "Space", "DataSettings"} if mode in ("evaluate", "upscale", "demo", "describe") else set()
    )
    assert kinds <= whole | partly
    assert names <= shown
    examples = stdout.split("examples:\n")[1].split("\n\n")[0].splitlines()
    assert examples == sorted(examples, key=len)


def test_helpfull_shows_all_flags(invoke):
    status, stdout, _ = invoke("--helpfull")
    assert status == 0
    assert all(f"--{name}" in stdout or f"--[no]{name}" in stdout for mode in MODES.values() for name in mode.names)


def _commands():
    """What documents and help tell a reader to type."""
    examples = [(name, example) for name, mode in MODES.items() for example in mode.examples]
    for document in pages.documents():
        fences = [token.content for token in pages.PARSER.parse(document.read_text("utf-8")) if token.type == "fence"]
        lines = "\n".join(fences).replace("\\\n", " ").splitlines()
        spelt = [re.sub(r"^\$ |^uv run ", "", line).split(" | ")[0] for line in lines]
        examples += [(document.name, line) for line in spelt if line.startswith(("srnas ", "python -m srnas_tf"))]
    return examples


def test_documents_and_help_show_commands_that_there_are():
    """Modes that exist, with flags that they use."""
    found = _commands()
    assert len(found) > 50
    for where, command in found:
        words = shlex.split(command, comments=True)
        words = words[3:] if words[0] == "python" else words[1:]
        given = [word.lstrip("-").partition("=")[0] for word in words if word.startswith("--")]
        if set(given) & {"version", "help", "helpfull"} or words[0] == "MODE":
            continue
        mode = next((word.removeprefix("--mode=") for word in words if word.startswith("--mode=")), words[0])
        assert mode in MODES, (where, command)
        used = MODES[mode].names | {"mode", "flagfile"} | {f"no{name}" for name in MODES[mode].names}
        assert set(given) <= used, (where, command, set(given) - used)
