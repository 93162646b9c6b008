"""Settings: frozen dataclasses whose fields are the command line's flags."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from srnas_tf.errors import UserError

MANY = 1_000_000_000
"""More than any count here can sensibly be, and less than what libraries count to."""


def setting(default: Any, help: str, choices: Sequence = (), bounds: tuple[float, float] | None = None) -> Any:
    """A dataclass field that is also a flag of the same name, type and default.

    Args:
        default: its value unless given.
        help: what it is, for `--help`.
        choices: the values that it may have; any unless given.
        bounds: the least and the greatest value of a number.
    """
    return dataclasses.field(default=default, metadata={"help": help, "choices": tuple(choices), "bounds": bounds})


def check(settings: Any) -> None:
    """Refuses a value that is none of its field's choices, or outside its bounds, as NaN always is.

    Raises:
        UserError: naming the flag, and what it may be.
    """
    for field in dataclasses.fields(settings):
        name, value, choices = field.name, getattr(settings, field.name), field.metadata["choices"]
        if choices and value not in choices:
            raise UserError(f"--{name}={value}: choose one of {', '.join(str(choice) for choice in choices if choice)}")
        if bounds := field.metadata["bounds"]:
            least, most = bounds
            if not least <= value <= most:
                raise UserError(f"--{name}={value}: must be at least {least} and at most {most}")
