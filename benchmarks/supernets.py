"""Supernets of a wide space rank the networks of the table: python -m benchmarks.supernets --data=DIV2K --home=DIR

The space is that of the table's narrow networks of separable convolutions. Each way to train a supernet gets the same
number of gradients of paths. Its networks' PSNR is compared with what the same networks have in the table of small
networks, trained alone (`benchmarks.table`), over the whole range and within bins of latency. Widths share slices of
the same arrays, or stand beside each other: then a supernet of each width has its share of the steps.

Trainings lie in `--home` and go on where they were stopped; those that are finished, or stand in the figures, are not
done again. Started twice with one `--home`, it does two at once. Without `--data` it compares what is there with what
the table holds by now.
"""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from absl import app, flags, logging

from benchmarks import contenders, tabulated
from benchmarks.contenders import PLAIN, VALIDATED
from benchmarks.tabulated import STEPS, Small
from benchmarks.telling import told
from benchmarks.workdirs import ROOT, link_photographs, train_apart
from srnas_tf.arch import Space, parse
from srnas_tf.arch.space import Codes
from srnas_tf.host import devices
from srnas_tf.settings import Values
from srnas_tf.workdir.files import write_json

WIDTHS = (16, 24, 32)
"""Of the networks that are ranked."""
GRADIENTS = 6000
"""Of paths, for each way to train: those of four networks of the table."""
RECIPE = {**PLAIN, "learning_rate": 1e-3, "warmup": 300}
"""For the supernets."""
RUNTIME = "onnxruntime"
"""Whose milliseconds make the bins."""


class Way(NamedTuple):
    """A way to train.

    Attributes:
        sampling: of paths.
        gradients: of paths in a step.
        spaces: the widths of each supernet.
    """

    sampling: str
    gradients: int
    spaces: Sequence[tuple[int, ...]] = (WIDTHS,)

    @property
    def steps(self) -> int:
        """Of each supernet."""
        return GRADIENTS // self.gradients // len(self.spaces)


WAYS = {
    "slices, uniform": Way("uniform", 1),
    "beside each other, uniform": Way("uniform", 1, [(width,) for width in WIDTHS]),
    "slices, sandwich": Way("sandwich", 3),
}
BEGIN = "<!-- made by benchmarks/supernets.py -->\n\n"
DOCUMENT = ROOT / "docs" / "ranking.md"

DATA = flags.DEFINE_string("data", None, "DIV2K, or its like: a folder with train and valid")
HOME = flags.DEFINE_string("home", "runs/supernets", "folder for the trainings")
SEEDS = flags.DEFINE_integer("seeds", 2, "supernets of each way", lower_bound=1)
RESULTS = flags.DEFINE_string("results", str(ROOT / "results" / "supernets" / "supernets.json"), "file for the figures")
TABLE = flags.DEFINE_bool("table", False, "write the table of --results into docs/ranking.md")


class Task(NamedTuple):
    """A training of a supernet."""

    way: str
    seed: int
    widths: tuple[int, ...]

    @property
    def networks(self) -> dict[str, Codes]:
        """The codes of the table's networks that are of its space, by their text."""
        space = space_of(self.widths)
        coded = {text: space.codes(parse(text)) for text in tabulated.origins()}
        return {text: codes for text, codes in coded.items() if codes}

    def folder(self, home: Path) -> Path:
        """Where it lies."""
        name = " ".join([self.way, *map(str, self.widths)])
        return contenders.folder_of(home, name, WAYS[self.way].steps, self.seed)


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    home, path = Path(HOME.value).absolute(), Path(RESULTS.value)
    results = contenders.read(path)
    if DATA.value:
        link_photographs(home / "photographs", Path(DATA.value), {"train": slice(None), "valid": slice(VALIDATED)})
    scores = results.setdefault("scores", {})
    for task in _tasks():
        known = scores.get(task.way, {}).get(str(task.seed), {})
        found = task.folder(home) / "scores.json"
        if DATA.value and not found.exists() and not known.keys() >= task.networks.keys():
            train_apart(found.parent, _train, task, home)
        if found.exists():
            scores.setdefault(task.way, {})[str(task.seed)] = known | contenders.read(found)
    results |= {"version": tabulated.VERSION, "gradients": GRADIENTS, "recipe": RECIPE}
    results |= {"date": datetime.date.today().isoformat(), **compared(scores, tabulated.load())}
    write_json(path, results)
    if TABLE.value:
        contenders.write_table(DOCUMENT, BEGIN, table(results))


def _tasks() -> Iterator[Task]:
    for seed in range(SEEDS.value):
        for name, way in WAYS.items():
            yield from (Task(name, seed, widths) for widths in way.spaces)


def _train(task: Task, home: Path) -> None:
    """Trains a supernet, and writes the PSNR (dB) of the table's networks in it into `scores.json` in its folder."""
    devices.import_tensorflow()
    from srnas_tf.data.sources import DataSettings, load_for
    from srnas_tf.train.jobs import Job
    from srnas_tf.train.scoring import PathScorer
    from srnas_tf.train.settings import MachineSettings, TrainSettings

    logging.set_verbosity(logging.WARNING)
    way, folder, data = WAYS[task.way], task.folder(home), DataSettings(data=str(home / "photographs"))
    space, machine = space_of(task.widths), MachineSettings()
    settings = TrainSettings(
        steps=way.steps, seed=task.seed, sampling=way.sampling, validate_every=1000, checkpoint_every=500, **RECIPE
    )
    supernet = Job(data, settings, machine, space.scale, home).train_supernet(space, folder)
    scorer = PathScorer(supernet, load_for(data, "val", space.scale, machine.cache_dir), 1 << 30)
    write_json(folder / "scores.json", {text: round(scorer(codes), 4) for text, codes in task.networks.items()})


def space_of(widths: Sequence[int]) -> Space:
    """The table's space, of some widths and of separable convolutions alone, sharing all that it can.

    A supernet of all of it diverged: with plain convolutions of 7 x 7 pixels, a step of Adam changes too much at once.
    """
    conv = Values(("expanded_blueprint",))
    return dataclasses.replace(tabulated.SPACE, width=Values(widths), conv=conv, sharing="entangled")


def compared(scores: Mapping[str, Mapping[str, Mapping[str, float]]], networks: Sequence[Small]) -> dict:
    """How well supernets rank the networks that are trained by now, and what needs no supernet.

    Args:
        scores: PSNR in the supernet, dB, by way, seed and network. A supernet that is not whole is left out.
        networks: of the table.
    """
    space = space_of(WIDTHS)
    known = [each for each in networks if f"{STEPS}-0" in each.trainings and space.codes(each.network) is not None]
    whole = {
        f"{way}, seed {seed}": [own[each.arch] for each in known]
        for way, seeds in scores.items()
        for seed, own in seeds.items()
        if all(each.arch in own for each in known)
    }
    means = {name: sum(own) / len(own) for name, own in whole.items()}
    return {"networks": len(known), "mean psnr": means, **told(known, RUNTIME, whole)}


def table(results: dict) -> str:
    """Kendall's tau as Markdown, of supernets and of what needs none: over the range, and within bins of latency."""
    rows = [["", "mean PSNR, dB", f"tau, all {results['networks']} networks", "tau, one latency"]]
    taus, means = results["kendall"], results["mean psnr"]
    for name in [*means, *(name for name in taus if name not in means)]:
        cells = ["" if tau is None else f"{tau:.2f}" for tau in taus[name].values()]
        rows.append([f"supernet: {name}", f"{means[name]:.2f}", *cells] if name in means else [name, "", *cells])
    return contenders.as_markdown(rows)


if __name__ == "__main__":
    app.run(main)
