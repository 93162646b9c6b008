"""The journal of a search. Each measurement is a line, and together they are its whole state."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from srnas_tf.errors import UserError
from srnas_tf.executors import Executor
from srnas_tf.host.interrupt import after_the_step
from srnas_tf.search.feasible import Feasible
from srnas_tf.search.pool import Candidate
from srnas_tf.workdir.journal import append_line, read_lines


class Journal:
    """The measurements of a search, in order. Those of an earlier process are not repeated."""

    def __init__(self, path: Path, run: Executor) -> None:
        self._path, self._earlier, self._count = path, read_lines(path), 0
        self._run = run

    @property
    def networks(self) -> int:
        """The number of networks that an earlier process measured."""
        return len({str(line.get("codes")) for line in self._earlier})

    def entries(
        self,
        many: Sequence[dict],
        kind: str,
        measure: Callable[[Any], float],
        together: int = 1,
        task: Callable[[dict], Any] = lambda facts: facts["codes"],
    ) -> Generator[float, None, None]:
        """Yields the next measurements, each when it is asked for. Its line holds the facts and, under `kind`, the
        value.

        Args:
            many: the facts of each network: its `codes` and, if it is trained, its `steps`.
            kind: name of the measurement.
            measure: task -> value.
            together: number of neighbours that one process should measure.
            task: facts -> argument of `measure`.

        Raises:
            UserError: if an earlier process measured something else.
            Interrupted: if a signal asked for the end. The line is written.
        """
        known = self._earlier[self._count : self._count + len(many)]
        for facts, line in zip(many, known, strict=False):
            self._count += 1
            if kind not in line or any(line.get(name) != facts.get(name) for name in ("codes", "steps")):
                raise UserError(f"{self._path}: line {self._count} is of another search; remove the file")
            if not isinstance(line[kind], int | float):
                raise UserError(f"{self._path}: line {self._count} is spoiled; remove it and all that follow")
            yield line[kind]
        left = many[len(known) :]
        with contextlib.closing(self._run(measure, [task(facts) for facts in left], together)) as values:
            for facts in left:
                with after_the_step():
                    value = next(values)
                    append_line(self._path, {**facts, kind: value})
                self._count += 1
                yield value


def facts_of(feasible: Feasible, candidate: Candidate, iteration: int) -> dict:
    """The facts of a network in a journal, before its measurement."""
    return {
        "arch": str(feasible.space.network(candidate.codes)),
        "codes": list(candidate.codes),
        **feasible.price(candidate.codes),
        "iteration": iteration,
        "origin": candidate.origin,
    }
