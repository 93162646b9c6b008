"""Weights that cross from one network to another: what fits, what does not, and what the command line says."""

import dataclasses
import json

import numpy as np
import pytest

from srnas_tf import arch, nets
from srnas_tf.arch import SHARING, Network, Space
from srnas_tf.modes.start import start_of
from srnas_tf.nets.block import Block
from srnas_tf.nets.files import load, save
from srnas_tf.nets.initial import initialize
from srnas_tf.nets.supernet import load_path
from srnas_tf.nets.transfer import transfer_weights

IMDN = arch.imdn(2, 16, 2)
LIKE_IMDN = Space(stages=4, depth=2, width=16, scale=2, ending="imdn")
"""A dynamic space that holds IMDN's block, as code 10 (binary 1010: CSCS)."""

# With ending reduced, too, the last conv is as wide as IMDN's: three splits leave it 4 of 16 channels.
LIKE_SHARED = dataclasses.replace(LIKE_IMDN, ending="reduced", fusion_kernel=1, sharing="ends")


@pytest.fixture
def source():
    model = nets.build(IMDN)
    initialize(model, 7)
    return model


def fresh(network):
    model = nets.build(arch.parse(network) if isinstance(network, str) else network)
    initialize(model, 0)
    return model


LR = np.random.default_rng(0).random((1, 6, 7, 3), np.float32)


def test_the_same_network_takes_everything(source):
    model = fresh(IMDN)
    assert transfer_weights(model, source) == IMDN.params
    np.testing.assert_array_equal(model(LR), source(LR))


@pytest.mark.parametrize("space", [LIKE_IMDN, LIKE_SHARED], ids=["none", "ends"])
def test_a_supernet_holds_imdn_afterwards(source, space):
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    taken = transfer_weights(supernet, source)
    assert IMDN.params <= taken < space.supernet_params
    np.testing.assert_allclose(supernet(LR, np.array([10, 10])), source(LR), atol=1e-6)
    network = nets.SRNet(space.network([10, 10]))
    load_path(network, supernet)
    np.testing.assert_allclose(network(LR), source(LR), atol=1e-6)


def test_paths_take_the_letters_that_they_share(source):
    """SCSSC and SCSCS part after SCS: first conv, one C, and the ends fit; the second C stands elsewhere."""
    model = fresh("x2:w16:imdn:r0.25:k3:f1:SCSSC-SCSSC")
    before = [v.numpy() for v in model.blocks[0].trainable_variables]
    transfer_weights(model, source)
    mine, theirs = model.blocks[0], source.blocks[0]
    np.testing.assert_array_equal(mine.first.kernel, theirs.first.kernel)
    np.testing.assert_array_equal(mine.trunks[1][0].kernel, theirs.trunks[1][0].kernel)
    assert mine.trunks[4][0].kernel.shape == (3, 3, 9, 16)
    kept = [(v.numpy() == old).all() for v, old in zip(mine.trainable_variables, before, strict=True)]
    assert 0 < sum(kept) < len(kept)


def test_depths_may_differ_and_widths_may_not(source):
    deeper = fresh(arch.imdn(2, 16, 3))
    missing = IMDN.params - transfer_weights(deeper, source)
    assert missing == deeper.network.frame.aggregate.params - 16 * 16  # the 1x1 conv over all blocks is wider
    np.testing.assert_array_equal(deeper.blocks[1].last.kernel, source.blocks[1].last.kernel)
    assert transfer_weights(fresh(arch.imdn(2, 12, 2)), source) == 0


def test_another_scale_keeps_its_upsampler(source):
    model = fresh(arch.imdn(3, 16, 2))
    upsampler = model.upsample.kernel.numpy()
    assert transfer_weights(model, source) == IMDN.params - IMDN.frame.upsample.params
    np.testing.assert_array_equal(model.upsample.kernel, upsampler)


def test_the_zoo_takes_from_its_like_alone(source):
    fsrcnn = nets.build(arch.parse("x2:fsrcnn"))
    initialize(fsrcnn, 3)
    other = fresh("x2:fsrcnn")
    assert transfer_weights(other, fsrcnn) == 12809
    np.testing.assert_array_equal(other(LR), fsrcnn(LR))
    assert transfer_weights(fresh("x2:srcnn"), fsrcnn) == 0
    assert transfer_weights(fresh("x2:fsrcnn"), source) == 0
    assert transfer_weights(fresh(IMDN), fsrcnn) == 0


@pytest.mark.parametrize("sharing", SHARING)
def test_a_path_is_written_where_it_is_read(sharing):
    space = Space(depth=1, width=16, scale=2, sharing=sharing)
    supernet = nets.Supernet(space)
    initialize(supernet, 0)
    block = Block(space.blocks[5], 16)
    for variable in block.trainable_variables:
        variable.assign(np.random.default_rng(1).random(variable.shape))
    slot = supernet.slots[1]
    before = slot.numbers()
    slot.write(5, block.variables_in_order)
    moved = slot.numbers() != before
    places = np.concatenate([where.ravel() for where in slot.placement.places(5)])
    assert len(set(places)) == len(places) == block.count_params()
    assert moved[places].all()
    assert moved.sum() == len(places)
    again = Block(space.blocks[5], 16)
    slot.read(5, again.variables_in_order)
    for one, other in zip(block.trainable_variables, again.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_init_of_a_supernet_and_a_network_through_the_command_line(invoke, source, tmp_path, photographs):
    path = tmp_path / "imdn.keras"
    save(source, path)
    network = ("--scale=2", "--width=16", "--depth=2")
    training = (f"--data={photographs}", f"--init={path}", "--steps=2", "--batch=1", "--patch=8")
    alone, supernet = tmp_path / "alone", tmp_path / "supernet"
    status, _, stderr = invoke("--mode=train", "--arch=SCCC", f"--workdir={alone}", *network, *training)
    assert status == 0, stderr
    trained = load(alone / "train" / "model.keras")
    assert f"of {trained.network.params} parameters their first values" in stderr
    assert trained.provenance["init"] == str(path)
    assert np.abs(trained.blocks[0].first.kernel - source.blocks[0].first.kernel).max() < 2e-3  # two steps away
    status, _, stderr = invoke("--mode=supernet", f"--workdir={supernet}", *network, *training)
    assert status == 0, stderr
    assert f"of {Space(scale=2, width=16, depth=2).supernet_params} parameters" in stderr
    status, _, stderr = invoke("--mode=search", f"--workdir={supernet}", "--population=2", "--iterations=1")
    assert status == 0, stderr
    # Retraining begins anew unless it is told otherwise.
    assert invoke("--mode=retrain", f"--workdir={supernet}")[0] == 0
    assert json.loads((supernet / "experiment.json").read_text())["retrain"]["init"] == "scratch"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--mode=train", "--arch=SCCC", "--init=supernet"), "--init=supernet"),
        (("--mode=supernet", "--init=supernet"), "--init=supernet"),
        (("--mode=train", "--net=carn", "--init=nowhere.keras"), "nowhere.keras: no such model"),
        (("--mode=train", "--net=fsrcnn", "--init={source}"), "nothing of x2:w16"),
        (("--mode=supernet", "--width=24", "--init={source}"), "widths must be equal"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(invoke, source, tmp_path, flags, named):
    save(source, tmp_path / "imdn.keras")
    workdir = tmp_path / "w"
    status, _, stderr = invoke(f"--workdir={workdir}", *(flag.format(source=tmp_path / "imdn.keras") for flag in flags))
    assert status == 2
    [message] = [line for line in stderr.splitlines() if "WARNING" not in line]
    assert named in message
    assert not workdir.exists()


def test_a_file_begins_each_found_network(source, tmp_path, capsys):
    save(source, tmp_path / "imdn.keras")
    network = Network.parse("x2:w16:imdn:r0.25:k3:f1:SCSCS-SCCS")
    start = start_of(str(tmp_path / "imdn.keras"), network)
    model = fresh(network)
    start(model)
    np.testing.assert_array_equal(model.conv_first.kernel, source.conv_first.kernel)
    [line] = capsys.readouterr().err.splitlines()
    assert f"of {network.params} parameters" in line
