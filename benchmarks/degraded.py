"""What degradations cost, and what a store of decoded images does: batches, steps, and the second start."""

import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.images import OneBatch, steps_per_second
from benchmarks.measure import Findings, alternate, ratio, spread
from srnas_tf.data import images, shelf
from srnas_tf.data.degrade.pipeline import parse
from srnas_tf.data.patches import Patches, Photographs
from srnas_tf.data.sources import DataSettings
from srnas_tf.data.store import Store
from srnas_tf.train.settings import TrainSettings

DEGRADATIONS = ("area,jpeg=50", "photo")
COUNT, SIZE = 24, (1356, 2040)
"""Images of the store, and their height and width: DIV2K's."""
_STEPS = 20


def degraded(rounds: int) -> Findings:
    """Steps of the small recipe (width 16, depth 4, 16 patches of 24 x 24) on degraded images / on one batch."""
    settings = TrainSettings(steps=100, patch=24)
    paths = DataSettings().paths("train")
    sources = {
        text: Patches(Photographs(paths, 4, degradation=parse(text)), settings.patch, settings.batch, settings.seed)
        for text in ("bicubic", *DEGRADATIONS)
    }
    runs = {**sources, "one batch": OneBatch(sources["bicubic"])}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, source in runs.items():
            rates[name].append(steps_per_second(source, settings))
    return Findings(
        {f"steps per second, 24 x 24, {name} / one batch": ratio(rates[name], rates["one batch"]) for name in sources}
    )


def store(rounds: int) -> Findings:
    """A batch of 16 patches of 48 x 48 from a store ten times as large as memory / from memory; and loading."""
    with tempfile.TemporaryDirectory() as folder:
        paths = _photographs(Path(folder) / "images")
        memory = COUNT * SIZE[0] * SIZE[1] * 3 // 10
        make = functools.partial(Store, Path(folder) / "store")
        shelf.SMALL = 0
        first = time.perf_counter()
        Photographs(paths, 4, memory, store=make())
        first = time.perf_counter() - first
        again: Callable[[], object] = lambda: Photographs(paths, 4, memory, store=make())  # noqa: E731
        kept = Patches(Photographs(paths, 4, 1 << 40), 48, 16, seed=0)
        stored = Patches(Photographs(paths, 4, memory, store=make()), 48, 16, seed=0)
        runs = {"kept": functools.partial(_batches, kept), "stored": functools.partial(_batches, stored)}
        times = alternate(runs, rounds, warm=3)
        starts = alternate({"again": again}, rounds)["again"]
        cold = [_cold(stored, Path(folder) / "store") for _ in range(rounds)]
    return Findings(
        {
            "a batch, store of ten times the memory / memory, warm page cache": ratio(times["stored"], times["kept"]),
            "the same, cold page cache": ratio(cold, times["kept"]),
            "loading from the store, an image": spread((1000 * np.array(starts) / COUNT).tolist(), "ms"),
            "loading the first time, an image": spread([1000 * first / COUNT], "ms"),
        }
    )


def _batches(patches: Patches) -> None:
    for step in range(_STEPS):
        patches.at(step)


def _cold(patches: Patches, folder: Path) -> float:
    """Seconds of the batches after the pages of the store were dropped."""
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    _batches(patches)
    return time.perf_counter() - start


def _photographs(folder: Path) -> list[Path]:
    """The embedded photographs, enlarged and shifted."""
    folder.mkdir()
    sources = DataSettings().paths("train")
    for i in range(COUNT):
        image = Image.fromarray(np.roll(images.load(sources[i % len(sources)]), 17 * i, axis=1))
        image.resize(SIZE[::-1], Image.Resampling.BICUBIC).save(folder / f"{i:02}.png", compress_level=1)
    return images.find(folder)
