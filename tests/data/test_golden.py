"""The bytes of every patch are what they have been: trainings can be repeated over versions."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srnas_tf.data import images
from srnas_tf.data.patches import Patches, Photographs

SIZES = ((61, 83), (96, 60), (130, 71), (64, 64), (77, 119))

GOLDEN = {
    2: "09a0cefaa1b0cc53a673a725f5be586a285c859614adea76e3b4c9c8524d4bf4",
    3: "d832ebc1e99845895325d2ca8973753037f38e77917b9259145509250435e000",
    4: "2eda49f3274f9f0e41a6fe2595f3e3d816ab7e0ea6e7cb125afdfa61406834c1",
}
"""By scale: SHA-256 of steps 0, 1, 2 and 1000, low resolution before high resolution."""


def drawn(folder: Path) -> list[Path]:
    """Images made of integers alone, so that no machine rounds them otherwise."""
    rng = np.random.default_rng(21)
    for i, (height, width) in enumerate(SIZES):
        y, x = np.mgrid[:height, :width]
        a, b, c = rng.integers(1, 9, 3)
        levels = np.stack([(a * x + b * y) % 256, (x * y // c) % 256, rng.integers(0, 256, x.shape)], axis=-1)
        Image.fromarray(levels.astype(np.uint8)).save(folder / f"{i}.png")
    return images.find(folder)


@pytest.mark.parametrize("memory", [1 << 30, 60_000, 0])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bytes_of_patches(tmp_path, scale, memory):
    patches = Patches(Photographs(drawn(tmp_path), scale, memory), 12, 5, seed=3)
    digest = hashlib.sha256()
    for step in (0, 1, 2, 1000):
        for part in patches.at(step):
            digest.update(part.tobytes())
    assert digest.hexdigest() == GOLDEN[scale]
