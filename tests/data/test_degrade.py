"""Degradations: their text, what each step does, and that a part of an image is what the whole has there."""

import numpy as np
import pytest
from conftest import photograph
from PIL import Image
from scipy import ndimage

from srnas_tf.data import imresize
from srnas_tf.data.degrade.picture import Window
from srnas_tf.data.degrade.pipeline import called, parse
from srnas_tf.data.degrade.resize import KERNELS
from srnas_tf.data.degrade.steps import PHOTO, STEPS
from srnas_tf.errors import UserError
from srnas_tf.seeding import generator

HR = photograph(np.random.default_rng(1), 12 * 19, 12 * 22)
HR += np.random.default_rng(2).integers(0, 40, HR.shape).astype(np.uint8) // 2


def degraded(text: str, hr: np.ndarray = HR, scale: int = 4, seed: int = 0) -> np.ndarray:
    return parse(text).whole(hr, scale, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("bicubic", "bicubic"),
        ("resize=bicubic", "bicubic"),
        (" resize = area | bicubic , jpeg=60:95@.8", "resize=area|bicubic,jpeg=60:95/420@0.8"),
        ("jpeg=50", "resize=bicubic,jpeg=50/420"),
        ("blur=.2:3,noise=5", "blur=0.2:3,resize=bicubic,noise=5"),
        ("nearest", "resize=nearest"),
        ("bicubic,webp=70|80:90", "resize=bicubic,webp=70|80:90"),
        ("aniso=1:3", "aniso=1:3/1:3/0:180,resize=bicubic"),
        ("aniso=1/2:3/45", "aniso=1/2:3/45,resize=bicubic"),
        (
            "blur=1,resize=area|bicubic/.5:1.5@0.5,noise=1,blur=1,resize=lanczos,jpeg=30/444",
            "blur=1,resize=area|bicubic/0.5:1.5@0.5,noise=1,blur=1,resize=lanczos,jpeg=30/444",
        ),
    ],
)
def test_texts_are_understood(text, understood):
    assert str(parse(text)) == understood == str(parse(understood))
    assert parse(text).plain == (understood == "bicubic")


def test_the_preset_is_its_text():
    assert str(parse("photo")) == str(parse(PHOTO)) == str(parse(str(parse("photo"))))
    assert str(parse("photo,noise=1")).endswith(",noise=1")
    assert [called(str(parse(text))) for text in ("photo", "area", "bicubic")] == ["photo", "area", "bicubic"]
    assert called("resize=area,noise=1") == "resize=area,noise=1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sharpen=3", "'?sharpen'? is no step; steps are blur, "),
        ("", "is no step"),
        ("bicubic,,jpeg=3", "is no step"),
        ("blur", "blur: has no value"),
        ("blur=", "has no value"),
        ("blur=3:1", "upside down; write 1:3"),
        ("jpeg=30:20", "upside down"),
        ("noise=5@1.5", "probability 1.5 must be"),
        ("noise=5@-1", "probability -1 must be"),
        ("noise=5@", "probability behind @ must be"),
        ("noise=5@nan", "probability nan must be"),
        ("resize=area,jpeg=50,resize=bicubic", "resize=area and resize=bicubic both divide by the scale"),
        ("bicubic,nearest", "both divide by the scale"),
        ("jpeg=0", "quality must be at least 1 and at most 100"),
        ("jpeg=50:101", "quality must be at least 1 and at most 100"),
        ("webp=0", "quality must be at least 1 and at most 100"),
        ("jpeg=50.5", "quality is a whole number"),
        ("jpeg=50/411", "'411' is no subsampling; 420, 422, 444 are"),
        ("noise=-1", "sigma must be at least 0"),
        ("noise=x", "'x' is no number"),
        ("noise=inf", "'inf' is no number"),
        ("blur=1:2:3", "is no range"),
        ("blur=1/2", r"takes 1 value\(s\): sigma"),
        ("resize=cubic", "'cubic' is no kernel; bicubic, "),
        ("resize=area@.5", "always done; drop its @"),
        ("resize=area/0", "factor must be at least 0.1"),
        ("resize=area,resize=area/.5", "stands behind resize=area"),
    ],
)
def test_mistakes_are_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        parse(text)
    assert str(caught.value).startswith("--degradation: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_the_reduction_of_the_protocol(scale):
    np.testing.assert_array_equal(degraded("bicubic", scale=scale), imresize.reduce(HR, scale))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_fast_reduction_is_matlabs(scale):
    rng = np.random.default_rng(scale)
    for height, width in [(1, 1), (1, 9), (2, 3), (5, 1), (17, 12), (40, 31)]:
        for low, high in ((0, 256), (0, 2), (254, 256)):
            image = rng.integers(low, high, (height * scale, width * scale, 3)).astype(np.uint8)
            image[rng.random(image.shape) < 0.3] = 255
            np.testing.assert_array_equal(imresize.reduce(image, scale), imresize.imresize(image, height, width))


EXACT = [
    "bicubic",
    *(f"resize={kernel}" for kernel in KERNELS),
    "blur=0.7",
    "blur=2.6,resize=area",
    "aniso=0.5/3/30,resize=lanczos",
    "jpeg=40",
    "jpeg=75/422",
    "jpeg=75/444,jpeg=30",
    "blur=1,resize=bilinear/0.7,jpeg=60,blur=0.8,resize=area/1.4,resize=bicubic,jpeg=50",
    "resize=nearest/0.37,resize=lanczos/2.1,resize=nearest",
    "blur=0,noise=0,resize=area",
]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("text", EXACT)
def test_a_part_is_what_the_whole_has_there(text, scale):
    hr = imresize.crop_to_multiple(HR, scale)
    whole = degraded(text, hr, scale)
    assert whole.dtype == np.uint8
    assert whole.shape == (hr.shape[0] // scale, hr.shape[1] // scale, 3)
    height, width, _ = whole.shape
    corners = [(0, 0), (0, width - 12), (height - 12, 0), (height - 12, width - 12), (13, 7), (20, 30), (31, 17)]
    for top, left in corners:
        window = Window(top, left, top + 12, left + 12)
        part = parse(text).window(hr, whole.shape[:2], scale, window, np.random.default_rng(0))
        np.testing.assert_array_equal(part, whole[top : top + 12, left : left + 12])


def test_a_part_of_webp_is_nearly_so():
    whole, part = (
        degraded("webp=60"),
        parse("webp=60").window(HR, (57, 66), 4, Window(20, 20, 44, 44), np.random.default_rng(0)),
    )
    assert np.abs(whole[20:44, 20:44].astype(int) - part).mean() < 6


def test_no_more_of_the_image_is_read_than_a_part_depends_on():
    class Mapped:
        def __getitem__(self, window):
            read.append([s.stop - s.start for s in window])
            return HR[window]

    read: list = []
    parse("photo").window(Mapped(), (57, 66), 4, Window(10, 10, 34, 34), np.random.default_rng(3))
    assert max(read[0]) <= 4 * (24 + 2 * 16) + 60


def test_kernels_are_pillows():
    image = Image.fromarray(HR)
    for kernel, (resample, _, _) in KERNELS.items():
        theirs = np.asarray(image.resize((HR.shape[1] // 4, HR.shape[0] // 4), resample))
        # MATLAB's bicubic goes on beyond the borders as the image's mirror image.
        inner = np.s_[2:-2, 2:-2] if kernel == "bicubic" else np.s_[:]
        assert np.abs(degraded(kernel).astype(int) - theirs)[inner].max() <= (kernel == "bicubic")
        odd = degraded(f"resize={kernel}/0.69,resize=nearest", HR, 1)[::3, ::3]
        theirs = image.resize((round(HR.shape[1] * 0.69), round(HR.shape[0] * 0.69)), resample)
        theirs = np.asarray(theirs.resize(image.size, Image.Resampling.NEAREST))[::3, ::3]
        assert (np.abs(odd.astype(int) - theirs) > 1).mean() < 0.03
    area = HR.reshape(HR.shape[0] // 4, 4, HR.shape[1] // 4, 4, 3).mean((1, 3))
    assert np.abs(degraded("area") - area).max() <= 1


def test_blur_is_a_gaussian():
    dot = np.zeros((120, 120, 3), np.uint8)
    dot[40:80, 40:80] = 255
    expected = ndimage.gaussian_filter(dot.astype(float), (2, 2, 0), truncate=6)
    for text in ("blur=2,resize=nearest", "aniso=2/2/30,resize=nearest"):
        lr = degraded(text, dot, 2)
        assert np.abs(lr - expected[1::2, 1::2]).max() <= 1.5, text
    long = degraded("aniso=6/0.5/0,resize=area", dot, 2).astype(int)
    assert long[30, 18, 0] > 20  # along the rows
    assert long[18, 30, 0] == 0
    assert np.abs(degraded("aniso=6/0.5/90,resize=area", dot, 2).swapaxes(0, 1) - long).max() <= 1


def test_noise_is_as_strong_as_it_says():
    flat = np.full((400, 400, 3), 100, np.uint8)
    noisy = degraded("noise=10", flat, 2).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.02)
    assert np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1] == pytest.approx(0, abs=0.03)
    gray = degraded("graynoise=10", flat, 2)
    assert gray.std() == pytest.approx(10, rel=0.03)
    assert (gray[..., 0] == gray[..., 2]).all()
    shot = degraded("poisson=0.5", flat, 2).astype(float)
    assert shot.std() == pytest.approx(0.5 * np.sqrt(100), rel=0.03)
    assert shot.mean() == pytest.approx(100, abs=0.2)
    assert (degraded("poisson=0", flat, 2) == 100).all()


def test_files_are_pillows(tmp_path):
    small = degraded("area")
    Image.fromarray(small).save(tmp_path / "a.jpg", quality=50)
    np.testing.assert_array_equal(degraded("area,jpeg=50"), np.asarray(Image.open(tmp_path / "a.jpg")))
    Image.fromarray(small).save(tmp_path / "a.webp", quality=50)
    np.testing.assert_array_equal(degraded("area,webp=50"), np.asarray(Image.open(tmp_path / "a.webp").convert("RGB")))


def test_ranges_choices_and_probabilities_are_drawn():
    [step] = [step for step in parse("resize=area|nearest,jpeg=30:40@0.3").steps if step.name == "jpeg"]
    rng = generator(0, "test")
    drawn = [step.draw(rng) for _ in range(2000)]
    qualities = [change.quality for change in drawn if change]
    assert len(qualities) / 2000 == pytest.approx(0.3, abs=0.04)
    assert set(qualities) == set(range(30, 41))
    kernels = [parse("resize=area|nearest").steps[0].draw(rng).kernel for _ in range(500)]
    assert kernels.count("area") == pytest.approx(250, abs=50)
    assert not np.array_equal(degraded("photo", seed=1), degraded("photo", seed=2))
    np.testing.assert_array_equal(degraded("photo", seed=1), degraded("photo", seed=1))


def test_every_step_runs():
    values = {"resize": "area/0.8"}
    for name in STEPS:
        assert degraded(f"{name}={values.get(name, '2')}").shape == (57, 66, 3)
