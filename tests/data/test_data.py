"""Images, reduction, sources and patches."""

import functools
import logging
from pathlib import Path

import numpy as np
import pytest
from conftest import photograph
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srnas_tf import metrics
from srnas_tf.data import images, imresize
from srnas_tf.data.degrade.picture import Window
from srnas_tf.data.degrade.pipeline import parse
from srnas_tf.data.patches import Patches, Photographs
from srnas_tf.data.sources import DataSettings, load_pairs
from srnas_tf.errors import UserError

BICUBIC = {  # luma PSNR, all three channels enlarged from uint8
    "Set5": {2: 33.673, 3: 30.403, 4: 28.429},
    "Set14": {2: 30.325, 3: 27.631, 4: 26.088},
}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", BICUBIC)
def test_reduction_is_that_of_matlab_to_the_bit(shared, name, scale):
    qualities = []
    for path in images.find(shared / "data" / name / "HR"):
        hr = imresize.crop_to_multiple(images.load(path), scale)
        lr = imresize.reduce(hr, scale)
        theirs = shared / "data" / name / f"LRbicx{scale}_matlab" / f"{path.stem}x{scale}{path.suffix}"
        np.testing.assert_array_equal(lr, images.load(theirs))
        qualities.append(metrics.psnr(imresize.enlarge(lr, scale), hr, scale))
    assert np.mean(qualities) == pytest.approx(BICUBIC[name][scale], abs=5e-4)


def test_a_constant_image_stays_constant():
    image = np.full((24, 36, 3), 77, np.uint8)
    assert np.unique(imresize.reduce(image, 3)).tolist() == [77]
    assert imresize.enlarge(image, 2).shape == (48, 72, 3)


SIDES = st.integers(1, 40)


@given(st.integers(0, 255), SIDES, SIDES, SIDES, SIDES, st.sampled_from([(), (1,), (3,)]))
def test_any_constant_image_stays_constant_at_any_size(level, height, width, to_height, to_width, channels):
    resized = imresize.imresize(np.full((height, width, *channels), level, np.uint8), to_height, to_width)
    assert (resized.dtype, resized.shape) == (np.uint8, (to_height, to_width, *channels))
    assert (resized == level).all()
    kept = imresize.smooth(np.full((height, width), level), to_height, to_width)
    np.testing.assert_allclose(kept, level, atol=1e-9)


def test_validation_may_use_some_of_its_images(tmp_path):
    for name, count in (("train", 3), ("valid", 11)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (40, 40)).save(tmp_path / name / f"{i:02}.png")
    every = DataSettings(data=str(tmp_path))
    some = DataSettings(data=str(tmp_path), val_images=3)
    assert [path.stem for path in some.paths("val")] == ["00", "05", "10"]
    assert [path.stem for path in some.images("val", 2).paths] == ["00", "05", "10"]
    for role in ("train", "test"):
        assert some.paths(role) == every.paths(role)
    assert DataSettings(data=str(tmp_path), val_images=11).paths("val") == every.paths("val")
    with pytest.raises(UserError, match="--val_images=-1: must be at least 0"):
        DataSettings(val_images=-1)


@given(st.integers(0, 99), SIDES, SIDES, SIDES, SIDES)
def test_resizing_does_not_know_left_from_right_nor_rows_from_columns(seed, height, width, to_height, to_width):
    image = np.random.default_rng(seed).random((height, width, 2))
    resized = imresize.smooth(image, to_height, to_width)
    close = functools.partial(np.testing.assert_allclose, atol=1e-9)
    close(imresize.smooth(image[::-1], to_height, to_width), resized[::-1])
    close(imresize.smooth(image[:, ::-1], to_height, to_width), resized[:, ::-1])
    close(imresize.smooth(image.swapaxes(0, 1), to_width, to_height), resized.swapaxes(0, 1))
    rows_first = imresize.smooth(imresize.smooth(image, to_height, width), to_height, to_width)
    close(rows_first, resized)
    close(imresize.smooth(3 * image + 1, to_height, to_width), 3 * resized + 1)
    # Rounded after each pass, a half may go either way.
    levels = (255 * image).astype(np.uint8)
    flipped = imresize.imresize(levels[::-1, ::-1], to_height, to_width)[::-1, ::-1]
    assert np.abs(flipped.astype(int) - imresize.imresize(levels, to_height, to_width)).max() <= 2


@given(st.sampled_from([2, 3, 4]), SIDES, SIDES)
def test_pairs_are_aligned_whatever_the_size(scale, height, width):
    lr, hr = imresize.pair(np.zeros((height, width, 3), np.uint8), scale)
    assert hr.shape[:2] == (height // scale * scale, width // scale * scale)
    assert tuple(scale * side for side in lr.shape[:2]) == hr.shape[:2] or not hr.size


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_region_reduces_as_the_whole_does(scale):
    rng = np.random.default_rng(scale)
    hr = rng.integers(0, 256, (20 * scale, 26 * scale, 3), np.uint8)
    whole = imresize.reduce(hr, scale)
    for top in range(0, 12):
        for left in (0, 1, 2, 3, 5, 17, 18):
            region = parse("bicubic").window(hr, whole.shape[:2], scale, Window(top, left, top + 8, left + 8), rng)
            np.testing.assert_array_equal(region, whole[top : top + 8, left : left + 8])


def _written(path: Path, image: Image.Image, **options) -> np.ndarray:
    image.save(path, **options)
    return images.load(path)


def test_images_look_as_on_a_screen(tmp_path):
    rgb = photograph(np.random.default_rng(0), 20, 30)
    gray = rgb[..., 0]
    for suffix in (".png", ".bmp", ".tif", ".webp"):
        options = {"lossless": True} if suffix == ".webp" else {}
        np.testing.assert_array_equal(_written(tmp_path / f"rgb{suffix}", Image.fromarray(rgb), **options), rgb)
    loaded = _written(tmp_path / "gray.png", Image.fromarray(gray))
    np.testing.assert_array_equal(loaded, np.repeat(gray[..., None], 3, axis=-1))
    deep = _written(tmp_path / "gray16.png", Image.fromarray(gray.astype(np.uint16) * 257))
    np.testing.assert_array_equal(deep, loaded)
    deep = _written(tmp_path / "gray16.tif", Image.fromarray(gray.astype(np.uint16) * 257))
    np.testing.assert_array_equal(deep, loaded)
    palette = Image.fromarray(rgb).quantize(16)
    np.testing.assert_array_equal(_written(tmp_path / "palette.png", palette), np.array(palette.convert("RGB")))
    clear = np.dstack([rgb, np.zeros((20, 30), np.uint8)])
    assert _written(tmp_path / "clear.png", Image.fromarray(clear)).min() == 255
    opaque = np.dstack([rgb, np.full((20, 30), 255, np.uint8)])
    np.testing.assert_array_equal(_written(tmp_path / "opaque.png", Image.fromarray(opaque)), rgb)


def test_exif_orientation_is_obeyed(tmp_path):
    rgb = photograph(np.random.default_rng(0), 20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    loaded = _written(tmp_path / "turned.png", Image.fromarray(rgb), exif=exif)
    np.testing.assert_array_equal(loaded, np.rot90(rgb, -1))


def test_broken_images_are_named_and_skipped(photographs, caplog):
    (photographs / "00.png").write_bytes(b"not an image")
    data = (photographs / "01.png").read_bytes()
    (photographs / "01.png").write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING):
        loaded = list(images.load_all(images.find(photographs), np.shape))
    assert len(loaded) == 10
    assert sorted(Path(r.getMessage().split()[1].rstrip(":")).name for r in caplog.records) == ["00.png", "01.png"]


def test_all_broken_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"none of the 1 images"):
        list(images.load_all(images.find(tmp_path), np.shape))


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        DataSettings(data=str(tmp_path / "nowhere")).paths("train")
    with pytest.raises(UserError, match="holds no images"):
        DataSettings(data=str(tmp_path)).paths("train")


def test_embedded_photographs():
    data = DataSettings()
    names = {role: {path.name for path in data.paths(role)} for role in ("train", "val", "test")}
    assert not (names["train"] & names["val"] or names["train"] & names["test"] or names["val"] & names["test"])
    for role in names:
        for path in data.paths(role):
            with Image.open(path) as image:
                assert image.mode == "RGB"


def test_a_plain_folder_is_split_for_good(photographs):
    data = DataSettings(data=str(photographs))
    shares = {role: data.paths(role) for role in ("train", "val", "test")}
    assert [len(paths) for paths in shares.values()] == [10, 1, 1]
    assert len({path for paths in shares.values() for path in paths}) == 12
    assert {role: data.paths(role) for role in shares} == shares
    given = DataSettings(data=str(photographs), val_data=str(photographs))
    assert len(given.paths("train")) == len(given.paths("val")) == len(given.paths("test")) == 12


def test_layout_of_div2k(photographs, tmp_path):
    (tmp_path / "DIV2K_train_HR").mkdir()
    (tmp_path / "DIV2K_valid_HR").mkdir()
    for i, path in enumerate(sorted(photographs.iterdir())):
        path.rename(tmp_path / ("DIV2K_train_HR" if i < 9 else "DIV2K_valid_HR") / path.name)
    photographs.rmdir()
    data = DataSettings(data=str(tmp_path))
    assert [len(data.paths(role)) for role in ("train", "val", "test")] == [9, 3, 3]


def test_a_benchmark_set_stands_for_its_hr_folder(photographs, tmp_path):
    (tmp_path / "Set").mkdir()
    photographs.rename(tmp_path / "Set" / "HR")
    measured = DataSettings(data="photos", val_data=str(tmp_path / "Set"))
    assert len(measured.paths("val")) == len(measured.paths("test")) == 12
    trained = DataSettings(data=str(tmp_path / "Set"))
    assert [len(trained.paths(role)) for role in ("train", "val", "test")] == [10, 1, 1]


def test_several_folders(photographs):
    data = DataSettings(data=f"photos,{photographs}")
    assert len(data.paths("train")) == len(DataSettings().paths("train")) + 10


def test_pairs(photographs):
    for pair in load_pairs(images.find(photographs), 4):
        assert pair.lr.dtype == pair.hr.dtype == np.uint8
        assert tuple(4 * side for side in pair.lr.shape[:2]) == pair.hr.shape[:2]


def test_patches_are_a_function_of_seed_and_step(photographs):
    paths = images.find(photographs)
    kept = Patches(Photographs(paths, 4), 8, 3, seed=5)
    again = Patches(Photographs(paths, 4), 8, 3, seed=5)
    streamed = Patches(Photographs(paths, 4, memory=60_000), 8, 3, seed=5)
    for step in (7, 0, 3):
        for one, two, three in zip(kept.at(step), again.at(step), streamed.at(step), strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, three)
    assert not np.array_equal(kept.at(0)[0], kept.at(1)[0])
    assert not np.array_equal(kept.at(0)[0], Patches(kept.photographs, 8, 3, seed=6).at(0)[0])


def test_patches_are_aligned(photographs):
    patches = Patches(Photographs(images.find(photographs), 2), 12, 16, seed=0)
    lr, hr = patches.at(0)
    assert lr.shape == (16, 12, 12, 3)
    assert hr.shape == (16, 24, 24, 3)
    inner = np.s_[3:-3, 3:-3]
    for small, large in zip(lr, hr, strict=True):
        error = imresize.reduce(large, 2)[inner].astype(int) - small[inner]
        assert np.abs(error).max() <= 2  # a turned reduction rounds in the other order


@pytest.mark.parametrize("degradation", ["bicubic", "nearest", "blur=2,noise=10"])
def test_flat_patches_replace_a_share_and_leave_the_others_alone(photographs, degradation):
    kept = Photographs(images.find(photographs), 4, degradation=parse(degradation))
    plain, some = Patches(kept, 8, 100, seed=5), Patches(kept, 8, 100, seed=5, flat=0.2)
    (lr, hr), (lr_too, hr_too) = plain.at(3), some.at(3)
    flat = np.array([len(np.unique(patch.reshape(-1, 3), axis=0)) == 1 for patch in hr_too])
    assert 10 < flat.sum() < 30
    np.testing.assert_array_equal(lr[~flat], lr_too[~flat])
    np.testing.assert_array_equal(hr[~flat], hr_too[~flat])
    colours = hr_too[flat][:, :1, :1]
    assert len(np.unique(colours, axis=0)) > flat.sum() / 2
    assert 0.2 < np.isin(colours, (0, 255)).all(-1).mean() < 0.8
    if "noise" in degradation:
        assert (lr_too[flat] != colours).any()
    else:
        np.testing.assert_array_equal(lr_too[flat], np.broadcast_to(colours, lr_too[flat].shape))


def test_dataset_yields_the_batches_of_its_steps(photographs):
    patches = Patches(Photographs(images.find(photographs), 4), 8, 2, seed=1)
    batches = list(patches.dataset(3, 6).as_numpy_iterator())
    assert len(batches) == 3
    for step, (lr, hr) in enumerate(batches, start=3):
        np.testing.assert_array_equal(lr, patches.at(step)[0])
        np.testing.assert_array_equal(hr, patches.at(step)[1])


def test_images_smaller_than_a_patch_are_refused(photographs):
    with pytest.raises(UserError, match="smaller than a patch"):
        Patches(Photographs(images.find(photographs), 4), 32, 2, seed=1)


def test_some_images_smaller_than_a_patch_are_left_out(photographs, caplog):
    kept = Photographs(images.find(photographs), 4)
    patches = Patches(kept, 16, 8, seed=1)
    small = [path.name for path, size in zip(kept.paths, kept.sizes, strict=True) if min(size) < 16]
    assert 0 < len(small) < 12
    assert f"{small[0]}: " in caplog.text and f"so are {len(small) - 1} others" in caplog.text
    assert patches.at(0)[0].shape == (8, 16, 16, 3)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 2)])
def test_tiny_images_are_refused_by_name(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "tiny.png")
    for use in (lambda paths: Patches(Photographs(paths, 4), 8, 2, seed=0), lambda paths: load_pairs(paths, 4)):
        with pytest.raises(UserError, match=r"tiny\.png.*too small|tiny\.png.*smaller"):
            use(images.find(tmp_path))
