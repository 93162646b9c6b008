"""Reads untrusted files: regular files alone, JSON with bounded numbers, records with typed fields."""

import dataclasses
import functools
import json
import math
import os
import stat
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

S = TypeVar("S")

LARGEST = 2**63 - 1
"""The largest whole number of a record, as for counts, sizes and seeds."""

_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""O_NONBLOCK: a pipe without a writer must not block. O_BINARY: Windows must not change line ends."""


def check_regular(path: Path) -> None:
    """Refuses pipes and devices, which may have no end.

    Raises:
        OSError: if there is no file, or it cannot be examined.
        ValueError: if it is something else.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is no regular file")


def content(path: Path) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: if there is no file, or it cannot be read.
        ValueError: if it is something else.
    """
    # The file that was checked is the one that is read, and opening it does not wait for another process.
    with os.fdopen(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        return file.read()


def parse(text: str | bytes) -> Any:
    """Parses JSON. Numbers must fit into 64 bits.

    Raises:
        ValueError: if it is no JSON, no UTF-8, too deep, or a number is too large.
    """
    try:
        return json.loads(text if isinstance(text, str) else text.decode("utf-8"), parse_int=_int, parse_float=_float)
    except RecursionError:
        raise ValueError("it has no bottom") from None


def _int(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > LARGEST:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number without end")
    return value


def is_of(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a field's type. A bool is no number, and a whole number may stand for a float.

    Args:
        value: value from JSON.
        kind: a class, a union of classes, or a list, tuple or dictionary with or without the types of its items.
    """
    if kind is Any:
        return True
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, types.UnionType):
        return any(is_of(value, each) for each in inner)
    if isinstance(origin, type) and issubclass(origin, list | tuple):
        if not isinstance(value, list | tuple):  # a kind of tuple of its own (`settings.Values`) may be one value
            return origin not in (list, tuple) and is_of(value, inner[0])
        return all(is_of(each, inner[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(is_of(each, inner[1]) for each in value.values())
    if isinstance(value, bool) and kind is not bool:
        return False
    return isinstance(value, int | float if kind is float else kind)


def check_fields(record: Any, kinds: Mapping[str, Any]) -> None:
    """Refuses a record that lacks one of these fields, or has it of another type.

    Raises:
        ValueError: names the field.
    """
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    for name, kind in kinds.items():
        if name not in record:
            raise ValueError(f"it has no {name}")
        if not is_of(record[name], kind):
            raise ValueError(f"its {name} is {json.dumps(record[name])[:60]}")


def settings_of(kind: Callable[..., S], record: Any) -> S:
    """A dataclass from a record's fields, with their types checked.

    Raises:
        UserError: if the dataclass refuses a value.
        ValueError: if a field is of another type.
        TypeError: if the dataclass has no such field.
    """
    if isinstance(record, dict):
        kinds = _fields_of(kind)
        check_fields(record, {name: kinds[name] for name in record if name in kinds})
        return kind(**record)
    raise ValueError("it is no record")


@functools.cache
def _fields_of(kind: Any) -> dict[str, Any]:
    """The types of a dataclass' fields, by name."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def text_of(path: Path, most: int) -> str:
    """The first bytes of a file that this user or root owns, never through a link; empty if there is none."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _FLAGS | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            found = os.fstat(file.fileno())
            own = stat.S_ISREG(found.st_mode) and found.st_uid in (0, *_users())
            return file.read(most).decode(errors="replace").strip() if own else ""
    except OSError:
        return ""


def _users() -> tuple[int, ...]:
    return (os.geteuid(),) if hasattr(os, "geteuid") else (0,)
