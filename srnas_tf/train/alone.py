"""Networks trained alone, one after another, by whoever is asked."""

import dataclasses
from pathlib import Path

from srnas_tf import arch, model_file
from srnas_tf.data.sources import DataSettings
from srnas_tf.train import precision
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings


class Alone:
    """Trains a network by its text, in a folder, from a seed, and says which validation PSNR (dB) it reached.

    One whose file is there is not trained again, and not even built. It pickles as what it is made of: whoever gets it
    reads the photographs himself, and writes into the same folders. It takes and raises what `Job` does; the recipe's
    seed is each task's own.
    """

    def __init__(
        self, data: DataSettings, settings: TrainSettings, machine: MachineSettings, scale: int, home: Path
    ) -> None:
        self._made_of = (data, settings, machine, scale, home.absolute())
        self._job = Job(*self._made_of)
        precision.settle(settings.precision, home)  # here, and not by each who gets it for himself

    def __reduce__(self) -> tuple:
        return Alone, self._made_of

    def __call__(self, task: tuple[str, Path, int]) -> float:
        network, folder, seed = task
        path = folder / "model.keras"
        if not path.exists():
            job = self._job.by(dataclasses.replace(self._job.settings, seed=seed))
            job.train_network(arch.parse(network), folder)
        return model_file.read(path).provenance["val_psnr"]
