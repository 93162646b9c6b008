"""A block as it is built: its convolutions, in the order in which data flows, and what they cost."""

from dataclasses import dataclass

from srnas_tf.arch.conv import AnyConv, Conv, trainable_params


@dataclass(frozen=True)
class Step:
    """What one letter does to the trunk.

    `distilled` channels leave for the concatenation, through `branch`: the first ones of the trunk, or, where `tapped`,
    what the branch makes of all of them. The rest, or all of them, goes on through `trunk` and is `width` channels wide
    afterwards. Every convolution is followed by the block's activation.
    """

    width: int
    distilled: int = 0
    branch: tuple[AnyConv, ...] = ()
    trunk: tuple[AnyConv, ...] = ()
    tapped: bool = False


@dataclass(frozen=True)
class Plan:
    """The convolutions of a block, in the order in which data flows.

    `attention` are those of its attention, a key of `attention.ATTENTIONS`: `attends`. A block that is `inside` adds
    its input to what its last convolution and an activation make, before the fusion; any other, to its output.
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
        """The convolutions that belong to a path even where its ends are shared."""
        return (*tuple(conv for step in self.steps for conv in step.branch + step.trunk), self.last)

    @property
    def ends(self) -> tuple[AnyConv, ...]:
        """The convolutions that all paths of a block have in common under `--sharing=ends`."""
        return (self.first, *self.attention, self.fusion)

    @property
    def positions(self) -> list[tuple[int, int]]:
        """Of each step: how many convolutions the trunk has passed before it, and how many branches since."""
        positions, convs, branches = [], 0, 0
        for step in self.steps:
            positions.append((convs, branches))
            convs, branches = (convs + 1, 0) if step.trunk else (convs, branches + 1)
        return positions

    @property
    def placed(self) -> list[tuple[tuple, AnyConv]]:
        """All convolutions but the fusion, and what each is to its block: the same in another block, in its place."""
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
        """What is concatenated before the fusion: of each piece, where it comes from and its channels."""
        places = zip(self.positions, self.steps, strict=True)
        kept = [(("branch", *place), step.distilled) for place, step in places if step.distilled]
        return [*kept, (("last",), self.last.out_channels)]

    @property
    def params(self) -> int:
        return sum(conv.params for conv in self.inner + self.ends)

    @property
    def trainable_params(self) -> int:
        """How many numbers training moves."""
        return sum(map(trainable_params, self.inner + self.ends))

    def macs(self, pixels: int) -> int:
        """MACs over `pixels` low-resolution pixels."""
        return sum(conv.macs(pixels) for conv in self.inner + self.ends)
