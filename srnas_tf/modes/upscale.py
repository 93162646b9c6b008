"""`--mode=upscale`: enlarges photographs with a model."""

from pathlib import Path

import numpy as np
from PIL import Image

from srnas_tf import flags, metrics
from srnas_tf.data import images, imresize
from srnas_tf.errors import UserError
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.progress import progress
from srnas_tf.settings import Workdir
from srnas_tf.train.evaluate import Upscaler


def run(workdir: Workdir | None) -> None:
    """Enlarges `--input`, a file or a folder, to `--output`."""
    source, target = flags.required_path("input"), flags.required_path("output")
    jobs = _jobs(source, target)
    upscale, _ = load_upscaler(flags.required_path("model"))
    broken = []
    with progress("upscale", len(jobs)) as report:
        for done, (path, result) in enumerate(jobs, start=1):
            try:
                image = images.open_upright(path)
                enlarged, options = enlarge(image, upscale)
                images.save(result, enlarged, **options)
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


def enlarge(image: Image.Image, upscale: Upscaler) -> tuple[Image.Image, dict]:
    """The image enlarged, and options to save it with.

    Gray stays gray, transparency is enlarged by bicubic, the colour profile of a gray or RGB image stays.
    """
    pixels = images.rgb(image.convert("RGBA").convert("RGB") if images.has_alpha(image) else image)
    enlarged = metrics.to_uint8(upscale(pixels))
    result = Image.fromarray(enlarged)
    if images.is_gray(image):
        result = result.convert("L")
    if images.has_alpha(image):
        alpha = np.array(image.convert("RGBA").getchannel("A"))
        result.putalpha(Image.fromarray(imresize.imresize(alpha, *enlarged.shape[:2])))
    profile = image.info.get("icc_profile") if images.is_gray(image) or image.mode in ("RGB", "RGBA", "P") else None
    return result, {"icc_profile": profile} if profile else {}
