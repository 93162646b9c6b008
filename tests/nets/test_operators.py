"""Operators beside IMDN's own: each computes what its definition says, counts as planned, and folds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from srnas_tf import arch, nets
from srnas_tf.arch import Block, Space
from srnas_tf.arch.block import plan
from srnas_tf.nets.attention import attention
from srnas_tf.nets.conv import ACTIVATIONS, DepthwiseConv, ExpandedConv
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.resample import enlarge
from srnas_tf.nets.supernet import load_path
from srnas_tf.nets.transfer import reparameterized, transfer_weights

NETWORKS = [
    "row:inside:r0.25:b3:f1:a.esa:act.gelu:P-P",
    "expanded:bare:r0.25:z3:f1:a.lka:TCP-TC+a.cca",
    "expanded_row:bare:r0.25:y3:f1:a.gate:act.silu:TCP-TDC+a.none",
    "expanded:imdn:r0.25:x3:f1:a.esa:i0.5:SCSCS-RC+full+i1.0",
]


def draw(layer: keras.Layer, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, weight.shape) for weight in layer.get_weights()])


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def attention_of(kind: str, channels: int) -> keras.Layer:
    made = attention(plan(Block("C", "full", attention=kind), channels), "attention")
    draw(made)
    return made


@pytest.mark.parametrize("text", NETWORKS)
def test_what_is_built_is_what_was_counted(text):
    network = arch.parse(f"x4:w16:{text}")
    model = nets.build(network)
    assert model.count_params() == network.trainable_params
    graph = tf.function(lambda x: model(x)).get_concrete_function(tf.TensorSpec((1, 12, 18, 3))).graph
    seen = {"Conv2D": 3, "DepthwiseConv2dNative": 2}
    macs = sum(
        int(np.prod(op.inputs[1].shape[: seen[op.type]])) * int(np.prod(op.outputs[0].shape))
        for op in graph.get_operations()
        if op.type in seen and op.inputs[1].op.type != "Const"  # interpolation
    )
    assert macs == network.macs(12 * 18 * 16)


@pytest.mark.parametrize("text", NETWORKS)
def test_any_size_and_low_precision(text):
    model = nets.SRNet(arch.parse(f"x2:w16:{text}"), dtype="mixed_bfloat16")
    initialize(model, 0)
    for height, width in ((1, 1), (2, 7), (13, 6)):
        enlarged = model(np.ones((2, height, width, 3), np.float32))
        assert enlarged.shape == (2, 2 * height, 2 * width, 3)
        assert enlarged.dtype == tf.float32
        assert np.isfinite(enlarged).all()


@pytest.mark.parametrize(("height", "width"), [(12, 18), (13, 20), (5, 1)])
def test_enhanced_spatial_attention_is_its_definition(height, width):
    """Windows of the strided convolution begin at 2 i, those of the maximum, in its result, at 3 j - 2."""
    layer = attention_of("esa", 24)
    x, fused = random(2, height, width, 24), random(2, height, width, 24)
    squeeze, keep, shrink, look, excite = ((c.kernel.numpy(), c.bias.numpy()) for c in layer.convs)
    squeezed = fused @ squeeze[0][0, 0] + squeeze[1]
    padded = np.pad(squeezed, ((0, 0), (0, 2), (0, 2), (0, 0)))
    half = tf.nn.conv2d(padded, shrink[0], 2, "VALID") + shrink[1]
    assert half.shape[1:3] == (-(-height // 2), -(-width // 2))
    small = np.zeros((2, -(-height // 6), -(-width // 6), 16), np.float32)
    padded = np.pad(half, ((0, 0), (2, 5), (2, 5), (0, 0)))
    for i, j in np.ndindex(small.shape[1:3]):
        small[:, i, j] = padded[:, 3 * i : 3 * i + 7, 3 * j : 3 * j + 7].max(axis=(1, 2))
    small = tf.nn.conv2d(small, look[0], 1, "SAME") + look[1]
    around = tf.image.resize(small, (6 * small.shape[1], 6 * small.shape[2]))[:, :height, :width]
    gate = tf.sigmoid((squeezed @ keep[0][0, 0] + keep[1] + around) @ excite[0][0, 0] + excite[1])
    np.testing.assert_allclose(layer.add(x, fused), x + fused * gate, atol=1e-4)
    np.testing.assert_allclose(layer.add(None, fused), fused * gate, atol=1e-4)


def test_large_kernel_attention_is_its_definition():
    layer = attention_of("lka", 8)
    x, fused = random(1, 20, 17, 8), random(1, 20, 17, 8)
    mix, near, far = layer.convs
    seen = fused @ mix.kernel.numpy()[0, 0] + mix.bias.numpy()
    spread = np.zeros((13, 13, 1, 8), np.float32)
    spread[::3, ::3] = far.kernel.numpy()
    for kernel, bias in ((near.kernel.numpy(), near.bias), (spread, far.bias)):
        seen = tf.nn.depthwise_conv2d(seen, kernel.swapaxes(2, 3), (1, 1, 1, 1), "SAME") + bias
    np.testing.assert_allclose(layer.add(x, fused), x + fused * seen, atol=1e-3, rtol=1e-4)


def test_the_gate_without_parameters_is_its_definition():
    layer, x, fused = attention_of("gate", 8), random(1, 4, 5, 8), random(2, 4, 5, 8)
    assert not layer.weights
    np.testing.assert_allclose(layer.add(x, fused), (x + fused) * (1 / (1 + np.exp(-fused)) - 0.5), atol=1e-5)


def test_activations_are_their_definitions():
    x = np.linspace(-6, 6, 97, dtype=np.float32)
    expected = {"leaky": np.where(x > 0, x, 0.05 * x), "silu": x / (1 + np.exp(-x)), "gelu": tf.nn.gelu(x, True)}
    assert tuple(ACTIVATIONS) == arch.block.ACTIVATIONS
    for name, activation in ACTIVATIONS.items():
        np.testing.assert_allclose(activation(x), expected[name], atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 6])
def test_enlarging_is_bilinear(factor):
    x = random(2, 4, 3, 5)
    np.testing.assert_allclose(enlarge(x, factor), tf.image.resize(x, (4 * factor, 3 * factor)), atol=1e-6)


def test_a_residual_inside_is_added_before_the_fusion():
    block = nets.Block("P+inside+b3+act.silu", 8)
    draw(block)
    x = random(1, 6, 7, 8)
    last = block.last(block.trunks[0][0](block.first(x)))
    silent = nets.Block("P+full+f1+b3+act.silu", 8)
    silent.set_weights([weight for layer in (block.first, block.trunks[0][0], block.last) for weight in layer.weights]
                       + silent.attention.get_weights() + block.fusion.get_weights())  # fmt: skip
    np.testing.assert_allclose(last, ACTIVATIONS["silu"](silent.gather(x)), atol=1e-5)
    np.testing.assert_allclose(block(x), block.fusion(x + last), atol=1e-5)


def test_blocks_in_a_row_go_on_alone():
    model = nets.build(arch.parse("x2:w8:row:inside:r0.25:b3:f1:P-C"))
    initialize(model, 0)
    lr = random(1, 6, 5, 3)
    features = model.conv_first(lr)
    x = model.conv_after_body(model.blocks[1](model.blocks[0](features))) + features
    np.testing.assert_array_equal(model(lr), keras.ops.depth_to_space(model.upsample(x), 2))


@pytest.mark.parametrize("deployed", [arch.BlueprintConv(6, 6, 5), arch.BlueprintConv(6, 4), arch.Conv(6, 6, 1)])
def test_reparameterized_convolutions_are_a_sum_of_linear_ways(deployed):
    """LKDN's: a 1x1 and the identity, then filters, a factor a channel and the identity."""
    value = arch.ExpandedConv(deployed, expansion=0, factors=True)
    layer = ExpandedConv(value)
    draw(layer)
    assert layer.count_params() == value.trainable_params
    x = random(2, 7, 8, 6)
    dense = x @ layer.dense.numpy()[0, 0] + (x if deployed.out_channels == 6 else 0)
    if layer.depthwise is not None:
        filters = keras.ops.swapaxes(layer.depthwise, 2, 3)
        dense = keras.ops.depthwise_conv(dense, filters, padding="same") + dense + dense * layer.factors[0, 0, 0]
    np.testing.assert_allclose(layer(x), dense + layer.bias, atol=1e-4)


@pytest.mark.parametrize("kind", ["reparam_blueprint", "expanded_reparam_blueprint"])
def test_reparameterized_networks_fold_and_unfold(kind):
    block = Block("TCPD", "bare", conv=kind, attention="esa")
    network = nets.SRNet(arch.Network(2, 16, (block,) * 2, "expanded_row"))
    draw(network)
    plain, lr = reparameterized(network), random(1, 8, 9, 3)
    assert plain.count_params() == network.network.params < network.count_params() == network.network.trainable_params
    assert {block.conv for block in plain.network.blocks} == {"blueprint"}
    expected = network(lr)
    np.testing.assert_allclose(plain(lr), expected, atol=1e-4 * np.abs(expected).max())
    other = nets.SRNet(network.network)
    initialize(other, 3)
    assert transfer_weights(other, plain) == plain.count_params()
    np.testing.assert_allclose(other(lr), expected, atol=1e-4 * np.abs(expected).max())


def test_filters_of_a_channel_know_their_dilation():
    layer = DepthwiseConv(arch.DepthwiseConv(2, 3, dilation=2))
    layer.set_weights([np.ones((3, 3, 1, 2)), np.zeros(2)])
    x = np.zeros((1, 7, 7, 2), np.float32)
    x[0, 3, 3] = 1
    assert np.argwhere(layer(x)[0, ..., 0]).tolist() == [[i, j] for i in (1, 3, 5) for j in (1, 3, 5)]


@pytest.mark.parametrize(
    "fields",
    [
        {"ending": "inside", "stem": "row", "sharing": "entangled"},
        {"space": "tapped", "conv": "reparam_blueprint", "stem": "expanded_row"},
    ],
)
def test_supernets_of_operators(fields):
    space = Space(depth=2, width=16, stages=2, **fields)
    supernet = nets.Supernet(space)
    assert supernet.count_params() == space.supernet_params
    initialize(supernet, 0)
    lr = random(1, 6, 7, 3)
    for codes in ((0, 1), (len(space.blocks) - 1, 2)):
        network = nets.SRNet(space.network(codes))
        load_path(network, supernet)
        np.testing.assert_allclose(supernet(lr, codes=codes), network(lr), atol=1e-6)
