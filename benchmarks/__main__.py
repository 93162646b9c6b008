"""Measures, prints a table of ratios, and writes them: python -m benchmarks [--only=NAME,...] [--rounds=N]"""

import datetime
import importlib.metadata
import json
import sys
from pathlib import Path

from absl import app, flags

from srnas_tf.host import devices

ONLY = flags.DEFINE_list("only", [], "figures to measure; all unless given")
ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds to take medians over", lower_bound=1)
flags.DEFINE_string("data", "photos", "training and validation photographs of the figure `recipe`")
OUTPUT = flags.DEFINE_string("output", "", "file for the ratios; benchmarks/results/<date>.json unless given")


def main(argv: list[str]) -> None:
    devices.import_tensorflow()
    try:
        from benchmarks.figures import FIGURES
        from benchmarks.growth import draw
    except ModuleNotFoundError as error:
        sys.exit(f"benchmarks: {error}; install the extra: pip install -e '.[benchmarks]'")
    from srnas_tf.modes.evaluate import machine
    from srnas_tf.report.table import print_table
    from srnas_tf.workdir.files import write_json

    unknown = set(ONLY.value) - set(FIGURES)
    if unknown:
        sys.exit(f"--only={unknown.pop()}: choose of {', '.join(FIGURES)}")
    today = datetime.date.today().isoformat()
    path = Path(OUTPUT.value or Path(__file__).parent / "results" / f"{today}.json")
    described = {"date": today, "machine": machine(), "versions": _versions()}
    result = _earlier(path, described) or {**described, "figures": {}, "curves": {}}
    for name in ONLY.value or FIGURES:
        found = FIGURES[name](ROUNDS.value)
        figures = {what: {**figure._asdict(), "rounds": ROUNDS.value} for what, figure in found.figures.items()}
        result["figures"].update(figures)
        result["curves"].update(found.curves)
        write_json(path, result)
        draw(result["curves"], path.with_suffix(".png"))
        rows = [[n, f"{f.median:.2f} {f.unit}", f"{f.low:.2f} to {f.high:.2f}"] for n, f in found.figures.items()]
        print_table(f"{name}, {machine()}", ["", "median", "quartiles"], rows)


def _earlier(path: Path, described: dict) -> dict | None:
    """What a run with other figures wrote today on this machine: the file then holds both."""
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return earlier if described.items() <= earlier.items() else None


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "torch")}


if __name__ == "__main__":
    app.run(main)
