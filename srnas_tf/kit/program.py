"""The command line of the kits."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import folders, formats, picture, pipeline, reading, tiles, writing
from .mistakes import UserError, WorkError
from .networks import Networks
from .picture import Photograph

INTERVAL = 15.0
"""Seconds between two lines of progress within an image."""

USAGE = "%(prog)s INPUT [OUTPUT] [--scale N] [--model NAME] [...]\n       %(prog)s MODEL INPUT OUTPUT [...]"


def main(load_model: Callable[[Path], tiles.Model], kit: Path, file: str, argv: list[str]) -> int:
    """Runs the command line with a runtime's models. Returns the exit status.

    Args:
        load_model: reads a model file.
        kit: the folder with the kit's own networks, `x<scale>/` and others.
        file: name of the model files there.
        argv: arguments of the command line.
    """
    names = sorted(path.parent.name for path in kit.glob(f"x*/{file}"))
    given = _parsed(names, argv)
    *named, source, target = given.paths if len(given.paths) > 1 else (*given.paths, None)
    try:
        formats.allow(given.max_megapixels)
        if not named and target and target.is_file():  # a shell may have expanded *.jpg to two images
            raise UserError(f"{target}: is there already; remove it, or name another file")
        if named or given.model:
            networks = Networks.of(_loaded(load_model, named[0] if named else kit / given.model / file, given.tile))
        else:
            networks = Networks(given.scale or 4, names, lambda name: load_model(kit / name / file), _tell)
        _enlarge_all(networks, _jobs(source, target, networks.scale, given), given)
    except UserError as error:
        print(f"upscale: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except WorkError as error:
        print(f"upscale: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"upscale: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _loaded(load_model: Callable[[Path], tiles.Model], path: Path, tile: int) -> tiles.Model:
    """The model of a file. Refuses a side of tiles that it cannot have."""
    if not path.exists():
        raise UserError(f"{path}: no such model")
    model = load_model(path)
    if model.size and tile:
        height, width = model.size
        raise UserError(f"--tile={tile}: {path} takes parts of {height}x{width} alone; drop it")
    return model


def _parsed(names: Sequence[str], argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=USAGE, description="Enlarges an image, or all images of a folder.")
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="image or folder, and the result; by default "
        "NAME-xN.png or NAME-xN beside it; an exported model file may come first, with its stages/ folder beside it",
    )  # fmt: skip
    scales = sorted(int(name[1:]) for name in names if name[1:].isdigit())
    parser.add_argument("--scale", type=int, choices=scales, help="enlargement; by default 4, or that of a model file")
    parser.add_argument(
        "--model", choices=names, metavar="NAME", help=f"a network of this kit, for all images: {', '.join(names)}; "
        "by default that of --scale, or its -photo for files that were compressed with loss",
    )  # fmt: skip
    parser.add_argument("--tile", type=int, default=0, help="side of tiles in pixels; 0: as large as usually fits")
    parser.add_argument(
        "--quality", type=int, default=0, help=f"of JPEG and WebP, 1 to 100; JPEG {formats.QUALITY}, WebP without loss"
    )
    parser.add_argument(
        "--format", choices=formats.BY_NAME, default="", help="format of a folder's results; by default their own"
    )
    parser.add_argument("--recursive", action="store_true", help="look into a folder's sub-folders, too")
    parser.add_argument(
        "--max_megapixels",
        type=float,
        default=formats.MEGAPIXELS,
        help=f"largest image to read; {formats.MEGAPIXELS:g}",
    )
    given = parser.parse_args(argv)
    if len(given.paths) > 3:
        parser.error(f"unexpected argument {given.paths[3]}")
    model = given.paths[0] if len(given.paths) == 3 else given.model
    if len(given.paths) == 3 and given.model:
        parser.error(f"--model={given.model}: {model} is given, too; drop one of the two")
    if model and given.scale:
        parser.error(f"--scale={given.scale}: {model} has a scale of its own")
    if given.tile < 0:
        parser.error(f"--tile={given.tile}: give a number of pixels, or 0")
    if not 0 <= given.quality <= 100:
        parser.error(f"--quality={given.quality}: give a number of 1 to 100")
    if not given.max_megapixels > 0:
        parser.error(f"--max_megapixels={given.max_megapixels:g}: give a number above 0")
    return given


def _jobs(source: Path, named: Path | None, scale: int, given: argparse.Namespace) -> list[pipeline.Job]:
    """Pairs of an image and its result."""
    paths = [source]
    if source.is_dir():
        found = folders.find(source, given.recursive, besides=named)
        paths = found.paths
        if found.left_out:
            print(f"{source}: left out: {found.left_out}", file=sys.stderr)
    jobs = folders.jobs(source, named, paths, scale, given.format)
    writing.check_writable(jobs[0][1])
    return jobs


def _enlarge_all(networks: Networks, jobs: Sequence[pipeline.Job], given: argparse.Namespace) -> None:
    clock, broken, shrunk = _Clock(len(jobs)), [], [given.tile**2]

    def smaller(count: int) -> None:
        if len(shrunk) == 1:
            print(f"out of memory: going on with parts of about {count} pixels", file=sys.stderr)
        shrunk.append(count)

    def read(path: Path, result: Path) -> Photograph:
        photograph = reading.eight_bits(reading.read(path))
        formats.check(result, photograph, networks.scale)
        return photograph

    def enlarge(path: Path, photograph: Photograph) -> Photograph:
        clock.begin(path)
        return picture.enlarge(photograph, networks.for_image(path, photograph), shrunk[-1], smaller, clock.told)

    def write(path: Path, photograph: Photograph) -> None:
        writing.write(path, photograph, given.quality)

    for number, ((_, result), wrong) in enumerate(pipeline.run(jobs, read, enlarge, write), start=1):
        if wrong:
            broken.append(wrong)
        else:
            print(f"{number}/{len(jobs)} {_said(result)} {clock.lap():.1f} s", file=sys.stderr, flush=True)
    if broken:
        raise UserError(f"{len(jobs) - len(broken)} of {len(jobs)} images enlarged; {'; '.join(broken)}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _said(path: Path) -> str:
    """A name in one line, whatever its characters."""
    return " ".join(str(path).split())


class _Clock:
    """Prints progress every INTERVAL, with an estimate for this image and those behind it.

    Args:
        count: number of images.
    """

    def __init__(self, count: int) -> None:
        self._count, self._begun, self._name = count, 0, ""
        self._start = self._printed = self._lap = time.monotonic()

    def begin(self, path: Path) -> None:
        self._begun, self._name = self._begun + 1, _said(path)

    def told(self, share: float) -> None:
        """Receives the share of the image that is done."""
        now = time.monotonic()
        if now - self._printed < INTERVAL or not share:
            return
        self._printed, done = now, self._begun - 1 + share
        left = (now - self._start) / done * (self._count - done)
        print(f"{self._begun}/{self._count} {self._name} {share:.0%}, {left:.0f} s left", file=sys.stderr, flush=True)

    def lap(self) -> float:
        """Seconds since the last call."""
        now = time.monotonic()
        self._lap, before = now, self._lap
        return now - before
