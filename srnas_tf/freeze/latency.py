"""Latency: networks are frozen, timed by turns in a process of their own, and a space's blocks kept as a table."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from srnas_tf.arch import Architecture, Network, Space
from srnas_tf.arch.latency import LatencyTable
from srnas_tf.arch.space import Trunk
from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import convert, latency_file, runtimes, stopwatch
from srnas_tf.freeze.runtimes import BY_NAME, FORMS, RUNTIMES
from srnas_tf.freeze.saved_model import save
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.freeze.upscalers import KERAS, check_installed, is_installed
from srnas_tf.host import child
from srnas_tf.host.progress import progress
from srnas_tf.nets import build, files
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.network import Frame
from srnas_tf.nets.transfer import folded
from srnas_tf.workdir.files import read_json, write_json, write_text
from srnas_tf.workdir.folder import Workdir

MANIFEST = "manifest.json"
LAUNCHER = '''"""Times the networks of `manifest.json`, and makes a latency table of them: python measure.py [--help]"""

import sys

from timing import stopwatch

if __name__ == "__main__":
    sys.exit(stopwatch.main())
'''
"""The script that is started on a device; `timing/` lies beside it."""
DESCRIBED = ("machine", "runtime", "runtime_version", "threads", "input_size")
"""What is said of any measurement."""

Model = Callable[[], keras.Model]
"""Makes what is to be frozen: an image's batch, enlarged."""


class Times(NamedTuple):
    """What the script measured.

    Attributes:
        described: `DESCRIBED`, by name.
        ms: milliseconds by file.
    """

    described: dict
    ms: dict[str, float]


def table_of(settings: LatencySettings, space: Space, workdir: Workdir, rounds: int = stopwatch.ROUNDS) -> LatencyTable:
    """The latency table of a space: the one that the settings give, or the workdir's, or one that is measured now.

    Measuring takes minutes, goes on where an earlier process was stopped, and records the space in the workdir.

    Raises:
        UserError: where a table is of another space or of other conditions.
        WorkError: where measuring fails.
    """
    return known_table(settings, space, workdir) or measure_space(settings, space, workdir, (), rounds)[0]


def known_table(settings: LatencySettings, space: Space, workdir: Workdir) -> LatencyTable | None:
    """The table that the settings give, or that the workdir has; None where there is none. Raises as `table_of`."""
    given = bool(settings.latency_table)
    path = Path(settings.latency_table) if given else _kept(settings, workdir)
    if not given and not path.exists():
        return None
    source = f"--latency_table={path}" if given else str(path)
    table = latency_file.read(path)
    table.check(space, source)
    settings.agree(table, source)
    return table


def _kept(settings: LatencySettings, workdir: Workdir) -> Path:
    return workdir / f"latency-{settings.name}.json"


def measure_space(
    settings: LatencySettings, space: Space, workdir: Workdir, networks: Sequence[Network], rounds: int
) -> tuple[LatencyTable, Times]:
    """A space's table and, by the same turns where the table is new, the times of whole networks, by text form."""
    trunk_of(space)
    table = known_table(settings, space, workdir)
    if table and not networks:
        return table, Times({name: getattr(table, name) for name in DESCRIBED}, {})
    here = LatencySettings.of(table) if table else settings
    if table and here.runtime not in BY_NAME:
        raise UserError(
            f"--latency_table={settings.latency_table}: of {here.runtime}, which nothing can be timed in here"
        )
    check_installed(BY_NAME[here.runtime])
    workdir.claim(network=space)
    folder = workdir / f".latency-{here.name}"
    write_kit(folder, here, space, networks, blocks=table is None)
    times = measure(folder, here, rounds)
    if table is None:
        table = latency_file.read(folder / f"latency-{here.name}.json")
        latency_file.write(_kept(here, workdir), table)
    manifest = read_json(folder / MANIFEST)
    shutil.rmtree(folder)
    return table, Times(
        times.described, {text: times.ms[entry["file"]] for text, entry in manifest["networks"].items()}
    )


def measure_model(path: Path, settings: LatencySettings, rounds: int) -> Times:
    """A model file's latency in the settings' runtime; a `.keras` file is frozen for it first.

    Raises:
        UserError: where that runtime does not run such files.
        WorkError: where it fails.
    """
    check_installed(BY_NAME[settings.runtime])
    if settings.runtime not in runtimes_of(path):
        raise UserError(f"--runtime={settings.runtime}: does not run {path}; drop the flag")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file = str(path.absolute())
        if path.suffix == KERAS:
            file = f"model{BY_NAME[settings.runtime].suffix}"
            _freeze({file: lambda: files.load(path)}, folder, settings.runtime)
        return _measure_files({str(path): file}, folder, settings, rounds)


def measure_files(paths: Sequence[Path], settings: LatencySettings, rounds: int) -> Times:
    """The latency of files that the settings' runtime runs. Raises WorkError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure_files({str(path): str(path.absolute()) for path in paths}, Path(folder), settings, rounds)


def measure_networks(networks: Sequence[Architecture], settings: LatencySettings, rounds: int) -> Times:
    """The latency of networks, by text form: frozen with weights drawn at random, timed by turns.

    Raises:
        UserError: where the runtime is not installed.
        WorkError: where freezing or timing fails.
    """
    check_installed(BY_NAME[settings.runtime])
    with tempfile.TemporaryDirectory() as temporary:
        folder, suffix = Path(temporary), BY_NAME[settings.runtime].suffix
        files = {str(network): f"network{i}{suffix}" for i, network in enumerate(networks)}
        drawn = {file: _drawn(network) for file, network in zip(files.values(), networks, strict=True)}
        _freeze(drawn, folder, settings.runtime)
        return _measure_files(files, folder, settings, rounds)


def _measure_files(files: Mapping[str, str], folder: Path, settings: LatencySettings, rounds: int) -> Times:
    networks = {name: {"file": file, "blocks": []} for name, file in files.items()}
    manifest = {"version": 1, "runtime": settings.runtime, "input_size": settings.input_size}
    write_json(folder / MANIFEST, {**manifest, "networks": networks})
    times = measure(folder, settings, rounds)
    return Times(times.described, {name: times.ms[file] for name, file in files.items()})


def runtimes_of(path: Path) -> list[str]:
    """The runtimes that a model file can be timed in."""
    return [each.name for each in RUNTIMES if path.suffix in (KERAS, each.suffix) and is_installed(each)]


def write_kit(
    folder: Path, settings: LatencySettings, space: Space, networks: Sequence[Network], blocks: bool = True
) -> None:
    """A folder of frozen networks and `manifest.json`, which the script times; one that is there already stays.

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
        stem = alike[0].folded.stem
        models[manifest["frame"]] = lambda: Hollow(space.scale, trunk.width, trunk.depth, stem)
        manifest["blocks"] = {str(block): f"block{i}{suffix}" for i, block in enumerate(space.blocks)}
        models |= {file: _drawn(network) for file, network in zip(manifest["blocks"].values(), alike, strict=True)}
    manifest["networks"] = {}
    for i, network in enumerate(networks):
        file = f"network{i}{suffix}"
        manifest["networks"][str(network)] = {"file": file, "blocks": [str(block) for block in network.blocks]}
        models[file] = _drawn(network)
    if (folder / MANIFEST).exists() and read_json(folder / MANIFEST) == manifest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _freeze(models, folder, settings.runtime)
    write_json(folder / MANIFEST, manifest)


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


def _drawn(network: Architecture) -> Model:
    """A network with weights drawn at random, on which its latency does not depend."""

    def make() -> keras.Model:
        model = build(network)
        initialize(model, 0, "uniform")
        return folded(model)

    return make


class Hollow(Frame):
    """A network whose blocks do nothing."""

    def call(self, lr):
        return self.enlarge(lr, [lambda x: x] * self.depth)


def _freeze(models: Mapping[str, Model], folder: Path, runtime: str) -> None:
    """Writes each model as a file that the runtime runs."""
    form = BY_NAME[runtime].file
    converts = form != FORMS[0].file
    saved = folder / "saved" if converts else folder
    command: list[str] = []
    with progress(f"networks for {runtime}", 2 * len(models)) as report:
        for done, (file, make) in enumerate(models.items(), start=1):
            with writing(folder, tf.errors.OpError):
                save(make(), saved / file)
            command += ["--", str(saved / file), f"{form}={folder / file}"]
            report(done, file)
        if converts:
            finished = 0
            for line in _lines(child.command("srnas_tf.freeze.convert", *command), "converting"):
                if line.startswith(convert.MARK):
                    finished += 1
                    report(len(models) + finished, Path(convert.Said.of(line).file).name)
            shutil.rmtree(saved)


def measure(folder: Path, settings: LatencySettings, rounds: int) -> Times:
    """Times what a manifest lists, in a process of its own: threads are given to a runtime once, at its beginning.

    Raises:
        WorkError: where the script fails, with its own words.
    """
    manifest = read_json(folder / MANIFEST)
    count = len(manifest["networks"]) + (1 + len(manifest["blocks"]) if "frame" in manifest else 0)
    command = child.command(stopwatch.__name__, f"--folder={folder}", f"--threads={settings.threads}")
    command += [f"--input_size={settings.input_size}", f"--rounds={rounds}"]
    with progress(f"timing, {settings.name}", rounds * count) as report:
        for line in _lines(command, "timing"):
            done, _, said = line.partition("/")
            if done.isdigit():
                report(int(done), said.partition(" ")[2])
    measured = read_json(folder / f"times-{settings.name}.json")
    return Times({name: measured[name] for name in DESCRIBED}, measured["ms"])


def _lines(command: Sequence[str], what: str) -> Iterator[str]:
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
