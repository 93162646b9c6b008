"""The machine that reads `.pth` files: values that Python's own takes for ever over, or a process to its end."""

import io
import pickle
import signal

import pytest

from srnas_tf.errors import UserError
from srnas_tf.nets import torch_file

DEEP = b")" + b"q\x00" + b"h\x00h\x00\x86q\x00" * 60
"""A tuple of twice the same tuple, sixty times: 2**60 items to hash, to compare or to print."""


def _state(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


VARIANTS = {
    "a key": _state(b"}" + DEEP + b"K\x01s"),
    "many keys": _state(b"}(" + DEEP + b"K\x01" + DEEP + b"K\x02u"),
    "a dictionary's": _state(b"(" + DEEP + b"K\x01d"),
    "an ordered dictionary's": _state(b"ccollections\nOrderedDict\n](" + DEEP + b"K\x01\x86e\x85R"),
    "an object's attributes": _state(b"ccollections\nOrderedDict\n)R}" + DEEP + b"K\x01sb"),
    "a storage's name": _state(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + DEEP + b"tQ"),
    "a storage's kind": _state(b"(" + DEEP + b"ctorch\nFloatStorage\nX\x01\x00\x00\x000tQ"),
    "a storage's type": _state(b"(X\x07\x00\x00\x00storage" + DEEP + b"X\x01\x00\x00\x000tQ"),
    "a set's": b"\x80\x04\x8f(" + DEEP + b"\x90.",
    "a frozen set's": b"\x80\x04(" + DEEP + b"\x91.",
    "the whole": _state(DEEP),
    "a shape": _state(b"ctorch._utils\n_rebuild_tensor_v2\n(" + DEEP + DEEP + DEEP + DEEP + b"tR"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_would_take_for_ever_is_refused(tmp_path, variant):
    def late(*_):
        pytest.fail("it hangs")

    path = tmp_path / "w.pth"
    beginning = pickle.dumps(torch_file._MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    path.write_bytes(beginning + VARIANTS[variant] + pickle.dumps([], 2))
    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    try:
        with pytest.raises(UserError, match=r"w\.pth: not a file of weights"):
            torch_file.read(path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def test_values_that_hold_themselves_are_refused():
    stream = io.BytesIO(_state(b"]q\x00h\x00a"))
    assert torch_file._unpickle(stream)  # and nothing walks through it
    for body in (b"h\x05", b"s", b"}(K\x01u", b"a", b"R", b"]R", b"K\x01K\x01R", b"tQ", b"K\x01b"):
        with pytest.raises(ValueError, match=r"\w"):
            torch_file._unpickle(io.BytesIO(_state(body)))
