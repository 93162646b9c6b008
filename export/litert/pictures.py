"""The command line of the kits: photographs in, photographs out. Needs numpy and Pillow.

This file stands, to the letter, in each kit.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tiles
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


class UserError(Exception):
    """Of whoever called: one line, exit status 2."""


def main(load_model: Callable[[Path], tiles.Model], kit: Path, file: str, argv: list[str]) -> int:
    """The command line with a runtime's models; returns the exit status.

    Args:
        load_model: reads a model file.
        kit: the folder with those that come along, `x<scale>/`.
        file: their name.
        argv: what was given.
    """
    usage = "%(prog)s INPUT [OUTPUT] [--scale N] [--tile N]\n       %(prog)s MODEL INPUT OUTPUT [--tile N]"
    parser = argparse.ArgumentParser(usage=usage, description="Enlarges a photograph, or all of a folder.")
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="image or folder, and what it becomes: beside it, "
        "NAME-xN.png or NAME-xN, unless given; before both, an exported model file; its stages/ folder lies beside it",
    )  # fmt: skip
    scales = sorted(int(path.parent.name[1:]) for path in kit.glob(f"x[0-9]/{file}"))
    parser.add_argument("--scale", type=int, choices=scales, help="how much to enlarge, where no MODEL is given; 4")
    parser.add_argument("--tile", type=int, default=0, help="side of the parts, in pixels; 0: as memory is usual")
    given = parser.parse_args(argv)
    if len(given.paths) > 3:
        parser.error(f"unexpected argument {given.paths[3]}")
    if len(given.paths) == 3 and given.scale:
        parser.error(f"--scale={given.scale}: {given.paths[0]} has a scale of its own")
    own = kit / f"x{given.scale or 4}" / file
    path, (source, *target) = (own, given.paths) if len(given.paths) < 3 else (given.paths[0], given.paths[1:])
    try:
        if path == own and target and target[0].is_file():  # two photographs, of a shell's *.jpg
            raise UserError(f"{target[0]}: is there already; remove it, or name another file")
        if given.tile < 0:
            raise UserError(f"--tile={given.tile}: give a number of pixels, or 0")
        if not path.exists():
            raise UserError(f"{path}: no such model")
        model = load_model(path)
        jobs = _jobs(source, target[0] if target else _beside(source, model.scale))
        if model.size and given.tile:
            height, width = model.size
            raise UserError(f"--tile={given.tile}: {path} takes parts of {height}x{width} alone; drop it")
        _enlarge_all(model, jobs, given.tile)
    except UserError as error:
        print(f"upscale: {error}", file=sys.stderr)
        return 2
    return 0


def _beside(source: Path, scale: int) -> Path:
    """What an image or a folder becomes where nobody says: PNG, which loses nothing."""
    if source.is_dir():
        whole = source.resolve()  # `.` has no name
        return whole.parent / f"{whole.name}-x{scale}"
    return source.with_name(f"{source.stem}-x{scale}.png")


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """What to enlarge to what."""
    if source.is_dir():
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise UserError(f"{source}: holds no images ({', '.join(SUFFIXES)})")
        jobs = [(path, target / path.name) for path in paths]
    else:
        jobs = [(source, target / source.name if target.is_dir() else target)]
    for path, result in jobs:
        if result.suffix.lower() not in SUFFIXES:
            raise UserError(f"{result}: unknown image format; end the name in one of {', '.join(SUFFIXES)}")
        if result.exists() and path.exists() and result.samefile(path):
            raise UserError(f"{result}: would overwrite the original; name another file or folder")
    return jobs


def _enlarge_all(model: tiles.Model, jobs: list[tuple[Path, Path]], tile: int) -> None:
    pixels, broken, shrunk = tile**2, [], []
    for number, (path, result) in enumerate(jobs, start=1):
        start = time.monotonic()
        try:
            image, options = _read(path)
            enlarged = enlarge(image, model, shrunk[-1] if shrunk else pixels, shrunk)
            result.parent.mkdir(parents=True, exist_ok=True)
            enlarged.save(result, **options)
        except UserError as error:
            broken.append(str(error))
            continue
        print(f"{number}/{len(jobs)} {result} {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    if broken:
        raise UserError(f"{len(jobs) - len(broken)} of {len(jobs)} images enlarged; {'; '.join(broken)}")


def _read(path: Path) -> tuple[Image.Image, dict]:
    """An image, upright, and what to save the enlarged one with."""
    try:
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise UserError(f"{path}: holds several images, an animation or pages; give them one by one")
            image.load()
            if image.mode in ("P", "PA") and image.palette is None:
                raise UserError(f"{path}: not a readable image (its colours are numbers of a palette that it lacks)")
            tiff = image.format == "TIFF"
            image = ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise UserError(f"{path}: no such image") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image") from None
    except OSError as error:
        raise UserError(f"{path}: not a readable image ({error})") from None
    options = {"icc_profile": image.info.get("icc_profile"), "exif": None if tiff else image.getexif()}
    return image, {name: value for name, value in options.items() if value}


def enlarge(image: Image.Image, model: tiles.Model, pixels: int = 0, shrunk: list | None = None) -> Image.Image:
    """The image enlarged, 8 bits a channel: gray stays gray, transparency is enlarged by bicubic.

    Args:
        image: of any of Pillow's modes.
        model: what enlarges.
        pixels: as `tiles.enlarge` takes it.
        shrunk: where memory runs out, the smaller number of pixels is appended; the first time it is told on stderr.
    """
    shrunk = [] if shrunk is None else shrunk

    def smaller(count: int) -> None:
        if not shrunk:
            print(f"out of memory: going on with parts of about {count} pixels", file=sys.stderr)
        shrunk.append(count)

    gray, transparent = image.mode in ("1", "L", "LA", "I", "F", "I;16"), image.has_transparency_data
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) / 257 + 0.5).astype(np.uint8))
    layers = image.convert("RGBA") if transparent else image
    levels = tiles.enlarge(np.array(layers.convert("RGB")), model, pixels, smaller)
    result = Image.fromarray(levels[:])
    if gray:
        result = result.convert("L")
    if transparent:
        result.putalpha(layers.getchannel("A").resize(result.size, Image.Resampling.BICUBIC))
    return result
