"""Exports a network, runs each file in its own runtime, and compares it with the network."""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from srnas_tf.data.sources import Pair
from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import contents, convert, int8, latency, staged, stages_file
from srnas_tf.freeze.card import described, model_card
from srnas_tf.freeze.crops import middle_of, patches_of
from srnas_tf.freeze.fidelity import MAX_TINT, own_tint, tint
from srnas_tf.freeze.runtimes import FORMS, RUNTIMES, USUAL, machine
from srnas_tf.freeze.runtimes.runtime import Form
from srnas_tf.freeze.saved_model import save
from srnas_tf.freeze.settings import ExportSettings, LatencySettings
from srnas_tf.freeze.upscalers import check_makes, load_upscaler
from srnas_tf.host import child
from srnas_tf.nets import Net
from srnas_tf.nets.stages import stages
from srnas_tf.nets.transfer import reparameterized
from srnas_tf.train.evaluate import Upscaler, mean_psnr, of_network, scores
from srnas_tf.workdir.files import write_json, write_text

log = logging.getLogger(__name__)

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
    """Writes the files that the settings name, `export.json` and `MODEL_CARD.md` into the folder.

    Args:
        network: the network in float32. Its deploy form is exported.
        pairs: images to compare the files on. Several sizes show that sizes are free.
        folder: an earlier export there is replaced once this one has passed.
        training: low-resolution training images, uint8 RGB. int8 files learn their ranges from these, or from `pairs`
            if there are none.
        settings: the files and their input. Files of one size are compared on the images' middles.
        evaluated: the content of `evaluate.json`, for the card.
        source: the network's file, whose hash goes into the report.
        low_resolution: the kind of `pairs`' low-resolution images, for the card.

    Returns:
        By file: `bytes`, `max_abs_diff` (1.0 = white), `psnr_diff` (dB, the file's minus the network's), `ok`, and
            `files` (their SHA-256). The differences are None for a file that this system cannot run. `model_sha256` is
            that of `source`. If the file was timed, `latency_ms` and `latency_spread`, the share that it varied by, by
            number of threads. int8 files that lose too much are left out, and a line on stderr says so.

    Raises:
        UserError: if the folder holds anything but an export.
        WorkError: if a file differs from the network by more than its form allows. The files are then in
            `<folder>-rejected`, and an earlier export stays. Also if a file cannot be made; the others are then there.
    """
    network = reparameterized(network)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if not folder.exists() and _former(folder).exists():  # killed while it put one in the place of the other
        _former(folder).rename(folder)
    training = training or [pair.lr for pair in pairs]
    if settings.size:
        pairs = [middle_of(pair, settings.size, network.scale) for pair in pairs]
    try:
        report, failed = _freeze(network, pairs, partial, folder, patches_of(training, settings.size), settings)
        wrong = [name for name, entry in report.items() if not entry["ok"]]
        if source:
            frozen_from = {"model_sha256": _digest(source)}
            report = {name: entry | frozen_from for name, entry in report.items()}
        if settings.card_latency and not wrong:
            _time(report, partial, settings.static_size)
        write_json(partial / "export.json", report)
        quality = scores(of_network(network), pairs, network.scale)
        off = own_tint(of_network(network), network.scale, settings.size or (32, 32))
        card = model_card(network, quality, off, report, settings, evaluated, low_resolution)
        write_text(partial / "MODEL_CARD.md", card)
        if wrong:
            rejected = folder.with_name(f"{folder.name}-rejected")
            _put(partial, rejected)
            worst = report[wrong[0]]
            raise WorkError(
                f"{rejected / wrong[0]}: differs from the network by {worst['max_abs_diff']:.2g} "
                f"and {worst['psnr_diff']:.3f} dB; see {rejected / 'export.json'}"
            )
        _put(partial, folder)
        if failed:
            [(name, reason), *_] = failed.items()
            raise WorkError(f"{folder / name}: cannot be made ({reason}); the other files are there")
        return report
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # an incomplete export would take up room on a full disk


def _freeze(
    network: Net, pairs: list[Pair], folder: Path, known_as: Path, patches: np.ndarray, settings: ExportSettings
) -> tuple[dict, dict[str, str]]:
    """Makes the files, and compares each with the network. Returns also, by file, why some could not be made."""
    cut = [] if settings.size else stages(network)
    convolutions = int8.choices(network.network)
    dense = bool(convolutions) and int8.pays_in_onnxruntime(network)
    has = {"": True, "stages": bool(cut), "inner": bool(convolutions), "dense": dense}
    wanted = [form for form in FORMS if _wanted(settings, form)]
    if not convolutions and any(form.is_int8 for form in wanted):
        log.warning("no int8 files: %s has no convolution between its first and its last", network.network)
    elif not dense and settings.export_files and any(form.needs == "dense" for form in wanted):
        log.warning("no int8 file in ONNX: of depthwise convolutions it is no faster (docs/int8.md)")
    forms = [form for form in wanted if has[form.needs]]
    for form in forms:
        check_makes(form)
    source = folder / FORMS[0].file
    with writing(known_as, tf.errors.OpError):
        folder.mkdir(parents=True)
        save(network, source, cut, images=True, size=settings.size)
        homes = {(folder / form.file).parent for form in forms if form.stands_for}
        for home in (source / stages_file.ASSETS, *homes) if cut else ():
            staged.describe(cut, network.scale, home)
    more = [f"described={json.dumps(described(network))}", *(f"inner={each}" for each in convolutions)]
    broken = _convert(source, folder, forms, patches, [*more, *["levels=1"] * settings.uint8_io])
    failed = {form.file: broken[form.file] for form in forms if form.file in broken and not form.optional}
    for name in broken.keys() - failed.keys():
        log.warning("no %s: it cannot be made (%s)", name, broken[name])
    expected = _outputs(of_network(network), pairs)
    psnr = mean_psnr(expected, pairs, network.scale)
    report = {}
    for form in forms:
        if form.file in broken:
            continue
        path, files = folder / form.file, _files(form, folder)
        about = {
            "bytes": sum(file.stat().st_size for file in files),
            "files": {file.relative_to(folder).as_posix(): _digest(file) for file in files},
        }
        for model in (file for file in files if file.suffix == path.suffix) if form.stands_for else [path]:
            contents.check(model)
        if not USUAL[Path(form.file).suffix].runs():
            report[form.file] = {**about, "max_abs_diff": None, "psnr_diff": None, "ok": True}
            continue
        upscale = upscaler_of(form, path)
        got = _outputs(upscale, pairs)
        # The output of stages is rounded, and therefore clipped.
        near = [np.clip(b, 0, 1) for b in expected] if form.stands_for else expected
        difference = max(float(np.max(np.abs(a - b))) for a, b in zip(got, near, strict=True))
        psnr_difference = mean_psnr(got, pairs, network.scale) - psnr
        off = tint(upscale, of_network(network), patches.shape[1:3]) if form.is_int8 else 0
        accepted = form.accepts(difference, psnr_difference) and off <= MAX_TINT
        if form.optional and not accepted:
            tinted = f"{off} levels from the network on flat colours, more than {MAX_TINT}"
            lost = f"{psnr_difference:+.2f} dB from the network, more than {form.psnr_tolerance:.2f}"
            log.warning("no %s: it is %s", path.name, tinted if off > MAX_TINT else lost)
            for file in files:
                file.unlink()
            continue
        report[form.file] = about | {"max_abs_diff": difference, "psnr_diff": psnr_difference, "ok": accepted}
    if FORMS[0].file not in report:
        shutil.rmtree(source.parent)
    return report, failed


def upscaler_of(form: Form, path: Path) -> Upscaler:
    """A file that was made here, in its own runtime. Stages run on tiles, however small the image is."""
    return staged.in_parts(path) if form.stands_for else load_upscaler(path, own=True)[0]


def _files(form: Form, folder: Path) -> list[Path]:
    """The files of a form in an export folder. Stages have a file each, and a description."""
    path = folder / form.file
    if form.stands_for:
        return [*sorted(path.parent.glob(f"*{path.suffix}")), path.parent / stages_file.DESCRIPTION]
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path, *(path.with_name(name) for name in form.beside)]


def _wanted(settings: ExportSettings, form: Form) -> bool:
    """Whether the settings name the form's file, or the file that its stages stand for."""
    return (form.stands_for or form.name) in settings.files


def _time(report: dict, folder: Path, size: str) -> None:
    """Adds the latency of each file to its entry, on one thread and on all."""
    whole = [form for form in FORMS if form.file in report and not form.stands_for]
    for runtime in RUNTIMES:
        paths = [folder / form.file for form in whole if form in runtime.forms and runtime.runs()]
        for threads in sorted({1, machine.cores()}) if paths else ():
            times = latency.measure_files(paths, LatencySettings(runtime.name, threads, size), rounds=1)
            for path, ms in times.ms.items():
                entry = report[str(Path(path).relative_to(folder))]
                entry.setdefault("latency_ms", {})[str(threads)] = ms
                entry.setdefault("latency_spread", {})[str(threads)] = times.spread[path]


def check_replaceable(folder: Path) -> None:
    """Refuses to replace a folder that is no earlier export.

    Raises:
        UserError: if it holds something else.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / "export.json").exists() or not any(folder.iterdir()))):
        raise UserError(f"{folder}: exists and is no export; move it, or give another --workdir")


def _put(finished: Path, folder: Path) -> None:
    """Puts a finished export in the place of an earlier one, and then removes that."""
    check_replaceable(folder)
    former = _former(folder)
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    finished.rename(folder)
    shutil.rmtree(former, ignore_errors=True)


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.former")


def _convert(
    source: Path, folder: Path, forms: Sequence[Form], patches: np.ndarray, more: Sequence[str]
) -> dict[str, str]:
    """Makes the files of a SavedModel, with further arguments for all. Returns, by file, why some could not be made."""
    failed: dict[str, str] = {}
    pending = [form.file for form in forms if form.convert]
    while pending:
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            np.save(file, patches)
            file.flush()
            command = child.command("srnas_tf.freeze.convert", str(source), f"patches={file.name}")
            command += [*more, *(f"{name}={folder / name}" for name in pending)]
            # tf2onnx walks through sets. With another seed, the same network becomes another graph.
            settled = {**os.environ, "PYTHONHASHSEED": "0"}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=settled)
        # Output of libraries goes there, too.
        told = [convert.Said.of(line) for line in done.stdout.splitlines() if line.startswith(convert.MARK)]
        failed |= {name: each.wrong for name, each in zip(pending, told, strict=False) if each.wrong}
        pending = pending[len(told) :]
        if pending:  # it ended on that one
            lines = done.stderr.strip().splitlines()
            failed[pending.pop(0)] = lines[-1] if lines else f"its converter ends with {done.returncode}"
    return failed


def _outputs(upscale, pairs: list[Pair]) -> list[np.ndarray]:
    return [upscale(pair.lr) for pair in pairs]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
