"""What Keras must know of a network to export it, or to use it in a functional model, before it was ever called."""

from typing import Any

import keras

IMAGE = keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="lr")
"""What every network takes: images of any size."""


class Exportable(keras.Model):
    """A network of `scale` that takes IMAGE."""

    scale: int

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """[batch, height, width, 3], enlarged; what is not known stays so."""
        batch, height, width, channels = input_shape
        return batch, height and height * self.scale, width and width * self.scale, channels

    def export(self, filepath: str, *arguments: Any, input_signature: Any = None, **options: Any) -> None:
        """As Keras', for images of any size unless `input_signature` says more."""
        super().export(filepath, *arguments, input_signature=input_signature or [IMAGE], **options)
