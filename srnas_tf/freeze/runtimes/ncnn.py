"""ncnn: pairs of files in float16, `NAME.param` and `NAME.bin`, made by pnnx. Upscayl and video2x read them."""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .runtime import Form, Job, Opened, Runtime, pixels, planes

if TYPE_CHECKING:
    import onnx

IMAGE, ENLARGED = "data", "output"
"""Names of input and output, as programs for Real-ESRGAN's files expect them."""

SIDES = ((64, 48), (40, 72))
"""Two sizes of images, from which pnnx learns that any size is allowed."""


def _open(path: Path, threads: int = 0) -> Opened:
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_arithmetic = net.opt.use_fp16_storage = net.opt.use_bf16_storage = False
    if threads:
        net.opt.num_threads = threads
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix(".bin"))):
        raise ValueError("ncnn cannot read it, or the .bin file beside it")

    def run(batch: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input(IMAGE, ncnn.Mat(batch[0]).clone())
        failed, made = extractor.extract(ENLARGED)
        if failed:
            raise ValueError(f"ncnn cannot run it ({failed})")
        return np.array(made)[None]

    return Opened(run, None, planes, pixels)


def _operators(path: Path) -> set[str]:
    return {line.split()[0] for line in _layers(path)}


def _layers(path: Path) -> list[str]:
    magic, _, *layers = path.read_text("utf-8").splitlines() or [""] * 2
    if magic.strip() != "7767517":
        raise ValueError("is no .param file of ncnn")
    return [line for line in layers if line.strip()]


def _check(path: Path) -> None:
    """Refuses layers that may do more than compute, and blobs with other names."""
    from srnas_tf.freeze.operations import NCNN

    layers = _layers(path)
    for name in sorted({line.split()[0] for line in layers} - NCNN):
        raise ValueError(f"it would run {name[:60]!r}, which is more than computing")
    if not path.with_suffix(".bin").is_file():
        raise ValueError(f"{path.with_suffix('.bin').name} does not lie beside it")
    words = [word for line in layers for word in line.split()[2:]]
    if not {IMAGE, ENLARGED} <= set(words):
        raise ValueError(f"it does not make {ENLARGED!r} of {IMAGE!r}")


def _whole(job: Job) -> None:
    import onnx
    import pnnx

    from . import onnxruntime

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        onnxruntime.RUNTIME.forms[0].convert(job._replace(target=folder / "model.onnx"))  # type: ignore[misc]
        model = onnx.load(folder / "model.onnx")
        _shuffle_by_channel(model.graph)
        onnx.save(model, folder / "model.onnx")
        sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim][2:]
        tried = [tuple(sides)] if all(sides) else SIDES
        shapes = [f"inputshape{'' if not i else i + 1}=[1,3,{h},{w}]f32" for i, (h, w) in enumerate(tried)]
        command = [pnnx.EXEC_PATH, "model.onnx", *shapes, "fp16=1"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        made = folder / "model.ncnn.param"
        if done.returncode or not made.exists():
            raise ValueError((done.stderr.strip().splitlines() or [f"pnnx ends with {done.returncode}"])[-1])
        names = {"in0": IMAGE, "out0": ENLARGED}
        lines = [" ".join(names.get(word, word) for word in line.split(" ")) for line in made.read_text().splitlines()]
        job.target.write_text("\n".join(lines) + "\n", "utf-8")
        job.target.with_suffix(".bin").write_bytes((folder / "model.ncnn.bin").read_bytes())


def _shuffle_by_channel(graph: "onnx.GraphProto") -> None:
    """Changes DepthToSpace to PyTorch's order of channels (CRD): pnnx ignores TensorFlow's (DCR) silently.

    The output channels of the convolutions before it are reordered, so that the result is the same.

    Raises:
        ValueError: if another operator makes these channels.
    """
    import onnx

    makers = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        if node.op_type != "DepthToSpace":
            continue
        [block] = [each.i for each in node.attribute if each.name == "blocksize"]
        if any(each.name == "mode" and each.s == b"CRD" for each in node.attribute):
            continue
        node.attribute.append(onnx.helper.make_attribute("mode", "CRD"))
        for conv in _making(node.input[0], makers, graph):
            for name in conv.input[1:]:
                values = onnx.numpy_helper.to_array(weights[name])
                order = np.arange(len(values)).reshape(block**2, -1).T.ravel()
                weights[name].CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values[order]), name))


def _making(name: str, makers: dict, graph: "onnx.GraphProto") -> Iterator["onnx.NodeProto"]:
    """The convolutions that decide the order of a tensor's channels, the last one first."""
    while True:
        node = makers.get(name)
        readers = sum(list(each.input).count(name) for each in graph.node)
        if node is None or node.op_type != "Conv" or readers != 1:
            raise ValueError("pixels are shuffled that no convolution alone makes, which pnnx cannot convert")
        yield node
        if _groups(node.attribute) == 1:
            return
        name = node.input[0]  # each channel of a depthwise one is made of the same channel before it


def _groups(attributes: Iterable) -> int:
    return next((each.i for each in attributes if each.name == "group"), 1)


RUNTIME = Runtime(
    name="ncnn",
    module="ncnn",
    file="model.ncnn.param",
    open=_open,
    operators=_operators,
    check=_check,
    forms=(Form("model.ncnn.param", _whole, 2e-2, 0.1, optional=True, beside=("model.ncnn.bin",), made_by="pnnx"),),
    extra="ncnn",
)
