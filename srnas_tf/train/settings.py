"""How weights are trained."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srnas_tf.errors import UserError
from srnas_tf.executors import EXECUTORS
from srnas_tf.settings import MANY, check, setting
from srnas_tf.train.sampling import SAMPLINGS
from srnas_tf.train.schedule import SCHEDULES

FIRST_WEIGHTS = ("", "uniform", "interpolation", "he")
LOSSES = ("l1", "charbonnier", "l2")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "auto")


@dataclass(frozen=True)
class TrainSettings:
    """A training recipe. The defaults are IMDN's (Hui et al. 2019), but for the number of steps and the first weights:
    theirs are `uniform`, and take far longer to pass bicubic.
    """

    steps: int = setting(20000, "training steps", bounds=(1, MANY))
    batch: int = setting(16, "patches a step, over all devices", bounds=(1, 65536))
    patch: int = setting(48, "side of a training patch, low-resolution pixels", bounds=(1, 4096))
    learning_rate: float = setting(2e-4, "Adam's learning rate at its highest")
    loss: str = setting("l1", "distance of an output from its photograph", LOSSES)
    frequency_loss: float = setting(
        0.0, "weight of the L1 distance of their Fourier transforms, besides; others train with 0.05", bounds=(0, 1000)
    )
    first_weights: str = setting(
        "", "what a network begins as; unless given, interpolation, or what suits a network of the zoo", FIRST_WEIGHTS
    )
    init: str = setting(
        "scratch", "first weights: scratch, supernet (for found networks), or a model.keras: what fits of it"
    )
    schedule: str = setting("step", "learning rate: halved every --halve_every steps, or cosine", tuple(SCHEDULES))
    halve_every: int = setting(200_000, "steps between two halvings of --schedule=step", bounds=(1, MANY))
    warmup: int = setting(0, "steps of linear warm-up", bounds=(0, MANY))
    ema: float = setting(0.0, "decay of the moving average of the weights that is validated and kept; 0: none")
    precision: str = setting("float32", "Keras dtype policy; auto: the fastest on this machine", PRECISIONS)
    sampling: str = setting(
        "uniform",
        "networks that a supernet's step trains: uniform: one at random; fair: as many as a block has paths, each path "
        "of every block in one of them; sandwich: the largest, and from its output the smallest and a random one",
        tuple(SAMPLINGS),
    )
    validate_every: int = setting(1000, "steps between two validations", bounds=(1, MANY))
    checkpoint_every: int = setting(1000, "steps between two checkpoints", bounds=(1, MANY))
    keep: int = setting(3, "checkpoints to keep", bounds=(1, MANY))
    seed: int = setting(0, "seed of all that is drawn", bounds=(0, MANY))

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.learning_rate < 1:
            raise UserError(f"--learning_rate={self.learning_rate}: must be between 0 and 1")
        if self.init not in ("scratch", "supernet"):
            object.__setattr__(self, "init", os.path.abspath(Path(self.init).expanduser()))
        if not 0 <= self.ema < 1:
            raise UserError(f"--ema={self.ema}: must be at least 0 and below 1")

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.learning_rate * warm * SCHEDULES[self.schedule](step, self.steps, self.halve_every)


@dataclass(frozen=True)
class RetrainSettings:
    """What the training of a found network does otherwise than the supernet's."""

    retrain_steps: int = setting(0, "training steps of a found network; 0: as the supernet", bounds=(0, MANY))
    retrain_learning_rate: float = setting(0.0, "its highest learning rate; 0: as the supernet")
    retrain_schedule: str = setting("", "its schedule; as the supernet unless given", ("", *SCHEDULES))

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.retrain_learning_rate < 1:
            raise UserError(f"--retrain_learning_rate={self.retrain_learning_rate}: must be at least 0 and below 1")

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields of `TrainSettings` that these decide."""
        fields = ("steps", "learning_rate", "schedule")
        return {name: getattr(self, f"retrain_{name}") for name in fields if getattr(self, f"retrain_{name}")}


@dataclass(frozen=True)
class MachineSettings:
    """What belongs to the machine and not to the experiment: it changes no result."""

    distribution: str = setting(
        "mirrored",
        "what a batch is spread over: this machine's devices, or those of all machines of TF_CONFIG",
        ("mirrored", "multiworker"),
    )
    cpu_devices: int = setting(
        1,
        "where there is no GPU, devices that the processor counts as, each with its share of the cores and of a batch, "
        "or, where photographs are measured, one of them: best one a core; trains faster and begins later",
        bounds=(1, 256),
    )
    executor: str = setting(
        "local", "who measures a search's networks, and trains a ranking's: this process, or a Ray cluster", EXECUTORS
    )
    ray_address: str = setting("", "the Ray cluster's address; that of RAY_ADDRESS, or this machine, unless given")
    actors: int = setting(0, "Ray actors; 0: one a GPU, or, in a cluster without, one a node", bounds=(0, 1000))
    patience: float = setting(
        600.0, "seconds to wait for the other workers, or for the first actor, to come", bounds=(0, 10_000_000)
    )
    silence: float = setting(
        30.0, "seconds after which a worker that nothing is heard from counts as lost", bounds=(1, 1_000_000)
    )
    trained_dir: str = setting(
        "",
        "folder where networks that a search trained alone are kept, for all searches that name it: one that is there, "
        "of the same recipe and photographs, is not trained again; the workdir's own unless given",
    )
    memory_gb: float = setting(
        4.0,
        "GiB for decoded photographs, and for a search's features; what has no room is made again and again",
        bounds=(0, 1_000_000),
    )
    cache_dir: str = setting(
        "",
        "folder where decoded photographs are kept, for all commands and hosts that have it: unless given, the user's "
        "cache (~/.cache/srnas_tf/images); `none`: nowhere",
    )

    def __post_init__(self) -> None:
        check(self)
