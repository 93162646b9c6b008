"""OpenVINO: ONNX files in the file's precision, or in bfloat16 if the processor supports it."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import onnxruntime
from .runtime import Arrays, Opened, Runtime, Staged, pixels, planes, size_of


@functools.cache
def _core():
    """OpenVINO, once a process.

    Each of its cores gives the thread a stack for signal handlers. A core that goes gives the former stack back, even
    if the core that owned that one is gone: with two of them, the next signal could crash the process.
    """
    import openvino

    return openvino.Core()


def _compiled(precision: str, path: Path, threads: int = 0):
    """A file, compiled by OpenVINO for the processor.

    Args:
        precision: precision of the computation, `f32` or `bf16`. OpenVINO takes f32 if the processor has no bf16.
        path: path of the file.
        threads: 0 for one for each core.
    """
    options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    return _core().compile_model(str(path), "CPU", options)


def _open(precision: str, path: Path, threads: int = 0) -> Opened:
    model = _compiled(precision, path, threads)
    [taken] = model.inputs
    request = model.create_infer_request()

    def run(batch: np.ndarray) -> np.ndarray:
        request.infer([batch])
        return request.get_output_tensor().data.copy()  # the next image is written into the same memory

    sides = [side.get_length() if side.is_static else None for side in taken.get_partial_shape()]
    return Opened(run, size_of(sides[2:]), planes, pixels)


def _open_stages(precision: str, path: Path, folder: Path) -> Callable[[int], Callable[[Arrays], Arrays]]:
    def stage(number: int) -> Callable[[Arrays], Arrays]:
        model = _compiled(precision, onnxruntime.stage_files(folder, number + 1)[number])
        taken = [each.get_any_name() for each in model.inputs]

        def run(given: Arrays) -> Arrays:
            made = model({key: given[key] for key in taken})
            return {port.get_any_name(): array for port, array in made.items()}

        return run

    return stage


def _runtime(name: str, precision: str) -> Runtime:
    return Runtime(
        name=name,
        module="openvino",
        file=onnxruntime.RUNTIME.file,
        open=functools.partial(_open, precision),
        operators=onnxruntime.operators,
        check=onnxruntime.check,
        staged=Staged(
            onnxruntime.stage_files,
            functools.partial(_open_stages, precision),
            functools.partial(_compiled, precision),
            planes=True,
        ),
        extra="openvino",
    )


RUNTIMES = (_runtime("openvino", "f32"), _runtime("openvino-bf16", "bf16"))
