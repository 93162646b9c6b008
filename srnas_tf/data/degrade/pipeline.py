"""A degradation: parses its text, and applies it to images."""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from srnas_tf.data.degrade.picture import Picture, Rectangles, Size, Window
from srnas_tf.data.degrade.steps import PRESETS
from srnas_tf.data.degrade.text import Step, step_of
from srnas_tf.errors import UserError

DEFAULT = "bicubic"
_BEFORE_THE_REDUCTION = ("blur", "aniso")
"""Steps that stay before the reduction if a text has none of its own."""


@dataclass(frozen=True)
class Degradation:
    """Steps that make a low-resolution image of a high-resolution one; `str` gives the text with all defaults."""

    steps: tuple[Step, ...]

    @property
    def plain(self) -> bool:
        """Whether it is MATLAB's bicubic reduction alone."""
        return str(self) == DEFAULT

    def __str__(self) -> str:
        text = ",".join(map(str, self.steps))
        return DEFAULT if text == PRESETS[DEFAULT] else text

    def window(self, hr: Rectangles, final: Size, scale: int, wanted: Window, rng: np.random.Generator) -> np.ndarray:
        """A window of an image's low-resolution image.

        Only the pixels that the window depends on are read. Its borders have no effect on any step.

        Args:
            hr: uint8 [height, width, 3]. Pixels beyond a multiple of the scale are left out.
            final: height and width of the low-resolution image.
            scale: the enlargement.
            wanted: the window, low-resolution pixels.
            rng: draws the values of the steps.

        Returns:
            uint8 of the window's shape.
        """
        height, width = final[0] * scale, final[1] * scale
        changes = [change for step in self.steps if (change := step.draw(rng))]
        sizes = list(
            itertools.accumulate(changes, lambda size, change: change.size(size, final), initial=(height, width))
        )
        windows = [wanted]
        for change, size, after in zip(reversed(changes), sizes[-2::-1], sizes[:0:-1], strict=True):
            windows.append(change.needs(windows[-1], size, after))
        at = windows.pop()
        pixels = hr[at.top : at.bottom, at.left : at.right]
        for change, size, after in zip(changes, sizes, sizes[1:], strict=False):
            picture, at = Picture(pixels, at, size), windows.pop()
            pixels = change.apply(picture, at, after, rng)
        return pixels

    def whole(self, hr: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
        """The whole low-resolution image, as `window` makes it."""
        height, width = hr.shape[0] // scale, hr.shape[1] // scale
        return self.window(hr, (height, width), scale, Window(0, 0, height, width), rng)


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Degradation:
    """A degradation from its text: steps `name=value/value@probability` and presets, separated by commas.

    If no step divides by the scale, a bicubic reduction is added. It comes behind the blurs at the beginning and behind
    each `resize` with a factor.

    Raises:
        UserError: names the wrong step, and what it may be.
    """
    items = [item.strip() for item in text.split(",")]
    items = [part for item in items for part in PRESETS.get(item, item).split(",")]
    steps = [step_of(item) for item in items]
    dividing = [i for i, step in enumerate(steps) if step.divides]
    if len(dividing) > 1:
        raise UserError(
            f"--degradation: {steps[dividing[0]]} and {steps[dividing[1]]} both divide by the scale; drop one, or give "
            "one a factor (resize=bicubic/0.5:1.5)"
        )
    if not dividing:
        blurs = list(itertools.takewhile(lambda step: step.name in _BEFORE_THE_REDUCTION, steps))
        resized = [i + 1 for i, step in enumerate(steps) if step.name == "resize"]
        dividing = [max([len(blurs), *resized])]
        steps.insert(dividing[0], step_of(PRESETS[DEFAULT]))
    reduction = steps[dividing[0]]
    if reduction.probability < 1:
        raise UserError(f"--degradation: {reduction} divides by the scale, which is always done; drop its @")
    if late := [step for step in steps[dividing[0] + 1 :] if step.name == "resize"]:
        raise UserError(
            f"--degradation: {late[0]} stands behind {reduction}, which gives the final size; exchange them"
        )
    return Degradation(tuple(steps))


def called(text: str) -> str:
    """The preset that a text with all its defaults equals; the text itself if there is none."""
    return next((name for name, preset in PRESETS.items() if str(parse(preset)) == text), text)


PLAIN = parse(DEFAULT)
"""MATLAB's bicubic reduction."""
