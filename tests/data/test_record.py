"""An experiment goes on with the photographs that it began with, or says which of them is another."""

import shutil
import time

import pytest
from PIL import Image

from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError

CHANGES = {
    "one gone": (lambda folder: (folder / "05.png").unlink(), "05.png is gone since"),
    "one added": (lambda folder: (folder / "99.png").write_bytes(b"?"), "99.png was added since"),
    "one renamed": (lambda folder: (folder / "05.png").rename(folder / "04a.png"), "04a.png was added since"),
    "one written anew": (
        lambda folder: (folder / "05.png").write_bytes(b"?"),
        r"05.png has changed, from \d+ bytes to 1",
    ),
    "a split of its own": (lambda folder: _own_validation(folder), "01.png is gone since"),
}


def _own_validation(folder):
    (folder / "valid").mkdir()
    for name in ("01.png", "02.png"):
        (folder / name).rename(folder / "valid" / name)


@pytest.mark.parametrize("case", CHANGES)
def test_the_first_photograph_that_differs_is_named(photographs, tmp_path, case):
    change, says = CHANGES[case]
    data, home = DataSettings(data=str(photographs)), tmp_path / "w"
    record.check(data, home)  # nothing is recorded
    record.keep(data, home)
    record.check(data, home)
    change(photographs)
    record.keep(data, home)  # which is done once
    with pytest.raises(UserError, match=f"--data: .*{says}"):
        record.check(data, home)
    (home / record.NAME).unlink()
    record.keep(data, home)
    record.check(data, home)


def test_what_is_not_needed_may_go(photographs, tmp_path):
    """Of a supernet that is trained, the search needs the photographs that it chooses by, and no others."""
    own = photographs / "valid"
    own.mkdir()
    (photographs / "00.png").rename(own / "00.png")
    data = DataSettings(data=str(photographs))
    record.keep(data, tmp_path)
    (photographs / "05.png").unlink()
    record.check(data, tmp_path, "val")
    with pytest.raises(UserError, match=r"photographs/05.png is gone"):
        record.check(data, tmp_path, "train", "val")
    (own / "00.png").write_bytes(b"?")
    with pytest.raises(UserError):
        record.check(data, tmp_path, "val")


def test_the_final_table_may_be_of_any_photographs(photographs, module_photographs, tmp_path):
    record.keep(DataSettings(data=str(photographs), test_data=str(tmp_path / "none")), tmp_path)
    record.check(DataSettings(data=str(photographs), test_data=str(module_photographs)), tmp_path)


@pytest.mark.parametrize("text", ["[]", '{"train": 5}', '{"train"'])
def test_a_spoiled_record_is_named(photographs, tmp_path, text):
    (tmp_path / record.NAME).write_text(text)
    with pytest.raises(UserError, match=f"{record.NAME}: is .*; remove it"):
        record.check(DataSettings(data=str(photographs)), tmp_path)


def test_ten_thousand_files_take_no_time(tmp_path):
    folder, home = tmp_path / "many", tmp_path / "w"
    folder.mkdir()
    Image.new("L", (1, 1)).save(folder / "00000.png")
    content = (folder / "00000.png").read_bytes()
    for i in range(1, 10_000):
        (folder / f"{i:05}.png").write_bytes(content)
    data = DataSettings(data=str(folder))
    record.keep(data, home)
    start = time.process_time()
    record.check(data, home)
    assert time.process_time() - start < 5  # under one, on a machine that does nothing else


def test_the_command_line_refuses_and_changes_nothing(invoke, photographs, tmp_path):
    work = tmp_path / "w"
    line = ("--mode=train", "--net=bicubic", "--scale=2", "--patch=8", f"--data={photographs}", f"--workdir={work}")
    assert invoke(*line)[0] == 0
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    gone = (photographs / "05.png").read_bytes()
    (photographs / "05.png").unlink()
    status, stdout, stderr = invoke(*line)
    assert (status, stdout) == (2, "")
    [message] = stderr.splitlines()
    assert message.startswith("srnas_tf: --data: photographs/05.png is gone since ")
    assert str(work / record.NAME) in message
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before
    (photographs / "05.png").write_bytes(gone)
    assert invoke(*line)[0] == 0


def test_low_resolution_files_that_flags_name_are_recorded(photographs, module_photographs, tmp_path):
    given = {"data": str(photographs), "val_data": str(photographs), "lr_data": str(module_photographs)}
    record.keep(DataSettings(**given), tmp_path)
    record.check(DataSettings(**given), tmp_path)
    written = (module_photographs / "05.png").read_bytes()
    (module_photographs / "05.png").write_bytes(b"?")
    with pytest.raises(UserError, match=r"low-resolution photographs/05.png has changed, from \d+ bytes to 1"):
        record.check(DataSettings(**given), tmp_path)
    (module_photographs / "05.png").write_bytes(written)


def test_low_resolution_files_that_are_found_are_recorded(photographs, tmp_path):
    (photographs / "HR").mkdir()
    for path in photographs.glob("*.png"):
        path.rename(photographs / "HR" / path.name)
    data = DataSettings(data=str(photographs))
    record.keep(data, tmp_path)
    shutil.copytree(photographs / "HR", photographs / "LR")
    with pytest.raises(UserError, match=r"low-resolution LR/00.png was added"):
        record.check(data, tmp_path)
    for other in ({"lr_data": "none"}, {"degradation": "area"}):  # neither takes them
        record.check(DataSettings(data=str(photographs), **other), tmp_path)
