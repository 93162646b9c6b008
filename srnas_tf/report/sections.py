"""The sections of a report. Each reads its values from a workdir's files, and returns None if there are none."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf.arch import Architecture, Network, Space, parse
from srnas_tf.arch.block import plan
from srnas_tf.report import drawing
from srnas_tf.report.compare import INDEX
from srnas_tf.report.holdings import Holdings, Picture, UnreadableError
from srnas_tf.report.written import cost, quality, shown, si, signed


class Answer(NamedTuple):
    """The main network of a workdir.

    Attributes:
        network: its architecture.
        source: sentence that says how it was chosen.
        latency_ms: predicted latency; None if unknown.
        psnr: on the validation images, in dB, after training on its own; None if it was not measured.
    """

    network: Architecture
    source: str
    latency_ms: float | None = None
    psnr: float | None = None


def answer_of(holdings: Holdings) -> Answer | None:
    """Selects the main network of a workdir; None if there is none.

    It is the network of the final table, or else the best retrained one, the best of the search, or the trained one.
    """
    rows = {row["method"]: row for row in holdings.json("pipeline.json") or []}
    best = holdings.json("search/best.json") or []
    times = {entry["arch"]: entry.get("latency_ms") for entry in best}
    trained = [model for name in holdings.names("retrain/*/model.keras") if (model := _numbered(holdings, name))]
    trained.sort(key=lambda model: -model.provenance.get("val_psnr", 0))
    if found := rows.get("found"):
        psnr = next((m.provenance.get("val_psnr") for m in trained if m.network == found["arch"]), None)
        return Answer(parse(found["arch"]), "The network of the final table.", times.get(found["arch"]), psnr)
    if trained:
        first = trained[0]
        source = "The best of the retrained networks on the validation images."
        return Answer(parse(first.network), source, times.get(first.network), first.provenance.get("val_psnr"))
    if best:
        source = "The first choice of the search. It has not been retrained yet."
        return Answer(parse(best[0]["arch"]), source, best[0].get("latency_ms"))
    for name in ("train/model.keras", "model.keras"):
        if model := holdings.model(name):
            return Answer(parse(model.network), f"The network of {name}.", psnr=model.provenance.get("val_psnr"))
    return None


def _numbered(holdings: Holdings, name: str):
    """Reads the file of a found network; None for the baseline."""
    return holdings.model(name) if Path(name).parent.name.isdigit() else None


def headline(holdings: Holdings) -> list[tuple[str, str, str]]:
    """The figures at the top of the page, each as (figure, unit, label)."""
    found = answer_of(holdings)
    if found is None:
        return []
    figures = []
    rows = {row["method"]: row for row in holdings.json("pipeline.json") or []}
    row = rows.get("found")
    if row:
        figures.append((quality(row["psnr"]), "dB", "PSNR on held-out images"))
        for method in ("bicubic", "IMDN"):
            other = rows.get(method, {}).get("psnr")
            if other is not None and row["psnr"] is not None:
                figures.append((signed(row["psnr"] - other, 2), "dB", f"compared with {method}"))
    elif found.psnr is not None:
        figures.append((quality(found.psnr), "dB", "PSNR on the validation images"))
    figures.append((f"{found.network.params:,}", "", "parameters"))
    macs, unit = si(found.network.macs()).split()
    figures.append((macs, f"{unit}MACs", "at 1280 × 720 output"))
    if row and row.get("timed"):
        figures.append((f"{row['latency_ms']:.3g}", "ms", f"latency in {row['timed']}"))
    if found.latency_ms:
        figures.append((f"{found.latency_ms:.3g}", "ms", "latency predicted by the search"))
    return figures


def asked(holdings: Holdings) -> dict | None:
    """Lists the space, the dataset, the budget, and the settings of search and training."""
    record = holdings.json("experiment.json")
    if not record:
        return None
    terms: list[tuple[str, str]] = []
    if "network" in record:
        space = Space(**record["network"])
        terms += [("Enlargement", f"×{space.scale}"), ("Space", _space(space))]
    if "subject" in record:
        terms.append(("Network", record["subject"]["arch"]))
    terms += _photographs(record.get("data", {}))
    if "search" in record:
        limits = record.get("budget", {}).items()
        set_ = [cost(name.removeprefix("max_"), limit) for name, limit in limits if limit]
        terms.append(("Budget", f"at most {', '.join(set_)}" if set_ else "no limit"))
        terms.append(("Search", _search(record["search"], record.get("pick", {}))))
        terms += _conditions(record)
    titles = {"supernet": "Supernet", "alone": "Candidates, in the last rung", "retrain": "Found networks"}
    titles |= {"ranked": "Ranked networks", "train": "Training"}
    terms += [(title, _recipe(record[name])) for name, title in titles.items() if name in record]
    return {"terms": terms}


def _space(space: Space) -> str:
    count = si(float(space.count)) if space.count >= 1e6 else f"{space.count:,}"
    paths = " or ".join(dict.fromkeys(str(len(blocks)) for blocks in space.positions))
    return f"{space}: {space.depth} blocks of {paths} paths each, {space.width} channels wide; {count} networks"


def _photographs(data: Mapping[str, str]) -> list[tuple[str, str]]:
    if "data" not in data:
        return []
    held_out = "images held out of these"
    chosen = data.get("val_data") or held_out
    measured = data.get("test_data") or ("the same" if data.get("val_data") else held_out)
    terms = [("Trained on", data["data"]), ("Validated on", chosen), ("Tested on", measured)]
    return [*terms, ("Low-resolution images", _low_resolution(data))]


def _low_resolution(data: Mapping[str, str]) -> str:
    """The source of the low-resolution images: files, or a degradation."""
    files = [
        data[name] for name in ("lr_data", "val_lr_data", "test_lr_data") if data.get(name) not in (None, "", "none")
    ]
    return f"files of {', '.join(files)}" if files else data.get("degradation", "bicubic")


def _search(settings: Mapping[str, Any], pick: Mapping[str, Any]) -> str:
    """The settings of a search in one line."""
    text = "{strategy}, {iterations} × {population} candidates, seed {seed}".format(**settings)
    if settings.get("strategy") == "pareto":
        text += f"; PSNR against {' and '.join(settings['objectives'].split(','))}"
    return f"{text}; chooses by {pick['pick']}" if pick.get("pick") else text


def _conditions(record: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The conditions of the latency; empty if the search neither limits nor weighs latency."""
    said = f"{record['search'].get('objectives')} {record.get('pick', {}).get('pick')}"
    counts = record.get("budget", {}).get("max_latency_ms") or "latency_ms" in said
    if "latency" not in record or not counts:
        return []
    text = "{runtime}, threads: {threads}, input {input_size}".format(**record["latency"])
    table = record["latency"].get("latency_table")
    return [("Latency", f"{text}, by {table}" if table else text)]


def _recipe(settings: Mapping[str, Any]) -> str:
    """The settings of a training in one line."""
    text = "{steps:,} steps of {batch} patches of {patch} × {patch}, learning rate {learning_rate:g}, {schedule}"
    parts = [text.format(**settings)]
    parts += [f"average {settings['ema']:g}"] if settings.get("ema") else []
    parts += [settings["precision"], f"seed {settings['seed']}"]
    start = settings.get("init", "scratch")
    return ", ".join(parts) + ("" if start == "scratch" else f", from weights of {Path(start).name}")


def answer(holdings: Holdings) -> dict | None:
    """Shows the main network block by block, and its share of each limit of the budget."""
    found = answer_of(holdings)
    if found is None:
        return None
    record = holdings.json("experiment.json") or {}
    network = found.network
    costs = {"params": network.params, "macs": network.macs(), "latency_ms": found.latency_ms}
    shares = []
    for name, limit in record.get("budget", {}).items():
        kind = name.removeprefix("max_")
        if limit and (used := costs.get(kind)):
            shares.append((f"{cost(kind, used)} of {cost(kind, limit)}", used / limit))
    context: dict[str, Any] = {"arch": str(network), "source": found.source, "budget": shares, "scale": network.scale}
    if not isinstance(network, Network):
        return {**context, "blocks": []}
    space = Space(**record["network"]) if "network" in record else None
    codes = space.codes(network) if space else None
    columns = max(drawing.places(plan(block, network.width)) for block in network.blocks)
    blocks = [
        {
            **entry,
            "code": codes[i] if codes else None,
            "picture": drawing.draw(network.blocks[i], network.width, columns),
            "words": drawing.describe(network.blocks[i], network.width),
        }
        for i, entry in enumerate(network.costs())
    ]
    rest = {"params": network.params - sum(b["params"] for b in blocks)}
    rest["macs"] = network.macs() - sum(b["macs"] for b in blocks)
    return {**context, "blocks": blocks, "frame": _frame(network), "rest": rest, "total": costs}


def _frame(network: Network) -> list[str]:
    """Describes the parts of the whole network, in the order in which data flows."""
    frame = network.frame
    before = [f"{drawing.words(conv)}, {conv.in_channels} → {conv.out_channels}" for conv in frame.conv_first]
    *aggregate, after_body, upsample = (f"{drawing.words(c)}, {c.in_channels} → {c.out_channels}" for c in frame.tail)
    blocks = f"{len(network.blocks)} blocks, {network.width} channels"
    return [
        *before,
        blocks,
        *(f"all outputs: {conv}" for conv in aggregate),
        f"{after_body}, plus the input of the blocks",
        upsample,
        "pixel shuffle",
    ]


def pictures(holdings: Holdings) -> dict | None:
    """Shows crops side by side: from their files, or else `compare.png`; None if there are none."""
    rows = []
    for row in holdings.json(f"compare/{INDEX}") or []:
        shown = []
        for i, crop in enumerate(row["crops"]):
            psnr = "" if i == 0 else f"{quality(crop['psnr'])} dB"
            shown.append({**crop, "picture": _crop(holdings, crop["file"]), "psnr": psnr})
        where = _crop(holdings, row["where"]) if row.get("where") else None
        rows.append({"photograph": row["photograph"], "crops": shown, "where": where})
    whole = None if rows else holdings.picture("compare.png")
    return {"rows": rows, "whole": whole} if rows or whole else None


def _crop(holdings: Holdings, name: str) -> Picture | None:
    """Reads a picture in the folder of crops."""
    if Path(name).name != name:
        raise UnreadableError(f"compare/{INDEX} names a file outside its folder")
    return holdings.picture(f"compare/{name}")


def compared(holdings: Holdings) -> dict | None:
    """Shows the final table, and measurements on test sets; None if there are none."""
    rows = holdings.json("pipeline.json") or []
    best = max((row["psnr"] or 0 for row in rows), default=0)
    table = [
        {
            "latency_ms": None,
            **row,
            "best": row["psnr"] == best,
            "short": row["arch"] and row["arch"].rpartition(":")[2],
        }
        for row in rows
    ]
    sets = [
        {"where": name, "set": key, **figures}
        for name in holdings.names("evaluate.json")
        + holdings.names("*/evaluate.json")
        + holdings.names("*/*/evaluate.json")
        for key, figures in holdings.json(name).items()
    ]
    plain = [row for row in sets if "bicubic" not in row]
    degraded = [{**row, "ahead": _ahead(row)} for row in sets if "bicubic" in row]
    timed = next((row["timed"] for row in rows if "timed" in row), "")
    return {"rows": table, "timed": timed, "sets": plain, "degraded": degraded} if table or sets else None


def _ahead(row: Mapping[str, Any]) -> str:
    """The difference in PSNR between a network and bicubic enlargement, dB."""
    if row["psnr"] is None or row["bicubic"] is None:
        return ""
    return signed(row["psnr"] - row["bicubic"], 2)


def tables_of(value: Any, title: str = "") -> Iterator[dict]:
    """Turns JSON into tables: of objects, of lists of objects, and of single values."""
    if isinstance(value, dict):
        scalars = {key: one for key, one in value.items() if not isinstance(one, dict | list)}
        nested = {key: one for key, one in value.items() if isinstance(one, dict | list) and one}
        if scalars:
            yield {"title": title, "columns": ["", ""], "rows": [[key, shown(one)] for key, one in scalars.items()]}
        flat = {key: one for key, one in nested.items() if isinstance(one, dict) and not _nested(one)}
        if nested and flat.keys() == nested.keys():
            yield {"title": title, **_side_by_side(flat)}
        else:
            for key, one in nested.items():
                yield from tables_of(one, f"{title} {key}".strip())
    elif value and all(isinstance(row, dict) for row in value):
        columns = list(dict.fromkeys(key for row in value for key in row))
        yield {"title": title, "columns": columns, "rows": [[shown(row.get(key)) for key in columns] for row in value]}
    elif value:
        yield {"title": title, "columns": [""], "rows": [[shown(one)] for one in value]}


def _side_by_side(objects: Mapping[str, Mapping[str, Any]]) -> dict:
    """A table that has a column for each object."""
    keys = dict.fromkeys(key for one in objects.values() for key in one)
    rows = [[key, *(shown(one.get(key)) for one in objects.values())] for key in keys]
    return {"columns": ["", *objects], "rows": rows}


def _nested(value: dict) -> bool:
    return any(isinstance(one, dict | list) for one in value.values())


def made(holdings: Holdings) -> dict | None:
    """Lists the commands, the versions and the settings; None if none were recorded."""
    # Arguments are separate elements, so that no line breaks within one.
    runs = [
        {**entry, "arguments": [shlex.quote(argument) for argument in shlex.split(entry["command"])]}
        for entry in holdings.lines("runs.jsonl")
    ]
    record = holdings.json("experiment.json") or {}
    sections = {name: entry for name, entry in record.items() if isinstance(entry, dict)}
    return {"runs": runs, "sections": sections} if runs or sections else None
