"""Progress where there is no terminal: plain lines, seldom, with the time that is left."""

import pytest

from srnas_tf.host import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_does_not_count_the_start(clock, capsys):
    with progress.progress("train", 101) as report:
        clock[0] += 40  # tracing
        report(1, "")
        clock[0] += 20
        report(11, "validation")
        clock[0] += 10
        report(16, "")
        clock[0] += 10
        report(21, "")
    # 2 s a step, whatever the first one took; no line before it can be told, and one in 15 s.
    assert capsys.readouterr().err.splitlines() == [
        "train: 11/101, 180 s left, validation",
        "train: 21/101, 160 s left",
    ]


def test_short_work_says_nothing(clock, capsys):
    with progress.progress("images", 3) as report:
        for done in (1, 2, 3):
            clock[0] += 4
            report(done, "")
    assert capsys.readouterr().err == ""


def test_work_of_an_earlier_process_does_not_count(clock, capsys):
    with progress.progress("search", 1000, 900) as report:
        report(900.5, "")
        clock[0] += 20
        report(910.5, "")
    assert capsys.readouterr().err == "search: 910.5/1000, 179 s left\n"
