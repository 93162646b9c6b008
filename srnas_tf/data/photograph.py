"""Reads and writes images to be enlarged, with depth, transparency, profile and EXIF data."""

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from srnas_tf.data.tiff import describe
from srnas_tf.host import silence
from srnas_tf.kit import colours, formats, reading, writing
from srnas_tf.kit.picture import Photograph
from srnas_tf.kit.reading import Opened
from srnas_tf.kit.rows import Rows

# libvips and pyvips also print on stderr what they raise.
os.environ.setdefault("VIPS_WARNING", "1")
logging.getLogger("pyvips").setLevel(logging.CRITICAL)
_LUMA = (0.299, 0.587, 0.114)  # Pillow's
_MM_AN_INCH = 25.4
_AFTER_HEADER = 33
"""Bytes of a PNG file's signature and first chunk."""


def read(path: Path) -> Photograph:
    """A file, upright.

    Raises:
        UserError: if it is missing, broken, or holds several images.
    """
    silence.libtiff()
    return reading.read(path, _deep)


def _deep(path: Path, opened: Opened) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads colours of 16 bits, which Pillow would cut down to 8."""
    import pyvips

    # Not by its name: libvips takes brackets for options, and only UTF-8.
    with path.open("rb") as file:
        image = pyvips.Image.new_from_source(pyvips.Source.new_from_descriptor(file.fileno()), "").autorot()
        if "RGBa" in str(opened.deep):
            image = image.unpremultiply(max_alpha=65535).rint().cast("ushort")
        levels = image.numpy()
    gray, transparent = levels.shape[2] < 3, opened.image.has_transparency_data and levels.shape[2] in (2, 4)
    pixels = np.repeat(levels[..., :1], 3, axis=-1) if gray else np.ascontiguousarray(levels[..., :3])
    return pixels, levels[..., -1:] if transparent else None


def write(path: Path, photograph: Photograph, quality: int = 0) -> None:
    """Writes an image in the format of its suffix: the whole file or none.

    16 bits become 8 if the format has no more. Transparency, profile, EXIF data and resolution are kept if the format
    has them.

    Args:
        path: path of the file.
        photograph: the image.
        quality: quality of JPEG and WebP, 1 to 100. 0 takes `formats.QUALITY`, and lossless WebP.

    Raises:
        UserError: if the file cannot be written.
    """
    holds = formats.of(path)
    if holds.streams and ((photograph.deep and holds.deep) or not isinstance(photograph.pixels, np.ndarray)):
        _stream(path, photograph, photograph.deep and holds.deep, quality)
    else:
        writing.write(path, photograph, quality)


def _stream(path: Path, photograph: Photograph, deep: bool, quality: int) -> None:
    """Writes by libvips, row by row: for images larger than memory, and for 16 bits."""
    import pyvips

    image = _vips(photograph.pixels)
    tiff = formats.of(path).kind == "TIFF"
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
    if photograph.dpi:
        across, down = (each / _MM_AN_INCH for each in photograph.dpi)
        image = image.copy(xres=across, yres=down)
    if profile := colours.fits(photograph.profile, photograph.gray):
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    if photograph.exif is not None:
        image.set_type(pyvips.GValue.blob_type, "exif-data", photograph.exif.tobytes())
    with writing.written(path) as partial:
        with partial.open("w+b") as file:
            target = _target(file, photograph.cicp)
            try:
                image.write_to_target(target, path.suffix.lower(), **_options(path, image, quality))
            except pyvips.Error as error:
                raise OSError(next(reversed(str(error).strip().splitlines()), "")) from None
        if tiff and photograph.exif is not None:
            describe(partial, photograph.exif)


def _options(path: Path, image, quality: int) -> dict:
    """Translates `formats.options`, which are Pillow's, into libvips' options."""
    kind = formats.of(path).kind
    if kind == "JPEG":
        return {"Q": quality or formats.QUALITY, "subsample_mode": "off"}
    if kind == "WEBP":
        return {"Q": quality} if quality else {"lossless": True}
    return {"bigtiff": True} if kind == "TIFF" and _bytes(image) > 2**31 else {}


def _target(file: BinaryIO, cicp: bytes | None):
    """A target for libvips. It adds cICP, which libvips does not know, behind a PNG file's header."""
    import pyvips

    if not cicp:
        return pyvips.Target.new_to_descriptor(file.fileno())
    target = pyvips.TargetCustom()

    def put(content: bytes) -> int:
        head = content[: max(0, _AFTER_HEADER - file.tell())]
        file.write(head)
        if head and file.tell() == _AFTER_HEADER:
            body = b"cICP" + cicp
            file.write(struct.pack(">I", len(cicp)) + body + struct.pack(">I", zlib.crc32(body)))
        file.write(content[len(head) :])
        return len(content)

    target.on_write(put)
    return target


def _vips(rows: Rows):
    import pyvips

    height, width, channels = rows.shape
    kind = "ushort" if rows.dtype == np.uint16 else "uchar"
    if isinstance(rows, np.ndarray):
        return pyvips.Image.new_from_memory(np.ascontiguousarray(rows), width, height, channels, kind)
    return pyvips.Image.rawload(rows.name, width, height, channels, format=kind)  # type: ignore[attr-defined]


def _bytes(image) -> int:
    return image.width * image.height * image.bands * (2 if image.format == "ushort" else 1)
