"""The record of what was run in a workdir."""

import shlex

from conftest import lines

from srnas_tf.workdir import runs
from srnas_tf.workdir.folder import Workdir

COMMAND = ["--mode=train", "--data=a folder", "--steps=3"]


def test_who_writes_in_a_workdir_is_recorded_once(tmp_path):
    with Workdir(tmp_path / "w", command=COMMAND) as workdir:
        workdir.make()
        workdir.make()
    [entry] = lines(tmp_path / "w" / runs.NAME)
    assert shlex.split(entry["command"])[1:] == ["-m", "srnas_tf.run", *COMMAND]
    assert {"srnas_tf", "python", "tensorflow", "keras"} <= set(entry["versions"])
    assert "cores" in entry["processor"]
    assert entry["date"].startswith("20")
    with Workdir(tmp_path / "w", command=COMMAND[:1]) as workdir:
        workdir.make()
    assert len(lines(tmp_path / "w" / runs.NAME)) == 2


def test_who_only_reads_is_not(tmp_path):
    (tmp_path / "w").mkdir()
    with Workdir(tmp_path / "w", command=COMMAND):
        pass  # refused, say, before it writes
    Workdir(tmp_path / "w", owned=False, command=COMMAND).make()
    assert list((tmp_path / "w").iterdir()) == []


def test_a_kill_between_the_two_records_leaves_a_workdir_that_can_be_used(tmp_path):
    runs.note(tmp_path, COMMAND)
    Workdir(tmp_path).claim()
