"""Training on several machines at once: joining the cluster, agreeing, and noticing that someone is gone."""

import contextlib
import functools
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from srnas_tf import interrupt, quiet
from srnas_tf.cluster import gather, read_cluster
from srnas_tf.errors import UserError, WorkError

_PEERS_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


@functools.cache
def join(patience: float) -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy of all workers of TF_CONFIG. It must come before TensorFlow's first operation.

    Args:
        patience: seconds to wait for the others.

    Raises:
        UserError: where TF_CONFIG does not say who they are.
        WorkError: where they do not come.
    """
    cluster = read_cluster()
    others = [address for place, address in enumerate(cluster.addresses) if place != cluster.place]
    print(f"worker {cluster.place} waits for {', '.join(others) or 'nobody'}", file=sys.stderr, flush=True)
    gather(cluster, patience)
    with quiet.stderr_aside(), interrupt.kept():  # TensorFlow takes SIGTERM for itself, and would live on
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # Every worker has a whole share of every batch: they need not ask each other at each step.
    strategy.extended.experimental_enable_get_next_as_optional = False
    return strategy


def writes(strategy: tf.distribute.Strategy) -> bool:
    """Whether files are this process' to write: always, but for the workers beside a chief."""
    return strategy.extended.should_checkpoint


def from_chief(strategy: tf.distribute.Strategy, make: Callable[[], Any]) -> Any:
    """What the chief makes, for all workers. They wait for it.

    Args:
        strategy: of the workers.
        make: returns what JSON can hold; it runs on the chief alone.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return make()
    text = json.dumps(make()).encode() if writes(strategy) else b""
    length = int(_sum(strategy, np.array(len(text))))
    content = np.zeros(length)
    content[: len(text)] = list(text)
    return json.loads(bytes(_sum(strategy, content).astype(np.uint8)))


def _sum(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """Over all workers, in float32, which every device reduces: exact up to 2**24."""
    return strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(values, tf.float32), axis=None).numpy()


def check_agreed(strategy: tf.distribute.Strategy, facts: dict[str, Any]) -> None:
    """Refuses to train with workers that would train something else: their collective operations would never meet.

    Raises:
        UserError: where a fact is not what it is for the chief.
    """
    digests = {name: hashlib.sha256(repr(fact).encode()).hexdigest() for name, fact in facts.items()}
    differing = [name for name, digest in from_chief(strategy, lambda: digests).items() if digest != digests[name]]
    if differing:
        raise UserError(
            f"TF_CONFIG: this worker's {differing[0]} is not the chief's; give all workers the same flags and "
            "photographs, and a --workdir on a disk that they share"
        )


@contextlib.contextmanager
def own(strategy: tf.distribute.Strategy, folder: Path) -> Iterator[Path]:
    """The folder for what all workers write: that of the experiment for the chief, one that goes away for others."""
    if writes(strategy):
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


@contextlib.contextmanager
def losses_told() -> Iterator[None]:
    """Turns what TensorFlow raises where a worker is gone into one line.

    Raises:
        WorkError: then.
    """
    try:
        yield
    except _PEERS_LOST as error:
        raise WorkError(
            f"a worker is gone ({type(error).__name__}); start the same command on all workers again: it goes on from "
            "the last checkpoint"
        ) from None
