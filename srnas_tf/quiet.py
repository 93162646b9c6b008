"""TensorFlow without the greeting."""

import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices with stderr set aside.

    The native code greets before any log level applies. What it wrote is shown after all where the import fails.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_logical_devices()
            tf.get_logger().setLevel("ERROR")
        except BaseException:
            aside.seek(0)
            os.write(kept, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
