"""The sources of images: folders, DIV2K's layout, or the few in the package."""

import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srnas_tf.arch.network import SCALES
from srnas_tf.data import images, imresize, partners
from srnas_tf.data.degrade.pipeline import DEFAULT, PLAIN, Degradation, parse
from srnas_tf.data.held_out import split
from srnas_tf.data.shelf import Shelf, open_store
from srnas_tf.data.store import Store
from srnas_tf.errors import UserError
from srnas_tf.seeding import generator
from srnas_tf.settings import check, setting

PHOTOS = {
    "train": ("astronaut.png", "hubble_deep_field.jpg", "ihc.png", "rocket.jpg"),
    "val": ("motorcycle_left.png",),
    "test": ("chelsea.png", "coffee.png"),
}
"""The images in the package, with a fixed split. NOTICE.md names their origins."""

SUBFOLDERS = {
    "train": ("DIV2K_train_HR", "train"),
    "val": ("DIV2K_valid_HR", "valid", "val"),
    "test": ("test",),
}
"""Subfolders of a dataset that hold a role's images, in the order of search."""


LR = ("lr_data", "val_lr_data", "test_lr_data")

FIXED = 0
"""The seed of degradations for validation and test: they are the same for each seed of a training."""


class Images(NamedTuple):
    """High-resolution images, and the sources of their low-resolution images.

    Attributes:
        paths: files of the high-resolution images.
        pairs: files of low-resolution images, by high-resolution file.
        degradation: makes those of all others.
    """

    paths: list[Path]
    pairs: dict[Path, Path]
    degradation: Degradation

    @property
    def low_resolution(self) -> str:
        """The kind of low-resolution images, in a few words."""
        folders = sorted({str(path.parent) for path in self.pairs.values()})
        made = [] if len(self.pairs) == len(self.paths) else [str(self.degradation)]
        return ", ".join([*made, *(f"files of {folder}" for folder in folders)])


@dataclass(frozen=True)
class DataSettings:
    """The images for training, validation and the final table. Folders are kept as absolute paths."""

    data: str = setting(
        "photos", "training images: a folder, several with commas, or `photos` (the examples in the package)"
    )
    val_data: str = setting("", "validation images; by default a tenth of --data is held out")
    test_data: str = setting("", "images for the final table; by default a tenth of --data, or --val_data")
    val_images: int = setting(
        0, "measure a training by so many of its validation images, taken at equal distances; 0: all", bounds=(0, 10**6)
    )
    recursive: bool = setting(False, "include sub-folders")
    degradation: str = setting(
        DEFAULT,
        "how low-resolution images are made: a preset (bicubic, photo), or steps with commas between them "
        "(blur=0.5:2@0.4,resize=area,jpeg=60); describe prints all steps",
    )
    lr_data: str = setting(
        "",
        "low-resolution images: a folder for each of --data; by default an LR folder beside HR; `none`: none",
    )
    val_lr_data: str = setting("", "low-resolution images of --val_data")
    test_lr_data: str = setting("", "low-resolution images of --test_data")

    def __post_init__(self) -> None:
        check(self)
        for name in ("data", "val_data", "test_data", *LR):
            parts = [part.strip() for part in getattr(self, name).split(",") if part.strip()]
            words = ("none",) if name in LR else ("photos",)
            absolute = [part if part in words else os.path.abspath(Path(part).expanduser()) for part in parts]
            object.__setattr__(self, name, ",".join(absolute))
        if not self.data:
            raise UserError("--data: names no folder; give one, or `photos`")
        if ";" in self.degradation:
            raise UserError("--degradation: several, separated by `;`, are for --mode=evaluate; give one")
        object.__setattr__(self, "degradation", str(parse(self.degradation)))
        for name in LR:
            self._check_lr(name, name.replace("lr_", ""))

    def _check_lr(self, name: str, of: str) -> None:
        given = getattr(self, name)
        if given in ("", "none"):
            return
        if given == getattr(self, of):
            raise UserError(f"--{name}={given}: is --{of} itself; give the folder of the low-resolution images")
        if not getattr(self, of):
            raise UserError(f"--{name}={given}: is for --{of}, which is not given; give both")
        if self.degradation != DEFAULT:
            raise UserError(f"--{name}: low-resolution images are taken as they are; drop it, or --degradation")
        if len(given.split(",")) != len(getattr(self, of).split(",")):
            raise UserError(f"--{name}={given}: give as many folders as --{of} names, in their order")

    def check_folders(self) -> None:
        """Checks that the named folders exist, without reading them.

        Raises:
            UserError: if one is missing.
        """
        for name in ("data", "val_data", "test_data"):
            for spec in filter(None, getattr(self, name).split(",")):
                if spec != "photos" and not Path(spec).is_dir():
                    raise UserError(f"{spec}: no such folder; give a folder of images")

    @property
    def name_of_test(self) -> str:
        """The name of the final table's images: the names of their folders."""
        specs = (self.test_data or self.val_data or self.data).split(",")
        return "+".join(Path(spec).name for spec in specs)

    def paths(self, role: str) -> list[Path]:
        """The files of a role: "train", "val" or "test".

        Raises:
            UserError: if a folder is missing, empty, or too small to hold out images.
        """
        return self._measured(role, [path for _, paths in self._shares(role) for path in paths])

    def _measured(self, role: str, paths: list[Path]) -> list[Path]:
        """Those of a role's images that are used: all but of validation, if there are more than `val_images`."""
        if role != "val" or not 0 < self.val_images < len(paths):
            return paths
        return [paths[i] for i in np.linspace(0, len(paths) - 1, self.val_images).round().astype(int)]

    def _shares(self, role: str) -> list[tuple[str, list[Path]]]:
        """The folders that a role's flag names, each with the role's files."""
        _, of = self._flag_of(role)
        specs = getattr(self, of).split(",")
        if of != "data":
            return [(spec, _given(spec, role, self.recursive)) for spec in specs]
        held_out = () if self.val_data else ("val",) if self.test_data else ("val", "test")
        return [(spec, _of_training_data(spec, role, held_out, self.recursive)) for spec in specs]

    def low_resolution_files(self, role: str) -> list[Path]:
        """All files that may be low-resolution images of a role, of any scale, in folders that are named or found.

        Raises:
            UserError: if a folder is missing or empty.
        """
        flag, _ = self._flag_of(role)
        given = getattr(self, flag)
        folders: set[Path] = set()
        if given == "" and self.degradation == DEFAULT:
            beside = {path.parent for path in self.paths(role)}
            folders = {found for hr in beside for scale in SCALES if (found := partners.layouts(hr, scale)[0])}
        for spec in given.split(","):
            if spec not in ("", "none"):
                within = {partners.folder_of(Path(spec), scale) for scale in SCALES}
                folders |= within - {Path(spec)} or within
        return [path for folder in sorted(folders) for path in images.find(folder)]

    def _flag_of(self, role: str) -> tuple[str, str]:
        """The flags that name a role's low-resolution and high-resolution images."""
        own = {"train": "data", "val": "val_data", "test": "test_data" if self.test_data else "val_data"}[role]
        of = own if getattr(self, own) else "data"
        return ("lr_data" if of == "data" else of.replace("data", "lr_data")), of

    def images(self, role: str, scale: int) -> Images:
        """The images of a role, with the sources of their low-resolution images. Prints which files are used.

        Raises:
            UserError: see `paths`. Also if a low-resolution image is missing.
        """
        flag, of = self._flag_of(role)
        shares = self._shares(role)
        paths: list[Path] = []
        pairs: dict[Path, Path] = {}
        for (spec, share), lr in zip(shares, partners.named(getattr(self, flag), len(shares)), strict=True):
            # The flag speaks of training images. A dataset's own validation images are not among them.
            apart = of == "data" and role != "train" and lr != "none" and _subfolder(Path(spec), "val")
            pairs |= partners.of(share, "" if apart else lr, scale, self.degradation == DEFAULT, flag)
            paths += share
        used = self._measured(role, paths)
        return Images(used, {path: pairs[path] for path in used if path in pairs}, parse(self.degradation))


def _given(spec: str, role: str, recursive: bool) -> list[Path]:
    if spec == "photos":
        return _photos(role)
    return images.find(_subfolder(Path(spec), role) or hr_folder(Path(spec)), recursive)


def _of_training_data(spec: str, role: str, held_out: tuple[str, ...], recursive: bool) -> list[Path]:
    """A role's share of a training folder: its subfolder, or images held out by a hash of their names."""
    if spec == "photos":
        return _photos(role)
    folder = Path(spec)
    paths = images.find(_subfolder(folder, "train") or hr_folder(folder), recursive)
    separate = _subfolder(folder, "val")
    if separate:
        # Nothing is held out for the final table: without its own images it takes those of validation.
        return paths if role == "train" else images.find(_subfolder(folder, role) or separate, recursive)
    if len(paths) <= len(held_out):
        raise UserError(f"{folder}: {len(paths)} images are too few to hold some out; add images, or give --val_data")
    return split(paths, held_out)[role]


def _subfolder(folder: Path, role: str) -> Path | None:
    """The subfolder of a role's images, or None."""
    return next((folder / name for name in SUBFOLDERS[role] if (folder / name).is_dir()), None)


def hr_folder(folder: Path) -> Path:
    """The `HR` subfolder of a benchmark set; the folder itself if there is none."""
    return folder / "HR" if (folder / "HR").is_dir() else folder


def _photos(role: str) -> list[Path]:
    return [Path(__file__).with_name("photos") / name for name in PHOTOS[role]]


class Pair(NamedTuple):
    """A high-resolution image and its low-resolution image, uint8 RGB. The sides of `hr` are exactly `scale` times as
    long.
    """

    name: str
    lr: np.ndarray
    hr: np.ndarray


def load_pairs(
    paths: list[Path],
    scale: int,
    degradation: Degradation = PLAIN,
    pairs: Mapping[Path, Path] = {},
    store: Store | None = None,
    seed: int = FIXED,
) -> list[Pair]:
    """Pairs for measuring. HR is cropped to a multiple of the scale.

    Args:
        paths: files of high-resolution images.
        scale: enlargement.
        degradation: makes low-resolution images. By default MATLAB's bicubic reduction.
        pairs: files of low-resolution images, by high-resolution file.
        store: keeps decoded images; None for no store.
        seed: seed of the degradation. The values of each image also depend on its name.

    Raises:
        UserError: if no image can be read, or one is too small to be measured.
    """
    measured = list(_pairs(Images(paths, dict(pairs), degradation), scale, store, seed))
    for pair in measured:
        height, width, _ = pair.hr.shape
        if min(height, width) < 11 + 2 * scale:  # SSIM's window, within the cropped border
            [path] = [path for path in paths if path.name == pair.name][:1]
            raise UserError(f"{path}: {width} x {height} is too small to be measured at x{scale}")
    return measured


def _pairs(photographs: Images, scale: int, store: Store | None, seed: int) -> Iterator[Pair]:
    """The pairs of the readable images. Those of images smaller than the scale are empty."""
    paths, pairs, degradation = photographs
    shelf = Shelf(sys.maxsize, store)

    def make(image: np.ndarray, path: Path) -> np.ndarray:
        hr = imresize.crop_to_multiple(image, scale)
        drawn = generator(seed, "degraded image", zlib.crc32(os.fsencode(path.name)))
        return degradation.whole(hr, scale, drawn) if hr.size else hr

    text = f"x{scale} {degradation}" + ("" if degradation.plain else f" of seed {seed}")
    shelf.load((path for path in paths if path not in pairs), {text: make})
    shelf.load(each for path in paths if path in pairs for each in (path, pairs[path]))
    for path in paths:
        if path not in shelf.shapes or pairs.get(path, path) not in shelf.shapes:
            continue
        height, width = partners.common_size(path, pairs.get(path), shelf.shapes, scale)
        hr = np.asarray(shelf.pixels(path))[: height * scale, : width * scale]
        if path in pairs:
            lr = np.asarray(shelf.pixels(pairs[path]))[:height, :width]
        else:
            made = shelf.made(path, text, make)
            lr = make(hr, path) if made is None else np.asarray(made)
        yield Pair(path.name, lr, hr)


def load_for(data: DataSettings, role: str, scale: int, cache_dir: str = "", seed: int = FIXED) -> list[Pair]:
    """The pairs of a role in an experiment, with given or made low-resolution images.

    Args:
        data: the experiment's images.
        role: "train", "val" or "test".
        scale: enlargement.
        cache_dir: see `MachineSettings`.
        seed: see `load_pairs`.

    Raises:
        UserError: see `DataSettings.images` and `load_pairs`.
    """
    paths, pairs, degradation = data.images(role, scale)
    return load_pairs(paths, scale, degradation, pairs, open_store(cache_dir), seed)


def load_some(data: DataSettings, scale: int, most: int = 24) -> list[np.ndarray]:
    """Low-resolution images, uint8 RGB, of some training images.

    Args:
        data: the experiment's images.
        scale: enlargement.
        most: maximum number of images. They are taken at equal distances from all training images.

    Raises:
        UserError: if no image can be read.
    """
    photographs = data.images("train", scale)
    spread = photographs._replace(paths=photographs.paths[:: -(-len(photographs.paths) // most)])
    return [pair.lr for pair in _pairs(spread, scale, None, FIXED) if pair.lr.size]
