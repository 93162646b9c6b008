"""Chooses one of the available networks for each image."""

import functools
from collections.abc import Callable, Collection
from pathlib import Path

from . import tiles
from .picture import Photograph


def name_for(usual: str, lossy: bool, names: Collection[str]) -> str:
    """The usual network, `x4`; or `x4-photo`, if the image was compressed with loss and there is one."""
    photo = f"{usual}-photo"
    return photo if lossy and photo in names else usual


class Networks:
    """The networks that enlarge images, each loaded when the first image needs it.

    Args:
        scale: factor of the enlargement.
        names: names of the available networks.
        load: name -> network.
        tell: takes one line, when the choice first differs from the usual one.
    """

    def __init__(
        self, scale: int, names: Collection[str], load: Callable[[str], tiles.Model], tell: Callable[[str], None]
    ) -> None:
        self.scale = scale
        self._names, self._load, self._tell, self._told = names, functools.cache(load), tell, False

    @classmethod
    def of(cls, model: tiles.Model) -> "Networks":
        """One network for all images, which the user has named."""
        return cls(model.scale, (), lambda name: model, lambda line: None)

    def for_image(self, path: Path, photograph: Photograph) -> tiles.Model:
        """The network for an image."""
        usual = f"x{self.scale}"
        name = name_for(usual, photograph.lossy, self._names)
        if name != usual and not self._told:
            self._told = True
            said = " ".join(path.name.split())  # in one line, whatever it is made of
            self._tell(f"{said}: compressed with loss; {name} enlarges such files, unless told --model={usual}")
        return self._load(name)
