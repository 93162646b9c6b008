"""Adds the EXIF data to a TIFF file that libvips has written without them."""

import struct
from pathlib import Path

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srnas_tf.kit.reading import DESCRIPTIVE, EXIF_IFD, GPS_IFD

_STRIPS = 273
_CLASSIC = (b"II*\0", b"MM\0*")


def describe(path: Path, exif: Image.Exif) -> None:
    """Adds EXIF data to a file. A new directory at its end replaces the first one, and holds the same entries and more.

    A file of more than 2 GB (BigTIFF) stays as it is.
    """
    with path.open("r+b") as file:
        header = file.read(8)
        if header[:4] not in _CLASSIC:
            return
        directory = ImageFileDirectory_v2(header)
        file.seek(directory.next)
        directory.load(file)
        dict(directory)  # unpacks all entries, which are read lazily
        for tag in DESCRIPTIVE:
            if tag in exif:
                directory[tag] = exif[tag]
        for number in (EXIF_IFD, GPS_IFD):
            if found := exif.get_ifd(number):
                directory[number] = dict(found)
        end = file.seek(0, 2)
        end += file.write(bytes(end % 2))  # directories begin at even places
        file.write(_where_they_are(directory, directory.tobytes(end), end))
        file.seek(4)
        file.write(end.to_bytes(4, "little" if header.startswith(b"II") else "big"))


def _where_they_are(directory: ImageFileDirectory_v2, content: bytes, start: int) -> bytes:
    """A directory's bytes with the strips' true offsets. Pillow assumes that they follow the directory."""
    order = "<" if directory.prefix == b"II" else ">"
    strips = struct.pack(f"{order}{len(directory[_STRIPS])}L", *directory[_STRIPS])
    for place in range(2, 2 + 12 * struct.unpack_from(f"{order}H", content)[0], 12):
        tag, _, count, value = struct.unpack_from(f"{order}HHLL", content, place)
        if tag == _STRIPS:
            at = place + 8 if count == 1 else value - start
            return content[:at] + strips + content[at + len(strips) :]
    return content
