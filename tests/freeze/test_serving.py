"""The TensorFlow Serving clients, against a stand-in that runs the real SavedModel behind Serving's contracts."""

import base64
import http.server
import importlib.util
import json
import subprocess
import sys
import threading
from concurrent import futures

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, photograph
from PIL import Image

from srnas_tf import metrics
from srnas_tf.data import images
from srnas_tf.freeze.saved_model import sums_apart
from srnas_tf.train.evaluate import of_network

KIT = ROOT / "export" / "tf_serving"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, KIT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def handler(model) -> type:
    """The row format of Serving's predict request, for signatures of one string input and one string output."""

    class Rest(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                assert self.path == "/v1/models/srnas:predict"
                assert set(body) == {"signature_name", "instances"}
                files = [base64.b64decode(instance["image_bytes"]["b64"]) for instance in body["instances"]]
                made = model.signatures[body["signature_name"]](image_bytes=tf.constant(files))["sr_bytes"]
                status, answer = 200, {"predictions": [{"b64": base64.b64encode(f).decode()} for f in made.numpy()]}
            except tf.errors.OpError as error:
                status, answer = 400, {"error": error.message}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments):
            pass

    return Rest


@pytest.fixture
def saved_model(frozen):
    return tf.saved_model.load(str(frozen[2] / "saved_model" / "1"))


def check(network, source, made):
    difference = images.load(made).astype(int) - metrics.to_uint8(of_network(network)(images.load(source)))
    assert np.abs(difference).max() <= 1


def test_rest_client(frozen, saved_model, tmp_path, capsys):
    rest = load("rest")
    Image.fromarray(photograph(np.random.default_rng(0), 20, 31)).save(tmp_path / "a.png")
    with http.server.HTTPServer(("127.0.0.1", 0), handler(saved_model)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"--url=http://127.0.0.1:{server.server_port}/v1/models/srnas"
        assert rest.main([str(tmp_path / "a.png"), str(tmp_path / "b.png"), url]) == 0
        check(frozen[0], tmp_path / "a.png", tmp_path / "b.png")
        (tmp_path / "text.png").write_text("no image")
        assert rest.main([str(tmp_path / "text.png"), str(tmp_path / "c.png"), url]) == 1
        assert "Unknown image file format" in capsys.readouterr().err
        server.shutdown()


def test_grpc_client(frozen, saved_model, tmp_path):
    grpc = pytest.importorskip("grpc")
    service = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc")
    from tensorflow_serving.apis import predict_pb2

    class StandIn(service.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802  (the service's name)
            assert request.model_spec.name == "srnas"
            files = tf.make_ndarray(request.inputs["image_bytes"])
            made = saved_model.signatures[request.model_spec.signature_name](image_bytes=tf.constant(files))
            answer = predict_pb2.PredictResponse()
            answer.outputs["sr_bytes"].CopyFrom(tf.make_tensor_proto(made["sr_bytes"].numpy()))
            return answer

    server = grpc.server(futures.ThreadPoolExecutor(1))
    service.add_PredictionServiceServicer_to_server(StandIn(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    Image.fromarray(photograph(np.random.default_rng(0), 20, 31)).save(tmp_path / "a.png")
    arguments = [str(tmp_path / "a.png"), str(tmp_path / "b.png"), f"--address=127.0.0.1:{port}"]
    assert load("grpc_client").main(arguments) == 0
    check(frozen[0], tmp_path / "a.png", tmp_path / "b.png")
    server.stop(0)


AT_ONCE = """
import sys, threading
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])  # which holds what the signature reads
serve = model.signatures["serving_default"]
images = [tf.random.stateless_uniform((1, 24, 24, 3), (i, 0)) for i in range(2)]
expected = [serve(lr=image)["sr"].numpy() for image in images]
wrong = []

def ask(image, sr):
    wrong.append(sum(np.abs(serve(lr=image)["sr"].numpy() - sr).max() > 1e-4 for _ in range(400)))

threads = [threading.Thread(target=ask, args=each) for each in zip(images, expected)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert wrong == [0, 0], wrong
"""


def test_a_server_may_answer_two_requests_at_once(frozen):
    """In a process of its own: where oneDNN's kernels are not left alone, it ends with a segmentation fault."""
    line = [sys.executable, "-c", AT_ONCE, str(frozen[2] / "saved_model" / "1")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_network_is_left_as_it_was(frozen):
    network = frozen[0]
    with sums_apart(network):
        assert network.conv_after_body.activation is not keras.activations.linear
    assert network.conv_after_body.activation is keras.activations.linear
