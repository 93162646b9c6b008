"""Work on a Ray cluster: actors that live as long as the executor, and keep what they have loaded."""

import logging
import os
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a thread that comes too late must not begin a cluster

import ray
from ray.exceptions import RayActorError, RayTaskError

from srnas_tf import interrupt, quiet
from srnas_tf.errors import UserError, WorkError, first_line
from srnas_tf.executors import R, T

DEATHS = 3
"""Actors that a task may cost before it is held to be the reason."""
_ENVIRONMENT = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")


class RayExecutor:
    """Actors of a Ray cluster.

    Tasks go out in runs of neighbours, the first ones first, to whoever is free. What an actor that dies had goes to
    whoever is free then, and another actor takes its place.

    Args:
        address: of the cluster; "": that of RAY_ADDRESS, or a new one of this machine alone.
        actors: how many; 0: one a GPU, or, in a cluster without, one a node.
        patience: seconds to wait for the first of them.

    Raises:
        UserError: where there is no such cluster.
    """

    def __init__(self, address: str, actors: int, patience: float) -> None:
        _connect(address)
        gpus = int(ray.cluster_resources().get("GPU", 0))
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._options = {
            "num_cpus": 1,
            "num_gpus": min(1, gpus),
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": environment},
        }
        self._patience, self._lock = patience, threading.Lock()
        self._actors = [self._spawn() for _ in range(actors or gpus or _alive())]
        self._begun = threading.Event()
        self._dos: list[Callable] = []

    def __call__(self, do: Callable[[T], R], tasks: Sequence[T], together: int = 1) -> Generator[R, None, None]:
        """As `Executor`.

        Raises:
            WorkError: where the cluster is gone, or no actor outlives a task.
        """
        if not any(do is known for known in self._dos):
            self._dos.append(do)
        number = next(i for i, known in enumerate(self._dos) if known is do)
        work = _Work(tasks, max(1, min(together, len(tasks) // (2 * len(self._actors)))))
        call = (number, ray.put(do))
        for slot in range(len(self._actors)):
            threading.Thread(target=self._serve, args=(slot, work, call), daemon=True).start()
        try:
            yield from self._in_order(work)
        finally:
            work.close()

    def _in_order(self, work: "_Work") -> Generator[Any, None, None]:
        early: dict[int, Any] = {}
        waiting = time.monotonic()
        for index in range(len(work.tasks)):
            while index not in early:
                try:
                    done, value = work.results.get(timeout=1)
                except queue.Empty:
                    if not self._begun.is_set() and time.monotonic() - waiting > self._patience:
                        limit = f"within --patience={self._patience:g}"
                        raise WorkError(f"--executor=ray: no actor began {limit}; see `ray status`") from None
                    continue
                if isinstance(value, BaseException):
                    raise value
                early[done] = value
            yield early.pop(index)

    def _serve(self, slot: int, work: "_Work", call: tuple[int, Any]) -> None:
        """Gives one actor after another its runs, until none is left."""
        try:
            actor = self._awake(slot)
            while run := work.take():
                try:
                    for ref in [actor.do.remote(*call, work.tasks[index]) for index in run]:
                        work.results.put((run[0], ray.get(ref)))
                        run.popleft()
                except RayActorError as error:
                    work.give_back(run, error)
                    actor = self._awake(slot)
        except RayTaskError as error:
            work.results.put((-1, error.cause))
        except WorkError as error:
            work.results.put((-1, error))
        except Exception as error:  # whatever Ray says when its cluster is no more
            work.results.put((-1, _gone(error)))

    def _awake(self, slot: int) -> Any:
        """The actor of a slot, once it runs; one in its place where it is dead."""
        for _ in range(DEATHS):
            actor = self._actors[slot]
            try:
                ray.get(actor.wake.remote())
            except RayActorError as error:
                last = error
                with self._lock:
                    if self._actors[slot] is actor:
                        self._actors[slot] = self._spawn()
            else:
                self._begun.set()
                return actor
        raise last

    def _spawn(self) -> Any:
        return ray.remote(_Actor).options(**self._options).remote()


class _Actor:
    """A process of the cluster. It keeps what is to be done, and with it what that has loaded."""

    def __init__(self) -> None:
        self._kept: dict[int, Callable] = {}

    def wake(self) -> int:
        return os.getpid()

    def do(self, number: int, do: Callable, task: Any) -> Any:
        return self._kept.setdefault(number, do)(task)


class _Work:
    """The tasks of one call: runs that wait for an actor, and results in the order in which they come.

    Attributes:
        tasks: all of them.
        results: (index, what came of it), or (-1, exception).
    """

    def __init__(self, tasks: Sequence[Any], length: int) -> None:
        self.tasks = tasks
        self.results: queue.Queue[tuple[int, Any]] = queue.Queue()
        self._runs = deque(deque(range(i, min(i + length, len(tasks)))) for i in range(0, len(tasks), length))
        self._changed, self._closed = threading.Condition(), False
        self._deaths: Counter[int] = Counter()

    def take(self) -> deque[int]:
        """The next run, once there is one; none at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._runs or self._closed)
            return deque() if self._closed else self._runs.popleft()

    def give_back(self, run: deque[int], error: Exception) -> None:
        """What an actor that died had not done.

        Raises:
            WorkError: where its first task was that of others that died.
        """
        with self._changed:
            self._deaths[run[0]] += 1
            if self._deaths[run[0]] == DEATHS:
                task = self.tasks[run[0]]
                raise WorkError(f"--executor=ray: {DEATHS} actors in a row died of {task} ({first_line(error)})")
            self._runs.appendleft(run)
            self._changed.notify()

    def close(self) -> None:
        """Lets whoever waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _gone(error: Exception) -> WorkError:
    return WorkError(
        f"--executor=ray: the cluster is gone ({first_line(error)}); what it gave is kept: give the same command "
        "again, with another cluster or --executor=local"
    )


def _alive() -> int:
    return sum(node["Alive"] for node in ray.nodes())


def _connect(address: str) -> None:
    if ray.is_initialized():
        return
    try:
        with quiet.stderr_aside(), interrupt.kept():
            ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"--ray_address={address}: no cluster there ({first_line(error)}); see `ray status`") from None
