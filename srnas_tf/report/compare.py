"""`compare.png`: crops of held-out photographs, enlarged by each method, side by side."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from srnas_tf import metrics
from srnas_tf.data.imresize import reduce
from srnas_tf.data.sources import Pair

CROP = 96
"""Side of a crop, high-resolution pixels."""
ROWS = 4
"""Photographs at most."""

matplotlib.use("agg")


def compare(pairs: list[Pair], enlarged: Mapping[str, list[np.ndarray]], scale: int, path: Path) -> None:
    """Draws one row a photograph: the original's crop, then each method's with its PSNR over the whole photograph.

    Args:
        pairs: the photographs.
        enlarged: by method, uint8 images in the order of `pairs`.
        scale: the enlargement.
        path: of the PNG.
    """
    shown = pairs[:ROWS]
    columns = 1 + len(enlarged)
    figure = Figure(figsize=(2.6 * columns, 2.9 * len(shown)), layout="constrained")
    grid = GridSpec(len(shown), columns, figure)
    for row, pair in enumerate(shown):
        top, left = _busiest(pair.hr, scale)
        window = slice(top, top + CROP), slice(left, left + CROP)
        _draw(figure.add_subplot(grid[row, 0]), pair.hr[window], f"{Path(pair.name).stem}\noriginal")
        for column, (method, images) in enumerate(enlarged.items(), start=1):
            quality = metrics.psnr(images[row], pair.hr, scale)
            _draw(figure.add_subplot(grid[row, column]), images[row][window], f"{method}\n{quality:.2f} dB")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _draw(axes, image: np.ndarray, title: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _busiest(hr: np.ndarray, scale: int) -> tuple[int, int]:
    """Where the photograph has most to lose: the crop with the strongest detail that the reduction cannot hold."""
    y = metrics.luma(hr)
    coarse = metrics.luma(np.repeat(np.repeat(reduce(hr, scale), scale, 0), scale, 1))
    detail = np.pad(np.abs(y - coarse), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    height, width = (min(CROP, side) for side in hr.shape[:2])
    sums = detail[height:, width:] - detail[:-height, width:] - detail[height:, :-width] + detail[:-height, :-width]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return int(top), int(left)
