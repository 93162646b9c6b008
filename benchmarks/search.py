"""A whole search's evaluations, against as many networks measured one by one."""

import dataclasses
import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measure import Findings, Spread, spread
from srnas_tf import nets
from srnas_tf.arch import Space
from srnas_tf.data import images, imresize
from srnas_tf.data.sources import DataSettings, Pair
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.search import search
from srnas_tf.search.settings import SearchSettings
from srnas_tf.train.evaluate import of_paths, validation_psnr
from srnas_tf.train.jobs import Job
from srnas_tf.train.scoring import scorers
from srnas_tf.train.settings import MachineSettings, TrainSettings

SIZES = ((512, 512), (288, 288), (256, 256), (280, 280), (344, 228))
"""Heights and widths of Set5's images."""
_EVERY = 25
"""One network of so many is also measured alone, in between, so that both meet the same machine."""
_LOW = "mixed_bfloat16"
_MEMORY = int(MachineSettings().memory_gb * 2**30)


class _Clock:
    """A measurement, timed call by call, and beside it the plain way."""

    def __init__(self, measure: Callable, timeline: list[tuple[float, float]]) -> None:
        self._measure, self._timeline = measure, timeline
        self.plain: Callable | None = None
        """Where it is given, this clock counts the candidates of the timeline: (candidates, seconds) points."""
        self.seconds: list[float] = []
        self.alone: list[float] = []

    def __call__(self, codes: Sequence[int]) -> float:
        started = time.perf_counter()
        psnr = self._measure(codes)
        self.seconds.append(time.perf_counter() - started)
        candidates, seconds = self._timeline[-1] if self._timeline else (0, 0.0)
        self._timeline.append((candidates + (self.plain is not None), seconds + self.seconds[-1]))
        if self.plain and len(self.seconds) % _EVERY == 0:
            started = time.perf_counter()
            self.plain(codes)
            self.alone.append(time.perf_counter() - started)
        return psnr


def _pairs() -> list[Pair]:
    """Photographs of Set5's sizes: windows of the embedded ones."""
    pairs = []
    for (height, width), path in zip(SIZES, DataSettings().paths("train") * 2, strict=False):
        lr, hr = imresize.pair(images.load(path)[:height, :width], 4)
        pairs.append(Pair(path.name, lr, hr))
    return pairs


def _trained() -> nets.Supernet:
    """A supernet of width 64, trained on small batches of the embedded photographs."""
    recipe = TrainSettings(
        steps=1500, batch=4, patch=24, learning_rate=1e-3, schedule="cosine", ema=0.99, validate_every=1500
    )
    with tempfile.TemporaryDirectory() as folder:
        job = Job(DataSettings(), recipe, MachineSettings(), Space().scale, Path(folder))
        return job.train_supernet(Space(), Path(folder) / "supernet")


def candidates(rounds: int) -> Findings:
    """The default search (1000 networks of the dynamic space: 3 stages, depth 6), exact, and screened in bfloat16.

    Each once, whatever the rounds; quartiles are those of the whole inferences in between. The supernet is trained for
    two minutes first: an untrained one's networks are closer to each other than bfloat16 tells apart.
    """
    supernet = _trained()
    pairs, at = _pairs(), of_paths(supernet)

    def alone(codes: Sequence[int]) -> float:
        return validation_psnr(at(codes), pairs, supernet.scale)

    alone((0,) * (len(supernet.slots) - 1))  # traced
    findings = Findings({}, {})
    for strategy in ("evolution", "random"):
        settings, tops = dataclasses.replace(SearchSettings(), strategy=strategy), []
        for screened in (False, True):
            gc.collect()  # the features of the search before: traced functions hold them in cycles
            timeline: list[tuple[float, float]] = []
            measures = scorers(supernet, pairs, _MEMORY, _LOW if screened else "float32")
            clocks = [_Clock(measure, timeline) for measure in measures if measure]
            clocks[-1].plain = alone
            with tempfile.TemporaryDirectory() as folder:
                top = search(Feasible(supernet.space, {}), settings, clocks[0], Path(folder), *clocks[1:])
            tops.append([entry["codes"] for entry in top])
            name = f"{strategy}, {'screened in bfloat16' if screened else 'exact'}"
            ours, theirs = sum(sum(clock.seconds) for clock in clocks), spread(clocks[-1].alone, "s")
            count = len(clocks[-1].seconds)
            findings.figures[f"{count} candidates, {name} / {count} whole inferences"] = Spread(
                *(ours / count / seconds for seconds in (theirs.median, theirs.high, theirs.low))
            )
            findings.curves[f"search, {name}"] = timeline[::_EVERY]
        again, same = len(clocks[0].seconds), tops[0] == tops[1]
        findings.figures[f"{strategy}, measured again in float32; same best: {same}"] = Spread(
            again, again, again, "networks"
        )
    return findings
