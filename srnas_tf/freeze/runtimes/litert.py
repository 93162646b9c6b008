"""LiteRT: files of built-in operators in float32, float16 and int8."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .runtime import SIGNATURE, Arrays, Form, Job, Opened, Runtime, Staged, size_of

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter


def _interpreter(path: Path, threads: int = 0) -> "Interpreter":
    """An interpreter, by default with one thread for each core. LiteRT's own default is one thread."""
    from ai_edge_litert.interpreter import Interpreter

    from .machine import cores

    return Interpreter(str(path), num_threads=threads or cores())


def _open(path: Path, threads: int = 0) -> Opened:
    interpreter = _interpreter(path, threads)
    interpreter.allocate_tensors()
    [taken], [made] = interpreter.get_input_details(), interpreter.get_output_details()
    size = size_of([int(side) for side in taken["shape_signature"][1:3]])
    shape = [tuple(taken["shape"])]

    def run(batch: np.ndarray) -> np.ndarray:
        if shape != [batch.shape]:
            shape[:] = [batch.shape]
            interpreter.resize_tensor_input(taken["index"], batch.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

    return Opened(run, size, lambda batch: _quantized(batch, taken), lambda batch: _dequantized(batch, made))


def _quantized(values: np.ndarray, detail: dict) -> np.ndarray:
    """Floats in the type of a tensor. Integers use its scale and zero point."""
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


def _operators(path: Path) -> set[str]:
    from srnas_tf.freeze import litert_file

    return litert_file.operators(path)


def _check(path: Path) -> None:
    """Accepts every file: built-in operators can only compute, and other operators do not load."""


def _stage_files(folder: Path, count: int) -> list[Path]:
    return [folder / "stages.tflite"]


def _open_stages(path: Path, folder: Path) -> Callable[[int], Callable[[Arrays], Arrays]]:
    from srnas_tf.freeze import stages_file

    def stage(number: int) -> Callable[[Arrays], Arrays]:
        runner = _interpreter(folder / "stages.tflite").get_signature_runner(stages_file.name(number))
        return lambda given: runner(**{key: given[key] for key in runner.get_input_details()})

    return stage


def _write(job: Job, content: bytes) -> None:
    from srnas_tf.freeze import litert_file

    job.target.write_bytes(content)
    litert_file.describe(job.target, job.described)


def _whole(job: Job, *, half: bool = False) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(job.source), signature_keys=[SIGNATURE])
    # Built-in operations only: files that need others then fail here, not on the phone.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    _write(job, converter.convert())


def _half(job: Job) -> None:
    _whole(job, half=True)


def _stages(job: Job) -> None:
    """Writes all stages into one file, with a signature for each."""
    import tensorflow as tf

    from srnas_tf.freeze import stages_file

    signatures = tf.saved_model.load(str(job.source)).signatures
    names = sorted(name for name in signatures if name.startswith(stages_file.PREFIX))
    job.target.parent.mkdir(exist_ok=True)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(job.source), signature_keys=names)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    _write(job, converter.convert())


def _int8(job: Job) -> None:
    """int8 inside the blocks. Layers that would lose the most stay float32 (docs/int8.md)."""
    from litert_quantizer import quantizer
    from litert_quantizer.recipe import TFLOperationName

    from srnas_tf.freeze import litert_file, ranges

    def quantize(whole: Path, inner: str) -> None:
        made = quantizer.Quantizer(str(whole))
        made.add_static_config(inner, TFLOperationName.CONV_2D, activation_num_bits=8, weight_num_bits=8)
        found, *extremes = (
            made.calibrate({"serving_default": [{"lr": image[None]} for image in each]})
            for each in (job.patches, *ranges.flats(job.patches.shape[1:3])[:, None])
        )
        job.target.write_bytes(made.quantize(functools.reduce(_held, extremes, found)).quantized_model)

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "float.tflite"
        _whole(job._replace(target=whole, described={}))
        job.choose(quantize, whole)
    litert_file.describe(job.target, job.described)
    if job.levels:
        litert_file.take_levels(job.target)


def _held(found: dict, extremes: dict) -> dict:
    """Widens ranges of tensors, by name, to include others. Those from photographs are moving averages."""
    return {
        name: {**known, "min": np.minimum(known["min"], other["min"]), "max": np.maximum(known["max"], other["max"])}
        if "min" in known and "min" in (other := extremes.get(name, {}))
        else known
        for name, known in found.items()
    }


RUNTIME = Runtime(
    name="litert",
    module="ai_edge_litert",
    file="model.tflite",
    open=_open,
    operators=_operators,
    check=_check,
    forms=(
        Form("model.tflite", _whole, 1e-4, 0.001),
        Form("model_fp16.tflite", _half, 2e-2, 0.1),
        # The PSNR decides here. Single pixels at edges may differ by much.
        Form("model_int8.tflite", _int8, 0.5, 0.1, needs="inner", optional=True),
        # Rounded to levels. float16 between the stages may change one by one level.
        Form("stages/stages.tflite", _stages, 1.01 / 255, 0.01, needs="stages", stands_for="model.tflite"),
    ),
    # A stage keeps its working memory. All stages together would take gigabytes.
    staged=Staged(_stage_files, _open_stages, lambda path: _interpreter(path).allocate_tensors(), kept=1),
)
