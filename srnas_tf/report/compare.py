"""Shows crops of held-out images, enlarged by each method, side by side: `compare.png`, and one file for each crop."""

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
"""Side of a crop, in high-resolution pixels."""
THUMBNAIL = 160
"""Longer side of the small image that shows the position of a crop, in pixels."""
ROWS = 4
"""Maximum number of images."""
INDEX = "crops.json"
"""File in the folder of crops that describes each of them."""

matplotlib.use("agg")


class Crop(NamedTuple):
    """A part of an image, enlarged by one method.

    Attributes:
        method: its name; `original` for the image itself.
        image: uint8 RGB, [height, width, 3]; `CROP` pixels a side, or fewer if the image is smaller.
        psnr: PSNR of the whole image, dB; None for the original.
    """

    method: str
    image: np.ndarray
    psnr: float | None


class Row(NamedTuple):
    """The crops of one image.

    Attributes:
        photograph: name of the image.
        crops: one for each method, the original first.
        where: the whole image, small, with a frame around the crop; uint8 RGB; None if the position is unknown.
    """

    photograph: str
    crops: list[Crop]
    where: np.ndarray | None = None


def crops(pairs: Sequence[Pair], enlarged: Mapping[str, list[np.ndarray]], scale: int) -> list[Row]:
    """Cuts the most detailed part out of each image, and the same part out of each enlargement.

    Args:
        pairs: the images; the first `ROWS` are shown.
        enlarged: uint8 RGB images by method, in the order of `pairs`.
        scale: factor of the enlargement.
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
    """Reduces an image, and draws a frame around a box (left, top, right, bottom) that is clipped to the image."""
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
    """Draws all crops into one PNG.

    Raises:
        WorkError: if the file cannot be written.
    """
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
    """Writes each crop as a PNG, and `crops.json`, which names the image, the method and the PSNR of each file."""
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
    """Top and left of the crop that loses most detail in the reduction, in high-resolution pixels."""
    y = metrics.luma(hr)
    coarse = metrics.luma(np.repeat(np.repeat(reduce(hr, scale), scale, 0), scale, 1))
    detail = np.pad(np.abs(y - coarse), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    height, width = (min(CROP, side) for side in hr.shape[:2])
    sums = detail[height:, width:] - detail[:-height, width:] - detail[height:, :-width] + detail[:-height, :-width]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return int(top), int(left)
