"""Official weights: both file formats, every scale, and files that want more than to be read."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest

from srnas_tf import arch, nets
from srnas_tf.errors import UserError
from srnas_tf.nets import official, torch_file
from srnas_tf.nets.files import load
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.stem import StridedStem


def official_weights(scale: int, seed: int = 0, stem: str = "plain") -> tuple[nets.SRNet, dict[str, np.ndarray]]:
    """A network, and its weights as IMDN's authors would store them."""
    model = nets.SRNet(arch.imdn(scale, 16, 2, stem))
    initialize(model, seed)
    weights = {}
    for name, layer in official._layers(model).items():
        kernel, bias = (v.numpy() for v in (layer.kernel, layer.bias))
        if layer is model.upsample:
            order = np.arange(bias.size).reshape(-1, 3).T.ravel()
            kernel, bias = kernel[..., order], bias[order]
        weights[f"{name}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        weights[f"{name}.bias"] = bias
    return model, weights


@pytest.fixture
def fake_torch(monkeypatch):
    """Names for a pickle to refer to, as PyTorch would."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*arguments):
        raise AssertionError("never called")

    rebuild.__module__ = "torch._utils"
    rebuild.__name__ = rebuild.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    torch._utils = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


class _Stored:
    def __init__(self, key, array):
        self.key, self.array = key, array


class _Tensor:
    def __init__(self, torch, key, array, shape=None, strides=None):
        self.torch, self.stored = torch, _Stored(key, array)
        self.shape = shape or array.shape
        self.strides = strides or tuple(stride // array.itemsize for stride in array.strides)

    def __reduce__(self):
        arguments = (self.stored, 0, self.shape, self.strides, False, collections.OrderedDict())
        return self.torch._utils._rebuild_tensor_v2, arguments


def _pickled(value, torch, legacy: bool) -> bytes:
    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, _Stored):
                return None
            extra = (None,) if legacy else ()
            return ("storage", torch.FloatStorage, item.key, "cpu", item.array.size, *extra)

    stream = io.BytesIO()
    Pickler(stream, 2).dump(value)
    return stream.getvalue()


def write_pth(path, weights, torch, legacy: bool) -> None:
    tensors = collections.OrderedDict(
        (name, _Tensor(torch, str(i), array)) for i, (name, array) in enumerate(weights.items())
    )
    described = _pickled(tensors, torch, legacy)
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights/data.pkl", described)
            for i, array in enumerate(weights.values()):
                archive.writestr(f"weights/data/{i}", array.tobytes())
        return
    head = [pickle.dumps(value, 2) for value in (torch_file._MAGIC, 1001, {"little_endian": True})]
    keys = pickle.dumps([str(i) for i in range(len(weights))], 2)
    values = [struct.pack("<q", array.size) + array.tobytes() for array in weights.values()]
    path.write_bytes(b"".join([*head, described, keys, *values]))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["npz", "zip", "legacy"])
def test_every_scale_from_every_format(tmp_path, fake_torch, scale, kind):
    model, weights = official_weights(scale)
    path = tmp_path / ("weights.npz" if kind == "npz" else "weights.pth")
    if kind == "npz":
        np.savez(path, **weights)
    else:
        write_pth(path, weights, fake_torch, kind == "legacy")
    read = official.read(path)
    network = official.network_of(read, path)
    assert network == model.network
    loaded = nets.SRNet(network)
    official.load_official(loaded, read, path)
    lr = np.random.default_rng(0).random((1, 9, 8, 3), np.float32)
    np.testing.assert_array_equal(loaded(lr), model(lr))


def test_pth_and_npz_of_the_reference_are_the_same(shared):
    folder = shared / "reference" / "imdn"
    pth, npz = (official.read(folder / f"IMDN_x4.{kind}") for kind in ("pth", "npz"))
    assert set(pth) == set(npz)
    for name, array in pth.items():
        np.testing.assert_array_equal(array, npz[name])


def test_the_reader_agrees_with_pytorch(shared):
    torch = pytest.importorskip("torch")
    path = shared / "reference" / "imdn" / "IMDN_x4.pth"
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    for name, array in torch_file.read(path).items():
        np.testing.assert_array_equal(array, theirs[name].numpy())


class _Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_wants_to_run_code_is_refused_before_it_does(tmp_path, legacy):
    marker, path = tmp_path / "was here", tmp_path / "evil.pth"
    payload = pickle.dumps({"fea_conv.weight": _Evil(marker)}, 2)
    if legacy:
        path.write_bytes(pickle.dumps(torch_file._MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + payload)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("evil/data.pkl", payload)
    with pytest.raises(UserError, match=r"evil\.pth.*io\.open"):
        torch_file.read(path)
    assert not marker.exists()


def test_tensors_that_reach_past_their_storage(tmp_path, fake_torch):
    array = np.zeros((2, 3), np.float32)
    for shape, strides in (((2, 4), (3, 1)), ((10**6, 10**6), (0, 0)), ((2, -3), (3, 1)), ((2, 3), (-3, 1))):
        bad = _Tensor(fake_torch, "0", array, shape, strides)
        path = tmp_path / "bad.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w/data.pkl", _pickled({"a": bad}, fake_torch, legacy=False))
            archive.writestr("w/data/0", array.tobytes())
        with pytest.raises(UserError, match=r"reaches past|negative"):
            torch_file.read(path)


def test_tensors_that_are_many_times_their_storage(tmp_path, fake_torch):
    array, path = np.zeros((100, 100), np.float32), tmp_path / "many.pth"
    for count in (2, 3):
        same = {str(i): _Tensor(fake_torch, "0", array) for i in range(count)}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w/data.pkl", _pickled(same, fake_torch, legacy=False))
            archive.writestr("w/data/0", array.tobytes())
        if count == 2:
            assert len(torch_file.read(path)) == 2
    with pytest.raises(UserError, match="far more than its storages"):
        torch_file.read(path)


def test_broken_files(tmp_path, fake_torch):
    _, weights = official_weights(2)
    path = tmp_path / "cut.pth"
    for legacy in (False, True):
        write_pth(path, weights, fake_torch, legacy)
        content = path.read_bytes()
        for length in (0, 10, len(content) // 2, len(content) - 5):
            path.write_bytes(content[:length])
            with pytest.raises(UserError, match=r"cut\.pth: not a file of weights"):
                official.read(path)
    (tmp_path / "cut.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="not a file of weights"):
        official.read(tmp_path / "cut.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="not a file of weights"):
        official.read(tmp_path / "objects.npz")
    with zipfile.ZipFile(tmp_path / "lines.npz", "w") as archive:
        header = "{'descr': '<7\x85f4', 'fortran_order': False, 'shape': (1,), }".encode("latin1")
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(4))
    with pytest.raises(UserError, match="not a file of weights") as refused:
        official.read(tmp_path / "lines.npz")
    assert len(str(refused.value).splitlines()) == 1


def test_weights_of_something_else(tmp_path):
    _, weights = official_weights(2)
    path = tmp_path / "other.npz"
    with pytest.raises(UserError, match=r"holds no fea_conv\.weight"):
        official.network_of({}, path)
    lacking = {name: array for name, array in weights.items() if name != "IMDB2.c3.bias"}
    model = nets.SRNet(official.network_of(lacking, path))
    with pytest.raises(UserError, match=r"lacks IMDB2\.c3\.bias"):
        official.load_official(model, lacking, path)
    misshapen = weights | {"LR_conv.weight": np.zeros((16, 8, 3, 3), np.float32)}
    with pytest.raises(UserError, match="LR_conv"):
        official.load_official(model, misshapen, path)


@pytest.mark.parametrize("scale", [2, 4])
def test_imdn_as(invoke, tmp_path, scale):
    """The network for any scale: two strided convs, told by their names; the scale is the user's to give."""
    model, weights = official_weights(scale, stem="strided")
    assert {"fea_conv.0.weight", "fea_conv.2.bias"} < set(weights)
    np.savez(tmp_path / "IMDN_AS.npz", **weights)
    arguments = (f"--input={tmp_path / 'IMDN_AS.npz'}", f"--workdir={tmp_path / 'w'}", f"--scale={scale}")
    assert invoke("--mode=import", *arguments)[0] == 0
    imported = load(tmp_path / "w" / "model.keras")
    assert str(imported.network) == str(model.network)
    lr = np.random.default_rng(0).random((1, 5, 7, 3), np.float32)
    np.testing.assert_array_equal(imported(lr), model(lr))
    assert imported(lr).shape == (1, 5 * scale, 7 * scale, 3)


def test_the_scale_of_other_weights_is_their_own(invoke, tmp_path):
    np.savez(tmp_path / "IMDN_x3.npz", **official_weights(3)[1])
    arguments = (f"--input={tmp_path / 'IMDN_x3.npz'}", f"--workdir={tmp_path / 'w'}")
    assert invoke("--mode=import", *arguments)[0] == 0
    status, _, stderr = invoke("--mode=import", *arguments, "--scale=2")
    assert status == 2
    assert "--scale=2" in stderr


def test_strided_convs_look_where_the_authors_look():
    """Padded by one pixel on all sides, a 3x3 conv of stride 2 is centred on every second pixel, from the first on."""
    stem = StridedStem((arch.Conv(3, 3, stride=2),), 2)
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    kernel[1, 1] = np.eye(3)
    stem.convs[0].set_weights([kernel, np.zeros(3, np.float32)])
    image = np.random.default_rng(0).random((1, 5, 4, 3), np.float32)
    np.testing.assert_allclose(stem(image), stem.resample(image)[:, ::2, ::2], atol=1e-6)


def test_what_is_no_array_among_arrays(tmp_path):
    np.savez(tmp_path / "w.npz", **{"fea_conv.weight": np.zeros((3, 3))})
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        archive.writestr("fea_conv.bias", b"no array")
    with pytest.raises(UserError, match=r"w\.npz: .*more than arrays"):
        official.read(tmp_path / "w.npz")


def test_names_within_a_file_cannot_write_on_the_terminal(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"\x80\x02ccoll\x0b\x1b[2Jctions\nOrdered\rDict\n.")
    with pytest.raises(UserError, match=r"asks for .*coll") as caught:
        official.read(path)
    assert str(caught.value).isprintable()
