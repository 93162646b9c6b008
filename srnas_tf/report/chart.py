"""Draws charts as inline SVG: two axes, lines and marks.

A mark shows its text when the pointer or the keyboard reaches it.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from markupsafe import Markup

from srnas_tf.report import svg


class Size(NamedTuple):
    """The size of a chart and of its margins, in units of the SVG.

    The margins have room for the larger letters of a narrow page.

    Attributes:
        width: width of the whole chart.
        height: height of the whole chart.
        left: margin, with the labels of the y axis.
        right: margin, with the names of lines if there are any.
        top: margin.
        bottom: margin, with the labels of the x axis.
        kind: classes of the page's style.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    kind: str


LARGE = Size(840, 440, 70, 14, 36, 56, "chart")
NAMED = LARGE._replace(right=104)
"""Has room for the names of lines at their right ends."""
SMALL = Size(360, 230, 44, 10, 28, 42, "chart small")


class Axis(NamedTuple):
    """An axis: its label, its range and its ticks.

    Attributes:
        label: the quantity and its unit.
        low: the value at which it begins.
        high: the value at which it ends, > low.
        ticks: values with a label, between `low` and `high`.
        digits: decimals of these labels.
    """

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int

    def written(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


def axis(label: str, values: Iterable[float], count: int = 5) -> Axis:
    """An axis that holds all finite values, with a small margin and about `count` ticks at round numbers."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    air = 0.04 * (high - low) or abs(low) * 0.01 or 0.5
    low, high = (0.0 if 0 <= low < 2 * air else low - air), high + air
    raw = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= 0.7 * raw)
    ticks = tuple(i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1))
    return Axis(label, low, high, ticks, max(0, -math.floor(math.log10(step) + 1e-9)))


class Mark(NamedTuple):
    """A point.

    Attributes:
        x: position, in units of the x axis.
        y: position, in units of the y axis.
        says: text that describes the point.
        kind: classes of the page's style: a size (`strong`, `small`, `ring`, or none) and a colour (`faint`, `other`,
            `third`, or none).
        stop: True if the keyboard can reach it.
        facts: further properties by name; the page can colour marks by them.
    """

    x: float
    y: float
    says: str
    kind: str = "faint"
    stop: bool = False
    facts: Mapping[str, str] = MappingProxyType({})


class Line(NamedTuple):
    """A line.

    Attributes:
        points: (x, y) in units of the axes, from left to right.
        kind: classes of the page's style.
        name: text at its right end.
        stepped: True if it stays level until the next point.
    """

    points: Sequence[tuple[float, float]]
    kind: str
    name: str = ""
    stepped: bool = False


def chart(
    title: str, x: Axis, y: Axis, lines: Sequence[Line] = (), marks: Sequence[Mark] = (), size: Size = LARGE
) -> Markup:
    """Draws a chart; marks are drawn over lines.

    Args:
        title: describes the chart to screen readers.
        x: the horizontal axis.
        y: the vertical axis.
        lines: lines, in the order in which they are drawn.
        marks: marks, in the order in which they are drawn.
        size: size of the chart.
    """

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - x.low) / (x.high - x.low)
        up = (point[1] - y.low) / (y.high - y.low)
        right, foot = size.width - size.right, size.height - size.bottom
        return size.left + across * (right - size.left), foot - up * (foot - size.top)

    parts = [*_grid(x, y, size, at), *(_line(line, at) for line in lines), *_names(lines, at)]
    parts += [_mark(mark, *at((mark.x, mark.y))) for mark in marks]
    return svg.drawing(size.width, size.height, title, *parts, class_=size.kind, role="group")


RADII = {"ring": 6.5, "strong": 4.5, "small": 2.0}
"""Radii of marks by kind."""

Place = Callable[[tuple[float, float]], tuple[float, float]]
"""Maps a point in units of the axes to coordinates of the drawing."""


def _grid(x: Axis, y: Axis, size: Size, at: Place) -> list[Markup]:
    left, right, foot = size.left, size.width - size.right, size.height - size.bottom
    parts = []
    for value in y.ticks:
        height = at((x.low, value))[1]
        parts.append(svg.tag("line", x1=left, x2=right, y1=height, y2=height, class_="grid"))
        parts.append(svg.tag("text", y.written(value), x=left - 8, y=height, dy=".32em", class_="tick end"))
    parts.append(svg.tag("line", x1=left, x2=right, y1=foot, y2=foot, class_="base"))
    for value in x.ticks:
        across = at((value, y.low))[0]
        parts.append(svg.tag("line", x1=across, x2=across, y1=foot, y2=foot + 5, class_="base"))
        parts.append(svg.tag("text", x.written(value), x=across, y=foot + 8, dy=".85em", class_="tick middle"))
    parts.append(svg.tag("text", x.label, x=right, y=size.height - 3, class_="label end"))
    parts.append(svg.tag("text", y.label, x=0, y=2, dy=".8em", class_="label"))
    return parts


def _line(line: Line, at: Place) -> Markup:
    points = [at(point) for point in line.points]
    if line.stepped:
        corners = (corner for a, b in itertools.pairwise(points) for corner in ((b[0], a[1]), b))
        points = [*points[:1], *corners]
    return svg.path(points, class_=f"line {line.kind}")


def _names(lines: Sequence[Line], at: Place) -> list[Markup]:
    """Writes names at the right ends of lines, and moves those apart that would overlap."""
    ends = [(at(line.points[-1]), line) for line in lines if line.name and line.points]
    parts, free = [], -math.inf
    for (left, height), line in sorted(ends, key=lambda end: end[0][1]):
        free = max(height, free + 20)
        parts.append(svg.tag("text", line.name, x=left + 10, y=free, dy=".34em", class_=f"name {line.kind}"))
    return parts


def _mark(mark: Mark, x: float, y: float) -> Markup:
    title = svg.tag("title", mark.says)
    stop = {"tabindex": "0", "role": "img", "aria_label": mark.says} if mark.stop else {}
    radius = next((size for kind, size in RADII.items() if kind in mark.kind.split()), 3.2)
    facts = {f"data_{key.replace(' ', '_')}": value for key, value in mark.facts.items()}
    return svg.tag("circle", title, cx=x, cy=y, r=radius, class_=f"mark {mark.kind}", **stop, **facts)
