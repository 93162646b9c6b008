"""Settings: frozen dataclasses whose fields are the command line's flags."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Self, TypeVar

from srnas_tf.errors import UserError

T = TypeVar("T")

MANY = 1_000_000_000
"""Above any sensible count, and within the range of libraries' integers."""


class Values(tuple[T, ...]):
    """The values of a setting that may be a choice, each once. In text, `/` stands between them."""

    @classmethod
    def of(cls, name: str, given: Any, kind: type[T]) -> Self:
        """The values from a flag's text, a record's list or a single value.

        Args:
            name: name of the flag, for errors.
            given: text (`32/48/64`), a sequence, or one value.
            kind: int, float or str: the type of each value.

        Raises:
            UserError: if there is none, one is not of that type, or one is given twice.
        """
        single = isinstance(given, str) or not isinstance(given, Iterable)
        parts: list[Any] = str(given).split("/") if single else list(given)
        try:
            values = cls(part if type(part) is kind else kind(str(part).strip()) for part in parts)  # type: ignore[call-arg]
        except ValueError:
            what = {int: "a whole number", float: "a number", str: "a value"}[kind]
            raise UserError(f"--{name}={given}: give {what}, or several with / between them") from None
        if not values or (len(values) > 1 and "" in values):
            raise UserError(f"--{name}={'/'.join(map(str, parts))}: a value is missing; give one on each side of a /")
        twice = [value for i, value in enumerate(values) if value in values[:i]]
        if twice:
            raise UserError(f"--{name}={values}: {twice[0]} is given twice; give each value once")
        return values

    def __str__(self) -> str:
        return "/".join(map(str, self))


class Course(tuple[tuple[float, T], ...]):
    """The values of a setting during a training, each with the share of steps after which it begins.

    The text `24,48@0.7` means 24 at first, and 48 once 0.7 of the steps are done.
    """

    @classmethod
    def of(cls, name: str, given: Any, kind: type[T]) -> Self:
        """The course that a flag's text or a single value stands for.

        Args:
            name: name of the flag, for errors.
            given: text (`24,48@0.7`), or one value.
            kind: int, float or str: the type of each value.

        Raises:
            UserError: if a value is not of that type, or the shares do not grow between 0 and 1.
        """
        first, *others = str(given).split(",")
        pairs = [(first, "@", "0"), *(other.rpartition("@") for other in others)]
        if "@" in first or not all(at for _, at, _ in pairs):
            raise UserError(f"--{name}={given}: say from which share of the steps on a value holds: A,B@0.7")
        try:
            if type(given) is kind and kind is not str:
                return cls(((0.0, given),))
            course = cls((float(share), kind(value.strip())) for value, _, share in pairs)  # type: ignore[call-arg]
        except ValueError:
            what = {int: "a whole number", float: "a number", str: "a value"}[kind]
            raise UserError(f"--{name}={given}: give {what}, or several over the steps: A,B@0.7") from None
        shares = [share for share, _ in course]
        if not all(early < late < 1 for early, late in itertools.pairwise(shares)):
            raise UserError(f"--{name}={given}: shares of the steps must grow, and lie between 0 and 1")
        return course

    @property
    def plain(self) -> T | str:
        """The value if there is only one, else the text: what a record holds."""
        return self[0][1] if len(self) == 1 else str(self)

    def __str__(self) -> str:
        return ",".join(f"{value}@{share}" if share else str(value) for share, value in self)

    def at(self, step: int, steps: int) -> T:
        """The value of a step, counted from 0, of a training of so many steps."""
        return [value for share, value in self if step >= round(share * steps)][-1]


def setting(
    default: Any,
    help: str,
    choices: Sequence = (),
    bounds: tuple[float, float] | None = None,
    several: type | None = None,
    course: type | None = None,
) -> Any:
    """A dataclass field that is also a flag of the same name, type and default.

    Args:
        default: its default value.
        help: text for `--help`.
        choices: the allowed values; empty for any.
        bounds: the least and the greatest value of a number.
        several: the type of each value, if the field holds `Values`.
        course: the type of each value, if it may change over a training. The field holds `Course.plain`.
    """
    metadata = {"help": help, "choices": tuple(choices), "bounds": bounds, "several": several, "course": course}
    return dataclasses.field(default=default, metadata=metadata)


def check(settings: Any) -> None:
    """Refuses a value that is none of its field's choices, or outside its bounds. NaN is always outside.

    Fields of several values become `Values`; those that change over a training, `Course.plain`.

    Raises:
        UserError: names the flag and the allowed values.
    """
    for field in dataclasses.fields(settings):
        name, value, choices = field.name, getattr(settings, field.name), field.metadata["choices"]
        if kind := field.metadata["several"]:
            value = Values.of(name, value, kind)
            object.__setattr__(settings, name, value)
        values = value if kind else (value,)
        if kind := field.metadata["course"]:
            course = Course.of(name, value, kind)
            object.__setattr__(settings, name, course.plain)
            values = [each for _, each in course]
        for each in values:
            if choices and each not in choices:
                allowed = ", ".join(str(choice) for choice in choices if choice)
                raise UserError(f"--{name}={each}: choose one of {allowed}")
            if bounds := field.metadata["bounds"]:
                least, most = bounds
                if not least <= each <= most:
                    raise UserError(f"--{name}={each}: must be at least {least} and at most {most}")
