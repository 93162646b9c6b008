"""What a network has to do, by kinds of layers."""

import numpy as np
import pytest
from spaces import wide

from srnas_tf.arch import Network
from srnas_tf.arch.work import of_block, of_frame, work

SPACE = wide()


@pytest.mark.parametrize("seed", range(20))
def test_work_is_a_sum_over_blocks(seed):
    network = SPACE.network(SPACE.sample(np.random.default_rng(seed))).deployed
    total = of_frame(network)
    for block in network.blocks:
        total += of_block(block, network.width)
    assert work(network) == pytest.approx(total)


def test_work_of_a_network_by_hand():
    """`TC` taps 4 of 16 channels, convolves, and ends in a convolution of 4; a 1x1 fusion brings 8 back to 16."""
    counted = work(Network.parse("x4:w16:thin:bare:r0.25:b3:f1:TC"))
    #                 first, trunk, last, conv_after_body, upsample are separable; conv_first is plain
    assert (counted["depthwise 3x3"], counted["convolution 3x3"]) == (5, 1)
    assert counted["pointwise"] == 5 + 1 + 1 + 1  # theirs, the tap, the fusion, the aggregation
    assert counted["convolution 3x3 MACs by 16"] * 1000 == 9 * 16 * 16  # 3 channels fill one vector of 16
    assert counted["convolution 3x3 MACs by 8"] * 1000 == 9 * 8 * 16
    assert counted["pointwise channels"] * 1000 == pytest.approx(
        (16 + 16) * 2 + (16 + 4) + (16 + 4) + (8 + 16) + (16 + 16) * 2 + (16 + 48)
    )
    assert counted["depthwise 3x3 channels"] * 1000 == pytest.approx(16 + 16 + 4 + 16 + 48)
    assert counted["sum"] == 2
    assert counted["concatenation channels"] * 1000 == 8


def test_large_kernels_are_another_kind():
    small, large = (work(Network.parse(f"x4:w16:thin:bare:r0.25:b{k}:f1:TC")) for k in (3, 7))
    assert large["depthwise larger"] + large["depthwise 3x3"] == small["depthwise 3x3"]
    assert "depthwise larger" not in small
    ratio = large["depthwise larger MACs by 16"] / large["depthwise larger"]
    assert ratio == pytest.approx(49 / 9 * small["depthwise 3x3 MACs by 16"] / small["depthwise 3x3"], rel=0.3)


def test_expanded_convolutions_work_as_their_deploy_form():
    for kinds in (("e3", "k3"), ("x5", "b5")):
        trained, used = (Network.parse(f"x4:w16:bare:r0.25:{kind}:f1:TCC-C") for kind in kinds)
        assert work(trained) == work(used)


def test_wide_layers_work_more():
    narrow, wider = (Network.parse(f"x4:w{width}:bare:r0.25:k3:f1:TC") for width in (32, 48))
    assert all(work(wider)[kind] >= count for kind, count in work(narrow).items())
