"""The process of Ray, which gives tasks from a pipe to actors."""

import logging
import os
import pickle
import queue
import signal
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError

from srnas_tf.errors import UserError, WorkError, first_line

DEATHS = 3
"""A task counts as the reason after so many actors died of it."""
_CALL = 10
"""A cluster's address must answer within so many seconds."""
_ENVIRONMENT = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")


def drive(pipe: Connection, address: str, actors: int, patience: float) -> None:
    """Sends None once it is connected. Then it receives calls, and None for the end of one, and sends results.

    A call is its number, the number of its function, the pickled function, the tasks, and how many neighbours belong
    together. A result is (number of the call, index of the task, result), or an exception.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process, whose end also ends this one
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):  # Ray tells of lost actors there, and of its own end
        os.dup2(nowhere, output)
    outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_send, args=(pipe, outbox), daemon=True).start()
    try:
        _connect(address)
        crew = _Crew(actors, patience, outbox)
    except Exception as error:
        pipe.send(error if isinstance(error, UserError) else WorkError(f"--executor=ray: {first_line(error)}"))
        return
    outbox.put(None)
    work = None
    try:
        while True:
            message = pipe.recv()
            if work:
                work.close()
            work = crew.begin(*message) if message else None
    except EOFError:
        ray.shutdown()


def _send(pipe: Connection, outbox: "queue.SimpleQueue[Any]") -> None:
    while True:
        message = outbox.get()
        try:
            pipe.send(message)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            pipe.send(WorkError(f"--executor=ray: a result cannot be sent ({first_line(error)})"))
        except OSError:
            return


def _connect(address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a thread that comes too late must not begin a cluster
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host:  # Ray would try for minutes
            socket.create_connection((host, int(port)), timeout=_CALL).close()
        ray.init(address=address or None, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"--ray_address={address}: no cluster there ({first_line(error)}); see `ray status`") from None


class _Actor:
    """A process of the cluster. It keeps functions, with all that they have loaded."""

    def __init__(self) -> None:
        self._kept: dict[int, Callable] = {}

    def wake(self) -> None:
        """Returns once the process is there."""

    def do(self, number: int, pickled: bytes, task: Any) -> Any:
        if number not in self._kept:
            self._kept[number] = cloudpickle.loads(pickled)
        return self._kept[number](task)


class _Crew:
    """The actors, with a thread for each actor and call that hands out tasks."""

    def __init__(self, actors: int, patience: float, outbox: "queue.SimpleQueue[Any]") -> None:
        gpus = int(ray.cluster_resources().get("GPU", 0))
        nodes = sum(node["Alive"] for node in ray.nodes())
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._options = {
            "num_cpus": 0 if actors else 1,
            "num_gpus": min(1, gpus),
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": environment},
        }
        self._outbox, self._lock, self._begun = outbox, threading.Lock(), threading.Event()
        self._actors = [self._spawn() for _ in range(actors or gpus or nodes)]
        self._patience = patience
        threading.Thread(target=self._watch, daemon=True).start()

    def begin(self, call: int, number: int, do: bytes, tasks: list, together: int) -> "_Work":
        work = _Work(call, tasks, max(1, min(together, len(tasks) // (2 * len(self._actors)))))
        what = (number, ray.put(do))
        for slot in range(len(self._actors)):
            threading.Thread(target=self._serve, args=(slot, work, what), daemon=True).start()
        return work

    def _watch(self) -> None:
        if not self._begun.wait(self._patience):
            limit = f"within --patience={self._patience:g}"
            self._outbox.put(WorkError(f"--executor=ray: no actor began {limit}; see `ray status`"))

    def _serve(self, slot: int, work: "_Work", what: tuple[int, Any]) -> None:
        """Hands one actor after another its runs, until none is left."""
        try:
            actor = self._awake(slot)
            while run := work.take():
                try:
                    for ref in [actor.do.remote(*what, work.tasks[index]) for index in run]:
                        self._outbox.put((work.call, run[0], ray.get(ref)))
                        run.popleft()
                except RayActorError as error:
                    work.give_back(run, error)
                    actor = self._awake(slot)
        except RayTaskError as error:
            self._outbox.put(error.cause)
        except WorkError as error:
            self._outbox.put(error)
        except Exception as error:  # whatever Ray says when there is no cluster any more
            self._outbox.put(WorkError(f"--executor=ray: {first_line(error)}; see `ray status`"))

    def _awake(self, slot: int) -> Any:
        """The actor of a slot, once it runs; a new one if it is dead."""
        for attempt in range(1, DEATHS + 1):
            actor = self._actors[slot]
            try:
                ray.get(actor.wake.remote())
            except RayActorError:
                if attempt == DEATHS:
                    raise
                with self._lock:
                    if self._actors[slot] is actor:
                        self._actors[slot] = self._spawn()
            else:
                break
        self._begun.set()
        return actor

    def _spawn(self) -> Any:
        return ray.remote(_Actor).options(**self._options).remote()


class _Work:
    """The tasks of one call, in runs that wait for an actor."""

    def __init__(self, call: int, tasks: list, length: int) -> None:
        self.call, self.tasks = call, tasks
        self._runs = deque(deque(range(i, min(i + length, len(tasks)))) for i in range(0, len(tasks), length))
        self._changed, self._closed = threading.Condition(), False
        self._deaths: Counter[int] = Counter()

    def take(self) -> deque[int]:
        """The next run, once there is one; an empty one at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._runs or self._closed)
            return deque() if self._closed else self._runs.popleft()

    def give_back(self, run: deque[int], error: Exception) -> None:
        """Returns the tasks that a dead actor had not finished.

        Raises:
            WorkError: if other actors died of its first task before.
        """
        with self._changed:
            self._deaths[run[0]] += 1
            if self._deaths[run[0]] == DEATHS:
                task = self.tasks[run[0]]
                raise WorkError(f"--executor=ray: {DEATHS} actors died of {task} ({first_line(error)}); see `ray logs`")
            self._runs.appendleft(run)
            self._changed.notify()

    def close(self) -> None:
        """Releases the threads that wait for more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
