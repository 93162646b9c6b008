"""One process at a time in a folder."""

import contextlib
import errno
import fcntl
import logging
import os
import socket
from pathlib import Path

NAME = ".lock"
"""The file in a folder that its owner holds locked."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without locks answer: some network mounts."""

log = logging.getLogger(__name__)


class HeldError(Exception):
    """Another process has the lock; says which."""


class Lock:
    """The right to write in a folder, which one process has at a time.

    The kernel takes it back when its owner ends, however that comes about: a file that a kill left behind keeps nobody
    out.

    Args:
        folder: must exist when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: int | None = None

    def take(self) -> None:
        """Takes the lock, unless this object has it already.

        Raises:
            HeldError: where another has it.
            OSError: where the folder is missing or cannot be written.
        """
        while self._file is None:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._lock(file)
                if self._is_at_path(file):  # and not one that an owner removed between the two lines above
                    self._file = file
            finally:
                if self._file is None:
                    os.close(file)
        with contextlib.suppress(OSError):  # who it is, is a courtesy: a full disk takes it and nothing else
            os.ftruncate(self._file, 0)
            os.write(self._file, f"pid {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Gives the lock back, and removes its file, where this object has it."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._file)
        self._file = None

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(os.read(file, 300).decode(errors="replace").strip() or "another process") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning("%s: cannot be locked (%s); see that no other process works there", self._path, error.strerror)

    def _is_at_path(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False
