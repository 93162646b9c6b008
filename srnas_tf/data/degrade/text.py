"""The text of one step: `name=value/value@probability`."""

import math
from dataclasses import dataclass

import numpy as np

from srnas_tf.data.degrade.picture import Change
from srnas_tf.data.degrade.steps import PRESETS, STEPS, Kind, Parameter
from srnas_tf.errors import UserError

_ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Range:
    """Numbers to draw from, uniformly."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator, whole: bool) -> float:
        if whole:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        return float(rng.uniform(self.low, self.high)) if self.low < self.high else self.low

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}:{self.high:g}"


@dataclass(frozen=True)
class Step:
    """A step of a text.

    Attributes:
        name: a key of `STEPS`.
        values: words or ranges, for each parameter.
        probability: probability of the step, 0 to 1.
    """

    name: str
    values: tuple[tuple[str | Range, ...], ...]
    probability: float = 1.0

    @property
    def kind(self) -> Kind:
        return STEPS[self.name]

    @property
    def divides(self) -> bool:
        """Whether it resizes to the low-resolution image."""
        return self.name == "resize" and self.values[1] == (Range(0, 0),)

    def draw(self, rng: np.random.Generator) -> Change | None:
        """Draws the change of one image; None if the step is left out."""
        if self.probability < 1 and rng.random() >= self.probability:
            return None
        drawn = []
        for parameter, choices in zip(self.kind.parameters, self.values, strict=True):
            choice = choices[int(rng.integers(len(choices)))] if len(choices) > 1 else choices[0]
            drawn.append(choice if isinstance(choice, str) else choice.draw(rng, parameter.whole))
        return self.kind.change(*drawn)

    def __str__(self) -> str:
        values = self.values[:1] if self.divides else self.values
        text = "/".join("|".join(map(str, choices)) for choices in values)
        return f"{self.name}={text}" + (f"@{self.probability:g}" if self.probability < 1 else "")


def step_of(item: str) -> Step:
    """A step from its text.

    Raises:
        UserError: names the step, and what it may be.
    """
    name, equals, rest = (part.strip() for part in item.partition("="))
    if name not in STEPS:
        known = f"steps are {', '.join(STEPS)}; presets are {', '.join(PRESETS)}"
        raise UserError(f"--degradation: {name or item!r} is no step; {known}")
    if not equals or not rest:
        raise UserError(f"--degradation: {item or name}: has no value; write {name}=VALUE, {name}=LOW:HIGH or A|B")
    text, at, probability = (part.strip() for part in rest.partition("@"))
    parameters, given = STEPS[name].parameters, [part.strip() for part in text.split("/")]
    if len(given) > len(parameters):
        raise UserError(f"--degradation: {item}: takes {len(parameters)} value(s): {_names(parameters)}")
    values: list[tuple[str | Range, ...]] = []
    for i, parameter in enumerate(parameters):
        if i < len(given):
            values.append(tuple(_choice(item, parameter, choice) for choice in given[i].split("|")))
        elif parameter.default is None:
            values.append(values[0])
        else:  # a default may lie outside the bounds for given values
            values.append((_choice(item, parameter._replace(bounds=parameter.bounds and _ANY), parameter.default),))
    return Step(name, tuple(values), _probability(item, probability) if at else 1.0)


def _names(parameters: tuple[Parameter, ...]) -> str:
    return ", ".join(parameter.name for parameter in parameters)


def _choice(item: str, parameter: Parameter, text: str) -> str | Range:
    if parameter.bounds:
        return _range(item, parameter, text)
    if text.strip() not in parameter.words:
        raise UserError(f"--degradation: {item}: {text!r} is no {parameter.name}; {', '.join(parameter.words)} are")
    return text.strip()


def _range(item: str, parameter: Parameter, text: str) -> Range:
    ends = [_number(item, parameter, part) for part in text.split(":")]
    if len(ends) > 2:
        raise UserError(f"--degradation: {item}: {text!r} is no range; write LOW:HIGH")
    low, high = ends[0], ends[-1]
    if low > high:
        raise UserError(f"--degradation: {item}: the range {text} is upside down; write {high:g}:{low:g}")
    least, most = parameter.bounds or (-math.inf, math.inf)
    if low < least or high > most:
        raise UserError(f"--degradation: {item}: {parameter.name} must be at least {least:g} and at most {most:g}")
    return Range(low, high)


def _number(item: str, parameter: Parameter, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"--degradation: {item}: {text.strip()!r} is no number; {parameter.name} is one")
    if parameter.whole and value != round(value):
        raise UserError(f"--degradation: {item}: {parameter.name} is a whole number")
    return value


def _probability(item: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UserError(f"--degradation: {item}: the probability {text or 'behind @'} must be a number from 0 to 1")
    return value
