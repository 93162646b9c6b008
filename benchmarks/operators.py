"""What operators are worth: python -m benchmarks.operators --data=DIV2K --home=DIR [--only=NAME,...] [--steps=N,...]

Small networks x4 of about one size, each with one operator that the first one has not, are trained alone by one recipe,
measured on the first 20 validation photographs, and timed by turns in onnxruntime and LiteRT on one thread. Trainings
lie in `--home` and go on where they were stopped; those that are finished are not done again. `--results` holds the
figures of all that were trained so far, `--table` writes them into docs/operators.md.
"""

from pathlib import Path

from absl import app, flags, logging

from benchmarks import contenders
from benchmarks.contenders import RECIPE, Experiment
from benchmarks.workdirs import ROOT
from srnas_tf.host import devices
from srnas_tf.workdir.files import write_json


def _taps(options: str, recipes: str = "TCC-TCC-TCC", width: int = 48) -> str:
    return f"x4:w{width}:expanded:bare:r0.25:{options}:{recipes}"


OPERATORS = {
    "taps, separable, expanded": _taps("x3:f1"),
    "CCA": _taps("x3:f1:a.cca"),
    "ESA, 2 blocks": _taps("x3:f1:a.esa", "TCC-TCC"),
    "plain 3x3 (P)": _taps("x3:f1", "TP-TCC"),
    "plain 3x3 (P), width 32": _taps("x3:f1", "TCP-TCP-TCP", 32),
    "residual inside": "x4:w48:expanded:inside:r0.25:x3:f1:C-C-C",
    "residual inside, blocks in a row": "x4:w48:expanded_row:inside:r0.25:x3:f1:CC-CC-CC",
    "SMRN, width 32, 2 blocks": "x4:w32:row:inside:r0.25:b3:f1:a.esa:act.gelu:P-P",
    "LKA, 2 blocks": _taps("x3:f1:a.lka", "TCCC-TCC"),
    "not expanded": _taps("b3:f1"),
    "LKDN's reparameterization": _taps("y3:f1"),
    "both": _taps("z3:f1"),
    "SiLU": _taps("x3:f1:act.silu"),
    "GELU": _taps("x3:f1:act.gelu"),
    "SPAN's gate": _taps("x3:f1:a.gate"),
    "half as wide within, width 64": _taps("x3:f1:i0.5", width=64),
}
"""By the names that the table gives them; the first is what the others are compared with."""

RUNTIMES = ("onnxruntime", "litert")
DOCUMENT = ROOT / "docs" / "operators.md"
BEGIN = "<!-- made by benchmarks/operators.py -->\n\n"

DATA = flags.DEFINE_string("data", None, "DIV2K, or its like: a folder with train and valid")
HOME = flags.DEFINE_string("home", "runs/operators", "folder for the trainings")
ONLY = flags.DEFINE_list("only", [], "names in the table, with commas between, or their beginnings; all unless given")
STEPS = flags.DEFINE_list("steps", ["3000"], "lengths of the trainings")
SEEDS = flags.DEFINE_list("seeds", ["0"], "seeds of the trainings")
ROUNDS = flags.DEFINE_integer("rounds", 0, "rounds of timing, all networks by turns; 0: none", lower_bound=0)
RESULTS = flags.DEFINE_string("results", str(ROOT / "results" / "operators" / "operators.json"), "file for the figures")
TABLE = flags.DEFINE_bool("table", False, "write the table of --results into docs/operators.md")


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    devices.import_tensorflow()
    path = Path(RESULTS.value)
    experiment = Experiment("operators", OPERATORS, RECIPE, Path(HOME.value).absolute())
    names = [name for name in OPERATORS if not ONLY.value or name.startswith(tuple(ONLY.value))]
    if DATA.value:
        experiment.train(Path(DATA.value), names, STEPS.value, SEEDS.value, path)
    if ROUNDS.value:
        write_json(path, experiment.timed(contenders.read(path), names, RUNTIMES, ROUNDS.value))
    if TABLE.value:
        contenders.write_table(DOCUMENT, BEGIN, table(contenders.read(path)))


def table(results: dict) -> str:
    """The figures as Markdown: differences in dB to the first network, by seeds that both have."""
    operators = {name: results["operators"][name] for name in OPERATORS if name in results["operators"]}
    [first, *_] = operators.values()
    lengths = contenders.lengths_of(operators)
    heads = ["network", "parameters", "GMACs"]
    heads += [head for steps in lengths for head in (f"dB, {steps} steps", "to the first", "seeds")]
    heads += [f"{runtime}, ms" for runtime in RUNTIMES]
    rows = [heads]
    for name, own in operators.items():
        row = [f"{name}: `{own['arch']}`", str(own["params"]), f"{own['macs'] / 1e9:.2f}"]
        for steps in lengths:
            row += contenders.differences(own["psnr"].get(steps, {}), first["psnr"].get(steps, {}))
        rows.append(row + [f"{own['ms'][runtime]:.1f}" if "ms" in own else "" for runtime in RUNTIMES])
    return contenders.as_markdown(rows)


if __name__ == "__main__":
    app.run(main)
