"""The supernet: the weights of all networks of a space, of which one runs at a time."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from srnas_tf import arch
from srnas_tf.nets.block import Block
from srnas_tf.nets.network import Frame, SRNet
from srnas_tf.nets.sharing import ROW, Placement


class Slot(keras.Layer):
    """The weights of all paths of one slot, in rows.

    A training step reads the rows of one path, and changes these alone. All other weights stay bit-identical. The
    optimizer holds few tensors for each slot, however many paths there are.

    Args:
        placement: where its paths keep their weights.

    Attributes:
        own: float [rows, ROW], of which each path uses some; None if there are none.
        common: float [rows, ROW], all of which every path uses; None if there are none.
    """

    def __init__(self, placement: Placement, **kwargs) -> None:
        super().__init__(**kwargs)
        self.placement = placement
        self.own = self._rows("own", placement.own)
        self.common = self._rows("common", placement.rows - placement.own)
        self.built = True

    def _rows(self, name: str, count: int) -> keras.Variable | None:
        return self.add_weight(shape=(count, ROW), initializer="zeros", name=name) if count else None

    def rows_of_path(self, path: int) -> list:
        """The rows that a path uses: those of all paths, then its own; each float [rows, ROW], if there are any."""
        own = [] if self.own is None else [ops.take(self.own.value, self.placement.rows_of(path), axis=0)]
        return [*([] if self.common is None else [self.common.value]), *own]

    def numbers(self) -> np.ndarray:
        """The numbers of all rows, float32 [rows * ROW]."""
        return np.concatenate([ops.convert_to_numpy(variable).ravel() for variable in self.trainable_variables])

    def assign(self, numbers: np.ndarray) -> None:
        """The inverse of `numbers`."""
        sizes = [variable.shape[0] * ROW for variable in self.trainable_variables]
        for variable, part in zip(self.trainable_variables, np.split(numbers, np.cumsum(sizes)[:-1]), strict=True):
            variable.assign(part.reshape(-1, ROW))

    def read(self, path: int, variables: Sequence[keras.Variable]) -> None:
        """Copies the weights of a path into its variables."""
        numbers = self.numbers()
        for variable, where in zip(variables, self.placement.places(path), strict=True):
            variable.assign(numbers[where])

    def write(self, path: int, variables: Sequence[keras.Variable], but: np.ndarray | None = None) -> None:
        """Copies a path's variables into its weights: the inverse of `read`.

        Args:
            but: bool [rows * ROW], the numbers that stay as they are.
        """
        numbers = self.numbers()
        for variable, where in zip(variables, self.placement.places(path), strict=True):
            value = ops.convert_to_numpy(variable)
            numbers[where] = value if but is None else np.where(but[where], numbers[where], value)
        self.assign(numbers)


@keras.saving.register_keras_serializable("srnas_tf")
class Supernet(keras.Model):
    """All networks of a space in one model, of which `call` runs one (Guo et al. 2020).

    A network runs as pure functions of weights: two for the layers around the blocks, and one for each block. Equal
    blocks share a function. Each function is made when it is first needed. `compose` can run a compiled form of each.

    Args:
        space: an `arch.Space`, or its fields as a dict.

    Examples:
        >>> supernet = Supernet(arch.Space(depth=2, width=16))
        >>> supernet(keras.ops.ones((1, 8, 8, 3)), codes=(7, 0)).shape
        TensorShape([1, 32, 32, 3])
    """

    def __init__(self, space: arch.Space | dict, **kwargs) -> None:
        super().__init__(**{"name": "supernet", **kwargs})
        self.space = arch.Space(**space) if isinstance(space, dict) else space
        self.scale = self.space.scale
        # Positions of one layout share its placement.
        placements = {layout: Placement(layout) for layout in dict.fromkeys(self.space.layouts)}
        self.slots = [
            Slot(placements[layout], name=f"block{i}" if i else "around") for i, layout in enumerate(self.space.layouts)
        ]
        self.built = True
        self._once = functools.cache(lambda make, *what: make(*what))

    @property
    def start(self) -> str:
        """The default first weights, a key of `initial.STARTS`."""
        return self.frame(0).start

    def call(self, lr, codes: Sequence[int], rows: Sequence | None = None):
        """The output of the network of these codes.

        Args:
            lr: float [batch, height, width, 3] in 0..1.
            codes: numbers, not tensors.
            rows: the rows of the network's path in each slot, as `Slot.rows_of_path` has them, if the caller
                differentiates by them. By default `rows_of_path(codes)`.
        """
        rows = self.rows_of_path(codes) if rows is None else rows
        return self.compose(codes, lr, rows)

    def compose(
        self,
        codes: Sequence[int],
        lr,
        rows: Sequence,
        compiled: Callable[[Callable], Callable] = lambda piece: piece,
        finish: Callable | None = None,
        *inputs,
    ):
        """The output of the network of these codes, piece by piece. Arguments are those of `call`.

        The image gets no gradient.

        Args:
            compiled: piece -> the function that runs instead.
            finish: (output, *inputs) -> what is returned instead of the output. It runs in one piece with the last
                layers.
            *inputs: further arguments of `finish`.
        """
        around, *own = rows
        enter, blocks, leave = self.pieces(codes, finish)
        features = x = compiled(enter)(around, lr)
        outputs = []
        for block, rows_of_block in zip(blocks, own, strict=False):
            x = compiled(block)(rows_of_block, x)
            outputs.append(x)
        return compiled(leave)(around, lr, features, outputs, *inputs)

    def rows_of_path(self, codes: Sequence[int]) -> list:
        """The rows that a network uses of each slot; none for positions beyond its depth."""
        return [slot.rows_of_path(path) for slot, path in zip(self.slots, self.space.paths(codes), strict=True)]

    def pieces(self, codes: Sequence[int], finish: Callable | None = None) -> tuple[Callable, list[Callable], Callable]:
        """The functions that a network is made of, pure functions of (rows, ...). Networks share equal ones.

        Args:
            finish: as `compose` takes it; a part of the last function.

        Returns:
            lr -> features; of each block, features -> features; lr, the first features, all outputs -> the image.
        """
        trunk, paths = self.space.split(codes)
        width = self.space.trunks[trunk].width
        chosen = zip(self.slots[1:], self.space.paths(codes)[1:], self.space.positions, paths, strict=False)
        blocks = [
            self._once(self._block, slot.placement, path, blocks[code], width) for slot, path, blocks, code in chosen
        ]
        return self._once(self._enter, trunk), blocks, self._once(self._leave, trunk, finish)

    def _block(self, placement: Placement, path: int, block: arch.Block, width: int) -> Callable:
        layer = Block(block, width, dtype=self.dtype_policy)
        return _pure(layer, layer.variables_in_order, placement, path)

    def _enter(self, trunk: int) -> Callable:
        frame = self.frame(trunk)
        # A traced function has a gradient for each of its inputs, needed or not.
        run = lambda lr: frame.conv_first(ops.stop_gradient(lr))  # noqa: E731
        return _pure(run, frame.variables_in_order, self.slots[0].placement, trunk)

    def _leave(self, trunk: int, finish: Callable | None) -> Callable:
        frame = self.frame(trunk)

        def run(lr, features, outputs, *inputs):
            output = frame.leave(lr, features, outputs)
            return finish(output, *inputs) if finish else output

        return _pure(run, frame.variables_in_order, self.slots[0].placement, trunk)

    def frame(self, trunk: int) -> Frame:
        """The layers around the blocks of a trunk. Their weights mean nothing."""
        width, depth, stem = self.space.trunks[trunk]
        return Frame(self.scale, width, depth, stem, dtype=self.dtype_policy)

    def count_params(self) -> int:
        """The numbers of all arrays, without those that fill up rows."""
        return self.space.supernet_params

    def cast(self, policy: str) -> "Supernet":
        """The same supernet under another dtype policy. Weights are float32 in both."""
        twin = Supernet(self.space, dtype=policy)
        twin.set_weights(self.get_weights())
        return twin

    def get_config(self) -> dict:
        return {**super().get_config(), "space": dataclasses.asdict(self.space)}


def _pure(run: Callable, variables: Sequence[keras.Variable], placement: Placement, path: int) -> Callable:
    """`run` as a pure function: its variables take their values from the first argument, the rows of their path."""

    def function(rows, *inputs):
        values = placement.variables(path, rows)
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return run(*inputs)

    return function


def load_path(network: SRNet, supernet: Supernet) -> None:
    """Copies a network's weights from the supernet.

    Afterwards the network's output is the supernet's at that path, within float rounding.
    """
    codes = supernet.space.codes(network.network)
    if codes is None:
        raise ValueError(f"{network.network} is not of space {supernet.space}")
    owners: list[SRNet | Block] = [network, *network.blocks]
    for slot, path, owner in zip(supernet.slots, supernet.space.paths(codes), owners, strict=False):
        slot.read(path, owner.variables_in_order)
