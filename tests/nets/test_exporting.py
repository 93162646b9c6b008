"""Networks as they are loaded know enough of themselves for Keras' own export, and for functional models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from srnas_tf import arch, nets
from srnas_tf.nets import files
from srnas_tf.nets.initial import initialize


@pytest.fixture(params=["x2:w8:imdn:r0.25:k3:f1:SCS", "x3:w16:strided:SCSCS", "x2:fsrcnn"])
def loaded(request, tmp_path):
    """A network that nothing was ever given to."""
    model = nets.build(arch.parse(request.param))
    initialize(model, 0, model.start)
    files.save(model, tmp_path / "model.keras")
    return files.load(tmp_path / "model.keras")


def test_keras_exports_them_at_any_size(loaded, tmp_path):
    loaded.export(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved"))
    for height, width in ((9, 7), (12, 16)):
        lr = np.random.default_rng(height).random((1, height, width, 3), np.float32)
        np.testing.assert_allclose(served.serve(lr), loaded(lr), atol=1e-5)


def test_shapes_are_known_without_a_call(loaded):
    scale = loaded.scale
    assert loaded.compute_output_shape((None, None, 7, 3)) == (None, None, 7 * scale, 3)
    image = keras.Input((None, None, 3))
    whole = keras.Model(image, keras.layers.Rescaling(2.0)(loaded(image)))
    lr = np.random.default_rng(0).random((2, 8, 5, 3), np.float32)
    np.testing.assert_allclose(whole(lr), 2 * np.asarray(loaded(lr)), atol=1e-5)
