"""Exports networks into a folder, with a manifest and the script that times them, here or on a device."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srnas_tf.arch import Architecture, Network, Space
from srnas_tf.arch.space import Trunk
from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import convert, int8, runtimes, stopwatch
from srnas_tf.freeze.runtimes import BY_FILE, BY_NAME, FORMS, USUAL
from srnas_tf.freeze.saved_model import save
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.host import child
from srnas_tf.host.progress import progress
from srnas_tf.nets import build
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.network import Frame
from srnas_tf.nets.transfer import reparameterized
from srnas_tf.seeding import generator
from srnas_tf.workdir.files import read_json, write_json, write_text

MANIFEST = "manifest.json"
LAUNCHER = '''"""Times the networks of `manifest.json`, and makes a latency table of them: python measure.py [--help]"""

import sys

from timing import stopwatch

if __name__ == "__main__":
    sys.exit(stopwatch.main())
'''
"""The script to start on a device, beside `timing/`."""
WANTED = "wanted.json"
"""The name of the manifest while files are still missing."""
CALIBRATION_SIZE = (32, 32)
"""Of the images that int8 files of untrained networks learn their ranges from."""
CHUNK = 8
"""Networks that are exported together. A kill loses no more than these."""

Model = Callable[[], keras.Model]
"""() -> a model that enlarges a batch with one image."""


def tells_by_model(space: Space, settings: LatencySettings) -> bool:
    """Whether a model predicts a space's latency: it does if the space has several trunks, or many blocks.

    Otherwise each block is timed, which is exact except for noise.
    """
    return len(space.trunks) > 1 or len(space.blocks) >= settings.latency_networks


def write_table_kit(
    folder: Path, settings: LatencySettings, space: Space, networks: Sequence[Network], blocks: bool = True
) -> None:
    """Writes exported networks and `manifest.json`, from which the script makes a table of blocks.

    A finished folder stays as it is. An unfinished one is completed.

    Args:
        settings: runtime and image size.
        networks: networks to compare predictions with.
        blocks: whether to write the frame and the blocks for a table.
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
    """Writes exported networks and `manifest.json`, from which the script makes a latency model.

    Args:
        fitted: the networks for the model.
        networks: other networks, to compare predictions with.
    """
    manifest = {"version": 2, "runtime": settings.runtime, "input_size": settings.input_size, "scale": space.scale}
    manifest["fitted"] = [str(network) for network in fitted]
    _write(folder, manifest, {}, [*fitted, *networks], settings)


def _write(
    folder: Path, manifest: dict, models: dict[str, Model], networks: Sequence[Network], settings: LatencySettings
) -> None:
    """Exports models and networks, then writes the manifest."""
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
    """Writes `measure.py` and its modules, which time a folder's files without this package."""
    write_text(folder / "measure.py", LAUNCHER)
    home = folder / "timing"
    home.mkdir()
    shutil.copyfile(stopwatch.__file__, home / "stopwatch.py")
    (home / "runtimes").mkdir()
    for module in sorted(Path(runtimes.__file__).parent.glob("*.py")):
        shutil.copyfile(module, home / "runtimes" / module.name)


def trunk_of(space: Space) -> Trunk:
    """The trunk of a space for a table.

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
    """A network with random weights. Latency does not depend on them."""

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
    """Writes each model as a file of the runtime. Existing files stay.

    Raises:
        WorkError: if one cannot be converted or written.
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
    """The names of models whose files exist."""
    converts = BY_NAME[runtime].file != FORMS[0].file
    saved = folder / "saved" if converts else folder
    command: list[str] = []
    for file, make in models.items():
        model = make()
        with writing(folder, tf.errors.OpError):
            save(model, saved / file)
        form, arguments = _form_of(model, runtime, folder)
        command += ["--", str(saved / file), *arguments, f"{form}={folder / file}"]
        if not converts:
            yield file
    if converts:
        for line in lines_of(child.command("srnas_tf.freeze.convert", *command), "converting"):
            if line.startswith(convert.MARK):
                yield Path(convert.Said.of(line).file).name


def _form_of(model: keras.Model, runtime: str, folder: Path) -> tuple[str, list[str]]:
    """The form of a model's file for a runtime, and the converter's arguments before it. A model that has nothing to
    quantize gets a float32 file in the place of an int8 one.
    """
    runs = BY_NAME[runtime]
    form = BY_FILE[runs.file]
    if not form.is_int8:
        return form.file, []
    convolutions = "" if isinstance(model, Hollow) else int8.of_untrained(model.network)
    if not convolutions:
        return USUAL[runs.suffix].file, []
    images = folder / "images.npy"
    if not images.exists():
        np.save(images, generator(0, "calibration").random((4, *CALIBRATION_SIZE, 3), np.float32))
    return form.file, [f"patches={images}", f"inner={convolutions}"]


def lines_of(command: Sequence[str], what: str) -> Iterator[str]:
    """The output of a process, line by line. The process ends with the generator.

    Raises:
        WorkError: if it fails, with the last line of its stderr.
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
