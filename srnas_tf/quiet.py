"""Native libraries without their greetings, and without what an exception says too."""

import contextlib
import ctypes
import functools
import os
import sys
import tempfile
from collections.abc import Iterator

from srnas_tf.runs import cores


@contextlib.contextmanager
def stderr_aside() -> Iterator[None]:
    """Sets aside what is written to stderr, by native code too; shows it after all where an exception passes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@functools.cache
def libtiff() -> None:
    """Keeps Pillow's libtiff from writing its errors to stderr: Pillow raises them, but silences the warnings alone.

    Where Pillow was built so that the function cannot be found by its name, they stay.
    """
    from PIL import Image

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)  # a library's symbols are those of its own ones too


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
