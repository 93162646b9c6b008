"""Draws `rank.png`: the PSNR of networks trained alone over their PSNR in the supernet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from srnas_tf.errors import writing
from srnas_tf.workdir.files import whole

matplotlib.use("agg")


def scatter(panels: Mapping[str, Sequence[dict]], path: Path) -> None:
    """Draws one panel for each sample of networks, coloured by their number of parameters.

    Args:
        panels: networks by title of the panel; each has `supernet_psnr` and `psnr` (dB) and `params`.
        path: the PNG file to write.

    Raises:
        WorkError: if the file cannot be written.
    """
    figure = Figure(figsize=(4.8 * len(panels), 4), layout="constrained")
    for i, (title, networks) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), i)
        x, y, sizes = ([entry[key] for entry in networks] for key in ("supernet_psnr", "psnr", "params"))
        points = axes.scatter(x, y, c=[size / 1000 for size in sizes], cmap="viridis")
        figure.colorbar(points, ax=axes, label="parameters, thousands")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("in the supernet, dB")
        axes.set_ylabel("trained alone, dB")
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), whole(path) as partial:
        figure.savefig(partial, dpi=130)
