"""Freezes a network, runs each file in its own runtime, and says how far it is from the network."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from srnas_tf.data.sources import Pair
from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import staged
from srnas_tf.freeze.card import model_card
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.freeze.saved_model import save
from srnas_tf.nets import Net
from srnas_tf.nets.stages import stages
from srnas_tf.settings import write_json, write_text
from srnas_tf.train.evaluate import Upscaler, mean_psnr, of_network, scores

INVISIBLE = 0.25 / 255
"""A quarter of a level: where the PSNR is very high, such a difference changes it and is no fault."""


class Target(NamedTuple):
    """A file to freeze into, and how far its output may be from the network's.

    Attributes:
        converter: its name in `convert.CONVERTERS`; empty for the SavedModel that the others are made from.
        file: its path within the export folder.
        tolerance: the largest absolute difference allowed, 1.0 = white.
        psnr_tolerance: the largest difference of the mean PSNR allowed, dB.
        load: how to run the file.
        family: whether it is for networks of the IMDN family that can be cut into stages, and no others.
    """

    converter: str
    file: str
    tolerance: float
    psnr_tolerance: float
    load: Callable[[Path], Upscaler] = lambda path: load_upscaler(path)[0]
    family: bool = False

    def accepts(self, difference: float, psnr_difference: float) -> bool:
        """Whether a file is near enough: by both measures, or so near that no PSNR, however high, counts against it."""
        near = difference <= self.tolerance and abs(psnr_difference) <= self.psnr_tolerance
        return near or difference <= min(self.tolerance, INVISIBLE)


TARGETS = (
    Target("", "saved_model/1", 1e-4, 0.001),
    Target("litert", "model.tflite", 1e-4, 0.001),
    Target("litert_fp16", "model_fp16.tflite", 2e-2, 0.1),
    Target("onnx", "model.onnx", 1e-4, 0.001),
    Target("onnx_fp16", "model_fp16.onnx", 2e-2, 0.1, family=True),
    # A pixel may be off by much at an edge: it is the PSNR that counts here.
    Target("litert_int8", "model_int8.tflite", 0.5, 0.3, family=True),
    Target("onnx_int8", "model_int8.onnx", 0.5, 0.3, family=True),
    # Rounded to levels, of which float16 between the stages may move one by one.
    Target("litert_stages", f"{staged.FOLDER}/stages.tflite", 1.01 / 255, 0.01, staged.in_parts, family=True),
    Target("onnx_stages", f"{staged.FOLDER}/{staged.name(0)}.onnx", 1.01 / 255, 0.01, staged.in_parts, family=True),
)


def export(network: Net, pairs: list[Pair], folder: Path, training: Sequence[np.ndarray] = ()) -> dict:
    """Writes all targets, `export.json` and `MODEL_CARD.md` into the folder.

    Args:
        network: with dtype policy float32.
        pairs: photographs to compare the files on; of more than one size, to see that sizes are free.
        folder: an earlier export in it is replaced once this one has passed.
        training: photographs that it was trained on, as it sees them, uint8 RGB: int8 files learn their ranges from
            them; from `pairs` where there are none.

    Returns:
        By file: `bytes`, `max_abs_diff` (1.0 = white), `psnr_diff` (dB, the file's minus the network's), `ok`, `sha256`
        (null for a folder).

    Raises:
        UserError: where the folder holds something else than an export.
        WorkError: where a file cannot be made, or is further from the network than its target allows; then the files
            lie in `<folder>-rejected`, and an earlier export stays.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if not folder.exists() and _former(folder).exists():  # killed while it put one in the place of the other
        _former(folder).rename(folder)
    try:
        return _export(network, pairs, folder, partial, training or [pair.lr for pair in pairs])
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # on a full disk, what there is of it takes up room


def _export(network: Net, pairs: list[Pair], folder: Path, partial: Path, training: Sequence[np.ndarray]) -> dict:
    cut = stages(network)
    targets = [target for target in TARGETS if cut or not target.family]
    with writing(folder, tf.errors.OpError):
        partial.mkdir(parents=True)
        save(network, partial / targets[0].file, cut, images=True)
        if cut:
            for described in (partial / targets[0].file / "assets.extra", partial / staged.FOLDER):
                staged.describe(cut, network.scale, described)
    with tempfile.TemporaryDirectory() as scratch:
        patches = Path(scratch) / "patches.npy"
        np.save(patches, patches_of(training))
        _convert(partial, targets, patches)
    expected = _outputs(of_network(network), pairs)
    psnr = mean_psnr(expected, pairs, network.scale)
    report = {}
    for target in targets:
        got = _outputs(target.load(partial / target.file), pairs)
        # What stages give is rounded, and so clipped.
        wanted = [np.clip(b, 0, 1) for b in expected] if target.load is staged.in_parts else expected
        difference = max(float(np.max(np.abs(a - b))) for a, b in zip(got, wanted, strict=True))
        psnr_difference = mean_psnr(got, pairs, network.scale) - psnr
        report[target.file] = {
            "bytes": _size(partial / target.file),
            "max_abs_diff": difference,
            "psnr_diff": psnr_difference,
            "ok": target.accepts(difference, psnr_difference),
            "sha256": _digest(partial / target.file),
        }
    write_json(partial / "export.json", report)
    quality = scores(of_network(network), pairs, network.scale)
    write_text(partial / "MODEL_CARD.md", model_card(network, quality, report, bool(cut)))
    wrong = [name for name, entry in report.items() if not entry["ok"]]
    if wrong:
        rejected = folder.with_name(f"{folder.name}-rejected")
        _put(partial, rejected)
        worst = report[wrong[0]]
        raise WorkError(
            f"{rejected / wrong[0]}: differs from the network by {worst['max_abs_diff']:.2g} "
            f"and {worst['psnr_diff']:.3f} dB; see {rejected / 'export.json'}"
        )
    _put(partial, folder)
    return report


def check_replaceable(folder: Path) -> None:
    """Refuses to replace a folder that no earlier export made.

    Raises:
        UserError: where it holds something else.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / "export.json").exists() or not any(folder.iterdir()))):
        raise UserError(f"{folder}: exists and is no export; move it, or give another --workdir")


def _put(finished: Path, folder: Path) -> None:
    """Puts a finished export in the place of an earlier one, which is removed only then."""
    check_replaceable(folder)
    former = _former(folder)
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    finished.rename(folder)
    shutil.rmtree(former, ignore_errors=True)


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.former")


def patches_of(images: Sequence[np.ndarray]) -> np.ndarray:
    """The middle of each image, float32 [n, side, side, 3] in 0..1, 64 pixels a side or as many as all of them have."""
    side = min(64, *(size for image in images for size in image.shape[:2]))
    corners = [((image.shape[0] - side) // 2, (image.shape[1] - side) // 2) for image in images]
    middles = [image[y : y + side, x : x + side] for image, (y, x) in zip(images, corners, strict=True)]
    return np.stack(middles).astype(np.float32) / np.float32(255)


def _convert(folder: Path, targets: Sequence[Target], patches: Path) -> None:
    source, *others = targets
    command = [sys.executable, "-m", "srnas_tf.freeze.convert", str(folder / source.file), f"patches={patches}"]
    command += [f"{target.converter}={folder / target.file}" for target in others]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkError(f"converting {folder / source.file} failed: {lines[-1] if lines else done.returncode}")


def _outputs(upscale, pairs: list[Pair]) -> list[np.ndarray]:
    return [upscale(pair.lr) for pair in pairs]


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; a folder has none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
