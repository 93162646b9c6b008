"""Formats figures as text."""

from typing import Any


def si(value: float) -> str:
    """Writes a count with three digits, in thousands, millions or billions: `2.01 G`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:#.3g}".rstrip(".") + f" {letter}"
    return f"{value:g}"


def cost(name: str, value: float) -> str:
    """Writes a cost with its unit. Its name is that in a journal: `params`, `macs` or `latency_ms`."""
    if name == "macs":
        return f"{si(value)}MACs"
    return f"{value:.3g} ms" if name == "latency_ms" else f"{value:,} parameters"


def quality(psnr: float | None) -> str:
    """Writes a PSNR in dB with two decimals; None is infinite, as JSON has no infinity."""
    return "∞" if psnr is None else f"{psnr:.2f}"


def signed(value: float | None, places: int = 4) -> str:
    """Writes a difference with its sign; one that rounds to zero has no sign, and None gives an empty text."""
    if value is None:
        return ""
    written = f"{value:+.{places}f}"
    return written.replace("-", "−") if float(written) else written[1:]


def shown(value: Any) -> str:
    """Writes a value of any type for a cell of a table; floats have four digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}".removeprefix("-") if not float(f"{value:.4g}") else f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
