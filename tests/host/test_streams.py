"""Streams that are closed when a command begins, as under cron and in daemons."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT


def run(closed: str, *flags: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command that a shell starts with some of its streams closed."""
    line = f'exec "$0" -m srnas_tf.run "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, *flags], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
def test_what_is_open_is_written_to(closed):
    status, stdout, stderr = run(closed, "--mode=describe", "--arch=SCS", "--depth=1")
    assert (status, stderr) == (0, "")
    assert json.loads(stdout)["params"]


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_is_closed_is_dev_null(closed):
    assert run(closed, "--mode=describe", "--arch=SCS", "--depth=1") == (0, "", "")
    assert run(closed, "--mode=describe", "--arch=nonsense")[0] == 2
