"""`--mode=upscale`: enlarges photographs with a model."""

import logging
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
    packaged = models.onnx if runtime and BY_NAME[runtime].suffix == ".onnx" else models.path
    model = load_model(flags.model_path(flags.from_flags(Space).scale, packaged), runtime)
    if flags.FLAGS["scale"].present and flags.FLAGS.scale != model.scale:
        raise UserError(f"--scale={flags.FLAGS.scale}: {flags.FLAGS.model} enlarges {model.scale} times; drop it")
    if model.size and flags.FLAGS.tile:
        height, width = model.size
        raise UserError(
            f"--tile={flags.FLAGS.tile}: {flags.FLAGS.model} takes parts of {height}x{width} alone; drop it"
        )
    jobs = folders.jobs(source, target, paths, model.scale, settings.format)
    writing.check_writable(jobs[0][1])
    enlarger, broken, begun = Enlarger(model, flags.FLAGS.tile), [], 0

    def read(path: Path, result: Path) -> Photograph:
        image = photograph.read(path)
        formats.check(result, image, model.scale)
        return image

    def write(result: Path, image: Photograph) -> None:
        photograph.write(result, image, settings.quality)

    with progress("upscale", len(jobs)) as report:

        def enlarge(path: Path, image: Photograph) -> Photograph:
            return enlarger(image, lambda share: report(min(begun + share, len(jobs)), path.name))

        for (path, _), wrong in pipeline.run(jobs, read, enlarge, write):
            begun += 1
            broken += [wrong] if wrong else []
            report(begun, path.name)
    if broken:
        raise UserError(f"{len(jobs) - len(broken)} of {len(jobs)} images enlarged; {'; '.join(broken)}")


class Enlarger:
    """Enlarges one photograph after the other; parts that memory did not suffice for stay smaller.

    Args:
        model: what enlarges.
        tile: the side of the parts, in pixels of the small image; 0: what has proved itself.
    """

    def __init__(self, model: tiles.Model, tile: int = 0) -> None:
        self.scale = model.scale
        self._model, self._pixels, self._told = model, tile**2 or tiles.PIXELS, False

    def __call__(self, image: Photograph, told: tiles.Told = lambda share: None) -> Photograph:
        """The photograph enlarged: transparency by bicubic, the rest by the model.

        Raises:
            WorkError: where memory does not suffice for the smallest parts.
        """
        try:
            return picture.enlarge(image, self._model, self._pixels, self._shrunk, told)
        except MemoryError as error:
            raise WorkError(f"--mode=upscale: {error}; close other programs, or take a smaller model") from None

    def _shrunk(self, pixels: int) -> None:
        self._pixels = pixels
        if not self._told:
            log.warning("out of memory: going on with parts of --tile=%d", max(1, round(np.sqrt(pixels))))
        self._told = True
