"""Steps on photographs, against steps on one batch that is already there."""

import contextlib
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.measure import Findings, ratio
from srnas_tf import arch, nets
from srnas_tf.data.patches import Patches, Photographs
from srnas_tf.data.sources import DataSettings
from srnas_tf.nets.initial import initialize
from srnas_tf.train.loop import fit
from srnas_tf.train.settings import TrainSettings
from srnas_tf.train.trainable import trainable_network

_UNCOUNTED = 3


class OneBatch:
    """Patches that are the same at every step, and made once."""

    def __init__(self, patches: Patches) -> None:
        self._batch = patches.at(0)

    def dataset(self, start: int, stop: int) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(self._batch).cache().repeat(stop - start)

    @staticmethod
    def reading() -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def real_images(rounds: int) -> Findings:
    """A small network, whose steps leave the least time to make batches: width 16, depth 4, 16 patches of 48 x 48."""
    settings = TrainSettings(steps=100)
    photographs = Photographs(DataSettings().paths("train"), 4)
    patches = Patches(photographs, settings.patch, settings.batch, settings.seed)
    sources = {"photographs": patches, "one batch": OneBatch(patches)}
    rates: dict[str, list[float]] = {name: [] for name in sources}
    for _ in range(rounds):
        for name, source in sources.items():
            rates[name].append(steps_per_second(source, settings))
    return Findings({"steps per second, photographs / one batch": ratio(rates["photographs"], rates["one batch"])})


def steps_per_second(source, settings: TrainSettings) -> float:
    """Of IMDN x4, width 16, depth 4, on what a source's data set gives."""
    strategy = tf.distribute.get_strategy()
    model = nets.SRNet(arch.imdn(width=16, depth=4))
    initialize(model, 0)
    times = []

    def clock(step: int) -> tuple[tuple[()]]:
        times.append(time.perf_counter())
        return ((),)

    with tempfile.TemporaryDirectory() as folder:
        fit(strategy, trainable_network(model), source, settings, Path(folder), lambda weights: 0.0, clock)
    return 1 / float(np.mean(np.diff(times)[_UNCOUNTED:]))
