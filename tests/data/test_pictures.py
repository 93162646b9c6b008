"""Images in and out, as people have them: they are read as a screen shows them, and nothing is lost at the door."""

import io
import os

import numpy as np
import pytest
import pyvips
from conftest import photograph as drawn
from PIL import Image, ImageCms, PngImagePlugin
from test_bad_images import chunk, png, tiff

from srnas_tf import metrics
from srnas_tf.data import images, photograph
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.kit import folders, formats, picture, pipeline, reading, tiles, transparency, writing
from srnas_tf.kit.picture import Photograph

RGB = drawn(np.random.default_rng(1), 40, 60)
GRAY = RGB[..., 1]
DOUBLE = tiles.Model(lambda lr: lr.repeat(2, 0).repeat(2, 1), 2)
LOSSY = (".jpg", ".webp")


def rough(height: int, width: int) -> np.ndarray:
    """A photograph with noise, which lossy formats find hard."""
    rng = np.random.default_rng(0)
    return np.clip(drawn(rng, height, width) + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("suffix", LOSSY)
@pytest.mark.parametrize("way", ["pillow", "vips"])
def test_lossy_output_keeps_what_was_gained(tmp_path, suffix, way, shared):
    """On each image of Set5 at x2: the PSNR of what is written is at most 0.3 dB below that of what was to be."""
    import onnxruntime

    from srnas_tf import models
    from srnas_tf.data import imresize

    session = onnxruntime.InferenceSession(str(models.onnx(2)))
    lost = []
    for path in images.find(shared / "data" / "Set5" / "HR"):
        lr, hr = imresize.pair(images.load(path), 2)
        [sr] = session.run(["sr"], {"lr": lr.transpose(2, 0, 1)[None].astype(np.float32) / 255})
        levels = metrics.to_uint8(sr[0].transpose(1, 2, 0))
        pixels = levels if way == "pillow" else levels.astype(np.uint16) * 257
        photograph.write(tmp_path / f"a{suffix}", Photograph(pixels))
        lost.append(metrics.psnr(levels, hr, 2) - metrics.psnr(images.load(tmp_path / f"a{suffix}"), hr, 2))
    assert max(lost) <= 0.3
    if suffix == ".webp":
        assert max(lost) == 0


@pytest.mark.parametrize("deep", [False, True])
def test_quality_is_obeyed(tmp_path, deep):
    pixels = rough(64, 96)
    image = Photograph(pixels.astype(np.uint16) * 257 if deep else pixels)
    for suffix in LOSSY:
        sizes = []
        for quality in (20, 90, 0):
            photograph.write(tmp_path / f"a{suffix}", image, quality)
            sizes.append((tmp_path / f"a{suffix}").stat().st_size)
        assert sizes == sorted(sizes)
    photograph.write(tmp_path / "a.jpg", image)
    with Image.open(tmp_path / "a.jpg") as made:
        assert {layer[1:3] for layer in made.layer} == {(1, 1)}  # 4:4:4


@pytest.mark.parametrize(
    ("name", "image", "words"),
    [
        ("a.jpg", Photograph(RGB, GRAY[..., None]), "no transparency"),
        ("a.bmp", Photograph(RGB, GRAY[..., None]), "no transparency"),
        ("a.jpg", Photograph(RGB.astype(np.uint16), GRAY[..., None].astype(np.uint16)), "no transparency"),
        ("a.bmp", Photograph(RGB.astype(np.uint16)), "8 bits a channel"),
        ("a.jfif", Photograph(RGB, exif=None, cicp=b"\x09\x10\0\1"), "cICP"),
        ("a.webp", Photograph(np.zeros((1, 9000, 3), np.uint8)), "16383 a side"),
        ("a.gif", Photograph(RGB), "unknown image format"),
    ],
)
def test_what_a_format_does_not_hold_is_refused_before_the_work(tmp_path, name, image, words):
    with pytest.raises(UserError, match=words) as caught:
        formats.check(tmp_path / name, image, 2)
    assert name in str(caught.value)


def test_much_exif_is_refused_for_jpeg(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = bytes(70_000)
    with pytest.raises(UserError, match="EXIF data are larger than the 63 KB"):
        formats.check(tmp_path / "a.jpg", Photograph(RGB, exif=exif), 2)
    formats.check(tmp_path / "a.png", Photograph(RGB, exif=exif), 2)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (255, 0, 255), None])
def test_cut_outs_have_no_fringes(kind, hidden):
    """A disc of one colour over hidden ones, by the network in the package, near its own colour wherever it is seen."""
    from srnas_tf import models
    from srnas_tf.freeze.staged import load_model

    most = np.iinfo(kind).max
    own = np.array([200, 90, 40]) * (most // 255)
    disc = (np.hypot(*(np.mgrid[:48, :48] - 23.5)) < 14)[..., None]
    rng = np.random.default_rng(0)
    under = rng.integers(0, most + 1, (48, 48, 3)) if hidden is None else np.array(hidden) * (most // 255)
    image = Photograph(np.where(disc, own, under).astype(kind), np.where(disc, most, 0).astype(kind))
    made = picture.enlarge(image, load_model(models.onnx(2)))
    seen = made.alpha[:][..., 0] > 0
    assert np.abs(made.pixels[:][seen].astype(int) - own).max() <= 8 * (most // 255)


def test_visible_colours_stay_as_they_are():
    rng = np.random.default_rng(0)
    alpha = (rng.random((30, 40, 1)) > 0.7).astype(np.uint8) * 255
    made = transparency.bled(RGB[:30, :40], alpha)
    seen = alpha[..., 0] > 0
    np.testing.assert_array_equal(made[seen], RGB[:30, :40][seen])
    for flat in (0, 255):
        whole = np.full_like(alpha, flat)
        assert transparency.bled(RGB[:30, :40], whole) is not None
        np.testing.assert_array_equal(transparency.bled(RGB[:30, :40], whole), RGB[:30, :40])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_transparency_is_enlarged_as_pillow_does_it(scale):
    enlarged = transparency.bicubic(GRAY[..., None].astype(np.float32), scale)[..., 0]
    size = (GRAY.shape[1] * scale, GRAY.shape[0] * scale)
    wanted = np.asarray(Image.fromarray(GRAY).resize(size, Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(np.clip(np.rint(enlarged), 0, 255) - wanted).max() <= 1


def both(path) -> tuple[np.ndarray, np.ndarray]:
    """A file as training reads it, and as upscaling does, 8 bits."""
    return images.load(path), reading.eight_bits(photograph.read(path)).pixels[:]


def test_gray_whose_least_number_is_white(tmp_path):
    """16 bits in a TIFF file: not a negative."""
    shape = {
        256: (4, [60]),
        257: (4, [40]),
        258: (3, [16]),
        259: (3, [1]),
        262: (3, [0]),
        277: (3, [1]),
        278: (4, [40]),
    }
    turned = (65535 - GRAY.astype(np.uint16) * 257).astype("<u2")
    (tmp_path / "a.tif").write_bytes(tiff(shape, turned.tobytes()))
    for read in both(tmp_path / "a.tif"):
        np.testing.assert_array_equal(read, np.dstack([GRAY] * 3))


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_inks_look_as_their_profile_says(tmp_path, suffix):
    inks = pyvips.Image.new_from_array(RGB).copy(interpretation="srgb").icc_transform("cmyk", input_profile="srgb")
    inks.write_to_file(str(tmp_path / f"a{suffix}"), **({"Q": 95} if suffix == ".jpg" else {}))
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.mode == "CMYK"
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        shown = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    for read in both(tmp_path / f"a{suffix}"):
        assert np.abs(read.astype(int) - np.asarray(shown)).mean() <= 4
    image = photograph.read(tmp_path / f"a{suffix}")
    assert image.profile is None
    photograph.write(tmp_path / "b.png", image)
    with Image.open(tmp_path / "b.png") as written:
        assert "icc_profile" not in written.info


def test_a_transparent_level_of_deep_gray(tmp_path):
    levels = GRAY.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    clear = int(levels[3, 4])
    (tmp_path / "a.png").write_bytes(png(60, 40, 16, 0, rows, chunk(b"tRNS", clear.to_bytes(2, "big"))))
    image = photograph.read(tmp_path / "a.png")
    np.testing.assert_array_equal(image.alpha[..., 0] == 0, levels == clear)
    assert (images.load(tmp_path / "a.png")[levels == clear] == 255).all()  # on white


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "deep"])
def test_gamma_is_applied(tmp_path, mode):
    """A photograph whose numbers are of linear light, which gAMA says, is not darker than it was."""
    shown = np.dstack([GRAY] * 3) if mode == "L" else RGB
    linear = np.where(shown / 255 <= 0.04045, shown / 255 / 12.92, ((shown / 255 + 0.055) / 1.055) ** 2.4)
    told = PngImagePlugin.PngInfo()
    told.add(b"gAMA", (100_000).to_bytes(4, "big"))
    if mode == "deep":
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.rint(linear * 65535))
        (tmp_path / "a.png").write_bytes(png(60, 40, 16, 2, rows, chunk(b"gAMA", (100_000).to_bytes(4, "big"))))
    else:
        image = Image.fromarray(np.rint(linear * 255).astype(np.uint8)).convert("RGB" if mode == "P" else mode)
        (image.quantize(256) if mode == "P" else image).save(tmp_path / "a.png", pnginfo=told)
    wanted = np.asarray(Image.fromarray(shown).convert("L")).mean()
    for read in both(tmp_path / "a.png")[mode == "deep" :]:  # the high bytes alone, of which Pillow makes 8 bits
        assert abs(np.asarray(Image.fromarray(read).convert("L")).mean() - wanted) < 8
    photograph.write(tmp_path / "b.png", photograph.read(tmp_path / "a.png"))
    with Image.open(tmp_path / "b.png") as written:
        assert "gamma" not in written.info


@pytest.mark.parametrize("deep", [False, True])
def test_what_a_picture_carries_is_carried(tmp_path, deep):
    exif = Image.Exif()
    exif[271], exif[33432] = "a camera", "somebody"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    pixels = RGB.astype(np.uint16) * 257 if deep else RGB
    image = Photograph(pixels, exif=exif, dpi=(300.0, 300.0), cicp=b"\x0c\r\0\1")
    photograph.write(tmp_path / "a.png", image)
    again = photograph.read(tmp_path / "a.png")
    assert again.cicp == image.cicp
    np.testing.assert_array_equal(again.pixels, pixels)
    for name in ("a.png", "b.jpg", "c.tif", "d.webp"):
        photograph.write(tmp_path / name, image._replace(cicp=image.cicp if name == "a.png" else None))
        again = photograph.read(tmp_path / name)
        if name != "d.webp":
            assert again.dpi == pytest.approx((300, 300), abs=0.5)
        assert (again.exif[271], again.exif[33432]) == ("a camera", "somebody")
        assert float(again.exif.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
        assert np.abs(reading.eight_bits(again).pixels[:].astype(int) - RGB).max() <= (60 if name == "b.jpg" else 0)
    with Image.open(tmp_path / "a.png") as opened:
        opened.verify()


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path):
    path = tmp_path / f"{'写' * 83}.png"
    photograph.write(path, Photograph(RGB))
    photograph.write(path.with_name("x" * 251 + ".png"), Photograph(RGB.astype(np.uint16)))
    with pytest.raises(UserError, match="name too long"):
        writing.check_writable(tmp_path / ("x" * 252 + ".png"))


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.png"), "a[1].png", "%d.png", "-o.tif"])
def test_any_name_of_a_deep_image(tmp_path, name):
    levels = RGB.astype(np.uint16) * 257
    photograph.write(tmp_path / name, Photograph(levels))
    np.testing.assert_array_equal(photograph.read(tmp_path / name).pixels, levels)


def test_whatever_a_file_causes_is_its_own_line(tmp_path):
    def enlarge(path, image):
        if path.name == "b":
            raise RuntimeError("boom\nin lines")
        return image

    def read(path, result):
        if path.name == "a":
            raise ValueError("broken")
        return path.name

    def write(path, image):
        if image == "c":
            raise UserError(f"{path}: cannot be written")
        made.append(image)

    made = []
    jobs = [(tmp_path / name, tmp_path / f"{name}.png") for name in "abcdef"]
    lines = [wrong for _, wrong in pipeline.run(jobs, read, enlarge, write)]
    assert made == ["d", "e", "f"]
    assert [bool(line) for line in lines] == [True] * 3 + [False] * 3
    assert lines[1] == f"{tmp_path / 'b'}: cannot be enlarged (boom)"
    assert list(pipeline.run([], read, enlarge, write)) == []


def test_what_is_no_image_of_a_folder(tmp_path, caplog):
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    for name in ("a.png", "b.jfif", "sub/c.png", "sub/.git/d.png"):
        Image.fromarray(RGB).save(tmp_path / name, "PNG" if name.endswith("png") else "JPEG")
    for name in ("._a.png", ".partial-a.png", ".DS_Store", "e.jp2", "f.gif", "notes.txt"):
        (tmp_path / name).write_bytes(b"?")
    for _ in range(2):
        assert [path.name for path in images.find(tmp_path)] == ["a.png", "b.jfif"]
    [record] = [record.getMessage() for record in caplog.records]  # once
    assert "e.jp2, f.gif" in record and "1 sub-folder (sub): give --recursive" in record
    found = folders.find(tmp_path, recursive=True)
    assert [path.name for path in found.paths] == ["a.png", "b.jfif", "c.png"]
    assert DataSettings(data=str(tmp_path), val_data=str(tmp_path), recursive=True).paths("train") == found.paths


def test_what_cannot_be_read_is_not_held_out(tmp_path):
    for i in range(6):
        Image.fromarray(RGB).save(tmp_path / f"{i}.png")
        (tmp_path / f"._{i}.png").write_bytes(b"a fork")
        (tmp_path / f"broken{i}.png").write_bytes(b"no image")
    data = DataSettings(data=str(tmp_path))
    for role in ("val", "test"):
        assert all(len(path.name) == 5 for path in data.paths(role))
    assert sum(len(data.paths(role)) for role in ("train", "val", "test")) == 12


def test_a_photograph_in_two_formats_is_held_out_as_one(tmp_path):
    for i in range(20):
        Image.fromarray(RGB).save(tmp_path / f"{i:02}.png")
        Image.fromarray(RGB).save(tmp_path / f"{i:02}.jpg")
    shares = [{path.stem for path in DataSettings(data=str(tmp_path)).paths(role)} for role in ("train", "val", "test")]
    assert not (shares[0] & shares[1] or shares[0] & shares[2] or shares[1] & shares[2])
    assert all(shares)


def test_heic_is_named_with_what_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "READ", formats.SUFFIXES)  # as it is without that package
    (tmp_path / "a.heic").write_bytes(b"?")
    with pytest.raises(UserError, match=r"holds no images.*1 image \(a\.heic\).*`pip install pillow-heif`"):
        folders.find(tmp_path)


def test_how_far_an_image_is_is_told():
    """In parts, overlapping or of one size, and in stages: a share that grows up to 1."""
    image = np.zeros((50, 70, 3), np.uint8)
    stages = tiles.Stages(
        lambda stage, maps, moments, mask: (
            [maps[0].repeat(2, 0).repeat(2, 1) if stage else maps[0]],
            np.zeros((2, 3)),
        ),
        (0, 0),
        (3,),
    )
    for model in (DOUBLE, DOUBLE._replace(size=(20, 20)), DOUBLE._replace(stages=lambda: stages)):
        shares: list[float] = []
        tiles.enlarge(image, model, 400, told=shares.append)
        assert len(shares) > 3
        assert shares == sorted(shares)
        assert shares[-1] == 1


def test_avif_is_read_and_becomes_png(tmp_path):
    if ".avif" not in formats.READ:
        pytest.skip("Pillow without AVIF")
    Image.fromarray(RGB).save(tmp_path / "a.avif", quality=95, subsampling="4:4:4")
    assert np.abs(images.load(tmp_path / "a.avif").astype(int) - RGB).mean() < 4
    [(_, result)] = folders.jobs(tmp_path, tmp_path / "out", images.find(tmp_path), 2)
    assert result.name == "a.png"


def test_two_images_do_not_become_one_file(tmp_path):
    paths = [tmp_path / "a.jpg", tmp_path / "a.png"]
    with pytest.raises(UserError, match=r"a\.jpg and a\.png would both be written there"):
        folders.jobs(tmp_path, tmp_path / "out", paths, 2, "png")


def test_large_images_are_allowed_by_a_flag(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.new("1", (3000, 1000)).save(tmp_path / "a.png")
    formats.allow(2.9)
    with pytest.raises(UserError, match=r"more than 2\.9 megapixels; if that is right, give --max_megapixels"):
        images.load(tmp_path / "a.png")
    formats.allow(3)
    assert images.load(tmp_path / "a.png").shape == (1000, 3000, 3)
