"""Model files of three kinds, each in its own runtime, as what enlarges images; each runtime is imported by its own."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from srnas_tf.host.devices import cores
from srnas_tf.host.silence import stderr_aside
from srnas_tf.metrics import as_batch

if TYPE_CHECKING:
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "serving_default"

Size = tuple[int, int]
"""Height and width of the only images that a file takes."""

TRIED = ((16, 16), (24, 16))
"""Sizes of the images that a file is tried on."""


class Loaded(NamedTuple):
    """A model file in its runtime.

    Attributes:
        upscale: an `Upscaler` (`train.evaluate`), of images of `size` where there is one.
        size: height and width of the only images that it takes; None where it takes any.
    """

    upscale: Callable[[np.ndarray], np.ndarray]
    size: Size | None = None


class NumberError(ValueError):
    """A model gives what is no number: NaN, or infinity."""


def scale_of(loaded: Loaded) -> int:
    """How much a model enlarges, by what it makes of small images, or of one of its size.

    Raises:
        NumberError: where it gives what is no number.
        ValueError: where it does not enlarge alike, up and across, by a whole number.
        Exception: whatever its runtime raises.
    """
    scales = set()
    for height, width in [loaded.size] if loaded.size else TRIED:
        levels = np.arange(height * width * 3, dtype=np.uint32) * 41 % 256
        lr = levels.astype(np.uint8).reshape(height, width, 3)
        sr = loaded.upscale(lr)
        if sr.ndim != 3 or sr.shape[2] != 3 or not sr.shape[0] or sr.shape[0] % height or sr.shape[1] % width:
            raise ValueError(f"it makes {list(sr.shape)} of an image of {[height, width, 3]}, which enlarges nothing")
        scales |= {sr.shape[0] // height, sr.shape[1] // width}
        check_numbers(sr)
    if len(scales) > 1:
        raise ValueError(f"it enlarges {min(scales)} times and {max(scales)} times, not alike")
    return scales.pop()


def check_numbers(sr: np.ndarray) -> None:
    """Refuses what would become black, or white, of whatever was to be seen.

    Raises:
        NumberError: where a value is NaN or infinite.
    """
    if not np.isfinite(sr).all():
        raise NumberError("it gives numbers that are none (NaN or infinity); its weights are spoiled")


def saved_model(path: Path) -> Loaded:
    import tensorflow as tf

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


def litert(path: Path) -> Loaded:
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


def onnx(path: Path) -> Loaded:
    model = onnx_session(path)

    def upscale(lr: np.ndarray) -> np.ndarray:
        [sr] = model.run(["sr"], {"lr": as_batch(lr).transpose(0, 3, 1, 2)})
        return sr[0].transpose(1, 2, 0)

    return Loaded(upscale, _size(model.get_inputs()[0].shape[2:]))


def litert_interpreter(path: Path) -> "Interpreter":
    """An interpreter with a thread a core; of itself it takes one. Its delegate announces itself on stderr."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path), num_threads=cores())


def onnx_session(path: Path) -> "onnxruntime.InferenceSession":
    """A session that shares its memory with all others made here."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), _options(), providers=onnxruntime.get_available_providers())


@functools.cache
def _options() -> "onnxruntime.SessionOptions":
    """One arena for all sessions: each on its own keeps the memory that it has worked in, gigabytes in all."""
    import onnxruntime

    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    cpu = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg({}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised as well; its warnings are to who made the file
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


LOADERS: dict[str, Callable[[Path], Loaded]] = {"": saved_model, ".tflite": litert, ".onnx": onnx}
"""By suffix; a SavedModel is a folder and has none."""
