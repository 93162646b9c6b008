"""Enlarges photographs with a `.tflite` file by LiteRT: python upscale.py INPUT."""

import functools
import json
import os
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from kit import mistakes, program, tiles

MODEL = "model.tflite"
"""Comes with this program, in `x<scale>/`; its card, MODEL_CARD.md, says what it may be used for."""


def load_model(path: Path) -> tiles.Model:
    """A LiteRT file, float32 or with uint8 in and out, and the stages beside it, if they stand for it."""
    try:
        interpreter = _interpreter(path)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise mistakes.UserError(f"{path}: cannot be loaded ({str(error).splitlines()[0]})") from None
    [taken], [made] = interpreter.get_input_details(), interpreter.get_output_details()
    sides = [int(side) for side in taken["shape_signature"][1:3]]  # -1: any
    size = None if -1 in sides else (sides[0], sides[1])

    def whole(lr: np.ndarray) -> np.ndarray:
        if not size:
            interpreter.resize_tensor_input(taken["index"], (1, *lr.shape))
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], _quantized(lr[None], taken))
        interpreter.invoke()
        return _dequantized(interpreter.get_tensor(made["index"])[0], made)

    height, width = size or (16, 16)
    scale = whole(np.zeros((height, width, 3), np.float32)).shape[0] // height
    return tiles.Model(whole, scale, functools.cache(lambda: load_stages(path)), size)


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


def load_stages(path: Path) -> tiles.Stages | None:
    """The stages in `stages/`, beside a model file that they stand for."""
    described = path.parent / "stages" / "stages.json"
    known = json.loads(described.read_text("utf-8")) if described.exists() else {"stands_for": []}
    if path.name not in known["stands_for"]:
        return None

    @functools.lru_cache(1)  # a stage keeps the memory that it has worked in: all of them together, gigabytes
    def runner(stage: int):
        return _interpreter(path.parent / "stages" / "stages.tflite").get_signature_runner(f"stage{stage:02}")

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = {f"map{i}": each[None] for i, each in enumerate(maps)} | {"moments": moments, "mask": mask[None]}
        run_stage = runner(stage)
        out = run_stage(**{name: given[name] for name in run_stage.get_input_details()})
        return [out[name][0] for name in sorted(out) if name.startswith("out")], out["moments_out"]

    return tiles.Stages(run, tuple(known["reaches"]), tuple(known["channels"]), grid=known.get("grid", 1))


def _interpreter(path: Path) -> Interpreter:
    """Of a file, with a thread for each core that this process may use; of itself it takes one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Interpreter(str(path), num_threads=cores)


if __name__ == "__main__":
    sys.exit(program.main(load_model, Path(__file__).parent, MODEL, sys.argv[1:]))
