"""Writes the thesis' tables 4.1 to 4.5 as Markdown: printed figures, exact counts, and this project's measurements."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srnas_tf.report.results import Result

LEGEND = (
    "The first columns of each table are the thesis', as printed. *parameters, exact* are those of the network that\n"
    "this project builds for the row. Columns that end with *here* were measured by this project, on any network of\n"
    "that architecture; *how* says when, and on what and how long it was trained."
)


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        label: the first cell, as printed.
        scale: factor of the enlargement.
        printed: the other cells, as printed, by keys of the table's columns.
        arch: the network that this project builds for the row, as text; None if there is none.
        params: exact number of parameters of that network; None if there is none.
        supernet_params: number of parameters of the whole supernet, if the thesis prints it.
        flagfile: name in `flags/` of the settings that train the network as in the thesis.
        note: explains cells that contradict each other, or that are not clear.
    """

    label: str
    scale: int
    printed: dict[str, str]
    arch: str | None
    params: int | None
    supernet_params: int | None = None
    flagfile: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of the thesis.

    Attributes:
        caption: the caption, as printed.
        columns: headings by key, as printed. The key of a test set is its name. The first column holds the labels.
        measured: format string for this project's figures, with `psnr` (dB) and `ssim`.
        rows: in the order of the thesis.
    """

    caption: str
    columns: dict[str, str]
    measured: str
    rows: tuple[Row, ...]


def load() -> dict[str, Table]:
    """Reads the tables; the keys are their numbers, "4.1" to "4.5"."""
    tables = json.loads(Path(__file__).with_name("thesis.json").read_text("utf-8"))
    return {
        number: Table(**{**table, "rows": tuple(Row(**row) for row in table["rows"])})
        for number, table in tables.items()
    }


def markdown(number: str, table: Table, results: Sequence[Result]) -> str:
    """Writes a table with its heading and notes.

    The first result of a row stands in the same line, and each further one in a line below.

    Args:
        number: "4.1" to "4.5".
        table: the table of that number.
        results: measured networks; they are matched with rows by architecture.
    """
    found = {row.arch: [result for result in results if result.arch == row.arch] for row in table.rows}
    measured = {name for some in found.values() for result in some for name in result.sets}
    sets = [name for name in table.columns if name in measured] + sorted(measured - table.columns.keys())
    notes = list(dict.fromkeys(row.note for row in table.rows if row.note))
    lines = [[*table.columns.values(), "parameters, exact", *(f"{name} here" for name in sets), "how"]]
    for row in table.rows:
        printed = [row.label, *(row.printed[key] for key in list(table.columns)[1:])]
        exact = "" if row.params is None else str(row.params)
        mark = f" ({notes.index(row.note) + 1})" if row.note else ""
        shown: Sequence[Result | None] = found[row.arch] or (None,)
        beside, *below = [_measured(table.measured, result, sets) for result in shown]
        lines.append([*printed, exact + mark, *beside])
        lines += [["''", *[""] * len(printed), *cells] for cells in below]
    footnotes = "".join(f"\n{i}. {note}" for i, note in enumerate(notes, start=1))
    return f"## Table {number}: {table.caption}\n\n{_aligned(lines)}\n" + (f"{footnotes}\n" if notes else "")


def _measured(form: str, result: Result | None, sets: Sequence[str]) -> list[str]:
    """The cells of a result: its figures on each test set, and how it was trained; empty cells without a result."""
    if result is None:
        return [""] * (len(sets) + 1)
    steps = "" if result.steps is None else f"{result.steps} steps"
    seed = "" if result.seed is None else f"seed {result.seed}"
    how = ", ".join(part for part in (result.date, result.data, steps, seed, result.note) if part)
    return [*(_figures(form, result.sets.get(name)) for name in sets), how]


def _figures(form: str, figures: dict | None) -> str:
    if figures is None:
        return ""
    psnr = math.inf if figures["psnr"] is None else figures["psnr"]  # JSON has no infinity
    return form.format(psnr=psnr, ssim=figures["ssim"])


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Formats lines of cells as a Markdown table whose source is aligned, too. The first line holds the headings.

    The first and the last column are aligned to the left, the others to the right.
    """
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    padded = []
    for i, column in enumerate(zip(*cells, strict=True)):
        width = max(map(len, column))
        left = i in (0, len(lines[0]) - 1)
        rule = "-" * width if left else "-" * (width - 1) + ":"
        padded.append([c.ljust(width) if left else c.rjust(width) for c in (column[0], rule, *column[1:])])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*padded, strict=True))
