"""The two trainings: a whole supernet, and one network."""

import copy
import dataclasses
import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from srnas_tf import arch
from srnas_tf.arch.space import Codes
from srnas_tf.data.patches import Changing, Patches, Photographs
from srnas_tf.data.shelf import open_store
from srnas_tf.data.sources import DataSettings, load_for
from srnas_tf.errors import UserError
from srnas_tf.host.devices import in_use
from srnas_tf.nets import Net, Supernet, build
from srnas_tf.nets.files import save
from srnas_tf.nets.initial import initialize
from srnas_tf.seeding import generator
from srnas_tf.train import precision, sampling, workers
from srnas_tf.train.evaluate import Validation, of_network, of_paths, side_by_side, validation_psnr
from srnas_tf.train.loop import fit
from srnas_tf.train.settings import MachineSettings, TrainSettings
from srnas_tf.train.teacher import teacher_of
from srnas_tf.train.trainable import trainable_network, trainable_supernet
from srnas_tf.workdir.files import write_text

log = logging.getLogger(__name__)

VALIDATION_PATHS = 4
"""Networks of a supernet, drawn once. Their mean PSNR is its validation PSNR while it trains."""


def _mirrored(machine: MachineSettings) -> tf.distribute.Strategy:
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])


DISTRIBUTIONS: dict[str, Callable[[MachineSettings], tf.distribute.Strategy]] = {
    "mirrored": _mirrored,
    "multiworker": lambda machine: workers.join(machine.patience, machine.silence),
}
"""Strategies by the value of `--distribution`."""


class Job:
    """A training without its model: images, a recipe, and devices.

    Args:
        data: the images.
        settings: the recipe.
        machine: settings of this machine.
        scale: enlargement.
        home: the experiment's folder.

    Raises:
        UserError: if the images cannot be used.
    """

    def __init__(
        self, data: DataSettings, settings: TrainSettings, machine: MachineSettings, scale: int, home: Path
    ) -> None:
        self.data, self.scale, self._home = data, scale, home
        self.strategy = DISTRIBUTIONS[machine.distribution](machine)
        memory = int(machine.memory_gb * 2**30)
        paths, pairs, degradation = training = data.images("train", scale)
        self._low_resolution = training.low_resolution
        store = open_store(machine.cache_dir)
        self._photographs = Photographs(paths, scale, memory, degradation, pairs, store)
        self.pairs = load_for(data, "val", scale, machine.cache_dir)
        self._follow(settings)
        if machine.distribution == "multiworker" and self.writes:
            print(self._shares(), file=sys.stderr, flush=True)

    def by(self, settings: TrainSettings) -> "Job":
        """The same images and devices with another recipe."""
        job = copy.copy(self)
        job._follow(settings)
        return job

    def _follow(self, settings: TrainSettings) -> None:
        self.settings = settings
        seed, flat = settings.seed, settings.flat_patches
        make = functools.cache(lambda patch, batch: Patches(self._photographs, patch, batch, seed, flat))
        phases = settings.phases.items()
        self.patches = Changing({start: make(phase.patch, phase.batch) for start, phase in phases})
        devices = self.strategy.num_replicas_in_sync
        if any(phase.batch % devices for _, phase in phases):
            raise UserError(f"--batch={settings.batch}: cannot be shared among {devices} devices; give multiples")

    @property
    def writes(self) -> bool:
        """Whether this process writes files. Of several workers, only the chief does."""
        return workers.writes(self.strategy)

    def shared(self, make: Callable[[], Any]) -> Any:
        """The value of a function, which JSON must be able to hold. Of several workers, only the chief calls it, for
        all.
        """
        return workers.from_chief(self.strategy, make)

    def train_supernet(
        self, space: arch.Space, folder: Path, start_from: Callable[[Supernet], None] | None = None
    ) -> Supernet:
        """Trains a supernet, and writes it to `supernet.keras` in the folder.

        Args:
            space: the supernet's.
            folder: folder for the model, its checkpoints and metrics.
            start_from: changes the first weights, which are drawn from the seed.
        """
        self._check_agreed(space)
        _check_for_supernets(self.settings)
        settings, policy = self.settings, self._begin()
        with self.strategy.scope():
            supernet = Supernet(space, dtype=policy)
            initialize(supernet, settings.seed, settings.first_weights)
            if start_from:
                start_from(supernet)
            trainable = trainable_supernet(supernet)
            teacher = teacher_of(settings, space.smallest(lambda each: each.macs()))
        twin = Supernet(space)
        at = of_paths(twin)
        rng = generator(settings.seed, "validation paths")
        shown = [space.sample(rng) for _ in range(VALIDATION_PATHS)]

        def validate(weights: list[np.ndarray]) -> Validation:
            _load(twin, weights)
            psnrs = [validation_psnr(at(codes), self.pairs, self.scale) for codes in shown]
            return Validation(float(np.mean(psnrs)), side_by_side(at(shown[0]), self.pairs[0], self.scale))

        draw, distills = sampling.SAMPLINGS[settings.sampling]

        def networks_at(step: int) -> tuple[Codes, ...]:
            return draw(space, settings.seed, step)

        subject = f"supernet of {space}"
        trained = fit(
            self.strategy, trainable, self.patches, settings, folder, validate, networks_at, distills, teacher, subject
        )
        _load(twin, trained)
        if self.writes:
            save(twin, folder / "supernet.keras")
        return twin

    def train_network(
        self, network: arch.Architecture, folder: Path, start_from: Callable[[Net], None] | None = None
    ) -> Net:
        """Trains one network, and writes it to `model.keras` in the folder, with its recipe and score.

        Args:
            network: the architecture.
            folder: folder for the model, its checkpoints and metrics.
            start_from: changes the first weights, which are drawn from the seed.

        Raises:
            UserError: if the folder holds the training of another network.
        """
        self._check_agreed(network)
        self.shared(lambda: _claim(folder, network))
        settings, policy = self.settings, self._begin()
        with self.strategy.scope():
            model = build(network, dtype=policy)
            initialize(model, settings.seed, settings.first_weights)
            if start_from:
                start_from(model)
            teacher = teacher_of(settings, network)
            trainable = trainable_network(model, teacher.watched(model) if teacher else None)
        twin = build(network)
        upscale = of_network(twin)
        psnrs: list[float] = []

        def validate(weights: list[np.ndarray]) -> Validation:
            _load(twin, weights)
            psnrs.append(validation_psnr(upscale, self.pairs, self.scale))
            return Validation(psnrs[-1], side_by_side(upscale, self.pairs[0], self.scale))

        recipe = {**dataclasses.asdict(settings), "data": self.data.data, "low_resolution": self._low_resolution}
        if trainable.parts:
            trained = fit(
                self.strategy,
                trainable,
                self.patches,
                settings,
                folder,
                validate,
                teacher=teacher,
                subject=str(network),
            )
        else:
            log.warning("%s has no weights: nothing to train", network)
            trained, recipe = [], {}
        _load(twin, trained)
        # A training validates after its last step. One that was at its end before has nothing to do.
        psnr = self.shared(lambda: psnrs[-1] if psnrs else validation_psnr(upscale, self.pairs, self.scale))
        twin.provenance = {**recipe, "val_data": self.data.val_data, "val_psnr": psnr}
        if self.writes:
            save(twin, folder / "model.keras")
        return twin

    def _shares(self) -> str:
        """The share of each worker, in one line."""
        all_devices, devices = self.strategy.num_replicas_in_sync, len(self.strategy.extended.worker_devices)
        shares = ", then ".join(str(phase.batch // all_devices) for phase in self.settings.phases.values())
        return (
            f"{all_devices // devices} workers of {devices} device(s): --batch={self.settings.batch} is that of all "
            f"together, {shares} patches a device; --learning_rate="
            f"{self.settings.learning_rate:g} is for the whole batch, and is not scaled"
        )

    def _begin(self) -> str:
        """The dtype policy of a training. Prints it, with the devices."""
        policy = self.shared(lambda: precision.settle(self.settings.precision, self._home))
        if self.writes:
            _tell(f"training in {policy} on {in_use(self.strategy.num_replicas_in_sync)}")
        return policy

    def _check_agreed(self, subject: arch.Architecture | arch.Space) -> None:
        names = [path.name for path in self._photographs.paths]
        facts = {
            "network": subject,
            "recipe": self.settings,
            "set of images": list(zip(names, self._photographs.sizes, strict=True)),
            "kind of low-resolution images": (self.data.degradation, bool(self._photographs.pairs)),
            "number of devices": len(self.strategy.extended.worker_devices),
        }
        workers.check_agreed(self.strategy, facts)


def _check_for_supernets(settings: TrainSettings) -> None:
    """Refuses settings that only work for a single network.

    Raises:
        UserError: if there is one; it names the flag.
    """
    if settings.optimizer == "muon":
        raise UserError(
            "--optimizer=muon: is for single networks, not a supernet; --retrain_optimizer=muon trains what is found"
        )
    if settings.teacher_features:
        raise UserError(f"--teacher_features={settings.teacher_features}: is for one network, not a supernet; drop it")


@functools.cache
def _tell(line: str) -> None:
    """Prints a line on stderr once: a search may train hundreds of networks alike."""
    print(line, file=sys.stderr, flush=True)


def _claim(folder: Path, network: arch.Architecture) -> None:
    """Marks a folder as one network's. Another network would otherwise take its checkpoints for its own."""
    record = folder / "arch.txt"
    if not record.exists():
        write_text(record, f"{network}\n")
    elif record.read_text("utf-8").strip() != str(network):
        raise UserError(f"{folder}: holds the training of another network; remove it, or give another --workdir")


def _load(model: Net | Supernet, weights: list[np.ndarray]) -> None:
    """Sets weights by position. The twin has the same variables, in float32 and outside any strategy."""
    for variable, value in zip(model.trainable_variables + model.non_trainable_variables, weights, strict=True):
        variable.assign(value)
