"""Any model file as an upscaler, in the runtime that it is made for."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from srnas_tf.errors import UserError, first_line
from srnas_tf.freeze import stopwatch, untrusted
from srnas_tf.host.silence import stderr_aside
from srnas_tf.kit import tiles
from srnas_tf.nets import files
from srnas_tf.train.evaluate import Upscaler, as_batch, of_network

if TYPE_CHECKING:
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "serving_default"

Size = tuple[int, int]
"""Height and width of the only images that a file takes."""


class Loaded(NamedTuple):
    """A model file in its runtime.

    Attributes:
        upscale: enlarges an image, of `size` where there is one.
        size: height and width of the only images that it takes; None where it takes any.
    """

    upscale: Upscaler
    size: Size | None = None


def _keras(path: Path) -> Loaded:
    return Loaded(of_network(files.load(path)))


def _saved_model(path: Path) -> Loaded:
    untrusted.check_saved_model(path)
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures[SIGNATURE]

    def upscale(lr: np.ndarray) -> np.ndarray:
        return serve(lr=tf.constant(as_batch(lr)))["sr"][0].numpy()

    upscale.keep = loaded  # type: ignore[attr-defined]  # a signature does not hold on to its variables
    return Loaded(upscale, _size(serve.structured_input_signature[1]["lr"].shape[1:3]))


def _size(sides) -> Size | None:
    """A tensor's height and width, where both are given."""
    height, width = sides
    return (height, width) if all(isinstance(side, int) and side > 0 for side in (height, width)) else None


def _litert(path: Path) -> Loaded:
    with stderr_aside():
        interpreter = litert_interpreter(path)
        interpreter.allocate_tensors()
    [lr_detail], [sr_detail] = interpreter.get_input_details(), interpreter.get_output_details()
    size = _size(map(int, lr_detail["shape_signature"][1:3]))

    def upscale(lr: np.ndarray) -> np.ndarray:
        batch = as_batch(lr)
        if not size:
            interpreter.resize_tensor_input(lr_detail["index"], batch.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(lr_detail["index"], _quantized(batch, lr_detail))
        interpreter.invoke()
        return _dequantized(interpreter.get_tensor(sr_detail["index"])[0], sr_detail)

    return Loaded(upscale, size)


def _quantized(values: np.ndarray, detail: dict) -> np.ndarray:
    """Floats as a tensor takes them; where it takes integers, by its own scale and zero point."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(values / scale + zero), limits.min, limits.max).astype(detail["dtype"])


def _dequantized(values: np.ndarray, detail: dict) -> np.ndarray:
    if detail["dtype"] == np.float32:
        return values
    scale, zero = detail["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale)


def _onnx(path: Path) -> Loaded:
    model = onnx_session(path)

    def upscale(lr: np.ndarray) -> np.ndarray:
        [sr] = model.run(["sr"], {"lr": as_batch(lr).transpose(0, 3, 1, 2)})
        return sr[0].transpose(1, 2, 0)

    return Loaded(upscale, _size(model.get_inputs()[0].shape[2:]))


def litert_interpreter(path: Path) -> "Interpreter":
    """An interpreter with a thread a core; of itself it takes one. Its delegate announces itself on stderr."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path), num_threads=stopwatch.cores())


def onnx_session(path: Path) -> "onnxruntime.InferenceSession":
    """A session that shares its memory with all others made here; what it reads is checked first."""
    import onnxruntime

    untrusted.check_onnx(path)
    return onnxruntime.InferenceSession(str(path), _options(), providers=onnxruntime.get_available_providers())


@functools.cache
def _options() -> "onnxruntime.SessionOptions":
    """One arena for all sessions: each on its own keeps the memory that it has worked in, gigabytes in all."""
    import onnxruntime

    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    cpu = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg({}))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


RUNTIMES: dict[str, Callable[[Path], Loaded]] = {
    ".keras": _keras,
    "": _saved_model,
    ".tflite": _litert,
    ".onnx": _onnx,
}
"""By suffix; a SavedModel is a folder and has none."""


def load(path: Path) -> tuple[Loaded, int]:
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
        loaded = RUNTIMES[kind](path)
        height, width = loaded.size or (16, 16)
        return loaded, loaded.upscale(np.zeros((height, width, 3), np.uint8)).shape[0] // height
    except UserError:
        raise
    except Exception as error:  # Each runtime has errors of its own for a file that it cannot read or run.
        raise UserError(f"--model={path}: cannot be loaded ({first_line(error)})") from None


def load_upscaler(path: Path) -> tuple[Upscaler, int]:
    """The same for images of any size: a file that takes one size alone enlarges others in parts, rounded to levels.

    Raises:
        UserError: as `load`.
    """
    (upscale, size), scale = load(path)
    if not size:
        return upscale, scale
    model = tiles.Model(upscale, scale, size=size)

    def in_windows(lr: np.ndarray) -> np.ndarray:
        if lr.shape[:2] == size:
            return upscale(lr)
        return tiles.enlarge(lr, model)[:] / np.float32(np.iinfo(lr.dtype).max)

    return in_windows, scale
