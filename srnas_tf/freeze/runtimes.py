"""Any model file as an upscaler, in the runtime that it is made for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.errors import UserError, first_line
from srnas_tf.freeze import untrusted
from srnas_tf.nets import files
from srnas_tf.quiet import stderr_aside
from srnas_tf.train.evaluate import Upscaler, as_batch, of_network

SIGNATURE = "serving_default"


def _keras(path: Path) -> Upscaler:
    return of_network(files.load(path))


def _saved_model(path: Path) -> Upscaler:
    untrusted.check_saved_model(path)
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures[SIGNATURE]

    def upscale(lr: np.ndarray) -> np.ndarray:
        return serve(lr=tf.constant(as_batch(lr)))["sr"][0].numpy()

    upscale.keep = loaded  # type: ignore[attr-defined]  # a signature does not hold on to its variables
    return upscale


def _litert(path: Path) -> Upscaler:
    from ai_edge_litert.interpreter import Interpreter

    with stderr_aside():  # the delegate announces itself
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
    [lr_detail], [sr_detail] = interpreter.get_input_details(), interpreter.get_output_details()

    def upscale(lr: np.ndarray) -> np.ndarray:
        batch = as_batch(lr)
        interpreter.resize_tensor_input(lr_detail["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(lr_detail["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(sr_detail["index"])[0]

    return upscale


def _onnx(path: Path) -> Upscaler:
    import onnxruntime

    untrusted.check_onnx(path)
    model = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())

    def upscale(lr: np.ndarray) -> np.ndarray:
        [sr] = model.run(["sr"], {"lr": as_batch(lr).transpose(0, 3, 1, 2)})
        return sr[0].transpose(1, 2, 0)

    return upscale


RUNTIMES: dict[str, Callable[[Path], Upscaler]] = {
    ".keras": _keras,
    "": _saved_model,
    ".tflite": _litert,
    ".onnx": _onnx,
}
"""By suffix; a SavedModel is a folder and has none."""


def load_upscaler(path: Path) -> tuple[Upscaler, int]:
    """A `.keras`, `.tflite` or `.onnx` file or a SavedModel folder, and how much it enlarges.

    Raises:
        UserError: where there is no such file, or it is no upscaler that its runtime can run.
    """
    if not path.exists():
        raise UserError(f"--model={path}: no such model")
    kind = "" if path.is_dir() else path.suffix.lower()
    if kind not in RUNTIMES or (kind == "" and not path.is_dir()):
        raise UserError(f"--model={path}: expected a .keras, .tflite or .onnx file, or a SavedModel folder")
    try:
        upscale = RUNTIMES[kind](path)
        return upscale, upscale(np.zeros((16, 16, 3), np.uint8)).shape[0] // 16
    except UserError:
        raise
    except Exception as error:  # Each runtime has errors of its own for a file that it cannot read or run.
        raise UserError(f"--model={path}: cannot be loaded ({first_line(error)})") from None
