"""A trained network that another one learns from, besides the images (Hinton et al. 2015)."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from srnas_tf.arch import Architecture, Network
from srnas_tf.arch.network import STEMS
from srnas_tf.errors import UserError
from srnas_tf.nets import Net
from srnas_tf.nets.files import load
from srnas_tf.train.losses import Distance, l1
from srnas_tf.train.settings import Phase, TrainSettings

BACKWARD = 2
"""MACs of a gradient, as multiples of those of the output."""
Targets = tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]
"""float32: the image and the teacher's output, [batch, height * scale, width * scale, 3]; the outputs of its blocks."""

MAX_SHARE = 0.99
"""Share of a step's arithmetic above which a teacher is refused: the student would hardly move."""


class Teacher(NamedTuple):
    """What a training learns from.

    Attributes:
        network: gives outputs; it is not trained.
        weight: share of the loss that is the L1 distance from its output, 0 to 1.
        features: weight of the distance of the blocks' outputs from its own, which is added; 0: there is none.
    """

    network: Net
    weight: float
    features: float = 0.0

    def at(self, phase: Phase) -> "Teacher | None":
        """The teacher of a phase; None where nothing is learned from it."""
        taught = self._replace(weight=phase.teacher_weight)
        return taught if taught.weight or taught.features else None

    def targets(self, lr: tf.Tensor, hr: tf.Tensor) -> Targets:
        """The image, the teacher's output, and the outputs of its blocks if they are learned, too."""
        if self.features:
            output, blocks = self.network.enlarge_and_tell(lr, self.network.blocks)
        else:
            output, blocks = self.network(lr, training=False), []
        return hr, tf.stop_gradient(output), [tf.stop_gradient(each) for each in blocks]

    def distance(self, of_image: Distance) -> Callable:
        """The loss of an output and `targets`, from its loss against the image.

        The output is that of `Watched` where features are learned.
        """

        def both(output: tf.Tensor, targets: Targets) -> tf.Tensor:
            image, theirs, _ = targets
            return (1 - self.weight) * of_image(output, image) + self.weight * l1(output, theirs)

        def all_three(output: tuple, targets: Targets) -> tf.Tensor:
            enlarged, blocks = output
            far = [_relative(own, targets[2][at]) for own, at in zip(blocks, self.met(len(blocks)), strict=True)]
            return both(enlarged, targets) + self.features * tf.add_n(far) / len(far)

        return all_three if self.features else both

    def met(self, depth: int) -> list[int]:
        """Which block of the teacher each of so many blocks learns: the last one the last."""
        return [-(-i * self.network.depth // depth) - 1 for i in range(1, depth + 1)]

    def watched(self, student: Net) -> "Watched | None":
        """What gives the student's blocks for `distance`; None where they are not learned."""
        return Watched(student, self.network.width) if self.features else None


def _relative(own: tf.Tensor, theirs: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference, as a share of what is to be learned."""
    return tf.reduce_mean(tf.abs(own - theirs)) / tf.reduce_mean(tf.abs(theirs))


class Watched(keras.Layer):
    """A network that gives the outputs of its blocks, too, each through a 1x1 convolution as wide as the teacher.

    Input: [batch, height, width, 3] in 0..1. Output: the image, and of each block [batch, height, width, channels] in
    float32.

    Args:
        network: of IMDN's family.
        channels: of the teacher's blocks.
    """

    def __init__(self, network: Net, channels: int) -> None:
        super().__init__(dtype="float32")
        self._run = lambda lr: network.enlarge_and_tell(lr, network.blocks)  # whose weights are not this layer's
        self.meet = [keras.layers.Conv2D(channels, 1, kernel_initializer="zeros") for _ in network.blocks]
        for layer in self.meet:
            layer.build((None, None, None, network.width))
        self.built = True

    def call(self, lr):
        enlarged, blocks = self._run(lr)
        return enlarged, [layer(each) for layer, each in zip(self.meet, blocks, strict=True)]


def teacher_of(settings: TrainSettings, student: Architecture) -> Teacher | None:
    """The teacher that a recipe names, for a student; a line on stderr says what it takes of a step's arithmetic.

    Raises:
        UserError: where there is no such network, it is of another scale, or it would take nearly all of a step.
    """
    if not settings.teacher:
        return None
    network = load(Path(settings.teacher))
    if network.network.scale != student.scale:
        raise UserError(
            f"--teacher={settings.teacher}: enlarges {network.network.scale} times, and the network to train "
            f"{student.scale} times; give a teacher of the same scale"
        )
    own, learned = network.network.macs(), (1 + BACKWARD) * student.macs()
    share = own / (own + learned) if own + learned else 0.0
    if share > MAX_SHARE:
        raise UserError(
            f"--teacher={settings.teacher}: would take {share:.1%} of each step's arithmetic; give a smaller teacher"
        )
    print(f"{settings.teacher}: teaches, and takes {share:.0%} of a step's arithmetic", file=sys.stderr, flush=True)
    network.trainable = False
    features = settings.teacher_features
    if features and not _comparable(network.network, student):
        raise UserError(
            f"--teacher_features={features}: {settings.teacher} and the network to train must be of IMDN's family, "
            "with stems of one resolution; drop the flag"
        )
    return Teacher(network, settings.phases[0].teacher_weight, features)


def _comparable(*networks: Architecture) -> bool:
    """Whether blocks of these have outputs of one height and width."""
    own = [network for network in networks if isinstance(network, Network)]
    return len(own) == len(networks) and len({STEMS[network.stem].factor(network.scale) for network in own}) == 1
