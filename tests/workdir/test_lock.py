"""One process at a time in a workdir; the dead hold nobody up."""

import errno
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import filelock
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
    opened = os.open

    def release_first(path, *arguments, **more):
        file = opened(path, *arguments, **more)
        if Path(path).name == lock.NAME:
            first.release()
        return file

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", release_first)
        second.take()
    with pytest.raises(lock.HeldError, match=OWNER):
        third.take()
    second.release()
    third.take()


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, caplog):
    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with Workdir(tmp_path):
        assert f"{tmp_path / lock.NAME}: cannot be locked" in caplog.text


@pytest.mark.parametrize("name", [lock.NAME, lock.OWNER])
def test_a_link_in_the_place_of_the_lock_leads_nowhere(tmp_path, name):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / name).symlink_to(secret)
    if name == lock.NAME:
        with pytest.raises(UserError, match=r"its \.lock is not a regular file"), Workdir(folder):
            pass
    else:
        with Workdir(folder):
            (folder / name).unlink()
            (folder / name).symlink_to(secret)
            with pytest.raises(lock.HeldError, match=r"^another process$"):
                lock.Lock(folder).take()
    assert secret.read_text() == "mine"


def test_a_pipe_in_the_place_of_the_lock_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / lock.NAME)
    with pytest.raises(UserError, match=r"its \.lock is not a regular file"), Workdir(tmp_path):
        pass


def test_who_has_it_is_said_once_however_often_it_is_taken(tmp_path):
    mine = lock.Lock(tmp_path)
    for _ in range(2):
        mine.take()
        assert (tmp_path / lock.OWNER).read_bytes() == f"{OWNER}\n".encode()
    mine.release()
    mine.take()
    with pytest.raises(lock.HeldError, match=f"^{OWNER}$"):
        lock.Lock(tmp_path).take()
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_nothing_needs_what_windows_does_not_have():
    """Of the standard library, at import."""
    script = """
import sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
import srnas_tf.workdir.folder, srnas_tf.host.child, srnas_tf.host.interrupt, srnas_tf.run
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
