"""Valid model files, and changes to them that know their structure: what `fuzz.py` feeds to the readers of models."""

import io
import json
import random
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]

NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**16, 2**31 - 1, -(2**31), 2**32, 2**40)
TEXTS = ("", "lr", "sr", "..", "/etc/passwd", "Loop", "WriteFile", "Conv", "Identity", "x" * 300)


def numbers(rng: random.Random, value: int) -> int:
    return rng.choice((value + 1, value - 1, value * 2, rng.choice(NUMBERS)))


def proto(rng: random.Random, message) -> None:
    """Changes a few fields of a protocol buffer, wherever they are."""
    from srnas_tf.freeze.untrusted import _messages

    for _ in range(rng.choice((1, 1, 2, 4))):
        each = rng.choice(list(_messages(message)))
        fields = each.ListFields()
        if not fields:
            continue
        field, value = rng.choice(fields)
        try:
            _change(rng, each, field, value)
        except (ValueError, TypeError, OverflowError, AttributeError):  # out of what the field can hold
            each.ClearField(field.name)


def _change(rng: random.Random, message, field, value) -> None:
    many = hasattr(value, "append") or hasattr(value, "add")
    if many and len(value) and rng.random() < 0.5:
        i = rng.randrange(len(value))
        if rng.random() < 0.4:
            del value[i]
        elif field.message_type:
            value.add().CopyFrom(value[rng.randrange(len(value))])
        else:
            value[i] = _other(rng, value[i])
    elif field.message_type or many or rng.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _other(rng, value))


def _other(rng: random.Random, value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return numbers(rng, value)
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    if isinstance(value, str):
        return rng.choice(TEXTS)
    return spoiled(rng, bytes(value))


def spoiled(rng: random.Random, content: bytes) -> bytes:
    """A few bytes changed, or some taken out."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 2, 8))):
        if data:
            at = rng.randrange(len(data))
            data[at] = rng.choice((0, 127, 255, rng.randrange(256)))
    if data and rng.random() < 0.2:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def onnx(rng: random.Random, content: bytes) -> bytes:
    import onnx as library

    if rng.random() < 0.15:
        return spoiled(rng, content)
    model = library.ModelProto()
    model.ParseFromString(content)
    proto(rng, model)
    return model.SerializeToString()


def archive(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        return {name: members.read(name) for name in members.namelist()}


def packed(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    return stream.getvalue()


def saved_model(rng: random.Random, content: bytes) -> bytes:
    """Of a folder in an archive: its graph, most often, or what its variables are in."""
    from tensorflow.core.protobuf import saved_model_pb2

    members = archive(content)
    if rng.random() < 0.25:
        name = rng.choice(sorted(members))
        return packed(members | {name: spoiled(rng, members[name])})
    model = saved_model_pb2.SavedModel()
    model.ParseFromString(members["saved_model.pb"])
    proto(rng, model)
    return packed(members | {"saved_model.pb": model.SerializeToString()})


def keras(rng: random.Random, content: bytes) -> bytes:
    """Of an archive: its configuration, or the datasets of its weights, or their bytes."""
    members = archive(content)
    weights = "model.weights.h5"
    kind = rng.randrange(3)
    if kind == 0:
        config = json.loads(members["config.json"])
        _json(rng, config)
        return packed(members | {"config.json": json.dumps(config).encode()})
    changed = spoiled(rng, members[weights]) if kind == 1 else _hdf5(rng, members[weights])
    return packed(members | {weights: changed})


def _json(rng: random.Random, value) -> None:
    """Changes one value, somewhere."""
    while isinstance(value, dict | list) and value:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.8:
            value = value[key]
            continue
        value[key] = rng.choice((None, -1, 2.5, 10**9, 10**30, "x", "x4:w8:imdn:r0.25:k3:f1:SCS", [], {}, True, [[1]]))
        return


def _hdf5(rng: random.Random, content: bytes) -> bytes:
    import h5py
    import numpy as np

    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = rng.choice(names)
        shape = file[name].shape
        del file[name]
        way = rng.randrange(6)
        if way == 0:
            file.create_dataset(name, (1 << rng.randrange(20, 40),), "f4")
        elif way == 1:
            file.create_dataset(name, data=np.zeros(shape), compression="gzip" if shape else None)
        elif way == 2:
            file[name] = h5py.SoftLink(rng.choice(names))
        elif way == 3:
            file.create_dataset(name, data=np.full(shape, np.nan, "f4"))
        elif way == 4:
            file.create_dataset(name, data=np.zeros((*shape, 2), "f4"))
    return stream.getvalue()


def litert(rng: random.Random, content: bytes) -> bytes:
    """Changes a few numbers, texts and lists of the buffer's objects; or any bytes."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if rng.random() < 0.3:
        return spoiled(rng, content)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for _ in range(rng.choice((1, 1, 2, 4))):
        _object(rng, model)
    try:
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    except Exception:  # of a value that its place cannot hold
        return spoiled(rng, content)


def _object(rng: random.Random, thing) -> None:
    while True:
        fields = {name: value for name, value in vars(thing).items() if value is not None and name != "data"}
        if not fields:
            return
        name, value = rng.choice(list(fields.items()))
        inner = value
        if isinstance(value, list) and value and hasattr(value[0], "__dict__"):
            if rng.random() < 0.1:
                del value[rng.randrange(len(value))]
                return
            inner = rng.choice(value)
        if hasattr(inner, "__dict__"):
            thing = inner
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            setattr(thing, name, numbers(rng, value))
        elif hasattr(value, "__len__") and not isinstance(value, str | bytes) and len(value):
            changed = value.copy()  # an array is a view of the file
            changed[rng.randrange(len(value))] = rng.choice((0, 1, 2, 3, 127))
            setattr(thing, name, changed)
        return


Seeds = list[tuple[str, bytes]]


def _files(folder: str, pattern: str) -> Seeds:
    return [(path.name, path.read_bytes()) for path in sorted((ROOT / folder).glob(pattern))]


def onnx_files() -> Seeds:
    return _files("export/onnxruntime/x2", "*.onnx") + _files("export/onnxruntime/x2/stages", "*.onnx")[:1]


def litert_files() -> Seeds:
    return _files("export/litert/x2", "*.tflite")


def keras_files() -> Seeds:
    from srnas_tf import arch, nets
    from srnas_tf.nets import files

    made = []
    with tempfile.TemporaryDirectory() as folder:
        for network in (arch.imdn(2, 8, 1), arch.NETS["fsrcnn"](scale=2)):
            path = Path(folder) / "m.keras"
            files.save(nets.build(network), path)
            made.append((path.name, path.read_bytes()))
    return made


def saved_models() -> Seeds:
    from srnas_tf import arch, nets
    from srnas_tf.freeze.saved_model import save

    with tempfile.TemporaryDirectory() as folder:
        save(nets.build(arch.imdn(2, 8, 1)), Path(folder) / "m")
        members = {
            path.relative_to(Path(folder) / "m").as_posix(): path.read_bytes()
            for path in (Path(folder) / "m").rglob("*")
            if path.is_file()
        }
    return [("m.zip", packed(members))]


def read(path: Path) -> None:
    """As `--mode=upscale` does: examined, loaded, run."""
    from srnas_tf.freeze import trial, upscalers

    trial.SECONDS = 40.0
    if path.suffix == ".zip":
        folder = path.with_suffix("")
        content = path.read_bytes()
        # One that was cut off is the graph of a folder.
        members = archive(content) if zipfile.is_zipfile(path) else {"saved_model.pb": content}
        for name, content in members.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        path = folder
    upscalers.load_upscaler(path)


KINDS: dict[str, tuple[Callable[[], Seeds], Callable[[random.Random, bytes], bytes]]] = {
    "keras": (keras_files, keras),
    "onnx": (onnx_files, onnx),
    "litert": (litert_files, litert),
    "saved_model": (saved_models, saved_model),
}
"""By name: what makes valid files, and what spoils one."""
