"""Reads image files: any common format, upright, in the colours that a screen shows."""

import contextlib
import math
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from . import colours, formats
from .mistakes import UserError, first_line
from .picture import Photograph

_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
_PALETTE_MODES = ("P", "PA")
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)
"""Tags of a TIFF file about the photograph, not about the file."""


class Opened(NamedTuple):
    """A decoded file.

    Attributes:
        image: upright, in RGB or gray.
        deep: Pillow's raw mode of 16 bits, if it cuts them down to 8; else None.
        gamma: the exponent of its numbers that is to be removed.
        exif: its EXIF data.
        cicp: see `Photograph`.
        lossy: see `Photograph`.
    """

    image: Image.Image
    deep: str | None = None
    gamma: float | None = None
    exif: Image.Exif | None = None
    cicp: bytes | None = None
    lossy: bool = False


Deep = Callable[[Path, Opened], tuple[np.ndarray, np.ndarray | None]]
"""Reads colours of 16 bits, upright: RGB [height, width, 3] and alpha [height, width, 1], uint16."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """A context for reading an image.

    Raises:
        UserError: if the file is missing, broken, or not an image.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such image") from None
    except UnidentifiedImageError:  # whose message repeats the path
        more = "; `pip install pillow-heif` reads HEIC" if path.suffix.lower() in (".heic", ".heif") else ""
        raise UserError(f"{path}: not an image ({', '.join(formats.KINDS)}){more}") from None
    except Image.DecompressionBombError:
        most = Image.MAX_IMAGE_PIXELS or 0
        raise UserError(
            f"{path}: more than {most / 500_000:g} megapixels; if that is right, give --max_megapixels"
        ) from None
    except Exception as error:  # Pillow's decoders raise whatever the broken bytes led them to.
        raise UserError(f"{path}: not a readable image ({first_line(error)})") from None


def open_file(path: Path) -> Opened:
    """Decodes a file. Of several images, the first.

    Raises:
        UserError: if it is missing, broken, or not an image.
    """
    with reading(path):
        if not path.is_file():  # nor a pipe, which would have its reader wait
            raise FileNotFoundError
        with Image.open(path, formats=formats.KINDS) as image:
            kind, tags = image.format, dict(getattr(image, "tag_v2", {}))
            unpacked = str(image.tile)
            image.load()
            if image.mode in _PALETTE_MODES and image.palette is None:
                raise ValueError("its colours are numbers of a palette that it lacks")
            turned = _turned(image)
            shown = colours.in_srgb(colours.upright_gray(turned, tags))
            exif = _descriptive(image) if kind == "TIFF" else _exif(turned)
            cicp = colours.chunk(path, b"cICP") if kind == "PNG" else None
            gamma = colours.gamma_of(image, cicp) if kind == "PNG" else None
            shown.info.setdefault("dpi", image.info.get("dpi"))
            lossy = is_lossy(image, path)
        deep = unpacked if ";16" in unpacked and shown.mode in ("RGB", "RGBA") and image.mode != "CMYK" else None
        return Opened(shown, deep, gamma, exif, cicp, lossy)


def take_apart(path: Path, opened: Opened, deep: Deep | None = None) -> Photograph:
    """Converts a decoded file to a photograph.

    Args:
        path: path of the file.
        opened: the decoded file.
        deep: reads colours of 16 bits. Without it they become 8.
    """
    with reading(path):
        image = opened.image
        gray = image.mode in _GRAY_MODES or image.mode.startswith("I;16") or "LA;16" in str(opened.deep)
        if opened.deep and deep:
            pixels, alpha = deep(path, opened)
        elif image.mode.startswith("I;16"):
            levels = np.asarray(image).astype(np.uint16)[..., None]
            pixels, clear = np.repeat(levels, 3, axis=-1), image.info.get("transparency")
            alpha = np.where(levels == clear, np.uint16(0), np.uint16(65535)) if isinstance(clear, int) else None
        elif image.has_transparency_data:
            layers = image.convert("RGBA")
            pixels, alpha = np.array(layers.convert("RGB")), np.array(layers.getchannel("A"))[..., None]
        else:
            pixels, alpha = _rgb(image), None
        if opened.gamma:
            pixels = colours.from_gamma(pixels, opened.gamma)
        profile = image.info.get("icc_profile")
        return Photograph(pixels, alpha, gray, profile, opened.exif, _dpi(image), opened.cicp, opened.lossy)


def read(path: Path, deep: Deep | None = None) -> Photograph:
    """Reads a file, upright.

    Raises:
        UserError: if it is missing, broken, or holds several images.
    """
    opened = open_file(path)
    with reading(path), Image.open(path, formats=formats.KINDS) as header:
        # The first image of a phone's MPO is a JPEG, and the others belong to it.
        frames = getattr(header, "n_frames", 1) if header.format != "MPO" else 1
    if frames > 1:
        raise UserError(f"{path}: holds {frames} images, an animation or pages; give them one by one")
    return take_apart(path, opened, deep)


def is_lossy(image: Image.Image, path: Path | None = None) -> bool:
    """Whether an image was compressed with loss, as far as its format tells.

    Args:
        image: the image that Pillow opened.
        path: path of its file, which WebP needs. Without it, a WebP image counts as lossless.
    """
    if image.format == "WEBP":
        return path is not None and formats.is_lossy_webp(path)
    return image.format in formats.LOSSY or image.info.get("compression") == "jpeg"


def is_readable(path: Path) -> bool:
    """Whether a file begins as an image, and seems complete without decoding it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with Image.open(path, formats=formats.KINDS) as image:
            image.verify()
    except Exception:  # as above
        return False
    return True


def eight_bits(photograph: Photograph) -> Photograph:
    """The photograph in 8 bits."""
    if not photograph.deep:
        return photograph
    alpha = None if photograph.alpha is None else _rounded(photograph.alpha[:])
    return photograph._replace(pixels=_rounded(photograph.pixels[:]), alpha=alpha)


def _rounded(levels: np.ndarray) -> np.ndarray:
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _rgb(image: Image.Image) -> np.ndarray:
    """Opaque pixels of any mode but I;16, as uint8 RGB. More bits are scaled."""
    if image.mode == "I":
        gray = np.asarray(image, dtype=np.float64)
        deep = gray.max(initial=0) > 255
        image = Image.fromarray(np.rint(np.clip(gray / 257.0 if deep else gray, 0, 255)).astype(np.uint8))
    elif image.mode == "F":
        gray = np.nan_to_num(np.asarray(image, dtype=np.float64))
        peak = 255.0 if gray.max(initial=0) <= 1.0 else 1.0
        image = Image.fromarray(np.rint(np.clip(gray * peak, 0, 255)).astype(np.uint8))
    return np.array(image.convert("RGB"))


def _turned(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow may raise anything; unreadable EXIF data do not turn the image
        return image


def _exif(image: Image.Image) -> Image.Exif | None:
    """EXIF data that can be written again; None if there are none."""
    try:
        exif = image.getexif()
        exif.get_ifd(EXIF_IFD)
        exif.tobytes()
    except Exception:  # unreadable EXIF data are dropped
        return None
    return exif or None


def _descriptive(image: Image.Image) -> Image.Exif | None:
    """The tags of a TIFF file that other formats also have."""
    try:
        source, exif = image.getexif(), Image.Exif()
        exif.update({tag: source[tag] for tag in DESCRIPTIVE if tag in source})
        for number in (EXIF_IFD, GPS_IFD):
            if found := source.get_ifd(number):
                exif.get_ifd(number).update(found)
                exif[number] = dict(found)
        exif.tobytes()
    except Exception:
        return None
    return exif or None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = map(float, image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(each) and 1 <= each < 1e6 for each in (across, down)) else None
