"""MODEL_CARD.md: what whoever gets the files should know of them."""

import datetime
from pathlib import Path

import jinja2

from srnas_tf import __version__
from srnas_tf.nets import Net
from srnas_tf.train.evaluate import Scores

TEMPLATE = Path(__file__).with_name("MODEL_CARD.md.j2")


def model_card(network: Net, scores: Scores, files: dict, stages: bool) -> str:
    """The card as Markdown.

    Args:
        network: what was frozen.
        scores: of the photographs that the files were compared on.
        files: what `export.json` says of each.
        stages: whether there are files of stages.
    """
    arch = network.network
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
        stages=stages,
        version=__version__,
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )
