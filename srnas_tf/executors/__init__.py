"""Who does work that falls into many like tasks: this process, or others."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, TypeVar

from srnas_tf.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

EXECUTORS = ("local", "ray")


class Executor(Protocol):
    """Does tasks, wherever."""

    def __call__(self, do: Callable[[T], R], tasks: Sequence[T], together: int = 1) -> Generator[R, None, None]:
        """The results in the order of the tasks, each as soon as it is there and all those before it are.

        Args:
            do: what is to be done. It may travel to other processes, and stays there: let it pickle as its settings,
                and load what it needs when it is first called.
            tasks: what to do it with.
            together: how many neighbours are best done by the same process, as they have work in common.
        """


class Loaded:
    """Work that pickles as what makes it, and is made where it is first called.

    Args:
        make: returns the function to call; it must pickle.
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
    """The executor that is this process: each task when its result is asked for."""
    for task in tasks:
        yield do(task)


def executor_of(name: str, address: str, actors: int, patience: float) -> Executor:
    """The executor of `MachineSettings`.

    Raises:
        UserError: where Ray is not installed, or there is no such cluster.
    """
    if name == "local":
        return in_turn
    try:
        from srnas_tf.executors.on_ray import RayExecutor
    except ModuleNotFoundError as error:
        raise UserError(f"--executor=ray: {error}; install the extra: pip install 'srnas_tf[ray]'") from None
    return RayExecutor(address, actors, patience)
