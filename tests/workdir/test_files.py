"""Files that are written whole or not at all, by whoever writes them, and what is said where they are not."""

import errno
import json
import os
import threading

import pytest

from srnas_tf.errors import UserError, WorkError, not_written, writing
from srnas_tf.workdir.files import is_partial_of, whole, write_json, write_text
from srnas_tf.workdir.folder import Workdir
from srnas_tf.workdir.journal import append_line


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    """A hundred times each; a reader finds one text or the other, whole."""
    path, texts = tmp_path / "report.html", [letter * 200_000 for letter in "ab"]
    wrong: list[BaseException] = []

    def work(text):
        try:
            for _ in range(100):
                write_text(path, text)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert path.read_text() in texts
    assert not wrong
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_what_a_kill_left_is_swept_once_it_is_old(tmp_path):
    path = tmp_path / "best.json"
    with pytest.raises(KeyError), whole(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    old, young = tmp_path / ".partial-00000000-best.json", tmp_path / ".partial-11111111-best.json"
    other = tmp_path / ".partial-22222222-mybest.json"
    for each in (old, young, other):
        each.write_text("half")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    write_json(path, [1])
    assert set(tmp_path.iterdir()) == {path, young, other}
    assert json.loads(path.read_text()) == [1]
    assert is_partial_of(young, path)
    assert not is_partial_of(other, path)


def test_a_partial_record_is_no_foreign_file(tmp_path):
    (tmp_path / ".partial-0a0b0c0d-experiment.json").write_text("{")
    with Workdir(tmp_path) as workdir:
        workdir.claim()


REASONS = {
    errno.ENOSPC: (WorkError, "make room for it, then give the same command again"),
    errno.EDQUOT: (WorkError, "make room for it"),
    errno.EFBIG: (WorkError, "make room for it"),
    errno.EACCES: (UserError, "see to it that this user may write there"),
    errno.EROFS: (UserError, "see to it that this user may write there"),
    errno.ENOENT: (UserError, "is not there, or no longer"),
    errno.EIO: (UserError, "cannot be written .Input/output error.$"),
}


@pytest.mark.parametrize("number", REASONS)
def test_what_is_said_is_true(tmp_path, number):
    kind, said = REASONS[number]
    error = OSError(number, os.strerror(number))
    told = not_written(tmp_path / "x", error)
    assert type(told) is kind
    with pytest.raises(WorkError, match=said), writing(tmp_path / "x"):
        raise error


def test_a_workdir_that_was_deleted(tmp_path):
    folder = tmp_path / "w"
    folder.mkdir()
    append_line(folder / "journal.jsonl", {"a": 1})
    (folder / "journal.jsonl").unlink()
    folder.rmdir()
    with pytest.raises(WorkError, match="w is not there, or no longer") as caught:
        append_line(folder / "journal.jsonl", {"a": 2})
    assert "make room" not in str(caught.value)


def test_a_full_disk_is_no_mistake_of_the_user(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(WorkError, match=r"No space left on device.*make room"), Workdir(tmp_path):
        pass
