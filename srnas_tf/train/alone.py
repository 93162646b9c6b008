"""Networks trained alone, one after another, by whoever is asked."""

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
"""A network by its text; a folder for it; and what its recipe has otherwise than the others."""


class Alone:
    """Trains a network by its text, in a folder, and says which validation PSNR (dB) it reached.

    One whose file is there is not trained again, and not even built. It pickles as what it is made of: whoever gets it
    reads the photographs himself, and writes into the same folders. It takes and raises what `Job` does.
    """

    def __init__(
        self, data: DataSettings, settings: TrainSettings, machine: MachineSettings, scale: int, home: Path
    ) -> None:
        self._made_of = (data, settings, machine, scale, home.absolute())
        self._job = Job(*self._made_of)
        precision.settle(settings.precision, home)  # here, and not by each who gets it for himself

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
    """Trains networks alone for as many steps as asked, each in a folder that recipe, photographs and text name.

    A network that one search trained by a recipe is found by any other that keeps its networks in the same folder.

    Args:
        alone: trains them.
        recipe: of all of them, but for the number of steps.
        data: what they learn from.
        folder: for all of them.
    """

    def __init__(self, alone: Alone, recipe: TrainSettings, data: DataSettings, folder: Path) -> None:
        self._alone, self._recipe, self._folder = alone, recipe, folder.absolute()
        known = [dataclasses.asdict(data), *(record.sizes(data, role) for role in ("train", "val"))]
        self._photographs = _digest(known)

    def __call__(self, task: tuple[str, int]) -> float:
        network, steps = task
        return self._alone((network, self.folder(network, steps), {"steps": steps}))

    def folder(self, network: str, steps: int) -> Path:
        """Where a network's training of so many steps lies."""
        recipe = dataclasses.asdict(dataclasses.replace(self._recipe, steps=steps))
        return self._folder / f"{steps}-{_digest([network, recipe, self._photographs])}"


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
