"""Chooses the dtype policy of training, by a measurement on this machine."""

import logging
import time
from pathlib import Path

import keras
import tensorflow as tf

from srnas_tf.errors import UserError
from srnas_tf.workdir.files import write_text

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
"""The policies that `auto` may choose."""

_WORTH_IT = 0.9
"""`auto` takes a lower precision if it needs at most this share of float32's time."""

log = logging.getLogger(__name__)


def settle(precision: str, folder: Path) -> str:
    """The dtype policy to train with.

    The choice of `auto` is kept in the experiment's folder. A resumed run then computes as it began, and networks that
    are compared were trained alike.
    """
    if precision != "auto":
        return precision
    found = folder / "precision.txt"
    if not found.exists():
        write_text(found, _fastest() + "\n")
    policy = found.read_text("utf-8", "replace").strip()
    if policy not in PRECISIONS:
        raise UserError(f"{found}: holds none of {', '.join(PRECISIONS)}; remove it, then give the same command again")
    return policy


def _fastest() -> str:
    candidates = ["float32", "mixed_bfloat16"]
    if tf.config.list_physical_devices("GPU"):
        candidates.append("mixed_float16")
    seconds = {precision: _convolution_seconds(precision) for precision in candidates}
    best = min(seconds, key=lambda precision: seconds[precision])
    worth = seconds[best] <= _WORTH_IT * seconds["float32"]
    log.info("seconds a probe takes: %s", seconds)
    return best if worth else "float32"


def _convolution_seconds(precision: str) -> float:
    """Median seconds of a forward and backward pass of IMDN's most frequent convolution."""
    layer = keras.layers.Conv2D(64, 3, padding="same", dtype=precision)
    x = tf.random.stateless_uniform((16, 48, 48, 64), (0, 0), dtype=layer.compute_dtype)
    layer.build(x.shape)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.cast(layer(x), tf.float32))
        return tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])

    times = []
    for _ in range(8):
        start = time.perf_counter()
        step(x)[0].numpy()
        times.append(time.perf_counter() - start)
    return sorted(times[2:])[3]
