"""Runs tasks on a Ray cluster."""

import contextlib
import multiprocessing
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from ray import cloudpickle

from srnas_tf.errors import WorkError
from srnas_tf.executors.ray_process import drive

T = TypeVar("T")
R = TypeVar("R")


class RayExecutor:
    """Actors of a Ray cluster.

    Runs of neighbours go to free actors, the first tasks first. If an actor dies, its tasks go to another one, and a
    new actor takes its place.

    Ray runs in a process of its own. It would silently end its process with its cluster, handle signals, and write to
    stdout.

    Args:
        address: address of the cluster. "" takes that of RAY_ADDRESS, or starts a cluster on this machine.
        actors: number of actors. 0 takes one for each GPU, or one for each node without GPUs.
        patience: seconds to wait for the first actor.

    Raises:
        UserError: if there is no such cluster.
    """

    def __init__(self, address: str, actors: int, patience: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=drive, args=(theirs, address, actors, patience), daemon=True)
        self._process.start()
        theirs.close()
        self._dos: list[Callable] = []
        self._calls = 0
        self._hear()

    def __call__(self, do: Callable[[T], R], tasks: Sequence[T], together: int = 1) -> Generator[R, None, None]:
        """Runs tasks, as `Executor` describes it.

        Raises:
            WorkError: if the cluster is gone, or a task kills each actor.
        """
        if not any(known is do for known in self._dos):
            self._dos.append(do)
        number = next(i for i, known in enumerate(self._dos) if known is do)
        self._calls += 1
        call, early = self._calls, dict[int, R]()
        self._tell((call, number, cloudpickle.dumps(do), list(tasks), together))
        try:
            for index in range(len(tasks)):
                while index not in early:
                    of, done, value = self._hear()
                    if of == call:  # not of one that was given up
                        early[done] = value
                yield early.pop(index)
        finally:
            self._tell(None)

    def close(self) -> None:
        """Ends the actors."""
        self._pipe.close()
        self._process.join(10)

    def _tell(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # `_hear` reports a broken pipe
            self._pipe.send(message)

    def _hear(self) -> Any:
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):
            raise WorkError(
                "--executor=ray: the cluster is gone; its results so far are kept: run the same command again, with "
                "another cluster or --executor=local"
            ) from None
        if isinstance(message, BaseException):
            raise message
        return message
