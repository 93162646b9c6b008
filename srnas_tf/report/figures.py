"""The sections of a report that consist of charts: ranking, training and latency."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from srnas_tf.arch import parse
from srnas_tf.report import exported
from srnas_tf.report.chart import NAMED, SMALL, Line, Mark, axis, chart
from srnas_tf.report.holdings import Holdings
from srnas_tf.report.searched import recipes, row, thinned
from srnas_tf.report.sections import tables_of

KINDS = ("strong", "other", "third", "strong dashed", "other dashed", "third dashed")
"""Classes of lines; they differ in colour and dashes."""


def ranking(holdings: Holdings) -> dict | None:
    """Compares the PSNR of networks in the supernet with their PSNR after training alone; None without `rank.json`."""
    rank = holdings.json("rank.json")
    if not rank:
        return None
    pairs = [pair for pair in rank.get("pairs", []) if {"supernet_psnr", "psnr"} <= set(pair)]
    marks = []
    for pair in pairs:
        band = pair.get("samples") == ["band"]
        says = f"{recipes(pair)}: {pair['supernet_psnr']:.3f} dB in the supernet, {pair['psnr']:.3f} dB alone"
        marks.append(Mark(pair["supernet_psnr"], pair["psnr"], says, "ring other" if band else "strong"))
    figure = None
    if marks:
        x, y = (
            axis("in the supernet, dB", [mark.x for mark in marks]),
            axis("trained alone, dB", [mark.y for mark in marks]),
        )
        figure = chart(f"{len(marks)} networks: PSNR trained alone over PSNR in the supernet", x, y, marks=marks)
    samples = {"range": "over the whole space", "band": "of about the same size"}
    rows = [
        {"sample": title, "networks": rank[key].get("networks"), "who": who, **_estimates(rank[key][part])}
        for key, title in samples.items()
        for part, who in (("supernet", "the supernet"), ("params", "parameters alone"))
        if isinstance(rank.get(key), dict) and isinstance(rank[key].get(part), dict)
    ]
    return {
        "chart": figure,
        "kendall_tau": rank.get("kendall_tau"),
        "spearman": rank.get("spearman"),
        "repeated": (rank.get("repeats") or {}).get("kendall_tau"),
        "rows": rows,
        "pairs": [row(pair) for pair in pairs],
        "both": any(mark.kind != "strong" for mark in marks),
    }


def _estimates(figures: Mapping[str, Sequence[float | None]]) -> dict[str, str]:
    """Writes each estimate with its interval, as `0.50 (0.25 to 0.75)`; `-` if one of its numbers is unknown."""
    texts = {}
    for name, figure in figures.items():
        known = [f"{one:.2f}" for one in figure if one is not None]
        texts[name] = "{} ({} to {})".format(*known) if len(known) == 3 else "-"
    return texts


def training(holdings: Holdings) -> dict | None:
    """Draws loss and validation PSNR over steps; None if nothing was trained."""
    names = [name for pattern in ("", "retrain/") for name in holdings.names(f"{pattern}*/metrics.jsonl")]
    runs = {str(Path(name).parent): lines for name in names if (lines := holdings.lines(name))}
    if not runs:
        return None
    validated = {name: [(x["step"], x["val_psnr"]) for x in lines if "val_psnr" in x] for name, lines in runs.items()}
    validated = {name: points for name, points in validated.items() if points}
    record = holdings.json("experiment.json") or {}
    planned = {name: (record.get(name.split("/")[0]) or {}).get("steps") for name in runs}
    return {
        "psnr": _validations(validated) if validated else None,
        "losses": [{"name": titled(name), "chart": _loss(titled(name), lines)} for name, lines in runs.items()],
        "rows": [_training_row(holdings, name, lines, planned[name]) for name, lines in runs.items()],
    }


def titled(name: str) -> str:
    """The title of a training, by its folder: `retrain/1` gives `found 1`, the network of rank 1."""
    last = Path(name).name
    return "IMDN" if name == "retrain/imdn" else f"found {last}" if name.startswith("retrain/") else last


def _validations(runs: Mapping[str, Sequence[tuple[int, float]]]) -> Markup:
    kinds = itertools.cycle(KINDS)
    lines = [Line(thinned(points, 400), next(kinds), titled(name)) for name, points in runs.items()]
    marks = []
    for line in lines:
        colour = line.kind.split()[0].replace("strong", "")
        size = "strong" if len(line.points) <= 30 else "small"
        marks += [Mark(x, y, f"{line.name}, step {x:,}: {y:.3f} dB", f"{size} {colour}") for x, y in line.points]
    every = [point for points in runs.values() for point in points]
    x, y = axis("steps", [0, *(x for x, _ in every)]), axis("PSNR, dB", [y for _, y in every])
    title = "Validated PSNR over steps of " + ", ".join(line.name for line in lines)
    return chart(title, x, y, lines, marks, NAMED)


def _loss(name: str, lines: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws a smoothed loss over the loss of single steps, which varies from batch to batch."""
    points = [(line["step"], line["loss"]) for line in lines if math.isfinite(line["loss"])]
    shown = thinned(points, 600)
    averages = itertools.accumulate((loss for _, loss in shown), lambda average, loss: 0.9 * average + 0.1 * loss)
    smooth = [(step, average) for (step, _), average in zip(shown, averages, strict=True)]
    x, y = axis("steps", [0, *(x for x, _ in shown)], 4), axis("loss (L1)", [0, *(y for _, y in shown)], 4)
    title = f"Loss of {name}: {points[0][1]:.4f} at first, {smooth[-1][1]:.4f} at last, smoothed"
    return chart(title, x, y, [Line(shown, "faint"), Line(smooth, "strong")], size=SMALL)


def _training_row(holdings: Holdings, name: str, lines: Sequence[Mapping[str, Any]], planned: int | None) -> dict:
    psnrs = [line["val_psnr"] for line in lines if "val_psnr" in line]
    model = holdings.model(f"{name}/model.keras")
    # Each process counts its seconds from 0.
    pairs = itertools.pairwise(line.get("seconds", 0.0) for line in lines)
    return {
        "name": titled(name),
        "recipes": model.network.rpartition(":")[2] if model else "",
        "params": parse(model.network).params if model else None,
        "steps": lines[-1]["step"],
        "planned": planned,
        "loss": lines[-1]["loss"],
        "psnr": psnrs[-1] if psnrs else None,
        "minutes": sum(max(0.0, b - a) for a, b in pairs) / 60,
    }


def benchmark(holdings: Holdings) -> dict | None:
    """Collects all latencies that were measured in a workdir; None if there are none.

    They come from `benchmark.json`, from the latency tables of searches, and from the exported files. For whole
    networks, a chart compares the measured latency with the prediction of a table.
    """
    value = {**(holdings.json("benchmark.json") or {})}
    if "models" in value:
        value["models"] = {name: _timed_model(entry) for name, entry in value["models"].items()}
    value |= {key: found for key, found in (("exported files, ms", exported.times(holdings)),) if found}
    value |= {
        f"measured for a search, {name}": _block_table(holdings.json(name)) for name in holdings.names("latency-*.json")
    }
    if not value:
        return None
    spaces = value.get("space", {})
    charts = [
        {"name": name, "chart": _predictions(name, entry["networks"]), "error": entry.get("median_error")}
        for name, entry in spaces.items()
        if entry.get("networks")
    ]
    # The networks of a chart get their own tables, below the chart.
    plain = {name: {k: v for k, v in entry.items() if k != "networks"} for name, entry in spaces.items()}
    timed = {name: entry["networks"] for name, entry in spaces.items() if entry.get("networks")}
    first = {key: entry for key, entry in value.items() if key != "space"}
    return {"charts": charts, "tables": list(tables_of({**first, "space": plain})), "timed": list(tables_of(timed))}


def _timed_model(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of `benchmark.json` as text; it names the spread of the latency if that is large."""
    rest = {key: value for key, value in entry.items() if key != "latency_spread"}
    return {**rest, "latency_ms": exported.milliseconds(entry["latency_ms"], entry.get("latency_spread", 0.0))}


def _block_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """Summarizes a latency table: its conditions, the latency of the frame, and the range over its blocks.

    For a latency model, it gives the range over the networks that the model was fitted to.
    """
    said = ("machine", "runtime", "runtime_version", "threads", "input_size", "date")
    described = {name: table[name] for name in said}
    if "frame" in table:
        described["frame, ms"] = f"{table['frame']:.3g}"
    for kind in ("blocks", "networks"):
        if times := [*table.get(kind, {}).values()]:
            described[f"{len(times)} {kind}, ms each"] = f"{min(times):.3g} to {max(times):.3g}"
    return described


def _predictions(name: str, networks: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws measured over predicted latency in milliseconds, with the line on which both are equal."""
    marks = [
        Mark(
            entry["predicted_ms"],
            entry["measured_ms"],
            f"{recipes(entry)}: {entry['measured_ms']:.3g} ms measured, {entry['predicted_ms']:.3g} ms predicted",
            "strong",
        )
        for entry in networks
    ]
    every = [value for mark in marks for value in (mark.x, mark.y)]
    x, y = axis("predicted, ms", every), axis("measured, ms", every)
    line = Line([(x.low, y.low), (x.high, y.high)], "faint")
    return chart(f"Measured over predicted milliseconds of {len(marks)} networks: {name}", x, y, [line], marks)
