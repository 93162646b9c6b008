"""A network as `model.onnx` and its stages alone: for what needs no other files and cannot wait for them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from srnas_tf.errors import WorkError
from srnas_tf.freeze import staged
from srnas_tf.freeze.export import save
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.nets import Net
from srnas_tf.nets.stages import stages
from srnas_tf.train.evaluate import of_network

TOLERANCE = 1e-4
"""The largest difference to the network, 1.0 = white, as `export` allows it to `model.onnx`."""


def write(network: Net, folder: Path) -> Path:
    """Writes the files into a folder that is there; returns the path of `model.onnx`.

    Args:
        network: with dtype policy float32.

    Raises:
        WorkError: where the conversion fails, or its file enlarges otherwise than the network.
    """
    cut, model = stages(network), folder / "model.onnx"
    targets = {"onnx": model}
    if cut:
        targets["onnx_stages"] = folder / staged.FOLDER / f"{staged.name(0)}.onnx"
        targets["onnx_stages"].parent.mkdir()
        staged.describe(cut, network.scale, targets["onnx_stages"].parent)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "saved_model"
        save(network, source, cut)
        line = [sys.executable, "-m", "srnas_tf.freeze.convert", str(source)]
        line += [f"{name}={path}" for name, path in targets.items()]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise WorkError(f"converting to {model} failed: {said[-1] if said else done.returncode}")
    image = np.random.default_rng(0).random((24, 32, 3), np.float32)
    difference = float(np.max(np.abs(load_upscaler(model)[0](image) - of_network(network)(image))))
    if difference > TOLERANCE:
        raise WorkError(f"{model}: differs from the network by {difference:.2g}")
    return model
