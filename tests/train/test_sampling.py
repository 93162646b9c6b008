"""Samplings: which paths a step trains, that no gradient is lost, and that nothing moves which no path used."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import lines
from spaces import wide
from test_train import SPACE, TINY, _batch, _l1, _same_weights, data, job

from srnas_tf import nets
from srnas_tf.arch import SHARING
from srnas_tf.errors import UserError
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path
from srnas_tf.train import loop
from srnas_tf.train.adam import PathAdam
from srnas_tf.train.pieces import Pieces
from srnas_tf.train.rules import adam
from srnas_tf.train.sampling import SAMPLINGS
from srnas_tf.train.settings import TrainSettings
from srnas_tf.train.trainable import Own, Part, Shared, trainable_network, trainable_supernet

__all__ = ["data"]  # a fixture
SMALL = dataclasses.replace(SPACE, stages=1)
"""Two paths a block."""
SEVERAL = sorted(SAMPLINGS.keys() - {"uniform"})


@pytest.mark.parametrize("name", SAMPLINGS)
def test_paths_are_a_function_of_seed_and_step(name):
    draw = SAMPLINGS[name].draw
    drawn = [draw(SPACE, 0, step) for step in range(50)]
    assert drawn == [draw(SPACE, 0, step) for step in range(50)]
    assert drawn != [draw(SPACE, 1, step) for step in range(50)]
    assert len({len(paths) for paths in drawn}) == 1  # one trace


def test_uniform_draws_every_network():
    drawn = {SAMPLINGS["uniform"].draw(SPACE, 0, step) for step in range(400)}
    assert len(drawn) > 55  # of 64


def test_fair_uses_each_path_of_each_block_once_a_step():
    drawn = [SAMPLINGS["fair"].draw(SPACE, 0, step) for step in range(200)]
    for paths in drawn:
        for codes in zip(*paths, strict=True):
            assert sorted(codes) == list(range(8))
    assert len({path for paths in drawn for path in paths}) > 60  # of 64: blocks are shuffled apart from each other


def test_fair_needs_blocks_of_as_many_paths():
    with pytest.raises(UserError, match="--sampling=fair"):
        SAMPLINGS["fair"].draw(SimpleNamespace(cardinalities=(3, 2)), 0, 0)


def test_sandwich_is_the_largest_the_smallest_and_a_random_one():
    drawn = [SAMPLINGS["sandwich"].draw(SPACE, 0, step) for step in range(100)]
    sizes = {code: SPACE.network((code, code)).params for code in range(8)}
    largest, smallest = (choose(sizes, key=sizes.__getitem__) for choose in (max, min))
    assert {paths[:2] for paths in drawn} == {((largest,) * 2, (smallest,) * 2)}
    assert len({paths[2] for paths in drawn}) > 40


def _l2(sr, taught):
    loss = tf.reduce_mean(tf.math.squared_difference(sr, taught))
    return loss, loss


def _alone(supernet, codes, lr, target, loss_of):
    """Output and gradients of a network on its own, the gradients as the weights of a supernet that has no others."""
    network = nets.SRNet(supernet.space.network(codes))
    load_path(network, supernet)
    alone = trainable_network(network).gradients(loss_of, lr, target, ())
    for variable, gradient in zip(network.trainable_variables, alone.by_part, strict=True):
        variable.assign(gradient)
    holder = nets.Supernet(supernet.space)
    for slot, path, owner in zip(holder.slots, holder.space.paths(codes), [network, *network.blocks], strict=False):
        slot.write(path, owner.variables_in_order)
    return alone, [variable.numpy() for variable in holder.trainable_variables]


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("name", SEVERAL)
def test_gradients_of_a_step_are_those_of_its_networks_alone_added_up(name, sharing):
    space = dataclasses.replace(SMALL, sharing=sharing)
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    trainable = trainable_supernet(supernet)
    lr, hr = _batch()
    draw, distills = SAMPLINGS[name]
    paths = draw(space, 0, 0)
    loss, gradients = trainable.loss_and_gradients(_l1, lr, hr, paths, _l2 if distills else None)
    losses, wanted, target = [], 0, hr
    for codes in paths:
        alone, placed = _alone(supernet, codes, lr, target, _l2 if distills and losses else _l1)
        losses.append(float(alone.loss))
        wanted = [a + b for a, b in zip(wanted, placed, strict=True)] if wanted else placed
        if distills and len(losses) == 1:
            target = alone.output
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-5)
    scale = max(float(np.abs(g).max()) for g in wanted)
    assert np.mean([by_hand.any() for by_hand in wanted]) > 0.8  # an attention's ReLU may be dead at first
    for part, used, gradient, by_hand in zip(trainable.parts, trainable.used(paths), gradients, wanted, strict=True):
        np.testing.assert_allclose(part.place(gradient, used), by_hand, atol=1e-6 * scale, rtol=1e-4)


ONE = [((2, 1),), ((2, 2),), ((3, 1),), ((2, 1),)]
"""Moments of what a step uses are no longer zero when the next one leaves it alone."""
SEVERAL_PATHS = [((2, 1), (2, 3), (0, 1)), ((1, 2), (1, 2), (1, 2)), ((2, 1), (0, 0), (3, 1))]


@pytest.mark.parametrize("steps", [ONE, SEVERAL_PATHS])
@pytest.mark.parametrize("sharing", SHARING)
def test_what_no_path_uses_stays_to_the_bit(steps, sharing):
    _stays(dataclasses.replace(SPACE, stages=2, sharing=sharing), steps)


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("sharing", ["none", "entangled"])
def test_what_no_trunk_width_or_depth_uses_stays_to_the_bit(together, sharing):
    space, rng = wide(sharing), np.random.default_rng(together)
    _stays(space, [tuple(space.sample(rng) for _ in range(together)) for _ in range(4)], decay=0.1)


def _stays(space, steps, decay=0.0):
    """Takes the steps, and looks after each at weights, moments, averages and counts."""
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    trainable = trainable_supernet(supernet)
    optimizer = PathAdam(trainable.parts, ema=0.9, rule_of=lambda variable: adam(decay))
    lr, hr = _batch()
    update = tf.function(optimizer.apply)
    wanted = [np.zeros(part.variable.shape, int) for part in trainable.parts]
    for networks in steps:
        lists = (supernet.trainable_variables, optimizer.first, optimizer.second, optimizer.averages)
        before = [[v.numpy() for v in variables] for variables in lists]
        _, gradients = trainable.loss_and_gradients(_l1, lr, hr, networks, _l2)
        update(gradients, tf.constant(0.01), [own for own in trainable.used(networks) if own is not None])
        for i, used in enumerate(_used(supernet, networks)):
            wanted[i] += used
            for variables, olds in zip(lists, before, strict=True):
                moved = variables[i].numpy() != olds[i]
                assert not moved[~used].any()
                assert not used.any() or moved[used].mean() > 0.8  # an attention's ReLU may be dead at first
    slots = [number for number, slot in enumerate(supernet.slots) for _ in slot.trainable_variables]
    for part, slot, counts, used in zip(trainable.parts, slots, optimizer.counts, wanted, strict=True):
        if part.kind is Shared:
            assert counts.numpy().tolist() == used.tolist()  # once a step, however many paths use it
        elif part.kind is None:
            assert counts.numpy() == len(steps)
        else:
            positions = [{space.paths(codes)[slot] for codes in networks} for networks in steps]
            assert counts.numpy().tolist() == [
                sum(path in taken for taken in positions) for path in range(counts.shape[0])
            ]


def _used(supernet, networks):
    """Of each variable, the numbers that some of the networks use."""
    for position, slot in enumerate(supernet.slots):
        marked = np.zeros(slot.numbers().shape, bool)
        for path in {supernet.space.paths(codes)[position] for codes in networks}:
            for where in slot.placement.places(path):
                marked[where] = True
        sizes = [math.prod(variable.shape) for variable in slot.trainable_variables]
        for variable, part in zip(slot.trainable_variables, np.split(marked, np.cumsum(sizes)[:-1]), strict=True):
            yield part.reshape(variable.shape)


def test_rows_move_as_they_would_alone():
    rows = [[0, 1], [2, 3, 4], [5, 6, 7, 8]]
    start = np.arange(18, dtype=np.float32).reshape(9, 2)
    together, apart = ([Part(tf.Variable(start), (3,))] for _ in range(2))
    several, single = PathAdam(together, ema=0.9), PathAdam(apart, ema=0.9)
    rng = np.random.default_rng(0)

    def own(*paths):
        lists = list(itertools.chain(*(rows[path] for path in paths))), paths, [len(rows[path]) for path in paths]
        return Own(*(tf.constant(each, tf.int32) for each in lists))

    for paths in ((0, 2), (1,), (2, 0, 1)):
        gradient = rng.normal(size=(9, 2)).astype(np.float32)
        used = own(*paths)
        several.apply([tf.gather(gradient, used.rows)], tf.constant(0.1), [used])
        for path in paths:
            single.apply([tf.constant(gradient[rows[path]])], tf.constant(0.1), [own(path)])
    for one, other in ((several, single), (several.averages[0], single.averages[0])):
        values = [x._parts[0].variable if isinstance(x, PathAdam) else x for x in (one, other)]
        np.testing.assert_array_equal(*values)
    assert several.counts[0].numpy().tolist() == single.counts[0].numpy().tolist() == [2, 2, 2]
    assert (together[0].variable.numpy() != start).all()


@pytest.mark.parametrize("name", SAMPLINGS)
def test_a_piece_is_traced_once(name):
    """However many networks have it, at whatever positions, and however often."""
    supernet = nets.Supernet(SMALL)
    initialize(supernet, 0)
    pieces, (lr, _) = Pieces(supernet), _batch()
    for step in range(20):
        for codes in SAMPLINGS[name].draw(SMALL, 0, step):
            pieces(lr, codes)
    assert len(pieces._traced) == 4  # two blocks, what stands before them, and what stands behind
    assert {piece.experimental_get_tracing_count() for piece in pieces._traced.values()} == {1}


def test_a_loss_is_traced_once_and_the_image_has_no_gradient():
    supernet, calls = nets.Supernet(SMALL), []
    initialize(supernet, 0)
    trainable, (lr, hr) = trainable_supernet(supernet), map(tf.constant, _batch())

    def loss_of(output, target):
        calls.append(1)
        return _l1(output, target)

    for step in range(6):
        trainable.gradients(loss_of, lr, hr, SAMPLINGS["uniform"].draw(SMALL, 0, step)[0])
    assert len(calls) == 1
    with tf.GradientTape() as tape:
        tape.watch(lr)
        output = Pieces(supernet)(lr, (0,) * 2)
    assert tape.gradient(output, lr) is None


def test_what_moves_the_weights_is_traced_once(monkeypatch):
    """For all networks, though their gradients differ in size."""
    space, rng = wide(), np.random.default_rng(0)
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    trainable = trainable_supernet(supernet)
    optimizer, calls = PathAdam(trainable.parts), []
    apply = optimizer.apply
    monkeypatch.setattr(optimizer, "apply", lambda *arguments: calls.append(1) or apply(*arguments))
    step = loop.make_step(tf.distribute.get_strategy(), trainable, optimizer)
    for _ in range(6):
        step(*_batch(), tf.constant(0.1), (space.sample(rng),))
    assert len(calls) == 1


def test_a_resumed_run_equals_an_undisturbed_one(data, tmp_path, monkeypatch):
    settings = dataclasses.replace(TINY, ema=0.9, schedule="cosine", sampling="sandwich")
    undisturbed = job(data, settings).train_supernet(SMALL, tmp_path / "a")
    rate_at = TrainSettings.rate_at

    def killed_at_step_4(settings, step):
        if step == 4:
            raise KeyboardInterrupt
        return rate_at(settings, step)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TrainSettings, "rate_at", killed_at_step_4)
        job(data, settings).train_supernet(SMALL, tmp_path / "b")
    resumed = job(data, settings).train_supernet(SMALL, tmp_path / "b")
    assert _same_weights(undisturbed, resumed)
    assert [entry["step"] for entry in lines(tmp_path / "b" / "metrics.jsonl")] == [1, 3, 4, 6]


def test_float16_learns(data, tmp_path):
    """Losses are scaled, and their scale divided out once, however many paths are added up."""
    settings = dataclasses.replace(
        TINY, precision="mixed_float16", steps=10, sampling="sandwich", first_weights="uniform"
    )
    job(data, settings).train_supernet(SMALL, tmp_path)
    losses = [entry["loss"] for entry in lines(tmp_path / "metrics.jsonl")]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
