"""What is measured: each figure is a function of the rounds that returns ratios by name."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import torch

from benchmarks.actors import executor
from benchmarks.growth import growth
from benchmarks.images import real_images
from benchmarks.large import large
from benchmarks.measure import Findings, Spread, alternate, ratio
from benchmarks.peer import IMDN
from benchmarks.processes import startup
from benchmarks.recipe import recipe
from benchmarks.runtimes import runtimes
from benchmarks.search import candidates
from srnas_tf import arch, nets
from srnas_tf.nets.initial import initialize
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.loop import make_step
from srnas_tf.train.trainee import Trainee, single_path, whole

BATCH, PATCH = 16, 48
LOW = "mixed_bfloat16"


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((BATCH, PATCH, PATCH, 3), np.float32), rng.random((BATCH, 4 * PATCH, 4 * PATCH, 3), np.float32)


def _our_step(trainee: Trainee, codes: tuple[int, ...] = ()) -> Callable[[], float]:
    """A training step as `train.loop` takes it, on one batch."""
    step = make_step(tf.distribute.get_strategy(), trainee, PathAdam(trainee.parts))
    lr, hr = (tf.constant(255 * x) for x in _batch())
    rate, chosen = tf.constant(2e-4), tf.constant([codes], tf.int32)
    return lambda: float(step(lr, hr, rate, chosen))


def _their_step(fast: bool = False) -> Callable[[], float]:
    """PyTorch's: eager and float32, or channels last under bfloat16 autocast."""
    lr, hr = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous() for x in _batch())
    model = IMDN()
    if fast:
        model = model.to(memory_format=torch.channels_last)
        lr = lr.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            sr = model(lr)
        loss = (sr.float() - hr).abs().mean()
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def _network(precision: str = "float32") -> nets.SRNet:
    model = nets.SRNet(arch.imdn(), dtype=precision)
    initialize(model, 0)
    return model


def training_step(rounds: int) -> Findings:
    """IMDN x4, 16 patches of 48 x 48."""
    runs = {
        "float32": _our_step(whole(_network())),
        LOW: _our_step(whole(_network(LOW))),
        "eager": _their_step(),
        "fast": _their_step(fast=True),
    }
    times = alternate(runs, rounds, warm=2)
    return Findings(
        {
            "training step, float32 / PyTorch eager": ratio(times["float32"], times["eager"]),
            "training step, bfloat16 / PyTorch eager": ratio(times[LOW], times["eager"]),
            "training step, bfloat16 / PyTorch channels last, bfloat16": ratio(times[LOW], times["fast"]),
        }
    )


def supernet_step(rounds: int) -> Findings:
    """A path of the dynamic space (3 stages, depth 6) in the supernet, and standing alone: the mean over paths."""
    space = arch.Space()
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    trainee = single_path(supernet)
    ratios = []
    for code in (0, 5, 7):
        alone = nets.SRNet(space.network((code,) * space.depth))
        initialize(alone, 0)
        times = alternate(
            {"in": _our_step(trainee, (code,) * space.depth), "alone": _our_step(whole(alone))}, rounds, 2
        )
        ratios.append(ratio(times["in"], times["alone"]))
    means = (float(np.mean(values)) for values in zip(*(each[:3] for each in ratios), strict=True))
    return Findings({"supernet step / the path alone": Spread(*means)})


def inference(rounds: int) -> Findings:
    """IMDN x4 on 128 x 128, one image."""
    image = np.random.default_rng(0).random((1, 128, 128, 3), np.float32)
    ours = {}
    for precision in ("float32", LOW):
        model = _network(precision)
        run = tf.function(lambda lr, model=model: model(lr))
        ours[precision] = lambda run=run: run(tf.constant(image)).numpy()
    times = alternate(
        {**ours, "eager": _their_inference(image), "fast": _their_inference(image, fast=True)}, 5 * rounds, warm=3
    )
    eager = {
        f"inference 128 x 128, {name} / PyTorch eager": ratio(times[run], times["eager"])
        for name, run in (("float32", "float32"), ("bfloat16", LOW))
    }
    fast = "inference 128 x 128, bfloat16 / PyTorch channels last, bfloat16"
    return Findings({**eager, fast: ratio(times[LOW], times["fast"])})


def _their_inference(image: np.ndarray, fast: bool = False) -> Callable[[], object]:
    """PyTorch's, as in `_their_step`."""
    form = torch.channels_last if fast else torch.contiguous_format
    model = IMDN().eval().to(memory_format=form)
    lr = torch.from_numpy(image).permute(0, 3, 1, 2).contiguous(memory_format=form)

    @torch.inference_mode()
    def run():
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            return model(lr).float().numpy()

    return run


FIGURES: dict[str, Callable[[int], Findings]] = {
    "training_step": training_step,
    "supernet_step": supernet_step,
    "inference": inference,
    "runtimes": runtimes,
    "large": large,
    "startup": startup,
    "real_images": real_images,
    "candidates": candidates,
    "growth": growth,
    "recipe": recipe,
    "executor": executor,
}
