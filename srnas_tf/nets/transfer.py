"""Weights from one network to another, as far as they mean the same in both."""

import itertools
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from srnas_tf.nets.block import Block
from srnas_tf.nets.build import Net
from srnas_tf.nets.conv import ExpandedConv, in_use, use
from srnas_tf.nets.network import Frame, SRNet
from srnas_tf.nets.supernet import Supernet, read_path, write_path
from srnas_tf.nets.zoo import ZooNet

Layers = tuple[keras.Layer, keras.Layer]
"""One to be trained, and the trained one in its place."""


def take_over(target: Net | Supernet, source: Net) -> int:
    """Gives a network, or each path of a supernet, what fits of another network's weights.

    Outside the blocks, layers of one place fit where their shapes agree. Of two blocks, the first conv and those of the
    letters up to the first one that differs fit, then the last conv, the attention and the fusion conv; again where
    shapes agree. Blocks meet by their numbers. A network of the zoo fits only the same network.

    Args:
        target: what is to be trained.
        source: what was trained.

    Returns:
        How many of the target's parameters were taken over.
    """
    if isinstance(target, ZooNet) or isinstance(source, ZooNet):
        same = isinstance(target, ZooNet) and isinstance(source, ZooNet) and target.network == source.network
        return _copy([(target, source)]) if same else 0
    taken = _copy((getattr(target, name), getattr(source, name)) for name in Frame.OUTSIDE)
    if isinstance(target, SRNet):
        pairs = zip(target.blocks, source.blocks, strict=False)
        return taken + sum(_copy(_fitting(mine, theirs)) for mine, theirs in pairs)
    paths = [Block(choice, target.width) for choice in target.space.choices]
    for choice, theirs in zip(target.blocks, source.blocks, strict=False):
        for code, path in enumerate(paths):
            read_path(path, choice, code)
            taken_before = code and target.space.sharing == "ends"
            taken += _copy(_inner(path, theirs) if taken_before else _fitting(path, theirs))
            write_path(path, choice, code)
    return taken


def _fitting(mine: Block, theirs: Block) -> Iterator[Layers]:
    """Layers of two blocks that stand in one place."""
    for name in Block.ENDS:
        yield getattr(mine, name), getattr(theirs, name)
    yield from _inner(mine, theirs)


def _inner(mine: Block, theirs: Block) -> Iterator[Layers]:
    """Those of them that no two paths share."""
    letters = zip(mine.block.recipe, theirs.block.recipe, strict=False)
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], letters)
    for i, _ in enumerate(alike):
        yield from zip(mine.branches[i] + mine.trunks[i], theirs.branches[i] + theirs.trunks[i], strict=True)
    yield mine.last, theirs.last


def folded(network: Net) -> Net:
    """The network as it is in use, without what was expanded for training alone; itself where nothing was."""
    if isinstance(network, ZooNet) or network.network.folded == network.network:
        return network
    plain = SRNet(network.network.folded, network.provenance)
    taken = take_over(plain, network)
    assert taken == plain.count_params(), "a network folds to one of the same layers"
    return plain


def _copy(pairs: Iterable[Layers]) -> int:
    """Copies the weights of layers whose shapes agree; returns how many there are to learn of them."""
    taken = 0
    for mine, theirs in pairs:
        # What one expanded convolution learned, another takes as it is; any other layer, what it comes to in use.
        alike = isinstance(mine, ExpandedConv) == isinstance(theirs, ExpandedConv)
        own, weights = (layer.get_weights() if alike else in_use(layer) for layer in (mine, theirs))
        if _shapes(own) != _shapes(weights):
            continue
        if alike:
            mine.set_weights(weights)
        else:
            use(mine, weights)
        taken += sum(np.size(w) for w in weights)
    return taken


def _shapes(weights: list[np.ndarray]) -> list[tuple[int, ...]]:
    return [weight.shape for weight in weights]
