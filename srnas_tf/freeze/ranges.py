"""Chooses ranges of int8 activations with the least error. Needs numpy, onnx and onnxruntime alone."""

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import onnx
import onnxruntime

BINS = 4096
SHARES = np.linspace(0.2, 1, 17)
"""The ranges to try, as shares of the least and of the greatest value."""


def flats(size: tuple[int, int]) -> np.ndarray:
    """The eight corners of RGB as images, float32 [8, *size, 3] in 0..1.

    Drawings have such colours, photographs seldom.
    """
    corners = np.array(list(itertools.product((0, 1), repeat=3)), np.float32)
    return np.broadcast_to(corners[:, None, None], (8, *size, 3)).copy()


def least_error(
    model: onnx.ModelProto, tensors: Sequence[str], patches: np.ndarray, extremes: np.ndarray
) -> dict[str, tuple[float, float]]:
    """For each tensor, the range whose 255 steps reproduce its values with the least squared error. It includes zero.

    Args:
        model: with one input. It is not changed.
        tensors: names of float32 tensors.
        patches: float32 [n, channels, height, width], on which the model is run one by one.
        extremes: further patches, all of whose values are within the ranges. Clipping would tint them.
    """
    run = _watched(model, tensors)
    limits = _limits(map(run, patches))
    counts = [np.zeros(BINS)] * len(tensors)
    for seen in map(run, patches):  # a second time: bins want limits, and all values together would be gigabytes
        found = [np.histogram(each, BINS, limit)[0] for each, limit in zip(seen, limits, strict=True)]
        counts = [before + more for before, more in zip(counts, found, strict=True)]
    best = [_best(count, *limit) for count, limit in zip(counts, limits, strict=True)]
    held = _limits(map(run, extremes))
    return {
        name: (min(low, least), max(high, most))
        for name, (low, high), (least, most) in zip(tensors, best, held, strict=True)
    }


def _watched(model: onnx.ModelProto, tensors: Sequence[str]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The model as a function: image [channels, height, width] -> values of tensors."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors
    )
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    [source] = session.get_inputs()
    return lambda image: session.run(list(tensors), {source.name: image[None]})


def _limits(values: Iterable[list[np.ndarray]]) -> list[tuple[float, float]]:
    """For each tensor, the least and the greatest of its values and zero."""
    extremes = [[(float(each.min()), float(each.max())) for each in seen] for seen in values]
    return [
        (min(0.0, *(low for low, _ in each)), max(0.0, *(high for _, high in each)))
        for each in zip(*extremes, strict=True)
    ]


def _best(count: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The range with the least error for a histogram between two limits."""
    values = low + (high - low) * (np.arange(BINS) + 0.5) / BINS

    def error(bounds: tuple[float, float]) -> float:
        beyond = values - np.clip(values, *bounds)
        rounding = ((bounds[1] - bounds[0]) / 255) ** 2 / 12
        return float(np.sum(count * np.where(beyond, beyond**2, rounding)))

    return min(((low * a, high * b) for a in SHARES for b in SHARES), key=error)
