"""A trained network that another one learns from, besides the images (Hinton et al. 2015)."""

import sys
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from srnas_tf.arch import Architecture
from srnas_tf.errors import UserError
from srnas_tf.nets import Net
from srnas_tf.nets.files import load
from srnas_tf.train.losses import Distance, l1
from srnas_tf.train.settings import TrainSettings

BACKWARD = 2
"""MACs of a gradient, as multiples of those of the output."""
MOST = 0.99
"""Share of a step's arithmetic above which a teacher is refused: the student would hardly move."""


class Teacher(NamedTuple):
    """What a training learns from.

    Attributes:
        network: gives outputs; it is not trained.
        weight: share of the loss that is the L1 distance from its output, 0 to 1.
    """

    network: Net
    weight: float

    def targets(self, lr: tf.Tensor, hr: tf.Tensor) -> tf.Tensor:
        """The image and the teacher's output, float32 [2, batch, height * scale, width * scale, 3]."""
        return tf.stack([hr, tf.stop_gradient(self.network(lr, training=False))])

    def distance(self, of_image: Distance) -> Distance:
        """The loss of an output and `targets`, from its loss against the image."""

        def both(output: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            return (1 - self.weight) * of_image(output, targets[0]) + self.weight * l1(output, targets[1])

        return both


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
    if share > MOST:
        raise UserError(
            f"--teacher={settings.teacher}: would take {share:.1%} of each step's arithmetic; give a smaller teacher"
        )
    print(f"{settings.teacher}: teaches, and takes {share:.0%} of a step's arithmetic", file=sys.stderr, flush=True)
    network.trainable = False
    return Teacher(network, settings.teacher_weight)
