"""Whether the search beats its baseline: python -m benchmarks.baseline --experiment=50k --data=DIV2K --sets=Set14

IMDNs of several shapes and about one size are trained alone; the best by validation is the baseline. A supernet is
trained, and searched by evolution and at random, with as many measurements, for networks that need no more parameters
and MACs than the largest of the IMDNs. What was found and all IMDNs are trained from several seeds, by one recipe,
measured on the validation photographs and on `--sets`, and timed by turns in onnxruntime on one thread. Everything goes
on where it was stopped. `results/baseline/<experiment>.json` holds the figures, a picture beside it draws them. What
these files hold is not done again, but for the timing: to begin anew, remove them.
"""

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from absl import app, flags, logging
from matplotlib import pyplot
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

from benchmarks.workdirs import ROOT, borrow_supernet, flagfile, link_photographs, run
from srnas_tf.arch import parse
from srnas_tf.host import devices
from srnas_tf.workdir.files import write_json


class Other(NamedTuple):
    """A network that is not searched for, and how often it is trained."""

    arch: str
    seeds: int = 1


class Experiment(NamedTuple):
    """What is compared.

    Attributes:
        space: in flags/: the space, its supernet's recipe and the search.
        alone: in flags/: the recipe of all networks that are trained alone.
        imdn: shapes of IMDN, (width, depth): the best is the baseline, the largest is what may be spent.
        others: by the names that the figures give them.
    """

    space: str
    alone: str
    imdn: tuple[tuple[int, int], ...]
    others: dict[str, Other]


def _alike(head: str, count: int) -> str:
    return f"x4:{head}:" + "-".join(["SCSCS"] * count)


def _taps(width: str, recipes: str) -> str:
    return f"x4:{width}:expanded:bare:r0.25:x3:f1:{recipes}"


EXPERIMENTS = {
    "50k": Experiment(
        "baseline_50k",
        "baseline_alone",
        ((19, 4), (16, 6)),
        {
            "found, paths apart": Other("x4:w48:expanded:bare:r0.34:x3:f1:TCCC-TCTCC-T", 3),
            "found among splits": Other("x4:w48:expanded:imdn:r0.25:x3:f1:SCSS-SCCC-SSSC-SCSS", 3),
            "FSRCNN": Other("x4:fsrcnn"),
            "IDN, width 16": Other("x4:idn:w16"),
            "CARN, width 11": Other("x4:carn:w11"),
        },
    ),
    "150k": Experiment(
        "baseline_150k",
        "baseline_alone_150k",
        ((32, 5),),
        {
            "found, paths apart": Other(_taps("w64", "TCCCT-TCCTC-T-TCCCT-TCTCCT"), 3),
            "found at random": Other(_taps("w64", "TCCTCT-TCCTC-TCCT-TCCTCT-TCTCTC"), 3),
            "found at random, paths apart": Other(_taps("w64", "TCTCT-TCTCT-TCCCT-TCTCCT-TC")),
            "IMDN, width 40, depth 3": Other(_alike("w40:imdn:r0.25:k3:f1", 3), 3),
        },
    ),
    "50k_split": Experiment(
        "baseline_50k_split",
        "baseline_alone",
        ((19, 4), (16, 6)),
        {"IMDN, separable, expanded": Other(_alike("w40:expanded:imdn:r0.25:x3:f1", 5))},
    ),
    "50k_short": Experiment(
        "baseline_50k_short",
        "baseline_short",
        ((19, 4), (25, 2), (16, 6)),
        {
            "IMDN, expanded": Other(_alike("w19:imdn:r0.25:e3:f1", 4)),
            "IMDN, separable": Other(_alike("w40:thin:imdn:r0.25:b3:f1", 5)),
            "IMDN, separable, expanded": Other(_alike("w40:expanded:imdn:r0.25:x3:f1", 5)),
            "FSRCNN": Other("x4:fsrcnn"),
        },
    ),
}
FRONT = ("50k", "150k")
"""Drawn together, too: networks of several sizes, trained for as many steps."""
VALIDATED = 20
"""Of the validation photographs: by these, shapes and candidates are chosen. All of them are measured at the end."""
INPUT_SIZE = "128x128"
ROUNDS = 7
RESULTS = ROOT / "results" / "baseline"

EXPERIMENT = flags.DEFINE_enum("experiment", "50k", list(EXPERIMENTS), "what to compare")
DATA = flags.DEFINE_string("data", None, "DIV2K, or its like: a folder with train and valid", required=True)
SETS = flags.DEFINE_list("sets", [], "folders of test photographs, with commas between")
RUNS = flags.DEFINE_string("runs", "runs/baseline", "folder for the workdirs")
SEEDS = flags.DEFINE_integer("seeds", 3, "trainings of each IMDN and of what was found", lower_bound=1)
STRATEGIES = flags.DEFINE_multi_enum("strategy", ["evolution", "random"], ["evolution", "random"], "of the searches")


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    devices.import_tensorflow()
    experiment, runs = EXPERIMENTS[EXPERIMENT.value], Path(RUNS.value).resolve() / EXPERIMENT.value
    link_photographs(runs / "data", Path(DATA.value), {"train": slice(None), "valid": slice(VALIDATED)})
    known, target = _known(experiment), RESULTS / f"{EXPERIMENT.value}.json"
    shapes = {f"IMDN, width {width}, depth {depth}": _imdn(width, depth) for width, depth in experiment.imdn}
    imdns = _trained(experiment, runs, shapes, known)
    baseline = max(shapes.values(), key=lambda arch: np.mean([e["val_psnr"] for e in imdns if e["arch"] == arch]))
    params, macs = (max(each[cost] for each in imdns) for cost in ("params", "macs"))
    budget = [f"--max_params={params}", f"--max_macs={macs}"]
    earlier = json.loads(target.read_text("utf-8"))["search"] if target.exists() else {}
    found = {
        strategy: earlier.get(strategy) or _searched(experiment, runs, strategy, budget)
        for strategy in STRATEGIES.value
    }
    networks = _trained(experiment, runs, {strategy: each["arch"] for strategy, each in found.items()}, known)
    others = [
        _alone(experiment, runs, label, other.arch, seed, known)
        for label, other in experiment.others.items()
        for seed in range(other.seeds)
    ]
    entries = [*imdns, *networks, *others]
    result = {
        "experiment": EXPERIMENT.value,
        "flagfiles": [experiment.space, experiment.alone],
        "baseline": baseline,
        "search": found,
        **_timed(sorted({each["arch"] for each in entries})),
        "networks": entries,
    }
    write_json(target, result)
    draw(_points(result), target.with_suffix(".png"))
    if EXPERIMENT.value in FRONT:
        paths = [RESULTS / f"{name}.json" for name in FRONT]
        results = [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]
        points = [point._replace(label=family(point.label)) for each in results for point in _points(each)]
        draw(points, RESULTS / "front.png", "log")
    print(table(result))


def _imdn(width: int, depth: int) -> str:
    return _alike(f"w{width}:imdn:r0.25:k3:f1", depth)


def _name(arch: str) -> str:
    """A network's text as the name of a folder."""
    return arch.replace(":", "_")


def _known(experiment: Experiment) -> dict[tuple[str, int], dict]:
    """The trainings by this recipe that are in the results already, by network and seed."""
    files = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    alike = [result for result in files if result["flagfiles"][1] == experiment.alone]
    return {(each["arch"], each["seed"]): each for result in alike for each in result["networks"]}


def _trained(experiment: Experiment, runs: Path, networks: dict[str, str], known: dict) -> list[dict]:
    """Each network, by its label, from every seed."""
    seeds = range(SEEDS.value)
    return [_alone(experiment, runs, label, arch, seed, known) for label, arch in networks.items() for seed in seeds]


def _alone(experiment: Experiment, runs: Path, label: str, arch: str, seed: int, known: dict) -> dict:
    """One network trained from one seed, and measured."""
    if (arch, seed) in known:
        return known[arch, seed] | {"label": label}
    from srnas_tf.modes.evaluate import machine

    network = parse(arch)
    workdir = runs / f"{_name(arch)}-{seed}"
    run("train", workdir, flagfile(experiment.alone), f"--data={runs / 'data'}", f"--arch={arch}", f"--seed={seed}")
    sets = ",".join([*SETS.value, str(Path(DATA.value) / "valid")])
    if not (workdir / "evaluate.json").exists():
        run("evaluate", workdir, f"--data={sets}", f"--model={workdir / 'train' / 'model.keras'}")
    measured = json.loads((workdir / "evaluate.json").read_text("utf-8"))
    last = json.loads((workdir / "train" / "metrics.jsonl").read_text("utf-8").splitlines()[-1])
    entry = {"label": label, "arch": arch, "params": network.params, "macs": network.macs(), "seed": seed}
    entry |= {"date": datetime.date.today().isoformat(), "machine": machine()}
    entry |= {"steps": last["step"], "val_psnr": last["val_psnr"]}
    return entry | {"psnr": {name: each["psnr"] for name, each in measured.items()}}


def _searched(experiment: Experiment, runs: Path, strategy: str, budget: list[str]) -> dict:
    """The best that a search finds within a budget, in a workdir that borrows the supernet."""
    recipe, data = flagfile(experiment.space), f"--data={runs / 'data'}"
    source, workdir = runs / "supernet", runs / strategy
    run("supernet", source, recipe, data)
    borrow_supernet(workdir, source)
    run("search", workdir, recipe, data, f"--strategy={strategy}", *budget)
    [best] = json.loads((workdir / "search" / "best.json").read_text("utf-8"))
    journal = (workdir / "search" / "journal.jsonl").read_text("utf-8").splitlines()
    return {"arch": best["arch"], "supernet_psnr": best["psnr"], "measured": len(journal), "limits": budget}


def _timed(archs: Sequence[str]) -> dict:
    """Milliseconds of each network, by its text: all of them by turns; and on what."""
    from srnas_tf.freeze.latency import measure_networks
    from srnas_tf.freeze.settings import LatencySettings

    times = measure_networks(list(map(parse, archs)), LatencySettings("onnxruntime", 1, INPUT_SIZE), ROUNDS)
    return {"latency": {"date": datetime.date.today().isoformat(), **times.described}, "milliseconds": times.ms}


def mean_psnr(entry: dict) -> float:
    """Of the test sets, dB: each set counts as much as the others."""
    return float(np.mean(list(entry["psnr"].values())))


def by_network(result: dict) -> dict[str, list[dict]]:
    """The trainings of each network, a seed once, by all labels that it was given."""
    groups: dict[str, dict[int, dict]] = {}
    labels: dict[str, dict[str, None]] = {}
    for entry in result["networks"]:
        labels.setdefault(entry["arch"], {})[entry["label"]] = None
        groups.setdefault(entry["arch"], {}).setdefault(entry["seed"], entry)
    return {" and ".join(labels[arch]): list(seeds.values()) for arch, seeds in groups.items()}


def table(result: dict) -> str:
    """Markdown: a line a network, each figure its mean over seeds, and the spread of the seeds' means."""
    sets = list(result["networks"][0]["psnr"])
    lines = [
        f"| network | parameters | GMACs | ms | {' | '.join(sets)} | mean | seeds |",
        "|---" * (6 + len(sets)) + "|",
    ]
    for label, entries in by_network(result).items():
        first = entries[0]
        own = [f"{np.mean([each['psnr'][name] for each in entries]):.3f}" for name in sets]
        means = [mean_psnr(each) for each in entries]
        spread = f"{min(means):.3f} to {max(means):.3f}" if len(means) > 1 else "one"
        cells = [label, first["params"], f"{first['macs'] / 1e9:.2f}", f"{result['milliseconds'][first['arch']]:.1f}"]
        lines.append("| " + " | ".join(map(str, [*cells, *own, f"{np.mean(means):.3f}", spread])) + " |")
    return "\n".join(lines)


class Point(NamedTuple):
    """A network in a picture: its costs, and the PSNR of each of its seeds."""

    label: str
    gmacs: float
    milliseconds: float
    psnrs: list[float]


def _points(result: dict) -> list[Point]:
    groups = ((label, entries[0], entries) for label, entries in by_network(result).items())
    return [
        Point(label, first["macs"] / 1e9, result["milliseconds"][first["arch"]], list(map(mean_psnr, entries)))
        for label, first, entries in groups
    ]


def family(label: str) -> str:
    """What a network is called where those of several sizes stand together."""
    name = label.split(",")[0]
    return name if name in ("IMDN", "FSRCNN", "IDN", "CARN") else "found"


def draw(points: Sequence[Point], path: Path, scale: str = "linear") -> None:
    """PSNR over MACs and over milliseconds: a mark a network, its bar the seeds' range; a colour a label."""
    matplotlib.use("Agg")
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    colours = {label: f"C{i}" for i, label in enumerate(dict.fromkeys(point.label for point in points))}
    for label, gmacs, milliseconds, psnrs in points:
        middle = float(np.mean(psnrs))
        bar = [[middle - min(psnrs)], [max(psnrs) - middle]]
        for ax, x in zip(axes, (gmacs, milliseconds), strict=True):
            ax.errorbar([x], [middle], yerr=bar, marker="o", capsize=3, color=colours[label], label=label)
    axes[0].set(xlabel="GMACs for 1280 x 720", ylabel="PSNR, mean of the sets, dB", xscale=scale)
    axes[1].set(xlabel=f"ms for {INPUT_SIZE} in onnxruntime, one thread", xscale=scale)
    for ax in axes if scale == "log" else ():
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_locator(NullLocator())
    handles, labels = axes[0].get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=4, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


if __name__ == "__main__":
    app.run(main)
