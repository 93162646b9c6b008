"""Transfers weights from one network to another, as far as they mean the same in both."""

import itertools
import math
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from srnas_tf.nets.block import Block
from srnas_tf.nets.build import Net
from srnas_tf.nets.conv import ExpandedConv, deploy_weights, set_deploy_weights
from srnas_tf.nets.network import Frame, SRNet
from srnas_tf.nets.sharing import ROW
from srnas_tf.nets.supernet import Slot, Supernet
from srnas_tf.nets.zoo import ZooNet

Layers = tuple[keras.Layer, keras.Layer]
"""A layer of the target, and the source's layer in the same place."""


def transfer_weights(target: Net | Supernet, source: Net) -> int:
    """Copies the weights of a network that fit into another network, or into each path of a supernet.

    Layers fit if they stand in the same place and their shapes agree. Block i is compared with block i. The
    convolutions of letters fit up to the first letter that differs. The first and last convolution, the attention and
    the fusion are compared in any case. A network of the zoo fits only the same network.

    Args:
        target: the network that changes.
        source: the trained network.

    Returns:
        How many of the target's parameters were transferred.
    """
    if isinstance(target, ZooNet) or isinstance(source, ZooNet):
        same = isinstance(target, ZooNet) and isinstance(source, ZooNet) and target.network == source.network
        return _count(_copy([(target, source)])) if same else 0
    if isinstance(target, SRNet):
        outside = _copy(_around(target, source))
        pairs = zip(target.blocks, source.blocks, strict=False)
        return _count(outside) + sum(_count(_copy(_fitting(mine, theirs))) for mine, theirs in pairs)
    return _transfer_to_supernet(target, source)


def _transfer_to_supernet(supernet: Supernet, source: SRNet) -> int:
    """Copies the weights that fit into all paths of a supernet. Shared weights count once."""
    space = supernet.space
    slot, *slots = supernet.slots
    reached = np.zeros(slot.placement.rows * ROW, bool)
    for number in range(len(space.trunks)):
        frame = supernet.frame(number)
        _through(slot, number, frame.variables_in_order, _around(frame, source), reached)
    count = int(reached.sum())
    for slot, blocks, theirs in zip(slots, space.positions, source.blocks, strict=False):
        reached = np.zeros(slot.placement.rows * ROW, bool)
        for path, (width, block) in enumerate(itertools.product(space.width, blocks)):
            mine = Block(block, width)
            _through(slot, path, mine.variables_in_order, _fitting(mine, theirs), reached)
        count += int(reached.sum())
    return count


def _through(
    slot: Slot, path: int, variables: list[keras.Variable], pairs: Iterable[Layers], reached: np.ndarray
) -> None:
    """Copies weights into a slot's path, and marks the numbers with new values in `reached`."""
    slot.read(path, variables)
    taken = {id(variable) for variable in _copy(pairs)}
    slot.write(path, variables)
    for variable, where in zip(variables, slot.placement.places(path), strict=True):
        if id(variable) in taken:
            reached[where] = True


def _around(mine: Frame, theirs: Frame) -> Iterator[Layers]:
    """The layers outside the blocks, paired by their places."""
    return ((getattr(mine, name), getattr(theirs, name)) for name in Frame.OUTSIDE)


def _fitting(mine: Block, theirs: Block) -> Iterator[Layers]:
    """The layers of two blocks, paired by their places."""
    for name in ("first", "attention", "fusion"):
        yield getattr(mine, name), getattr(theirs, name)
    letters = zip(mine.block.recipe, theirs.block.recipe, strict=False)
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], letters)
    for i, _ in enumerate(alike):
        yield from zip(mine.branches[i] + mine.trunks[i], theirs.branches[i] + theirs.trunks[i], strict=True)
    yield mine.last, theirs.last


def reparameterized(network: Net) -> Net:
    """The network in its deploy form: each expanded convolution becomes the one that it equals.

    A network without expanded convolutions is returned as it is.
    """
    if isinstance(network, ZooNet) or network.network.deployed == network.network:
        return network
    plain = SRNet(network.network.deployed, network.provenance)
    taken = transfer_weights(plain, network)
    assert taken == plain.count_params(), "the deploy form has all layers of the network"
    return plain


def _copy(pairs: Iterable[Layers]) -> list[keras.Variable]:
    """Copies the weights of layers whose shapes agree; returns the variables that have new values."""
    taken: list[keras.Variable] = []
    for mine, theirs in pairs:
        # Two expanded convolutions exchange all weights; any other pair, the deploy weights.
        alike = isinstance(mine, ExpandedConv) == isinstance(theirs, ExpandedConv)
        own, weights = (layer.get_weights() if alike else deploy_weights(layer) for layer in (mine, theirs))
        if _shapes(own) != _shapes(weights):
            continue
        if alike:
            mine.set_weights(weights)
            taken += mine.weights
        else:
            taken += set_deploy_weights(mine, weights)
    return taken


def _count(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _shapes(weights: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [weight.shape for weight in weights]
