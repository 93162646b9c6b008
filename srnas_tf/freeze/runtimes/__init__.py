"""The runtimes for exported files, each in its own module. All other code loops over them.

When it is loaded, a module imports numpy alone, and nothing of the package around it. The folder is also copied to
devices, to time files there (`stopwatch.py`), and a device has only numpy and one runtime. Functions that make files
never run there, and may import anything.
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
"""All runtimes. The first of several runtimes for one kind of file is the usual one."""

OTHER_FILES: Sequence[Runtime] = tuple(
    runtime.running(form) for runtime in RUNTIMES for form in runtime.forms if form.precision
)
"""The same runtimes with their files of lower precision in the place of the usual one, such as `litert-int8`. Networks
of a space are timed so.
"""

BY_NAME: dict[str, Runtime] = {runtime.name: runtime for runtime in (*RUNTIMES, *OTHER_FILES)}

USUAL: dict[str, Runtime] = {runtime.suffix: runtime for runtime in reversed(RUNTIMES)}
"""The usual runtime by suffix of the file."""

_ALL = [form for runtime in RUNTIMES for form in runtime.forms]

FORMS: Sequence[Form] = sorted(_ALL, key=lambda form: bool(form.stands_for))
"""The files of an export: the SavedModel from which all others are made, the others, and stages."""

BY_FILE: dict[str, Form] = {form.file: form for form in FORMS}
"""The forms by their file, as a runtime's `file` names it."""
