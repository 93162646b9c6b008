"""Trains networks alone, in this process or in others."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srnas_tf import arch, model_file
from srnas_tf.data import record
from srnas_tf.data.sources import DataSettings
from srnas_tf.train import precision
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings

Task = tuple[str, Path, Mapping[str, Any]]
"""A network's text, its folder, and the settings of its recipe that differ from the others'."""


class Alone:
    """Trains a network in a folder, and returns its validation PSNR (dB).

    A network whose file exists is neither built nor trained again. Another process gets the arguments of this object.
    It reads the images itself, and writes into the same folders. Arguments and errors are those of `Job`.
    """

    def __init__(
        self, data: DataSettings, settings: TrainSettings, machine: MachineSettings, scale: int, home: Path
    ) -> None:
        self._made_of = (data, settings, machine, scale, home.absolute())
        self._job = Job(*self._made_of)
        precision.settle(settings.precision, home)  # once, before other processes get this object

    def __reduce__(self) -> tuple:
        return Alone, self._made_of

    def __call__(self, task: Task) -> float:
        network, folder, differences = task
        path = folder / "model.keras"
        if not path.exists():
            job = self._job.by(dataclasses.replace(self._job.settings, **differences))
            job.train_network(arch.parse(network), folder)
        return model_file.read(path).provenance["val_psnr"]


class InRungs:
    """Trains networks alone for a given number of steps. Recipe, images and text name the folder of each.

    Searches that use the same folder share the networks that they trained by the same recipe.

    Args:
        alone: trains them.
        recipe: recipe of all networks, except for the number of steps.
        data: the images.
        folder: folder for all networks.
    """

    def __init__(self, alone: Alone, recipe: TrainSettings, data: DataSettings, folder: Path) -> None:
        self._alone, self._recipe, self._folder = alone, recipe, folder.absolute()
        known = [_chosen(data), *(record.sizes(data, role) for role in ("train", "val"))]
        self._photographs = _digest(known)

    def __call__(self, task: tuple[str, int]) -> float:
        network, steps = task
        return self._alone((network, self.folder(network, steps), {"steps": steps}))

    def folder(self, network: str, steps: int) -> Path:
        """The folder of a network's training of so many steps."""
        recipe = _chosen(dataclasses.replace(self._recipe, steps=steps))
        return self._folder / f"{steps}-{_digest([network, recipe, self._photographs])}"


def _chosen(settings: TrainSettings | DataSettings) -> dict[str, Any]:
    """The settings that are not the usual ones. So a new setting leaves the folders of trained networks as they are."""
    pairs = ((field, getattr(settings, field.name)) for field in dataclasses.fields(settings))
    return {field.name: value for field, value in pairs if value != field.default}


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
