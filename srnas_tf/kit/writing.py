"""Writes image files, whole or not at all."""

import contextlib
import io
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from . import formats
from .mistakes import UserError, is_full, not_written
from .picture import Photograph
from .reading import eight_bits


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary file, which becomes the image's file if the block ends well.

    Raises:
        UserError: if the suffix is unknown, or the file cannot be written.
        WorkError: if the disk is full.
    """
    formats.of(path)
    # A name of its own: with a prefix, a long name would be too long.
    partial = path.with_name(f".partial-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except UserError:
        raise
    except Exception as error:  # of Pillow's encoders, too
        raise not_written(path, _no_room(path.parent) or error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuses a file that cannot be written, before the work. Raises as `written`."""
    probe = path.with_name(f".partial-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        if path.is_dir():
            raise UserError(f"{path}: is a folder; name a file")
        if not path.exists():  # the name alone may be too long
            path.touch()
            path.unlink()
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise not_written(path, error) from None


def _no_room(folder: Path) -> OSError | None:
    """The system's error if a folder's disk is full; else None. Libraries do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 16))
            file.flush()
    except OSError as error:
        return error if is_full(error) else None
    return None


def write(path: Path, photograph: Photograph, quality: int = 0) -> None:
    """Writes an image by Pillow in the format of its suffix, 8 bits a channel.

    Args:
        path: path of the file.
        photograph: the image. Gray stays gray. Transparency, profile, EXIF data and resolution are kept if the format
            has them.
        quality: see `formats.options`.

    Raises:
        UserError: if the file cannot be written.
    """
    photograph = eight_bits(photograph)
    image = Image.fromarray(photograph.pixels[:])
    if photograph.gray:
        image = image.convert("L")
    if photograph.alpha is not None:
        image.putalpha(Image.fromarray(photograph.alpha[:][..., 0]))
    with written(path) as partial:
        encoded = io.BytesIO()  # Pillow's own writing of a JPEG says nothing of a disk that is full
        image.save(encoded, **formats.options(path, photograph, quality))
        partial.write_bytes(encoded.getbuffer())
