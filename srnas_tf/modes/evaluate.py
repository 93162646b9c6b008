"""`--mode=evaluate`: PSNR and SSIM of a model on folders of photographs."""

import hashlib
from pathlib import Path

import tensorflow as tf

from srnas_tf import flags, model_file
from srnas_tf.arch import parse
from srnas_tf.data import images
from srnas_tf.data.sources import DataSettings, hr_folder, load_pairs
from srnas_tf.errors import UserError
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.host import devices
from srnas_tf.host.progress import progress
from srnas_tf.reading import check_fields, is_of
from srnas_tf.report import results
from srnas_tf.report.table import print_table
from srnas_tf.train.evaluate import scores
from srnas_tf.workdir.files import read_json, write_json
from srnas_tf.workdir.folder import Workdir

SUBJECT = "evaluated.json"
"""Beside `evaluate.json`: which file that is about, and its SHA-256 (null for a SavedModel)."""


def run(workdir: Workdir) -> None:
    """Measures `--model` on each folder of `--data`; writes `evaluate.json` and `--record`, prints a table."""
    path = flags.required_path("model")
    described = to_record(path) if flags.FLAGS.record else None
    upscale, scale = load_upscaler(path)
    sets = {name: load_pairs(paths, scale) for name, paths in folders(flags.from_flags(DataSettings)).items()}
    workdir.make()
    report = {}
    for name, pairs in sets.items():
        with progress(f"measuring {name}", len(pairs)) as told:
            report[name] = scores(upscale, pairs, scale, told).summary()
    write_json(workdir / "evaluate.json", report)
    write_json(workdir / SUBJECT, {"model": str(path), "sha256": _digest(path)})
    if described:
        params = parse(described.network).params
        result = results.result_of(described.network, params, described.provenance, machine(), report)
        results.write(flags.required_path("record"), result)
    rows = [
        [name, "inf" if r["psnr"] is None else f"{r['psnr']:.4f}", f"{r['ssim']:.4f}", str(r["images"])]
        for name, r in report.items()
    ]
    print_table(f"{flags.FLAGS.model}, x{scale}", ["", "PSNR", "SSIM", "images"], rows)


def evaluated(workdir: Workdir, model: Path) -> dict:
    """What `evaluate.json` says of this very file; empty where it is about another one, or there is none."""
    if not (workdir / SUBJECT).exists() or not (workdir / "evaluate.json").exists():
        return {}
    about = read_json(workdir / SUBJECT)
    if not isinstance(about, dict) or about.get("sha256") != _digest(model):
        return {}
    found = read_json(workdir / "evaluate.json")
    figures = {"psnr": float | None, "ssim": float, "images": int}
    for each in found.values() if is_of(found, dict[str, dict]) else ({},):
        try:
            check_fields(each, figures)
        except ValueError as error:
            raise UserError(f"{workdir / 'evaluate.json'}: is spoiled ({error}); remove it") from None
    return found


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def to_record(model: Path) -> model_file.Description:
    """What a model says of itself, for `--record`; mistakes come to light before minutes of measuring.

    Raises:
        UserError: where it says nothing, `--record` is not a .json file, or that holds anything else than a result of
            this network.
    """
    described, path = model_file.read(model), flags.required_path("record")
    if path.suffix != ".json":
        raise UserError(f"--record={path}: name a .json file; --mode=tables reads no others")
    if path.exists() and (other := results.read(path).arch) != described.network:
        raise UserError(f"--record={path}: is a result of {other}; give another file")
    return described


def machine() -> str:
    """The cores and accelerators that this process may use, by their makers' names: "2 cores, AMD EPYC"."""
    parts = [devices.processor()]
    for gpu in tf.config.list_physical_devices("GPU"):
        parts.append(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    return ", ".join(parts)


def folders(data: DataSettings) -> dict[str, list[Path]]:
    """Images by the name of their folder; a folder's `HR` subfolder stands for it."""
    sets: dict[str, list[Path]] = {}
    for spec in data.data.split(","):
        if spec == "photos":
            name, paths = spec, DataSettings(data=spec).paths("test")
        else:
            folder = Path(spec)
            name, paths = folder.name, images.find(hr_folder(folder), data.recursive)
        if name in sets:
            raise UserError(f"--data: two folders are named {name}; measure them one after the other")
        sets[name] = paths
    return sets
