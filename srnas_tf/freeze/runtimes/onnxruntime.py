"""onnxruntime: ONNX files in float32, float16 and int8."""

import copy
import functools
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .runtime import SIGNATURE, Arrays, Form, Job, Opened, Runtime, Staged, pixels, planes, size_of

if TYPE_CHECKING:
    import onnx
    import onnxruntime

OPSET = 18
"""The opset of all files, the newest that tf2onnx accepts in practice."""


def _open(path: Path, threads: int = 0) -> Opened:
    session = _session(path, threads)
    if (counts := (len(session.get_inputs()), len(session.get_outputs()))) != (1, 1):
        raise ValueError("it takes {} tensors and gives {}; one image and one image are expected".format(*counts))
    [taken], [made] = session.get_inputs(), session.get_outputs()

    def run(batch: np.ndarray) -> np.ndarray:
        return session.run([made.name], {taken.name: batch})[0]

    return Opened(run, size_of(taken.shape[2:]), planes, pixels)


def _session(path: Path, threads: int = 0) -> "onnxruntime.InferenceSession":
    """A session with so many threads. With 0, it shares memory with all other such sessions."""
    import onnxruntime

    if threads:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    else:
        options = _shared()
    return onnxruntime.InferenceSession(str(path), options, providers=onnxruntime.get_available_providers())


@functools.cache
def _shared() -> "onnxruntime.SessionOptions":
    """One arena for all sessions. With one each, their working memory would be gigabytes."""
    import onnxruntime

    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    cpu = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg({}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; warnings are for the makers of files
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


def operators(path: Path) -> set[str]:
    """The operators of an ONNX file. Those outside ONNX' own domain are `custom DOMAIN.NAME`.

    Raises:
        ValueError: if ONNX' checker refuses it, or it has another opset than OPSET.
    """
    import onnx

    model = onnx.load(path)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"is no valid ONNX ({str(error).splitlines()[0]})") from None
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    used = {(node.domain, opsets.get(node.domain)) for node in model.graph.node}
    if ("", OPSET) not in used or any(opset != OPSET for domain, opset in used if not domain):
        raise ValueError(f"is of opsets {sorted(used)}, not of {OPSET} alone")
    return {f"custom {node.domain}.{node.op_type}" if node.domain else node.op_type for node in model.graph.node}


def check(path: Path) -> None:
    """Refuses a file that would do more than compute."""
    from srnas_tf.freeze import untrusted

    untrusted.check_onnx(path)


def stage_files(folder: Path, count: int) -> list[Path]:
    from srnas_tf.freeze import stages_file

    return [folder / f"{stages_file.name(number)}.onnx" for number in range(count)]


def _open_stages(path: Path, folder: Path) -> Callable[[int], Callable[[Arrays], Arrays]]:
    def stage(number: int) -> Callable[[Arrays], Arrays]:
        session = _session(stage_files(folder, number + 1)[number])
        taken, made = ([value.name for value in values()] for values in (session.get_inputs, session.get_outputs))
        return lambda given: dict(zip(made, session.run(made, {key: given[key] for key in taken}), strict=True))

    return stage


@functools.cache
def _tf2onnx():
    """Imports the converter. It walks through sets of nodes, whose order would be that of their addresses."""
    import tf2onnx

    tf2onnx.graph.Node.__hash__ = lambda node: hash(node.name)
    return tf2onnx


@functools.cache
def _model(source: Path) -> "onnx.ModelProto":
    """The model in float32, from which the other forms are made, too."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(source))  # a signature does not hold on to its variables
    serve = loaded.signatures[SIGNATURE]
    [taken] = serve.structured_input_signature[1].values()

    @tf.function(input_signature=[tf.TensorSpec(taken.shape, tf.float32, name="lr")])
    def run(lr):
        return {"sr": serve(lr=lr)["sr"]}

    model, _ = _tf2onnx().convert.from_function(
        run, run.input_signature, opset=OPSET, inputs_as_nchw=["lr"], outputs_as_nchw=["sr"]
    )
    shape = taken.shape.as_list()
    [made] = serve.structured_outputs.values()
    for value, sides, given in (
        (model.graph.input[0], "height width", shape),
        (model.graph.output[0], "sr_height sr_width", made.shape.as_list()),
    ):
        names = ["batch", "", *sides.split()]
        for dimension, name, fixed in zip(
            value.type.tensor_type.shape.dim, names, [given[0], 3, *given[1:3]], strict=True
        ):
            if fixed:
                dimension.dim_value = fixed
            else:
                dimension.dim_param = name
    return model


def _write(path: Path, model: "onnx.ModelProto", described: dict[str, str]) -> None:
    """Checks a model, and writes it. The bytes depend on the network alone."""
    import onnx

    from srnas_tf.freeze import onnx_graph

    tidy = onnx_graph.tidied(model, described)
    onnx.checker.check_model(tidy, full_check=True)
    path.write_bytes(tidy.SerializeToString(deterministic=True))


def _whole(job: Job) -> None:
    _write(job.target, _model(job.source), job.described)


def _half(job: Job) -> None:
    """float16 inside. Input, output and the statistics of the attention stay float32."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    whole = copy.deepcopy(_model(job.source))  # it is changed in place
    blocked = [*DEFAULT_OP_BLOCK_LIST, "ReduceMean", "Sub", "Sqrt"]
    half = OnnxModel(convert_float_to_float16(whole, keep_io_types=True, op_block_list=blocked))
    half.topological_sort()  # casts were appended, but the checker wants them before their readers
    _write(job.target, half.model, job.described)


def _int8(job: Job) -> None:
    """int8 by QDQ, with weights by channel. The inputs of convolutions keep their whole range (docs/int8.md)."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from srnas_tf.freeze import ranges

    photographs, extremes = map(planes, (job.patches, ranges.flats(job.patches.shape[1:3])))

    class Images(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter([*photographs, *extremes])

        def get_next(self):
            image = next(self._left, None)
            return None if image is None else {"lr": image[None]}

    def quantize(whole: Path, inner: str) -> None:
        model = onnx.load(whole)
        chosen = [node for node in model.graph.node if node.op_type == "Conv" and re.search(inner, node.name)]
        made = ranges.least_error(model, [node.output[0] for node in chosen], photographs, extremes)
        overrides = {name: [{"rmin": np.float32(a), "rmax": np.float32(b)}] for name, (a, b) in made.items()}
        quantization.quantize_static(
            str(whole),
            str(job.target),
            Images(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"TensorQuantOverrides": overrides},
        )

    with tempfile.TemporaryDirectory() as folder:
        plain, tidy = Path(folder) / "float.onnx", Path(folder) / "tidy.onnx"
        _whole(job._replace(target=plain, described={}))
        quant_pre_process(str(plain), str(tidy), skip_symbolic_shape=True)
        job.choose(quantize, tidy)
    _write(job.target, onnx.load(job.target), job.described)


def _stages(job: Job) -> None:
    """Writes a file for each stage beside the target, beginning with `stage00.onnx`."""
    import tensorflow as tf

    from srnas_tf.freeze import stages_file

    loaded = tf.saved_model.load(str(job.source))
    job.target.parent.mkdir(exist_ok=True)
    for name, serve in loaded.signatures.items():
        if not name.startswith(stages_file.PREFIX):
            continue
        specs = serve.structured_input_signature[1]
        names = sorted(specs)
        made = sorted(key for key in serve.structured_outputs if key.startswith("out"))

        @tf.function(input_signature=[specs[name] for name in names])
        def run(*given, serve=serve, names=names):
            return serve(**dict(zip(names, given, strict=True)))

        model, _ = _tf2onnx().convert.from_function(
            run,
            run.input_signature,
            opset=OPSET,
            inputs_as_nchw=[name for name in names if name.startswith(("map", "mask"))],
            outputs_as_nchw=made,
        )
        _write(job.target.parent / f"{name}.onnx", model, job.described)


RUNTIME = Runtime(
    name="onnxruntime",
    module="onnxruntime",
    file="model.onnx",
    open=_open,
    operators=operators,
    check=check,
    forms=(
        Form("model.onnx", _whole, 1e-4, 0.001),
        Form("model_fp16.onnx", _half, 2e-2, 0.1, needs="stages"),
        # The PSNR decides here. Single pixels at edges may differ by much.
        Form("model_int8.onnx", _int8, 0.5, 0.1, needs="dense", optional=True),
        # Rounded to levels. float16 between the stages may change one by one level.
        Form("stages/stage00.onnx", _stages, 1.01 / 255, 0.01, needs="stages", stands_for="model.onnx"),
    ),
    staged=Staged(stage_files, _open_stages, _session, planes=True),
)
