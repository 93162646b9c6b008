"""Runs images one after the other. While one is enlarged, the next is read and the one before is written."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .mistakes import UserError, WorkError, first_line
from .picture import Photograph

Job = tuple[Path, Path]


def run(
    jobs: Sequence[Job],
    read: Callable[[Path, Path], Photograph],
    enlarge: Callable[[Path, Photograph], Photograph],
    write: Callable[[Path, Photograph], None],
) -> Iterator[tuple[Job, str]]:
    """Does all jobs. An exception ends its own job alone.

    Args:
        jobs: pairs of (from, to).
        read: (from, to) -> image. It refuses images that cannot be written.
        enlarge: (from, image) -> enlarged image. It runs in the calling thread, one at a time.
        write: (to, enlarged image).

    Yields:
        Each job, in order, and an error line; empty if all went well.

    Raises:
        WorkError: if the disk is full.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        ahead = [reader.submit(read, *job) for job in jobs[:1]]
        behind: list[tuple[Job, Future]] = []
        for job, following in zip(jobs, (*jobs[1:], None), strict=False):
            made: Future = Future()
            try:
                photograph = ahead.pop().result()
            except Exception as error:
                photograph = None
                made.set_exception(error)
            if following:
                ahead.append(reader.submit(read, *following))
            if photograph is not None:
                try:
                    enlarged = enlarge(job[0], photograph)
                except Exception as error:
                    made.set_exception(error)
                else:
                    made = writer.submit(write, job[1], enlarged)
            for before, outcome in behind:  # one at a time is written, so that no more than two lie in memory
                yield before, _line(before, outcome)
            behind = [(job, made)]
        for before, outcome in behind:
            yield before, _line(before, outcome)


def _line(job: Job, outcome: Future) -> str:
    error = outcome.exception()
    if error is None:
        return ""
    if isinstance(error, WorkError):  # a full disk takes the other images no more than this one
        raise error
    return str(error) if isinstance(error, UserError) else f"{job[0]}: cannot be enlarged ({first_line(error)})"
