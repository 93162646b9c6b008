"""Colours as a screen shows them: applies a file's description of its numbers, as far as RGB and gray need it."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

SRGB_GAMMA = 0.45455
"""The gAMA of a PNG file whose numbers are sRGB's."""

CLOSE = 0.01
"""The tolerance of that."""

_PROFILED = ("CMYK", "LAB")
_PHOTOMETRIC, _MIN_IS_WHITE = 262, 0


def upright_gray(image: Image.Image, tags: dict) -> Image.Image:
    """Inverts gray of 16 or 32 bits in a TIFF file whose least number is white. Pillow inverts 8 bits alone.

    Args:
        image: the image that Pillow read.
        tags: the file's; empty for other formats.
    """
    if tags.get(_PHOTOMETRIC) != _MIN_IS_WHITE:
        return image
    levels = np.asarray(image)
    if image.mode.startswith("I;16"):
        made = Image.fromarray(np.uint16(65535) - levels.astype(np.uint16))
    elif image.mode == "F":
        made = Image.fromarray(np.float32(1 if levels.max(initial=0) <= 1 else 255) - levels)
    else:
        return image
    made.info = dict(image.info)
    return made


def in_srgb(image: Image.Image) -> Image.Image:
    """Converts inks and similar colours with a profile to sRGB. RGB and gray stay as they are, with their profile."""
    profile = image.info.get("icc_profile")
    if image.mode not in _PROFILED:
        return image
    made = None
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            made = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that cannot be used says nothing
            made = None
    made = made or image.convert("RGB")
    made.info = {name: value for name, value in image.info.items() if name != "icc_profile"}
    return made


def gamma_of(image: Image.Image, cicp: bytes | None) -> float | None:
    """The exponent of a PNG file's numbers, if gAMA alone describes them and it is not sRGB's."""
    gamma = image.info.get("gamma")
    if not gamma or not 0.05 < gamma < 20 or abs(gamma - SRGB_GAMMA) < CLOSE:
        return None
    return None if cicp or "srgb" in image.info or image.info.get("icc_profile") else gamma


def from_gamma(levels: np.ndarray, gamma: float) -> np.ndarray:
    """Converts levels, uint8 or uint16, from an exponent to sRGB."""
    most = np.iinfo(levels.dtype).max
    linear = (np.arange(most + 1) / most) ** (1 / gamma)
    table = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(table * most).astype(levels.dtype)[levels]


def chunk(path: Path, wanted: bytes) -> bytes | None:
    """A chunk of a PNG file before its pixels; None if there is none."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return None
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == wanted:
                return file.read(size) if size < 2**16 else None
            if kind in (b"IDAT", b"IEND"):
                return None
            file.seek(size + 4, 1)
    return None


def fits(profile: bytes | None, gray: bool) -> bytes | None:
    """A profile, unless it is for other numbers than those that are written."""
    space = (profile or b"")[16:20]
    foreign = {b"CMYK", b"Lab ", b"GRAY" if not gray else b"CMYK"}
    return None if space in foreign else profile or None
