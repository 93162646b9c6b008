"""The devices that this process may use."""

import ctypes
import importlib.util
import os
import platform
import re
from pathlib import Path

from srnas_tf.host.silence import stderr_aside

_X86 = platform.machine().lower() in ("x86_64", "amd64")
SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", **({"TF_ENABLE_ONEDNN_OPTS": "1"} if _X86 else {})}
"""What TensorFlow reads from the environment when it is imported, unless the user has set it: no greetings, and oneDNN.

By itself, TensorFlow 2.21 uses oneDNN on x86 processors with VNNI, bfloat16 or AMX alone. With AVX2 alone, its own
convolutions take twice as long. On other kinds of processors this was not measured.
"""
NVIDIA = Path("/proc/driver/nvidia/gpus")
"""The driver's description of its GPUs, a folder for each."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The cores that this process may use, by their maker's name: "2 cores, AMD EPYC"."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return f"{cores()} cores, {model[1] if model else platform.processor() or platform.machine()}"


def settle_tensorflow() -> None:
    """Puts `SETTINGS` into the environment. Call it before TensorFlow is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def import_tensorflow(find_devices: bool = True, cpu_devices: int = 1) -> None:
    """Imports TensorFlow and finds its devices, without its greetings.

    Args:
        find_devices: False leaves them to a caller that sets up several machines.
        cpu_devices: without a GPU, the number of devices that the processor is split into, each with a share of the
            cores.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    settle_tensorflow()
    with stderr_aside():
        import tensorflow as tf

        if cpu_devices > 1 and not tf.config.list_physical_devices("GPU"):
            [processor] = tf.config.list_physical_devices("CPU")
            devices = [tf.config.LogicalDeviceConfiguration()] * cpu_devices
            tf.config.set_logical_device_configuration(processor, devices)
            tf.config.threading.set_intra_op_parallelism_threads(max(1, cores() // cpu_devices))
        if find_devices:
            tf.config.list_logical_devices()
        tf.get_logger().setLevel("ERROR")


def in_use(count: int) -> str:
    """TensorFlow's devices in words, and why it does not use a GPU.

    Args:
        count: number of devices that share each batch.
    """
    import tensorflow as tf

    if gpus := tf.config.list_physical_devices("GPU"):
        names = {tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus}
        return f"{count} x {', '.join(sorted(names))}"
    unused = unused_gpu(tf.test.is_built_with_cuda())
    return f"{processor()}, as {count} device{'s' * (count > 1)}" + (f"; {unused}" if unused else "")


def unused_gpu(with_cuda: bool) -> str:
    """A GPU in this machine that TensorFlow has not found, and the reason; "" if there is none.

    Args:
        with_cuda: whether TensorFlow was built for CUDA.
    """
    if NVIDIA.is_dir() and any(NVIDIA.iterdir()):
        return f"TensorFlow cannot use the NVIDIA GPU: {_why_no_cuda(with_cuda)}"
    if Path("/dev/kfd").exists():
        return "TensorFlow cannot use the AMD GPU: this build is for NVIDIA alone"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "TensorFlow cannot use Apple's GPU by itself"
    return ""


def _why_no_cuda(with_cuda: bool) -> str:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not re.match(r"\s*(\d|GPU-|MIG-)", visible):
        return f"CUDA_VISIBLE_DEVICES={visible} hides it"
    if not with_cuda:
        return "this TensorFlow was built without CUDA"
    if not _loads("libcuda.so.1"):
        return "the driver's libcuda.so.1 cannot be loaded"
    if not _loads("libcudnn.so.9") and not importlib.util.find_spec("nvidia"):
        return "the CUDA libraries are missing; pip install 'srnas_tf[cuda]'"
    return "TensorFlow says why if TF_CPP_MIN_LOG_LEVEL=0 is set"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
