"""Enlarges photographs with `model.onnx` by onnxruntime: python upscale.py INPUT."""

import functools
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from kit import mistakes, program, tiles

MODEL = "model.onnx"
"""Comes with this program, in `x<scale>/`; its card, MODEL_CARD.md, says what it may be used for."""


def load_model(path: Path) -> tiles.Model:
    """An ONNX file with input `lr` and output `sr`, and the stages beside it, if they stand for it."""
    try:
        session = _session(path)
    except Exception as error:  # onnxruntime has many kinds of its own.
        raise mistakes.UserError(f"{path}: cannot be loaded ({str(error).splitlines()[0]})") from None

    def whole(lr: np.ndarray) -> np.ndarray:
        [sr] = session.run(["sr"], {"lr": np.ascontiguousarray(lr.transpose(2, 0, 1))[None]})
        return sr[0].transpose(1, 2, 0)

    sides = session.get_inputs()[0].shape[2:]
    size = tuple(sides) if all(isinstance(side, int) for side in sides) else None  # else names, of any number
    height, width = size or (16, 16)
    scale = whole(np.zeros((height, width, 3), np.float32)).shape[0] // height
    return tiles.Model(whole, scale, functools.cache(lambda: load_stages(path)), size)


def load_stages(path: Path) -> tiles.Stages | None:
    """The stages in `stages/`, beside a model file that they stand for."""
    described = path.parent / "stages" / "stages.json"
    known = json.loads(described.read_text("utf-8")) if described.exists() else {"stands_for": []}
    if path.name not in known["stands_for"]:
        return None

    @functools.cache
    def session(stage: int) -> onnxruntime.InferenceSession:
        return _session(path.parent / "stages" / f"stage{stage:02}.onnx")

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = {f"map{i}": each[None] for i, each in enumerate(maps)}
        given |= {"moments": moments, "mask": mask.reshape(1, 1, *mask.shape[:2])}
        loaded = session(stage)
        names = sorted(value.name for value in loaded.get_outputs())  # moments_out, out0, ...
        taken = {value.name: given[value.name] for value in loaded.get_inputs()}
        moments_out, *made = loaded.run(names, taken)
        return [each[0] for each in made], moments_out

    return tiles.Stages(run, tuple(known["reaches"]), tuple(known["channels"]), True, known.get("grid", 1))


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), _options(), providers=onnxruntime.get_available_providers())


@functools.cache
def _options() -> onnxruntime.SessionOptions:
    """One arena for all sessions: each on its own keeps the memory that it has worked in, gigabytes in all."""
    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    cpu = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg({}))
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


if __name__ == "__main__":
    sys.exit(program.main(load_model, Path(__file__).parent, MODEL, sys.argv[1:]))
