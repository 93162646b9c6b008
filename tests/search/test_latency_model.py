"""Latency told from timed networks: what it gets right, what it refuses."""

import dataclasses
import json
import math

import numpy as np
import pytest
from spaces import wide

from srnas_tf.arch import Network
from srnas_tf.arch.work import work
from srnas_tf.errors import UserError
from srnas_tf.search.feasible import Feasible, Price
from srnas_tf.search.latency_model import MIN_NETWORKS, LatencyModel, to_time, works_of
from srnas_tf.settings import Values

SPACE = wide()
PRICES = {
    "convolution 3x3": 0.3,
    "convolution 3x3 MACs by 16": 1.2,
    "pointwise MACs by 16": 0.6,
    "depthwise 3x3 MACs by 16": 2.0,
    "call": 0.5,
}


def took(network: Network) -> float:
    return sum(PRICES.get(kind, 0.01) * count for kind, count in work(network).items())


def model(count=60, noise=0.0, **changes) -> LatencyModel:
    rng = np.random.default_rng(1)
    drawn = {str(n): n for n in (SPACE.network(SPACE.sample(rng)) for _ in range(6 * count))}
    timed = {text: took(n) * math.exp(noise * rng.normal()) for text, n in list(drawn.items())[:count]}
    described = {"machine": "2 cores", "runtime": "onnxruntime", "runtime_version": "1", "threads": 1}
    described |= {"input_size": "128x128", "date": "2026-11-29", "scale": SPACE.scale, "networks": timed}
    return LatencyModel(**described | changes)


def test_what_is_a_sum_over_layers_is_told_exactly():
    rng = np.random.default_rng(2)
    fitted = model()
    for _ in range(20):
        network = SPACE.network(SPACE.sample(rng))
        assert fitted.predict(network) == pytest.approx(took(network), rel=1e-3)
    assert fitted.checked.error < 1e-3
    assert fitted.checked.rank > 0.999


def test_noise_shows_in_the_check():
    checked = model(noise=0.05).checked
    assert 0.01 < checked.error < 0.08


def test_it_is_a_price_of_blocks():
    fitted = model(noise=0.03)
    feasible = Feasible(SPACE, {"latency_ms": 8.0}, {"latency_ms": Price(fitted.of_frame, fitted.of_block)})
    for codes, _ in zip(feasible.draws(np.random.default_rng(0)), range(20), strict=False):
        ms = fitted.predict(SPACE.network(codes))
        assert feasible.price(codes)["latency_ms"] == pytest.approx(ms)
        assert ms <= 8.0 + 1e-9


def test_its_file_is_what_it_is_fitted_to():
    fitted = model(noise=0.03)
    again = LatencyModel.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    assert again.prices == fitted.prices


def test_large_kernels_that_were_not_timed_cost_what_small_ones_do():
    every = model(400)
    some = {text: ms for text, ms in every.networks.items() if all(b.kernel == 3 for b in Network.parse(text).blocks)}
    fitted = dataclasses.replace(every, networks=some)
    assert not any("larger" in kind for kind in fitted.kinds)
    small, large = (Network.parse(f"x2:w16:thin:bare:r0.25:b{k}:f1:T") for k in (3, 5))
    assert fitted.predict(large) > fitted.predict(small)
    fitted.check(SPACE, "file")


def test_networks_to_time_have_all_kinds_of_layers():
    space = dataclasses.replace(SPACE, attention=Values(("none", "esa", "lka", "gate")))
    for seed in range(5):
        timed = to_time(space, {}, MIN_NETWORKS, seed)
        assert len(set(timed)) == MIN_NETWORKS
        assert {kind for each in timed for kind in work(each)} == {kind for each in works_of(space) for kind in each}


def test_what_it_refuses():
    fitted = model()
    fitted.check(SPACE, "file")
    with pytest.raises(UserError, match="file: is of scale 2"):
        fitted.check(dataclasses.replace(SPACE, scale=4), "file")
    with pytest.raises(UserError, match="no network in it has layers of kind 'attention esa'"):
        fitted.check(dataclasses.replace(SPACE, attention="esa"), "file")
    with pytest.raises(UserError, match="knows no layers of kind 'attention esa'"):
        fitted.predict(Network.parse("x2:w16:thin:bare:r0.25:b3:f1:a.esa:T"))
    with pytest.raises(UserError, match=r"an error of \d+% .*measure again"):
        model(noise=1.5).check(SPACE, "file")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 1}, "its version is 1"),
        ({"networks": {}}, "'networks' is not an object"),
        ({"networks": {"x2:w16:thin:bare:r0.25:b3:f1:T": 1.0}}, f"takes {MIN_NETWORKS} or more"),
        ({"networks": {f"x4:w{w}:thin:bare:r0.25:b3:f1:T": 1.0 for w in range(16, 60)}}, "is of scale 4, not 2"),
        ({"networks": {"x2:w16:T": 1.0}}, "not in its full form"),
        ({"threads": 0}, "'threads' is 0"),
    ],
)
def test_a_file_that_is_none(change, says):
    with pytest.raises((ValueError, UserError), match=says):
        LatencyModel.from_json(model().to_json() | change)
