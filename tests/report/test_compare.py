"""Crops of photographs, side by side."""

import json

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

from srnas_tf.data.imresize import reduce
from srnas_tf.data.sources import Pair
from srnas_tf.report import compare


@pytest.fixture
def rows():
    """Of two photographs of one name, one of them smaller than a crop."""
    rng = np.random.default_rng(0)
    photographs = [photograph(rng, *size) for size in ((120, 140), (60, 80))]
    pairs = [Pair("baby.png", reduce(hr, 2), hr) for hr in photographs]
    return compare.crops(pairs, {"same": photographs, "dark": [hr // 2 for hr in photographs]}, 2)


def test_all_methods_show_one_window(rows):
    for row, size in zip(rows, ((96, 96, 3), (60, 80, 3)), strict=True):
        original, same, dark = row.crops
        assert (row.photograph, original.method, original.psnr) == ("baby", "original", None)
        assert original.image.shape == size
        np.testing.assert_array_equal(same.image, original.image)
        np.testing.assert_array_equal(dark.image, original.image // 2)
        assert dark.psnr < same.psnr


def test_crops_are_kept_as_files(rows, tmp_path):
    compare.write_crops(rows, tmp_path)
    index = json.loads((tmp_path / compare.INDEX).read_text())
    assert [row["photograph"] for row in index] == ["baby", "baby"]
    for row, kept in zip(rows, index, strict=True):
        for crop, entry in zip(row.crops, kept["crops"], strict=True):
            with Image.open(tmp_path / entry["file"]) as image:
                np.testing.assert_array_equal(np.asarray(image), crop.image)
            infinite = crop.psnr is not None and np.isinf(crop.psnr)
            assert entry["psnr"] == (None if infinite else crop.psnr)
        with Image.open(tmp_path / kept["where"]) as image:
            assert max(image.size) <= compare.THUMBNAIL
            assert (np.asarray(image) == 255).all(-1).any()  # the frame
    assert len(list(tmp_path.iterdir())) == 9  # nothing was written over


def test_the_picture_has_a_row_a_photograph(rows, tmp_path):
    compare.compare(rows, tmp_path / "compare.png")
    with Image.open(tmp_path / "compare.png") as picture:
        assert picture.width > picture.height
