"""The spaces by name, with the recipes of their blocks."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol


class Staged(Protocol):
    """The part of `space.Space` that recipes depend on."""

    @property
    def stages(self) -> int: ...


INITIAL = ("SSSS", "SSS", "SSCS", "SCSS", "SCS")
"""Thesis, figure 3.5: every sequence in which a split follows each conv."""


def _imdn(space: Staged, position: int) -> Iterable[str]:
    return ["SCSCS"]


def _initial(space: Staged, position: int) -> Iterable[str]:
    return INITIAL


def _initial20(space: Staged, position: int) -> Iterable[str]:
    """Code 4 * path + 2 * skip1 + skip2: each path with or without skip convs on its first two distilled branches."""
    for recipe, skip1, skip2 in itertools.product(INITIAL, (False, True), (False, True)):
        yield with_skips(recipe, {0: skip1, 1: skip2})


def _dynamic(space: Staged, position: int) -> Iterable[str]:
    """`S`, then the code's bits, most significant first: 1 is a conv, 0 a split (thesis, figure 3.6)."""
    for bits in itertools.product("SC", repeat=space.stages):
        yield "S" + "".join(bits)


def _tapped(space: Staged, position: int) -> Iterable[str]:
    """`T`, then at most `stages` convolutions, each with or without a tap behind it; the shortest first."""
    for count in range(space.stages + 1):
        for convs in itertools.product(("C", "CT"), repeat=count):
            yield "T" + "".join(convs)


def _light(space: Staged, position: int) -> Iterable[str]:
    """The dynamic space with a third choice for each stage, a large kernel (`D`): 3^stages paths of separable
    convolutions.
    """
    for letters in itertools.product("SDC", repeat=space.stages):
        yield "S" + "".join(letters)


def with_skips(recipe: str, skips: dict[int, bool]) -> str:
    """The recipe with skip convs on the numbered splits."""
    splits = itertools.count()
    return "".join("R" if letter in "SR" and skips.get(next(splits)) else letter for letter in recipe)


@dataclass(frozen=True)
class SpaceKind:
    """The recipes of a space's blocks, and its defaults.

    Attributes:
        recipes: (space, position of the block from 0) -> its recipes, in the order of their codes.
        staged: whether `--stages` sets their number.
    """

    recipes: Callable[[Staged, int], Iterable[str]]
    ending: str
    conv: str = "plain"
    stem: str = "plain"
    fusion_kernel: int = 0
    staged: bool = False


SPACES = {
    "imdn": SpaceKind(_imdn, "imdn"),
    "initial": SpaceKind(_initial, "reduced"),
    "initial20": SpaceKind(_initial20, "reduced"),
    "dynamic": SpaceKind(_dynamic, "reduced", staged=True),
    "tapped": SpaceKind(_tapped, "bare", "blueprint", "thin", staged=True),
    "light": SpaceKind(_light, "reduced", "blueprint", "light", 1, staged=True),
}
"""Spaces by the value of `--space`. A space that is added here works in flags and in Python."""
