"""Knowledge distillation: a network learns from the images and from a trained teacher (Hinton et al. 2015)."""

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
"""MACs of a backward pass, as a multiple of those of a forward pass."""
Targets = tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]
"""The image, the teacher's output, and the outputs of its blocks.

The first two are float32 [batch, height * scale, width * scale, 3]. The others are float32 [batch, height, width,
channels]; height and width differ from those of lr if the stem resizes the image.
"""

MAX_SHARE = 0.99
"""A teacher is refused if it takes more than this share of a step's MACs: training would be a hundred times slower."""


class Teacher(NamedTuple):
    """A trained network, and the weights of its losses.

    Attributes:
        network: the teacher, which is not trained.
        weight: share of the loss that is the L1 distance from the teacher's output, 0 to 1.
        features: weight of the loss between the outputs of the blocks and those of the teacher's blocks, >= 0. This
            loss is added to the others; 0 omits it.
    """

    network: Net
    weight: float
    features: float = 0.0

    def at(self, phase: Phase) -> "Teacher | None":
        """The teacher with the weight of a phase; None if both weights are 0."""
        taught = self._replace(weight=phase.teacher_weight)
        return taught if taught.weight or taught.features else None

    def targets(self, lr: tf.Tensor, hr: tf.Tensor) -> Targets:
        """Runs the teacher.

        Args:
            lr: float32 [batch, height, width, 3] in 0..1.
            hr: float32 [batch, height * scale, width * scale, 3] in 0..1.

        Returns:
            The image, the teacher's output, and the outputs of its blocks. That list is empty if `features` is 0.
        """
        if self.features:
            output, blocks = self.network.enlarge_and_tell(lr, self.network.blocks)
        else:
            output, blocks = self.network(lr, training=False), []
        return hr, tf.stop_gradient(output), [tf.stop_gradient(each) for each in blocks]

    def distance(self, of_image: Distance) -> Callable:
        """Makes the loss between an output of the student and `targets`.

        Args:
            of_image: the loss between an output and the image.

        Returns:
            A function of an output and `targets` that gives the loss, float32 []. The output is the image, or that of
            `Watched` if `features` is not 0.
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
        """Maps the student's blocks to blocks of the teacher.

        Args:
            depth: number of blocks of the student.

        Returns:
            For each block of the student, the index of a block of the teacher. The last ones belong together.
        """
        return [-(-i * self.network.depth // depth) - 1 for i in range(1, depth + 1)]

    def watched(self, student: Net) -> "Watched | None":
        """Wraps the student so that it also returns its block outputs for `distance`; None if `features` is 0."""
        return Watched(student, self.network.width) if self.features else None


def _relative(own: tf.Tensor, theirs: tf.Tensor) -> tf.Tensor:
    """The mean absolute difference, divided by the mean absolute value of the teacher's output."""
    return tf.reduce_mean(tf.abs(own - theirs)) / tf.reduce_mean(tf.abs(theirs))


class Watched(keras.Layer):
    """A network that also returns the outputs of its blocks, each through a 1x1 convolution.

    The convolutions map the width of the network to that of the teacher. They are used during training only.

    Input: float32 [batch, height, width, 3] in 0..1. Output: the enlarged image, float32 [batch, height * scale,
    width * scale, 3], and a list of block outputs, float32 [batch, height, width, channels]. Height and width of block
    outputs differ from those of the image if the stem resizes it.

    Args:
        network: a network of IMDN's family.
        channels: output channels of the teacher's blocks.
    """

    def __init__(self, network: Net, channels: int) -> None:
        super().__init__(dtype="float32")
        # In a function, since Keras would otherwise count the network's weights as this layer's.
        self._run = lambda lr: network.enlarge_and_tell(lr, network.blocks)
        self.meet = [keras.layers.Conv2D(channels, 1, kernel_initializer="zeros") for _ in network.blocks]
        for layer in self.meet:
            layer.build((None, None, None, network.width))
        self.built = True

    def call(self, lr):
        enlarged, blocks = self._run(lr)
        return enlarged, [layer(each) for layer, each in zip(self.meet, blocks, strict=True)]


def teacher_of(settings: TrainSettings, student: Architecture) -> Teacher | None:
    """Loads the teacher of a recipe, and prints its share of a step's MACs on stderr.

    Args:
        settings: the recipe.
        student: architecture of the network to train.

    Returns:
        The teacher; None if the recipe has none.

    Raises:
        UserError: if the file cannot be loaded, the scales differ, the teacher would take more than `MAX_SHARE` of a
            step, or features cannot be compared.
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
    print(f"{settings.teacher}: the teacher takes {share:.0%} of a step's arithmetic", file=sys.stderr, flush=True)
    network.trainable = False
    features = settings.teacher_features
    if features and not _comparable(network.network, student):
        raise UserError(
            f"--teacher_features={features}: {settings.teacher} and the network to train must be of IMDN's family, "
            "with stems of the same resolution; drop the flag"
        )
    return Teacher(network, settings.phases[0].teacher_weight, features)


def _comparable(*networks: Architecture) -> bool:
    """Returns True if all are of IMDN's family, and their blocks' outputs have the same height and width."""
    own = [network for network in networks if isinstance(network, Network)]
    return len(own) == len(networks) and len({STEMS[network.stem].factor(network.scale) for network in own}) == 1
