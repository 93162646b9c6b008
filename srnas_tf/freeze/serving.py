"""Writes the warm-up requests of a SavedModel, which TensorFlow Serving runs before it accepts others."""

from pathlib import Path

import numpy as np
import tensorflow as tf

IMAGE = "serving_image"
"""The signature for image files: `image_bytes` to `sr_bytes`, strings [batch]."""

WARMUP = "assets.extra/tf_serving_warmup_requests"
SIDE = 64
"""Side in pixels of the warm-up image, if any size is allowed."""


def write_warmup(saved_model: Path, size: tuple[int, int] | None = None, model_name: str = "srnas") -> None:
    """Writes a request for each signature that clients call: PredictionLogs in a TFRecord file."""
    black = np.zeros((*(size or (SIDE, SIDE)), 3), np.uint8)
    requests = {
        "serving_default": {"lr": tf.make_tensor_proto(black[None], tf.float32)},
        IMAGE: {"image_bytes": tf.make_tensor_proto([tf.io.encode_png(black).numpy()])},
    }
    path = saved_model / WARMUP
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(model_name, signature, inputs))


def _prediction_log(model: str, signature: str, inputs: dict) -> bytes:
    """A tensorflow.serving.PredictionLog with a PredictLog. It is written by hand, because its library pins
    TensorFlow's version.
    """
    spec = _field(1, model.encode()) + _field(3, signature.encode())
    request = _field(1, spec)
    for name, tensor in inputs.items():
        request += _field(2, _field(1, name.encode()) + _field(2, tensor.SerializeToString()))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
