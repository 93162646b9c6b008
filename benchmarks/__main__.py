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
    except ModuleNotFoundError as error:
        sys.exit(f"benchmarks: {error}; install the extra: pip install -e '.[benchmarks]'")
    from srnas_tf.modes.evaluate import machine
    from srnas_tf.report.table import print_table
    from srnas_tf.settings import write_json

    unknown = set(ONLY.value) - set(FIGURES)
    if unknown:
        sys.exit(f"--only={unknown.pop()}: choose of {', '.join(FIGURES)}")
    ratios = {}
    for name in ONLY.value or FIGURES:
        ratios |= FIGURES[name](ROUNDS.value)
        print(json.dumps(ratios), file=sys.stderr)
    today = datetime.date.today().isoformat()
    path = Path(OUTPUT.value or Path(__file__).parent / "results" / f"{today}.json")
    write_json(path, {"date": today, "machine": machine(), "rounds": ROUNDS.value, "ratios": ratios})
    rows = [[name, f"{r['ratio']:.2f}", f"{r['low']:.2f} to {r['high']:.2f}"] for name, r in ratios.items()]
    print_table(machine(), ["", "median", "quartiles"], rows)


if __name__ == "__main__":
    app.run(main)
