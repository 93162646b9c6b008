"""Converts a SavedModel to the files of all runtimes. It is a process of its own, because converters leak memory and
print a lot.

python -m srnas_tf.freeze.convert SAVED_MODEL FORM=FILE ... [-- SAVED_MODEL FORM=FILE ...]

FORM names a form of `runtimes.FORMS`, and FILE is the path to write. A line with MARK says of each that it is written,
or why it cannot be. The exit status is 1 if one cannot. `patches=FILE.npy` before them names representative images,
float32 [n, height, width, 3] in 0..1. int8 files learn their ranges from these. `inner=REGEX` names the convolutions
that int8 files quantize. Of several, the first that is near enough to the network is taken. After `levels=1`, int8
files have uint8 input and output if they can. `described=JSON` is the files' metadata.
"""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srnas_tf.freeze.fidelity import MAX_TINT, MIN_AGREEMENT, agreement, tint
from srnas_tf.freeze.runtimes import BY_FILE
from srnas_tf.freeze.runtimes.runtime import Form, Job
from srnas_tf.freeze.upscalers import load_upscaler

MARK = "made:"
"""The beginning of the lines that the caller reads."""


class Said(NamedTuple):
    """The message about a file.

    Attributes:
        file: its path.
        wrong: why it cannot be made; empty if it is made.
    """

    file: str
    wrong: str = ""

    def __str__(self) -> str:
        return f"{MARK}{json.dumps(self)}"

    @classmethod
    def of(cls, line: str) -> "Said":
        return cls(*json.loads(line.removeprefix(MARK)))


def main(argv: list[str]) -> int:
    """Makes the files; returns the exit status."""
    broken: list[str] = []
    for separates, job in itertools.groupby(argv, lambda argument: argument == "--"):
        if separates:
            continue
        source, *arguments = job
        known: dict[str, list[str]] = {name: [] for name in ("patches", "inner", "levels", "described")}
        for name, _, value in (argument.partition("=") for argument in arguments):
            if name in known:
                known[name].append(value)
                continue
            wrong = _made(BY_FILE[name], _job(Path(source), Path(value), known))
            print(f"\n{Said(value, wrong)}", flush=True)  # on a line of its own, whatever a library left
            broken += [f"{name}: {wrong}"] if wrong else []
    print(*broken, sep="\n", end="", file=sys.stderr)
    return 1 if broken else 0


def _made(form: Form, job: Job) -> str:
    """Makes a file. Returns what is wrong if it cannot be made."""
    assert form.convert
    try:
        form.convert(job)
    except Exception as error:  # each converter has errors of its own
        return " ".join(str(error).split("\n")[-1].split()) or type(error).__name__
    return ""


def _job(source: Path, target: Path, known: dict[str, list[str]]) -> Job:
    """The job of a file, from the arguments before it."""
    images = np.load(known["patches"][0]) if known["patches"] else np.zeros((0, 0, 0, 3), np.float32)
    described = json.loads(known["described"][0]) if known["described"] else {}

    def choose(quantize: Callable[[Path, str], None], whole: Path) -> None:
        """Makes a file with the first choice that is near enough to `whole`, on flat colours and on the images, or
        with the last choice if none is.
        """
        *others, last = known["inner"]
        expected = load_upscaler(whole, own=True)[0]
        for convolutions in others:
            quantize(whole, convolutions)
            made = load_upscaler(target, own=True)[0]
            keeps_colours = tint(made, expected, images.shape[1:3]) <= MAX_TINT
            if keeps_colours and agreement(made, expected, images) >= MIN_AGREEMENT:
                return
        quantize(whole, last)

    return Job(source, target, images, choose, bool(known["levels"]), described)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
