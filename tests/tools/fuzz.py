"""Feeds spoiled files to the readers of images, weights and models, and keeps those that they do not refuse.

python tests/tools/fuzz.py --minutes=60 --record=results/fuzz/2026-11-23.json

Each case is a valid file (PNG, JPEG, TIFF, WebP, BMP, GIF, all kinds of tests/data/test_bad_images.py; `.pth` in both
formats, `.npz`; `.keras`, ONNX, LiteRT and SavedModel, as `fuzz_models.py` changes them) changed here and there: a
function of the seed and the case's number. A reader may return what it should, or raise a UserError, or a WorkError
where numbers are none; anything else is a finding, and so are a process that dies and a case that takes too much time
or memory. `--case=N` does one again, in this process, and keeps its file.
"""

import argparse
import collections
import datetime
import io
import json
import multiprocessing
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import fuzz_models

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / room) for room in ("", "data", "nets"))]

SECONDS, MEMORY = 60.0, 3 << 30
"""A case may take: of wall clock, on a busy machine; bytes beyond what the process had before. Pillow's own limit for
bombs, 179 million pixels, comes to 1.4 GiB in a file of a few bytes, and a copy of it to more."""
START = 600.0
"""Seconds until a process must have begun: it imports TensorFlow, on a busy machine."""
ADDRESSES = 24 << 30
"""Of a process that reads, bytes: where a case goes far beyond, it is the case that fails, and not the machine."""
WRITTEN = 1 << 20
"""Pixels up to which a photograph is written again."""
PATIENCE = 50
"""Findings after which it is time to mend something."""


class Seed(NamedTuple):
    """A valid file."""

    name: str
    content: bytes


class Target(NamedTuple):
    """A way into the package.

    Attributes:
        seeds: makes valid files.
        read: reads a file, raising UserError where it cannot be used.
        change: (a generator, a valid file) -> a spoiled one.
    """

    seeds: Callable[[], list[Seed]]
    read: Callable[[Path], None]
    change: Callable[[random.Random, bytes], bytes]


def _bytes(rng: random.Random, content: bytes) -> bytes:
    """Some bytes changed, taken out, put in, or repeated, most often near the beginning."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        at = rng.randrange(min(len(data), 300) if rng.random() < 0.6 else len(data))
        kind = rng.randrange(7)
        if kind < 2:
            data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 3:
            del data[at : at + rng.choice((1, 4, rng.randrange(1, 2000)))]
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif kind == 5:
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((0, 1, 2**16, 2**31 - 1, 2**32 - 1)))
        else:
            data[at:at] = data[at : at + rng.randrange(1, 200)]
    return bytes(data)


def _png(rng: random.Random, content: bytes) -> bytes:
    """A PNG file whose chunks are changed, dropped, doubled or exchanged, with sums that fit."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        [size] = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(rng.choice((1, 1, 2))):
        i = rng.randrange(len(chunks))
        kind, body = chunks[i]
        way = rng.randrange(6)
        if way < 3 and body:
            packed = kind == b"IDAT" and len(body) > 8 and rng.random() < 0.7
            try:
                body = zlib.compress(_bytes(rng, zlib.decompress(body)), 1) if packed else _bytes(rng, body)
            except zlib.error:
                body = _bytes(rng, body)
            chunks[i] = (kind, body)
        elif way == 3 and len(chunks) > 1:
            del chunks[i]
        elif way == 4:
            chunks.insert(rng.randrange(len(chunks) + 1), (kind, body))
        else:
            names = (b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"gAMA", b"sBIT", b"bKGD", b"acTL", b"fcTL", b"fdAT")
            chunks.insert(rng.randrange(len(chunks) + 1), (rng.choice(names), rng.randbytes(rng.randrange(40))))
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return content[:8] + b"".join(parts)


def _image(rng: random.Random, content: bytes) -> bytes:
    if content.startswith(b"\x89PNG") and rng.random() < 0.6:
        return _png(rng, content)
    return _bytes(rng, content)


def _weights(rng: random.Random, content: bytes) -> bytes:
    """An archive whose members are changed, with sums that fit; or any bytes."""
    if not content.startswith(b"PK") or rng.random() < 0.3:
        return _bytes(rng, content)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", rng.choice((0, 8))) as new:
        members = [(name, old.read(name)) for name in old.namelist()]
        spoiled = rng.choice([name for name, _ in members if name.endswith((".pkl", ".npy"))])
        for name, member in members:
            if rng.random() < 0.03:
                continue
            name = _bytes(rng, name.encode()).decode("latin-1") if rng.random() < 0.03 else name
            new.writestr(
                name.replace("\0", "") or "x", _bytes(rng, member) if name == spoiled or rng.random() < 0.1 else member
            )
    return stream.getvalue()


def _images() -> list[Seed]:
    import test_bad_images as kinds
    from PIL import Image

    seeds = [Seed(name, content) for name, (content, *_) in kinds.FINE.items() if len(content) < 100_000]
    exif = Image.Exif()
    exif.update({0x010F: "maker", 0x0112: 6})
    exif.get_ifd(0x8769).update({0xA002: 64, 0xA003: 48, 0x9000: b"0230"})
    exif.get_ifd(0x8825).update({1: "N"})
    profile = kinds.ImageCms.ImageCmsProfile(kinds.ImageCms.createProfile("sRGB")).tobytes()
    rgb = kinds.rgb()
    for kind, options in (("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("TIFF", {"compression": "tiff_lzw"})):
        content = kinds.encoded(rgb, kind, exif=exif, icc_profile=profile, **options)
        seeds.append(Seed(f"described.{kind.lower()}", content))
    for compression in ("jpeg", "packbits", "tiff_adobe_deflate"):
        seeds.append(Seed(f"{compression}.tif", kinds.encoded(rgb, "TIFF", compression=compression)))
    seeds.append(Seed("colours.gif", kinds.encoded(rgb.quantize(32), "GIF")))
    seeds.append(Seed("animated.gif", kinds.encoded(rgb.quantize(32), "GIF", save_all=True, append_images=kinds.PAGES)))
    seeds.append(Seed("palette.bmp", kinds.encoded(kinds.palette(), "BMP")))
    seeds.append(Seed("lossy.webp", kinds.encoded(rgb, "WEBP")))
    seeds.append(Seed("plain.avif", kinds.encoded(rgb, "AVIF")))
    seeds.append(Seed("described.tif", kinds.encoded(rgb, "TIFF", exif=exif, dpi=(300, 300))))
    rows = b"".join(b"\0" + row.tobytes() for row in kinds.RGB)
    said = [kinds.chunk(b"gAMA", (100_000).to_bytes(4, "big")), kinds.chunk(b"cICP", b"\x0c\r\0\1")]
    seeds += [Seed(f"{i}.png", kinds.png(64, 48, 8, 2, rows, each)) for i, each in enumerate(said)]
    return seeds


def _read_image(path: Path) -> None:
    """As training and measuring do, and then as upscaling and the kits do, which write what they read."""
    from srnas_tf.data import images, photograph
    from srnas_tf.errors import UserError
    from srnas_tf.kit import formats, picture, reading, tiles, writing

    refused = None
    assert isinstance(reading.is_readable(path), bool)
    try:
        images.load(path)
    except UserError as error:
        refused = error
    image = photograph.read(path)
    if image.pixels.shape[0] * image.pixels.shape[1] <= WRITTEN:
        same = tiles.Model(lambda lr: lr, 1)
        for each, write in ((image, photograph.write), (reading.read(path), writing.write)):
            enlarged = picture.enlarge(each, same)
            for suffix in (".png", ".jpg", ".tif", ".webp", ".bmp"):
                again = path.with_name(f"again{suffix}")
                try:
                    formats.check(again, each, 1)
                except UserError:
                    continue
                write(again, enlarged)
                images.load(again)
    if refused:
        raise refused


def _files_of_weights() -> list[Seed]:
    import numpy as np
    import test_import as kinds
    from pytest import MonkeyPatch

    arrays = {f"a{i}.weight": np.full((3, 4), i, np.float32) for i in range(4)}
    seeds = []
    with tempfile.TemporaryDirectory() as folder, MonkeyPatch.context() as patch:
        torch = kinds.fake_torch.__wrapped__(patch)
        for legacy in (False, True):
            path = Path(folder, "w.pth")
            kinds.write_pth(path, arrays, torch, legacy)
            seeds.append(Seed(f"{'legacy' if legacy else 'zipped'}.pth", path.read_bytes()))
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return [*seeds, Seed("w.npz", stream.getvalue())]


def _read_weights(path: Path) -> None:
    import numpy as np

    from srnas_tf.nets import official

    assert all(isinstance(array, np.ndarray) for array in official.read(path).values())


def _seeds_of(make: Callable[[], fuzz_models.Seeds]) -> Callable[[], list[Seed]]:
    return lambda: [Seed(*each) for each in make()]


TARGETS = {
    "images": Target(_images, _read_image, _image),
    "weights": Target(_files_of_weights, _read_weights, _weights),
    **{name: Target(_seeds_of(make), fuzz_models.read, spoil) for name, (make, spoil) in fuzz_models.KINDS.items()},
}


def spoil(target: Target, seeds: list[Seed], seed: int, number: int) -> tuple[str, bytes]:
    """A case: its file's name, and what the file holds."""
    rng = random.Random(f"{seed} {number}")
    chosen = rng.choice(seeds)
    content = target.change(rng, chosen.content)
    if rng.random() < 0.1:
        content = content[: rng.randrange(len(content) + 1)]
    return f"case{Path(chosen.name).suffix}", content


def attempt(target: Target, path: Path) -> str:
    """`read`, `refused`, or what went wrong instead."""
    from srnas_tf.errors import UserError, WorkError

    try:
        target.read(path)
    except (UserError, WorkError) as error:
        return "refused" if len(str(error).splitlines()) == 1 else f"a message of several lines: {error}"
    except BaseException as error:
        at = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in at if "srnas_tf" in frame.filename] or at
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return f"{type(error).__name__} from {where}: {str(error)[:200]}"
    return "read"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)


def _work(name: str, seed: int, first: int, folder: Path, pipe: Connection) -> None:
    """Does case after case, and says before each that it begins, and after each what came of it."""
    from srnas_tf.host.devices import import_tensorflow

    import_tensorflow()
    warnings.simplefilter("ignore")
    target = TARGETS[name]
    seeds = target.seeds()
    attempt(target, _write(folder, seeds[0].name, seeds[0].content))  # what is imported and kept once
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before, number = _peak(), first
    while True:
        path = _write(folder, *spoil(target, seeds, seed, number))
        pipe.send(("begins", number, path.name))
        outcome = attempt(target, path)
        taken = _peak() - before
        if taken > MEMORY:
            outcome = f"took {taken >> 20} MiB"
        pipe.send(("ends", number, outcome, taken))
        if pipe.recv() == "stop" or taken > MEMORY:
            return
        number += 1


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)  # where an archive was unpacked
    path.write_bytes(content)
    return path


class Campaign:
    """Cases of one target until a moment, in processes of their own: one that dies is followed by another."""

    def __init__(self, name: str, seed: int, kept: Path) -> None:
        self.name, self.seed, self._kept = name, seed, kept
        self.cases, self.outcomes = 0, collections.Counter[str]()
        self.findings: list[dict] = []
        self.slowest = self.largest = 0.0

    def run(self, until: float, first: int) -> int:
        """Begins with a case; returns the next one's number."""
        context = multiprocessing.get_context("spawn")
        number = first
        while time.monotonic() < until and len(self.findings) < PATIENCE:
            with tempfile.TemporaryDirectory() as home:
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(self.name, self.seed, number, Path(home), theirs))
                process.start()
                theirs.close()
                try:
                    number = self._follow(process, ours, Path(home), until, number)
                finally:
                    process.kill()
                    process.join()
        return number

    def _follow(self, process, pipe: Connection, home: Path, until: float, number: int) -> int:
        """Until the process is to end, or does; returns the next case."""
        name, began = "", None
        while True:
            there = pipe.poll(SECONDS if began else START)
            try:
                said = pipe.recv() if there else None
            except EOFError:
                process.join()
                said = None
            if said is None:  # silent for too long, or dead
                if began is None:
                    raise RuntimeError(f"{self.name}: does not start")
                what = f"died of signal {-process.exitcode}" if there else f"took more than {SECONDS:g} s"
                self._end(number, what, home / name, time.monotonic() - began, 0)
                return number + 1
            if said[0] == "begins":
                _, number, name = said
                began = time.monotonic()
                continue
            _, number, outcome, taken = said
            self._end(number, outcome, home / name, time.monotonic() - (began or 0), taken)
            over = time.monotonic() >= until or len(self.findings) >= PATIENCE
            pipe.send("stop" if over else "go on")
            if over or taken > MEMORY:
                return number + 1

    def _end(self, number: int, outcome: str, path: Path, seconds: float, taken: int) -> None:
        self.cases += 1
        self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, taken)
        kind = outcome if outcome in ("read", "refused") else "found"
        self.outcomes[kind] += 1
        if kind == "found":
            self.findings.append({"case": number, "what": outcome})
            self._kept.mkdir(parents=True, exist_ok=True)
            (self._kept / f"{self.name}-{self.seed}-{number}{path.suffix}").write_bytes(path.read_bytes())
            print(f"{self.name}, case {number}: {outcome}", file=sys.stderr, flush=True)

    def report(self) -> dict:
        return {
            "cases": self.cases,
            **self.outcomes,
            "slowest_s": round(self.slowest, 2),
            "largest_mib": int(self.largest) >> 20,
            "findings": self.findings,
        }


def _one(name: str, seed: int, number: int, kept: Path) -> None:
    target = TARGETS[name]
    kept.mkdir(parents=True, exist_ok=True)
    path = _write(kept, *spoil(target, target.seeds(), seed, number))
    print(f"{path}: {path.stat().st_size} bytes")
    target.read(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="drawn, and printed, unless given")
    parser.add_argument("--only", choices=TARGETS, help="one of the targets; all share the time unless given")
    parser.add_argument("--case", type=int, help="do this one of --only again")
    parser.add_argument("--first", type=int, default=0, help="the first case's number")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for files that were found")
    parser.add_argument("--record", type=Path, help="file for what came of it")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**31)
    print(f"--seed={seed}", file=sys.stderr, flush=True)
    if given.case is not None:
        _one(given.only or "images", seed, given.case, given.keep)
        return 0
    names = [given.only] if given.only else list(TARGETS)
    began, reports = time.monotonic(), {}
    for i, name in enumerate(names, start=1):
        campaign = Campaign(name, seed, given.keep)
        campaign.run(began + 60 * given.minutes * i / len(names), given.first)
        reports[name] = campaign.report()
        print(f"{name}: {json.dumps({k: v for k, v in reports[name].items() if k != 'findings'})}", file=sys.stderr)
    minutes = round((time.monotonic() - began) / 60, 1)
    record = {"date": datetime.date.today().isoformat(), "seed": seed, "minutes": minutes, "targets": reports}
    if given.record:
        given.record.parent.mkdir(parents=True, exist_ok=True)
        given.record.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return any(report["findings"] for report in reports.values())


if __name__ == "__main__":
    sys.exit(main())
