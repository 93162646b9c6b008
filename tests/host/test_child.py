"""Processes that this one starts: they end with it, and take what they are given."""

import signal
import subprocess
import sys
import time

from conftest import ROOT

from srnas_tf.host import child

PARENT = """
import subprocess, sys
from srnas_tf.host import child
process = subprocess.Popen(child.command(sys.argv[1]), stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid, flush=True)
process.wait()
"""


def test_a_child_ends_with_its_parent_however_that_ends(tmp_path):
    """While it is in native code that holds the interpreter, too."""
    (tmp_path / "work.py").write_text("import ctypes\nprint('at work', flush=True)\nctypes.PyDLL(None).sleep(600)\n")
    line = [sys.executable, "-c", PARENT, str(tmp_path / "work.py")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, cwd=ROOT) as parent:
        number = int(parent.stdout.readline())
        assert _is_there(number)
        parent.kill()
    deadline = time.monotonic() + 20
    while _is_there(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_there(number)
    assert parent.returncode == -signal.SIGKILL


def _is_there(number: int) -> bool:
    try:
        with open(f"/proc/{number}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_memory_is_limited_where_the_system_can(tmp_path):
    (tmp_path / "work.py").write_text("import sys\nprint(len(bytearray(int(sys.argv[1]))))\n")
    for size, status in ((1 << 20, 0), (4 << 30, 1)):
        line = child.command(str(tmp_path / "work.py"), str(size), memory=1 << 30)
        done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == status
        assert ("MemoryError" in done.stderr) == bool(status)


def test_it_runs_what_python_would_run(tmp_path):
    (tmp_path / "work.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    done = subprocess.run(child.command(str(tmp_path / "work.py"), "a b"), capture_output=True, text=True, check=True)
    assert done.stdout == "__main__ ['a b']\n"
