"""The table of steps, with their names and values."""

from collections.abc import Callable
from typing import NamedTuple

from srnas_tf.data.degrade.blur import Anisotropic, Gaussian
from srnas_tf.data.degrade.compress import SUBSAMPLINGS, Jpeg, Webp
from srnas_tf.data.degrade.noise import Gauss, Gray, Poisson
from srnas_tf.data.degrade.picture import Change
from srnas_tf.data.degrade.resize import KERNELS, Resize


class Parameter(NamedTuple):
    """A value of a step.

    Attributes:
        name: its name in messages.
        bounds: the least and the greatest number; None for a word.
        words: the allowed words; empty for a number.
        default: its text if none is given. None takes the step's first value.
        whole: whether it is a whole number.
    """

    name: str
    bounds: tuple[float, float] | None = None
    words: tuple[str, ...] = ()
    default: str | None = None
    whole: bool = False


class Kind(NamedTuple):
    """A kind of step.

    Attributes:
        parameters: its values, in the order of the text.
        change: (drawn values) -> change.
    """

    parameters: tuple[Parameter, ...]
    change: Callable[..., Change]


_SIGMA = (0.0, 30.0)
_LEVELS = (0.0, 255.0)
_QUALITY = Parameter("quality", (1, 100), whole=True)

STEPS: dict[str, Kind] = {
    "blur": Kind((Parameter("sigma", _SIGMA),), Gaussian),
    "aniso": Kind(
        (Parameter("sigma", _SIGMA), Parameter("sigma across", _SIGMA), Parameter("angle", (0, 360), default="0:180")),
        Anisotropic,
    ),
    "resize": Kind(
        (Parameter("kernel", words=tuple(KERNELS)), Parameter("factor", (0.1, 4.0), default="0")),
        Resize,
    ),
    "noise": Kind((Parameter("sigma", _LEVELS),), Gauss),
    "graynoise": Kind((Parameter("sigma", _LEVELS),), Gray),
    "poisson": Kind((Parameter("strength", (0.0, 10.0)),), Poisson),
    "jpeg": Kind((_QUALITY, Parameter("subsampling", words=tuple(SUBSAMPLINGS), default="420")), Jpeg),
    "webp": Kind((_QUALITY,), Webp),
}

PHOTO = (
    "blur=0.2:2.2@0.2,aniso=0.2:2.2@0.08,resize=bicubic|area|bilinear|lanczos|nearest,"
    "noise=1:12@0.25,graynoise=1:12@0.1,poisson=0.1:0.7@0.08,jpeg=40:95/420|444@0.75,jpeg=60:95@0.1,webp=50:95@0.05"
)

PRESETS = {"photo": PHOTO, **{kernel: f"resize={kernel}" for kernel in KERNELS}}
"""Names for texts. docs/degradations.md explains `photo`."""
