"""The runtimes that exported files run in, a module each; all else loops over them.

A module imports nothing of the package around it, and no library but numpy, before one of its functions is called: this
folder is also what times files on devices (`stopwatch.py`), where there is nothing but numpy and one runtime. Functions
that make files run here alone, and may import what they like.
"""

from collections.abc import Sequence

from . import coreml, litert, ncnn, onnxruntime, openvino, tensorflow
from .runtime import Form, Runtime

RUNTIMES: Sequence[Runtime] = (
    tensorflow.RUNTIME,
    litert.RUNTIME,
    onnxruntime.RUNTIME,
    *openvino.RUNTIMES,
    ncnn.RUNTIME,
    coreml.RUNTIME,
)
"""Of several for one kind of file the first is the usual one."""

BY_NAME: dict[str, Runtime] = {runtime.name: runtime for runtime in RUNTIMES}

USUAL: dict[str, Runtime] = {runtime.suffix: runtime for runtime in reversed(RUNTIMES)}
"""By suffix of the file."""

_ALL = [form for runtime in RUNTIMES for form in runtime.forms]

FORMS: Sequence[Form] = sorted(_ALL, key=lambda form: bool(form.stands_for))
"""The files of an export: the SavedModel that all are made of, the others, and stages."""
