"""Photographs as they are to be enlarged and written again: with depth, transparency, profile and EXIF."""

import logging
import os
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from srnas_tf.data import images
from srnas_tf.errors import UserError, first_line

# libvips and pyvips say on stderr what they raise as well.
os.environ.setdefault("VIPS_WARNING", "1")
logging.getLogger("pyvips").setLevel(logging.CRITICAL)

DEEP = (".png", ".tif", ".tiff")
"""Formats that hold 16 bits a channel."""

LARGEST_SIDE = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}
"""Pixels, of formats that have such a limit."""

_PROFILED = ("RGB", "RGBA", "P")
_EXIF_IFD, _EXIF_WIDTH, _EXIF_HEIGHT = 0x8769, 0xA002, 0xA003
_LUMA = (0.299, 0.587, 0.114)  # Pillow's


class Rows(Protocol):
    """An array, or a file that is one: [height, width, channels], `name` the file's."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class Photograph(NamedTuple):
    """An image taken apart.

    Attributes:
        pixels: uint8 or uint16 RGB [height, width, 3]; of a gray image, three times the same.
        alpha: its transparency, of the same kind, [height, width, 1].
        gray: whether it is to be written as such.
        profile: its ICC profile.
        exif: the rest of its EXIF data; the orientation has been obeyed and taken out.
    """

    pixels: Rows
    alpha: Rows | None = None
    gray: bool = False
    profile: bytes | None = None
    exif: Image.Exif | None = None


def read(path: Path) -> Photograph:
    """A file, upright.

    Raises:
        UserError: where it is missing, broken, or not one image but several.
    """
    image = images.open_upright(path)
    with images.reading(path), Image.open(path, formats=images.FORMATS) as header:
        # A phone's MPO holds a JPEG that all others can be told from.
        frames = getattr(header, "n_frames", 1) if header.format != "MPO" else 1
        deep_colour = image.mode in ("RGB", "RGBA") and ";16" in str(header.tile)
        # The tags of a TIFF file tell how it is written, not how it was taken.
        exif = _exif(image) if header.format != "TIFF" else None
    if frames > 1:
        raise UserError(f"{path}: holds {frames} images, an animation or pages; give them one by one")
    gray = images.is_gray(image)
    profile = image.info.get("icc_profile") if gray or image.mode in _PROFILED else None
    if deep_colour:
        return _deep(path)._replace(profile=profile, exif=exif)
    if image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.uint16)
        return Photograph(np.repeat(levels[..., None], 3, axis=-1), None, True, profile, exif)
    if not images.has_alpha(image):
        return Photograph(images.rgb(image), None, gray, profile, exif)
    layers = image.convert("RGBA")
    pixels, alpha = images.rgb(layers.convert("RGB")), np.array(layers.getchannel("A"))
    return Photograph(pixels, alpha[..., None], gray, profile, exif)


def _exif(image: Image.Image) -> Image.Exif | None:
    """What can be written again; None where that is nothing."""
    try:
        exif = image.getexif()
        exif.get_ifd(_EXIF_IFD)
        exif.tobytes()
    except Exception:  # as in `images`: what cannot be read says nothing
        return None
    return exif


def _deep(path: Path) -> Photograph:
    """Colours of 16 bits, which Pillow would cut down to 8."""
    import pyvips

    try:
        levels = pyvips.Image.new_from_file(str(path)).autorot().numpy()
    except pyvips.Error as error:
        raise UserError(f"{path}: not a readable image ({first_line(error)})") from None
    gray, transparent = levels.shape[2] < 3, levels.shape[2] in (2, 4)
    pixels = np.repeat(levels[..., :1], 3, axis=-1) if gray else np.ascontiguousarray(levels[..., :3])
    return Photograph(pixels, levels[..., -1:] if transparent else None, gray)


def check_size(path: Path, height: int, width: int) -> None:
    """Refuses a format that cannot hold an image of that size, before any work is done for it."""
    limit = LARGEST_SIDE.get(path.suffix.lower())
    if limit and max(height, width) > limit:
        raise UserError(f"{path}: {width} x {height} pixels; this format holds {limit} a side, choose .png or .tif")


def write(path: Path, photograph: Photograph) -> None:
    """Writes an image in the format of its suffix: the whole file or nothing.

    16 bits a channel stay where the format has them, and become 8 where it has not; transparency, profile and EXIF data
    likewise.

    Raises:
        UserError: where the file cannot be written.
    """
    photograph = _resized_exif(photograph)
    deep = photograph.pixels.dtype == np.uint16
    if deep or not isinstance(photograph.pixels, np.ndarray):
        _stream(path, photograph, deep and path.suffix.lower() in DEEP)
        return
    image = Image.fromarray(photograph.pixels[:])
    if photograph.gray:
        image = image.convert("L")
    if photograph.alpha is not None:
        if path.suffix.lower() in (".jpg", ".jpeg"):
            raise UserError(f"{path}: JPEG has no transparency; choose .png, .tif or .webp")
        image.putalpha(Image.fromarray(photograph.alpha[:][..., 0]))
    options = {"icc_profile": photograph.profile, "exif": photograph.exif}
    images.save(path, image, **{name: value for name, value in options.items() if value})


def _resized_exif(photograph: Photograph) -> Photograph:
    """EXIF data that tells the size tells the new one."""
    if not photograph.exif:
        return photograph._replace(exif=None)
    taken = photograph.exif.get_ifd(_EXIF_IFD)
    for tag, size in ((_EXIF_HEIGHT, photograph.pixels.shape[0]), (_EXIF_WIDTH, photograph.pixels.shape[1])):
        if tag in taken:
            taken[tag] = size
    return photograph


def _stream(path: Path, photograph: Photograph, deep: bool) -> None:
    """By libvips, which reads what it writes row by row: for images larger than memory, and for 16 bits."""
    import pyvips

    image = _vips(photograph.pixels)
    tiff = path.suffix.lower() in (".tif", ".tiff")
    if tiff and deep and photograph.alpha is not None:  # few programs read such a file that is gray
        photograph = photograph._replace(gray=False)
    if photograph.gray:
        image = image.recomb(pyvips.Image.new_from_array([list(_LUMA)])).rint().cast(image.format)
    if photograph.alpha is not None:
        image = image.bandjoin(_vips(photograph.alpha).cast(image.format))
    if not deep and image.format == "ushort":
        image = (image / 257).rint().cast("uchar")
    kind = ("grey16" if deep else "b-w") if photograph.gray else ("rgb16" if deep else "srgb")
    image = image.copy(interpretation=kind)
    if photograph.profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", photograph.profile)
    if photograph.exif:
        image.set_type(pyvips.GValue.blob_type, "exif-data", photograph.exif.tobytes())
    options = {"bigtiff": True} if tiff and _bytes(image) > 2**31 else {}
    with images.written(path) as partial:
        try:
            image.write_to_file(str(partial), **options)
        except pyvips.Error as error:  # what happened stands last in what it says
            raise OSError(next(reversed(str(error).strip().splitlines()), "")) from None


def _vips(rows: Rows):
    import pyvips

    height, width, channels = rows.shape
    kind = "ushort" if rows.dtype == np.uint16 else "uchar"
    if isinstance(rows, np.ndarray):
        return pyvips.Image.new_from_memory(np.ascontiguousarray(rows), width, height, channels, kind)
    return pyvips.Image.rawload(rows.name, width, height, channels, format=kind)  # type: ignore[attr-defined]


def _bytes(image) -> int:
    return image.width * image.height * image.bands * (2 if image.format == "ushort" else 1)
