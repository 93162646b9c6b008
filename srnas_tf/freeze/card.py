"""MODEL_CARD.md: what whoever gets the files should know of them."""

import datetime
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

import jinja2

from srnas_tf import __version__
from srnas_tf.arch import Network
from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.freeze import stages_file
from srnas_tf.freeze.runtimes import machine
from srnas_tf.freeze.settings import ExportSettings
from srnas_tf.nets import Net
from srnas_tf.train.evaluate import Scores

TEMPLATE = Path(__file__).with_name("MODEL_CARD.md.j2")


def model_card(
    network: Net,
    scores: Scores,
    files: dict,
    settings: ExportSettings,
    evaluated: Mapping[str, dict] = {},
    low_resolution: str = "bicubic",
) -> str:
    """The card as Markdown.

    Args:
        network: what was frozen.
        scores: of the photographs that the files were compared on.
        files: what `export.json` says of each.
        settings: what the files take.
        evaluated: PSNR, SSIM and number of images by set, as `evaluate.json` has them.
        low_resolution: what the low-resolution images of those photographs are.
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
        images=len(scores.psnrs),
        psnr=scores.psnr,
        ssim=scores.ssim,
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
    )
