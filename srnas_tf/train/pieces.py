"""A supernet's networks, put together of compiled pieces."""

import threading
from collections.abc import Callable, Sequence

import tensorflow as tf

from srnas_tf.nets import Supernet

TRACING = threading.Lock()
"""Traces are made one after the other, whoever wants them."""


class Pieces:
    """Runs any network of a supernet by functions that are traced one by one, when a network first needs them.

    A trace of the whole supernet would hold every block of every trunk and position, and its gradient, before the first
    step; a trace of each network would be one for each step.

    Two threads must not run one trace: with oneDNN (TensorFlow 2.21) a convolution and the sum behind it become one
    kernel, and two threads that run it at once crash, or get wrong numbers. Each thread has pieces of its own.

    Args:
        supernet: whose networks.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._traced: dict[Callable, tf.types.experimental.GenericFunction] = {}

    def __call__(self, lr: tf.Tensor, codes: Sequence[int], rows: Sequence[tf.Tensor] | None = None) -> tf.Tensor:
        """The output of a network; as `Supernet.call`."""
        rows = self._supernet.rows_of_path(codes) if rows is None else rows
        return self._supernet.compose(codes, lr, rows, self._compiled)

    def _compiled(self, piece: Callable) -> Callable:
        if piece not in self._traced:

            def traced(*inputs):  # what Python does of a function, it does while it is traced
                with TRACING:
                    return piece(*inputs)

            # Images may have any size: from the second one on, one trace serves all.
            self._traced[piece] = tf.function(traced, autograph=False, reduce_retracing=True)
        return self._traced[piece]
