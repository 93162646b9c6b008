"""Whatever Pillow and libvips write goes through the command line, both kits and Serving's signature to one picture."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tensorflow as tf
from conftest import command, photograph
from PIL import Image, ImageCms
from test_kits import KITS, upscale

HEIGHT, WIDTH = 20, 28
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RGB = photograph(np.random.default_rng(4), HEIGHT, WIDTH)
SEEN = np.hypot(*(np.mgrid[:HEIGHT, :WIDTH] - np.array([10, 13])[:, None, None])) < 7
ALPHA = np.where(SEEN, 255, 0).astype(np.uint8)
HIDDEN = np.where(SEEN[..., None], RGB, np.array([255, 0, 255], np.uint8))

PILLOW = {
    "1": lambda: Image.fromarray(RGB[..., 1] > 127),
    "L": lambda: Image.fromarray(RGB[..., 1]),
    "LA": lambda: Image.fromarray(np.dstack([HIDDEN[..., 1], ALPHA])),
    "P": lambda: Image.fromarray(RGB).quantize(64),
    "RGB": lambda: Image.fromarray(RGB),
    "RGBA": lambda: Image.fromarray(np.dstack([HIDDEN, ALPHA])),
    "I;16": lambda: Image.fromarray(RGB[..., 1].astype(np.uint16) * 257),
    "CMYK": lambda: Image.fromarray(RGB).convert("CMYK"),
}
WRITES = {
    ".png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    ".jpg": ("L", "RGB", "CMYK"),
    ".webp": ("RGB", "RGBA"),
    ".tif": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"),
    ".bmp": ("1", "L", "P", "RGB"),
}


def by_pillow(folder: Path) -> None:
    """Modes, with and without a profile, upright and on their side, as far as a format has them."""
    for suffix, modes in WRITES.items():
        for mode, profile, orientation in itertools.product(modes, (None, SRGB), (1, 6)):
            if (suffix == ".bmp" and (profile or orientation != 1)) or (mode == "CMYK" and profile):
                continue
            exif = Image.Exif()
            exif[0x0112] = orientation
            options = {} if suffix == ".bmp" else {"exif": exif, "icc_profile": profile}
            options |= {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True, "exact": True}}.get(
                suffix, {}
            )
            name = f"{mode.replace(';', '')}-{'srgb' if profile else 'bare'}-{orientation}-{suffix[1:]}{suffix}"
            PILLOW[mode]().save(folder / name, **{name: value for name, value in options.items() if value})


def by_vips(folder: Path) -> None:
    """16 bits a channel, which Pillow does not write, and inks with a profile."""
    layers = {"rgb": RGB, "rgba": np.dstack([HIDDEN, ALPHA]), "la": np.dstack([HIDDEN[..., 1], ALPHA])}
    for (name, levels), suffix, orientation in itertools.product(layers.items(), (".png", ".tif"), (1, 6)):
        if name == "la" and suffix == ".tif":  # which Pillow does not read
            continue
        kind = "grey16" if name == "la" else "rgb16"
        image = pyvips.Image.new_from_array(levels.astype(np.uint16) * 257).copy(interpretation=kind)
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        image.write_to_file(str(folder / f"{name}16-{orientation}-{suffix[1:]}{suffix}"))
    inks = pyvips.Image.new_from_array(RGB).copy(interpretation="srgb").icc_transform("cmyk", input_profile="srgb")
    inks.write_to_file(str(folder / "inks-tif.tif"))
    inks.write_to_file(str(folder / "inks-jpg.jpg"), Q=95)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ways") / "in"
    folder.mkdir()
    by_pillow(folder)
    by_vips(folder)
    return folder


def levels(path: Path) -> np.ndarray:
    """RGBA, 8 bits; what is transparent is black."""
    image = pyvips.Image.new_from_file(str(path), revalidate=True)  # it keeps what it has read, by name
    made = image.numpy()
    made = made if made.ndim == 3 else made[..., None]
    made = np.rint(made / 257) if made.dtype == np.uint16 else made.astype(float)
    if made.shape[2] < 3:
        made = np.concatenate([np.repeat(made[..., :1], 3, axis=2), made[..., 1:]], axis=2)
    alpha = made[..., 3:] if made.shape[2] == 4 else np.full((*made.shape[:2], 1), 255.0)
    return np.concatenate([np.where(alpha > 0, made[..., :3], 0), alpha], axis=2)


@pytest.fixture(scope="module")
def product(files, frozen):
    """What the command line makes of the files, as PNG."""
    out = files.parent / "product"
    model = frozen[2] / "model.onnx"
    done = command("--mode=upscale", f"--model={model}", f"--input={files}", f"--output={out}", "--format=png")
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("kit", KITS)
def test_a_kit_makes_what_the_command_line_makes(files, product, frozen, kit):
    out = files.parent / kit
    done = upscale(kit, frozen[2] / KITS[kit], files, out, "--format=png")
    assert done.returncode == 0, done.stderr
    wrong = {}
    for path in sorted(product.iterdir()):
        ours, theirs = levels(path), levels(out / path.name)
        assert ours.shape == theirs.shape, path.name
        if (off := np.abs(ours - theirs).max()) > 2:
            wrong[path.name] = off
    assert not wrong


def test_serving_makes_what_the_command_line_makes(files, product, frozen):
    """PNG, JPEG and BMP, as its README says; no inks, no profiles, and RGB of gray."""
    serve = tf.saved_model.load(str(frozen[2] / "saved_model" / "1"))
    enlarge = serve.signatures["serving_image"]
    wrong = {}
    for path in sorted(files.iterdir()):
        if path.suffix not in (".png", ".jpg", ".bmp") or "CMYK" in path.name or "inks" in path.name:
            continue
        if path.suffix == ".bmp" and "RGB" not in path.name:  # with a palette
            continue
        [made] = enlarge(image_bytes=tf.constant([path.read_bytes()]))["sr_bytes"].numpy()
        (product.parent / "made.png").write_bytes(made)
        theirs, ours = levels(product.parent / "made.png"), levels(product / f"{path.stem}.png")
        if pyvips.Image.new_from_file(str(product / f"{path.stem}.png")).bands < 3:
            theirs[..., :3] = theirs[..., :3] @ [[0.299], [0.587], [0.114]]
        off = np.abs(ours - theirs).max()
        if off > 2:
            wrong[path.name] = off
    assert not wrong
    for name, words in (("inks-jpg.jpg", "CMYK"), ("P-bare-1-bmp.bmp", "BMP with a palette")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            enlarge(image_bytes=tf.constant([(files / name).read_bytes()]))
