"""The frozen files of IMDN x4 in their runtimes, on 128 x 128, against PyTorch."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks import peer
from benchmarks.measure import Findings, alternate, ratio
from srnas_tf import arch, nets
from srnas_tf.freeze import int8, stopwatch
from srnas_tf.freeze.runtimes import machine
from srnas_tf.freeze.saved_model import save
from srnas_tf.nets.initial import initialize

FILES = {
    "float32": {"onnxruntime": "model.onnx", "litert": "model.tflite"},
    "int8": {"onnxruntime": "model_int8.onnx", "litert": "model_int8.tflite"},
}
"""What each runtime runs, as an export names it."""


def runtimes(rounds: int) -> Findings:
    """Each runtime against PyTorch eager and, of each precision, the one that is best."""
    lr = np.random.default_rng(0).random((1, 128, 128, 3), np.float32)
    model = nets.SRNet(arch.imdn())
    initialize(model, 0, "interpolation")
    run = tf.function(lambda lr: model(lr))
    with tempfile.TemporaryDirectory() as folder:
        runs = {("float32", "tensorflow"): lambda: run(tf.constant(lr)).numpy(), **_frozen(model, Path(folder), lr)}
        times = alternate({**runs, "eager": peer.inference(lr)}, 3 * rounds, warm=3)
    figures = {}
    for precision in FILES:
        ratios = {name: ratio(times[kind, name], times["eager"]) for kind, name in runs if kind == precision}
        best = min(ratios, key=lambda name: ratios[name].median)
        figures[f"128 x 128, {precision}, best runtime ({best}) / PyTorch eager"] = ratios[best]
        figures |= {f"128 x 128, {precision}, {name} / PyTorch eager": each for name, each in ratios.items()}
    return Findings(figures)


def _frozen(model: Callable, folder: Path, lr: np.ndarray) -> dict[tuple[str, str], Callable]:
    save(model, folder / "saved")
    np.save(folder / "patches.npy", lr[:, :64, :64])
    command = [sys.executable, "-m", "srnas_tf.freeze.convert", str(folder / "saved")]
    command += [f"patches={folder / 'patches.npy'}", f"inner={int8.inner(arch.imdn())}"]
    files = {(kind, name): file for kind, runs in FILES.items() for name, file in runs.items()}
    command += [f"{file}={folder / file}" for file in files.values()]
    subprocess.run(command, check=True, capture_output=True)
    return {key: stopwatch.running(key[1], folder / file, lr, machine.cores()) for key, file in files.items()}
