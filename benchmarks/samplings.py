"""How well supernets rank, by how they were trained: python -m benchmarks.samplings --experiment=NAME [--data=DIV2K]

For each sampling, and for paths that share their layers, and for each seed a supernet is trained with as many path
gradients as the others (a step of `fair` has as many as a block has paths, one of `sandwich` three), searched, and
ranked; the best network that it leads to is trained alone. All supernets are ranked by the same networks, which are
trained once. Everything goes on where it was stopped, and what `results/ranking/<experiment>.json` holds is not done
again: to begin anew, remove it.
"""

import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags

from benchmarks.workdirs import ROOT, flagfile, link_photographs, run
from srnas_tf.arch import Space
from srnas_tf.host import devices
from srnas_tf.train.sampling import SAMPLINGS
from srnas_tf.workdir.files import write_json


class Experiment(NamedTuple):
    """What is ranked.

    Attributes:
        flagfile: in flags/: space, recipe and search.
        gradients: of paths, for each supernet.
        warmup: of these; steps of linear warm-up are as many as hold them.
        alone: steps of each network alone.
        networks: over the range, and as many of one size.
        images: of the training and validation folders; 0: all, or the embedded ones.
    """

    flagfile: str
    gradients: int
    warmup: int
    alone: int
    networks: int
    images: tuple[int, int] = (0, 0)


EXPERIMENTS = {
    "quickstart_short": Experiment("quickstart", 1500, 50, 200, 10),
    "quickstart": Experiment("quickstart", 1500, 50, 600, 12),
    "div2k": Experiment("ranking_div2k", 3000, 50, 600, 12, (100, 8)),
}


class Way(NamedTuple):
    """A way to train a supernet."""

    sampling: str
    sharing: str = "none"

    @property
    def paths(self) -> int:
        """A step trains, in the spaces of both experiments."""
        return len(SAMPLINGS[self.sampling].draw(Space(stages=3), 0, 0))


WAYS = {name: Way(name) for name in SAMPLINGS} | {"entangled": Way("uniform", "entangled")}

EXPERIMENT = flags.DEFINE_enum("experiment", "quickstart", list(EXPERIMENTS), "what to rank")
DATA = flags.DEFINE_string("data", "", "DIV2K, or its like, for the experiment div2k: a folder with train and valid")
RUNS = flags.DEFINE_string("runs", "runs/samplings", "folder for the workdirs")
SEEDS = flags.DEFINE_integer("seeds", 2, "supernets of each sampling", lower_bound=1)
ALONE_SEEDS = flags.DEFINE_integer("alone_seeds", 2, "trainings of each network alone", lower_bound=1)


def main(argv: list[str]) -> None:
    devices.import_tensorflow()
    from srnas_tf.modes.evaluate import machine

    name = EXPERIMENT.value
    experiment, runs = EXPERIMENTS[name], Path(RUNS.value).resolve() / name
    target = ROOT / "results" / "ranking" / f"{name}.json"
    supernets = json.loads(target.read_text("utf-8"))["supernets"] if target.exists() else []
    known, lender = {(each["sampling"], each["seed"]) for each in supernets}, None
    for seed in range(SEEDS.value):
        for way in (way for way in WAYS if (way, seed) not in known):
            workdir = runs / f"{way}-{seed}"
            supernets.append(_measure(experiment, way, seed, workdir, lender))
            lender = lender or workdir
            result = {
                "experiment": name,
                "date": datetime.date.today().isoformat(),
                "machine": machine(),
                **experiment._asdict(),
                "alone_seeds": ALONE_SEEDS.value,
                "repeats": json.loads((lender / "rank.json").read_text("utf-8"))["repeats"],
                "supernets": supernets,
            }
            write_json(target, result)
    print(table(json.loads(target.read_text("utf-8"))))


def _measure(experiment: Experiment, name: str, seed: int, workdir: Path, lender: Path | None) -> dict:
    """One supernet: trained, searched, ranked; and the network found in it, trained alone."""
    recipe, way = flagfile(experiment.flagfile), WAYS[name]
    photographs = _photographs(experiment, workdir.parent)
    steps, warmup = (round(count / way.paths) for count in (experiment.gradients, experiment.warmup))
    networks = [f"--rank_networks={experiment.networks}", "--rank_spread=size", f"--rank_seeds={ALONE_SEEDS.value}"]
    training = [f"--sampling={way.sampling}", f"--sharing={way.sharing}", f"--seed={seed}"]
    training += [f"--steps={steps}", f"--warmup={warmup}"]
    run("supernet", workdir, recipe, *photographs, *training)
    run("search", workdir, recipe, "--top_k=1", f"--seed={seed}")
    # Training flags speak of the networks alone here: as the flagfile says, but for their steps.
    ranked_by = [f"--rank_from={lender}"] if lender else networks
    run("rank", workdir, recipe, f"--rank_steps={experiment.alone}", "--seed=0", *ranked_by)
    run("retrain", workdir, recipe, f"--retrain_steps={experiment.alone}", "--seed=0")
    ranked = json.loads((workdir / "rank.json").read_text("utf-8"))
    [found] = json.loads((workdir / "search" / "best.json").read_text("utf-8"))
    last = (workdir / "retrain" / "1" / "metrics.jsonl").read_text("utf-8").splitlines()[-1]
    entry = {key: found[key] for key in ("arch", "params", "macs")}
    entry |= {"supernet_psnr": found["psnr"], "psnr": json.loads(last)["val_psnr"]}
    return {"sampling": name, "seed": seed, "steps": steps, "found": entry, **ranked}


def _photographs(experiment: Experiment, folder: Path) -> list[str]:
    """The flags that name them: links to the first of each of the data's folders, where only some are wanted."""
    if not any(experiment.images):
        return []
    if not DATA.value:
        sys.exit(f"--data: missing; --experiment={EXPERIMENT.value} needs a folder with train and valid")
    link_photographs(
        folder / "data", Path(DATA.value), dict(zip(("train", "valid"), map(slice, experiment.images), strict=True))
    )
    return [f"--data={folder / 'data'}"]


def table(result: dict) -> str:
    """Markdown: a line a sampling, each figure its mean over seeds and, in brackets, the seeds' own."""
    by_sampling: dict[str, list[dict]] = {}
    for supernet in result["supernets"]:
        by_sampling.setdefault(supernet["sampling"], []).append(supernet)
    lines = ["| sampling | tau, whole range | tau, one size | found network alone, dB |", "|---|---|---|---|"]
    for name, supernets in by_sampling.items():
        taus = [[each[sample]["supernet"]["kendall_tau"][0] for each in supernets] for sample in ("range", "band")]
        found = [each["found"]["psnr"] for each in supernets]
        lines.append(f"| `{name}` | {_cell(taus[0])} | {_cell(taus[1])} | {_cell(found)} |")
    first = result["supernets"][0]
    sizes = [_cell([first[sample]["params"]["kendall_tau"][0]]) for sample in ("range", "band")]
    return "\n".join([*lines, f"| parameters | {sizes[0]} | {sizes[1]} | |"])


def _cell(values: Sequence[float]) -> str:
    own = f" ({', '.join(f'{value:.2f}' for value in values)})" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{own}"


if __name__ == "__main__":
    app.run(main)
