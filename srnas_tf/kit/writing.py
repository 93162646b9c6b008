"""Image files out: the whole file or nothing."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from . import formats
from .mistakes import UserError, first_line
from .picture import Photograph
from .reading import eight_bits


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to write in the place of an image's, which is put there if all goes well.

    Raises:
        UserError: where the suffix is unknown, or the file cannot be written.
    """
    formats.of(path)
    # A name of its own: with more before it, a long one would be too long.
    partial = path.with_name(f".partial-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except UserError:
        raise
    except Exception as error:  # of Pillow's encoders, too
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UserError(f"{path}: cannot be written ({reason})") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuses, before any work is done for it, a file that cannot be written. Raises as `written`."""
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
        raise UserError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from None


def write(path: Path, photograph: Photograph, quality: int = 0) -> None:
    """Writes an image by Pillow in the format of its suffix, 8 bits a channel.

    Args:
        path: of the file.
        photograph: what to write; gray as gray, with transparency, profile, EXIF data and resolution where the format
            has them.
        quality: as `formats.options` takes it.

    Raises:
        UserError: where the file cannot be written.
    """
    photograph = eight_bits(photograph)
    image = Image.fromarray(photograph.pixels[:])
    if photograph.gray:
        image = image.convert("L")
    if photograph.alpha is not None:
        image.putalpha(Image.fromarray(photograph.alpha[:][..., 0]))
    with written(path) as partial:
        image.save(partial, **formats.options(path, photograph, quality))
