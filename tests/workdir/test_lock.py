"""One process at a time in a workdir; the dead hold nobody up."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

import pytest
from conftest import ROOT

from srnas_tf.errors import UserError
from srnas_tf.workdir import lock
from srnas_tf.workdir.folder import Workdir


@dataclass(frozen=True)
class _Section:
    limit: int


OWNER = f"pid {os.getpid()} on {socket.gethostname()}"


def test_the_second_process_is_told_who_the_first_is(invoke, tmp_path):
    (tmp_path / "w").mkdir()
    with Workdir(tmp_path / "w"):
        for mode in ("supernet", "search", "retrain", "train", "pipeline"):
            status, stdout, stderr = invoke(f"--mode={mode}", f"--workdir={tmp_path / 'w'}", "--arch=SCS")
            assert (status, stdout) == (2, "")
            assert (
                stderr == f"srnas_tf: --workdir={tmp_path / 'w'}: {OWNER} works there; wait for it, or give another\n"
            )
        Workdir(tmp_path / "w", owned=False).make()  # who works for the owner
    assert list((tmp_path / "w").iterdir()) == []
    Workdir(tmp_path / "w").claim()


def test_a_folder_that_is_not_there_yet_is_locked_when_it_is_made(tmp_path):
    first, second = Workdir(tmp_path / "w"), Workdir(tmp_path / "w")
    with first:
        assert not (tmp_path / "w").exists()
        first.claim(network=_Section(1))
        with pytest.raises(UserError, match=f"{OWNER} works there"):
            second.claim(network=_Section(2))
    with pytest.raises(UserError, match="another process began there meanwhile"):
        second.claim(network=_Section(2))
    with Workdir(tmp_path / "w", owned=False) as third:
        assert third.settle("network", _Section, {}, {}) == _Section(1)


def test_a_dead_owner_holds_nobody_up(tmp_path):
    script = f"""
import os, signal
from pathlib import Path
from srnas_tf.workdir.lock import Lock
Lock(Path({str(tmp_path)!r})).take()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert (tmp_path / lock.NAME).exists()
    Workdir(tmp_path).claim()  # what the dead left is no foreign file either


def test_a_lock_that_is_removed_while_it_is_waited_for_is_none(tmp_path, monkeypatch):
    first, second, third = (lock.Lock(tmp_path) for _ in range(3))
    first.take()
    flock = fcntl.flock

    def release_first(*arguments):
        first.release()
        flock(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", release_first)
        second.take()
    with pytest.raises(lock.HeldError, match=OWNER):
        third.take()
    second.release()
    third.take()


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Workdir(tmp_path):
        assert f"{tmp_path / lock.NAME}: cannot be locked" in caplog.text
