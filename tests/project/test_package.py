"""What is installed: a wheel that needs no checkout, an sdist that is one, and versions that were tested."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from srnas_tf.data.sources import PHOTOS

PACKAGE = ROOT / "srnas_tf"
PINS = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
BUILD = "import setuptools.build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder of a wheel and an sdist, made from a copy of the tree without the network."""
    tree = tmp_path_factory.mktemp("built") / "tree"
    left_out = shutil.ignore_patterns(
        ".*_cache", ".git", ".venv*", "__pycache__", "*.egg-info", "build", "dist", "runs"
    )
    shutil.copytree(ROOT, tree, symlinks=True, ignore=left_out)
    subprocess.run([sys.executable, "-c", BUILD], cwd=tree, check=True, capture_output=True)
    return tree / "dist"


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The wheel's files, as an installation lays them down."""
    folder = tmp_path_factory.mktemp("installed")
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _files(folder: Path) -> set[str]:
    """Of a package, symbolic links followed: paths relative to the folder that it lies in."""
    walked = os.walk(folder, followlinks=True)
    paths = [Path(home, name) for home, _, names in walked for name in names if not home.endswith("__pycache__")]
    return {path.relative_to(folder.parent).as_posix() for path in paths}


def test_the_wheel_holds_the_whole_package_and_nothing_else(installed):
    assert _files(installed / "srnas_tf") == _files(PACKAGE)
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"srnas_tf"}
    flagfiles = {path.name: path.read_bytes() for path in (ROOT / "flags").iterdir()}
    assert {path.name: path.read_bytes() for path in (installed / "srnas_tf" / "flagfiles").iterdir()} == flagfiles


def test_the_wheel_describes_itself(installed):
    """The console script, the Pythons that it is for, the notice of licences, and no licence of its own yet."""
    [information] = installed.glob("*.dist-info")
    found = importlib.metadata.PathDistribution(information)
    assert [(point.name, point.value) for point in found.entry_points] == [("srnas", "srnas_tf.run:console")]
    assert SpecifierSet(found.metadata["Requires-Python"]) == SpecifierSet(">=3.11,<3.14")
    assert found.metadata["License"] is found.metadata["License-Expression"] is None
    assert (information / "licenses" / "NOTICE.md").read_text("utf-8") == (ROOT / "NOTICE.md").read_text("utf-8")


def test_the_embedded_photographs_have_their_licences_named():
    notice = (ROOT / "NOTICE.md").read_text("utf-8")
    photos = {path.name for path in (PACKAGE / "data" / "photos").iterdir()}
    assert photos == {name for names in PHOTOS.values() for name in names}
    assert all(f"srnas_tf/data/photos/{name}" in notice for name in photos)


def test_the_sdist_holds_what_tests_and_readers_need(built):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CONTRIBUTING.md", "Makefile", "constraints.txt", "pyproject.toml", "setup.py"} <= held
    for folder in ("srnas_tf", "tests", "flags", "export", "docs", "results", "benchmarks"):
        assert {path for path in _files(ROOT / folder) if not path.endswith(".pyc")} <= held, folder


def test_it_runs_without_the_repository(installed, tmp_path):
    def describe(flagfile: str) -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "srnas_tf.run", "--mode=describe", f"--flagfile={flagfile}"]
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)

    done = describe("flags/quickstart.flags")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["supernet_params"]
    missing = describe("flags/nothing.flags")
    assert missing.returncode == 2
    assert "flags/nothing.flags" in missing.stderr


def test_a_flagfile_of_the_current_folder_goes_first(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    everywhere = json.loads(invoke("--mode=describe", "--flagfile", "flags/quickstart.flags")[1])
    assert json.loads(invoke("--mode=describe", "--flagfile=flags/quickstart.flags")[1]) == everywhere
    (tmp_path / "flags").mkdir()
    (tmp_path / "flags" / "quickstart.flags").write_text("--depth=1\n")
    here = json.loads(invoke("--mode=describe", "--flagfile=flags/quickstart.flags")[1])
    assert here["supernet_params"] != everywhere["supernet_params"]
    assert here == json.loads(invoke("--mode=describe", "--depth=1")[1])


def test_the_tested_set_is_exact_and_has_no_home():
    for pin in PINS:
        requirement = Requirement(pin)
        [version] = requirement.specifier
        assert (requirement.url, version.operator) == (None, "=="), pin
        assert "+" not in version.version and "*" not in version.version, pin  # builds of one index or machine alone


def test_what_is_required_was_tested(installed):
    """Each requirement, but those of benchmarks, allows what is in the tested set, and no version after the next."""
    [metadata] = installed.glob("*.dist-info/METADATA")
    tested = {pin.partition("==")[0].lower().replace("_", "-"): pin.partition("==")[2] for pin in PINS}
    for text in importlib.metadata.PathDistribution(metadata.parent).requires or []:
        requirement = Requirement(text)
        if requirement.marker and requirement.marker.evaluate({"extra": "benchmarks"}):
            continue
        assert requirement.specifier.contains(tested[requirement.name.lower()]), text
        operators = {each.operator for each in requirement.specifier}
        assert operators == ({">="} if requirement.name == "setuptools" else {">=", "<"}), text


@pytest.mark.skipif(Path(sys.prefix).parent != ROOT, reason="is not the environment that make sets up")
def test_make_installs_the_tested_set():
    named = {pin.partition("==")[0].lower().replace("_", "-"): pin.partition("==")[2] for pin in PINS}
    # Not what Ray brings along and puts in the way.
    for installed in importlib.metadata.distributions(path=[sysconfig.get_path("purelib")]):
        name = installed.name.lower().replace("_", "-")
        if name not in ("pip", "srnas-tf"):
            assert named.get(name) == installed.version, name


def test_the_tested_set_serves_the_oldest_python():
    """3.11.0, that is: some systems' own stays at 3.11.2, and what asks for a later one could not be installed."""
    for pin in PINS:
        try:
            asked = importlib.metadata.metadata(pin.partition("==")[0])["Requires-Python"]
        except importlib.metadata.PackageNotFoundError:  # of an extra that the tests do without
            continue
        assert "3.11.0" in SpecifierSet(asked or ""), (pin, asked)
