"""Draws a block as a stream of channels that flows from left to right.

Boxes on the stream are convolutions. Distilled channels leave it and wait below for the concatenation. The height of a
band is proportional to its number of channels. Everything is derived from the block's plan.
"""

from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from srnas_tf.arch import ATTENTIONS, AnyConv, Block, Plan, Step
from srnas_tf.arch.block import plan
from srnas_tf.report import svg

WIDTH = 900.0
FULL = 30.0
"""Height of a band that has as many channels as the network's trunk."""
TOP = 16.0
CONV = 34.0
"""Width of a convolution."""
GAP = 9.0
"""Distance between the trunk and the distilled channels, and between two bands of these."""
END = 3
"""Number of places after the letters: last convolution, attention, fusion."""


def places(block: Plan) -> int:
    """Number of places that a block's first convolution and its letters take."""
    return 1 + sum(bool(step.distilled) + len(step.trunk) for step in block.steps)


def describe(block: Block, features: int) -> str:
    """Describes a block in words, for screen readers."""
    made = plan(block, features)
    added = "" if made.inside else ", added to the block's input"
    return f"{'; '.join(_words(made))}; {features} channels{added}"


def _words(made: Plan) -> Iterator[str]:
    yield words(made.first)
    width = made.first.out_channels
    for step in made.steps:
        if step.tapped:
            yield f"{step.distilled} channels, by a {words(step.branch[0])} of all {width}, kept"
        elif step.distilled:
            through = f" through a {words(step.branch[0])}" if step.branch else ""
            yield f"{step.distilled} of {width} channels kept{through}"
        for conv in step.trunk:
            yield f"{words(conv)} {conv.in_channels} to {conv.out_channels}"
        width = step.width
    yield f"{words(made.last)} {made.last.in_channels} to {made.last.out_channels}"
    if made.inside:
        yield "plus the block's input"
    yield f"all concatenated, {made.fusion.in_channels} channels"
    fusion = f"{words(made.fusion)} {made.fusion.in_channels} to {made.fusion.out_channels}"
    kind = ATTENTIONS[made.attends]
    attention = [] if made.attends == "none" else [kind.words]
    yield from (fusion, *attention) if kind.fused else (*attention, fusion)


def words(conv: AnyConv) -> str:
    """Kernel sizes and kind: `3×3 conv`, `3×3 separable conv`."""
    return f"{kernel(conv)} {conv.kind}"


def kernel(conv: AnyConv) -> str:
    """Kernel sizes: `3×3`, or `1×1 | 3×3` for a selective convolution."""
    return " | ".join(f"{size}×{size}" for size in conv.kernels)


class Band(NamedTuple):
    """The cross-section of a stream of channels at some place.

    Attributes:
        top: upper edge, in units of the SVG.
        channels: number of channels, which gives the height.
    """

    top: float
    channels: int


def draw(block: Block, features: int, columns: int) -> Markup:
    """Draws a block.

    Args:
        block: the block to draw.
        features: channels of the network's trunk.
        columns: places to leave for the first convolution and the letters. The largest `places` of the network's
            blocks gives all of them the same horizontal scale.
    """
    return _Picture(plan(block, features), features, columns).svg(describe(block, features))


class _Picture:
    def __init__(self, made: Plan, features: int, columns: int) -> None:
        self.made, self.features, self.unit = made, features, FULL / features
        self.step = (WIDTH - 20) / (columns + END + 1)
        self.parts: list[Markup] = []
        self.boxes: list[Markup] = []
        kept = [step.distilled for step in made.steps if step.distilled]
        widest = max([features, *(step.width for step in made.steps)])
        # The channels that are distilled first lie lowest, so that no band crosses another.
        floor = TOP + widest * self.unit + GAP
        self.lanes: list[float] = []
        for i in range(len(kept)):
            self.lanes.append(floor + sum(kept[i + 1 :]) * self.unit + GAP * (len(kept) - 1 - i))
        self.height = (self.lanes[0] + kept[0] * self.unit if kept else floor) + 8
        self.join = WIDTH - 10 - 2.2 * self.step

    def svg(self, title: str) -> Markup:
        trunk, x = self._letters()
        self._end(trunk, x)
        return svg.drawing(WIDTH, self.height, title, *self.parts, *self.boxes, class_="block")

    def _letters(self) -> tuple[Band, float]:
        """Draws everything up to the last letter; returns the trunk there and its x coordinate."""
        x, trunk = 10.0, Band(TOP, self.features)
        self._skip()
        trunk, x = self._conv(self.made.first, trunk, x)
        lanes = iter(self.lanes)
        for step in self.made.steps:
            if step.distilled:
                trunk, x = self._keep(step, trunk, x, next(lanes))
            for conv in step.trunk:
                trunk, x = self._conv(conv, trunk, x)
        return trunk, x

    def _skip(self) -> None:
        """Draws the path of the block's input to the sum."""
        self.parts.append(svg.path([(14, TOP), (14, 5), (WIDTH - 14, 5), (WIDTH - 14, TOP - 1)], class_="skip"))

    def _conv(self, conv: AnyConv, trunk: Band, x: float) -> tuple[Band, float]:
        self._flow(x, x + self.step, trunk, trunk)
        after = Band(TOP, conv.out_channels)
        self._box(conv, x + self.step / 2, trunk, after)
        self._flow(x + self.step / 2, x + self.step, after, after)
        self._count(x + self.step - 3, after)
        return after, x + self.step

    def _keep(self, step: Step, trunk: Band, x: float, lane: float) -> tuple[Band, float]:
        """Draws the channels that a split or a tap distills, up to the concatenation; returns the rest and its x."""
        distilled = step.distilled
        foot = trunk.top + (trunk.channels - distilled) * self.unit
        rest = trunk if step.tapped else Band(trunk.top, trunk.channels - distilled)
        leaving = Band(foot, distilled)
        resting, arriving = Band(lane, distilled), self._arrival(distilled, lane)
        self._flow(x, x + self.step, rest, rest)
        self._flow(x, x + self.step, leaving, resting, "kept")
        self._flow(x + self.step, self.join - self.step, resting, resting, "kept")
        self._flow(self.join - self.step, self.join, resting, arriving, "kept")
        self._count(x + self.step - 3, rest)
        self._count(x + self.step + 16, resting, "kept")
        for conv in step.branch:
            self._box(conv, x + 1.9 * self.step, resting, resting)
        return rest, x + self.step

    def _arrival(self, distilled: int, lane: float) -> Band:
        """The place of distilled channels in the concatenation: in the order of the lanes, without gaps."""
        above = sum(
            step.distilled
            for step, other in zip((s for s in self.made.steps if s.distilled), self.lanes, strict=True)
            if other < lane
        )
        return Band(TOP + (self.made.last.out_channels + above) * self.unit, distilled)

    def _end(self, trunk: Band, x: float) -> None:
        last, fusion = self.made.last, self.made.fusion
        after, joined, out = (Band(TOP, n) for n in (last.out_channels, fusion.in_channels, fusion.out_channels))
        place = self.join - 1.5 * self.step
        self._flow(x, place, trunk, trunk)
        self._box(last, place, trunk, after)
        self._flow(place, self.join, after, after)
        self._count(self.join - self.step + 14, after)
        kind = ATTENTIONS[self.made.attends]
        attention, fused = self.join + 0.55 * self.step, self.join + 1.45 * self.step
        if kind.fused:
            attention, fused = fused, attention
        self._flow(self.join, fused, joined, joined)
        self._flow(fused, WIDTH - 10, out, out)
        if self.made.attends != "none":
            attended = out if kind.fused else joined
            self._box(None, attention, attended, attended)
        self._box(fusion, fused, joined, out)
        self._plus()

    def _plus(self) -> None:
        x, y = WIDTH - 14, TOP + FULL / 2
        self.boxes.append(svg.tag("circle", cx=x, cy=y, r=8, class_="plus"))
        self.boxes.append(svg.tag("text", "+", x=x, y=y, dy=".34em", class_="sign middle"))

    def _flow(self, left: float, right: float, start: Band, end: Band, kind: str = "trunk") -> None:
        """Draws a band from one place to another, curved if its top or its height changes."""
        if right <= left:
            return
        edges = ((start.top, end.top), (start.top + start.channels * self.unit, end.top + end.channels * self.unit))
        (top, top_end), (foot, foot_end) = edges
        middle = (left + right) / 2
        n = svg.number
        there = f"M{n(left)} {n(top)}C{n(middle)} {n(top)} {n(middle)} {n(top_end)} {n(right)} {n(top_end)}"
        back = f"L{n(right)} {n(foot_end)}C{n(middle)} {n(foot_end)} {n(middle)} {n(foot)} {n(left)} {n(foot)}Z"
        self.parts.append(svg.tag("path", d=there + back, class_=f"band {kind}"))

    def _box(self, conv: AnyConv | None, x: float, before: Band, after: Band) -> None:
        """Draws the box of a convolution, or of the attention if `conv` is None."""
        name = kernel(conv) if conv else self.made.attends.upper()
        height = max(18.0, max(before.channels, after.channels) * self.unit + 6)
        top = before.top + max(before.channels, after.channels) * self.unit / 2 - height / 2
        width = max(CONV, 6.4 * len(name) + 6)
        kind = "conv" if conv else "attention"
        self.boxes.append(svg.tag("rect", x=x - width / 2, y=top, width=width, height=height, rx=3, class_=kind))
        self.boxes.append(svg.tag("text", name, x=x, y=top + height / 2, dy=".34em", class_=f"{kind} middle"))

    def _count(self, x: float, band: Band, kind: str = "trunk") -> None:
        """Writes the number of channels at a band."""
        height = band.channels * self.unit
        beside = band.top - 6 if kind == "kept" else band.top + height + 6
        y = band.top + height / 2 if height >= 10 else beside
        self.boxes.append(svg.tag("text", str(band.channels), x=x, y=y, dy=".34em", class_=f"count end {kind}"))
