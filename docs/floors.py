"""The drawing of the house: `python -m docs.floors` writes it. `tests/project/test_docs.py` holds it to the code."""

from pathlib import Path
from xml.sax.saxutils import escape

DRAWING = Path(__file__).parent / "floors.svg"

FLOORS = (
    {"settings, errors, seeds, executors, ...": "what all rooms share; knows nothing of networks"},
    {"arch": "architectures and their costs: pure Python", "metrics": "PSNR, SSIM", "host": "signals, devices"},
    {"workdir": "the folder of an experiment: its record, its lock, its journals"},
    {"flags": "a settings dataclass is a set of flags"},
    {"nets": "Keras layers in keras.ops alone", "data": "photographs to patches"},
    {"train": "weights: the step, the loop, which paths it takes, measurement"},
    {"search": "which network: strategies, budgets, how well a supernet ranks"},
    {"freeze": "SavedModel, LiteRT, ONNX, each run and compared with the network"},
    {"report": "tables, pictures, a page", "demo": "a page that enlarges", "inference": "load, upscale: from Python"},
    {"modes": "one module a mode: flags to settings, rooms put together"},
    {"run": "the front door: --mode to one function"},
)
"""From the ground: the rooms of each floor, and what they know."""

WIDTH, HEIGHT, GAP, MARGIN = 740, 44, 6, 28
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #57606a }
.name { font-weight: 600; fill: #1f2328 }
rect { fill: #eef2f7; stroke: #c3ccd6 }
@media (prefers-color-scheme: dark) {
  text { fill: #9da7b3 } .name { fill: #e6edf3 } rect { fill: #1c232c; stroke: #3d4752 }
}
"""


def draw() -> str:
    """The drawing as SVG, light or dark as its reader is."""
    height = len(FLOORS) * (HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
        "<title>The floors of the package: each room imports only from rooms below it</title>",
        f"<style>{STYLE}</style>",
    ]
    for floor, rooms in enumerate(FLOORS):
        top = height - (floor + 1) * (HEIGHT + GAP)
        middle = top + HEIGHT / 2 + 5
        parts.append(f'<text x="4" y="{middle:g}">{floor}</text>')
        shares = [len(name) + len(about) + 6 for name, about in rooms.items()]
        left, room_for_all = float(MARGIN), WIDTH - MARGIN - 1 - GAP * (len(rooms) - 1)
        for (name, about), share in zip(rooms.items(), shares, strict=True):
            width = room_for_all * share / sum(shares)
            parts.append(f'<rect x="{left:g}" y="{top}" width="{width:.4g}" height="{HEIGHT}" rx="5"/>')
            parts.append(
                f'<text x="{left + 12:.4g}" y="{middle:g}"><tspan class="name">{escape(name)}</tspan>'
                f'<tspan dx="10">{escape(about)}</tspan></text>'
            )
            left += width + GAP
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    DRAWING.write_text(draw(), "utf-8")
