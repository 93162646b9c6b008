"""Where photographs come from: folders, DIV2K's layout, or the few that scikit-image carries."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srnas_tf.data import images, imresize
from srnas_tf.data.held_out import split
from srnas_tf.errors import UserError
from srnas_tf.settings import setting

PHOTOS = {
    "train": ("astronaut.png", "hubble_deep_field.jpg", "ihc.png", "rocket.jpg"),
    "val": ("motorcycle_left.png",),
    "test": ("chelsea.png", "coffee.png"),
}
"""The colour photographs in scikit-image's package, split once and for all."""

SUBFOLDERS = {
    "train": ("DIV2K_train_HR", "train"),
    "val": ("DIV2K_valid_HR", "valid", "val"),
    "test": ("test",),
}
"""Folders within a data set that hold a role's photographs, in the order in which they are looked for."""


@dataclass(frozen=True)
class DataSettings:
    """Which photographs to train on, to choose by, and to report on. Folders are kept as absolute paths."""

    data: str = setting("photos", "training photographs: folders, comma-separated, or `photos` (embedded)")
    val_data: str = setting("", "validation photographs; unless given, some of --data are held out")
    test_data: str = setting("", "photographs for the final table; unless given, some of --data or --val_data")
    recursive: bool = setting(False, "look into the sub-folders of --data, or of upscale's --input, too")

    def __post_init__(self) -> None:
        for name in ("data", "val_data", "test_data"):
            parts = [part.strip() for part in getattr(self, name).split(",") if part.strip()]
            absolute = [part if part == "photos" else os.path.abspath(Path(part).expanduser()) for part in parts]
            object.__setattr__(self, name, ",".join(absolute))
        if not self.data:
            raise UserError("--data: names no folder; give one, or `photos`")

    @property
    def name_of_test(self) -> str:
        """What to call the photographs of the final table: the names of their folders."""
        specs = (self.test_data or self.val_data or self.data).split(",")
        return "+".join(Path(spec).name for spec in specs)

    def paths(self, role: str) -> list[Path]:
        """The files of a role: "train", "val" or "test".

        Raises:
            UserError: where a folder is missing, empty, or too small to hold some back.
        """
        given = {"train": self.data, "val": self.val_data, "test": self.test_data or self.val_data}
        if role != "train" and given[role]:
            return [path for spec in given[role].split(",") for path in _given(spec, role, self.recursive)]
        held_out = () if self.val_data else ("val",) if self.test_data else ("val", "test")
        return [
            path for spec in self.data.split(",") for path in _of_training_data(spec, role, held_out, self.recursive)
        ]


def _given(spec: str, role: str, recursive: bool) -> list[Path]:
    if spec == "photos":
        return _photos(role)
    return images.find(_subfolder(Path(spec), role) or hr_folder(Path(spec)), recursive)


def _of_training_data(spec: str, role: str, held_out: tuple[str, ...], recursive: bool) -> list[Path]:
    """A role's share of a training folder: a subfolder made for it, or images held out by a hash of their names."""
    if spec == "photos":
        return _photos(role)
    folder = Path(spec)
    paths = images.find(_subfolder(folder, "train") or hr_folder(folder), recursive)
    separate = _subfolder(folder, "val")
    if separate:
        # Nothing need be held out; without photographs of its own the final table takes those of validation.
        return paths if role == "train" else images.find(_subfolder(folder, role) or separate, recursive)
    if len(paths) <= len(held_out):
        raise UserError(f"{folder}: {len(paths)} images are too few to hold some out; add images, or give --val_data")
    return split(paths, held_out)[role]


def _subfolder(folder: Path, role: str) -> Path | None:
    """The folder within that holds a role's photographs, where there is one."""
    return next((folder / name for name in SUBFOLDERS[role] if (folder / name).is_dir()), None)


def hr_folder(folder: Path) -> Path:
    """A benchmark set's `HR` subfolder, which stands for the set; the folder itself where it has none."""
    return folder / "HR" if (folder / "HR").is_dir() else folder


def _photos(role: str) -> list[Path]:
    """Found without importing scikit-image, which takes a second and is not needed."""
    spec = importlib.util.find_spec("skimage")
    folder = Path(spec.submodule_search_locations[0]) / "data" if spec and spec.submodule_search_locations else None
    paths = [folder / name for name in PHOTOS[role]] if folder else []
    missing = [path.name for path in paths if not path.exists()]
    if missing or not paths:
        raise UserError(f"--data=photos: scikit-image does not hold {missing or 'its photographs'}; give --data=FOLDER")
    return paths


def load_some(paths: list[Path], scale: int, most: int = 24) -> list[np.ndarray]:
    """The reductions, uint8 RGB, of up to so many of the photographs, spread over all of them.

    Raises:
        UserError: where none is readable.
    """
    spread = paths[:: -(-len(paths) // most)]
    return [lr for _, lr in images.load_all(spread, lambda image: imresize.pair(image, scale)[0]) if lr.size]


class Pair(NamedTuple):
    """A photograph and its reduction, uint8 RGB; `hr` is exactly `scale` times as large."""

    name: str
    lr: np.ndarray
    hr: np.ndarray


def load_pairs(paths: list[Path], scale: int) -> list[Pair]:
    """Pairs for measuring, by the protocol: HR cropped to a multiple of the scale, MATLAB's bicubic reduction.

    Raises:
        UserError: where no image is readable, or one is too small to be measured.
    """
    pairs = []
    for path, (lr, hr) in images.load_all(paths, lambda image: imresize.pair(image, scale)):
        if min(hr.shape[:2]) < 11 + 2 * scale:  # SSIM's window, within the cropped border
            raise UserError(f"{path}: {hr.shape[1]} x {hr.shape[0]} is too small to be measured at x{scale}")
        pairs.append(Pair(path.name, lr, hr))
    return pairs
