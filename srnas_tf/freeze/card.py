"""Writes MODEL_CARD.md, for people who get the files."""

import datetime
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from srnas_tf import __version__
from srnas_tf.arch import Network
from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.freeze import stages_file
from srnas_tf.freeze.runtimes import RUNTIMES, machine
from srnas_tf.freeze.settings import ExportSettings
from srnas_tf.nets import Net
from srnas_tf.train.evaluate import Scores

FORMATS = {"onnx": ".onnx", "tflite": ".tflite", "ncnn": ".param", "coreml": ".mlpackage"}
"""Tags of Hugging Face, and the files that they stand for."""

SLOWER = 1.05
"""A file counts as slower than float32 above this multiple of its time."""

ASIDE = {"use", "keep", "checkpoint_every", "sampling"}
"""Of a network's provenance, what does not belong to its recipe."""

PLAYS = {
    "teacher_weight": lambda recipe: recipe.get("teacher"),
    "halve_every": lambda recipe: recipe.get("schedule") == "step",
}
"""Settings of a recipe that change nothing unless this holds."""

TEMPLATE = Path(__file__).with_name("MODEL_CARD.md.j2")


def _slower(files: dict) -> dict[str, str]:
    """For each file, its time as a multiple of its runtime's float32 on this machine, as text.

    The text is empty for a file that is not slower. If none is slower, the result is empty.
    """
    said = dict.fromkeys(files, "")
    for runtime in RUNTIMES:
        for form in runtime.forms:
            own, whole = (files.get(name, {}).get("latency_ms") for name in (form.file, runtime.file))
            if own and whole and own != whole:
                ratio = min(own[n] / whole[n] for n in own)
                said[form.file] = f"{ratio:.1f} times as long as `{runtime.file}`" if ratio > SLOWER else ""
    return said if any(said.values()) else {}


def _training(provenance: Mapping[str, Any]) -> dict[str, str]:
    """How the weights were made: settings and what came of them, as text, without those that played no part."""
    idle = {name for name, plays in PLAYS.items() if not plays(provenance)}
    said = {}
    for name, value in provenance.items():
        if name in ASIDE | idle or (value in ("", 0, None) and name != "seed"):
            continue
        if isinstance(value, float) and name.endswith("psnr"):
            said[name] = f"{value:.2f} dB"
        elif isinstance(value, str) and " " not in value:
            said[name] = f"`{value}`"
        else:
            said[name] = str(value)
    return said


def described(network: Net) -> dict[str, str]:
    """The metadata of files: a `description`, and more by name."""
    provenance = network.provenance
    return {
        "description": f"Enlarges RGB images {network.scale} times: lr, 0..1, to sr, 1.0 = white, not clipped.",
        "scale": str(network.scale),
        "range": "0..1",
        "colours": "RGB",
        "architecture": str(network.network),
        "training_data": str(provenance.get("data", "unknown")),
        "low_resolution": str(provenance.get("low_resolution", "bicubic")),
        "use": str(provenance.get("use", "")),
        "version": f"srnas_tf {__version__}",
        "card": "MODEL_CARD.md",
    }


def model_card(
    network: Net,
    scores: Scores,
    tint: int,
    files: dict,
    settings: ExportSettings,
    evaluated: Mapping[str, dict] = {},
    low_resolution: str = "bicubic",
) -> str:
    """The card as Markdown.

    Args:
        network: the exported network.
        scores: the network's, on the images that the files were compared on.
        tint: its largest error on images of one pure colour, levels of 255.
        files: their entries in `export.json`.
        settings: settings of the export.
        evaluated: PSNR, SSIM and number of images by set, as `evaluate.json` has them.
        low_resolution: the kind of low-resolution images.
    """
    arch = network.network
    blocks = arch.blocks if isinstance(arch, Network) else ()
    attentions = [ATTENTIONS["none"], *(ATTENTIONS[block.attention] for block in blocks)]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        arch=str(arch),
        scale=network.scale,
        params=arch.params,
        macs=arch.macs(),
        provenance=network.provenance,
        training=_training(network.provenance),
        images=len(scores.psnrs),
        psnr=scores.psnr,
        ssim=scores.ssim,
        tint=tint,
        files=files,
        settings=settings,
        evaluated=evaluated,
        low_resolution=low_resolution,
        trained_on=network.provenance.get("low_resolution", "bicubic"),
        stages=any(name.startswith(stages_file.FOLDER) for name in files),
        attends=any(attention.pools for attention in attentions),
        reach=max(attention.reach for attention in attentions),
        threads=sorted({n for file in files.values() for n in file.get("latency_ms", ())}, key=int),
        machine=machine.described(),
        versions={name: importlib.metadata.version(name) for name in ("tensorflow", "onnxruntime", "ai-edge-litert")},
        version=__version__,
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        slower=_slower(files),
        formats="".join(f", {name}" for name, suffix in FORMATS.items() if any(f.endswith(suffix) for f in files)),
    )
