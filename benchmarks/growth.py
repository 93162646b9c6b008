"""How time and memory grow with the space, and a search's time with its candidates: numbers and a picture."""

import dataclasses
from pathlib import Path

import matplotlib
from matplotlib import pyplot

from benchmarks.measure import Findings
from benchmarks.processes import supernet
from srnas_tf.arch import Space

STAGES, DEPTHS = (2, 3, 4, 5), (2, 4, 6, 8, 10)
_MEASURED = {"start": "start to first step, s", "step": "step, s", "peak": "memory, MiB"}


def growth(rounds: int) -> Findings:
    """Supernets of the dynamic space under IMDN's recipe, each watched once: 2 to 5 stages, and depth 2 to 10."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for axis, values in (("stages", STAGES), ("depth", DEPTHS)):
        for value in values:
            seen = supernet(dataclasses.replace(Space(), **{axis: value}))
            for field, label in _MEASURED.items():
                curves.setdefault(f"{axis}: {label}", []).append((value, getattr(seen, field)))
    return Findings({}, curves)


def draw(curves: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """A panel a quantity; nothing where no curve was measured."""
    if not curves:
        return
    matplotlib.use("Agg")
    panels: dict[str, dict[str, list]] = {}
    for name, points in curves.items():
        axis, _, label = name.partition(": ")
        panel, line = (label, axis) if label else ("seconds of a search", name.removeprefix("search, "))
        panels.setdefault(panel, {})[line] = points
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.2), squeeze=False, layout="constrained")
    for (panel, lines), ax in zip(panels.items(), axes[0], strict=True):
        for line, points in lines.items():
            ax.plot(*zip(*points, strict=True), marker="o" if len(points) < 20 else "", label=line)
        ax.set(title=panel, xlabel="candidates" if panel.startswith("seconds") else " or ".join(lines), ylim=(0, None))
        ax.legend(fontsize="small")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
