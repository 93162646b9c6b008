"""A table of small networks, each trained alone: python -m benchmarks.table --data=DIV2K --set14=DIR --home=DIR

Some 250 networks x4 of one wide space, of 10 to 60 thousand parameters: 100 of its grid, whose blocks are alike, and
150 drawn (`benchmarks.tabulated`). Each is trained by one recipe. What was validated on the way, and what each image of
two sets that chose nothing has at the end, goes into the table. `benchmarks.replay` searches it.

Trainings lie in `--home` and go on where they were stopped; those that are finished, or stand in the table, are not
done again. Started twice with one `--home`, it does two at once: let each have a core of its own (`taskset -c 1`).
`--rounds` times all networks by turns. Then a plot beside the table shows PSNR over milliseconds
(`results/table/README.md` describes both).
"""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import filelock
import numpy as np
from absl import app, flags, logging

from benchmarks import tabulated
from benchmarks.contenders import INPUT_SIZE, RECIPE, VALIDATED, of_images
from benchmarks.tabulated import REPEATED, STEPS, VALIDATE_EVERY
from benchmarks.workdirs import link_photographs, train_apart
from srnas_tf.arch import parse
from srnas_tf.host import devices
from srnas_tf.workdir.files import write_json

LONGER = {6000: 16, 25_000: 4}
"""How many of them are trained for so many steps."""

DATA = flags.DEFINE_string("data", None, "DIV2K, or its like: a folder with train and valid")
SET14 = flags.DEFINE_string("set14", None, "Set14: a folder of images")
HOME = flags.DEFINE_string("home", "runs/table", "folder for the trainings")
MOST = flags.DEFINE_integer("most", 0, "end after so many trainings; 0: all", lower_bound=0)
ROUNDS = flags.DEFINE_integer("rounds", 0, "rounds of timing, all networks by turns; 0: none", lower_bound=0)
RUNTIMES = flags.DEFINE_list("runtimes", ["onnxruntime", "litert"], "runtimes to time them in")
RESULTS = flags.DEFINE_string("results", str(tabulated.PATH), "the table")


class Task(NamedTuple):
    """A training of a network, by its text."""

    arch: str
    steps: int
    seed: int

    @property
    def key(self) -> str:
        """In the table."""
        return f"{self.steps}-{self.seed}"

    def folder(self, home: Path) -> Path:
        """Where it lies."""
        return home / self.arch.replace(":", "_") / self.key


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    path = Path(RESULTS.value)
    if DATA.value:
        _train_all(path)
    if ROUNDS.value:
        _time_all(path)
    tabulated.draw(tabulated.load(path), path.with_name("table.png"))
    trainings = sum(len(own["trainings"]) for own in tabulated.read(path)["networks"].values())
    print(f"{path}: {trainings} trainings of {len(tabulated.origins())} networks")


def _tasks(networks: dict) -> Iterator[Task]:
    """What is to be trained: all networks once, some from other seeds, and, of those known, some for longer."""
    chosen = list(tabulated.origins())
    yield from (Task(text, STEPS, 0) for text in chosen)
    yield from (Task(text, STEPS, seed) for seed in (1, 2) for text in chosen[:REPEATED])
    for steps, count in LONGER.items():
        yield from (Task(text, steps, 0) for text in best_and_others(networks, count))


def best_and_others(networks: dict, count: int) -> list[str]:
    """Of the networks of a table, `count`: half of them the best of as many bins of MACs, the others any."""
    by_cost = sorted(networks, key=lambda text: parse(text).macs())
    bins = [some.tolist() for some in np.array_split(np.array(by_cost), count // 2) if len(some)]
    best = [max(some, key=lambda text: networks[text]["trainings"][f"{STEPS}-0"]["psnr"]) for some in bins]
    return best + [text for text in networks if text not in best][: count - len(best)]


def _train_all(path: Path) -> None:
    """Trains what is missing, one after the other; what another process trains in the same folder is left to it."""
    home = Path(HOME.value).absolute()
    link_photographs(home / "photographs", Path(DATA.value), {"train": slice(None), "valid": slice(VALIDATED)})
    link_photographs(home / "others", Path(DATA.value), {"valid": slice(None)})
    done = 0
    while not MOST.value or done < MOST.value:
        with filelock.FileLock(home / "table.lock"):
            table = collected(tabulated.read(path), home)
            tabulated.write(path, table)
        networks = table["networks"]
        missing = (
            task for task in _tasks(networks) if task.key not in networks.get(task.arch, {}).get("trainings", {})
        )
        begun = (t for t in missing if train_apart(t.folder(home), _train, t, home, SET14.value))
        task = next(begun, None)
        if not task:
            return
        done += 1
        print(f"{datetime.datetime.now():%H:%M} {task.key} {task.arch}", flush=True)


def _train(task: Task, home: Path, set14: str) -> None:
    """Trains a network, and writes what the table wants to know into `entry.json` in its folder."""
    devices.import_tensorflow()
    from srnas_tf.data.sources import DataSettings
    from srnas_tf.train.alone import Alone
    from srnas_tf.train.settings import MachineSettings, TrainSettings

    logging.set_verbosity(logging.WARNING)
    folder = task.folder(home)
    settings = TrainSettings(steps=task.steps, validate_every=VALIDATE_EVERY, checkpoint_every=500, **RECIPE)
    alone = Alone(
        DataSettings(data=str(home / "photographs")), settings, MachineSettings(), tabulated.SPACE.scale, home
    )
    psnr = alone((task.arch, folder, {"seed": task.seed}))
    sets = {"set14": (set14, 0), "div2k": (str(home / "others" / "valid"), VALIDATED)}
    images = of_images(folder / "model.keras", sets)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    curve = {line["step"]: round(line["val_psnr"], 4) for line in lines if "val_psnr" in line}
    write_json(folder / "entry.json", {"psnr": round(psnr, 4), "curve": curve, "images": images})


def collected(table: dict, home: Path) -> dict:
    """The table with all trainings in a folder that are finished."""
    names = {Task(text, 0, 0).folder(home).parent.name: text for text in tabulated.origins()}
    for entry in home.glob("*/*-*/entry.json"):
        text = names.get(entry.parents[1].name)
        if text:
            own = table["networks"].setdefault(text, {"origin": tabulated.origins()[text], "ms": {}, "trainings": {}})
            own["trainings"].setdefault(entry.parent.name, json.loads(entry.read_text("utf-8")))
    return {**table, "recipe": RECIPE}


def _time_all(path: Path) -> None:
    """Times all networks of the table, trained or not yet."""
    from srnas_tf.freeze.latency import measure_networks
    from srnas_tf.freeze.settings import LatencySettings

    table = tabulated.read(path)
    for runtime in RUNTIMES.value:
        texts = list(tabulated.origins())
        times = measure_networks([parse(text) for text in texts], LatencySettings(runtime, 1, INPUT_SIZE), ROUNDS.value)
        table.setdefault("timed", {})[runtime] = times.described
        for text in texts:
            own = table["networks"].setdefault(text, {"origin": tabulated.origins()[text], "ms": {}, "trainings": {}})
            own["ms"][runtime] = round(times.ms[text], 3)
        tabulated.write(path, table)


if __name__ == "__main__":
    app.run(main)
