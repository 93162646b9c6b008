"""The networks of the thesis' table 4.1, as their papers define them. IMDN is in `arch.network`."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from srnas_tf.arch.graph import Graph, Luma, ReplaceLuma, Resample, Tensor
from srnas_tf.arch.network import HD_PIXELS, MAX_CHANNELS, check_scale
from srnas_tf.arch.zoo.bicubic import bicubic
from srnas_tf.arch.zoo.carn import carn
from srnas_tf.arch.zoo.drcn import drcn
from srnas_tf.arch.zoo.drrn import drrn
from srnas_tf.arch.zoo.edsr import edsr_baseline
from srnas_tf.arch.zoo.fsrcnn import fsrcnn
from srnas_tf.arch.zoo.idn import idn
from srnas_tf.arch.zoo.lapsrn import lapsrn
from srnas_tf.arch.zoo.memnet import memnet
from srnas_tf.arch.zoo.srcnn import srcnn
from srnas_tf.arch.zoo.srmd import srmdnf
from srnas_tf.arch.zoo.vdsr import vdsr
from srnas_tf.errors import UserError

Body = Callable[[Tensor, int, int], Any]
"""(input tensor, scale, channels) -> output tensor, or output tensors by scale if the network has several scales."""


def _rgb(body: Body, image: Tensor, scale: int, width: int) -> dict[int, Tensor]:
    """Input and output of the network are RGB."""
    made = body(image, scale, width)
    return made if isinstance(made, dict) else {scale: made}


def _luma(body: Body, image: Tensor, scale: int, width: int) -> dict[int, Tensor]:
    """Input and output of the network are luma. The colours are enlarged by bicubic."""
    return {scale: ReplaceLuma()(Resample(scale)(image), body(Luma()(image), scale, width))}


def _enlarged_luma(body: Body, image: Tensor, scale: int, width: int) -> dict[int, Tensor]:
    """The input of the network is luma, enlarged by bicubic. Its output is luma of the same size."""
    enlarged = Resample(scale)(image)
    return {scale: ReplaceLuma()(enlarged, body(Luma()(enlarged), scale, width))}


class System(NamedTuple):
    """A network of the zoo.

    Attributes:
        body: defines its layers.
        sees: connects an image to `body`: `_rgb`, `_luma` or `_enlarged_luma`.
        width: channels of its features in the paper; 0 if it has no features.
        multiple: any other width must be a multiple of this.
        start: the default initialization of its kernels: "he" or "uniform".
    """

    body: Body
    sees: Callable[[Body, Tensor, int, int], dict[int, Tensor]]
    width: int = 64
    multiple: int = 1
    start: str = "he"


ZOO: dict[str, System] = {
    "bicubic": System(bicubic, _rgb, width=0),
    "srcnn": System(srcnn, _enlarged_luma, multiple=2),
    "fsrcnn": System(fsrcnn, _luma, width=56),
    "vdsr": System(vdsr, _enlarged_luma),
    "drcn": System(drcn, _enlarged_luma, width=256),
    "lapsrn": System(lapsrn, _luma),
    "drrn": System(drrn, _enlarged_luma, width=128),
    "memnet": System(memnet, _enlarged_luma),
    "idn": System(idn, _luma, multiple=16),
    # Residual blocks without norms: He's variance would double the signal in each of them.
    "edsr_baseline": System(edsr_baseline, _rgb, start="uniform"),
    "srmdnf": System(srmdnf, _rgb, width=128),
    "carn": System(carn, _rgb, start="uniform"),
}


@dataclass(frozen=True)
class ZooNetwork:
    """A network of the zoo at a scale. Its text form is `x4:carn`, or `x4:carn:w24` if its width is not the paper's.

    Args:
        name: a key of `ZOO`.
        scale: 2, 3 or 4.
        width: channels of its features; other channels change in proportion. 0 takes the paper's.

    Raises:
        UserError: if there is no such network, or it cannot have this scale or width.
    """

    name: str
    scale: int
    width: int = 0

    def __post_init__(self) -> None:
        if self.name not in ZOO:
            raise UserError(f"network {self.name!r} is not of the zoo: {', '.join(ZOO)}")
        check_scale(self.scale)
        if self.width in (0, self.system.width):
            object.__setattr__(self, "width", self.system.width)
            return
        if not self.system.width:
            raise UserError(f"--width={self.width}: {self.name} has no channels to choose; drop it")
        if self.width % self.system.multiple or not 1 <= self.width <= MAX_CHANNELS:
            raise UserError(
                f"--width={self.width}: {self.name} can have multiples of {self.system.multiple}, up to {MAX_CHANNELS}"
            )

    @property
    def hyperparameters(self) -> dict[str, int | str]:
        """The properties that flags can choose for any network of the zoo."""
        return {"scale": self.scale, "width": self.width}

    @property
    def system(self) -> System:
        return ZOO[self.name]

    @property
    def enlarges_first(self) -> bool:
        """Whether its input is already enlarged by bicubic. The network then learns to correct that image."""
        return self.system.sees is _enlarged_luma

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph of its layers. Input and output are RGB in 0..1."""
        image = Tensor(3, 1)
        return Graph(image, self.system.sees(self.system.body, image, self.scale, self.width))

    @property
    def params(self) -> int:
        return self.graph.params

    def macs(self, output_pixels: int = HD_PIXELS) -> int:
        """Multiply-accumulates of all convolutions for an output of `output_pixels`, by default 1280x720."""
        return sum(self.graph.macs(self.scale, output_pixels // self.scale**2).values())

    def costs(self, output_pixels: int = HD_PIXELS) -> list[dict]:
        """Parameters and MACs of each layer."""
        macs = self.graph.macs(self.scale, output_pixels // self.scale**2)
        return [{"recipe": str(layer), "params": layer.params, "macs": macs[layer]} for layer in macs]

    def __str__(self) -> str:
        return f"x{self.scale}:{self.name}" + (f":w{self.width}" if self.width != self.system.width else "")

    @classmethod
    def parse(cls, text: str) -> "ZooNetwork":
        """The inverse of `str`.

        Raises:
            UserError: if the text does not have that form.
        """
        match = re.fullmatch(r"x(\d{1,9}):(\w+)(?::w(\d{1,9}))?", text)
        if not match:
            raise UserError(f"architecture {text!r} is not of the form x4:carn or x4:carn:w24")
        return cls(match[2], int(match[1]), int(match[3] or 0))
