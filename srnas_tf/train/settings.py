"""Settings of training: the recipe, its changes for found networks, and the machine."""

import dataclasses
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf.errors import UserError
from srnas_tf.executors import EXECUTORS
from srnas_tf.settings import MANY, Course, check, setting
from srnas_tf.train.sampling import SAMPLINGS
from srnas_tf.train.schedule import SCHEDULES

FIRST_WEIGHTS = ("", "uniform", "interpolation", "he")
LOSSES = ("l1", "charbonnier", "l2")
OPTIMIZERS = ("adam", "adamw", "muon")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "auto")


class Phase(NamedTuple):
    """The values of those settings that may change over a training, for a range of steps.

    The fields are those of `TrainSettings`.
    """

    batch: int
    patch: int
    loss: str
    frequency_loss: float
    teacher_weight: float


@dataclass(frozen=True)
class TrainSettings:
    """A training recipe.

    The defaults are those of IMDN (Hui et al. 2019), except for the number of steps and the initialization. IMDN's
    `first_weights` are `uniform`. With these, training takes far longer to become better than bicubic.

    Raises:
        UserError: if a value is out of range, or two values exclude each other.
    """

    steps: int = setting(20000, "training steps", bounds=(1, MANY))
    batch: int | str = setting(
        16,
        "batch size: patches of a step, over all devices together; 16,64@0.7: 64 once 0.7 of the steps are done",
        bounds=(1, 65536),
        course=int,
    )
    patch: int | str = setting(
        48, "side of a training patch, in low-resolution pixels; may change as --batch", bounds=(1, 4096), course=int
    )
    flat_patches: float = setting(
        0.0,
        "share of the patches that are one colour, drawn at random; teaches a network to keep pure colours at the "
        "border of an image; a usual value is 0.05",
        bounds=(0, 1),
    )
    learning_rate: float = setting(2e-4, "highest learning rate")
    optimizer: str = setting("adam", "optimizer; muon trains single networks only, no supernets", OPTIMIZERS)
    weight_decay: float = setting(
        0.0,
        "weight decay of adamw and muon: a step subtracts this share of a weight, times the learning rate",
        bounds=(0, 1000),
    )
    loss: str = setting(
        "l1",
        "loss between the output and the high-resolution image; l1,l2@0.9: l2 once 0.9 of the steps are done",
        LOSSES,
        course=str,
    )
    frequency_loss: float | str = setting(
        0.0,
        "weight of an additional L1 loss between Fourier transforms; a usual value is 0.05; may change as --loss",
        bounds=(0, 1000),
        course=float,
    )
    first_weights: str = setting(
        "", "first weights; unless given, interpolation, or what suits a published network", FIRST_WEIGHTS
    )
    init: str = setting(
        "scratch",
        "scratch, supernet (for found networks), or a model.keras to fine-tune: weights that fit",
    )
    teacher: str = setting("", "a trained model.keras of the same scale, to learn from besides the images")
    teacher_weight: float | str = setting(
        0.5,
        "share of the loss that is the L1 distance from the teacher's output; may change as --loss",
        bounds=(0, 1),
        course=float,
    )
    teacher_features: float = setting(
        0.0,
        "weight of an additional loss between the outputs of the blocks and of the teacher's, through 1x1 convolutions "
        "that are used in training only; for networks of IMDN's family",
        bounds=(0, 1000),
    )
    schedule: str = setting(
        "step",
        "learning rate: step (halved every --halve_every steps), cosine (down to zero), or constant",
        tuple(SCHEDULES),
    )
    restarts: int = setting(0, "number of warm restarts of --schedule=cosine, at equal distances", bounds=(0, MANY))
    warmdown: float = setting(
        0.0,
        "share of the steps, at the end, in which the learning rate also goes down to zero linearly",
        bounds=(0, 1),
    )
    halve_every: int = setting(200_000, "steps between two halvings of --schedule=step", bounds=(1, MANY))
    warmup: int = setting(0, "steps of linear warm-up", bounds=(0, MANY))
    ema: float = setting(
        0.0, "decay of the exponential moving average of the weights, which is validated and saved; 0: no average"
    )
    precision: str = setting("float32", "dtype policy of Keras; auto: the fastest on this machine", PRECISIONS)
    sampling: str = setting(
        "uniform",
        "networks that a step of a supernet trains. uniform: one at random; fair: as many as a block has paths, each "
        "path in one of them; sandwich: the largest, and the smallest and a random one, which learn its output",
        tuple(SAMPLINGS),
    )
    validate_every: int = setting(1000, "steps between two validations", bounds=(1, MANY))
    checkpoint_every: int = setting(1000, "steps between two checkpoints", bounds=(1, MANY))
    keep: int = setting(3, "checkpoints to keep", bounds=(1, MANY))
    seed: int = setting(0, "seed of all randomness", bounds=(0, MANY))

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.learning_rate < 1:
            raise UserError(f"--learning_rate={self.learning_rate}: must be between 0 and 1")
        if self.init not in ("scratch", "supernet"):
            object.__setattr__(self, "init", os.path.abspath(Path(self.init).expanduser()))
        if self.teacher:
            object.__setattr__(self, "teacher", os.path.abspath(Path(self.teacher).expanduser()))
        elif self.teacher_features:
            raise UserError(f"--teacher_features={self.teacher_features}: needs --teacher")
        if not 0 <= self.ema < 1:
            raise UserError(f"--ema={self.ema}: must be at least 0 and below 1")
        if self.restarts and self.schedule != "cosine":
            raise UserError(f"--restarts={self.restarts}: is for --schedule=cosine, not {self.schedule}")
        if self.restarts >= self.steps:
            raise UserError(f"--restarts={self.restarts}: is not below --steps={self.steps}")
        if self.weight_decay and self.optimizer == "adam":
            raise UserError(f"--weight_decay={self.weight_decay}: is for --optimizer=adamw or muon, not adam")
        if self.optimizer == "adamw" and not self.weight_decay:
            raise UserError("--optimizer=adamw: differs from adam by --weight_decay; give one, such as 0.01")

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0: the schedule's, with warm-up and warm-down."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        down = min(1.0, (self.steps - step) / (self.warmdown * self.steps)) if self.warmdown else 1.0
        share = SCHEDULES[self.schedule](step, self.steps, self.halve_every, self.restarts)
        return self.learning_rate * warm * down * share

    @functools.cached_property
    def phases(self) -> dict[int, Phase]:
        """The phases of the training, by the first step of each, counted from 0."""
        courses = {
            field.name: Course.of(field.name, getattr(self, field.name), field.metadata["course"])
            for field in dataclasses.fields(self)
            if field.metadata["course"]
        }
        starts = sorted({round(share * self.steps) for course in courses.values() for share, _ in course})
        return {
            start: Phase(**{name: course.at(start, self.steps) for name, course in courses.items()})
            for start in starts
            if start < self.steps
        }

    def phase_at(self, step: int) -> Phase:
        """The phase of a step, counted from 0."""
        return self.phases[max(start for start in self.phases if start <= step)]


@dataclass(frozen=True)
class RetrainSettings:
    """Settings in which the training of a found network differs from that of the supernet.

    Raises:
        UserError: if a value is out of range.
    """

    retrain_steps: int = setting(0, "training steps of a found network; 0: as many as the supernet", bounds=(0, MANY))
    retrain_learning_rate: float = setting(0.0, "its highest learning rate; 0: that of the supernet")
    retrain_schedule: str = setting("", "its schedule; that of the supernet unless given", ("", *SCHEDULES))
    retrain_optimizer: str = setting("", "its optimizer; that of the supernet unless given", ("", *OPTIMIZERS))

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.retrain_learning_rate < 1:
            raise UserError(f"--retrain_learning_rate={self.retrain_learning_rate}: must be at least 0 and below 1")

    @property
    def overrides(self) -> dict[str, Any]:
        """The fields of `TrainSettings` that these settings replace."""
        fields = ("steps", "learning_rate", "schedule", "optimizer")
        return {name: getattr(self, f"retrain_{name}") for name in fields if getattr(self, f"retrain_{name}")}


@dataclass(frozen=True)
class MachineSettings:
    """Settings of the machine. They do not change results."""

    distribution: str = setting(
        "mirrored",
        "devices that share a batch: those of this machine (mirrored), or of all machines in TF_CONFIG (multiworker)",
        ("mirrored", "multiworker"),
    )
    cpu_devices: int = setting(
        1,
        "without a GPU: number of devices that the processor is split into; each has a share of the cores and of the "
        "batch; one for each core trains fastest, but starts later",
        bounds=(1, 256),
    )
    executor: str = setting(
        "local",
        "where the networks of a search are measured, and those of a ranking trained: this process, or a Ray cluster",
        EXECUTORS,
    )
    ray_address: str = setting("", "address of the Ray cluster; by default that of RAY_ADDRESS, or this machine")
    actors: int = setting(
        0, "number of Ray actors; 0: one for each GPU, or one for each node without GPUs", bounds=(0, 1000)
    )
    patience: float = setting(
        600.0, "seconds to wait for the other workers or for the first actor", bounds=(0, 10_000_000)
    )
    silence: float = setting(30.0, "seconds after which a silent worker counts as lost", bounds=(1, 1_000_000))
    trained_dir: str = setting(
        "",
        "folder for networks that a search trains alone; searches with the same folder share them: a network with the "
        "same recipe and images is not trained again; by default a folder in the workdir",
    )
    memory_gb: float = setting(
        4.0,
        "GiB for decoded images, and for cached features of a search; the rest is computed again when needed",
        bounds=(0, 1_000_000),
    )
    cache_dir: str = setting(
        "",
        "folder for decoded images, shared by all commands; by default the user's cache (~/.cache/srnas_tf/images); "
        "`none`: keep none",
    )

    def __post_init__(self) -> None:
        check(self)
