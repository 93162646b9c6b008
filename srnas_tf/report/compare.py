"""Crops of held-out photographs, enlarged by each method, side by side: `compare.png`, and one file each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from PIL import Image, ImageDraw

from srnas_tf import metrics
from srnas_tf.data.imresize import reduce
from srnas_tf.data.sources import Pair
from srnas_tf.errors import writing
from srnas_tf.workdir.files import whole, write_json

CROP = 96
"""Side of a crop, high-resolution pixels."""
THUMBNAIL = 160
"""The longer side of a photograph that shows where a crop is, pixels."""
ROWS = 4
"""Photographs at most."""
INDEX = "crops.json"
"""What the files of crops show, in their folder."""

matplotlib.use("agg")


class Crop(NamedTuple):
    """A part of a photograph as one method has it.

    Attributes:
        method: its name; `original` for the photograph itself.
        image: uint8 RGB.
        psnr: over the whole photograph, dB; None for the original.
    """

    method: str
    image: np.ndarray
    psnr: float | None


class Row(NamedTuple):
    """A photograph's crops.

    Attributes:
        photograph: its name.
        crops: the original's first.
        where: the whole photograph, small, uint8 RGB, with a frame around the crop; None where that is not known.
    """

    photograph: str
    crops: list[Crop]
    where: np.ndarray | None = None


def crops(pairs: Sequence[Pair], enlarged: Mapping[str, list[np.ndarray]], scale: int) -> list[Row]:
    """Each photograph's crop where there is most to lose, as it was and as each method has it.

    Args:
        pairs: the photographs; `ROWS` at most are shown.
        enlarged: by method, uint8 images in the order of `pairs`.
        scale: the enlargement.
    """
    rows = []
    for row, pair in enumerate(pairs[:ROWS]):
        top, left = _busiest(pair.hr, scale)
        window = slice(top, top + CROP), slice(left, left + CROP)
        images = {method: images[row] for method, images in enlarged.items()}
        cut = [Crop(name, image[window], metrics.psnr(image, pair.hr, scale)) for name, image in images.items()]
        where = _thumbnail(pair.hr, (left, top, left + CROP, top + CROP))
        rows.append(Row(Path(pair.name).stem, [Crop("original", pair.hr[window], None), *cut], where))
    return rows


def _thumbnail(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """An image, small, with a frame around a box (left, top, right, bottom; beyond the edges, to these)."""
    small = Image.fromarray(image)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    across, down = small.width / image.shape[1], small.height / image.shape[0]
    left, top, right, bottom = box
    frame = (left * across, top * down, min(small.width - 1, right * across), min(small.height - 1, bottom * down))
    draw = ImageDraw.Draw(small)
    draw.rectangle(frame, outline="black", width=3)  # seen on light and on dark
    draw.rectangle(frame, outline="white", width=1)
    return np.asarray(small)


def compare(rows: Sequence[Row], path: Path) -> None:
    """Draws them into one PNG."""
    columns = max(len(row.crops) for row in rows)
    figure = Figure(figsize=(2.6 * columns, 2.9 * len(rows)), layout="constrained")
    grid = GridSpec(len(rows), columns, figure)
    for row, (photograph, crops, _) in enumerate(rows):
        for column, crop in enumerate(crops):
            title = f"{photograph}\noriginal" if crop.psnr is None else f"{crop.method}\n{crop.psnr:.2f} dB"
            _draw(figure.add_subplot(grid[row, column]), crop.image, title)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), whole(path) as partial:
        figure.savefig(partial, dpi=130)


def write_crops(rows: Sequence[Row], folder: Path) -> None:
    """Writes each crop as a PNG, and `crops.json`, which says what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    for row, (photograph, crops, where) in enumerate(rows, start=1):
        entries = []
        for crop in crops:
            name = f"{row}-{crop.method}.png"
            Image.fromarray(crop.image).save(folder / name, optimize=True)
            # JSON has no infinity, the PSNR of equal images.
            psnr = crop.psnr if crop.psnr is not None and np.isfinite(crop.psnr) else None
            entries.append({"method": crop.method, "psnr": psnr, "file": name})
        index.append({"photograph": photograph, "crops": entries})
        if where is not None:
            index[-1]["where"] = f"{row}-where.png"
            Image.fromarray(where).save(folder / index[-1]["where"], optimize=True)
    write_json(folder / INDEX, index)


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
