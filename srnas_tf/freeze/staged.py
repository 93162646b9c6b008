"""Models in stages, in any runtime, for `tiles` on images of any size."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.freeze import stages_file, upscalers
from srnas_tf.freeze.runtimes.runtime import Arrays, Runtime
from srnas_tf.freeze.runtimes.tensorflow import of_function
from srnas_tf.host.silence import stderr_aside
from srnas_tf.kit import tiles
from srnas_tf.nets import files
from srnas_tf.nets.stages import Stage, stages
from srnas_tf.train.evaluate import Upscaler


def traced(stage: Stage) -> Callable:
    """A stage as a signature: {map0, ..., moments, mask} -> {out0, ..., moments_out}."""
    kinds = [tf.float32 if channels == 3 and i in (0, 3) else tf.float16 for i, channels in enumerate(stage.channels)]
    specs = {
        f"map{i}": tf.TensorSpec([1, None, None, channels], kind, name=f"map{i}")
        for i, (channels, kind) in enumerate(zip(stage.channels, kinds, strict=True))
    }
    specs["moments"] = tf.TensorSpec([2, stage.gathered], tf.float32, name="moments")
    specs["mask"] = tf.TensorSpec([1, None, None, 1], tf.float32, name="mask")

    @tf.function
    def run(**given):
        maps = [given[f"map{i}"] for i in range(len(stage.channels))]
        made, moments = stage.run(maps, given["moments"], given["mask"])
        return {"moments_out": moments} | {f"out{i}": each for i, each in enumerate(made)}

    return run.get_concrete_function(**specs)


def _known(cut: Sequence[Stage]) -> dict:
    return {
        "reaches": [stage.reach for stage in cut],
        "channels": list(cut[1].channels[:3]),
        "grid": cut[0].grid,
        "pools": cut[0].pools,
    }


def describe(cut: Sequence[Stage], scale: int, folder: Path) -> None:
    """Writes the description of these stages beside their files."""
    stages_file.write(folder, {"scale": scale, **_known(cut)})


def load_model(path: Path, runtime: str = "") -> tiles.Model:
    """A model file for `tiles`, in its usual runtime or another. Raises as `upscalers.load`."""
    asked = upscalers.runtime_of(path, runtime)
    upscalers.examine(path, _files(path, asked), runtime)
    (upscale, size), scale = upscalers.load(path, True, runtime)
    found: list[tiles.Stages | None] = []

    def once() -> tiles.Stages | None:
        if not found:
            cut = _stages(path, asked)
            found.append(cut and _with_checked_numbers(path, cut))
        return found[0]

    return tiles.Model(upscale, scale, once, size)


def _with_checked_numbers(path: Path, cut: tiles.Stages) -> tiles.Stages:
    """The same stages. An enlarged image with NaN or infinity fails.

    The maps between stages may be infinite in float16, and still lead to numbers.
    """
    last = len(cut.reaches) - 1

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        made, gathered = cut.run(stage, maps, moments, mask)
        if stage == last:
            upscalers.check_numbers(path, made[0])
        return made, gathered

    return cut._replace(run=run)


def in_parts(path: Path) -> Upscaler:
    """A file of stages as an upscaler. It runs on tiles, however small the image is."""
    known = stages_file.read(path.parent / stages_file.DESCRIPTION)
    loaded = _stages(path, upscalers.runtime_of(path))
    model = tiles.Model(lambda lr: lr, known["scale"], lambda: loaded)
    return lambda lr: tiles.enlarge(lr, model, max(1, lr.shape[0] * lr.shape[1] // 3))[:] / np.float32(255)


def _files(path: Path, runtime: Runtime | None) -> list[Path]:
    """The files of a model's stages."""
    if not (runtime and runtime.staged and (beside := stages_file.beside(path))):
        return []
    folder, known = beside
    return runtime.staged.files(folder, len(known["reaches"]))


def _stages(path: Path, runtime: Runtime | None) -> tiles.Stages | None:
    """A model file in stages; None if it has none, or its runtime cannot run them."""
    if not runtime:
        return _of_network(stages(files.load(path)))
    if not (runtime.staged and (beside := stages_file.beside(path))):
        return None
    folder, known = beside
    return _run(runtime.staged.open(path, folder), known, runtime.staged.planes, runtime.staged.kept)


def _of_network(cut: Sequence[Stage]) -> tiles.Stages | None:
    runs = [traced(stage) for stage in cut]
    return _run(lambda number: of_function(runs[number]), _known(cut)) if cut else None


def _run(
    stage_of: Callable[[int], Callable[[Arrays], Arrays]], known: dict, planes: bool = False, kept: int | None = None
) -> tiles.Stages:
    """Stages for `tiles`.

    Args:
        stage_of: number -> opened stage.
        known: their description.
        planes: whether maps are [channels, height, width].
        kept: number of stages to keep open; None for all.
    """

    @functools.lru_cache(kept)
    def opened(number: int) -> Callable[[Arrays], Arrays]:
        with stderr_aside():
            return stage_of(number)

    def run(number: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = {f"map{i}": each[None] for i, each in enumerate(maps)}
        shape = (1, 1, *mask.shape[:2]) if planes else (1, *mask.shape)
        out = opened(number)({**given, "moments": moments, "mask": mask.reshape(shape)})
        return [out[key][0] for key in sorted(out) if key.startswith("out")], out["moments_out"]

    return tiles.Stages(run, tuple(known["reaches"]), tuple(known["channels"]), planes, known["grid"])
