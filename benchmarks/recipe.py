"""Time to a PSNR: the recipe for small networks, against the thesis' recipe."""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from absl import flags

from benchmarks.measure import Findings, ratio, spread

THESIS_STEPS = 2000
_FLAGFILES = Path(__file__).parents[1] / "flags"
_NETWORK = ("--arch=SCSCS", "--ending=imdn", "--width=16", "--depth=4")


class _Training(NamedTuple):
    """The end of a training: seconds since the process began, the last validation included, and its PSNR in dB."""

    seconds: float
    psnr: float


def recipe(rounds: int) -> Findings:
    """IMDN x4 of width 16 and depth 4; each round is a seed. A recipe that does not reach the PSNR takes for ever."""
    thesis, small = [], []
    for seed in range(rounds):
        thesis.append(_train("thesis_step", seed, f"--steps={THESIS_STEPS}", f"--validate_every={THESIS_STEPS}"))
        small.append(_train("recipe_small", seed))
    reached = [
        ours.seconds if ours.psnr >= theirs.psnr else math.inf for ours, theirs in zip(small, thesis, strict=True)
    ]
    where = f"{THESIS_STEPS} steps of the thesis' recipe"
    return Findings(
        {
            f"time to the PSNR of {where}, recipe_small / thesis": ratio(reached, [each.seconds for each in thesis]),
            f"PSNR after {where}": spread([each.psnr for each in thesis], "dB"),
            "PSNR after recipe_small": spread([each.psnr for each in small], "dB"),
        }
    )


def _train(flagfile: str, seed: int, *arguments: str) -> _Training:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "srnas_tf.run", "--mode=train", f"--flagfile={_FLAGFILES / flagfile}.flags"]
        command += [*_NETWORK, f"--workdir={folder}/run", f"--data={flags.FLAGS.data}", f"--seed={seed}", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        last = json.loads((Path(folder) / "run/train/metrics.jsonl").read_text("utf-8").splitlines()[-1])
    return _Training(last["seconds"], last["val_psnr"])
