"""Runs a supernet's networks in compiled pieces."""

import threading
from collections.abc import Callable, Sequence

import tensorflow as tf

from srnas_tf.nets import Supernet

TRACING = threading.Lock()
"""Only one thread traces at a time."""


class Pieces:
    """Runs any network of a supernet in pieces. Each piece is traced when a network first needs it.

    One trace of the whole supernet would hold every block of every trunk and position, with its gradient, before the
    first step. One trace for each network would be one for each step.

    Each thread has its own pieces, because two threads must not run one trace. With oneDNN (TensorFlow 2.21) a
    convolution and the addition behind it become one kernel. Two threads that run such a kernel at once crash, or get
    wrong numbers.

    Args:
        supernet: the networks' supernet.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._supernet = supernet
        self._traced: dict[Callable, tf.types.experimental.GenericFunction] = {}

    def __call__(
        self,
        lr: tf.Tensor,
        codes: Sequence[int],
        rows: Sequence[Sequence[tf.Tensor]] | None = None,
        finish: Callable | None = None,
        *inputs,
    ):
        """The output of a network; `finish` and `inputs` as `Supernet.compose` takes them."""
        rows = self._supernet.rows_of_path(codes) if rows is None else rows
        return self._supernet.compose(codes, lr, rows, self._compiled, finish, *inputs)

    def _compiled(self, piece: Callable) -> Callable:
        if piece not in self._traced:

            def traced(*inputs):  # Python runs only while the function is traced, so that the lock costs nothing later
                with TRACING:
                    return piece(*inputs)

            # Images may have any size. From the second size on, one trace serves all.
            self._traced[piece] = tf.function(traced, autograph=False, reduce_retracing=True)
        return self._traced[piece]
