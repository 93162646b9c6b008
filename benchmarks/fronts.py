"""What a trained supernet's networks trade, with a budget and without: python -m benchmarks.fronts --workdir=W --name=N

Each strategy searches the supernet of `--workdir`, which stays as it is, with as many measurements, once without a
limit and once for each of `--budgets`. `results/fronts/<name>.json` holds the fronts, a picture beside it draws them.
"""

import datetime
import json
import sys
import tempfile
from pathlib import Path

import matplotlib
from absl import app, flags
from matplotlib import pyplot

from benchmarks.workdirs import ROOT, borrow_supernet, run
from srnas_tf.arch import Space
from srnas_tf.workdir.files import write_json

WORKDIR = flags.DEFINE_string("workdir", "runs/quickstart", "a workdir with a trained supernet")
NAME = flags.DEFINE_string("name", "quickstart", "of the result")
BUDGETS = flags.DEFINE_list("budgets", ["30000"], "limits of parameters, with commas between")
ITERATIONS = flags.DEFINE_integer("iterations", 10, "of 20 networks each", lower_bound=1)

STRATEGIES = ("evolution", "random", "pareto")


def main(argv: list[str]) -> None:
    source = Path(WORKDIR.value).resolve()
    settings = json.loads((source / "experiment.json").read_text("utf-8"))
    space = Space(**settings["network"])
    fronts = []
    for budget in (0, *map(int, BUDGETS.value)):
        for strategy in STRATEGIES:
            front = _searched(source, strategy, budget)
            fronts.append({"strategy": strategy, "max_params": budget or None, "front": front})
            print(f"{strategy}, {budget or 'no limit'}: {_line(front)}", file=sys.stderr)
    costs = [extreme(lambda network: network.params).params for extreme in (space.smallest, space.largest)]
    result = {
        "date": datetime.date.today().isoformat(),
        "steps": settings["supernet"]["steps"],
        "measurements": 20 * ITERATIONS.value,
        "params": costs,
        "fronts": fronts,
    }
    target = ROOT / "results" / "fronts" / f"{NAME.value}.json"
    write_json(target, result)
    draw(result, target.with_suffix(".png"))


def _searched(source: Path, strategy: str, budget: int) -> list[dict]:
    """The front of one search, in a workdir of its own that borrows the supernet."""
    with tempfile.TemporaryDirectory() as folder:
        borrow_supernet(Path(folder), source)
        limit = [f"--max_params={budget}"] if budget else []
        sized = ["--population=20", f"--iterations={ITERATIONS.value}"]
        run("search", Path(folder), f"--strategy={strategy}", *sized, *limit)
        found = json.loads((Path(folder) / "search" / "front.json").read_text("utf-8"))
    return [{key: each[key] for key in ("codes", "params", "psnr")} for each in found]


def _line(front: list[dict]) -> str:
    best = max(front, key=lambda each: each["psnr"])
    return f"{len(front)} networks, best {best['psnr']:.3f} dB with {best['params']} parameters"


def draw(result: dict, path: Path) -> None:
    """A panel a budget: PSNR over parameters, a line a strategy."""
    matplotlib.use("Agg")
    budgets = list(dict.fromkeys(each["max_params"] for each in result["fronts"]))
    figure, axes = pyplot.subplots(1, len(budgets), figsize=(5 * len(budgets), 3.6), sharey=True, layout="constrained")
    for budget, ax in zip(budgets, axes, strict=True):
        for each in result["fronts"]:
            if each["max_params"] == budget:
                points = sorted((network["params"], network["psnr"]) for network in each["front"])
                ax.plot(*zip(*points, strict=True), marker="o", label=each["strategy"])
        for cost in result["params"]:
            ax.axvline(cost, color="gray", linewidth=0.8, linestyle=":")
        if budget:
            ax.axvline(budget, color="black", linewidth=0.8)
        ax.set(title=f"at most {budget} parameters" if budget else "no limit", xlabel="parameters")
        ax.legend(fontsize="small")
    axes[0].set(ylabel="PSNR in the supernet, dB")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


if __name__ == "__main__":
    app.run(main)
