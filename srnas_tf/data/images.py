"""Image files in and out: any common file becomes uint8 RGB, the way it looks on a screen."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from srnas_tf.errors import UserError, first_line, not_written
from srnas_tf.host import silence
from srnas_tf.host.progress import progress
from srnas_tf.workdir.files import no_room, whole

T = TypeVar("T")

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""What a photograph comes in, whatever it is called. Pillow reads others, one of them by running a program on it."""

_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
_PALETTE_MODES = ("P", "PA")

log = logging.getLogger(__name__)


def find(folder: Path) -> list[Path]:
    """The image files of a folder, by name.

    Raises:
        UserError: where the folder is missing, may not be read, or holds none.
    """
    try:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give a folder of photographs")
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; give a folder of photographs") from None
    if not paths:
        raise UserError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    return paths


def open_upright(path: Path) -> Image.Image:
    """The decoded image, turned as its EXIF orientation asks.

    Raises:
        UserError: where the file is missing, broken, or not an image.
    """
    silence.libtiff()
    with reading(path):
        if not path.is_file():  # nor a pipe, which would have its reader wait
            raise FileNotFoundError
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            if image.mode in _PALETTE_MODES and image.palette is None:
                raise ValueError("its colours are numbers of a palette that it lacks")
            return _turned(image)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """For whoever reads an image inside.

    Raises:
        UserError: where the file is missing, broken, or not an image.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such image") from None
    except UnidentifiedImageError:  # whose message repeats the path
        raise UserError(f"{path}: not an image ({', '.join(FORMATS)})") from None
    except Exception as error:  # Pillow's decoders raise whatever the broken bytes led them to.
        raise UserError(f"{path}: not a readable image ({first_line(error)})") from None


def _turned(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Pillow's reader of EXIF raises as its decoders do; what cannot be read asks for nothing.
        return image


def is_gray(image: Image.Image) -> bool:
    return image.mode in _GRAY_MODES or image.mode.startswith("I;16")


def has_alpha(image: Image.Image) -> bool:
    return image.has_transparency_data


def rgb(image: Image.Image) -> np.ndarray:
    """uint8 [height, width, 3]. Gray is repeated, 16 bits are scaled to 8, transparency lies on white."""
    if image.mode.startswith("I;16") or image.mode == "I":
        gray = np.asarray(image, dtype=np.float64)
        deep = image.mode != "I" or gray.max(initial=0) > 255
        image = Image.fromarray(np.rint(np.clip(gray / 257.0 if deep else gray, 0, 255)).astype(np.uint8))
    elif image.mode == "F":
        gray = np.nan_to_num(np.asarray(image, dtype=np.float64))
        peak = 255.0 if gray.max(initial=0) <= 1.0 else 1.0
        image = Image.fromarray(np.rint(np.clip(gray * peak, 0, 255)).astype(np.uint8))
    elif has_alpha(image):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(image.convert("RGB"))


def load(path: Path) -> np.ndarray:
    """A file as uint8 RGB [height, width, 3]. Raises as `open_upright`."""
    return rgb(open_upright(path))


def load_all(paths: Iterable[Path], prepare: Callable[[np.ndarray], T]) -> Iterator[tuple[Path, T]]:
    """What becomes of the readable ones of the files, in order; each broken one is named in a warning.

    Args:
        paths: image files.
        prepare: what to make of an image, uint8 RGB [height, width, 3]; several run at a time.

    Raises:
        UserError: where none is readable.
    """
    paths = list(paths)
    broken: list[str] = []

    def attempt(path: Path) -> T | UserError:
        try:
            pixels = load(path)
        except UserError as error:
            return error
        return prepare(pixels)

    with ThreadPoolExecutor(max_workers=4) as pool, progress("photographs", len(paths)) as report:
        for start in range(0, len(paths), 16):  # bounded: undecoded images wait on disk, not in memory
            part = paths[start : start + 16]
            for done, (path, result) in enumerate(zip(part, pool.map(attempt, part), strict=True), start + 1):
                report(done, path.name)
                if isinstance(result, UserError):
                    broken.append(str(result))
                else:
                    yield path, result
    if broken and len(broken) == len(paths):
        raise UserError(f"none of the {len(paths)} images can be read; the first: {broken[0]}")
    for message in broken:
        log.warning("skipped %s", " ".join(message.split()))  # a name may have several lines


def check_target(path: Path) -> None:
    """Refuses a file name that `save` could not write, before any work is done for it."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: unknown image format; end the name in one of {', '.join(SUFFIXES)}")


def save(path: Path, image: Image.Image, **options) -> None:
    """Writes an image in the format of its suffix: the whole file or nothing. Raises as `written`."""
    with written(path) as partial:
        encoded = io.BytesIO()  # Pillow's own writing of a JPEG says nothing of a disk that is full
        image.save(encoded, format=Image.registered_extensions()[path.suffix.lower()], **options)
        partial.write_bytes(encoded.getbuffer())


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to write in the place of an image's, which is put there if all goes well.

    Raises:
        UserError: where the suffix is unknown, or the file cannot be written.
    """
    check_target(path)
    try:
        with whole(path) as partial:
            yield partial
    except (OSError, ValueError) as error:
        raise not_written(path, no_room(path.parent) or error) from None
