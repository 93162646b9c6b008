"""A network of the IMDN family as an ordinary Keras model."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import keras
from keras import ops

from srnas_tf import arch
from srnas_tf.arch.network import STEMS, frame
from srnas_tf.nets.block import Block
from srnas_tf.nets.conv import conv, leaky
from srnas_tf.nets.exporting import Exportable
from srnas_tf.nets.stem import StridedStem


class Frame(keras.Model):
    """The layers outside the blocks, which a network and a supernet share.

    Args:
        scale: enlargement.
        width: channels of the trunk.
        depth: number of blocks.
        stem: a key of `arch.network.STEMS`.
    """

    OUTSIDE: ClassVar = ("conv_first", "aggregate", "conv_after_body", "upsample")
    """The layers outside the blocks."""

    # Files from before 2026-11-29 have two layers under these names. Keras reads a layer by any name that leads to it,
    # and writes it under the first one in the alphabet.
    head = property(lambda self: self.conv_first)
    smooth = property(lambda self: self.conv_after_body)

    def __init__(self, scale: int, width: int, depth: int, stem: str = "plain", **kwargs) -> None:
        # One name for all. Numbered names would depend on what else a process built, and are in exported files.
        super().__init__(**{"name": type(self).__name__.lower(), **kwargs})
        self.scale, self.width, self.depth, self.stem = scale, width, depth, STEMS[stem]
        conv_first, aggregate, conv_after_body, upsample = frame(scale, width, depth, stem)
        if self.stem.enlarges:
            self.conv_first = StridedStem(conv_first, scale, name="conv_first", dtype=self.dtype_policy)
        else:
            self.conv_first = conv(conv_first[0], "conv_first", dtype=self.dtype_policy)
        if aggregate:
            self.aggregate = conv(aggregate, "aggregate", activation=leaky, dtype=self.dtype_policy)
        else:
            self.aggregate = keras.layers.Identity(name="aggregate", dtype=self.dtype_policy)
        self.conv_after_body = conv(conv_after_body, "conv_after_body", dtype=self.dtype_policy)
        # The output is float32 under any policy: bfloat16 has 8 bits for a value near 1.
        self.upsample = conv(upsample, "upsample", dtype="float32")
        self.built = True

    @property
    def start(self) -> str:
        """The default first weights, a key of `initial.STARTS`."""
        return self.stem.start

    @property
    def variables_in_order(self) -> list[keras.Variable]:
        """The trainable variables outside the blocks, in the order of a supernet (`arch.sharing`)."""
        return [variable for name in self.OUTSIDE for variable in getattr(self, name).trainable_variables]

    def enlarge(self, lr, blocks: Sequence[Callable]):
        """The output of the network with these blocks; lr is [batch, height, width, 3] in 0..1."""
        return self.enlarge_and_tell(lr, blocks)[0]

    def enlarge_and_tell(self, lr, blocks: Sequence[Callable]) -> tuple:
        """The output of `enlarge`, and a list with the output of each block."""
        features = self.conv_first(lr)
        x, outputs = features, []
        for block in blocks:
            x = block(x)
            outputs.append(x)
        return self.leave(lr, features, outputs), outputs

    def leave(self, lr, features, outputs: Sequence):
        """The image, from the outputs of the blocks and the features of the first convolution."""
        x = self.aggregate(ops.concatenate(outputs, axis=-1) if self.stem.concatenates else outputs[-1])
        x = self.conv_after_body(x) + features
        sr = ops.depth_to_space(self.upsample(x), self.stem.factor(self.scale))
        if self.stem.enlarges:  # strides round up
            height, width = (side * self.scale for side in ops.shape(lr)[1:3])
            sr = sr[:, :height, :width]
        return sr


@keras.saving.register_keras_serializable("srnas_tf")
class SRNet(Exportable, Frame):
    """A super-resolution network built from its architecture.

    Input: float [batch, height, width, 3], RGB in 0..1, any height and width. Output: float32
    [batch, height * scale, width * scale, 3], not clipped.

    Args:
        network: an `arch.Network`, or its text form.
        provenance: how its weights were made; plain data, which model files keep.

    Examples:
        >>> SRNet("x4:w16:imdn:r0.25:k3:f1:SCSCS-SCSCS")(keras.ops.ones((1, 8, 8, 3))).shape
        TensorShape([1, 32, 32, 3])
    """

    def __init__(self, network: arch.Network | str, provenance: dict | None = None, **kwargs) -> None:
        network = arch.Network.parse(network) if isinstance(network, str) else network
        super().__init__(network.scale, network.width, len(network.blocks), network.stem, **kwargs)
        self.network = network
        self.provenance = provenance or {}
        self.blocks = [
            Block(block, network.width, name=f"block{i}", dtype=self.dtype_policy)
            for i, block in enumerate(network.blocks, start=1)
        ]

    def call(self, lr):
        return self.enlarge(lr, self.blocks)

    def get_config(self) -> dict:
        return {**super().get_config(), "network": str(self.network), "provenance": dict(self.provenance)}
