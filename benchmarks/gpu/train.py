"""What `run.sh` runs on the machine: a training that lasts as long as it is told to, and goes on where it was."""

import argparse
import dataclasses
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.gpu import images, state
from benchmarks.gpu.backend import backend, numbers
from benchmarks.gpu.step import DEPTHWISE, State, make_step, on_device
from srnas_tf import arch, nets
from srnas_tf.errors import UserError, WorkError
from srnas_tf.train.settings import PRECISIONS, Phase, TrainSettings
from srnas_tf.workdir.files import write_json, write_text

SLACK = 0.97
"""Of the time that is left, what the steps are laid over: a stay that ends too early leaves a rate that is not zero."""
RESERVE = 5.0
"""Seconds that a stay keeps for its end."""


class Training:
    """A network, its photographs and its recipe on this machine.

    Args:
        folder: that `benchmarks.gpu.pack` made.
        state_file: where the training is.
        precision: dtype policy; that of the recipe unless given.
        per_call: steps that are one call.
    """

    def __init__(self, folder: Path, state_file: Path, precision: str, per_call: int) -> None:
        self.state, self.facts = state.load(state_file)
        self._per_call, self._backend = per_call, backend()
        recipe = {**self.facts["recipe"], "steps": self.facts["steps"] or 1}
        self.settings = TrainSettings(**recipe | ({"precision": precision} if precision else {}))
        network = arch.parse(self.facts["network"])
        self.network = nets.build(network, dtype=self.settings.precision)
        self.photographs = images.Photographs(images.read(folder / "images.zip"), network.scale, self.settings.seed)
        self._calls: dict[Phase, Any] = {}

    @property
    def device(self) -> str:
        """What computes."""
        return f"{self._backend.device()}, {keras.backend.backend()}"

    def lay(self, steps: int) -> None:
        """Says how many steps the whole training has."""
        self.facts["steps"] = steps
        self.settings = dataclasses.replace(self.settings, steps=steps)

    def inputs(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a call is given for the steps from `start` on: lines, rates, and which steps are before `stop`."""
        phase, steps = self.settings.phase_at(start), range(start, start + self._per_call)
        with_rates = [self.settings.rate_at(min(step, self.settings.steps - 1)) for step in steps]
        lines = np.stack([self.photographs.lines(step, phase.patch, phase.batch) for step in steps])
        return lines, np.array(with_rates, np.float32), np.array([step < stop for step in steps])

    def spans(self, start: int) -> Iterator[tuple[int, int]]:
        """The first and the last step, not included, of each call from a step on; none reaches into another phase."""
        ends = [*list(self.settings.phases)[1:], self.settings.steps]
        while start < self.settings.steps:
            stop = min(start + self._per_call, next(end for end in ends if end > start))
            yield start, stop
            start = stop

    def call(self, on: State, inputs: tuple, start: int) -> tuple[State, Any]:
        """Takes the steps of a call; the state that is given must not be used again."""
        phase = self.settings.phase_at(start)
        if phase not in self._calls:
            step = make_step(self._backend, self.network, self.settings, phase)
            self._calls[phase] = self._backend.repeat(step)
        return self._calls[phase](on, self.photographs.pixels, inputs)

    def measure(self, calls: int = 3) -> dict[str, Any]:
        """Seconds to compile the steps from here on, and steps a second, by calls that change nothing."""
        done, seconds = self.facts["done"], []
        on, inputs = on_device(self.state), self.inputs(done, stop=done)
        for _ in range(1 + calls):
            began = time.monotonic()
            on, losses = self.call(on, inputs, done)
            numbers(losses)
            seconds.append(time.monotonic() - began)
        phase = self.settings.phase_at(done)
        rates = sorted(self._per_call / each for each in seconds[1:])
        return {
            "device": self.device, "precision": self.settings.precision, "batch": phase.batch, "patch": phase.patch,
            "network": self.facts["network"], "seconds_to_compile": round(seconds[0] - min(seconds[1:]), 1),
            "steps_per_second": rates[len(rates) // 2], "slowest": rates[0], "fastest": rates[-1],
        }  # fmt: skip


def run(training: Training, out: Path, deadline: float, save_every: float) -> bool:
    """Trains until the last step or the deadline, and writes where it is; returns whether it is done.

    Raises:
        WorkError: where the loss is no longer finite.
    """
    facts, on = training.facts, on_device(training.state)
    spans = list(training.spans(facts["done"]))
    took, saved = 0.0, time.monotonic()
    with ThreadPoolExecutor(1) as ahead, (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        waiting = ahead.submit(training.inputs, *spans[0]) if spans else None
        for span, following in itertools.zip_longest(spans, spans[1:]):
            if time.monotonic() + 1.5 * took + RESERVE > deadline:
                break
            began = time.monotonic()
            inputs = waiting.result()
            waiting = ahead.submit(training.inputs, *following) if following else None
            on, losses = training.call(on, inputs, span[0])
            loss = float(np.mean(numbers(losses)[: span[1] - span[0]]))
            took = time.monotonic() - began
            facts["done"], facts["seconds"] = span[1], facts["seconds"] + took
            rate = float(inputs[1][span[1] - span[0] - 1])
            line = {"step": span[1], "loss": loss, "learning_rate": rate, "seconds": facts["seconds"]}
            log.write(json.dumps(line) + "\n")
            log.flush()
            if not math.isfinite(loss):
                raise WorkError(f"the loss is {loss} by step {span[1]}; pack again with a lower --learning_rate")
            if time.monotonic() - saved > save_every:
                state.save(out / state.NAME, numbers(on), facts)
                saved = time.monotonic()
    state.save(out / state.NAME, numbers(on), facts)
    return facts["done"] >= facts["steps"]


def steps_of(total: float, stay: float, spent: float, rate: float, per_call: int) -> int:
    """How many steps stays of `stay` seconds, `total` altogether, allow, if each spends some before its first step."""
    left = total - math.ceil(total / stay) * (spent + RESERVE)
    return max(1, int(SLACK * left * rate) // per_call) * per_call


def probe(given: argparse.Namespace, state_file: Path, deadline: float) -> None:
    """Measures each precision and form of depthwise convolution, while there is time, into `probe.json`."""
    found = []
    for precision, depthwise in itertools.product(("float32", "mixed_bfloat16"), DEPTHWISE):
        if time.monotonic() > deadline - RESERVE:
            break
        keras.ops.depthwise_conv = DEPTHWISE[depthwise]
        training = Training(given.folder, state_file, precision, given.steps_per_call)
        found.append({**training.measure(), "depthwise": depthwise})
        print(json.dumps(found[-1]), flush=True)
        write_json(given.out / "probe.json", found)


def main(arguments: list[str], began: float) -> None:
    """The run.

    Args:
        arguments: of the command line.
        began: when the process did, by the monotonic clock.
    """
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=9.0, help="that this stay may last, its start included")
    parser.add_argument("--total_minutes", type=float, default=0.0, help="of all stays together; those of this one")
    parser.add_argument("--steps", type=int, default=0, help="of the whole training; 0: as many as the minutes allow")
    parser.add_argument("--precision", choices=("", *PRECISIONS[:2]), default="", help="that of the recipe")
    parser.add_argument("--depthwise", choices=tuple(DEPTHWISE), default="conv", help="how filters are computed")
    parser.add_argument("--steps_per_call", type=int, default=50, help="steps that the device takes at once")
    parser.add_argument("--save_every", type=float, default=60.0, help="seconds between two states")
    parser.add_argument("--probe", action="store_true", help="measure what is fastest here, and do not train")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.minutes <= 0 or given.steps < 0 or given.steps_per_call < 1:
        raise UserError("--minutes, --steps, --steps_per_call: give positive numbers")
    given.out.mkdir(parents=True, exist_ok=True)
    stay = 60 * given.minutes
    deadline = began + stay
    state_file = next(path for path in (given.out / state.NAME, given.folder / state.NAME) if path.exists())
    if given.probe:
        probe(given, state_file, deadline)
        return
    keras.ops.depthwise_conv = DEPTHWISE[given.depthwise]
    training = Training(given.folder, state_file, given.precision, given.steps_per_call)
    if given.steps and training.facts["steps"] not in (0, given.steps):
        raise UserError(f"--steps={given.steps}: the training was begun with {training.facts['steps']}; drop the flag")
    speed = training.measure()
    spent = time.monotonic() - began
    write_json(given.out / "speed.json", {**speed, "seconds_to_begin": round(spent, 1), "depthwise": given.depthwise})
    print(f"{speed['device']}: {speed['steps_per_second']:.1f} steps a second, {spent:.0f} s to begin", flush=True)
    if not training.facts["steps"]:
        total = 60 * (given.total_minutes or given.minutes)
        training.lay(given.steps or steps_of(total, stay, spent, speed["steps_per_second"], given.steps_per_call))
    done = run(training, given.out, deadline, given.save_every)
    said = f"{training.facts['done']} of {training.facts['steps']} steps"
    write_text(given.out / "status.txt", f"{'done' if done else 'not done'}: {said}\n")
    then = "done" if done else f"with {state.NAME} of this stay in the folder, the same command goes on"
    print(f"{said}; {then}", flush=True)


def console() -> int:
    """The process; returns its exit status."""
    began = float(os.environ.get("GPU_RUN_BEGAN") or time.monotonic())
    try:
        main(sys.argv[1:], began)
    except (UserError, WorkError) as error:
        print(f"run.sh: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    return 0
