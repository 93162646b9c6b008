"""Measures, prints a table of ratios, and writes them: python -m benchmarks [--only=NAME,...] [--rounds=N]"""

import datetime
import importlib.metadata
import json
import sys
from pathlib import Path

from absl import app, flags

from srnas_tf import quiet

ONLY = flags.DEFINE_list("only", [], "figures to measure; all unless given")
ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds to take medians over", lower_bound=1)
flags.DEFINE_string("data", "photos", "training and validation photographs of the figure `recipe`")
OUTPUT = flags.DEFINE_string("output", "", "file for the ratios; benchmarks/results/<date>.json unless given")


def main(argv: list[str]) -> None:
    quiet.import_tensorflow()
    try:
        from benchmarks.figures import FIGURES
        from benchmarks.growth import draw
        from benchmarks.measure import Findings
    except ModuleNotFoundError as error:
        sys.exit(f"benchmarks: {error}; install the extra: pip install -e '.[benchmarks]'")
    from srnas_tf.modes.evaluate import machine
    from srnas_tf.report.table import print_table
    from srnas_tf.settings import write_json

    unknown = set(ONLY.value) - set(FIGURES)
    if unknown:
        sys.exit(f"--only={unknown.pop()}: choose of {', '.join(FIGURES)}")
    all_found = Findings({}, {})
    for name in ONLY.value or FIGURES:
        found = FIGURES[name](ROUNDS.value)
        all_found.figures.update(found.figures)
        all_found.curves.update(found.curves)
        print(json.dumps({name: spread._asdict() for name, spread in found.figures.items()}), file=sys.stderr)
    today = datetime.date.today().isoformat()
    path = Path(OUTPUT.value or Path(__file__).parent / "results" / f"{today}.json")
    figures = {name: spread._asdict() for name, spread in all_found.figures.items()}
    result = {"date": today, "machine": machine(), "versions": _versions(), "rounds": ROUNDS.value}
    write_json(path, {**result, "figures": figures, "curves": all_found.curves})
    draw(all_found.curves, path.with_suffix(".png"))
    rows = [[n, f"{f.median:.2f} {f.unit}", f"{f.low:.2f} to {f.high:.2f}"] for n, f in all_found.figures.items()]
    print_table(machine(), ["", "median", "quartiles"], rows)


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "torch")}


if __name__ == "__main__":
    app.run(main)
