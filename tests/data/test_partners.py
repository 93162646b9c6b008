"""Low-resolution images that people have: found, matched by their names, cropped, or named."""

import logging
from pathlib import Path

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

from srnas_tf.data import images, imresize, partners
from srnas_tf.data.patches import Patches, Photographs
from srnas_tf.data.sources import DataSettings, load_for
from srnas_tf.errors import UserError


@pytest.fixture(autouse=True)
def _each_time():
    partners._say.cache_clear()


def pairs_in(hr: Path, lr: Path, name: str = "{}", size: tuple[int, int] = (64, 48), count: int = 4) -> None:
    """Pairs of which the low-resolution image is no reduction: upside down, so that it cannot be mistaken for one."""
    for folder in (hr, lr):
        folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        image = photograph(rng, *size)
        Image.fromarray(image).save(hr / f"{i:04}.png")
        Image.fromarray(imresize.pair(image, 2)[0][::-1]).save(lr / f"{name.format(f'{i:04}')}.png")


LAYOUTS = {
    "HR beside LR": ("HR", "LR", "{}", ""),
    "a benchmark set": ("HR", "LRbicx2", "{}x2", ""),
    "as the super-resolution benchmarks have it": ("HR", "LR_x2", "{}_SRF_2_LR", ""),
    "DIV2K": ("DIV2K_train_HR", "DIV2K_train_LR_bicubic/X2", "{}x2", ""),
    "a flag": ("HR", "other", "{}", "other"),
    "a flag, and a folder for each scale": ("a", "b/X2", "{}_x2", "b"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_files_are_used(tmp_path, case, caplog):
    hr, lr, name, flag = LAYOUTS[case]
    pairs_in(tmp_path / hr, tmp_path / lr, name)
    (tmp_path / "LRbicx3").mkdir()
    data = DataSettings(data=str(tmp_path / hr), lr_data=flag and str(tmp_path / flag))
    found = data.images("train", 2)
    assert {path.parent for path in found.pairs.values()} == {tmp_path / lr}
    assert list(found.pairs) == found.paths
    assert found.low_resolution == f"files of {tmp_path / lr}"
    assert bool(flag) == (f"low-resolution images are those of {tmp_path / lr}" not in caplog.text)
    for pair in load_for(data, "val", 2):
        np.testing.assert_array_equal(pair.lr, imresize.reduce(pair.hr, 2)[::-1])
    patches = Patches(Photographs(found.paths, 2, pairs=found.pairs), 24, 3, seed=0)
    streamed = Patches(Photographs(found.paths, 2, 0, pairs=found.pairs), 24, 3, seed=0)
    for one, two in zip(patches.at(1), streamed.at(1), strict=True):
        np.testing.assert_array_equal(one, two)
    [lr], [hr] = Patches(patches.photographs, 24, 1, seed=0, flat=1.0).at(1)
    np.testing.assert_array_equal(np.broadcast_to(hr[0, 0], lr.shape), lr)


def test_files_are_not_used_where_flags_say_so(tmp_path, caplog):
    pairs_in(tmp_path / "HR", tmp_path / "LR")
    for change in ({"lr_data": "none"}, {"degradation": "jpeg=50"}):
        caplog.clear()
        partners._say.cache_clear()
        assert DataSettings(data=str(tmp_path), **change).images("train", 2).pairs == {}
        [record] = caplog.records
        assert record.getMessage().startswith(f"{tmp_path / 'LR'}: looks like low-resolution images, and is not used")


def test_a_folder_of_an_unknown_scale_is_said(tmp_path, caplog):
    pairs_in(tmp_path / "DIV2K_train_HR", tmp_path / "DIV2K_train_LR_bicubic" / "X2")
    assert DataSettings(data=str(tmp_path)).images("train", 4).pairs == {}
    assert "DIV2K_train_LR_bicubic: looks like low-resolution images, and is not used" in caplog.text


def test_small_differences_are_cropped_and_said(tmp_path, caplog):
    pairs_in(tmp_path / "HR", tmp_path / "LR", size=(65, 49))
    with caplog.at_level(logging.WARNING):
        pairs = load_for(DataSettings(data=str(tmp_path)), "train", 2)
    assert {(pair.lr.shape, pair.hr.shape) for pair in pairs} == {((32, 24, 3), (64, 48, 3))}
    assert "49 x 65 pixels are cropped" in caplog.text


def test_wrong_sizes_are_named(tmp_path):
    pairs_in(tmp_path / "HR", tmp_path / "LR")
    data = DataSettings(data=str(tmp_path))
    with pytest.raises(
        UserError, match=r"LR/\d+.png: is 24 x 32 pixels, and .*HR/\d+.png 48 x 64, which is not 3 times"
    ):
        load_for(data, "train", 3)
    found = data.images("train", 3)
    with pytest.raises(UserError, match="which is not 3 times"):
        Photographs(found.paths, 3, pairs=found.pairs)


def test_missing_partners_are_counted_and_named(tmp_path):
    pairs_in(tmp_path / "a", tmp_path / "b", count=9)
    for path in images.find(tmp_path / "b")[2:8]:
        path.unlink()
    data = DataSettings(data=str(tmp_path / "a"), val_data=str(tmp_path / "a"), lr_data=str(tmp_path / "b"))
    says = r"b: holds no low-resolution image for 6 of 9 .*: 0002.png, 0003.png, 0004.png, ...; .* --lr_data, or `none`"
    with pytest.raises(UserError, match=says):
        data.images("train", 2)


def test_low_resolution_images_of_nothing_are_named_once(tmp_path, caplog):
    pairs_in(tmp_path / "a", tmp_path / "b", "{}x2")
    for name in ("0001_copy", "0009x2", "thumbs"):
        (tmp_path / "b" / f"{name}.png").write_bytes((tmp_path / "b" / "0001x2.png").read_bytes())
    data = DataSettings(data=str(tmp_path / "a"), lr_data=str(tmp_path / "b"))
    for role in ("train", "val", "test"):  # what is held out of a role is not without a partner
        data.images(role, 2)
    [record] = caplog.records
    says = "b: 3 of its 7 images belong to no high-resolution one: 0001_copy.png, 0009x2.png, thumbs.png"
    assert record.getMessage() == f"{tmp_path}/{says}"


def test_a_data_sets_own_validation_images_are_not_those_of_the_flag(tmp_path):
    pairs_in(tmp_path / "data" / "DIV2K_train_HR", tmp_path / "low")
    pairs_in(tmp_path / "data" / "DIV2K_valid_HR", tmp_path / "data" / "DIV2K_valid_LR_bicubic" / "X2", "{}x2")
    for i in range(4):  # other names, as DIV2K has them
        (tmp_path / "data" / "DIV2K_valid_HR" / f"{i:04}.png").rename(tmp_path / f"data/DIV2K_valid_HR/08{i:02}.png")
        low = tmp_path / "data" / "DIV2K_valid_LR_bicubic" / "X2"
        (low / f"{i:04}x2.png").rename(low / f"08{i:02}x2.png")
    pairs_in(tmp_path / "more", tmp_path / "little")
    folders = {"data": ("data", "more"), "lr_data": ("low", "little")}
    data = DataSettings(**{flag: ",".join(str(tmp_path / each) for each in two) for flag, two in folders.items()})
    for role, own in (("train", "low"), ("val", "X2"), ("test", "X2")):
        found = data.images(role, 2)
        assert list(found.pairs) == found.paths
        assert {path.parent.name for path in found.pairs.values()} == {own, "little"}


def test_embedded_photographs_may_have_partners(tmp_path):
    for role in ("train", "val", "test"):
        for path in DataSettings().paths(role):
            Image.fromarray(imresize.pair(images.load(path), 2)[0][::-1]).save(tmp_path / f"{path.stem}.png")
    data = DataSettings(lr_data=str(tmp_path))
    for pair in load_for(data, "test", 2):
        np.testing.assert_array_equal(pair.lr, imresize.reduce(pair.hr, 2)[::-1])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"data": "/a", "lr_data": "/a"}, "--lr_data=/a: is --data itself"),
        ({"data": "/a", "lr_data": "/b", "degradation": "jpeg=50"}, "taken as they are; drop it, or --degradation"),
        ({"data": "/a,/b", "lr_data": "/c"}, "give as many folders as --data"),
        ({"data": "/a", "val_lr_data": "/c"}, "is for --val_data, which is not given"),
        ({"degradation": "jpeg=50;noise=3"}, "are for --mode=evaluate"),
    ],
)
def test_contradictions_are_one_line(settings, says):
    with pytest.raises(UserError, match=says):
        DataSettings(**settings)


def test_validation_may_have_its_own(tmp_path):
    pairs_in(tmp_path / "a", tmp_path / "b")
    pairs_in(tmp_path / "c", tmp_path / "d")
    given = {"data": "a", "lr_data": "b", "val_data": "c", "val_lr_data": "d"}
    data = DataSettings(**{name: str(tmp_path / folder) for name, folder in given.items()})
    for role, folder in (("train", "b"), ("val", "d"), ("test", "d")):
        assert {path.parent.name for path in data.images(role, 2).pairs.values()} == {folder}
