"""The latency of networks on one machine, as a sum over the frame and the blocks."""

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from srnas_tf.arch.block import Block
from srnas_tf.arch.network import Network
from srnas_tf.arch.space import Space
from srnas_tf.errors import UserError

VERSION = 1
"""The version of the file's format (export/latency/README.md)."""


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of a space's blocks in one runtime on one machine, for one image at a time.

    Networks are of one scale, width, depth and stem. The frame is all but the blocks: the first convolution, the layers
    behind the blocks, and the call of the runtime itself.

    Attributes:
        machine: its name.
        runtime: `tf`, `onnxruntime`, `litert`, or any other name in a table from elsewhere.
        runtime_version: its version.
        threads: threads that the runtime could use, >= 1.
        input_size: size of the low-resolution image, as HEIGHTxWIDTH.
        date: day of the measurement, such as 2026-11-23.
        scale: enlargement.
        width: channels of the trunk.
        depth: blocks of a network.
        stem: a key of `network.STEMS`.
        frame: milliseconds, > 0.
        blocks: milliseconds, > 0, by the block's text form.
    """

    machine: str
    runtime: str
    runtime_version: str
    threads: int
    input_size: str
    date: str
    scale: int
    width: int
    depth: int
    stem: str
    frame: float
    blocks: Mapping[str, float]

    def of_block(self, block: Block, like: Network | None = None) -> float:
        """Milliseconds that a block adds to any network of the table.

        Raises:
            UserError: if the table does not have it.
        """
        if str(block) not in self.blocks:
            raise UserError(f"the latency table has no block {block}; measure one of its space with --mode=benchmark")
        return self.blocks[str(block)]

    def of_frame(self, network: Network) -> float:
        """Milliseconds of a network without its blocks.

        Raises:
            UserError: if the table is of networks with another frame.
        """
        if network.hyperparameters != self.hyperparameters:
            raise UserError(
                f"the latency table is for networks with {self._described}, and {network} is not one of them"
            )
        return self.frame

    def predict(self, network: Network) -> float:
        """Milliseconds of a network. Raises as `of_frame` and `of_block`."""
        return self.of_frame(network) + sum(self.of_block(block) for block in network.blocks)

    @property
    def hyperparameters(self) -> dict[str, int | str]:
        """The hyperparameters that all its networks share (`Network.hyperparameters`)."""
        return {"scale": self.scale, "width": self.width, "depth": self.depth, "stem": self.stem}

    @property
    def _described(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.hyperparameters.items())

    def check(self, space: Space, source: str) -> None:
        """Refuses a table that does not hold all networks of a space.

        Args:
            source: the flag or file to name.

        Raises:
            UserError: names what is missing.
        """
        for name, value in self.hyperparameters.items():
            if str(getattr(space, name)) != str(value):
                raise UserError(
                    f"{source}: is of {name} {value}, and the networks are of {name} {getattr(space, name)}; "
                    "give a table of this space"
                )
        missing = [str(block) for block in space.blocks if str(block) not in self.blocks]
        if missing:
            raise UserError(
                f"{source}: lacks {len(missing)} of the {len(space.blocks)} blocks of space {space}: "
                f"{', '.join(missing[:3])}{', ...' if missing[3:] else ''}; give a table of this space"
            )

    def to_json(self) -> dict[str, Any]:
        """The table as plain data."""
        return {"version": VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> "LatencyTable":
        """The inverse of `to_json`.

        Raises:
            ValueError: says what is wrong.
        """
        values = check_fields(cls, data, VERSION)
        check_full("block", values["blocks"], Block.parse)
        return cls(**values)


def check_full(kind: str, texts: Iterable[str], parse: Callable[[str], object]) -> None:
    """Refuses texts of blocks or networks that leave out default values, by a ValueError."""
    for text in texts:
        if (full := str(parse(text))) != text:
            raise ValueError(f"{kind} {text!r} is not in its full form, {full!r}")


def check_fields(cls: type, data: Any, version: int) -> dict[str, Any]:
    """The fields of a dataclass of latencies, from plain data.

    Raises:
        ValueError: says what is wrong.
    """
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")
    if data.get("version") != version:
        raise ValueError(f"its version is {data.get('version')!r}, not {version}")
    fields = {field.name: field.type for field in dataclasses.fields(cls)}
    for difference, said in ((fields.keys() - data, "is missing"), (data.keys() - fields - {"version"}, "unknown")):
        if difference:
            raise ValueError(f"{min(difference)!r} {said}")
    values = {name: data[name] for name in fields}
    for name, kind in fields.items():
        _check(name, kind, values[name])
    parse_size(values["input_size"])
    return values


def _check(name: str, kind: Any, value: Any) -> None:
    """Refuses a value that a field of that kind cannot have."""
    if kind is str:
        wanted, right = "a text", isinstance(value, str) and bool(value.strip())
    elif kind is int:
        wanted, right = "a whole number, 1 or more", type(value) is int and value >= 1
    elif kind is float:
        wanted, right = "milliseconds, finite and above 0", _is_time(value)
    else:
        if not isinstance(value, dict) or not value:
            raise ValueError(f"{name!r} is not an object of {name} and their milliseconds")
        for text, time in value.items():
            _check(text, float, time)
        return
    if not right:
        raise ValueError(f"{name!r} is {value!r}, not {wanted}")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def parse_size(text: str) -> tuple[int, int]:
    """Height and width, in pixels, of `128x96`.

    Raises:
        ValueError: if the text is not of that form.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if not match:
        raise ValueError(f"size {text!r} is not of the form 128x128: height and width in pixels, 9999 at most")
    return int(match[1]), int(match[2])
