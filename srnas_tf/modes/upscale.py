"""`--mode=upscale`: enlarges images with a model."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srnas_tf import flags, models
from srnas_tf.arch import Space
from srnas_tf.data import images, photograph
from srnas_tf.data.settings import PictureSettings
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze.runtimes import BY_NAME
from srnas_tf.freeze.staged import load_model
from srnas_tf.host.progress import progress
from srnas_tf.kit import folders, formats, picture, pipeline, tiles, writing
from srnas_tf.kit.networks import Networks
from srnas_tf.kit.picture import Photograph
from srnas_tf.workdir.folder import Workdir

log = logging.getLogger(__name__)


def run(workdir: Workdir | None) -> None:
    """Enlarges `--input`, a file or a folder, to `--output`, or beside it."""
    source, target = flags.required_path("input"), flags.path("output")
    if flags.FLAGS.tile < 0:
        raise UserError(f"--tile={flags.FLAGS.tile}: give the side of a part in pixels, or 0 to leave it open")
    settings = flags.from_flags(PictureSettings)
    paths = images.find(source, flags.FLAGS.recursive, besides=target) if source.is_dir() else [source]
    runtime = flags.FLAGS.runtime
    packaged = models.frozen if runtime and BY_NAME[runtime].suffix == ".onnx" else models.named
    networks = _chosen(runtime, packaged) if flags.FLAGS.model else _packaged(runtime, packaged)
    jobs = folders.jobs(source, target, paths, networks.scale, settings.format)
    writing.check_writable(jobs[0][1])
    enlarger, broken, begun = Enlarger(flags.FLAGS.tile), [], 0

    def read(path: Path, result: Path) -> Photograph:
        image = photograph.read(path)
        formats.check(result, image, networks.scale)
        return image

    def write(result: Path, image: Photograph) -> None:
        photograph.write(result, image, settings.quality)

    with progress("upscale", len(jobs)) as report:

        def enlarge(path: Path, image: Photograph) -> Photograph:
            model = networks.for_image(path, image)
            return enlarger(image, model, lambda share: report(min(begun + share, len(jobs)), path.name))

        for (path, _), wrong in pipeline.run(jobs, read, enlarge, write):
            begun += 1
            broken += [wrong] if wrong else []
            report(begun, path.name)
    if broken:
        raise UserError(f"{len(jobs) - len(broken)} of {len(jobs)} images enlarged; {'; '.join(broken)}")


def _chosen(runtime: str, packaged: Callable[[str], Path]) -> Networks:
    """The network of `--model`, for all images."""
    model = load_model(flags.required_path("model", packaged), runtime)
    if flags.FLAGS["scale"].present and flags.FLAGS.scale != model.scale:
        raise UserError(f"--scale={flags.FLAGS.scale}: {flags.FLAGS.model} enlarges {model.scale} times; drop it")
    if model.size and flags.FLAGS.tile:
        height, width = model.size
        raise UserError(
            f"--tile={flags.FLAGS.tile}: {flags.FLAGS.model} takes parts of {height}x{width} alone; drop it"
        )
    return Networks.of(model)


def _packaged(runtime: str, packaged: Callable[[str], Path]) -> Networks:
    """The networks in the package that have `--scale`."""
    scale = flags.from_flags(Space).scale
    models.path(scale)
    return Networks(scale, models.names(), lambda name: load_model(packaged(name), runtime), log.warning)


class Enlarger:
    """Enlarges one image after the other. Tiles that were too large for the memory stay smaller.

    Args:
        tile: side of the tiles in pixels of the small image; 0 for the usual size.
    """

    def __init__(self, tile: int = 0) -> None:
        self._pixels, self._told = tile**2 or tiles.PIXELS, False

    def __call__(self, image: Photograph, model: tiles.Model, told: tiles.Told = lambda share: None) -> Photograph:
        """The enlarged image: transparency by bicubic, colours by the model.

        Raises:
            WorkError: if memory is too small for the smallest tiles.
        """
        try:
            return picture.enlarge(image, model, self._pixels, self._shrunk, told)
        except MemoryError as error:
            raise WorkError(f"--mode=upscale: {error}; close other programs, or take a smaller model") from None

    def _shrunk(self, pixels: int) -> None:
        self._pixels = pixels
        if not self._told:
            log.warning("out of memory: going on with parts of --tile=%d", max(1, round(np.sqrt(pixels))))
        self._told = True
