"""Networks of one supernet measured together: they score as on their own, and in a lower precision nearly so."""

import dataclasses

import numpy as np
import pytest
from spaces import wide
from test_train import SPACE, data

from srnas_tf import nets
from srnas_tf.data.sources import load_pairs
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path
from srnas_tf.train import evaluate
from srnas_tf.train.scoring import PathScorer, SharedOut

__all__ = ["data"]  # a fixture


@pytest.mark.parametrize(
    ("space", "kept"),
    [
        (dataclasses.replace(SPACE, stages=2, depth=3), 0),
        (dataclasses.replace(SPACE, stages=2, depth=3, sharing="ends"), 100_000),
        (dataclasses.replace(SPACE, stages=2, depth=3, sharing="entangled"), 1 << 30),
        (wide(), 100_000),
    ],
)
def test_networks_that_share_features_score_as_on_their_own(data, space, kept):
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    pairs = load_pairs(data.paths("train"), 2)
    pairs = [*pairs, *(pair._replace(lr=pair.lr[::-1], hr=pair.hr[::-1]) for pair in pairs[:3])]  # some of one size
    scorer, at = PathScorer(supernet, pairs, kept), evaluate.of_paths(supernet)
    rng = np.random.default_rng(0)
    asked = sorted(space.sample(rng) for _ in range(5))
    for codes in (*asked, *asked[::-3]):
        alone = evaluate.validation_psnr(at(codes), pairs, 2)
        assert abs(scorer(codes) - alone) < 1e-4


@pytest.mark.parametrize("count", [2, 3])
def test_photographs_shared_out_score_the_same(data, count):
    supernet = nets.Supernet(SPACE)
    initialize(supernet, 0)
    pairs = load_pairs(data.paths("train"), 2)
    one = PathScorer(supernet, pairs, 1 << 30)
    several = SharedOut(supernet, pairs, 1 << 30, count)
    for codes in ((0, 0), (0, 7), (3, 5), (0, 0)):
        assert several(codes) == pytest.approx(one(codes), abs=1e-9)


def test_photographs_in_lanes_score_the_same(data, monkeypatch):
    supernet, pairs = nets.Supernet(SPACE), load_pairs(data.paths("train"), 2)
    initialize(supernet, 0)
    network = nets.SRNet(SPACE.network((3, 5)))
    load_path(network, supernet)
    found = []
    for count in (1, 3):
        monkeypatch.setattr(evaluate, "lanes", lambda count=count: count)
        path, alone = evaluate.of_paths(supernet)((3, 5)), evaluate.of_network(network)
        assert path.count == alone.count == count
        found += [evaluate.scores(path, pairs, 2).psnrs, evaluate.scores(alone, pairs, 2).psnrs]
        assert evaluate.validation_psnr(path, pairs, 2) == pytest.approx(np.mean(found[-2]))
    for psnrs in found[1:]:
        np.testing.assert_allclose(psnrs, found[0], atol=1e-4)


def test_a_lower_precision_scores_nearly_the_same(data):
    """What screening in a search relies on: all networks lose about as much."""
    supernet = nets.Supernet(SPACE)
    initialize(supernet, 0)
    pairs = load_pairs(data.paths("train"), 2)
    scorer, rough = (PathScorer(each, pairs, 1 << 30) for each in (supernet, supernet.cast("mixed_bfloat16")))
    losses = [scorer(codes) - rough(codes) for codes in ((0, 0), (0, 7), (3, 5), (7, 7))]
    assert 0 < max(map(abs, losses)) < 0.1
    assert max(losses) - min(losses) < 0.03
