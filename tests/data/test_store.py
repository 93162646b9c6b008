"""Decoded images on disk: the same bytes, at once the second time, whatever befalls them."""

import errno
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, photograph
from PIL import Image

from srnas_tf.data import images, shelf
from srnas_tf.data import store as stores
from srnas_tf.data.degrade.pipeline import parse
from srnas_tf.data.patches import Patches, Photographs
from srnas_tf.data.shelf import Shelf, open_store
from srnas_tf.data.sources import load_pairs
from srnas_tf.data.store import Store, Strips
from srnas_tf.errors import UserError


@pytest.fixture(autouse=True)
def _any_size(monkeypatch):
    monkeypatch.setattr(shelf, "SMALL", 0)


@pytest.fixture
def decoded(monkeypatch):
    """The names of images that are decoded."""
    names = []
    load = images.load
    monkeypatch.setattr(images, "load", lambda path: names.append(path.name) or load(path))
    return names


@pytest.mark.parametrize("width", [1, 255, 256, 257, 700])
def test_rectangles_are_the_images(tmp_path, width):
    image = photograph(np.random.default_rng(width), 40, width)
    store = Store(tmp_path)
    store.put("a.npy", image)
    stored = Store(tmp_path).get("a.npy")
    assert isinstance(stored, Strips)
    assert stored.shape == image.shape
    np.testing.assert_array_equal(np.asarray(stored), image)
    for window in (
        np.s_[3:9, 0:1],
        np.s_[0:40, width // 2 : width],
        np.s_[39:, :],
        np.s_[:5, : width + 99],
        np.s_[2:2, :],
    ):
        np.testing.assert_array_equal(stored[window], image[window])


@pytest.mark.parametrize("text", ["bicubic", "area", "photo"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_patches_are_the_same_from_memory_from_a_store_and_streamed(photographs, tmp_path, scale, text):
    paths, degradation = images.find(photographs), parse(text)
    kept = Patches(Photographs(paths, scale, 1 << 30, degradation), 8, 6, seed=5)
    streamed = Patches(Photographs(paths, scale, 0, degradation), 8, 6, seed=5)
    stored = Patches(Photographs(paths, scale, 0, degradation, store=Store(tmp_path / "c")), 8, 6, seed=5)
    for step in (0, 4):
        for one, two, three in zip(kept.at(step), streamed.at(step), stored.at(step), strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, three)


def test_an_image_is_decoded_once_and_again_once_it_has_changed(photographs, tmp_path, decoded, capsys):
    paths, store = images.find(photographs), Store(tmp_path / "cache")
    first = load_pairs(paths, 2, store=store)
    assert sorted(decoded) == [path.name for path in paths]
    said = capsys.readouterr().err
    assert f"decoding 12 of 12 images, 0 MB, into {tmp_path / 'cache'} (--cache_dir)" in said
    decoded.clear()
    again = load_pairs(paths, 2, store=Store(tmp_path / "cache"))
    assert (decoded, capsys.readouterr().err) == ([], "")
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.lr, two.lr)
        np.testing.assert_array_equal(one.hr, two.hr)
    changed = photograph(np.random.default_rng(99), 64, 64)
    Image.fromarray(changed).save(paths[3])
    before = len(list((tmp_path / "cache").iterdir()))
    pairs = load_pairs(paths, 2, store=Store(tmp_path / "cache"))
    assert decoded == [paths[3].name]
    np.testing.assert_array_equal(pairs[3].hr, changed)
    assert len(list((tmp_path / "cache").iterdir())) == before  # the former one is gone


def test_few_images_need_no_store(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "SMALL", 64 << 20)
    load_pairs(images.find(photographs), 2, store=Store(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_broken_images_are_named_and_others_stored(photographs, tmp_path, caplog):
    paths = images.find(photographs)
    paths[4].write_bytes(b"no image")
    loaded = Photographs(paths, 2, store=Store(tmp_path / "cache"))
    assert loaded.paths == [path for path in paths if path != paths[4]]
    assert paths[4].name in caplog.text


@pytest.mark.parametrize("spoil", [b"", b"\x93NUMPY", None])
def test_spoiled_files_are_made_anew(photographs, tmp_path, spoil):
    paths, folder = images.find(photographs), tmp_path / "cache"
    whole = load_pairs(paths, 2, store=Store(folder))
    for file in folder.iterdir():
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] if spoil is None else spoil)
    for one, two in zip(whole, load_pairs(paths, 2, store=Store(folder)), strict=True):
        np.testing.assert_array_equal(one.lr, two.lr)
        np.testing.assert_array_equal(one.hr, two.hr)


def test_a_full_disk_streams_and_says_so(photographs, tmp_path, monkeypatch, caplog):
    paths, put, count = images.find(photographs), Store.put, []

    def fills(self, name, pixels):
        count.append(name)
        if len(count) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(self, name, pixels)

    monkeypatch.setattr(Store, "put", fills)
    full = Patches(Photographs(paths, 2, 0, store=Store(tmp_path / "cache")), 8, 4, seed=1)
    assert "cannot be written (No space left on device): images that are not there yet are decoded again" in caplog.text
    for one, two in zip(full.at(0), Patches(Photographs(paths, 2), 8, 4, seed=1).at(0), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_too_small_a_disk_is_seen_beforehand(photographs, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 1000))
    Photographs(images.find(photographs), 2, store=Store(tmp_path / "cache"))
    assert f"--cache_dir={tmp_path / 'cache'}: has 0 MB free, which is too little for 12 of 12 images" in caplog.text
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_streams(photographs, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    loaded = Photographs(images.find(photographs), 2, store=Store(tmp_path / "file" / "cache"))
    assert len(loaded.paths) == 12
    assert "cannot be written (Not a directory)" in caplog.text


def test_what_a_kill_left_goes_away(photographs, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    old, new = (folder / f"{stores._PARTIAL}host-{i}-a.npy" for i in range(2))
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    Photographs(images.find(photographs), 2, store=Store(folder))
    assert (old.exists(), new.exists()) == (False, True)


def test_no_more_files_are_open_than_may_be(tmp_path):
    store = Store(tmp_path)
    store._most = 7
    image = photograph(np.random.default_rng(0), 40, 300)
    for i in range(30):
        store.put(f"{i}.npy", image)
        np.testing.assert_array_equal(store.get(f"{i}.npy")[7:27, 5:290], image[7:27, 5:290])
    assert list(store._open) == [f"{i}.npy" for i in range(23, 30)]


def test_a_file_that_is_cut_short_while_it_is_open_is_named(tmp_path):
    store = Store(tmp_path)
    store.put("a.npy", photograph(np.random.default_rng(0), 40, 300))
    stored = store.get("a.npy")
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.npy: was cut short; remove it"):
        stored[0:4, 0:4]


WRITER = """
import sys
from pathlib import Path
from srnas_tf.data import images, shelf
from srnas_tf.data.shelf import Shelf
from srnas_tf.data.store import Store
shelf.SMALL = 0
Shelf(0, Store(Path(sys.argv[2]))).load(images.find(Path(sys.argv[1])))
"""


def test_two_writers_make_one_store(photographs, tmp_path):
    line = [sys.executable, "-c", WRITER, str(photographs), str(tmp_path / "cache")]
    writers = [subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    assert [writer.communicate() and writer.returncode for writer in writers] == [0, 0]
    assert len(list((tmp_path / "cache").iterdir())) == 12
    stored = Shelf(0, Store(tmp_path / "cache"))
    stored.load(images.find(photographs))
    for path in images.find(photographs):
        np.testing.assert_array_equal(np.asarray(stored.pixels(path)), images.load(path))


def test_where_the_store_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert open_store("").folder == tmp_path / "srnas_tf" / "images"
    assert open_store(str(tmp_path / "b")).folder == tmp_path / "b"
    assert open_store("none") is None
