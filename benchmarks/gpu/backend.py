"""All that depends on Keras' backend: a gradient, many steps in one call, and what computes."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np


class Backend(NamedTuple):
    """What a training needs of a backend besides `keras.ops`.

    Attributes:
        gradients: (f, weights) -> ((loss, what else f returns), gradients), for an f of the weights alone.
        repeat: (step, state, inputs) -> (state, losses): `step(state, data, *inputs[i]) -> (state, loss)` for each i.
            The state that goes in must not be used again.
        device: what computes, by its name.
    """

    gradients: Callable
    repeat: Callable[[Callable], Callable]
    device: Callable[[], str]


def _jax() -> Backend:
    import jax

    def gradients(f, weights):
        return jax.value_and_grad(f, has_aux=True)(weights)

    def repeat(step):
        def many(state, data, inputs):
            return jax.lax.scan(lambda state, each: step(state, data, *each), state, inputs)

        return jax.jit(many, donate_argnums=0)

    return Backend(gradients, repeat, lambda: str(jax.devices()[0].device_kind))


def _torch() -> Backend:
    import torch

    def gradients(f, weights):
        leaves = [weight.detach().requires_grad_() for weight in weights]
        loss, more = f(leaves)
        return (loss.detach(), more), torch.autograd.grad(loss, leaves)

    def device() -> str:
        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"

    return Backend(gradients, _one_by_one, device)


def _tensorflow() -> Backend:
    import tensorflow as tf

    def gradients(f, weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, more = f(weights)
        return (loss, more), tape.gradient(loss, weights)

    def device() -> str:
        return "GPU" if tf.config.list_physical_devices("GPU") else "cpu"

    return Backend(gradients, lambda step: _one_by_one(tf.function(step)), device)


def _one_by_one(step: Callable) -> Callable:
    def many(state, data, inputs):
        losses = []
        for each in zip(*inputs, strict=True):
            state, loss = step(state, data, *map(keras.ops.convert_to_tensor, each))
            losses.append(loss)
        return state, keras.ops.stack(losses)

    return many


BACKENDS: dict[str, Callable[[], Backend]] = {"jax": _jax, "torch": _torch, "tensorflow": _tensorflow}
"""By `KERAS_BACKEND`."""


def backend() -> Backend:
    """That of Keras."""
    return BACKENDS[keras.backend.backend()]()


def numbers(tree):
    """Tensors in lists and dictionaries as NumPy arrays."""
    return keras.tree.map_structure(lambda each: np.asarray(keras.ops.convert_to_numpy(each)), tree)
