"""The Keras side: exact counts, the supernet's switch, extraction, files, and the official weights."""

import dataclasses
import itertools
import json
import math
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from figures import BLOCKS, ROWS, SUPERNETS
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spaces import wide

from srnas_tf import arch, nets
from srnas_tf.arch import Block, Network, Space
from srnas_tf.arch.block import plan
from srnas_tf.errors import UserError
from srnas_tf.nets import files, official
from srnas_tf.nets.conv import BlueprintConv, ExpandedConv, SelectiveConv
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path
from srnas_tf.nets.transfer import reparameterized, transfer_weights


def lr_batch(seed: int = 0, height: int = 11, width: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).random((2, height, width, 3), np.float32)


@pytest.mark.parametrize(("settings", "text", "params"), ROWS)
def test_built_networks_of_the_thesis(settings, text, params):
    assert nets.SRNet(Space(**settings).parse(text)).count_params() == params


@pytest.mark.parametrize(("settings", "params"), SUPERNETS)
def test_built_supernets_of_the_thesis(settings, params):
    assert nets.Supernet(Space(**settings)).count_params() == params


@pytest.mark.parametrize("space", [Space(rate=0.125), Space(stages=4), Space(stages=5), Space(space="initial20")])
def test_built_blocks_have_the_planned_parameters(space):
    for choice in space.blocks:
        assert nets.Block(choice, 64).count_params() == plan(choice, 64).params


@settings(max_examples=10)
@given(BLOCKS, st.integers(4, 24))
def test_any_built_block_has_the_planned_parameters(block, width):
    try:
        planned = plan(block, width)
    except UserError:
        assume(False)
    assert nets.Block(block, width).count_params() == planned.trainable_params
    assert plan(block.deployed, width).trainable_params == planned.params


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("width", "depth"), [(8, 1), (20, 3)])
def test_any_scale_width_and_depth(scale, width, depth):
    network = arch.imdn(scale, width, depth)
    model = nets.SRNet(network)
    assert model.count_params() == network.params
    assert model(lr_batch()).shape == (2, 11 * scale, 9 * scale, 3)


def _counted_macs(model, lr) -> int:
    """Multiply-accumulates of the convolutions of a traced graph, from its kernels and output shapes."""
    graph = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec(lr.shape)).graph
    # A filter a channel, [height, width, channels, 1], looks at one channel; a kernel at all of them.
    seen = {"Conv2D": 3, "DepthwiseConv2dNative": 2}
    return sum(
        int(np.prod(op.inputs[1].shape[: seen[op.type]])) * int(np.prod(op.outputs[0].shape))
        for op in graph.get_operations()
        if op.type in seen
    )


@pytest.mark.parametrize(
    "text",
    [
        "SCSCS",
        "SCSCSK+k5",
        "RCS+reduced+f3",
        "SSSS+full+r0.125",
        "SCSCS+k1.3",
        "SCSCS+k3.5",
        "SCSK+b5",
        "SCDSD",
        "SC+e3",
        "SCS+x5",
        "TCTTC+bare",
        "TCS+reduced+x3",
        "TCTC+bare+x3+a.cca+i0.5",
        "SCSCS+a.none+i1.5",
    ],
)
@pytest.mark.parametrize("stem", ["plain", "light", "thin", "expanded"])
def test_macs_are_those_of_the_graph(text, stem):
    network = Network(4, 64, (Block.parse(text),) * 2, stem)
    model = nets.SRNet(network)
    assert model.count_params() == network.trainable_params
    assert _counted_macs(model, np.zeros((1, 6, 10, 3), np.float32)) == network.macs(6 * 10 * 16)


def test_selective_kernels_split_fuse_and_select():
    value = arch.SelectiveConv(16, 24, (1, 3))
    layer = SelectiveConv(value)
    assert layer.count_params() == value.params
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 16)).astype(np.float32)
    branches = [branch(x).numpy() for branch in layer.branches]
    squeezed = layer.squeeze((branches[0] + branches[1]).mean(axis=(1, 2), keepdims=True))
    weights = np.exp([excite(squeezed).numpy() for excite in layer.excites])
    weights /= weights.sum(axis=0)
    np.testing.assert_allclose(layer(x), sum(w * b for w, b in zip(weights, branches, strict=True)), atol=1e-5)


def test_blueprint_convolutions_mix_channels_and_then_look_around():
    value = arch.BlueprintConv(6, 4, 5)
    layer = BlueprintConv(value)
    assert layer.count_params() == value.params
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    x = rng.normal(size=(2, 7, 8, 6)).astype(np.float32)
    mixed = x @ layer.pointwise.kernel.numpy()[0, 0]
    filters, bias = layer.depthwise.kernel.numpy()[:, :, 0], layer.depthwise.bias.numpy()
    padded = np.pad(mixed, ((0, 0), (2, 2), (2, 2), (0, 0)))
    around = sum(filters[i, j] * padded[:, i : i + 7, j : j + 8] for i, j in itertools.product(range(5), repeat=2))
    np.testing.assert_allclose(layer(x), around + bias, atol=1e-4)


DEPLOYED = [arch.Conv(6, 6, 3), arch.Conv(6, 4, 5), arch.BlueprintConv(6, 6, 5), arch.DepthwiseConv(6, 7)]


@pytest.mark.parametrize("deployed", DEPLOYED, ids=str)
def test_expanded_convolutions_are_a_sum_of_linear_ways(deployed):
    value = arch.ExpandedConv(deployed)
    layer = ExpandedConv(value)
    assert layer.count_params() == value.trainable_params >= value.params == deployed.params
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    x = rng.normal(size=(2, 7, 8, 6)).astype(np.float32)
    expected = x
    if layer.dense is not None:
        same = x if deployed.in_channels == deployed.out_channels else 0
        wide = keras.ops.conv(keras.ops.matmul(x, layer.expand), layer.project, padding="same")
        expected = keras.ops.conv(x, layer.dense, padding="same") + wide + same
    if layer.depthwise is not None:
        expected += keras.ops.depthwise_conv(expected, keras.ops.swapaxes(layer.depthwise, 2, 3), padding="same")
    np.testing.assert_allclose(layer(x), expected + layer.bias, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    "text",
    ["imdn:r0.25:e3:f1:SCSCS-SCK", "imdn:r0.25:k3:f1:SC+e5-SC+a.none+i0.5", "expanded:imdn:r0.25:x5:f1:SCSCS-SDCS"],
)
def test_a_folded_network_computes_the_same_with_fewer_parameters(text, tmp_path):
    network = nets.build(arch.parse(f"x2:w16:{text}"))
    initialize(network, 0, "uniform")
    plain = reparameterized(network)
    for trained, used in (("e3", "k3"), ("e5", "k5"), ("x5", "b5"), ("expanded", "thin")):
        text = text.replace(trained, used)
    assert plain.network == arch.parse(f"x2:w16:{text}")
    assert plain.count_params() == network.network.params < network.count_params() == network.network.trainable_params
    np.testing.assert_allclose(plain(lr_batch()), network(lr_batch()), atol=1e-6)
    files.save(network, tmp_path / "model.keras")
    np.testing.assert_array_equal(files.load(tmp_path / "model.keras")(lr_batch()), plain(lr_batch()))
    again = files.load_as_trained(tmp_path / "model.keras")
    assert again.network == network.network
    np.testing.assert_array_equal(again(lr_batch()), network(lr_batch()))


@pytest.mark.parametrize("kinds", ["ke", "bx"])
def test_a_folded_network_gives_an_expanded_one_its_weights(kinds):
    plain, expanded = (nets.build(arch.parse(f"x2:w16:imdn:r0.25:{kind}3:f1:SCSCS")) for kind in kinds)
    initialize(plain, 0, "uniform")
    initialize(expanded, 1, "uniform")
    assert transfer_weights(expanded, plain) == plain.count_params()
    np.testing.assert_allclose(expanded(lr_batch()), plain(lr_batch()), atol=1e-6)


def test_cca_is_equation_2_of_the_thesis():
    layer = nets.ContrastAwareAttention(32, 2)
    x = np.random.default_rng(0).normal(size=(3, 7, 5, 32)).astype(np.float32)
    contrast = x.std(axis=(1, 2), keepdims=True) + x.mean(axis=(1, 2), keepdims=True)
    gate = layer.excite(layer.squeeze(contrast)).numpy()
    np.testing.assert_allclose(layer(x), x * gate, rtol=1e-5, atol=1e-6)


def test_cca_of_a_constant_image_has_a_finite_gradient():
    layer = nets.ContrastAwareAttention(16, 1)
    x = tf.zeros((1, 4, 4, 16))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x))
    assert np.isfinite(tape.gradient(y, x)).all()


SPACES = [
    Space(depth=2, width=16),
    Space(depth=2, width=16, sharing="ends"),
    Space(depth=2, width=16, space="initial", ending="full", scale=2),
    Space(depth=2, width=16, space="initial20", scale=3),
    Space(depth=2, width=16, stages=2, skip_first=True, sharing="ends", fusion_kernel=1),
    Space(depth=2, width=16, stages=2, conv="blueprint", stem="light"),
    Space(depth=2, width=16, stages=2, conv="expanded"),
    Space(depth=2, width=16, stages=2, space="tapped"),
    Space(depth=2, width=16, stages=2, space="tapped", conv="expanded", ending="reduced", sharing="ends"),
    Space(depth=2, width=16, stages=2, conv="expanded_blueprint", stem="expanded"),
    Space(depth=2, width=16, sharing="entangled"),
    Space(depth=2, width=16, sharing="entangled", skip_first=True, kernel="1,3", ending="reduced"),
    Space(depth=2, width=16, sharing="entangled", space="tapped", conv="expanded_blueprint", ending="full"),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_an_extracted_network_computes_what_the_supernet_does(space):
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    lr = lr_batch()
    for codes in itertools.islice(itertools.product(range(len(space.blocks)), repeat=2), 0, None, 37):
        network = nets.SRNet(space.network(codes))
        load_path(network, supernet)
        np.testing.assert_allclose(supernet(lr, codes=codes), network(lr), atol=1e-6)


@pytest.mark.parametrize("sharing", ["none", "entangled"])
def test_a_network_of_any_trunk_computes_what_the_supernet_does(sharing):
    space, rng = wide(sharing), np.random.default_rng(0)
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    for codes in [space.sample(rng) for _ in range(6)]:
        network = nets.SRNet(space.network(codes))
        load_path(network, supernet)
        np.testing.assert_array_equal(supernet(lr_batch(), codes=codes), network(lr_batch()))


def test_counts_of_any_network_are_those_of_what_is_built():
    """Parameters and MACs of some hundred random networks, against the layers' kernels and what they are applied to."""
    spaces = [wide(), Space(width="16/24", depth="1/2", conv="plain/blueprint", attention="none/cca", inner="0.5/1")]
    for space, rng in zip(spaces, (np.random.default_rng(1), np.random.default_rng(2)), strict=True):
        for _ in range(60):
            network = space.network(space.sample(rng))
            trained = nets.SRNet(network)
            assert trained.count_params() == network.trainable_params
            built = reparameterized(trained)
            assert built.count_params() == network.params == network.deployed.params
            assert _macs(built, 100) == network.macs(100 * network.scale**2)


def _macs(network, pixels):
    """Of all kernels: once a pixel, or once an image in an attention."""
    total = 0
    for layer in network._flatten_layers():
        for variable in getattr(layer, "_trainable_variables", []):
            if len(variable.shape) == 4:
                total += math.prod(variable.shape) * (1 if layer.name in ("squeeze", "excite") else pixels)
    return total


def test_paths_differ():
    supernet = nets.Supernet(Space(depth=1, width=16))
    initialize(supernet, 0)
    outputs = [supernet(lr_batch(), codes=(code,)).numpy() for code in range(8)]
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(outputs, 2)) > 1e-3


def test_weights_are_a_function_of_the_seed():
    models = [nets.SRNet(arch.imdn(4, 16, 2)) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        initialize(model, seed, "uniform")
    outputs = [model(lr_batch()).numpy() for model in models]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-3
    kernel = models[0].conv_after_body.kernel.numpy()
    assert np.abs(kernel).max() == pytest.approx(1 / 12, rel=0.01)  # fan in 16 * 9


def test_low_precision_computes_in_it_but_answers_in_float32():
    model = nets.SRNet(arch.imdn(4, 16, 2), dtype="mixed_bfloat16")
    initialize(model, 0)
    assert model.blocks[0].first.compute_dtype == "bfloat16"
    assert model.blocks[0].attention.squeeze.compute_dtype == "bfloat16"
    assert model(lr_batch()).dtype == tf.float32
    assert all(v.dtype == "float32" for v in model.trainable_variables)


def test_files_carry_their_description(tmp_path):
    network = Network(3, 16, (Block("SCSCS"), Block("SSC", "full", 0.125), Block("RK", "reduced", 0.33, 5, 1)))
    model = nets.SRNet(network, provenance={"steps": 7, "data": ["photos"]})
    initialize(model, 0)
    files.save(model, tmp_path / "model.keras")
    loaded = files.load(tmp_path / "model.keras")
    assert loaded.network == network
    assert loaded.provenance == {"steps": 7, "data": ["photos"]}
    np.testing.assert_array_equal(loaded(lr_batch()), model(lr_batch()))
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert "Lambda" not in archive.read("config.json").decode()


def test_supernet_files(tmp_path):
    supernet = nets.Supernet(SPACES[1])
    initialize(supernet, 0)
    files.save(supernet, tmp_path / "supernet.keras")
    loaded = files.load_supernet(tmp_path / "supernet.keras")
    assert loaded.space == SPACES[1]
    codes = tf.constant([3, 1])
    np.testing.assert_array_equal(loaded(lr_batch(), codes), supernet(lr_batch(), codes))


def test_files_that_are_no_network(tmp_path):
    with pytest.raises(UserError, match="no such model"):
        files.load(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("not a zip")
    with pytest.raises(UserError, match="not a model"):
        files.load(tmp_path / "text.keras")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "dense.keras")
    with pytest.raises(UserError, match="holds a Sequential"):
        files.load(tmp_path / "dense.keras")
    files.save(nets.SRNet(arch.imdn(4, 16, 1)), tmp_path / "model.keras")
    whole = (tmp_path / "model.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a model"):
        files.load(tmp_path / "cut.keras")


def test_config_is_plain_data():
    for layer in (nets.Block("SCS+reduced+r0.25+k3+f1", 16), nets.ContrastAwareAttention(16, 1)):
        clone = type(layer).from_config(json.loads(json.dumps(keras.saving.serialize_keras_object(layer)["config"])))
        assert [v.shape for v in clone.weights] == [v.shape for v in layer.weights]
    assert dataclasses.asdict(Space()) == nets.Supernet(Space(width=16)).get_config()["space"] | {"width": (64,)}


def imported(path) -> nets.SRNet:
    weights = official.read(path)
    model = nets.SRNet(official.network_of(weights, path))
    official.load_official(model, weights, path)
    return model


def test_official_weights_give_their_outputs(shared):
    reference = shared / "reference" / "imdn"
    model = imported(reference / "IMDN_x4.pth")
    for name in ("bird", "butterfly"):
        lr = np.load(reference / f"{name}_x4_lr_uint8.npy")[None].astype(np.float32) / 255
        np.testing.assert_allclose(model(lr)[0], np.load(reference / f"{name}_x4_out_float32.npy"), atol=1e-5)
