"""What experiments share that train contenders which differ in one thing: folders, curves, a table of differences."""

import datetime
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from benchmarks.workdirs import link_photographs
from srnas_tf.arch import parse
from srnas_tf.workdir.files import write_json, write_text

END = "\n<!-- end -->\n"
"""What follows a table in a document."""
PLAIN = {"batch": 16, "patch": 24, "learning_rate": 4e-3, "schedule": "cosine", "warmup": 50, "ema": 0.99}
"""Training settings that suit small networks and a few thousand steps."""
RECIPE = {**PLAIN, "optimizer": "muon", "frequency_loss": 0.05}
"""The same with what `benchmarks.recipes` found to pay: half the steps come as far."""
INPUT_SIZE = "128x128"
"""Of the images that networks are timed with."""
TESTED = "test.json"
"""In the folder of a training: what its network has on images that chose nothing."""
VALIDATED = 20
"""Of the validation images, those that are measured during a training; the others tell what came of it."""


def trainings(names: Sequence[str], lengths: Sequence[str], seeds: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """(name, steps, seed) of each training: all contenders once before any of them twice."""
    return ((name, int(steps), int(seed)) for steps in lengths for seed in seeds for name in names)


def folder_of(home: Path, name: str, steps: int, seed: int) -> Path:
    """The folder of a training."""
    return home / "-".join([*"".join(c if c.isalnum() else " " for c in name).split(), str(steps), str(seed)])


def finished(home: Path, name: str, inner: str = "") -> Iterator[tuple[str, str, Path]]:
    """(steps, seed, folder) of a contender's trainings that are finished.

    Args:
        inner: the part of a training's folder that holds its network and its metrics.
    """
    for folder in sorted(home.glob(f"{folder_of(home, name, 0, 0).name.removesuffix('0-0')}[0-9]*-[0-9]*")):
        if (folder / inner / "model.keras").exists():
            steps, seed = folder.name.split("-")[-2:]
            yield steps, seed, folder / inner


class Experiment(NamedTuple):
    """Networks that are trained alone by one recipe.

    Attributes:
        kind: what they are called in the file of figures.
        texts: the networks by name.
        recipe: training settings, except for steps and seed.
        home: folder for the trainings.
    """

    kind: str
    texts: Mapping[str, str]
    recipe: Mapping[str, Any]
    home: Path

    def train(
        self,
        data: Path,
        names: Sequence[str],
        lengths: Sequence[str],
        seeds: Sequence[str],
        path: Path,
        sets: Mapping[str, tuple[str, int]] = MappingProxyType({}),
    ) -> None:
        """Trains what is not finished. After each training, the figures of all are written.

        Args:
            data: DIV2K, or its like: a folder with train and valid.
            names: of the networks to train.
            lengths: numbers of steps.
            seeds: seeds.
            path: file of the figures.
            sets: as `of_images` takes them, to measure each trained network on.
        """
        from srnas_tf.data.sources import DataSettings
        from srnas_tf.train.alone import Alone
        from srnas_tf.train.settings import MachineSettings, TrainSettings

        photographs = self.home / "photographs"
        link_photographs(photographs, data, {"train": slice(None), "valid": slice(VALIDATED)})
        images = DataSettings(data=str(photographs))
        for name, steps, seed in trainings(names, lengths, seeds):
            settings = TrainSettings(steps=steps, validate_every=500, checkpoint_every=500, **self.recipe)
            alone = Alone(images, settings, MachineSettings(), parse(self.texts[name]).scale, self.home)
            folder = folder_of(self.home, name, steps, seed)
            psnr = alone((self.texts[name], folder, {"seed": seed}))
            if sets and not (folder / TESTED).exists():
                write_json(folder / TESTED, of_images(folder / "model.keras", sets))
            print(f"{name}, {steps} steps, seed {seed}: {psnr:.3f} dB", flush=True)
            write_json(path, self.collected(read(path)))

    def timed(self, results: dict, names: Sequence[str], runtimes: Sequence[str], rounds: int) -> dict:
        """The figures with milliseconds on one thread in each runtime, all networks by turns."""
        from srnas_tf.freeze.latency import measure_networks
        from srnas_tf.freeze.settings import LatencySettings

        results = self.collected(results)
        for runtime in runtimes:
            networks = [parse(self.texts[name]) for name in names]
            times = measure_networks(networks, LatencySettings(runtime, 1, INPUT_SIZE), rounds)
            results.setdefault("timed", {})[runtime] = times.described
            for name in names:
                results[self.kind][name].setdefault("ms", {})[runtime] = times.ms[self.texts[name]]
        return results

    def collected(self, results: dict) -> dict:
        """The figures with those of all trainings in the folder that are finished; none that another recipe gave."""
        from srnas_tf.modes.evaluate import machine

        recipe = dict(self.recipe)
        same = results.get("recipe", recipe) == recipe
        figures = results.setdefault(self.kind, {})
        for name, text in self.texts.items():
            own, network = figures.get(name, {}), parse(text)
            if own.get("arch") != text:  # another network went by that name
                own = {}
            if not own or not same:
                own = {key: own[key] for key in own if key not in ("psnr", "curves", "test")}
                own |= {"psnr": {}, "curves": {}}
            figures[name] = own | {"arch": text, "params": network.params, "macs": network.macs()}
            for steps, seed, folder in finished(self.home, name):
                keep(figures[name], steps, seed, folder)
                if (folder / TESTED).exists():
                    means = {key: round(statistics.mean(each), 4) for key, each in read(folder / TESTED).items()}
                    figures[name].setdefault("test", {}).setdefault(steps, {})[seed] = means
        return {**results, "recipe": recipe, "machine": machine(), "date": datetime.date.today().isoformat()}


def of_images(model: Path, sets: Mapping[str, tuple[str, int]]) -> dict[str, list[float]]:
    """PSNR (dB) of each image of some sets, enlarged by a network.

    Args:
        model: a model.keras.
        sets: by name, a folder of images, and how many of its first images are left out.
    """
    from srnas_tf.data.sources import DataSettings, load_for
    from srnas_tf.nets.files import load
    from srnas_tf.train.evaluate import of_network, scores

    net, found = load(model), {}
    scale = net.network.scale
    for name, (folder, first) in sets.items():
        pairs = load_for(DataSettings(test_data=folder), "test", scale)[first:]
        psnrs = scores(of_network(net), pairs, scale).psnrs
        found[name] = [round(each, 3) for each in psnrs]
    return found


def keep(own: dict[str, Any], steps: str, seed: str, folder: Path) -> None:
    """Puts the validation PSNR of a finished training (dB), at its end and by step, into a contender's figures."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    curve = {str(line["step"]): round(line["val_psnr"], 4) for line in lines if "val_psnr" in line}
    own["psnr"].setdefault(steps, {})[seed] = curve[steps]
    own["curves"].setdefault(steps, {})[seed] = curve


def differences(own: Mapping[str, float], first: Mapping[str, float]) -> list[str]:
    """A contender's figures by seed, beside those of the first contender: mean, mean difference, and number of seeds.

    The difference is that of the seeds which both have. What is not known is empty.
    """
    both = [own[seed] - first[seed] for seed in own if seed in first]
    mean = f"{sum(own.values()) / len(own):.3f}" if own else ""
    return [mean, f"{sum(both) / len(both):+.3f}" if both else "", str(len(own)) if own else ""]


def lengths_of(contenders: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Numbers of steps that any contender was trained for, in order."""
    return sorted({steps for own in contenders.values() for steps in own["psnr"]}, key=int)


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, of which the first row is the head."""
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))


def write_table(document: Path, begin: str, table: str) -> None:
    """Puts a table into a document, in the place of the one between `begin` and `END`."""
    before, rest = document.read_text("utf-8").split(begin)
    write_text(document, before + begin + table + END + rest.split(END, 1)[1])


def read(path: Path) -> dict:
    """A file of figures, or an empty one."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}
