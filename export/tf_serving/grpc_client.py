"""Enlarges an image by TensorFlow Serving, gRPC: python grpc_client.py INPUT OUTPUT [--address HOST:PORT].

Needs tensorflow-serving-api, which brings TensorFlow.
"""

import argparse
import sys
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

ADDRESS = "localhost:8500"
LARGEST = 1 << 30
"""Bytes of a message; gRPC's own limit is 4 MiB, which an enlarged photograph exceeds."""


def enlarge(files: list[bytes], address: str = ADDRESS, timeout: float = 300.0) -> list[bytes]:
    """PNG, JPEG or BMP files to PNG files, in one request.

    Raises:
        RuntimeError: with the server's own words where it refuses, or where there is none.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "srnas"
    request.model_spec.signature_name = "serving_image"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(files))
    options = [("grpc.max_send_message_length", LARGEST), ("grpc.max_receive_message_length", LARGEST)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            raise RuntimeError(f"{address}: {error.details()}") from None
    return list(tf.make_ndarray(answer.outputs["sr_bytes"]))


def main(argv: list[str]) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Enlarges an image by TensorFlow Serving, gRPC.")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path, help="a .png file")
    parser.add_argument("--address", default=ADDRESS)
    given = parser.parse_args(argv)
    try:
        [made] = enlarge([given.input.read_bytes()], given.address)
        given.output.write_bytes(made)
    except (OSError, RuntimeError) as error:
        print(f"grpc_client: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
