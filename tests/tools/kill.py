"""Kills modes of the command line at random moments, again and again, and compares what they come to.

python tests/tools/kill.py --kills=50 --record=results/kill/2026-11-23.json

Each mode is run undisturbed first. Then all are run in another workdir, killed (SIGKILL) at moments that are drawn from
a seed, and started again, until done; then in a third, and so on, until the kills asked for are reached. Weights,
journals, lists of the best and exported files must be the same to the bit. Half an hour on 2 cores for 50 kills.
"""

import argparse
import datetime
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import onnx
from PIL import Image

ROOT = Path(__file__).parents[2]


class Victim(NamedTuple):
    """A mode to kill.

    Attributes:
        flags: besides --mode and --workdir, in which {data} and {workdir} stand for the folders.
        results: what must come out the same: patterns of files in the workdir.
        home: the workdir, of several that share it or of one alone; the first ones' unless given.
    """

    flags: tuple[str, ...]
    results: tuple[str, ...]
    home: str = ""


NETWORK = ("--data={data}", "--depth=2", "--width=8", "--scale=2")
MODES = {
    "supernet": Victim(
        (*NETWORK, "--steps=60", "--batch=2", "--patch=8", "--checkpoint_every=5", "--validate_every=20"),
        ("supernet/supernet.keras", "supernet/metrics.jsonl"),
    ),
    "search": Victim(("--population=20", "--iterations=3", "--top_k=2"), ("search/journal.jsonl", "search/best.json")),
    "retrain": Victim(("--steps=40",), ("retrain/*/model.keras", "retrain/*/metrics.jsonl")),
    "train": Victim(
        (
            *("--data={data}", "--arch=SCS", "--stages=2", "--depth=2", "--width=8", "--scale=2", "--seed=3"),
            *("--steps=60", "--batch=2", "--patch=8", "--checkpoint_every=5", "--validate_every=20"),
            *("--degradation=photo", "--loss=charbonnier", "--frequency_loss=0.05"),
        ),
        ("train/model.keras", "train/metrics.jsonl"),
        home="train",
    ),
    "rank": Victim(
        ("--rank_networks=3", "--rank_steps=10", "--rank_spread=size"),
        ("rank.json", "rank/networks.json", "rank/*/*/model.keras", "rank/*/*/metrics.jsonl"),
    ),
    "export": Victim(
        ("--model={workdir}/retrain/1/model.keras", "--test_data={data}"),
        ("export/export.json", "export/*.tflite", "export/*.onnx"),
    ),
    "supernet of a wide space": Victim(
        (
            *("--data={data}", "--scale=2", "--space=tapped", "--width=8/12", "--depth=1/2", "--recipes=T/TC"),
            *("--conv=blueprint/expanded", "--kernel=3/5", "--attention=none/cca", "--inner=0.5/1"),
            *("--sharing=entangled", "--steps=60", "--batch=2", "--patch=8"),
            *("--checkpoint_every=5", "--validate_every=20"),
        ),
        ("supernet/supernet.keras", "supernet/metrics.jsonl"),
        home="wide",
    ),
    "search of a wide space": Victim(
        ("--population=20", "--iterations=3", "--top_k=2", "--max_params=8000"),
        ("search/journal.jsonl", "search/best.json"),
        home="wide",
    ),
    "retrain of a wide space": Victim(
        ("--steps=40",), ("retrain/*/model.keras", "retrain/*/metrics.jsonl"), home="wide"
    ),
    "rank of a wide space over Ray": Victim(
        ("--rank_networks=3", "--rank_steps=10", "--rank_spread=size", "--executor=ray", "--actors=1"),
        ("rank.json", "rank/networks.json", "rank/*/*/model.keras", "rank/*/*/metrics.jsonl"),
        home="wide",
    ),
    **{
        f"search in rungs{said}": Victim(
            (
                *("--data={data}", "--scale=2", "--space=tapped", "--width=8/12", "--depth=1/2", "--recipes=T/TC"),
                *("--conv=blueprint/expanded", "--strategy=guided", "--population=4", "--iterations=3", "--top_k=2"),
                *("--rungs=6,12,24", "--batch=2", "--patch=8", "--checkpoint_every=5", "--validate_every=20", *more),
            ),
            ("search/journal.jsonl", "search/best.json", "search/networks/*/model.keras"),
            home=home,
        )
        for said, home, more in (("", "rungs", ()), (" over Ray", "ray", ("--executor=ray", "--actors=1")))
    },
}
"""In the order in which one needs what another leaves; the mode is the first word."""


def command(mode: str, workdir: Path, data: Path) -> list[str]:
    flags = [flag.format(data=data, workdir=workdir) for flag in MODES[mode].flags]
    return [
        sys.executable,
        "-m",
        "srnas_tf.run",
        f"--mode={mode.split()[0]}",
        f"--workdir={own(mode, workdir)}",
        *flags,
    ]


def own(mode: str, workdir: Path) -> Path:
    """The workdir of a mode."""
    home = MODES[mode].home
    return workdir.with_name(f"{workdir.name}-{home}") if home else workdir


def start(line: list[str]) -> subprocess.Popen:
    """Starts a command of this checkout."""
    patient = {"TF_CPP_MIN_LOG_LEVEL": "3", "RAY_raylet_start_wait_time_s": "120"}  # a busy machine starts Ray slowly
    environment = {**os.environ, **patient, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def run_until(line: list[str], moment: Callable[[subprocess.Popen], bool]) -> bool:
    """Starts a command and kills it at a moment: what waits for it says whether it came, or the process ended before.

    Returns:
        Whether it was killed; else it has come to its end.

    Raises:
        RuntimeError: where it failed.
    """
    process = start(line)
    killed = moment(process)
    if killed:
        process.kill()
    _, stderr = process.communicate()
    if not killed and process.returncode:
        raise RuntimeError(f"{' '.join(line)}\nended with {process.returncode}:\n{stderr}")
    return killed


def after(seconds: float) -> Callable[[subprocess.Popen], bool]:
    """A moment, counted from when the process has made sure of its workdir and begins to work in it."""

    def wait(process: subprocess.Popen) -> bool:
        while (said := process.stderr.readline()) and not said.startswith("workdir:"):
            pass
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    return wait


def same(one: Path, two: Path) -> bool:
    """Whether a file of an undisturbed run, and one of a killed run, say the same."""
    if one.name == "metrics.jsonl":  # a process that begins anew has a line more
        return set(_losses(one)) <= set(_losses(two))
    read = CONTENTS.get(one.name) or CONTENTS.get(one.suffix) or Path.read_bytes
    return read(one) == read(two)


def _weights(path: Path) -> tuple:
    """All that a model file holds but the date: its configuration, and its arrays by name."""
    arrays: dict[str, bytes] = {}

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()].tobytes()

    with zipfile.ZipFile(path) as archive:
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            file.visititems(take)
        return archive.read("config.json"), arrays


def _constants(path: Path) -> list[bytes]:
    """A graph's weights. How its operations are put depends on names, which count what the process traced before."""
    return sorted(weight.raw_data for weight in onnx.load(path).graph.initializer)


def _accepted(path: Path) -> dict:
    """Which files an export found good; sizes and roundings depend on such names too."""
    return {name: entry["ok"] for name, entry in json.loads(path.read_text("utf-8")).items()}


def _losses(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        yield json.dumps({name: value for name, value in json.loads(line).items() if name != "seconds"})


CONTENTS = {".keras": _weights, ".onnx": _constants, "export.json": _accepted}
"""What must be equal in a file, by its name or suffix; of others, all."""


def results(mode: str, workdir: Path) -> list[Path]:
    """Files within the workdir, at least one for each pattern."""
    home = own(mode, workdir)
    found = [sorted(path.relative_to(home) for path in home.glob(pattern)) for pattern in MODES[mode].results]
    if not all(found):
        raise RuntimeError(f"{workdir}: {mode} did not write all of {MODES[mode].results}")
    return [path for paths in found for path in paths]


def photographs(folder: Path) -> None:
    """A dozen small images with edges and gradients."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        y, x = np.mgrid[: 60 + 2 * i, : 70 - i]
        waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform(0, 0.6, (3, 3))]
        Image.fromarray((127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)).save(folder / f"{i:02}.png")


def duration(line: list[str]) -> float:
    """Seconds that a command works in its workdir, undisturbed."""
    began = 0.0

    def wait(process: subprocess.Popen) -> bool:
        nonlocal began
        after(0)(process)
        began = time.monotonic()
        return False

    run_until(line, wait)
    return time.monotonic() - began


def kill_modes(kills: int, seed: int, home: Path) -> dict:
    """Kills all modes in turn until there were so many kills.

    Returns:
        By mode: seconds of the undisturbed run, moments of the kills in seconds, and the files that differed.
    """
    drawn = random.Random(seed)
    data, undisturbed = home / "photographs", home / "undisturbed"
    photographs(data)
    report = {}
    for mode in MODES:
        seconds = duration(command(mode, undisturbed, data))
        report[mode] = {"seconds": round(seconds, 2), "kills": [], "files": 0, "different": []}
        print(f"{mode}: undisturbed in {seconds:.1f} s", file=sys.stderr, flush=True)
    rounds = 0
    while sum(len(entry["kills"]) for entry in report.values()) < kills:
        workdir = home / f"killed{rounds}"
        for mode, entry in report.items():
            done = False
            for _ in range(4):
                moment = drawn.uniform(0, entry["seconds"])
                if done := not run_until(command(mode, workdir, data), after(moment)):
                    break
                entry["kills"].append(round(moment, 3))
            if not done:
                run_until(command(mode, workdir, data), lambda process: False)
            paths = results(mode, undisturbed)
            entry["files"] += len(paths)
            entry["different"] += [
                f"{workdir.name}/{path}"
                for path in paths
                if not same(own(mode, undisturbed) / path, own(mode, workdir) / path)
            ]
            print(f"{mode}: {len(entry['kills'])} kills, different: {entry['different']}", file=sys.stderr, flush=True)
        rounds += 1
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, help="file for what came of it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        report = kill_modes(given.kills, given.seed, Path(home))
    total = sum(len(entry["kills"]) for entry in report.values())
    different = [path for entry in report.values() for path in entry["different"]]
    record = {"date": datetime.date.today().isoformat(), "seed": given.seed, "kills": total, "modes": report}
    if given.record:
        given.record.parent.mkdir(parents=True, exist_ok=True)
        given.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(f"{total} kills; {len(different)} files differ from the undisturbed run's")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
