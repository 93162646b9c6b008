"""The plan of a block: its convolutions, in the order in which data flows, and their cost."""

from dataclasses import dataclass

from srnas_tf.arch.conv import AnyConv, Conv, trainable_params


@dataclass(frozen=True)
class Step:
    """The effect of one letter on the trunk.

    `distilled` channels go through `branch` to the concatenation. A split takes the first channels off the trunk. A tap
    (`tapped`) gives the branch all channels, and the trunk keeps them. The trunk then goes through `trunk`, and is
    `width` channels wide afterwards. The block's activation follows each convolution.
    """

    width: int
    distilled: int = 0
    branch: tuple[AnyConv, ...] = ()
    trunk: tuple[AnyConv, ...] = ()
    tapped: bool = False


@dataclass(frozen=True)
class Plan:
    """The convolutions of a block, in the order in which data flows.

    `attends` is a key of `attention.ATTENTIONS`, and `attention` holds its convolutions. If `inside`, the block's input
    is added behind the last convolution and its activation, before the fusion. If not, it is added behind the fusion.
    """

    first: AnyConv
    steps: tuple[Step, ...]
    last: AnyConv
    attends: str
    attention: tuple[AnyConv, ...]
    fusion: Conv
    inside: bool = False

    @property
    def inner(self) -> tuple[AnyConv, ...]:
        """The convolutions that each path has of its own under `--sharing=ends`."""
        return (*tuple(conv for step in self.steps for conv in step.branch + step.trunk), self.last)

    @property
    def ends(self) -> tuple[AnyConv, ...]:
        """The convolutions that all paths of a block share under `--sharing=ends`."""
        return (self.first, *self.attention, self.fusion)

    @property
    def positions(self) -> list[tuple[int, int]]:
        """The place of each step: convolutions of the trunk before it, and branches since the last of these."""
        positions, convs, branches = [], 0, 0
        for step in self.steps:
            positions.append((convs, branches))
            convs, branches = (convs + 1, 0) if step.trunk else (convs, branches + 1)
        return positions

    @property
    def placed(self) -> list[tuple[tuple, AnyConv]]:
        """All convolutions but the fusion, each with its place. Equal places in two blocks may share weights."""
        places = list(zip(self.positions, self.steps, strict=True))
        return [
            (("first",), self.first),
            *((("branch", *place, i), conv) for place, step in places for i, conv in enumerate(step.branch)),
            *((("trunk", place[0], i), conv) for place, step in places for i, conv in enumerate(step.trunk)),
            (("last",), self.last),
            *((("attention", self.attends, i), conv) for i, conv in enumerate(self.attention)),
        ]

    @property
    def pieces(self) -> list[tuple[tuple, int]]:
        """The pieces of the concatenation, each with its place and its channels."""
        places = zip(self.positions, self.steps, strict=True)
        kept = [(("branch", *place), step.distilled) for place, step in places if step.distilled]
        return [*kept, (("last",), self.last.out_channels)]

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self.inner + self.ends)

    @property
    def trainable_params(self) -> int:
        """Number of trainable parameters during training."""
        return sum(map(trainable_params, self.inner + self.ends))

    def macs(self, pixels: int) -> int:
        """MACs over `pixels` low-resolution pixels."""
        return sum(conv.macs(pixels) for conv in self.inner + self.ends)
