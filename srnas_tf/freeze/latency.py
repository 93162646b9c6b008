"""Measures latency: exports networks, times them by turns in a process of its own, and keeps a table or a model."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from srnas_tf.arch import Architecture, Network, Space
from srnas_tf.arch.work import has_depthwise
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency_file, stopwatch
from srnas_tf.freeze.latency_file import Latency
from srnas_tf.freeze.latency_kit import (
    MANIFEST,
    drawn,
    freeze_all,
    lines_of,
    tells_by_model,
    write_model_kit,
    write_table_kit,
)
from srnas_tf.freeze.runtimes import BY_FILE, BY_NAME, OTHER_FILES, RUNTIMES
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.freeze.upscalers import KERAS, check_installed, is_installed
from srnas_tf.host import child
from srnas_tf.host.progress import progress
from srnas_tf.nets import files
from srnas_tf.search.latency_model import to_time, works_of
from srnas_tf.workdir.files import read_json, write_json
from srnas_tf.workdir.folder import Workdir

DESCRIBED = ("machine", "runtime", "runtime_version", "threads", "input_size")
"""The description of a measurement."""


class Times(NamedTuple):
    """The measurements of the script.

    Attributes:
        described: `DESCRIBED`, by name.
        ms: milliseconds by file.
        spread: variation of the times by file: their interquartile range, as a share of the time.
    """

    described: dict
    ms: dict[str, float]
    spread: Mapping[str, float] = MappingProxyType({})


NO_LIMITS: Mapping[str, float] = {}


def latency_of(
    settings: LatencySettings,
    space: Space,
    workdir: Workdir,
    limits: Mapping[str, float] = NO_LIMITS,
    rounds: int = stopwatch.ROUNDS,
) -> Latency:
    """The latency of a space's networks: from the settings, from the workdir, or from a new measurement.

    A measurement takes minutes, resumes after a stop, and records the space in the workdir.

    Args:
        limits: limits of the search, for costs in `search.feasible.PRICES`.

    Raises:
        UserError: if the latency is of another space or other conditions, or a model fails its own check.
        WorkError: if the measurement fails.
    """
    known = known_latency(settings, space, workdir)
    if known is None:
        known = measure_space(settings, space, workdir, (), rounds, limits)[0]
        known.check(space, str(_kept(settings, workdir)))
    return known


def known_latency(settings: LatencySettings, space: Space, workdir: Workdir) -> Latency | None:
    """The latency from the settings or the workdir; None if there is none. Raises as `latency_of`."""
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
    settings: LatencySettings,
    space: Space,
    workdir: Workdir,
    networks: Sequence[Network],
    rounds: int,
    limits: Mapping[str, float] = NO_LIMITS,
) -> tuple[Latency, Times]:
    """The latency of a space's networks, and measured times of some networks by text form. Both come from the same
    turns if the latency is new.
    """
    known = known_latency(settings, space, workdir)
    if known and not networks:
        return known, Times({name: getattr(known, name) for name in DESCRIBED}, {})
    here = LatencySettings.of(known) if known else settings
    if known and here.runtime not in BY_NAME:
        raise UserError(
            f"--latency_table={settings.latency_table}: of {here.runtime}, which nothing can be timed in here"
        )
    check_installed(BY_NAME[here.runtime])
    check_has_files(here.runtime, space)
    workdir.claim(network=space)
    folder = workdir / f".latency-{here.name}"
    write_kit(folder, here, space, networks, limits, bool(known))
    times = measure(folder, here, rounds)
    if known is None:
        known = latency_file.read(folder / f"latency-{here.name}.json")
        latency_file.write(_kept(here, workdir), known)
    manifest = read_json(folder / MANIFEST)
    shutil.rmtree(folder)
    return known, Times(
        times.described, {str(each): times.ms[manifest["networks"][str(each)]["file"]] for each in networks}
    )


def check_has_files(runtime: str, space: Space) -> None:
    """Refuses a runtime whose files an export does not make of all networks of a space.

    Raises:
        UserError: says what to give instead.
    """
    dense = BY_FILE[BY_NAME[runtime].file].needs == "dense"
    if dense and any(has_depthwise(each) for each in works_of(space)):
        raise UserError(
            f"--runtime={runtime}: no such file is made of depthwise convolutions, and networks of space {space} "
            "have them; give another runtime, or --conv=expanded"
        )


def write_kit(
    folder: Path,
    settings: LatencySettings,
    space: Space,
    networks: Sequence[Network],
    limits: Mapping[str, float] = NO_LIMITS,
    known: bool = False,
) -> None:
    """Writes the networks from which a space's latency is predicted, and some to compare predictions with.

    Args:
        known: whether the latency is known, so that only the networks for comparison are written.
    """
    if not tells_by_model(space, settings):
        write_table_kit(folder, settings, space, networks, blocks=not known)
        return
    fitted = [] if known else to_time(space, limits, settings.latency_networks)
    write_model_kit(folder, settings, space, fitted, [each for each in networks if each not in fitted])


def check_runs(path: Path, runtime: str) -> None:
    """Refuses a runtime that a model file cannot be timed in.

    Raises:
        UserError: if it is not installed, or does not run such files.
    """
    check_installed(BY_NAME[runtime])
    if BY_NAME[runtime] in OTHER_FILES:
        raise UserError(
            f"--runtime={runtime}: is for the networks of a space; give --model={BY_NAME[runtime].file} instead"
        )
    if runtime not in runtimes_of(path):
        raise UserError(f"--runtime={runtime}: does not run {path}; drop the flag")


def measure_model(path: Path, settings: LatencySettings, rounds: int) -> Times:
    """A model file's latency in the settings' runtime. A `.keras` file is exported first.

    Raises:
        UserError: if that runtime does not run such files.
        WorkError: if it fails.
    """
    check_runs(path, settings.runtime)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file = str(path.absolute())
        if path.suffix == KERAS:
            file = f"model{BY_NAME[settings.runtime].suffix}"
            freeze_all({file: lambda: files.load(path)}, folder, settings.runtime)
        return _measure_files({str(path): file}, folder, settings, rounds)


def measure_files(paths: Sequence[Path], settings: LatencySettings, rounds: int) -> Times:
    """The latency of files in the settings' runtime. Raises WorkError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure_files({str(path): str(path.absolute()) for path in paths}, Path(folder), settings, rounds)


def measure_networks(networks: Sequence[Architecture], settings: LatencySettings, rounds: int) -> Times:
    """The latency of networks by text form. They are exported with random weights, and timed by turns.

    Raises:
        UserError: if the runtime is not installed.
        WorkError: if export or timing fails.
    """
    check_installed(BY_NAME[settings.runtime])
    with tempfile.TemporaryDirectory() as temporary:
        folder, suffix = Path(temporary), BY_NAME[settings.runtime].suffix
        files = {str(network): f"network{i}{suffix}" for i, network in enumerate(networks)}
        models = {file: drawn(network) for file, network in zip(files.values(), networks, strict=True)}
        freeze_all(models, folder, settings.runtime)
        return _measure_files(files, folder, settings, rounds)


def _measure_files(files: Mapping[str, str], folder: Path, settings: LatencySettings, rounds: int) -> Times:
    networks = {name: {"file": file, "blocks": []} for name, file in files.items()}
    manifest = {"version": 1, "runtime": settings.runtime, "input_size": settings.input_size}
    write_json(folder / MANIFEST, {**manifest, "networks": networks})
    times = measure(folder, settings, rounds)
    by_name = [{name: values[file] for name, file in files.items()} for values in (times.ms, times.spread)]
    return Times(times.described, *by_name)


def runtimes_of(path: Path) -> list[str]:
    """The installed runtimes that can run a model file. A `.keras` file must be exported for them first."""
    freezing = path.suffix == KERAS
    able = [each for each in RUNTIMES if (freezing or each.suffix == path.suffix) and each.runs()]
    return [each.name for each in able if is_installed(each, freezing)]


def measure(folder: Path, settings: LatencySettings, rounds: int) -> Times:
    """Times the files of a manifest in a process of its own, because a runtime gets its threads once, at its start.

    Raises:
        WorkError: if the script fails, with its own message.
    """
    manifest = read_json(folder / MANIFEST)
    count = len(manifest["networks"]) + (1 + len(manifest["blocks"]) if "frame" in manifest else 0)
    command = child.command(stopwatch.__name__, f"--folder={folder}", f"--threads={settings.threads}")
    command += [f"--input_size={settings.input_size}", f"--rounds={rounds}"]
    with progress(f"timing, {settings.name}", rounds * count) as report:
        for line in lines_of(command, "timing"):
            done, _, said = line.partition("/")
            if done.isdigit():
                report(int(done), said.partition(" ")[2])
    measured = read_json(folder / f"times-{settings.name}.json")
    return Times({name: measured[name] for name in DESCRIBED}, measured["ms"], measured["spread"])
