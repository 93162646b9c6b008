"""`--mode=upscale`: enlarges photographs with a model."""

import logging
from pathlib import Path

import numpy as np

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data import images, imresize, photograph
from srnas_tf.data.photograph import Photograph
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze import tiles
from srnas_tf.freeze.staged import load_model
from srnas_tf.host.progress import progress
from srnas_tf.workdir.folder import Workdir

log = logging.getLogger(__name__)


def run(workdir: Workdir | None) -> None:
    """Enlarges `--input`, a file or a folder, to `--output`."""
    source, target = flags.required_path("input"), flags.required_path("output")
    if flags.FLAGS.tile < 0:
        raise UserError(f"--tile={flags.FLAGS.tile}: give the side of a part in pixels, or 0 to leave it open")
    jobs = _jobs(source, target)
    model = load_model(flags.model_path(flags.from_flags(Space).scale))
    if flags.FLAGS["scale"].present and flags.FLAGS.scale != model.scale:
        raise UserError(f"--scale={flags.FLAGS.scale}: {flags.FLAGS.model} enlarges {model.scale} times; drop it")
    if model.size and flags.FLAGS.tile:
        height, width = model.size
        raise UserError(
            f"--tile={flags.FLAGS.tile}: {flags.FLAGS.model} takes parts of {height}x{width} alone; drop it"
        )
    enlarger = Enlarger(model, flags.FLAGS.tile)
    broken = []
    with progress("upscale", len(jobs)) as report:
        for done, (path, result) in enumerate(jobs, start=1):
            try:
                image = photograph.read(path)
                height, width = image.pixels.shape[:2]
                photograph.check_size(result, height * enlarger.scale, width * enlarger.scale)
                photograph.write(result, enlarger(image))
            except UserError as error:
                broken.append(str(error))
            report(done, path.name)
    if broken:
        raise UserError(f"{len(jobs) - len(broken)} of {len(jobs)} images enlarged; {'; '.join(broken)}")


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """What to enlarge to what.

    Raises:
        UserError: where an image would be written over its own original, or cannot be written.
    """
    if source.is_dir():
        if target.exists() and not target.is_dir():
            raise UserError(f"--output={target}: is a file, but --input is a folder")
        jobs = [(path, target / path.name) for path in images.find(source)]
    else:
        jobs = [(source, target / source.name if target.is_dir() else target)]
    for path, result in jobs:
        images.check_target(result)
        if result.exists() and path.exists() and result.samefile(path):
            raise UserError(f"--output={target}: would overwrite the original {path}; give another file or folder")
    return jobs


class Enlarger:
    """Enlarges one photograph after the other; parts that memory did not suffice for stay smaller.

    Args:
        model: what enlarges.
        tile: the side of the parts, in pixels of the small image; 0: what has proved itself.
    """

    def __init__(self, model: tiles.Model, tile: int = 0) -> None:
        self.scale = model.scale
        self._model, self._pixels, self._told = model, tile**2 or tiles.PIXELS, False
        self._bicubic = tiles.Model(
            lambda plane: imresize.smooth(plane, *(side * model.scale for side in plane.shape[:2])), model.scale
        )

    def __call__(self, image: Photograph) -> Photograph:
        """The photograph enlarged: transparency by bicubic, the rest by the model.

        Raises:
            WorkError: where memory does not suffice for the smallest parts.
        """
        try:
            pixels = tiles.enlarge(image.pixels[:], self._model, self._pixels, self._shrunk)
            alpha = None if image.alpha is None else tiles.enlarge(image.alpha[:], self._bicubic, self._pixels)
        except MemoryError as error:
            raise WorkError(f"--mode=upscale: {error}; close other programs, or take a smaller model") from None
        return image._replace(pixels=pixels, alpha=alpha)

    def _shrunk(self, pixels: int) -> None:
        self._pixels = pixels
        if not self._told:
            log.warning("out of memory: going on with parts of --tile=%d", max(1, round(np.sqrt(pixels))))
        self._told = True
