"""Lets Keras export a network, or use it in a functional model, before it was ever called."""

from typing import Any

import keras

IMAGE = keras.InputSpec(shape=(None, None, None, 3), dtype="float32", name="lr")
"""The input of every network: images of any size."""


class Exportable(keras.Model):
    """A network of `scale` that takes IMAGE."""

    scale: int

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """[batch, height, width, 3], enlarged. Unknown sizes stay unknown."""
        batch, height, width, channels = input_shape
        return batch, height and height * self.scale, width and width * self.scale, channels

    def export(self, filepath: str, *arguments: Any, input_signature: Any = None, **options: Any) -> None:
        """Keras' `export`, for images of any size unless `input_signature` is given."""
        super().export(filepath, *arguments, input_signature=input_signature or [IMAGE], **options)
