"""The abilities of image formats, and checks before the work."""

import struct
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, PngImagePlugin, features

from .colours import fits
from .mistakes import UserError
from .picture import Photograph
from .rows import IN_MEMORY

QUALITY = 98
"""The default quality of JPEG, with colours at full size (4:4:4). WebP is lossless by default. At 95 the smoothest
image of Set5 loses 0.55 dB of the x2 network's gain, at 98 0.27 dB.
"""

SRGB_CICP = {b"\1\r\0\1", b"\1\1\0\1"}
"""cICP that means the same as none."""


class Format(NamedTuple):
    """The abilities of a format.

    Attributes:
        kind: Pillow's name for it.
        alpha: whether it has transparency.
        rounds: whether images of 16 bits are accepted, also if they become 8.
        deep: whether 16 bits stay.
        described: whether it has EXIF data and a profile.
        side: the longest side in pixels; 0 for any.
        exif: the most bytes of EXIF data; 0 for any.
        streams: whether images larger than memory can be written.
    """

    kind: str
    alpha: bool = True
    rounds: bool = True
    deep: bool = False
    described: bool = True
    side: int = 0
    exif: int = 0
    streams: bool = True


_JPEG = Format("JPEG", alpha=False, side=65500, exif=65533)
_TIFF = Format("TIFF", deep=True)
FORMATS = {
    ".png": Format("PNG", deep=True),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".jfif": _JPEG,
    ".bmp": Format("BMP", alpha=False, rounds=False, described=False, streams=False),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": Format("WEBP", side=16383),
}
"""The formats that are written, by suffix."""

BY_NAME = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff"}
"""The formats for a folder's results, by name."""

SUFFIXES = tuple(FORMATS)


def _heif() -> bool:
    """Whether Pillow reads HEIC here, by the package `pillow-heif`."""
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


_MORE = {".avif": ("AVIF", features.check("avif")), ".heic": ("HEIF", _heif()), ".heif": ("HEIF", _heif())}
READ = (*SUFFIXES, *(suffix for suffix, (_, known) in _MORE.items() if known))
"""Suffixes of files that are read in a folder."""

KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", *dict.fromkeys(kind for kind, known in _MORE.values() if known))
"""The kinds of files that are read, whatever their names. Pillow reads others, one of them by running a program on it.
"""


LOSSY = ("JPEG", "MPO", "AVIF", "HEIF")
"""Kinds that are always lossy. WebP and TIFF may be either."""


def is_lossy_webp(path: Path) -> bool:
    """Whether a WebP file's first image is lossy: its chunk is then `VP8 `, not `VP8L`."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", head)
            if kind in (b"VP8 ", b"VP8L"):
                return kind == b"VP8 "
            file.seek(size + size % 2, 1)
    return False


def of(path: Path) -> Format:
    """The format of a name.

    Raises:
        UserError: if such files are not written.
    """
    known = FORMATS.get(path.suffix.lower())
    if not known:
        raise UserError(f"{path}: unknown image format; end the name in one of {', '.join(SUFFIXES)}")
    return known


def check(path: Path, photograph: Photograph, scale: int) -> None:
    """Refuses an image, before the work, that the format of a name cannot hold.

    Args:
        path: path of the enlarged image.
        photograph: the image to enlarge.
        scale: the enlargement.

    Raises:
        UserError: says what to choose instead.
    """
    holds = of(path)
    height, width = (side * scale for side in photograph.pixels.shape[:2])
    if photograph.alpha is not None and not holds.alpha:
        raise UserError(f"{path}: {holds.kind} has no transparency; choose .png, .tif or .webp")
    if photograph.deep and not (holds.deep or holds.rounds):
        raise UserError(f"{path}: {holds.kind} holds 8 bits a channel, and this image has 16; choose .png or .tif")
    if holds.side and max(height, width) > holds.side:
        raise UserError(
            f"{path}: {width} x {height} pixels; this format holds {holds.side} a side, choose .png or .tif"
        )
    if holds.exif and len(_exif_bytes(photograph)) > holds.exif:
        raise UserError(
            f"{path}: its EXIF data are larger than the {holds.exif >> 10} KB that {holds.kind} holds; choose .png"
        )
    if photograph.cicp and holds.kind != "PNG" and photograph.cicp not in SRGB_CICP:
        raise UserError(f"{path}: its colours are described by cICP, which {holds.kind} does not hold; choose .png")
    if not holds.streams and height * width * 3 > IN_MEMORY:
        raise UserError(f"{path}: {width} x {height} pixels are too many for {holds.kind}; choose .png or .tif")


def _exif_bytes(photograph: Photograph) -> bytes:
    return b"" if photograph.exif is None else photograph.exif.tobytes()


def options(path: Path, photograph: Photograph, quality: int = 0) -> dict[str, Any]:
    """The options for Pillow's `save`.

    Args:
        path: path of the file. Its suffix is the format.
        photograph: the image to write.
        quality: quality of JPEG and WebP, 1 to 100. 0 takes QUALITY, and lossless WebP.
    """
    holds = of(path)
    told: dict[str, Any] = {"format": holds.kind, "dpi": photograph.dpi}
    if holds.described:
        told |= {"icc_profile": fits(photograph.profile, photograph.gray), "exif": _exif_bytes(photograph)}
    if holds.kind == "JPEG":
        told |= {"quality": quality or QUALITY, "subsampling": 0}
    elif holds.kind == "WEBP":
        told |= {"quality": quality} if quality else {"lossless": True}
    elif holds.kind == "PNG" and photograph.cicp:
        told["pnginfo"] = PngImagePlugin.PngInfo()
        told["pnginfo"].add(b"cICP", photograph.cicp)
    return {name: value for name, value in told.items() if value not in (None, b"")}


def allow(megapixels: float) -> None:
    """Allows images of up to so many megapixels. Pillow refuses images of twice the size that it warns of."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = int(megapixels * 500_000)


MEGAPIXELS = 178.0
"""The default limit: a file of a few bytes can claim more pixels than fit into memory."""
