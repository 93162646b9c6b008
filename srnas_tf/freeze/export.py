"""Freezes a network, runs each file in its own runtime, and says how far it is from the network."""

import hashlib
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from srnas_tf.data.sources import Pair
from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import contents, int8, latency, staged, stages_file, stopwatch
from srnas_tf.freeze.card import model_card
from srnas_tf.freeze.loaders import Size
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.freeze.saved_model import save
from srnas_tf.freeze.settings import ExportSettings, LatencySettings
from srnas_tf.freeze.stages_file import FOLDER
from srnas_tf.freeze.tint import MOST, tint
from srnas_tf.host import child
from srnas_tf.nets import Net
from srnas_tf.nets.stages import stages
from srnas_tf.nets.transfer import folded
from srnas_tf.train.evaluate import Upscaler, mean_psnr, of_network, scores
from srnas_tf.workdir.files import write_json, write_text

log = logging.getLogger(__name__)

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
        needs: what a network must have for it: "stages" that it can be run in, or "inner" convolutions to be int8.
        optional: whether a file that is further off is left out; any other fails the export.
    """

    converter: str
    file: str
    tolerance: float
    psnr_tolerance: float
    load: Callable[[Path], Upscaler] = lambda path: load_upscaler(path, own=True)[0]
    needs: str = ""
    optional: bool = False

    def accepts(self, difference: float, psnr_difference: float) -> bool:
        """Whether a file is near enough: by both measures, or so near that no PSNR, however high, counts against it."""
        near = difference <= self.tolerance and abs(psnr_difference) <= self.psnr_tolerance
        return near or difference <= min(self.tolerance, INVISIBLE)

    def files(self, folder: Path) -> list[Path]:
        """All that it consists of in an export folder: of stages, each one's file and what describes them."""
        path = folder / self.file
        if self.load is staged.in_parts:
            return [*sorted(path.parent.glob(f"*{path.suffix}")), path.parent / stages_file.DESCRIPTION]
        return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


TARGETS = (
    Target("", "saved_model/1", 1e-4, 0.001),
    Target("litert", "model.tflite", 1e-4, 0.001),
    Target("litert_fp16", "model_fp16.tflite", 2e-2, 0.1),
    Target("onnx", "model.onnx", 1e-4, 0.001),
    Target("onnx_fp16", "model_fp16.onnx", 2e-2, 0.1, needs="stages"),
    # A pixel may be off by much at an edge: it is the PSNR that counts here.
    Target("litert_int8", "model_int8.tflite", 0.5, 0.1, needs="inner", optional=True),
    Target("onnx_int8", "model_int8.onnx", 0.5, 0.1, needs="inner", optional=True),
    # Rounded to levels, of which float16 between the stages may move one by one.
    Target("litert_stages", f"{FOLDER}/stages.tflite", 1.01 / 255, 0.01, staged.in_parts, needs="stages"),
    Target(
        "onnx_stages",
        f"{FOLDER}/{stages_file.name(0)}.onnx",
        1.01 / 255,
        0.01,
        staged.in_parts,
        needs="stages",
    ),
)


UNTIMED = ExportSettings(card_latency=False)


def export(
    network: Net,
    pairs: list[Pair],
    folder: Path,
    training: Sequence[np.ndarray] = (),
    settings: ExportSettings = UNTIMED,
    evaluated: Mapping[str, dict] = {},
    source: Path | None = None,
    low_resolution: str = "bicubic",
) -> dict:
    """Writes the targets that the settings want, `export.json` and `MODEL_CARD.md` into the folder.

    Args:
        network: with dtype policy float32; what is expanded is folded.
        pairs: photographs to compare the files on; of more than one size, to see that sizes are free.
        folder: an earlier export in it is replaced once this one has passed.
        training: photographs that it was trained on, as it sees them, uint8 RGB: int8 files learn their ranges from
            them; from `pairs` where there are none.
        settings: which files, and what they take; of one size, they are compared on the photographs' middles.
        evaluated: what `evaluate.json` says of this network, for the card.
        source: the file that the network was read from, which the files then say.
        low_resolution: what the low-resolution images of `pairs` are, for the card.

    Returns:
        By file: `bytes`, `max_abs_diff` (1.0 = white), `psnr_diff` (dB, the file's minus the network's), `ok`, `files`
        (the SHA-256 of each that it consists of), `model_sha256` (of `source`) where it is given, and `latency_ms` by
        number of threads where it was timed. int8 files that lose too much are left out, which a line on stderr says.

    Raises:
        UserError: where the folder holds something else than an export.
        WorkError: where a file cannot be made, or is further from the network than its target allows; then the files
            lie in `<folder>-rejected`, and an earlier export stays.
    """
    network = folded(network)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if not folder.exists() and _former(folder).exists():  # killed while it put one in the place of the other
        _former(folder).rename(folder)
    training = training or [pair.lr for pair in pairs]
    if settings.size:
        pairs = [_middle(pair, settings.size, network.scale) for pair in pairs]
    try:
        report = _freeze(network, pairs, partial, folder, patches_of(training, settings.size), settings)
        wrong = [name for name, entry in report.items() if not entry["ok"]]
        if source:
            frozen_from = {"model_sha256": _digest(source)}
            report = {name: entry | frozen_from for name, entry in report.items()}
        if settings.card_latency and not wrong:
            _time(report, partial, settings.static_size)
        write_json(partial / "export.json", report)
        quality = scores(of_network(network), pairs, network.scale)
        write_text(partial / "MODEL_CARD.md", model_card(network, quality, report, settings, evaluated, low_resolution))
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
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # on a full disk, what there is of it takes up room


def _freeze(
    network: Net, pairs: list[Pair], folder: Path, known_as: Path, patches: np.ndarray, settings: ExportSettings
) -> dict:
    """Makes the files and compares each with the network."""
    cut = [] if settings.size else stages(network)
    convolutions = int8.choices(network.network)
    has = {"": True, "stages": bool(cut), "inner": bool(convolutions)}
    wanted = [_with(settings, target) for target in TARGETS if _wanted(settings, target)]
    if not convolutions and any(target.needs == "inner" for target in wanted):
        log.warning("no int8 files: %s has no convolution between its first and its last", network.network)
    targets = [target for target in wanted if has[target.needs]]
    source = folder / TARGETS[0].file
    with writing(known_as, tf.errors.OpError):
        folder.mkdir(parents=True)
        save(network, source, cut, images=True, size=settings.size)
        homes = {(folder / target.file).parent for target in targets if target.load is staged.in_parts}
        for described in (source / "assets.extra", *homes) if cut else ():
            staged.describe(cut, network.scale, described)
    _convert(source, folder, targets, patches, convolutions)
    expected = _outputs(of_network(network), pairs)
    psnr = mean_psnr(expected, pairs, network.scale)
    report = {}
    for target in targets:
        path, files = folder / target.file, target.files(folder)
        for file in files:
            contents.check(file)
        got = _outputs(target.load(path), pairs)
        # What stages give is rounded, and so clipped.
        near = [np.clip(b, 0, 1) for b in expected] if target.load is staged.in_parts else expected
        difference = max(float(np.max(np.abs(a - b))) for a, b in zip(got, near, strict=True))
        psnr_difference = mean_psnr(got, pairs, network.scale) - psnr
        off = tint(target.load(path), of_network(network), patches.shape[1:3]) if target.needs == "inner" else 0
        accepted = target.accepts(difference, psnr_difference) and off <= MOST
        if target.optional and not accepted:
            tinted = f"{off} levels from the network on flat colours, more than {MOST}"
            lost = f"{psnr_difference:+.2f} dB from the network, more than {target.psnr_tolerance:.2f}"
            log.warning("no %s: it is %s", path.name, tinted if off > MOST else lost)
            path.unlink()
            continue
        report[target.file] = {
            "bytes": sum(file.stat().st_size for file in files),
            "max_abs_diff": difference,
            "psnr_diff": psnr_difference,
            "ok": accepted,
            "files": {file.relative_to(folder).as_posix(): _digest(file) for file in files},
        }
    if TARGETS[0].file not in report:
        shutil.rmtree(source.parent)
    return report


def _wanted(settings: ExportSettings, target: Target) -> bool:
    """Whether the settings name the target's file, or the one that its stages stand for."""
    stood_for = [name for name in stages_file.STANDS_FOR if Path(name).suffix == Path(target.file).suffix]
    [name] = stood_for if target.load is staged.in_parts else [Path(target.file).parts[0]]
    return name in settings.files


def _with(settings: ExportSettings, target: Target) -> Target:
    """The target as the settings want it."""
    return (
        target._replace(converter="litert_uint8") if settings.uint8_io and target.converter == "litert_int8" else target
    )


def _time(report: dict, folder: Path, size: str) -> None:
    """Adds milliseconds of each file of the whole network, on one thread and on all, to what is said of it."""
    whole = [name for name in report if not name.startswith(FOLDER)]
    for runtime, form in latency.FORMS.items():
        paths = [folder / name for name in whole if Path(name).suffix == form.suffix]
        for threads in sorted({1, stopwatch.cores()}) if paths else ():
            times = latency.measure_files(paths, LatencySettings(runtime, threads, size), rounds=1)
            for path, ms in times.ms.items():
                report[str(Path(path).relative_to(folder))].setdefault("latency_ms", {})[str(threads)] = ms


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


def patches_of(images: Sequence[np.ndarray], size: Size | None = None) -> np.ndarray:
    """The middle of each image, float32 [n, height, width, 3] in 0..1: of a size, or 64 pixels a side or as many as all
    of them have.
    """
    side = min(64, *(size for image in images for size in image.shape[:2]))
    middles = [middle(image, size or (side, side)) for image in images]
    return np.stack(middles).astype(np.float32) / np.float32(255)


def middle(image: np.ndarray, size: Size, unit: int = 1) -> np.ndarray:
    """The middle of an image; where that is too small, its mirror image goes on beyond the edges.

    Args:
        image: [height, width, channels].
        size: height and width, in units.
        unit: pixels; the middle begins at a multiple of it.
    """
    missing = [max(0, unit * side - own) for side, own in zip(size, image.shape[:2], strict=True)]
    image = np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)], "symmetric")
    y, x = (unit * ((own // unit - side) // 2) for side, own in zip(size, image.shape[:2], strict=True))
    return image[y : y + unit * size[0], x : x + unit * size[1]]


def _middle(pair: Pair, size: Size, scale: int) -> Pair:
    return Pair(pair.name, middle(pair.lr, size), middle(pair.hr, size, scale))


def _convert(source: Path, folder: Path, targets: Sequence[Target], patches: np.ndarray, inner: Sequence[str]) -> None:
    others = [target for target in targets if target.converter]
    if not others:
        return
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, patches)
        file.flush()
        command = child.command("srnas_tf.freeze.convert", str(source))
        command += [f"patches={file.name}", *(f"inner={each}" for each in inner)]
        command += [f"{target.converter}={folder / target.file}" for target in others]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkError(f"converting {source} failed: {lines[-1] if lines else done.returncode}")


def _outputs(upscale, pairs: list[Pair]) -> list[np.ndarray]:
    return [upscale(pair.lr) for pair in pairs]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
