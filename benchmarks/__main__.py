"""Measures, prints a table of ratios, and writes them: python -m benchmarks [--only=NAME,...] [--rounds=N]"""

import datetime
import json
import sys
from pathlib import Path

from absl import app, flags

from srnas_tf import quiet

ONLY = flags.DEFINE_list("only", [], "figures to measure; all unless given")
ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds to take medians over", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", "", "file for the ratios; benchmarks/results/<date>.json unless given")


def main(argv: list[str]) -> None:
    quiet.import_tensorflow()
    try:
        from benchmarks.figures import FIGURES
        from benchmarks.measure import Figure
    except ModuleNotFoundError as error:
        sys.exit(f"benchmarks: {error}; install the extra: pip install -e '.[benchmarks]'")
    from srnas_tf.modes.evaluate import machine
    from srnas_tf.report.table import print_table
    from srnas_tf.settings import write_json

    unknown = set(ONLY.value) - set(FIGURES)
    if unknown:
        sys.exit(f"--only={unknown.pop()}: choose of {', '.join(FIGURES)}")
    figures: Figure = {}
    for name in ONLY.value or FIGURES:
        found = FIGURES[name](ROUNDS.value)
        figures |= found
        print(json.dumps({name: spread._asdict() for name, spread in found.items()}), file=sys.stderr)
    today = datetime.date.today().isoformat()
    path = Path(OUTPUT.value or Path(__file__).parent / "results" / f"{today}.json")
    write_json(
        path,
        {
            "date": today,
            "machine": machine(),
            "rounds": ROUNDS.value,
            "figures": {name: spread._asdict() for name, spread in figures.items()},
        },
    )
    rows = [[name, f"{f.median:.2f} {f.unit}", f"{f.low:.2f} to {f.high:.2f}"] for name, f in figures.items()]
    print_table(machine(), ["", "median", "quartiles"], rows)


if __name__ == "__main__":
    app.run(main)
