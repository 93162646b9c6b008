"""Ctrl-C and SIGTERM: the step is finished, the second time nothing is."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from srnas_tf.host.interrupt import SIGNALS, Interrupted, after_the_step, at_once


@pytest.fixture(autouse=True)
def handlers():
    """Whatever a test does, the handlers are then what they were."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_at_once(number, status):
    with pytest.raises(Interrupted, match=f"stopped by {number.name}") as caught, at_once():
        signal.raise_signal(number)
        pytest.fail("it went on")
    assert caught.value.status == status


def test_a_second_signal_ends_even_what_holds_on_to_the_first():
    with pytest.raises(Interrupted), at_once():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL] * 2


def test_a_step_is_finished_first():
    done = []
    with pytest.raises(Interrupted, match="SIGTERM"), at_once(), after_the_step() as stopping:
        for step in range(5):
            if step == 2:
                signal.raise_signal(signal.SIGTERM)
            done.append(step)
            if stopping():
                break
    assert done == [0, 1, 2]


def test_the_second_time_not():
    with pytest.raises(Interrupted, match="SIGTERM"), at_once(), after_the_step():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it went on")


def test_an_error_of_the_step_stays_one():
    with pytest.raises(ValueError, match="diverged"), after_the_step():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("diverged")


def test_what_is_ignored_stays_ignored():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts background jobs
    try:
        with at_once(), after_the_step() as stopping:
            signal.raise_signal(signal.SIGINT)
            assert not stopping()
    finally:
        signal.signal(signal.SIGINT, former)


def test_other_threads_are_left_alone():
    seen = []

    def work():
        with at_once(), after_the_step() as stopping:
            seen.append(stopping())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_terminal_is_told_that_the_step_is_finished_first(capfd, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with pytest.raises(Interrupted), after_the_step():
        os.kill(os.getpid(), signal.SIGINT)
    assert "once more" in capfd.readouterr().err


NATIVE = """
import sys, time
import numpy as np
from srnas_tf.host import interrupt, watchdog
watchdog.GRACE = float(sys.argv[1])
ones = np.ones((6000, 6000))
with interrupt.at_once():
    print("ready", flush=True)
    for _ in range(100):
        np.linalg.svd(ones)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_native_code_is_ended(number, times):
    """By the first signal within the time that a handler has; by the second at once."""
    grace = 2 if times == 1 else 300
    line = [sys.executable, "-c", NATIVE, str(grace)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.5)
        began = time.monotonic()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.2)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said == f"srnas_tf: stopped by {number.name}, in the midst of a computation\n".encode()
    assert time.monotonic() - began < 30


def test_who_is_stopped_and_does_not_leave_is_ended():
    script = """
import threading, time
from srnas_tf.host import watchdog
threading.Thread(target=time.sleep, args=(600,)).start()
watchdog.see_off(143, 0.5)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=False).returncode == 143
