"""`srnas_tf.load` and `srnas_tf.upscale`: networks and enlarged images, from Python.

Nothing heavy is imported before one of them is called.
"""

import contextlib
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

from srnas_tf import models
from srnas_tf.host import devices
from srnas_tf.host.silence import stderr_aside
from srnas_tf.kit import networks, picture, reading, tiles
from srnas_tf.kit.picture import Photograph

if TYPE_CHECKING:
    from srnas_tf.nets import Net

Picture = TypeVar("Picture", np.ndarray, Image.Image)


def load(model: str | Path) -> "Net":
    """Loads a trained network as a Keras model, on any backend of Keras.

    Input: float RGB in 0..1, [batch, height, width, 3], of any height and width. Output: float32 [batch, height *
    scale, width * scale, 3], not clipped.

    Args:
        model: a `.keras` file, or the name of a network in the package: `x2`, `x3`, `x4`.

    Raises:
        UserError: if there is no such file or name, or the file is not a network of this package.

    Examples:
        >>> srnas_tf.load("x4").scale
        4
    """
    path = _path(model)
    _backend()
    from srnas_tf.nets import files

    return files.load(path)


def upscale(image: Picture, scale: int = 4, model: "str | Path | Net | None" = None) -> Picture:
    """Enlarges an image. The result is of the same kind.

    Large images are enlarged in tiles. Up to rounding, the result equals that of the whole image at once.

    Args:
        image: uint8, uint16 or float RGB [height, width, 3], floats in 0..1 (computed with 16 bits); or a PIL image of
            any mode. A PIL image comes back in 8 bits, with its transparency and colour profile.
        scale: chooses the network in the package: 2, 3 or 4. A `model` has a scale of its own. A PIL image that was
            read from a JPEG file is enlarged by the network for such files, if there is one.
        model: a file as `--model` takes it, a name as `load` takes it, or a network.

    Raises:
        ValueError: if an array is not such an image.
        UserError: if there is no such model.

    Examples:
        >>> srnas_tf.upscale(np.zeros((8, 8, 3), np.uint8)).shape
        (32, 32, 3)
    """
    if isinstance(image, Image.Image):
        enlarger = _enlarger(model, scale, reading.is_lossy(image))
        return _as_pil(picture.enlarge(reading.take_apart(Path("image"), reading.Opened(image)), enlarger))
    levels, enlarger = _levels(image), _enlarger(model, scale)
    enlarged = picture.enlarge(Photograph(levels), enlarger).pixels[:]
    return enlarged / np.float32(65535) if image.dtype.kind == "f" else enlarged


def _path(model: str | Path) -> Path:
    path = Path(model).expanduser()
    return path if path.exists() or path.suffix else models.named(str(model))


def _levels(image: np.ndarray) -> np.ndarray:
    """An array as uint8 or uint16."""
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"an image has the shape [height, width, 3], not {list(image.shape)}")
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f":
        raise ValueError(f"an image is uint8, uint16 or float in 0..1, not {image.dtype}")
    if not np.isfinite(image).all():
        raise ValueError("the image holds values that are not finite")
    return np.rint(np.clip(image, 0, 1) * np.float64(65535)).astype(np.uint16)


def _as_pil(photograph: Photograph) -> Image.Image:
    photograph = reading.eight_bits(photograph)
    image = Image.fromarray(photograph.pixels[:])
    if photograph.gray:
        image = image.convert("L")
    if photograph.alpha is not None:
        image.putalpha(Image.fromarray(photograph.alpha[:][..., 0]))
    if photograph.profile:
        image.info["icc_profile"] = photograph.profile
    return image


def _enlarger(model: Any, scale: int, lossy: bool = False) -> tiles.Model:
    if model is None:
        model = models.named(networks.name_for(models.path(scale).stem, lossy, models.names()))
    elif not isinstance(model, (str, Path)):
        return _of_network(model)
    path = _path(model)
    return _of_file(path.absolute(), path.stat().st_mtime_ns if path.exists() else 0)


@functools.lru_cache(4)
def _of_file(path: Path, changed: int) -> tiles.Model:
    """A model file, read once until it changes. TensorFlow compiles it; other backends run it as it is."""
    if path.suffix == ".keras" and _backend() != "tensorflow":
        return _of_network(load(path))
    from srnas_tf.freeze.staged import load_model

    return load_model(path)


def _of_network(network: "Net") -> tiles.Model:
    """A network in stages, on any backend."""
    from keras import ops

    from srnas_tf.metrics import as_batch
    from srnas_tf.nets.stages import stages

    def whole(lr: np.ndarray) -> np.ndarray:
        with _without_gradients():
            return ops.convert_to_numpy(network(as_batch(lr)))[0]

    def run(stage: int, maps: list[np.ndarray], moments: np.ndarray, mask: np.ndarray):
        given = [ops.convert_to_tensor(each[None]) for each in maps]
        with _without_gradients():
            made, gathered = cut[stage].run(given, ops.convert_to_tensor(moments), ops.convert_to_tensor(mask[None]))
            return [ops.convert_to_numpy(each)[0] for each in made], ops.convert_to_numpy(gathered)

    cut = stages(network)
    if not cut:
        return tiles.Model(whole, network.scale)
    staged = tiles.Stages(run, tuple(each.reach for each in cut), tuple(cut[1].channels[:3]), grid=cut[0].grid)
    return tiles.Model(whole, network.scale, lambda: staged)


def _backend() -> str:
    """The backend of Keras, imported without TensorFlow's greetings."""
    if "keras" in sys.modules:
        quiet: contextlib.AbstractContextManager = contextlib.nullcontext()
    else:
        devices.settle_tensorflow()
        quiet = stderr_aside()
    with quiet:
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_logical_devices()
    return keras.backend.backend()


def _without_gradients() -> contextlib.AbstractContextManager:
    """Without this, PyTorch would keep the output of each layer."""
    if _backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
