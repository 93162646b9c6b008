"""Models in stages, each in its own runtime: what `tiles` runs on images of any size."""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.freeze import loaders, runtimes, stages_file
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
    }


def describe(cut: Sequence[Stage], scale: int, folder: Path) -> None:
    """Writes what files of these stages must have beside them."""
    stages_file.write(folder, {"scale": scale, **_known(cut)})


def load_model(path: Path) -> tiles.Model:
    """A model file as `tiles` takes it. Raises as `runtimes.load`."""
    kind = runtimes.kind_of(path)
    runtimes.examine(path, FILES[kind](path))
    (upscale, size), scale = runtimes.load(path, own=True)
    found: list[tiles.Stages | None] = []

    def once() -> tiles.Stages | None:
        if not found:
            cut = STAGED[kind](path)
            found.append(cut and _with_checked_numbers(path, cut))
        return found[0]

    return tiles.Model(upscale, scale, once, size)


def _with_checked_numbers(path: Path, cut: tiles.Stages) -> tiles.Stages:
    """The same stages, where an image of what is no number fails.

    What they hand on may be infinite, in float16, and still come to numbers.
    """
    last = len(cut.reaches) - 1

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        made, gathered = cut.run(stage, maps, moments, mask)
        if stage == last:
            runtimes.check_numbers(path, made[0])
        return made, gathered

    return cut._replace(run=run)


def in_parts(path: Path) -> Upscaler:
    """A file of stages as an upscaler that runs them on parts of an image, however small it is."""
    known = stages_file.read(path.parent / stages_file.DESCRIPTION)
    loaded = STAGED[path.suffix](path)
    model = tiles.Model(lambda lr: lr, known["scale"], lambda: loaded)
    return lambda lr: tiles.enlarge(lr, model, max(1, lr.shape[0] * lr.shape[1] // 3))[:] / np.float32(255)


def _keras(path: Path) -> tiles.Stages | None:
    cut = stages(files.load(path))
    runs = [traced(stage) for stage in cut]
    return _of_tensorflow(runs, _known(cut)) if cut else None


def _saved_model(path: Path) -> tiles.Stages | None:
    described = path / "assets.extra" / stages_file.DESCRIPTION
    if not described.exists():
        return None
    known, loaded = stages_file.read(described), tf.saved_model.load(str(path))
    runs = [loaded.signatures[stages_file.name(i)] for i in range(len(known["reaches"]))]
    return _of_tensorflow(runs, known, loaded)


def _of_tensorflow(runs: Sequence[Callable], known: dict, keep: object = None) -> tiles.Stages:
    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = {f"map{i}": each[None] for i, each in enumerate(maps)} | {"moments": moments, "mask": mask[None]}
        out = runs[stage](**{key: tf.constant(value) for key, value in given.items()})
        return [out[key][0].numpy() for key in _outputs(out)], out["moments_out"].numpy()

    run.keep = keep  # type: ignore[attr-defined]  # a signature does not hold on to its variables
    return tiles.Stages(run, tuple(known["reaches"]), tuple(known["channels"]), grid=known["grid"])


def _outputs(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith("out"))


def _litert(path: Path) -> tiles.Stages | None:
    if not (beside := stages_file.beside(path)):
        return None
    folder, known = beside

    @functools.lru_cache(1)  # a stage keeps the memory that it has worked in: all of them together, gigabytes
    def runner(stage: int):
        with stderr_aside():
            return loaders.litert_interpreter(folder / "stages.tflite").get_signature_runner(stages_file.name(stage))

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = {f"map{i}": each[None] for i, each in enumerate(maps)} | {"moments": moments, "mask": mask[None]}
        run_stage = runner(stage)
        out = run_stage(**{key: given[key] for key in run_stage.get_input_details()})
        return [out[key][0] for key in _outputs(out)], out["moments_out"]

    return tiles.Stages(run, tuple(known["reaches"]), tuple(known["channels"]), grid=known["grid"])


def _onnx(path: Path) -> tiles.Stages | None:
    if not (beside := stages_file.beside(path)):
        return None
    known = beside[1]
    sessions = [loaders.onnx_session(stage) for stage in _onnx_files(path)]

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = {f"map{i}": each[None] for i, each in enumerate(maps)}
        given |= {"moments": moments, "mask": mask.reshape(1, 1, *mask.shape[:2])}
        names = [value.name for value in sessions[stage].get_outputs()]
        wanted = {value.name for value in sessions[stage].get_inputs()}
        out = sessions[stage].run(names, {key: given[key] for key in wanted})
        out = dict(zip(names, out, strict=True))
        return [out[key][0] for key in _outputs(out)], out["moments_out"]

    return tiles.Stages(run, tuple(known["reaches"]), tuple(known["channels"]), True, known["grid"])


def _onnx_files(path: Path) -> list[Path]:
    beside = stages_file.beside(path)
    return [beside[0] / f"{stages_file.name(i)}.onnx" for i in range(len(beside[1]["reaches"]))] if beside else []


def _litert_files(path: Path) -> list[Path]:
    beside = stages_file.beside(path)
    return [beside[0] / "stages.tflite"] if beside else []


FILES: dict[str, Callable[[Path], list[Path]]] = {
    ".keras": lambda path: [],
    "": lambda path: [],
    ".tflite": _litert_files,
    ".onnx": _onnx_files,
}
"""By suffix: the files beside a model file that hold its stages."""

STAGED: dict[str, Callable[[Path], tiles.Stages | None]] = {
    ".keras": _keras,
    "": _saved_model,
    ".tflite": _litert,
    ".onnx": _onnx,
}
"""By suffix, as `runtimes.RUNTIMES`: a model file in stages, None where it has none."""
