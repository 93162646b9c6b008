"""What a whole training process takes: the command that users give, watched from outside."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Findings, ratio, spread
from srnas_tf import arch
from srnas_tf.train.loop import LOG_EVERY

STEPS = LOG_EVERY
"""Steps to watch: those of the first two lines of metrics.jsonl."""
_POLL, _PATIENCE = 0.01, 600.0
_MOMENTS = 2


class Process(NamedTuple):
    """What was seen of a training.

    Attributes:
        start: seconds from the process' start to the end of its first step.
        step: seconds a step afterwards, mean.
        peak: MiB of memory at most.
    """

    start: float
    step: float
    peak: float


def watch(*arguments: str) -> Process:
    """Trains on the embedded photographs for some steps by IMDN's recipe, and stops the process.

    Args:
        arguments: mode and network.

    Raises:
        RuntimeError: where it ended, or took ten minutes, before it got there.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "srnas_tf.run", f"--workdir={folder}/run", f"--steps={STEPS + 1}", *arguments]
        started = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            first = _wait(process, Path(folder), 1)
            start = time.perf_counter() - started
            step = (_wait(process, Path(folder), 2) - first) / (STEPS - 1)
        finally:
            process.send_signal(signal.SIGKILL)
            _, _, usage = os.wait4(process.pid, 0)
    return Process(start, step, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def _wait(process: subprocess.Popen, folder: Path, line: int) -> float:
    """Waits for a line of the run's metrics; returns its seconds."""
    deadline = time.perf_counter() + _PATIENCE
    while time.perf_counter() < deadline and process.poll() is None:
        for path in folder.glob("run/*/metrics.jsonl"):
            lines = path.read_text("utf-8").split("\n")[:-1]
            if len(lines) >= line:
                return json.loads(lines[line - 1])["seconds"]
        time.sleep(_POLL)
    raise RuntimeError(f"{' '.join(map(str, process.args))}: no step was seen")


def supernet(space: arch.Space) -> Process:
    """A supernet of the dynamic space."""
    return watch("--mode=supernet", f"--stages={space.stages}", f"--depth={space.depth}")


def startup(rounds: int) -> Findings:
    """From the start of the process to the end of the first step, and the memory that it takes, by turns."""
    small, large = arch.Space(), arch.Space(stages=4, depth=10)
    alone = small.network((len(small.blocks) - 1,) * small.depth[0])  # that of most convolutions
    watched: dict[str, list[Process]] = {"small": [], "large": [], "alone": []}
    for _ in range(rounds):
        watched["small"].append(supernet(small))
        watched["large"].append(supernet(large))
        watched["alone"].append(watch("--mode=train", f"--arch={alone}"))
    start = {name: [each.start for each in processes] for name, processes in watched.items()}
    peak = {name: [each.peak for each in processes] for name, processes in watched.items()}
    rest = (1 + _MOMENTS) * 4 * (small.supernet_params - alone.params) / 2**20
    alone_and_rest = [each + rest for each in peak["alone"]]
    return Findings(
        {
            "start to the end of the first step, supernet (3 stages, depth 6)": spread(start["small"], "s"),
            "start, one network alone / supernet": ratio(start["alone"], start["small"]),
            "start, supernet of 4 stages, depth 10 / that (3.3 times the paths)": ratio(start["large"], start["small"]),
            "peak memory, supernet": spread(peak["small"], "MiB"),
            "peak memory, supernet / network alone and the rest's weights, moments": ratio(
                peak["small"], alone_and_rest
            ),
        }
    )
