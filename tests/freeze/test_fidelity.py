"""Which int8 file is made of a network: the first that is near enough to it."""

import numpy as np
import pytest

from srnas_tf.freeze import convert, fidelity

OFF = {
    "tints": (0.0, 4.0),
    "is rough": (1.5, 0.0),
    "is both": (1.5, 4.0),
    "is good": (0.6, 3.0),
    "is as good": (0.0, 0.0),
}
"""By choice, how many levels its file is off on photographs and on flat colours."""


def network(image):
    return image


def made(choice):
    def upscale(image):
        on_photographs, on_flat = OFF[choice]
        levels = on_flat if np.ptp(image, axis=(0, 1)).max() == 0 else on_photographs
        return image + np.where(image < 0.5, levels, -levels) / 255

    return upscale


@pytest.mark.parametrize(
    ("choices", "taken"),
    [
        (["tints", "is good", "is as good"], "is good"),
        (["is rough", "is good", "is as good"], "is good"),
        (["is as good", "is good"], "is as good"),
        (["is both", "tints", "is rough"], "is rough"),  # none will do: the last, which the export may refuse
    ],
)
def test_the_first_choice_that_is_near_enough_is_taken(tmp_path, monkeypatch, choices, taken):
    target, whole = tmp_path / "int8", tmp_path / "whole"
    photographs = np.random.default_rng(0).uniform(0, 1, (2, 16, 16, 3)).astype(np.float32)
    np.save(tmp_path / "patches.npy", photographs)
    known = {"patches": [str(tmp_path / "patches.npy")], "inner": choices, "levels": [], "described": []}

    def opened(path, own):
        return (network if path == whole else made(path.read_text())), 1

    monkeypatch.setattr(convert, "load_upscaler", opened)
    job = convert._job(tmp_path / "saved_model", target, known)
    job.choose(lambda model, convolutions: target.write_text(convolutions), whole)
    assert target.read_text() == taken


def test_agreement_and_tint():
    images = np.full((2, 8, 8, 3), 0.5, np.float32)
    images[:, 0] = 0
    assert fidelity.agreement(network, lambda image: image + np.float32(0.01), images) == pytest.approx(40, abs=1e-3)
    assert fidelity.agreement(network, network, images) == 200
    assert fidelity.tint(made("tints"), network, (8, 8)) == 4
    assert fidelity.own_tint(lambda image: np.kron(image, np.ones((2, 2, 1))) * 0.8, 2, (8, 8)) == 51
