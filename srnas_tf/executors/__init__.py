"""Executors run many similar tasks, in this process or in others."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar

from srnas_tf.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

EXECUTORS = ("local", "ray")


class Executor(Protocol):
    """Runs tasks."""

    def __call__(self, do: Callable[[T], R], tasks: Sequence[T], together: int = 1) -> Generator[R, None, None]:
        """Yields the results in the order of the tasks, each as soon as all before it are there.

        Args:
            do: task -> result. It may be sent to other processes, and stays there. It should pickle as its settings,
                and load what it needs in its first call.
            tasks: arguments of `do`.
            together: number of neighbours that one process should run, because they share work.
        """


class Loaded:
    """A function that other processes make themselves, in its first call there.

    Args:
        make: returns the function. It must pickle.
    """

    def __init__(self, make: Callable[[], Callable]) -> None:
        self._make = make
        self._made: Callable | None = None

    def __call__(self, task: Any) -> Any:
        self._made = self._made or self._make()
        return self._made(task)

    def __reduce__(self) -> tuple:
        return Loaded, (self._make,)


def in_turn(do: Callable[[T], R], tasks: Sequence[T], together: int = 1) -> Generator[R, None, None]:
    """The executor of this process: runs each task when its result is asked for."""
    for task in tasks:
        yield do(task)


def executor_of(name: str, address: str, actors: int, patience: float) -> Executor:
    """The executor of `MachineSettings`.

    Raises:
        UserError: if Ray is not installed, or there is no such cluster.
    """
    if name == "local":
        return in_turn
    try:
        from srnas_tf.executors.on_ray import RayExecutor
    except ModuleNotFoundError as error:
        raise UserError(f"--executor=ray: {error}; install the extra: pip install 'srnas_tf[ray]'") from None
    return RayExecutor(address, actors, patience)
