"""What the paths of a supernet share: what it holds, counted and looked at."""

import itertools
import math

import numpy as np
import pytest
from figures import SUPERNETS
from spaces import wide

from srnas_tf import nets
from srnas_tf.arch import Space
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path

# Settings, and parameters of the whole supernet; the last is what the thesis counted.


@pytest.mark.parametrize(("settings", "params"), SUPERNETS)
def test_supernets(settings, params):
    assert Space(**settings).supernet_params == params


@pytest.mark.parametrize("settings", [{"stages": 3}, {"stages": 1, "fusion_kernel": 3, "depth": 2, "conv": "plain"}])
def test_an_entangled_supernet_of_taps_is_as_large_as_its_largest_network(settings):
    """Each path leaves out some of what `TCTCTCT` has, and adds nothing."""
    space = Space(space="tapped", sharing="entangled", width=48, **settings)
    assert space.supernet_params == space.largest(lambda network: network.params).params


def test_what_paths_of_splits_share_when_entangled():
    """SS has a piece of 3 channels of its own, which attention and fusion see; all else is a slice of what SC has."""
    space = Space(stages=1, depth=1, width=16, sharing="entangled")
    assert [choice.recipe for choice in space.blocks] == ["SS", "SC"]
    rows, squeezed, excited = 9 * 3 * 16, 3, 3 + 3
    assert space.supernet_params == space.network((1,)).params + rows + squeezed + excited


def test_entangled_widths_depths_and_kernels_are_slices_of_the_largest():
    """Of a narrow, shallow network with small kernels, each variable is the middle and the beginning of another's."""
    space = Space(
        space="tapped", width="8/16", depth="1/2", kernel="3/5", recipes="TC", inner="0.5/1", sharing="entangled"
    )
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    codes = [code for code in itertools.product(*map(range, space.cardinalities)) if space.canonical(code) == code]
    largest = space.largest(lambda network: network.params)
    assert space.supernet_params == largest.params
    whole = nets.SRNet(largest)
    load_path(whole, supernet)
    for code in codes[::3]:
        network = nets.SRNet(space.network(code))
        load_path(network, supernet)
        _assert_slice(network.conv_first, whole.conv_first)
        _assert_slice(network.upsample, whole.upsample)
        for block, of in zip(network.blocks, whole.blocks, strict=False):
            _assert_slice(block.first, of.first)
            _assert_slice(block.trunks[1][0], of.trunks[1][0])


def _assert_slice(one, other):
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        begins = [
            (b - s) // 2 if len(mine.shape) == 4 and i < 2 else 0
            for i, (s, b) in enumerate(zip(mine.shape, theirs.shape, strict=True))
        ]
        there = tuple(slice(at, at + size) for at, size in zip(begins, mine.shape, strict=True))
        np.testing.assert_array_equal(mine, theirs.numpy()[there])


@pytest.mark.parametrize("sharing", ["none", "entangled"])
def test_a_supernet_holds_what_its_layouts_say(sharing):
    space = wide(sharing)
    supernet = nets.Supernet(space)
    held = [sum(math.prod(w.shape) for w in slot.placement.weights) for slot in supernet.slots]
    assert sum(held) == space.supernet_params == supernet.count_params()
    for slot in supernet.slots:
        used = [where.ravel() for path in range(len(slot.placement)) for where in slot.placement.places(path)]
        assert len(np.unique(np.concatenate(used))) == sum(math.prod(w.shape) for w in slot.placement.weights)


def test_entangled_paths_share_what_stands_in_one_place():
    """TC and TCCT are parts of TCTCT: all but the rows of the fusion that read a piece which they have not."""
    space = Space(depth=1, width=16, stages=2, space="tapped", sharing="entangled")
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    largest, *others = (nets.SRNet(space.parse(recipe)) for recipe in ("TCTCT", "TC", "TCCT"))
    for network in (largest, *others):
        load_path(network, supernet)
    [whole], rows = largest.blocks, {"TC": [0, 1, 2, 3, 12, 13, 14, 15], "TCCT": [0, 1, 2, 3, *range(8, 16)]}
    for network in others:
        [block] = network.blocks
        recipe = block.block.recipe
        for name in ("first", "last"):
            _assert_same(getattr(block, name), getattr(whole, name))
        _assert_same(block.branches[0][0], whole.branches[0][0])
        _assert_same(block.trunks[1][0], whole.trunks[1][0])
        np.testing.assert_array_equal(block.fusion.kernel, whole.fusion.kernel.numpy()[:, :, rows[recipe]])
        np.testing.assert_array_equal(block.fusion.bias, whole.fusion.bias)
    [block] = others[-1].blocks
    _assert_same(block.trunks[2][0], whole.trunks[3][0])
    _assert_same(block.branches[3][0], whole.branches[4][0])


def _assert_same(one, other):
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
