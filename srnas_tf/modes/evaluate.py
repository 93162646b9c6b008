"""`--mode=evaluate`: measures PSNR and SSIM of a model on folders of images."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from srnas_tf import flags, model_file
from srnas_tf.arch import parse
from srnas_tf.data import images, partners
from srnas_tf.data.degrade import pipeline as degrade
from srnas_tf.data.degrade.pipeline import DEFAULT
from srnas_tf.data.shelf import open_store
from srnas_tf.data.sources import DataSettings, Images, hr_folder, load_pairs
from srnas_tf.errors import UserError
from srnas_tf.freeze.upscalers import load_upscaler
from srnas_tf.host import devices
from srnas_tf.host.progress import progress
from srnas_tf.reading import check_fields, is_of
from srnas_tf.report import results
from srnas_tf.report.table import print_table
from srnas_tf.train.evaluate import Scores, Upscaler, bicubic, scores
from srnas_tf.train.settings import MachineSettings
from srnas_tf.workdir.files import read_json, write_json
from srnas_tf.workdir.folder import Workdir

SUBJECT = "evaluated.json"
"""The file beside `evaluate.json` with the model's path and SHA-256 (null for a SavedModel)."""


class Measured(NamedTuple):
    """The results of a set of images under one degradation.

    Attributes:
        name: name of the folder.
        asked: the degradation as the command line has it; "" if that has none.
        low_resolution: the kind of low-resolution images.
        network: scores of the model.
        bicubic: scores of bicubic enlargement; None if no degradation was asked for.
    """

    name: str
    asked: str
    low_resolution: str
    network: Scores
    bicubic: Scores | None

    def entry(self) -> dict:
        """Its entry in `evaluate.json`."""
        if self.bicubic is None:
            return self.network.summary()
        beside = {"set": self.name, "degradation": self.low_resolution}
        return {
            **self.network.summary(),
            **beside,
            "bicubic": self.bicubic.summary()["psnr"],
            "worse": _worse(self.network, self.bicubic),
        }


def run(workdir: Workdir) -> None:
    """Measures `--model` on each folder of `--data`. Writes `evaluate.json` and `--record`, and prints a table.

    `--degradation` may be several, separated by `;`: each folder is then measured under each of them.
    """
    path = flags.required_path("model")
    texts = _degradations()
    described = to_record(path, texts) if flags.FLAGS.record else None
    upscale, scale = load_upscaler(path)
    asked = [(text, sets_of(_data(text), scale, found=not (text or described))) for text in texts]
    measured = [_measure(upscale, scale, text, name, own) for text, sets in asked for name, own in sets.items()]
    workdir.make()
    several = len(texts) > 1
    report = {f"{each.name}, {each.asked}" if several else each.name: each.entry() for each in measured}
    write_json(workdir / "evaluate.json", report)
    write_json(workdir / SUBJECT, {"model": str(path), "sha256": _digest(path)})
    if described:
        params = parse(described.network).params
        plain = {name: {key: entry[key] for key in ("psnr", "ssim", "images")} for name, entry in report.items()}
        result = results.result_of(described.network, params, described.provenance, machine(), plain)
        results.write(flags.required_path("record"), result)
    print_table(f"{flags.FLAGS.model}, x{scale}", *_table(measured, any(texts)))


def _degradations() -> list[str]:
    """The texts of `--degradation`; "" if there is none."""
    if not flags.FLAGS["degradation"].present:
        return [""]
    texts = [text.strip() for text in flags.FLAGS.degradation.split(";") if text.strip()]
    understood = [str(degrade.parse(text)) for text in texts]
    if not texts or len(set(understood)) < len(texts):
        raise UserError(f"--degradation={flags.FLAGS.degradation}: give each once, separated by `;`")
    return texts


def _data(text: str) -> DataSettings:
    return DataSettings(**flags.given(DataSettings) | {"degradation": text or DEFAULT})


def _measure(upscale: Upscaler, scale: int, text: str, name: str, photographs: Images) -> Measured:
    store = open_store(flags.from_flags(MachineSettings).cache_dir)
    paths, pairs, degradation = photographs
    both = load_pairs(paths, scale, degradation, pairs, store, flags.FLAGS.seed)
    compares = text or photographs.low_resolution != DEFAULT
    plain = scores(bicubic(scale), both, scale) if compares else None
    with progress(f"measuring {name}", len(both)) as told:
        network = scores(upscale, both, scale, told)
    return Measured(name, text, photographs.low_resolution, network, plain)


def _table(measured: list[Measured], compares: bool) -> tuple[list[str], list[list[str]]]:
    """Columns and rows, with the advantage over bicubic enlargement if a degradation was asked for."""
    rows = []
    for each in measured:
        row = [each.name, *([each.asked] if compares else []), _db(each.network.psnr), f"{each.network.ssim:.4f}"]
        if compares and each.bicubic:
            ahead = f"{each.network.psnr - each.bicubic.psnr:+.2f}"
            row += [_db(each.bicubic.psnr), ahead, str(_worse(each.network, each.bicubic))]
        rows.append([*row, str(len(each.network.psnrs))])
    more = ["bicubic", "ahead", "worse on"] if compares else []
    return ["", *(["degradation"] if compares else []), "PSNR", "SSIM", *more, "images"], rows


def _worse(network: Scores, other: Scores) -> int:
    """Images that the network enlarges worse than bicubic."""
    return sum(ours < theirs for ours, theirs in zip(network.psnrs, other.psnrs, strict=True))


def _db(psnr: float) -> str:
    return f"{psnr:.4f}"


def evaluated(workdir: Workdir, model: Path) -> dict:
    """The content of `evaluate.json` if it is about this file; else empty."""
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


def to_record(model: Path, degradations: list[str]) -> model_file.Description:
    """The description of a model for `--record`. Mistakes are found before minutes of measuring.

    Raises:
        UserError: if it has no description, the images are not bicubic reductions, or `--record` is not a .json file.
            Also if that file exists and is not a result of this network.
    """
    if degradations not in ([""], [DEFAULT]) or flags.FLAGS.lr_data not in ("", "none"):
        raise UserError("--record: keeps what was measured on bicubic reductions; drop --degradation and --lr_data")
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


def sets_of(data: DataSettings, scale: int, found: bool) -> dict[str, Images]:
    """The images of each folder with their low-resolution images, by the names of `folders`.

    Args:
        data: its folders, and those of low-resolution images.
        scale: the enlargement.
        found: whether to use low-resolution images beside the folders.
    """
    by_folder = folders(data)
    return {
        name: Images(paths, partners.of(paths, lr, scale, found, "lr_data"), degrade.parse(data.degradation))
        for (name, paths), lr in zip(by_folder.items(), partners.named(data.lr_data, len(by_folder)), strict=True)
    }


def folders(data: DataSettings) -> dict[str, list[Path]]:
    """Images by the name of their folder. If a folder has a subfolder `HR`, the images there are used."""
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
