"""The supernet: every path of every block, and a switch that runs one of them."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops

from srnas_tf import arch
from srnas_tf.nets.block import Block
from srnas_tf.nets.network import Frame, SRNet
from srnas_tf.nets.sharing import Layout, layout, own_shapes


class ChoiceBlock(keras.Layer):
    """The weights of all paths of one block in one vector: path after path, or where `layout` has them.

    A training step reads, differentiates and moves one path's part of the vector, so what a path did not use stays as
    it is to the bit, and optimizer and graph hold two tensors a block however many paths there are.

    Args:
        layout: where its paths keep their weights.
        elements: `layout.elements` as a tensor, one for all blocks; None where that is None.
    """

    def __init__(self, layout: Layout, elements=None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.layout, self.elements = layout, elements
        self.paths = self.add_weight(shape=(layout.size,), initializer="zeros", name="paths")
        self.ends = [
            self.add_weight(shape=shape, initializer="zeros", name=f"ends{i}") for i, shape in enumerate(layout.ends)
        ]
        self.built = True

    def segment(self, path):
        """One path's weights, [length of the path]; `path` is an int or an int32 scalar tensor."""
        span = [_at(self.layout.starts, path)], [_at(self.layout.lengths, path)]
        if self.elements is None:
            return ops.slice(self.paths.value, *span)
        return ops.take(self.paths.value, ops.slice(self.elements, *span))

    def shared(self) -> list:
        """The values of the ends."""
        # Tensors: a function that is handed variables and is not inlined brings TensorFlow 2.21 down.
        return [ops.reshape(v, v.shape) for v in self.ends]


def _at(table: np.ndarray, path):
    return int(table[path]) if isinstance(path, int) else ops.take(ops.convert_to_tensor(table), path)


@keras.saving.register_keras_serializable("srnas_tf")
class Supernet(Frame):
    """All networks of a space in one model, of which `call` runs one (Guo et al. 2020).

    `choose` is what runs a path: a pure function of (path, x, segment, ends) without variables of its own, the same for
    all blocks. A training loop may replace it by a compiled form, which is then traced once, not once a block.

    Args:
        space: an `arch.Space`, or its fields as a dict.

    Example:
        >>> supernet = Supernet(arch.Space(depth=2, width=16))
        >>> supernet(keras.ops.ones((1, 8, 8, 3)), keras.ops.array([7, 0])).shape
        TensorShape([1, 32, 32, 3])
    """

    def __init__(self, space: arch.Space | dict, **kwargs) -> None:
        space = arch.Space(**space) if isinstance(space, dict) else space
        super().__init__(space.scale, space.width, space.depth, space.stem, **kwargs)
        self.space = space
        paths = [Block(choice, space.width, dtype=self.dtype_policy) for choice in space.choices]
        placed = layout(paths, space.sharing)
        elements = None if placed.elements is None else ops.convert_to_tensor(placed.elements)
        self.blocks = [ChoiceBlock(placed, elements, name=f"block{i}") for i in range(1, space.depth + 1)]
        branches = [_branch(path, space.sharing) for path in paths]
        self.choose = lambda path, x, segment, ends: ops.switch(path, branches, x, segment, ends)

    def segments(self, codes) -> list:
        """The weights of one path a block; codes int32 [depth], or a sequence of ints."""
        return [block.segment(codes[i]) for i, block in enumerate(self.blocks)]

    def call(self, lr, codes, segments: Sequence | None = None):
        """The output of the network of these codes.

        Args:
            lr: float [batch, height, width, 3] in 0..1.
            codes: int32 [depth], each within its block's paths. A tensor: one trace serves all of them.
            segments: the paths' weights, where the caller differentiates by them; `segments(codes)` otherwise.
        """
        segments = self.segments(codes) if segments is None else segments
        blocks = [
            lambda x, i=i, block=block: self.choose(codes[i], x, segments[i], block.shared())
            for i, block in enumerate(self.blocks)
        ]
        return self.enlarge(lr, blocks)

    def cast(self, policy: str) -> "Supernet":
        """The same supernet, computing under another dtype policy; weights are float32 in both."""
        twin = Supernet(self.space, dtype=policy)
        twin.set_weights(self.get_weights())
        return twin

    def get_config(self) -> dict:
        return {**super().get_config(), "space": dataclasses.asdict(self.space)}


def _branch(path: Block, sharing: str):
    """A path as a pure function of (x, its segment, the shared ends)."""
    shapes = own_shapes(path, sharing)
    cuts = list(itertools.accumulate(math.prod(shape) for shape in shapes))
    shared = {id(v): i for i, v in enumerate(path.ends)} if sharing == "ends" else {}

    def run(x, segment, ends):
        pieces = ops.split(ops.reshape(segment, (cuts[-1],)), cuts[:-1])
        own = iter([ops.reshape(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)])
        weights = [ends[shared[id(v)]] if id(v) in shared else next(own) for v in path.trainable_variables]
        output, _ = path.stateless_call(weights, [], x)
        return output

    return run


def load_path(network: SRNet, supernet: Supernet) -> None:
    """Gives a network of the supernet's space the weights that it has there.

    Afterwards the network's output is the supernet's at that path, within float rounding.
    """
    codes = supernet.space.codes(network.network)
    if codes is None:
        raise ValueError(f"{network.network} is not of space {supernet.space}")
    for name in Frame.OUTSIDE:
        getattr(network, name).set_weights(getattr(supernet, name).get_weights())
    for block, choice, code in zip(network.blocks, supernet.blocks, codes, strict=True):
        read_path(block, choice, code)


def read_path(path: Block, choice: ChoiceBlock, code: int) -> None:
    """Gives a block the weights of the path that it is."""
    own = keras.ops.convert_to_numpy(choice.segment(code))
    for variable, shared, place in path_places(path, choice):
        variable.assign(own[place].reshape(variable.shape) if shared is None else shared)


def write_path(path: Block, choice: ChoiceBlock, code: int) -> None:
    """Gives a choice block a path's weights: the inverse of `read_path`."""
    whole = np.array(keras.ops.convert_to_numpy(choice.paths))
    where = choice.layout.where(code)
    for variable, shared, place in path_places(path, choice):
        if shared is None:
            whole[where[place]] = keras.ops.convert_to_numpy(variable).ravel()
        else:
            shared.assign(variable)
    choice.paths.assign(whole)


def path_places(path: Block, choice: ChoiceBlock) -> Iterator[tuple[keras.Variable, keras.Variable | None, slice]]:
    """Where the choice block keeps each of the path's variables: a variable of its own, or a slice of the segment."""
    shared = {id(v): kept for v, kept in zip(path.ends, choice.ends, strict=False)}
    position = 0
    for variable in path.trainable_variables:
        size = 0 if id(variable) in shared else math.prod(variable.shape)
        yield variable, shared.get(id(variable)), slice(position, position + size)
        position += size
