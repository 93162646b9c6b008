"""Settings: frozen dataclasses whose fields are the command line's flags."""

import dataclasses
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
            name: of the flag, for errors.
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


def setting(
    default: Any,
    help: str,
    choices: Sequence = (),
    bounds: tuple[float, float] | None = None,
    several: type | None = None,
) -> Any:
    """A dataclass field that is also a flag of the same name, type and default.

    Args:
        default: its default value.
        help: for `--help`.
        choices: the allowed values; empty for any.
        bounds: the least and the greatest value of a number.
        several: the type of each value, if the field holds `Values`.
    """
    metadata = {"help": help, "choices": tuple(choices), "bounds": bounds, "several": several}
    return dataclasses.field(default=default, metadata=metadata)


def check(settings: Any) -> None:
    """Refuses a value that is none of its field's choices, or outside its bounds. NaN is always outside.

    Fields of several values become `Values`.

    Raises:
        UserError: names the flag and the allowed values.
    """
    for field in dataclasses.fields(settings):
        name, value, choices = field.name, getattr(settings, field.name), field.metadata["choices"]
        if kind := field.metadata["several"]:
            value = Values.of(name, value, kind)
            object.__setattr__(settings, name, value)
        for each in value if kind else (value,):
            if choices and each not in choices:
                allowed = ", ".join(str(choice) for choice in choices if choice)
                raise UserError(f"--{name}={each}: choose one of {allowed}")
            if bounds := field.metadata["bounds"]:
                least, most = bounds
                if not least <= each <= most:
                    raise UserError(f"--{name}={each}: must be at least {least} and at most {most}")
