"""How far training carries: python -m benchmarks.curves --data=DIV2K --set14=DIR --home=DIR [--only=NAME,...]

Networks x4, most of some 120 to 160 thousand parameters, are trained alone by one recipe, each length anew with a
schedule of its own. They are measured on the first 20 validation photographs, and on Set14, which chose nothing. A
power law is fitted to all lengths of a network but the last, and the last one checks it.

`--rounds` times them by turns, beside published networks of which the PSNR is known. Trainings lie in `--home` and go
on where they were stopped; those that are finished are not done again. `--results` holds the figures, `--table` writes
them into docs/training.md and draws them: over steps, over hours, and over milliseconds in each runtime.
"""

import itertools
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from absl import app, flags, logging
from scipy import optimize

from benchmarks import contenders
from benchmarks.contenders import RECIPE, Experiment, finished
from benchmarks.workdirs import ROOT
from srnas_tf.host import devices
from srnas_tf.workdir.files import write_json

NETWORKS = {
    "the package's": "x4:w64:expanded:bare:r0.25:x3:f1:TCCCT-TCCTC-T-TCCCT-TCTCCT",
    "IMDN, width 32, 5 blocks": "x4:w32:imdn:r0.25:k3:f1:SCSCS-SCSCS-SCSCS-SCSCS-SCSCS",
    "SMRN": "x4:w48:row:inside:r0.25:b3:f1:a.esa:act.gelu:P-P-P-P",
    "SMRN, expanded": "x4:w48:expanded_row:inside:r0.25:x3:f1:a.esa:act.gelu:P-P-P-P",
    "LKDN-S, width 48, 4 blocks": "x4:w48:expanded:bare:r0.5:y3:f1:a.lka:TCTCTC-TCTCTC-TCTCTC-TCTCTC",
    "two blocks": "x4:w48:expanded:bare:r0.25:x3:f1:TCC-TCC",
    "IDN, width 32": "x4:idn:w32",
    "CARN, width 20": "x4:carn:w20",
    "FSRCNN": "x4:fsrcnn",
}
"""By the names that the table gives them: public designs, in this package's grammar and from its zoo."""
PUBLISHED = {
    "FSRCNN, published": ("x4:fsrcnn", 27.59),
    "IDN, published": ("x4:idn", 28.25),
    "CARN, published": ("x4:carn", 28.60),
    "IMDN, published": ("x4:w64:imdn:r0.25:k3:f1:SCSCS-SCSCS-SCSCS-SCSCS-SCSCS-SCSCS", 28.58),
    "SMRN, published": ("x4:w48:row:inside:r0.25:b3:f1:a.esa:act.gelu:P-P-P-P", 28.59),
}
"""Networks that others trained far longer: what is timed in their place, and their PSNR on Set14 (dB).

The figures are those of Dong et al. 2016, Hui et al. 2018, Ahn et al. 2018 and Hui et al. 2019. SMRN's is measured with
its public weights (NTIRE 2024); nine of its convolutions have no bias, those of its stand-in have.
"""
RUNTIMES = ("onnxruntime", "litert", "openvino-bf16")
SLOWER = {**RECIPE, "learning_rate": 3e-3, "precision": "mixed_bfloat16"}
"""The recipe of small networks at a rate that is safe for fifty thousand steps of larger ones, in half the time."""
DOCUMENT = ROOT / "docs" / "training.md"
BEGIN = "<!-- made by benchmarks/curves.py -->\n\n"

DATA = flags.DEFINE_string("data", None, "DIV2K, or its like: a folder with train and valid")
SET14 = flags.DEFINE_string("set14", None, "Set14: a folder of images")
HOME = flags.DEFINE_string("home", "runs/curves", "folder for the trainings")
ONLY = flags.DEFINE_list("only", [], "names in the table, or their beginnings; all unless given")
STEPS = flags.DEFINE_list("steps", ["3000", "6000", "12000", "50000"], "lengths of the trainings")
SEEDS = flags.DEFINE_list("seeds", ["0"], "seeds of the trainings")
ROUNDS = flags.DEFINE_integer("rounds", 0, "rounds of timing, all networks by turns; 0: none", lower_bound=0)
RESULTS = flags.DEFINE_string("results", str(ROOT / "results" / "curves" / "curves.json"), "file for the figures")
TABLE = flags.DEFINE_bool("table", False, "write the table of --results into docs/training.md, and draw it")


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    devices.import_tensorflow()
    path, home = Path(RESULTS.value), Path(HOME.value).absolute()
    published = {name: text for name, (text, _) in PUBLISHED.items()}
    experiment = Experiment("networks", NETWORKS | published, SLOWER, home)
    names = [name for name in NETWORKS if not ONLY.value or name.startswith(tuple(ONLY.value))]
    if DATA.value:
        sets = {"set14": (SET14.value, 0)} if SET14.value else MappingProxyType({})
        experiment.train(Path(DATA.value), names, STEPS.value, SEEDS.value, path, sets)
        results = contenders.read(path)
        for name, own in results["networks"].items():
            if found := [step_time(folder) for _, _, folder in finished(home, name)]:
                own["seconds a step"] = round(min(found), 5)
        write_json(path, results)
    if ROUNDS.value:
        write_json(path, experiment.timed(contenders.read(path), [*names, *PUBLISHED], RUNTIMES, ROUNDS.value))
    if TABLE.value:
        results = contenders.read(path)
        contenders.write_table(DOCUMENT, BEGIN, table(results))
        draw(results, path.with_suffix(".png"))
        if "timed" in results:
            draw_front(results, path.with_name("milliseconds.png"))


def step_time(folder: Path) -> float:
    """Seconds that a step of a training took, as a median, which stops and validations do not touch."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    pairs = itertools.pairwise(lines)
    return statistics.median(
        (b["seconds"] - a["seconds"]) / (b["step"] - a["step"]) for a, b in pairs if b["step"] > a["step"]
    )


def mean_by_length(own: Mapping) -> dict[int, float]:
    """dB of a network by number of steps: the mean over its seeds."""
    return {int(steps): statistics.mean(own["psnr"][steps].values()) for steps in sorted(own["psnr"], key=int)}


def law(known: Mapping[int, float]) -> tuple[float, float, float] | None:
    """(a, b, c) of a - b (steps / 3000)^-c, fitted to dB by steps; None for fewer than three lengths."""
    if len(known) < 3:
        return None
    steps, psnrs = np.array(list(known)) / 3000, np.array(list(known.values()))
    first = (psnrs[-1] + 0.1, psnrs[-1] + 0.1 - psnrs[0], 0.5)
    bounds = ((0, 0, 0.05), (100, 10, 3))
    found = optimize.least_squares(lambda p: p[0] - p[1] * steps ** -p[2] - psnrs, first, bounds=bounds, x_scale="jac")
    return tuple(map(float, found.x))


def at(fitted: tuple[float, float, float], steps: float) -> float:
    """dB that a law has for a number of steps."""
    a, b, c = fitted
    return a - b * (steps / 3000) ** -c


def foreseen(found: Mapping[int, float]) -> float | None:
    """dB of the last length, by the law of all shorter ones."""
    *shorter, last = found
    fitted = law({steps: found[steps] for steps in shorter})
    return at(fitted, last) if fitted else None


def table(results: dict) -> str:
    """The figures as Markdown."""
    networks = {name: own for name, own in results["networks"].items() if own["psnr"]}
    runtimes = list(results.get("timed", ()))
    lengths = contenders.lengths_of(networks)
    heads = ["network", "parameters", "GMACs", "ms a step"]
    heads += [*(f"dB, {steps} steps" for steps in lengths), "the last one, foreseen", "for 200000 steps", "Set14"]
    rows = [[*heads, *(f"{runtime}, ms" for runtime in runtimes)]]
    for name, own in networks.items():
        found = mean_by_length(own)
        row = [f"{name}: `{own['arch']}`", str(own["params"]), f"{own['macs'] / 1e9:.2f}"]
        row += [f"{1000 * own['seconds a step']:.0f}" if "seconds a step" in own else ""]
        row += [f"{found[int(steps)]:.3f}" if int(steps) in found else "" for steps in lengths]
        fitted, early = law(found), foreseen(found)
        row += [f"{early:.3f}" if early else "", f"{at(fitted, 200_000):.2f}" if fitted else ""]
        tested = own.get("test", {}).get(str(max(found)), {}).values()
        row += [f"{statistics.mean(each['set14'] for each in tested):.2f}" if tested else ""]
        rows.append(
            [*row, *(f"{own['ms'][runtime]:.1f}" if runtime in own.get("ms", {}) else "" for runtime in runtimes)]
        )
    return contenders.as_markdown(rows)


def draw(results: dict, path: Path) -> None:
    """PSNR over steps and over hours. The law of all lengths goes on to 200 thousand steps as a dotted line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for name, own in results["networks"].items():
        found = mean_by_length(own)
        units = [1.0] + ([own["seconds a step"] / 3600] if "seconds a step" in own else [])
        for axis, unit in zip(axes, units, strict=False) if found else ():
            [line] = axis.plot([unit * steps for steps in found], list(found.values()), marker="o", label=name)
            if fitted := law(found):
                steps = np.geomspace(min(found), 200_000)
                axis.plot(unit * steps, [at(fitted, each) for each in steps], ":", color=line.get_color())
    axes[0].set(xscale="log", xlabel="steps", ylabel="PSNR, dB")
    axes[1].set(xscale="log", xlabel="hours")
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_front(results: dict, path: Path) -> None:
    """PSNR on Set14 over milliseconds, a panel a runtime: a column of points a network, and what others published."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    runtimes = list(results["timed"])
    figure, axes = plt.subplots(1, len(runtimes), figsize=(5 * len(runtimes), 4.5), sharey=True, layout="constrained")
    for runtime, axis in zip(runtimes, axes, strict=True):
        for name, own in results["networks"].items():
            if runtime not in own.get("ms", {}):
                continue
            ms = own["ms"][runtime]
            if name in PUBLISHED:
                axis.plot(ms, PUBLISHED[name][1], "*", markersize=10, color="gray")
                axis.annotate(name, (ms, PUBLISHED[name][1]), fontsize="x-small", ha="right")
            elif own.get("test"):
                lengths = sorted(own["test"], key=int)
                psnrs = [statistics.mean(each["set14"] for each in own["test"][steps].values()) for steps in lengths]
                axis.plot([ms] * len(psnrs), psnrs, marker="o", label=f"{name}: {lengths[-1]} steps")
        axis.set(xscale="log", xlabel=f"{runtime}, ms", title="PSNR on Set14")
    axes[0].set_ylabel("dB")
    axes[0].legend(fontsize="x-small")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    app.run(main)
