"""Training on several machines: joining the cluster, agreeing, and noticing lost workers."""

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
from tensorflow.python.eager import context

from srnas_tf.errors import UserError, WorkError
from srnas_tf.host import interrupt
from srnas_tf.host.cluster import Cluster, gather, read_cluster
from srnas_tf.host.deadline import deadline
from srnas_tf.host.silence import stderr_aside

_PEERS_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


_REGISTERING = 5.0
"""Seconds beyond its own limit that TensorFlow may take to connect. If a worker is lost meanwhile, it never ends."""


@functools.cache
def join(patience: float, silence: float) -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy of all workers in TF_CONFIG. Call it before TensorFlow's first operation.

    Args:
        patience: seconds to wait for the others.
        silence: seconds without a sign of life, after which a worker counts as lost.

    Raises:
        UserError: if TF_CONFIG does not name the workers.
        WorkError: if they do not come.
    """
    cluster = read_cluster()
    others = [address for place, address in enumerate(cluster.addresses) if place != cluster.place]
    print(f"worker {cluster.place} waits for {', '.join(others) or 'nobody'}", file=sys.stderr, flush=True)
    gather(cluster, patience)
    _set_deadlines(cluster, patience, silence)
    late = (
        f"TF_CONFIG: {' or '.join(others)} came and was lost before all were registered, within "
        f"--patience={patience:g}; start the same command on all workers again"
    )
    # TensorFlow handles SIGTERM itself, and would keep running.
    with deadline(patience + _REGISTERING, late), stderr_aside(), interrupt.kept():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # Every worker has its full share of every batch. Without this line, they would ask each other at each step.
    strategy.extended.experimental_enable_get_next_as_optional = False
    return strategy


def _set_deadlines(cluster: Cluster, patience: float, silence: float) -> None:
    """Replaces the strategy's own deadlines: an hour for a worker that never comes, ten seconds for one that was there.

    Ten seconds are too few on a busy host. There is no public way to set them.
    """
    tasks = {"chief": int(cluster.chief_apart), "worker": len(cluster.addresses) - cluster.chief_apart}
    config = tf.compat.v1.ConfigProto().experimental.coordination_config
    for job, count in tasks.items():
        if count:
            config.coordinated_job_list.add(name=job, num_tasks=count)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{config.coordinated_job_list[0].name}/replica:0/task:0",
        cluster_register_timeout_in_ms=round(patience * 1000),
        heartbeat_timeout_in_ms=round(silence * 1000),
        coordinated_jobs=list(config.coordinated_job_list),
    )


def writes(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes files. Of several workers, only the chief does."""
    return strategy.extended.should_checkpoint


def from_chief(strategy: tf.distribute.Strategy, make: Callable[[], Any]) -> Any:
    """The chief's value, for all workers. They wait for it.

    Args:
        strategy: the workers'.
        make: runs on the chief alone. JSON must be able to hold its value.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return make()
    text = json.dumps(make()).encode() if writes(strategy) else b""
    length = int(_sum(strategy, np.array(len(text))))
    content = np.zeros(length)
    content[: len(text)] = list(text)
    return json.loads(bytes(_sum(strategy, content).astype(np.uint8)))


def _sum(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """The sum over all workers. It is computed in float32, and exact up to 2**24."""
    return strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(values, tf.float32), axis=None).numpy()


def anyone(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """A function that tells whether something is true for any worker. All workers must call it at the same moments."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return bool

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
    def count(own):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, own, axis=None)

    return lambda own: bool(count(tf.constant(own, tf.float32)))


def check_agreed(strategy: tf.distribute.Strategy, facts: dict[str, Any]) -> None:
    """Refuses workers that would train something else, because their collective operations would never meet.

    Raises:
        UserError: if a fact differs from the chief's.
    """
    digests = {name: hashlib.sha256(repr(fact).encode()).hexdigest() for name, fact in facts.items()}
    differing = [name for name, digest in from_chief(strategy, lambda: digests).items() if digest != digests[name]]
    if differing:
        raise UserError(
            f"TF_CONFIG: this worker's {differing[0]} is not the chief's; give all workers the same flags and "
            "images, and a --workdir on a disk that they share"
        )


@contextlib.contextmanager
def own(strategy: tf.distribute.Strategy, folder: Path) -> Iterator[Path]:
    """The folder for files that all workers write: the experiment's for the chief, a temporary one for the others."""
    if writes(strategy):
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


@contextlib.contextmanager
def losses_told(cluster: Cluster) -> Iterator[None]:
    """Turns TensorFlow's error about a lost worker into one line.

    Args:
        cluster: the workers.

    Raises:
        WorkError: if a worker is lost.
    """
    try:
        yield
    except _PEERS_LOST as error:
        raise WorkError(
            f"{_lost(cluster, error)}; start the same command on all workers again: it resumes from the last checkpoint"
        ) from None


def _lost(cluster: Cluster, error: tf.errors.OpError) -> str:
    """The lost worker, and whether its process ended or went silent."""
    text = str(error)
    who = cluster.named(text)
    if "heartbeat" in text.lower():  # which all send to the chief
        return f"nothing is heard from {who or cluster.chief} any more: its process, its host, or the network between"
    return f"{who} is gone" if who else f"a worker is gone ({type(error).__name__})"
