"""What the paths of a supernet share: what it holds, counted and looked at."""

import numpy as np
import pytest

from srnas_tf import nets
from srnas_tf.arch import Space
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path

# Settings, and parameters of the whole supernet; the last is what the thesis counted.
SUPERNETS = [
    ({"space": "initial", "ending": "full", "rate": 0.125}, 3638130),
    ({"space": "initial", "ending": "full"}, 3378198),
    ({"space": "initial"}, 3019044),
    ({"space": "initial", "sharing": "ends"}, 1232580),
    ({"space": "initial", "sharing": "ends", "fusion_kernel": 1}, 1035972),
    ({"space": "dynamic"}, 6418014),
    ({"space": "dynamic", "stages": 4}, 13882242),
    ({"space": "dynamic", "stages": 4, "skip_first": True}, 14104962),
]


@pytest.mark.parametrize(("settings", "params"), SUPERNETS)
def test_supernets(settings, params):
    assert Space(**settings).supernet_params == params


@pytest.mark.parametrize("settings", [{"stages": 3}, {"stages": 1, "fusion_kernel": 3, "depth": 2, "conv": "plain"}])
def test_an_entangled_supernet_of_taps_is_as_large_as_its_largest_network(settings):
    """Each path leaves out some of what `TCTCTCT` has, and adds nothing."""
    space = Space(space="tapped", sharing="entangled", width=48, **settings)
    assert space.supernet_params == space.largest(lambda network: network.params).params


def test_what_paths_of_splits_share_when_entangled():
    """SC has a first conv, an attention and a piece of 4 channels where SS has them, of the same shapes."""
    space = Space(stages=1, depth=1, width=16, sharing="entangled")
    assert [choice.recipe for choice in space.choices] == ["SS", "SC"]
    trunk, last, rows = 9 * 12 * 16 + 16, 9 * 16 * 12 + 12, 9 * 12 * 16
    assert space.supernet_params == space.network((0,)).params + trunk + last + rows


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
