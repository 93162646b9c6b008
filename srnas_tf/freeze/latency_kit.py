"""Networks, frozen into a folder with a manifest and the script that times them: here or on a device."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from srnas_tf.arch import Architecture, Network, Space
from srnas_tf.arch.space import Trunk
from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import convert, runtimes, stopwatch
from srnas_tf.freeze.runtimes import BY_NAME, FORMS
from srnas_tf.freeze.saved_model import save
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.host import child
from srnas_tf.host.progress import progress
from srnas_tf.nets import build
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.network import Frame
from srnas_tf.nets.transfer import reparameterized
from srnas_tf.workdir.files import read_json, write_json, write_text

MANIFEST = "manifest.json"
LAUNCHER = '''"""Times the networks of `manifest.json`, and makes a latency table of them: python measure.py [--help]"""

import sys

from timing import stopwatch

if __name__ == "__main__":
    sys.exit(stopwatch.main())
'''
"""The script that is started on a device; `timing/` lies beside it."""
WANTED = "wanted.json"
"""What the manifest will be, while files are still missing."""
CHUNK = 8
"""Networks that are frozen together: a kill costs no more."""

Model = Callable[[], keras.Model]
"""Makes what is to be frozen: an image's batch, enlarged."""


def tells_by_model(space: Space, settings: LatencySettings) -> bool:
    """Whether a space's latency is told from whole networks of it: it has several trunks, or more blocks than that.

    Otherwise each of its blocks is timed, which is exact but for noise.
    """
    return len(space.trunks) > 1 or len(space.blocks) >= settings.latency_networks


def write_table_kit(
    folder: Path, settings: LatencySettings, space: Space, networks: Sequence[Network], blocks: bool = True
) -> None:
    """A folder of frozen networks and `manifest.json`, from which the script makes a table of blocks.

    One that is there already stays; one that is half there is made up.

    Args:
        settings: for which runtime, and the usual size of image.
        networks: whole networks of the space, to compare predictions with.
        blocks: whether the frame and the blocks go along, which make a table.
    """
    suffix = BY_NAME[settings.runtime].suffix
    models: dict[str, Model] = {}
    manifest: dict = {"version": 1, "runtime": settings.runtime, "input_size": settings.input_size}
    trunk = trunk_of(space)
    manifest |= {name: getattr(trunk, name, space.scale) for name in stopwatch.FRAMED}
    if blocks:
        manifest["frame"] = f"frame{suffix}"
        alike = [Network(space.scale, trunk.width, (block,) * trunk.depth, trunk.stem) for block in space.blocks]
        stem = alike[0].deployed.stem
        models[manifest["frame"]] = lambda: Hollow(space.scale, trunk.width, trunk.depth, stem)
        manifest["blocks"] = {str(block): f"block{i}{suffix}" for i, block in enumerate(space.blocks)}
        models |= {file: drawn(network) for file, network in zip(manifest["blocks"].values(), alike, strict=True)}
    _write(folder, manifest, models, networks, settings)


def write_model_kit(
    folder: Path,
    settings: LatencySettings,
    space: Space,
    fitted: Sequence[Network],
    networks: Sequence[Network] = (),
) -> None:
    """A folder of frozen networks and `manifest.json`, from which the script makes a latency model; as the other.

    Args:
        fitted: what the model is fitted to.
        networks: others, to compare predictions with.
    """
    manifest = {"version": 2, "runtime": settings.runtime, "input_size": settings.input_size, "scale": space.scale}
    manifest["fitted"] = [str(network) for network in fitted]
    _write(folder, manifest, {}, [*fitted, *networks], settings)


def _write(
    folder: Path, manifest: dict, models: dict[str, Model], networks: Sequence[Network], settings: LatencySettings
) -> None:
    """Freezes models and whole networks, then writes the manifest."""
    manifest["networks"] = {}
    for i, network in enumerate(networks):
        file = f"network{i}{BY_NAME[settings.runtime].suffix}"
        manifest["networks"][str(network)] = {"file": file, "blocks": [str(block) for block in network.blocks]}
        models[file] = drawn(network)
    if (folder / MANIFEST).exists() and read_json(folder / MANIFEST) == manifest:
        return
    if not (folder / WANTED).exists() or read_json(folder / WANTED) != manifest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(folder / WANTED, manifest)
    freeze_all(models, folder, settings.runtime)
    (folder / WANTED).replace(folder / MANIFEST)


def write_script(folder: Path) -> None:
    """Writes what times a folder's files without this package: `measure.py`, and what it starts."""
    write_text(folder / "measure.py", LAUNCHER)
    home = folder / "timing"
    home.mkdir()
    shutil.copyfile(stopwatch.__file__, home / "stopwatch.py")
    (home / "runtimes").mkdir()
    for module in sorted(Path(runtimes.__file__).parent.glob("*.py")):
        shutil.copyfile(module, home / "runtimes" / module.name)


def trunk_of(space: Space) -> Trunk:
    """The trunk of a space that a table can be made of.

    Raises:
        UserError: if it has several.
    """
    for name in Trunk._fields:
        if len(values := getattr(space, name)) > 1:
            raise UserError(
                f"--{name}={values}: a latency table is of networks with one {name}; give one value, or limit "
                "--max_params or --max_macs instead"
            )
    return space.trunks[0]


def drawn(network: Architecture) -> Model:
    """A network with weights drawn at random, on which its latency does not depend."""

    def make() -> keras.Model:
        model = build(network)
        initialize(model, 0, "uniform")
        return reparameterized(model)

    return make


class Hollow(Frame):
    """A network whose blocks do nothing."""

    def call(self, lr):
        return self.enlarge(lr, [lambda x: x] * self.depth)


def freeze_all(models: Mapping[str, Model], folder: Path, runtime: str) -> None:
    """Writes each model as a file that the runtime runs; those that are there stay.

    Raises:
        WorkError: where one cannot be converted, or written.
    """
    missing = [file for file in models if not (folder / file).exists()]
    done = len(models) - len(missing)
    with progress(f"networks for {runtime}", len(models), done) as report:
        for i in range(0, len(missing), CHUNK):
            with tempfile.TemporaryDirectory(dir=folder) as part:
                for file in _frozen({file: models[file] for file in missing[i : i + CHUNK]}, Path(part), runtime):
                    (Path(part) / file).replace(folder / file)
                    done += 1
                    report(done, file)


def _frozen(models: Mapping[str, Model], folder: Path, runtime: str) -> Iterator[str]:
    """Names of models as they are there as files of a runtime."""
    form = BY_NAME[runtime].file
    converts = form != FORMS[0].file
    saved = folder / "saved" if converts else folder
    command: list[str] = []
    for file, make in models.items():
        with writing(folder, tf.errors.OpError):
            save(make(), saved / file)
        command += ["--", str(saved / file), f"{form}={folder / file}"]
        if not converts:
            yield file
    if converts:
        for line in lines_of(child.command("srnas_tf.freeze.convert", *command), "converting"):
            if line.startswith(convert.MARK):
                yield Path(convert.Said.of(line).file).name


def lines_of(command: Sequence[str], what: str) -> Iterator[str]:
    """What a process prints, line by line; none is left behind.

    Raises:
        WorkError: where it fails, with the last line of its stderr.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as aside,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=aside, text=True) as process,
    ):
        assert process.stdout
        try:
            for line in process.stdout:
                yield line.rstrip("\n")
        except BaseException:
            process.kill()
            raise
        if process.wait():
            aside.seek(0)
            said = aside.read().strip().splitlines()
            raise WorkError(f"{what} failed: {said[-1] if said else process.returncode}")
