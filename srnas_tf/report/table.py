"""Tables on stdout."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

WIDTH = 160
"""Columns where stdout is no terminal: wide enough for any row here, so that nothing is cut in a log."""


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows of text; the first column to the left, the others to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH)).print(table)
