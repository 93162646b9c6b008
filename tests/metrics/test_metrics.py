"""PSNR and SSIM against scikit-image and against hand-made cases."""

import numpy as np
import pytest
from conftest import photograph
from skimage.metrics import structural_similarity

from srnas_tf import metrics


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    reference = photograph(rng, 60, 70)
    noisy = np.clip(reference + rng.normal(0, 8, reference.shape), 0, 255).astype(np.uint8)
    return noisy, reference


@pytest.mark.parametrize("border", [0, 2, 4])
def test_ssim_is_that_of_scikit_image(images, border):
    x, y = (metrics.luma(image) for image in images)
    if border:
        x, y = (plane[border:-border, border:-border] for plane in (x, y))
    _, similarity = structural_similarity(
        x, y, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert metrics.ssim(*images, border) == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-9)


def test_psnr_of_a_known_error():
    reference = np.full((20, 20, 3), 100, np.uint8)
    step = metrics.luma(reference + 10)[0, 0] - metrics.luma(reference)[0, 0]
    assert metrics.psnr(reference + 10, reference, 4) == pytest.approx(20 * np.log10(255 / step))
    assert metrics.psnr(reference, reference, 4) == float("inf")


def test_borders_do_not_count(images):
    noisy, reference = images
    framed = reference.copy()
    framed[:4], framed[-4:], framed[:, :4], framed[:, -4:] = (
        noisy[s] for s in np.s_[:4, -4:, (slice(None), slice(4)), (slice(None), slice(-4, None))]
    )
    assert metrics.psnr(framed, reference, 4) == float("inf")
    assert metrics.psnr(framed, reference, 3) < 60


def test_luma_is_in_studio_range():
    assert metrics.luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))[0] == pytest.approx([16, 235], abs=0.02)


def test_to_uint8_clips_and_rounds():
    values = np.array([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 1.7])
    assert metrics.to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255]
