"""The one block class: it builds any recipe."""

import keras
from keras import ops

from srnas_tf import arch
from srnas_tf.arch.block import plan
from srnas_tf.nets.attention import attention
from srnas_tf.nets.conv import ACTIVATIONS, conv


@keras.saving.register_keras_serializable("srnas_tf")
class Block(keras.Layer):
    """A block built from its recipe; IMDN's own is `SCSCS` with ending `imdn`.

    Input and output: [batch, height, width, features].

    Args:
        block: an `arch.Block`, or its text form.
        features: channels of input and output.

    Raises:
        UserError: if `features` are too few for the recipe.

    Examples:
        >>> Block("SCSCS+imdn+r0.25+k3+f1", 64)(keras.ops.ones((1, 8, 8, 64))).shape
        TensorShape([1, 8, 8, 64])
    """

    def __init__(self, block: arch.Block | str, features: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.block = arch.Block.parse(block) if isinstance(block, str) else block
        self.features = features
        self.plan = plan(self.block, features)
        policy, act = self.dtype_policy, ACTIVATIONS[self.block.activation]
        self.first = conv(self.plan.first, "first", activation=act, dtype=policy)
        self.branches = [
            [conv(c, f"branch{i}", activation=act, dtype=policy) for c in step.branch]
            for i, step in enumerate(self.plan.steps)
        ]
        self.trunks = [
            [conv(c, f"trunk{i}", activation=act, dtype=policy) for c in step.trunk]
            for i, step in enumerate(self.plan.steps)
        ]
        self.last = conv(self.plan.last, "last", activation=act if self.plan.inside else None, dtype=policy)
        self.attention = attention(self.plan, "attention", dtype=policy)
        self.fusion = conv(self.plan.fusion, "fusion", dtype=policy)
        self.built = True

    @property
    def placed(self) -> list[keras.Layer]:
        """The layers of `plan.placed`."""
        steps = [layer for layers in (*self.branches, *self.trunks) for layer in layers]
        return [self.first, *steps, self.last, *self.attention.convs]

    @property
    def variables_in_order(self) -> list[keras.Variable]:
        """All trainable variables, in the order of a supernet (`arch.sharing`)."""
        return [variable for layer in (*self.placed, self.fusion) for variable in layer.trainable_variables]

    def call(self, x):
        return self.join(x, self.gather(x))

    def gather(self, x):
        """The concatenation of the distilled pieces and the last convolution's output: [batch, height, width,
        channels].
        """
        trunk = self.first(x)
        pieces = []
        for step, branch, convs in zip(self.plan.steps, self.branches, self.trunks, strict=True):
            if step.distilled:
                # One split, not two slices: its gradient is a single concatenation.
                distilled, trunk = (trunk, trunk) if step.tapped else ops.split(trunk, [step.distilled], axis=-1)
                for layer in branch:
                    distilled = layer(distilled)
                pieces.append(distilled)
            for layer in convs:
                trunk = layer(trunk)
        last = self.last(trunk)
        pieces.append(x + last if self.plan.inside else last)
        return ops.concatenate(pieces, axis=-1)

    def join(self, x, gathered, moments=None):
        """The block's output, from its input and the output of `gather`; `moments` as in `ContrastAwareAttention`."""
        fused = self.fusion(self.attention(gathered, moments))
        return self.attention.add(None if self.plan.inside else x, fused)

    def get_config(self) -> dict:
        return {**super().get_config(), "block": str(self.block), "features": self.features}
