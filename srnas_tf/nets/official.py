"""IMDN's official weights, by their authors' names (Hui et al. 2019, github.com/Zheng222/IMDN)."""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from srnas_tf import arch, archives, reading
from srnas_tf.errors import UserError, first_line
from srnas_tf.nets import torch_file
from srnas_tf.nets.network import SRNet


def read(path: Path) -> dict[str, np.ndarray]:
    """Named tensors of a `.pth` or `.npz` file.

    Raises:
        UserError: if the file is missing, broken, or of another kind.
    """
    if path.suffix.lower() == ".npz":
        try:
            content = reading.content(path)
            with archives.opened(content), np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return _plain({name: archive[name] for name in archive.files}, path)
        except UserError:
            raise
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or first_line(error)}") from None
        except Exception as error:  # numpy and zipfile each have errors of their own for a broken file.
            raise UserError(f"{path}: not a file of weights ({first_line(error)})") from None
    return _plain(torch_file.read(path), path)


def _plain(weights: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """The tensors, without the `module.` that training on several GPUs puts before their names.

    Raises:
        UserError: if a value is not an array of finite numbers with at least one axis.
    """
    for name, array in weights.items():
        if not isinstance(array, np.ndarray):  # NumPy hands out other files raw
            raise UserError(f"{path}: not a file of weights (it holds more than arrays)")
        if array.dtype.kind not in "fiu" or not array.ndim:
            raise UserError(f"{path}: not a file of weights ({name[:200]!r} is no array of numbers)")
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {name[:200]!r} holds numbers that are none (NaN or infinity); take another file")
    return {name.removeprefix("module."): array for name, array in weights.items()}


def network_of(weights: Mapping[str, np.ndarray], path: Path, any_scale: int = 4) -> arch.Network:
    """The IMDN with weights of these names and shapes. The upsampler's channels tell its scale.

    Args:
        weights: tensors by name.
        path: path of their file, for errors.
        any_scale: the scale of IMDN_AS, which serves any.

    Raises:
        UserError: if there is none.
    """
    strided = "fea_conv.0.weight" in weights
    try:
        width = weights["fea_conv.0.weight" if strided else "fea_conv.weight"].shape[0]
        scale = round((weights["upsampler.0.weight"].shape[0] / 3) ** 0.5)
    except KeyError as error:
        raise UserError(f"{path}: holds no {error.args[0]}; only IMDN's official weights are known") from None
    depth = len({match[1] for name in weights if (match := re.match(r"IMDB(\d+)\.", name))})
    return arch.imdn(any_scale, width, depth, "strided") if strided else arch.imdn(scale, width, depth)


def load_official(model: SRNet, weights: Mapping[str, np.ndarray], path: Path) -> None:
    """Gives an IMDN its authors' weights.

    Their kernels are [out, in, height, width]. Their pixel shuffle takes the colour first, so that the last
    convolution's channels change places.

    Raises:
        UserError: if a tensor is missing, unknown, or of another shape.
    """
    layers = _layers(model)
    expected = {f"{name}.{kind}" for name in layers for kind in ("weight", "bias")}
    if expected != set(weights):
        odd = sorted(expected ^ set(weights))[0]
        raise UserError(f"{path}: {'lacks' if odd in expected else 'has an unknown'} {odd}; not an IMDN of this size")
    for name, layer in layers.items():
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        if kernel.ndim != 4 or bias.ndim != 1:
            raise UserError(f"{path}: {name} is no convolution")
        kernel = kernel.transpose(2, 3, 1, 0)
        if layer is model.upsample:
            order = np.arange(bias.size).reshape(3, -1).T.ravel()
            kernel, bias = kernel[..., order], bias[order]
        if kernel.shape != tuple(layer.kernel.shape) or bias.shape != tuple(layer.bias.shape):
            raise UserError(f"{path}: {name} is {kernel.shape}, not {tuple(layer.kernel.shape)} as in an IMDN")
        layer.set_weights([kernel, bias])


def _layers(model: SRNet) -> dict[str, keras.Layer]:
    """The layers of an IMDN by their official names."""
    strided = {f"fea_conv.{2 * i}": conv for i, conv in enumerate(getattr(model.conv_first, "convs", []))}
    layers = (strided or {"fea_conv": model.conv_first}) | {
        "c.0": model.aggregate,
        "LR_conv": model.conv_after_body,
        "upsampler.0": model.upsample,
    }
    for i, block in enumerate(model.blocks, start=1):
        convs = [block.first, *(layer for trunk in block.trunks for layer in trunk), block.last, block.fusion]
        layers |= {f"IMDB{i}.c{j}": layer for j, layer in enumerate(convs, start=1)}
        layers[f"IMDB{i}.cca.conv_du.0"] = block.attention.squeeze
        layers[f"IMDB{i}.cca.conv_du.2"] = block.attention.excite
    return layers
