"""Figures as text."""

from typing import Any


def si(value: float) -> str:
    """A count in thousands, millions or billions: `2.01 G`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= size:
            return f"{value / size:#.3g}".rstrip(".") + f" {letter}"
    return f"{value:g}"


def cost(name: str, value: float) -> str:
    """A cost with its unit, by its name in a journal."""
    if name == "macs":
        return f"{si(value)}MACs"
    return f"{value:.3g} ms" if name == "latency_ms" else f"{value:,} parameters"


def quality(psnr: float | None) -> str:
    """dB; a PSNR without end is null in JSON."""
    return "∞" if psnr is None else f"{psnr:.2f}"


def signed(value: float | None, places: int = 4) -> str:
    """A difference with its sign; one that rounds to nothing has none."""
    if value is None:
        return ""
    written = f"{value:+.{places}f}"
    return written.replace("-", "−") if float(written) else written[1:]


def shown(value: Any) -> str:
    """A value of any kind in a cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}".removeprefix("-") if not float(f"{value:.4g}") else f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
