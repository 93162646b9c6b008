"""Image files as they are found in the wild: each looks as on a screen, or is named and left out; never a traceback."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from conftest import command, photograph
from PIL import Image, ImageCms

from srnas_tf import nets
from srnas_tf.arch import imdn
from srnas_tf.data import images
from srnas_tf.data import photograph as photographs
from srnas_tf.data.patches import Patches, Photographs
from srnas_tf.data.sources import DataSettings, load_pairs
from srnas_tf.errors import UserError
from srnas_tf.host.progress import progress
from srnas_tf.nets import files
from srnas_tf.report.table import print_table
from srnas_tf.workdir.folder import Workdir

RGB = photograph(np.random.default_rng(0), 48, 64)
GRAY = RGB[..., 1]
ALPHA = np.dstack([RGB, np.where(np.arange(64) < 32, 0, 255).astype(np.uint8)[None].repeat(48, 0)])
ON_WHITE = np.where(ALPHA[..., 3:] == 0, 255, RGB)


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    """An image as a file of a kind."""
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def rgb() -> Image.Image:
    return Image.fromarray(RGB)


def turned(orientation: int) -> bytes:
    """RGB, stored so that a viewer who obeys the EXIF orientation shows it upright."""
    stored = {
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB), 7: RGB[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(RGB, -1), 9: RGB,
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(np.ascontiguousarray(stored), "PNG", exif=exif)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG file of raw rows, which Pillow would not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rgb16() -> bytes:
    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in RGB)
    return png(64, 48, 16, 2, rows)


def tiff(tags: dict[int, tuple[int, list[int]]], strip: bytes) -> bytes:
    """A TIFF file of these tags (type and values), which Pillow would not write; its one strip comes last."""
    sizes = {3: "H", 4: "I"}
    tags = {**tags, 273: (4, [0]), 279: (4, [len(strip)])}
    start = 8 + 2 + 12 * len(tags) + 4
    extra, entries = b"", []
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}{sizes[kind]}", *values)
        if len(packed) > 4:
            entries.append((tag, kind, len(values), struct.pack("<I", start + len(extra))))
            extra += packed
        else:
            entries.append((tag, kind, len(values), packed.ljust(4, b"\0")))
    entries = [(t, k, n, struct.pack("<I", start + len(extra)) if t == 273 else v) for t, k, n, v in entries]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHI", t, k, n) + v for t, k, n, v in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0) + extra + strip


def float_rgb() -> bytes:
    """Three channels of 32-bit floats."""
    shape = {256: (4, [64]), 257: (4, [48]), 262: (3, [2]), 277: (3, [3]), 278: (4, [48]), 259: (3, [1])}
    return tiff({**shape, 258: (3, [32] * 3), 339: (3, [3] * 3)}, (RGB / np.float32(255)).tobytes())


def lab() -> Image.Image:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    return ImageCms.applyTransform(rgb(), transform)


def palette() -> Image.Image:
    return Image.fromarray(GRAY).convert("P")


PNG, JPEG = encoded(rgb(), "PNG"), encoded(rgb(), "JPEG", quality=95)
PAGES = [Image.fromarray(RGB[::-1].copy())]

FINE: dict[str, tuple[bytes, np.ndarray, int]] = {
    "plain.png": (PNG, RGB, 0),
    "plain.jpg": (JPEG, RGB, 60),
    "plain.bmp": (encoded(rgb(), "BMP"), RGB, 0),
    "plain.tif": (encoded(rgb(), "TIFF"), RGB, 0),
    "plain.webp": (encoded(rgb(), "WEBP", lossless=True), RGB, 0),
    "UPPER.PNG": (PNG, RGB, 0),
    "jpeg-called.png": (JPEG, RGB, 60),
    "png-called.jpg": (PNG, RGB, 0),
    "gif-called.png": (encoded(Image.fromarray(GRAY), "GIF"), np.dstack([GRAY] * 3), 0),
    "progressive.jpg": (encoded(rgb(), "JPEG", quality=95, progressive=True), RGB, 60),
    "cmyk.jpg": (encoded(rgb().convert("CMYK"), "JPEG", quality=95), RGB, 60),
    "cmyk.tif": (encoded(rgb().convert("CMYK"), "TIFF"), RGB, 2),
    "lab.tif": (encoded(lab(), "TIFF"), RGB, 32),
    "ycbcr.tif": (encoded(rgb().convert("YCbCr"), "TIFF"), RGB, 4),
    "gray.png": (encoded(GRAY, "PNG"), np.dstack([GRAY] * 3), 0),
    "gray.jpg": (encoded(GRAY, "JPEG", quality=95), np.dstack([GRAY] * 3), 20),
    "gray16.png": (encoded(GRAY.astype(np.uint16) * 257, "PNG"), np.dstack([GRAY] * 3), 0),
    "gray16.tif": (encoded(GRAY.astype(np.uint16) * 257, "TIFF"), np.dstack([GRAY] * 3), 0),
    "rgb16.png": (rgb16(), RGB, 1),
    "float.tif": (encoded(Image.fromarray(GRAY / np.float32(255)), "TIFF"), np.dstack([GRAY] * 3), 1),
    "one-bit.png": (encoded(Image.fromarray(GRAY > 127), "PNG"), np.dstack([255 * (GRAY > 127)] * 3), 0),
    "one-bit.tif": (
        encoded(Image.fromarray(GRAY > 127), "TIFF", compression="group4"),
        np.dstack([255 * (GRAY > 127)] * 3),
        0,
    ),
    "palette.png": (encoded(palette(), "PNG"), np.dstack([GRAY] * 3), 0),
    "clear-palette.png": (
        encoded(palette(), "PNG", transparency=0),
        np.dstack([np.where(GRAY == 0, 255, GRAY)] * 3),
        0,
    ),
    "clear.png": (encoded(ALPHA, "PNG"), ON_WHITE, 0),
    "clear.webp": (encoded(ALPHA, "WEBP", lossless=True, exact=True), ON_WHITE, 0),
    "clear-gray.png": (
        encoded(Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(ALPHA[..., 3])]), "PNG"),
        np.where(ALPHA[..., 3:] == 0, 255, GRAY[..., None]).repeat(3, 2),
        0,
    ),
    "huge-profile.png": (encoded(rgb(), "PNG", icc_profile=bytes(900_000)), RGB, 0),
    "nonsense-profile.jpg": (encoded(rgb(), "JPEG", quality=95, icc_profile=b"nonsense" * 9000), RGB, 60),
    "nonsense-exif.jpg": (encoded(rgb(), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"), RGB, 60),
    "orientation-nine.png": (turned(9), RGB, 0),
    "trailing.png": (PNG + b"rubbish" * 99, RGB, 0),
    "many-texts.png": (
        png(64, 48, 8, 2, b"".join(b"\0" + row.tobytes() for row in RGB), *[chunk(b"tEXt", b"a\0b")] * 500),
        RGB,
        0,
    ),
    "with space.png": (PNG, RGB, 0),
    "with\nnewline.png": (PNG, RGB, 0),
    "-flag.png": (PNG, RGB, 0),
    "%s{}.png": (PNG, RGB, 0),
    "ünïcödé 写真.png": (PNG, RGB, 0),
    os.fsdecode(b"latin-\xe9\xff.png"): (PNG, RGB, 0),
    **{f"turned{orientation}.png": (turned(orientation), RGB, 0) for orientation in range(1, 9)},
    "pages.tif": (encoded(rgb(), "TIFF", save_all=True, append_images=PAGES), RGB, 0),
    "animated.webp": (encoded(rgb(), "WEBP", lossless=True, save_all=True, append_images=PAGES), RGB, 0),
    "animated.png": (encoded(rgb(), "PNG", save_all=True, append_images=PAGES), RGB, 0),
}
"""Files, what they show, and how far from that they may be read (of 255)."""

SEVERAL = {"pages.tif", "animated.webp", "animated.png"}
"""Those that hold more than one image, of which training and measuring take the first."""


def broken_codes() -> bytes:
    """A TIFF file whose LZW codes mean nothing."""
    noise = np.random.default_rng(0).integers(0, 256, RGB.shape, np.uint8)
    content = encoded(noise, "TIFF", compression="tiff_lzw")
    return content[:500] + b"\xff" * 200 + content[700:]


BROKEN: dict[str, bytes] = {
    "zero.png": b"",
    "cut.png": PNG[: len(PNG) // 2],
    "cut.jpg": JPEG[: len(JPEG) // 2],
    "header.png": PNG[:20],
    "header.jpg": JPEG[:10],
    "cut.tif": encoded(rgb(), "TIFF")[:100],
    "cut.webp": encoded(rgb(), "WEBP")[:200],
    "flipped.png": PNG[:200] + bytes(200) + PNG[400:],
    "text.png": b"this is no image",
    "page.jpg": b"<html><body>404 not found</body></html>",
    "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'/>",
    "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n(/etc/passwd) run\n%%EOF",
    "random.bmp": np.random.default_rng(0).bytes(3000),
    "magic.png": b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).bytes(3000),
    "no-pixels.png": png(0, 0, 8, 2, b""),
    "no-palette.png": png(64, 48, 8, 3, bytes(65 * 48)),
    "bomb.png": png(60_000, 60_000, 1, 0, bytes(1000)),
    "huge-tile.tif": tiff(
        {256: (4, [2**31 - 1]), 257: (4, [2**31 - 1]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1])},
        b"x",
    ),
    "text-bomb.png": png(
        64, 48, 8, 2, b"".join(b"\0" + row.tobytes() for row in RGB),
        *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))] * 100,
    ),
    "float-rgb.tif": float_rgb(),
    "codes.tif": broken_codes(),
    "jpeg2000.jpg": encoded(rgb(), "JPEG2000"),
}  # fmt: skip
"""Files that are no images, or none that a photograph comes in."""

SMALL: dict[str, bytes] = {
    "pixel.png": encoded(RGB[:1, :1], "PNG"),
    "line.png": png(100_000, 1, 8, 0, bytes(100_001)),
    "column.png": png(1, 100_000, 8, 0, bytes(200_000)),
}
"""Files that show something, but nothing to train on."""


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    """A folder of all of these, and of things that are no files."""
    folder = tmp_path_factory.mktemp("wild")
    for name, content in {**BROKEN, **SMALL, **{name: content for name, (content, *_) in FINE.items()}}.items():
        (folder / name).write_bytes(content)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "nowhere.png").symlink_to(folder / "gone.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    return folder


@pytest.mark.parametrize("name", FINE, ids=repr)
def test_what_can_be_shown_is_read_as_it_is_shown(wild, name):
    _, expected, tolerance = FINE[name]
    loaded = images.load(wild / name)
    assert (loaded.dtype, loaded.shape) == (np.uint8, expected.shape)
    assert np.abs(loaded.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_shown_is_named(wild, name, capfd):
    with pytest.raises(UserError, match=name) as caught:
        images.load(wild / name)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr().err == ""  # libraries written in C may say so too


def test_there_are_forty_kinds():
    assert len(FINE) + len(BROKEN) + len(SMALL) > 40


def test_a_folder_of_them_all(wild, caplog, capfd):
    """In training and in measuring: what is fine is used, all others are named once, and only they."""
    paths = images.find(wild)
    assert {path.name for path in paths} == {*FINE, *BROKEN, *SMALL}
    patches = Patches(Photographs(paths, 2), 16, 4, seed=0)
    assert patches.at(0)[0].shape == (4, 16, 16, 3)
    messages = [record.getMessage() for record in caplog.records]
    assert not any("\n" in message for message in messages)
    assert "left out: 1 sub-folder (folder.png)" in messages.pop(0)
    for name in BROKEN:
        assert sum(f"/{name}: " in message for message in messages) == 1
    assert len(messages) == len(BROKEN) + 1
    assert "is smaller than a patch" in messages[-1]
    fine = [path for path in paths if path.name not in SMALL]
    assert {pair.name for pair in load_pairs(fine, 2)} == set(FINE)
    with pytest.raises(UserError, match="too small to be measured"):
        load_pairs(paths, 2)
    assert capfd.readouterr().err == ""


def test_any_name_can_be_held_out(wild, tmp_path):
    for name in FINE:
        (tmp_path / name).symlink_to(wild / name)
    data = DataSettings(data=str(tmp_path))
    assert sum(len(data.paths(role)) for role in ("train", "val", "test")) == len(FINE)


def test_what_is_no_file_is_named(wild):
    for name in ("loop.png", "nowhere.png", "pipe.png", "folder.png"):
        with pytest.raises(UserError, match=rf"{name}: no such image"):
            images.load(wild / name)


def test_one_image_among_ten_thousand_files(tmp_path):
    for i in range(10_000):
        (tmp_path / f"{i}.txt").touch()
    with pytest.raises(UserError, match="holds no images"):
        images.find(tmp_path)
    (tmp_path / "one.png").write_bytes(PNG)
    assert [path.name for path in images.find(tmp_path)] == ["one.png"]
    with pytest.raises(UserError, match="too few to hold some out"):
        DataSettings(data=str(tmp_path)).paths("train")


def test_what_may_not_be_read_is_named(unprivileged):
    (unprivileged / "mine.png").write_bytes(PNG)
    (unprivileged / "mine.png").chmod(0)
    with pytest.raises(UserError, match=r"mine\.png: not a readable image \(.*Permission denied"):
        images.load(unprivileged / "mine.png")
    (unprivileged / "folder").mkdir(mode=0)
    with pytest.raises(UserError, match="folder: Permission denied"):
        images.find(unprivileged / "folder")
    (unprivileged / "folder").chmod(0o755)


def test_upscaling_a_folder_of_them_all(invoke, wild, tmp_path):
    files.save(nets.build(imdn(2, 8, 1)), tmp_path / "model.keras")
    flags = (f"--model={tmp_path / 'model.keras'}", f"--input={wild}", f"--output={tmp_path / 'out'}")
    status, _, stderr = invoke("--mode=upscale", *flags)
    assert status == 2
    line = stderr.splitlines()[-1]
    assert line.startswith("srnas_tf: ")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert not made & set(BROKEN)
    assert set(FINE) - SEVERAL <= made
    with Image.open(tmp_path / "out" / "turned6.png") as image:
        assert image.size == (128, 96)


@pytest.mark.parametrize("name", ["zero.png", "loop.png", "nowhere.png", "pipe.png", "bomb.png", "text.png"])
def test_upscaling_one_of_them(invoke, wild, tmp_path, name):
    files.save(nets.build(imdn(2, 8, 1)), tmp_path / "model.keras")
    flags = (f"--model={tmp_path / 'model.keras'}", f"--input={wild / name}", f"--output={tmp_path / 'out.png'}")
    status, _, stderr = invoke("--mode=upscale", *flags)
    assert status == 2
    [line] = stderr.splitlines()
    assert name in line
    assert not (tmp_path / "out.png").exists()


def test_names_like_markup_are_shown_as_they_are(invoke, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr.isatty", lambda: True)
        with progress("[/b]", 2) as report:
            report(1, "[/i].png")
    print_table("[/b]", ["[/i]"], [["[/u]"]])
    stdout, _ = capsys.readouterr()
    assert [line.strip() for line in stdout.split()] == ["[/b]", "[/i]", "[/u]"]


def test_names_that_stdout_cannot_say_are_spelled(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    process = command("--mode=tables", f"--results={folder}", f"--table={folder.name}")
    assert process.returncode == 2
    assert "caf\\udce9" in process.stderr
    with pytest.raises(UserError, match="is not UTF-8"):
        Workdir(folder)


def test_remarks_of_libraries_are_not_shown(invoke, monkeypatch, recwarn):
    monkeypatch.setattr("srnas_tf.modes.describe.run", lambda workdir: warnings.warn("deprecated", stacklevel=2))
    assert invoke("--mode=describe") == (0, "", "")
    assert not recwarn


def _tiff_whose_next_page(offset: int) -> bytes:
    """A TIFF file whose one page names another that is not there, or is none."""
    content = bytearray(encoded(rgb(), "TIFF"))
    [start] = struct.unpack_from("<I", content, 4)
    [count] = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * count, offset)
    return bytes(content)


FOUND = {
    "page-of-nothing.tif": _tiff_whose_next_page(100),
    "page-past-the-end.tif": _tiff_whose_next_page(10**6),
    "exif-of-no-order.jpg": encoded(rgb(), "JPEG", exif=b"Exif\0\0\x01M\0*\0\0\0\x08"),
    "exif-past-its-end.jpg": encoded(rgb(), "JPEG", exif=b"Exif\0\0II\x80\0\xff\xff\xff\x7f"),
    "exif-cut.png": png(
        64, 48, 8, 2, b"".join(b"\0" + row.tobytes() for row in RGB), chunk(b"eXIf", b"II*\0\x08\0\0\0\x09\0\x0f\x01")
    ),
}  # fmt: skip
"""What tests/fuzz.py came upon: files that can be shown, whose other parts cannot be read."""


@pytest.mark.parametrize("name", FOUND)
def test_what_cannot_be_read_of_a_photograph_is_left_or_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FOUND[name])
    assert images.load(path).shape == RGB.shape
    try:
        image = photographs.read(path)
    except UserError as error:
        assert name in str(error)
        assert path.suffix == ".tif"
        return
    assert image.pixels.shape == RGB.shape
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        photographs.write(tmp_path / f"again{suffix}", image)
        assert images.load(tmp_path / f"again{suffix}").shape == RGB.shape
