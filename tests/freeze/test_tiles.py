"""Large images: part by part, in stages or overlapping; with the photograph's depth, transparency and words."""

import itertools

import numpy as np
import pytest
from conftest import photograph as drawn
from PIL import Image

from srnas_tf import arch, metrics, nets
from srnas_tf.data import photograph
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze.staged import load_model
from srnas_tf.kit import formats, rows, tiles
from srnas_tf.kit.picture import Photograph
from srnas_tf.modes.upscale import Enlarger
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.stages import stages

MIXED = "x2:w8:imdn:r0.25:k3:f1:SCSCS-RSC+reduced+f3"  # blocks that gather 10 and 8 channels


def saved(folder, text):
    network = nets.build(arch.parse(text))
    initialize(network, 0, "uniform")
    for block in getattr(network, "blocks", ()):  # gates that matter and differ from part to part, as trained ones do
        gain = 30 if block.plan.attends == "cca" else 4
        for layer, factor in (*((gate, gain) for gate in block.attention.convs), (block.fusion, 4), (block.last, 4)):
            layer.weights[0].assign(layer.weights[0] * factor)
    files.save(network, folder / "model.keras")
    return folder / "model.keras"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(saved(tmp_path_factory.mktemp("tiles"), MIXED))


def uneven() -> np.ndarray:
    """A photograph whose parts differ: one half of it is nearly black."""
    image = drawn(np.random.default_rng(1), 61, 83)
    image[:, 40:] //= 16
    return image


def difference(a, b) -> int:
    return int(np.max(np.abs(a.astype(int) - b.astype(int))))


def decibels(a, b) -> float:
    return -10 * np.log10(np.mean((a.astype(float) - b.astype(float)) ** 2) / 255**2 + 1e-12)


@pytest.mark.parametrize("pixels", [60, 700, 2500])
def test_stages_give_what_the_whole_image_gives(model, pixels, monkeypatch):
    monkeypatch.setattr(tiles, "ROWS", 4)
    image = uneven()
    whole = metrics.to_uint8(model.whole(image))
    parts = tiles.enlarge(image, model, pixels)
    assert difference(parts, whole) <= 1
    assert decibels(parts, whole) > 70


FAR = [
    "x2:w8:bare:r0.25:k3:f1:a.esa:TC-TC",
    "x2:w8:bare:r0.25:k3:f1:a.lka:TC-SC+imdn+a.cca",
    "x2:w8:row:inside:r0.25:b3:f1:a.esa:act.gelu:P-TC+bare+a.gate-C+a.lka",
]


@pytest.mark.parametrize("pixels", [60, 700, 2500])
@pytest.mark.parametrize("text", FAR)
def test_stages_of_attention_that_looks_far(tmp_path, text, pixels, monkeypatch):
    """Parts see as much as it does, and begin where its groups of pixels begin in the whole image."""
    monkeypatch.setattr(tiles, "ROWS", 4)
    model = load_model(saved(tmp_path, text))
    image = uneven()
    parts, whole = tiles.enlarge(image, model, pixels), metrics.to_uint8(model.whole(image))
    assert difference(parts, whole) <= 1
    assert decibels(parts, whole) > 65


@pytest.mark.parametrize("blocks", ["TCT-RS-SCS+imdn", "TCT-TC+a.cca+i2.0-SCS+i0.5"])
def test_stages_of_blocks_without_attention(tmp_path, blocks):
    model = load_model(saved(tmp_path, f"x2:w8:bare:r0.25:k3:f1:{blocks}"))
    image = uneven()
    parts, whole = tiles.enlarge(image, model, 700), metrics.to_uint8(model.whole(image))
    assert difference(parts, whole) <= 1
    assert decibels(parts, whole) > 70


def test_overlapping_parts_alone_do_not(model):
    image = uneven()
    whole = metrics.to_uint8(model.whole(image))
    assert decibels(tiles.enlarge(image, tiles.Model(model.whole, 2), 700), whole) < 60  # 45 of IMDN's own weights


def test_maps_on_disk_give_the_same(model, monkeypatch):
    image = uneven()
    in_memory = tiles.enlarge(image, model, 700)
    monkeypatch.setattr(rows, "IN_MEMORY", 1000)
    on_disk = tiles.enlarge(image, model, 700)
    assert isinstance(on_disk, rows.File)
    np.testing.assert_array_equal(on_disk[:], in_memory)


def test_reach_and_grid_of_attention():
    """ESA looks 19 pixels far and takes 6 together; of 6 too few or out of step, parts show."""
    first, *later = stages(nets.build(arch.parse(FAR[0])))
    assert (first.reach, [stage.reach for stage in later]) == (4, [19 + 3, 19 + 2])
    assert {stage.grid for stage in (first, *later)} == {6}
    assert [stage.reach for stage in stages(nets.build(arch.parse(FAR[1])))] == [4, 8 + 3, 2]
    assert [tiles._before(start, 22, 6) for start in (0, 20, 22, 23, 28, 60)] == [0, 20, 22, 23, 22, 24]


def test_what_can_be_cut(tmp_path):
    cut = stages(nets.build(arch.parse(MIXED)))
    assert [stage.reach for stage in cut] == [5, 3, 3]
    assert cut[1].channels == (8, 8, cut[1].gathered)
    assert not stages(nets.build(arch.parse("x2:fsrcnn")))
    assert not stages(nets.build(arch.parse("x3:w16:strided:SCSCS")))
    assert not stages(nets.build(arch.parse("x2:w16:imdn:r0.25:k1.3:f1:SCS")))


def test_a_network_without_global_statistics_needs_no_stages(tmp_path):
    fsrcnn = load_model(saved(tmp_path, "x2:fsrcnn"))
    image = drawn(np.random.default_rng(1), 61, 83)
    assert fsrcnn.stages() is None
    assert difference(tiles.enlarge(image, fsrcnn, 700), metrics.to_uint8(fsrcnn.whole(image))) == 0


def test_sixteen_bits_go_through(model):
    image = drawn(np.random.default_rng(1), 30, 40).astype(np.uint16) * 257
    image[0, 0] = 12345
    result = tiles.enlarge(image, model)
    assert result.dtype == np.uint16
    assert difference(result, metrics.to_uint8(model.whole(image)).astype(np.uint16) * 257) <= 129


def test_memory_that_runs_out_makes_parts_smaller_and_says_so_once(model, caplog):
    def hungry(lr):
        if lr.shape[0] * lr.shape[1] > 4000:
            raise RuntimeError("std::bad_alloc: Failed to allocate memory for requested buffer")
        return model.whole(lr)

    enlarger, greedy = Enlarger(), tiles.Model(hungry, 2)
    image = Photograph(drawn(np.random.default_rng(1), 60, 80))
    for _ in range(2):
        assert enlarger(image, greedy).pixels.shape == (120, 160, 3)
    assert [record.message for record in caplog.records] == ["out of memory: going on with parts of --tile=35"]

    def starving(lr):
        raise MemoryError

    with pytest.raises(WorkError, match="too little memory"):
        Enlarger()(image, tiles.Model(starving, 2))
    with pytest.raises(RuntimeError, match="another"):
        Enlarger()(image, tiles.Model(lambda lr: (_ for _ in ()).throw(RuntimeError("another")), 2))


COLOURS = drawn(np.random.default_rng(2), 20, 28)
ALPHA = np.linspace(0, 255, 20 * 28).reshape(20, 28, 1).astype(np.uint8)


def test_alpha_of_parts_is_that_of_the_whole():
    double = tiles.Model(lambda lr: np.repeat(np.repeat(lr, 2, 0), 2, 1), 2)
    image = Photograph(COLOURS, ALPHA)
    whole = Enlarger()(image, double)
    parts = Enlarger(tile=9)(image, double)
    np.testing.assert_array_equal(parts.alpha, whole.alpha)
    np.testing.assert_array_equal(parts.pixels, whole.pixels)


@pytest.mark.parametrize(
    ("suffix", "deep", "gray", "transparent"),
    list(itertools.product([".png", ".tif"], [False, True], [False, True], [False, True])),
)
def test_what_is_written_is_read_again(tmp_path, suffix, deep, gray, transparent):
    pixels = np.repeat(COLOURS[..., :1], 3, axis=-1) if gray else COLOURS
    alpha = ALPHA if transparent else None
    if deep:
        pixels, alpha = pixels.astype(np.uint16) * 257 + 3, None if alpha is None else alpha.astype(np.uint16) * 257
    path = tmp_path / f"a{suffix}"
    photograph.write(path, Photograph(pixels, alpha, gray, profile=b"of some camera"))
    again = photograph.read(path)
    assert again.gray == (gray and not (suffix == ".tif" and deep and transparent))  # which few programs read
    assert again.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(again.pixels, pixels)
    assert (again.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(again.alpha, alpha)


def test_depth_that_a_format_has_not_is_rounded(tmp_path):
    photograph.write(tmp_path / "a.webp", Photograph(COLOURS.astype(np.uint16) * 257))
    assert photograph.read(tmp_path / "a.webp").pixels.dtype == np.uint8
    with pytest.raises(UserError, match=r"choose \.png"):
        formats.check(tmp_path / "a.webp", Photograph(np.zeros((10, 10000, 3), np.uint8)), 2)


def test_orientation_is_obeyed_and_exif_and_profile_survive(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # orientation, make
    exif.get_ifd(0x8769)[0xA002] = 28
    Image.fromarray(COLOURS).save(tmp_path / "a.jpg", exif=exif, icc_profile=b"profile", quality=100)
    image = photograph.read(tmp_path / "a.jpg")
    assert image.pixels.shape == (28, 20, 3)
    for name in ("b.png", "b.jpg", "b.webp"):
        photograph.write(tmp_path / name, Enlarger()(image, tiles.Model(lambda lr: lr.repeat(2, 0).repeat(2, 1), 2)))
        with Image.open(tmp_path / name) as written:
            assert written.size == (40, 56)
            assert written.info["icc_profile"] == b"profile"
            assert written.getexif()[0x010F] == "a camera"
            assert 0x0112 not in written.getexif()
            assert written.getexif().get_ifd(0x8769)[0xA002] == 40


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png", ".tif"])
def test_animations_are_refused_by_name(tmp_path, suffix):
    frames = [Image.fromarray(np.roll(COLOURS, i, 0)) for i in range(3)]
    frames[0].save(tmp_path / f"dance{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=rf"dance\{suffix}: holds 3 images"):
        photograph.read(tmp_path / f"dance{suffix}")


def test_a_large_image_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "IN_MEMORY", 1000)
    double = tiles.Model(lambda lr: lr.repeat(2, 0).repeat(2, 1), 2)
    result = Enlarger()(Photograph(COLOURS, ALPHA, profile=b"profile"), double)
    assert isinstance(result.pixels, rows.File)
    photograph.write(tmp_path / "a.png", result)
    again = photograph.read(tmp_path / "a.png")
    np.testing.assert_array_equal(again.pixels, result.pixels[:])
    np.testing.assert_array_equal(again.alpha, result.alpha[:])


def test_tile_flag(invoke, tmp_path):
    network = saved(tmp_path, MIXED)
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    flags = ("--mode=upscale", f"--model={network}", f"--input={tmp_path / 'a.png'}")
    for tile in (0, 9):
        assert invoke(*flags, f"--output={tmp_path / f'{tile}.png'}", f"--tile={tile}")[0] == 0
    results = [photograph.read(tmp_path / f"{tile}.png").pixels for tile in (0, 9)]
    assert difference(*results) <= 1
    status, _, stderr = invoke(*flags, f"--output={tmp_path / 'b.png'}", "--tile=-1")
    assert status == 2
    assert "--tile=-1" in stderr


def test_parts_out_of_step_or_too_near_show(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "ROWS", 4)
    model, image = load_model(saved(tmp_path, FAR[0])), uneven()
    whole, made = metrics.to_uint8(model.whole(image)), model.stages()
    near = made._replace(reaches=tuple(min(reach, 8) for reach in made.reaches))
    right, *wrong = (
        decibels(tiles.enlarge(image, model._replace(stages=lambda each=each: each), 700), whole)
        for each in (made, made._replace(grid=1), near)
    )
    assert max(wrong) < right - 5


def test_overlapping_parts_begin_in_step(tmp_path, monkeypatch):
    """Files without stages: parts that begin at multiples of 6 see what ESA sees in the whole image."""
    model, image = load_model(saved(tmp_path, FAR[0])), np.tile(uneven(), (2, 2, 1))
    whole = metrics.to_uint8(model.whole(image))
    monkeypatch.setattr(tiles, "OVERLAP", 44)  # as far as two blocks look
    assert difference(tiles.enlarge(image, tiles.Model(model.whole, 2), 700), whole) == 0
    monkeypatch.setattr(tiles, "GRID", 1)
    assert difference(tiles.enlarge(image, tiles.Model(model.whole, 2), 700), whole) > 0
