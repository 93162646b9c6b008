"""A lock that admits one process at a time to a folder, on Linux, macOS and Windows."""

import contextlib
import errno
import logging
import os
import socket
import stat
from pathlib import Path

import filelock

from srnas_tf import reading
from srnas_tf.errors import WorkError
from srnas_tf.workdir.files import write_text

NAME = ".lock"
"""The locked file in a folder. It is always empty."""
OWNER = ".lock-owner"
"""The file beside it that names the owner."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of file systems without locks, such as some network mounts."""
_PATIENCE = 0.2
"""Seconds to try again, because a leaving owner may remove the file that was just opened."""

log = logging.getLogger(__name__)


class HeldError(Exception):
    """Another process has the lock. The message names it."""


class Lock:
    """The right to write in a folder, which one process has at a time.

    The system releases it when its owner ends in any way. A file that is left after a kill locks nobody out.

    Args:
        folder: must exist when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._owner = folder / NAME, folder / OWNER
        self._lock = filelock.FileLock(self._path, thread_local=False, fallback_to_soft=False)
        self._taken = False

    def take(self) -> None:
        """Takes the lock, unless this object has it already.

        Raises:
            HeldError: if another process has it.
            OSError: if the folder is missing or cannot be written, or the lock is no regular file.
        """
        if self._taken:
            return
        if not self._path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._check_file()
        try:
            self._lock.acquire(timeout=_PATIENCE)
        except filelock.Timeout:
            raise HeldError(reading.text_of(self._owner, 300) or "another process") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning("%s: cannot be locked (%s); see that no other process works there", self._path, error.strerror)
        self._taken = True
        with contextlib.suppress(WorkError):  # the owner's name is not needed; a full disk must not prevent the lock
            write_text(self._owner, f"pid {os.getpid()} on {socket.gethostname()}\n")

    def release(self) -> None:
        """Releases the lock and removes its files, if this object has it."""
        if not self._taken:
            return
        for path in (self._owner, self._path):  # while it is held: other processes then open a new file
            with contextlib.suppress(OSError):
                path.unlink()
        self._lock.release()
        self._taken = False

    def _check_file(self) -> None:
        """Refuses a link, a pipe or a folder in the place of the lock."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self._path.lstat().st_mode):
                raise OSError(errno.EINVAL, f"its {NAME} is not a regular file")
