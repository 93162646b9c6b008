"""Whether memory and files stay what they are over a long run: python -m benchmarks.endurance [--only=NAME,...]

Trains a tiny supernet for 20,000 steps, searches it for 2,000 networks, and trains a hundred networks one after another
(`--mode=rank`), each in one process that is watched from outside; writes `results/endurance.json` and a picture.
"""

import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from absl import app, flags
from matplotlib import pyplot

from srnas_tf.host import devices
from srnas_tf.workdir.files import write_json

matplotlib.use("Agg")

ONLY = flags.DEFINE_list("only", [], "runs to watch, of supernet, search and rank; all unless given")
OUTPUT = flags.DEFINE_string("output", "", "file for the figures; benchmarks/results/endurance.json unless given")
SHARE = flags.DEFINE_float("share", 1.0, "of the work to do", lower_bound=0.01, upper_bound=1.0)
EVERY = 0.5
"""Seconds between two samples."""
WARM = 0.2
"""Share of a run that is its warm-up."""


class Sample(NamedTuple):
    """What was seen of a process.

    Attributes:
        done: steps or networks.
        seconds: since its start.
        memory: MiB that are resident.
        handles: files, sockets and pipes that are open.
        written: bytes of its journal.
    """

    done: int
    seconds: float
    memory: float
    handles: int
    written: int


class Run(NamedTuple):
    """A long run.

    Attributes:
        work: steps or networks.
        flags: those of the command, made from the work.
        journal: pattern of the file, in the workdir, to which it adds; or of files, one for each that is done.
        done: says how far a journal has got, from its lines.
    """

    work: int
    flags: Callable[[int], list[str]]
    journal: str
    done: Callable[[list[str]], int]


def _steps(lines: list[str]) -> int:
    return json.loads(lines[-1])["step"] if lines else 0


SPACE = ["--scale=2", "--width=8", "--depth=4"]
TRAINING = ["--batch=1", "--patch=8"]
RUNS = {
    "supernet": Run(
        20_000,
        lambda work: [
            "--mode=supernet", *SPACE, *TRAINING,
            f"--steps={work}", f"--validate_every={work // 20}", f"--checkpoint_every={work // 20}",
        ],
        "supernet/metrics.jsonl",
        _steps,
    ),
    "search": Run(
        2_000,
        lambda work: ["--mode=search", "--population=100", f"--iterations={work // 100}"],
        "search/journal.jsonl",
        len,
    ),
    "rank": Run(
        100,
        lambda work: ["--mode=rank", f"--rank_networks={work // 2}", "--rank_steps=5", "--rank_spread=size"],
        "rank/*/1/metrics.jsonl",
        lambda lines: sum('"val_psnr"' in line for line in lines),
    ),
}  # fmt: skip
"""In the order in which one needs what another leaves."""


def watch(run: Run, work: int, workdir: Path, data: Path) -> list[Sample]:
    """Starts a mode and samples its process until its end.

    Raises:
        RuntimeError: where it fails.
    """
    command = [sys.executable, "-m", "srnas_tf.run", f"--workdir={workdir}", *run.flags(work)]
    command += [f"--data={data}"] if "--mode=supernet" in command else []
    samples, started = [], time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            sample = _sample(process.pid, run, workdir, time.monotonic() - started)
            samples += [sample] if sample and sample.done else []
            time.sleep(EVERY)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read().decode()}")
    return samples


def _sample(pid: int, run: Run, workdir: Path, seconds: float) -> Sample | None:
    """None once it is gone."""
    try:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        memory = int(status["VmRSS"].split()[0]) / 1024
        handles = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except (OSError, KeyError):
        return None
    text = "".join(path.read_text("utf-8") for path in sorted(workdir.glob(run.journal)))
    return Sample(run.done(text[: text.rfind("\n") + 1].splitlines()), seconds, memory, handles, len(text))


def judged(samples: list[Sample], work: int) -> dict:
    """Growth after the warm-up: of memory, between the medians of its first and its last tenth; of handles, likewise;
    and how far the journal and the time lie from a straight line, at most, as a share of their whole.
    """
    table = np.array([sample for sample in samples if sample.done >= WARM * work], float)
    done, seconds, memory, handles, written = table.T
    tenth = max(1, len(table) // 10)
    before, after = (np.median(table[part], axis=0) for part in (slice(None, tenth), slice(-tenth, None)))
    return {
        "work": work,
        "seconds": round(seconds[-1], 1),
        "samples": len(table),
        "memory_mib": [round(before[2], 1), round(after[2], 1)],
        "memory_growth": round(after[2] / before[2] - 1, 4),
        "memory_peak_mib": round(memory.max(), 1),
        "handles": [int(before[3]), int(after[3])],
        "handles_most": int(handles.max()),
        "journal_bytes": int(written[-1]),
        "journal_off_line": _off_line(done, written),
        "seconds_off_line": _off_line(done, seconds),
    }


def _off_line(x: np.ndarray, y: np.ndarray) -> float:
    return round(float(np.abs(y - np.polyval(np.polyfit(x, y, 1), x)).max() / (np.ptp(y) or 1)), 4)


def draw(curves: dict[str, list[Sample]], path: Path) -> None:
    """A row a run: memory, handles, and the journal."""
    figure, axes = pyplot.subplots(len(curves), 3, figsize=(11, 2.6 * len(curves)), squeeze=False, layout="constrained")
    for (name, samples), row in zip(curves.items(), axes, strict=True):
        done, _, memory, handles, written = np.array(samples, float).T
        panels = (("memory, MiB", memory), ("open files", handles), ("journal, KiB", written / 1024))
        for ax, (title, values) in zip(row, panels, strict=True):
            ax.plot(done, values, linewidth=1)
            ax.set(title=f"{name}: {title}", xlabel="steps" if name == "supernet" else "networks", ylim=(0, None))
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def photographs(folder: Path) -> None:
    """A dozen small images with edges."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        coarse = Image.fromarray(rng.integers(256, size=(6, 7, 3), dtype=np.uint8))
        coarse.resize((70 - i, 60 + 2 * i), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")


def main(argv: list[str]) -> None:
    devices.import_tensorflow()
    from srnas_tf.modes.evaluate import machine

    path = Path(OUTPUT.value or Path(__file__).parent / "results" / "endurance.json")
    result: dict = {"date": datetime.date.today().isoformat(), "machine": machine(), "runs": {}}
    curves = {}
    with tempfile.TemporaryDirectory() as home:
        photographs(Path(home, "photographs"))
        for name, run in RUNS.items():
            if ONLY.value and name not in ONLY.value and name != "supernet":  # which all others need
                continue
            work = max(20, round(SHARE.value * run.work))
            curves[name] = watch(run, work, Path(home, "run"), Path(home, "photographs"))
            result["runs"][name] = judged(curves[name], work)
            print(f"{name}: {json.dumps(result['runs'][name])}", flush=True)
            write_json(path, result)
            draw(curves, path.with_suffix(".png"))


if __name__ == "__main__":
    app.run(main)
