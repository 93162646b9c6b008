"""What is said of the machine before a training: its devices, and why a GPU is not used."""

import os

import pytest

from srnas_tf.host import devices


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A driver that knows of a GPU, which nothing hides."""
    (tmp_path / "0000:01:00.0").mkdir()
    monkeypatch.setattr(devices, "NVIDIA", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_machine_without_a_gpu_is_named_by_its_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "NVIDIA", tmp_path / "none")
    monkeypatch.setattr(devices.platform, "system", lambda: "Linux")
    assert "GPU" not in devices.in_use(2)
    assert devices.in_use(2).startswith(devices.processor())
    assert "as 2 devices" in devices.in_use(2)


@pytest.mark.parametrize("hidden", ["", "-1", "none"])
def test_a_hidden_gpu(gpu, monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert f"CUDA_VISIBLE_DEVICES={hidden} hides it" in devices.in_use(1)


@pytest.mark.parametrize(
    ("with_cuda", "loads", "installed", "why"),
    [
        (False, {"libcuda.so.1"}, True, "built without CUDA"),
        (True, set(), True, "libcuda.so.1"),
        (True, {"libcuda.so.1"}, None, "srnas_tf[cuda]"),
        (True, {"libcuda.so.1"}, True, "TF_CPP_MIN_LOG_LEVEL"),
        (True, {"libcuda.so.1", "libcudnn.so.9"}, None, "TF_CPP_MIN_LOG_LEVEL"),
    ],
)
def test_a_gpu_that_cannot_be_used(gpu, monkeypatch, with_cuda, loads, installed, why):
    monkeypatch.setattr(devices, "_loads", lambda library: library in loads)
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: installed)
    said = devices.unused_gpu(with_cuda)
    assert said.startswith("TensorFlow cannot use the NVIDIA GPU: ")
    assert why in said


@pytest.mark.skipif("TF_ENABLE_ONEDNN_OPTS" not in devices.SETTINGS, reason="not an x86 processor")
def test_tensorflow_uses_onednn_unless_the_user_says_otherwise(monkeypatch):
    for name, said in (("TF_ENABLE_ONEDNN_OPTS", "0"), ("TF_CPP_MIN_LOG_LEVEL", None)):
        monkeypatch.delenv(name, raising=False)
        if said:
            monkeypatch.setenv(name, said)
    devices.settle_tensorflow()
    assert (os.environ["TF_ENABLE_ONEDNN_OPTS"], os.environ["TF_CPP_MIN_LOG_LEVEL"]) == ("0", "3")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    devices.settle_tensorflow()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
