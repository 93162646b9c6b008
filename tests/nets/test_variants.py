"""The thesis' hand-made variants and supernet extensions, small: each builds, trains and lowers its loss."""

import pytest
from conftest import lines

from srnas_tf import arch
from srnas_tf.arch import Space
from srnas_tf.data.sources import DataSettings
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings

# From weights drawn at random: 20 steps bring any network that learns a good way down.
RECIPE = TrainSettings(
    steps=20, batch=2, patch=8, learning_rate=2e-3, first_weights="uniform", validate_every=20, checkpoint_every=20
)

VARIANTS = {
    "5x5": "x2:w16:imdn:r0.125:k5:f1:SCSCSK",
    "3 stages": "x2:w16:imdn:r0.33:k3:f1:SCSK",
    "extra conv": "x2:w16:imdn:r0.25:k3:f1:SCSCSK",
    "selective 1x1, 3x3": "x2:w16:imdn:r0.25:k1.3:f1:SCSCS",
    "selective 3x3, 5x5": "x2:w16:imdn:r0.25:k3.5:f1:SCSCS",
}
EXTENSIONS = {
    "initial, full": {"space": "initial", "ending": "full", "rate": 0.125},
    "initial, shared, fusion 1x1": {"space": "initial", "sharing": "ends", "fusion_kernel": 1},
    "initial20": {"space": "initial20"},
    "4 stages": {"stages": 4},
    "5 stages": {"stages": 5},
    "skip convs": {"skip_first": True},
    "taps": {"space": "tapped", "stages": 2},
    "entangled": {"stages": 2, "sharing": "entangled"},
    "entangled taps": {"space": "tapped", "stages": 2, "conv": "expanded_blueprint", "sharing": "entangled"},
}


@pytest.fixture
def job(photographs):
    return Job(DataSettings(data=str(photographs)), RECIPE, MachineSettings(), 2, photographs.parent)


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_table_4_3(job, tmp_path, name):
    job.train_network(arch.parse(VARIANTS[name]), tmp_path / "network")
    _check_learned(tmp_path / "network")


@pytest.mark.parametrize("name", EXTENSIONS)
def test_supernets(job, tmp_path, name):
    space = Space(**{"depth": 1, "width": 16, "scale": 2, **EXTENSIONS[name]})
    supernet = job.train_supernet(space, tmp_path / "supernet")
    assert supernet.count_params() == space.supernet_params
    _check_learned(tmp_path / "supernet")


def _check_learned(folder):
    first, *_, last = lines(folder / "metrics.jsonl")
    assert last["loss"] < 0.8 * first["loss"]
    assert last["val_psnr"] > 5
