"""What this process may compute on."""

import os
import platform
import re
from pathlib import Path

from srnas_tf.host.silence import stderr_aside


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The cores that this process may use, by their maker's name: "2 cores, AMD EPYC"."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return f"{cores()} cores, {model[1] if model else platform.processor() or platform.machine()}"


def import_tensorflow(find_devices: bool = True, cpu_devices: int = 1) -> None:
    """Imports TensorFlow and finds its devices; it greets before any of its log levels applies.

    Args:
        find_devices: False leaves them to who sets up more than this machine's.
        cpu_devices: what the processor counts as where there is no GPU: so many devices, each with its share of the
            cores.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
