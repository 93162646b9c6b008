"""The section of a report about the search: its progress, the front, the controls, and the chosen networks."""

import functools
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from srnas_tf.arch import Network, parse
from srnas_tf.arch.space import BLOCK_FIELDS, TRUNK_FIELDS
from srnas_tf.report.chart import LARGE, NAMED, Line, Mark, axis, chart
from srnas_tf.report.holdings import Holdings
from srnas_tf.report.written import cost
from srnas_tf.search.front import front

COSTS = {
    "params": ("parameters, thousands", 1e3),
    "macs": ("MACs at 1280 × 720, billions", 1e9),
    "latency_ms": ("milliseconds", 1.0),
}
"""Costs by name: the label of an axis, and the divisor that gives its unit."""

MAX_POINTS = 2000
"""Maximum number of points in a chart; more of them cannot be seen apart."""

CONTROLS = {name: f"control: {name}" for name in ("random", "grid", "spread")}
"""Labels of control networks by their origin in a journal. No search chose them, and a search must beat them."""

MAX_VALUES = 8
"""Maximum number of values of a property by which the chart can be coloured."""

RUNGS = ("faint", "third", "other", "strong")
"""Classes of marks and lines by rung; the last rung has the last one."""

Entry = Mapping[str, Any]
"""A line of a journal, which describes a measured network."""


def search(holdings: Holdings) -> dict | None:
    """Shows the measurements in their order, the front, and the chosen networks; None if nothing was searched."""
    journal = holdings.lines("search/journal.jsonl")
    measured = [entry for entry in journal if "psnr" in entry]
    if not journal:
        return None
    best = holdings.json("search/best.json") or []
    settings = (holdings.json("experiment.json") or {}).get("search", {})
    weighed = {name.strip() for name in settings.get("objectives", "macs").split(",")} | {"latency_ms"}
    usable = [name for name in COSTS if name in weighed and all(name in entry for entry in measured)]
    facts = _facts(measured)
    return {
        "networks": len({str(entry["codes"]) for entry in journal}),
        "measured": len(measured),
        "screened": sum("screened" in entry for entry in journal),
        "planned": 0 if best else settings.get("population", 0) * settings.get("iterations", 0),
        "alone": any("rung" in entry for entry in measured),
        "history": _history(_rung(measured, 1)) if measured else None,
        "fronts": [_front(measured, best, name, facts) for name in usable] if measured else [],
        "groups": _groups(measured, facts),
        "best": [row(entry) for entry in best],
        "front": [row(entry) for entry in holdings.json("search/front.json") or []],
    }


def recipes(entry: Entry) -> str:
    return entry["arch"].rpartition(":")[2]


def row(entry: Entry) -> dict:
    return {**entry, "recipes": recipes(entry)}


def says(entry: Entry) -> str:
    """Describes a measured network: recipes, PSNR, costs, and training steps if known."""
    costs = ", ".join(cost(name, entry[name]) for name in COSTS if name in entry)
    trained = f", trained for {entry['steps']:,} steps" if "steps" in entry else ""
    return f"{recipes(entry)}: {entry['psnr']:.3f} dB, {costs}{trained}"


def thinned(values: Sequence, most: int = MAX_POINTS) -> Sequence:
    """At most `most` of the values, at equal distances, with the first and the last."""
    if len(values) <= most:
        return values
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _rung(measured: Sequence[Entry], number: int) -> list[Entry]:
    return [entry for entry in measured if entry.get("rung", 1) == number]


def _history(measured: Sequence[Entry]) -> Markup:
    """Draws the PSNR of all candidates in their order, and the best so far.

    For networks that were trained alone, these are the measurements of the first rung: all candidates have one.
    """
    psnrs = [entry["psnr"] for entry in measured]
    best = list(itertools.accumulate(psnrs, max))
    records = [i for i, psnr in enumerate(psnrs) if i == 0 or psnr > best[i - 1]]
    marks = [Mark(i + 1, psnrs[i], f"Candidate {i + 1}, {says(measured[i])}") for i in thinned(range(len(psnrs)))]
    marks += [
        Mark(i + 1, psnrs[i], f"Best so far: candidate {i + 1}, {says(measured[i])}", "strong", True) for i in records
    ]
    line = Line([*((i + 1, psnrs[i]) for i in records), (len(psnrs), best[-1])], "strong", "", True)
    x = axis("candidates, in the order of their measurement", [0, len(psnrs)])
    y = axis(_quality(measured), psnrs)
    title = f"PSNR of {len(psnrs)} candidates; the best so far rises from {psnrs[0]:.3f} to {best[-1]:.3f} dB"
    return chart(title, x, y, [line], marks)


def _quality(measured: Sequence[Entry]) -> str:
    """The label of the PSNR axis."""
    return "PSNR, trained alone, dB" if any("rung" in entry for entry in measured) else "PSNR in the supernet, dB"


def _front(measured: Sequence[Entry], best: Sequence[Entry], name: str, facts: Mapping[str, Callable]) -> dict:
    """Draws PSNR over one cost: all measured networks, the front of each rung, and the chosen networks."""
    label, unit = COSTS[name]
    numbers = sorted({entry.get("rung", 1) for entry in measured})
    kinds = dict(zip(reversed(numbers), reversed(RUNGS), strict=False))

    def mark(entry: Entry, kind: str, stop: bool = False, before: str = "") -> Mark:
        known = {key: of(entry) for key, of in facts.items()}
        return Mark(entry[name] / unit, entry["psnr"], before + says(entry), kind, stop, known)

    def point(entry: Entry) -> tuple[float, float]:
        return entry[name] / unit, entry["psnr"]

    edges = {number: front([dict(entry) for entry in _rung(measured, number)], [name]) for number in numbers}
    x = axis(label, [entry[name] / unit for entry in measured])
    y = axis(_quality(measured), [entry["psnr"] for entry in measured])
    last, many = numbers[-1], len(numbers) > 1
    marks, lines = [], []
    for number, edge in edges.items():
        kind = kinds.get(number, "faint")
        pale = "faint" if number == last else f"small {kind}"
        words = f"On the front of rung {number}: " if many else "On the front: "
        marks += [mark(entry, pale) for entry in thinned(_rung(measured, number))]
        marks += [mark(entry, "strong" if number == last else kind, True, words) for entry in edge]
        # The line of a front goes on level after its last network, up to the name at its end.
        end = [(x.high, edge[-1]["psnr"])] if many else []
        lines.append(Line([*map(point, edge), *end], kind, f"rung {number}" if many else "", True))
    gone_on = [(i, entry) for i, entry in enumerate(best, 1) if name in entry]
    marks += [mark(entry, "ring other", True, f"Chosen, {i}: ") for i, entry in gone_on]
    title = f"PSNR over {label} of {len(measured)} measurements; {len(edges[last])} networks are on the front"
    drawn = chart(title, x, y, lines, marks, NAMED if many else LARGE)
    values = {key: list(dict.fromkeys(of(entry) for entry in measured)) for key, of in facts.items()}
    return {"chart": drawn, "by": {key: sorted(each, key=_order) for key, each in values.items()}}


def _order(value: str) -> tuple[float, str]:
    """Sort key: numbers by size, then all other values by name."""
    head = value.split()[0].replace(",", "")
    return (float(head), value) if head.replace(".", "", 1).isdigit() else (float("inf"), value)


def _facts(measured: Sequence[Entry]) -> dict[str, Callable[[Entry], str]]:
    """The properties in which the measured networks differ: rung, origin, and dimensions of the space.

    Returns:
        For each property, a function that gives the value of a network. A property has 2 to `MAX_VALUES` values.
    """
    networks = {entry["arch"]: parse(entry["arch"]) for entry in measured}
    asked: dict[str, Callable[[Entry], str]] = {"rung": _steps, "origin": _origin}
    for name in (*TRUNK_FIELDS, *BLOCK_FIELDS):
        values = {arch: _dimension(network, name) for arch, network in networks.items()}
        asked[name.replace("_", " ")] = functools.partial(_looked_up, values)
    found = {}
    for key, of in asked.items():
        count = len({of(entry) for entry in measured})
        if 1 < count <= MAX_VALUES:
            found[key] = of
    return found


def _steps(entry: Entry) -> str:
    return f"{entry['steps']:,} steps" if "steps" in entry else ""


def _origin(entry: Entry) -> str:
    origin = str(entry.get("origin", ""))
    return CONTROLS.get(origin, origin)


def _looked_up(values: Mapping[str, str], entry: Entry) -> str:
    return values[entry["arch"]]


def _dimension(network: Any, name: str) -> str:
    """A network's value of a dimension; `mixed` if its blocks differ."""
    if not isinstance(network, Network):
        return ""
    if name in network.hyperparameters:
        return str(network.hyperparameters[name])
    values = {str(getattr(block, name)) for block in network.blocks}
    return values.pop() if len(values) == 1 else "mixed"


def _groups(measured: Sequence[Entry], facts: Mapping[str, Callable[[Entry], str]]) -> list[dict]:
    """For each property, a table of its values: number of networks, median and best PSNR.

    Only the first rung counts, except in the table of rungs.
    """
    first = _rung(measured, 1)
    tables = []
    for key, of in facts.items():
        rows = []
        for value in sorted({of(entry) for entry in measured}, key=_order) if measured else ():
            own = [entry["psnr"] for entry in (measured if key == "rung" else first) if of(entry) == value]
            if own:
                rows.append({"value": value, "networks": len(own), "median": statistics.median(own), "best": max(own)})
        if len(rows) > 1:
            tables.append({"title": key, "rows": rows})
    return tables
