"""What is measured: each figure is a function of the rounds that returns ratios by name."""

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks import peer
from benchmarks.actors import executor
from benchmarks.degraded import degraded, store
from benchmarks.growth import growth
from benchmarks.images import real_images
from benchmarks.large import large
from benchmarks.measure import Findings, Spread, alternate, apart, ratio
from benchmarks.processes import startup
from benchmarks.recipe import recipe
from benchmarks.runtimes import runtimes
from benchmarks.search import candidates
from srnas_tf import arch, nets
from srnas_tf.host import devices
from srnas_tf.host.devices import cores
from srnas_tf.nets.initial import initialize
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.jobs import DISTRIBUTIONS
from srnas_tf.train.loop import make_step, shares
from srnas_tf.train.settings import MachineSettings
from srnas_tf.train.trainable import TrainableModel, trainable_network, trainable_supernet

BATCH, PATCH = 16, 48
LOW = "mixed_bfloat16"
WIDE = {
    "space": "tapped",
    "width": "32/48/64",
    "depth": "2/3/4",
    "recipes": "T/TC/TT/TCT/TCC/TCTC/TCCC/TCCT",
    "conv": "expanded/expanded_blueprint",
    "attention": "none/cca",
    "sharing": "entangled",
}
"""A space in which whatever describes a network is a choice: 3.2 million networks."""
PEERS = {"eager": False, "fast": True}


def _batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((BATCH, PATCH, PATCH, 3), np.float32), rng.random((BATCH, 4 * PATCH, 4 * PATCH, 3), np.float32)


def _our_step(
    trainable: TrainableModel, codes: tuple[int, ...] = (), strategy: tf.distribute.Strategy | None = None
) -> Callable[[], float]:
    """A training step as `train.loop` takes it, on one batch."""
    strategy = strategy or tf.distribute.get_strategy()
    step = make_step(strategy, trainable, PathAdam(trainable.parts))
    lr, hr = (shares(strategy, tf.constant(255 * x)) for x in _batch())
    return lambda: float(step(lr, hr, tf.constant(2e-4), (codes,)))


def _network(precision: str = "float32") -> nets.SRNet:
    model = nets.SRNet(arch.imdn(), dtype=precision)
    initialize(model, 0)
    return model


def _ours_apart(precision: str, cpu_devices: int) -> Callable[[], float]:
    """Our step in a process of its own, the processor as so many devices."""
    devices.import_tensorflow(cpu_devices=cpu_devices)
    strategy = DISTRIBUTIONS["mirrored"](MachineSettings())
    with strategy.scope():
        return _our_step(trainable_network(_network(precision)), strategy=strategy)


def training_step(rounds: int) -> Findings:
    """IMDN x4, 16 patches of 48 x 48: the processor as one device, and as one a core or fewer; each a process."""
    several = math.gcd(cores(), BATCH)
    names = {("float32", several): f"float32, {several} devices", (LOW, several): f"bfloat16, {several} devices"}
    names |= {("float32", 1): "float32", (LOW, 1): "bfloat16"}
    ours = {name: functools.partial(_ours_apart, *how) for how, name in names.items()}
    theirs = {name: functools.partial(peer.training_step, *_batch(), fast) for name, fast in PEERS.items()}
    with apart({**ours, **theirs}) as runs:
        times = alternate(runs, rounds, warm=3)
    figures = {f"training step, {name} / PyTorch eager": ratio(times[name], times["eager"]) for name in ours}
    fast = {
        f"training step, {name} / PyTorch channels last, bfloat16": ratio(times[name], times["fast"])
        for (precision, _), name in names.items()
        if precision == LOW
    }
    return Findings(figures | fast)


def supernet_step(rounds: int) -> Findings:
    """Networks of the dynamic space (3 stages, depth 6), and of a wide one, in the supernet and standing alone.

    Each figure is a mean over networks.
    """
    dynamic, wide = arch.Space(), arch.Space(**WIDE)
    largest = [len(blocks) - 1 for blocks in wide.positions]
    drawn = [wide.compose(trunk, largest[: wide.trunks[trunk].depth]) for trunk in (0, 4, 8)]
    networks = {"": (dynamic, [(code,) * 6 for code in (0, 5, 7)]), ", wide space": (wide, drawn)}
    return Findings(
        {
            f"supernet step / the path alone{name}": _in_and_alone(space, codes, rounds)
            for name, (space, codes) in networks.items()
        }
    )


def _in_and_alone(space: arch.Space, networks: list[tuple[int, ...]], rounds: int) -> Spread:
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    trainable = trainable_supernet(supernet)
    ratios = []
    for codes in networks:
        alone = nets.SRNet(space.network(codes))
        initialize(alone, 0)
        times = alternate({"in": _our_step(trainable, codes), "alone": _our_step(trainable_network(alone))}, rounds, 2)
        ratios.append(ratio(times["in"], times["alone"]))
    return Spread(*(float(np.mean(values)) for values in zip(*(each[:3] for each in ratios), strict=True)))


def _our_inference(precision: str) -> Callable[[], object]:
    devices.import_tensorflow()
    model, image = _network(precision), _image()
    run = tf.function(lambda lr: model(lr))
    return lambda: run(tf.constant(image)).numpy()


def _image() -> np.ndarray:
    return np.random.default_rng(0).random((1, 128, 128, 3), np.float32)


def inference(rounds: int) -> Findings:
    """IMDN x4 on 128 x 128, one image; each a process."""
    ours = {name: functools.partial(_our_inference, how) for name, how in (("float32", "float32"), ("bfloat16", LOW))}
    theirs = {name: functools.partial(peer.inference, _image(), fast) for name, fast in PEERS.items()}
    with apart({**ours, **theirs}) as runs:
        times = alternate(runs, 5 * rounds, warm=3)
    figures = {f"inference 128 x 128, {name} / PyTorch eager": ratio(times[name], times["eager"]) for name in ours}
    fast = "inference 128 x 128, bfloat16 / PyTorch channels last, bfloat16"
    return Findings({**figures, fast: ratio(times["bfloat16"], times["fast"])})


FIGURES: dict[str, Callable[[int], Findings]] = {
    "training_step": training_step,
    "supernet_step": supernet_step,
    "inference": inference,
    "runtimes": runtimes,
    "large": large,
    "startup": startup,
    "real_images": real_images,
    "degraded": degraded,
    "store": store,
    "candidates": candidates,
    "growth": growth,
    "recipe": recipe,
    "executor": executor,
}
