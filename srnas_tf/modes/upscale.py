"""`--mode=upscale`: enlarges photographs with a model."""

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
    upscale = load_upscaler(flags.required_path("model"))
    source, target = flags.required_path("input"), flags.required_path("output")
    if not source.is_dir():
        if target.is_dir():
            target = target / source.name
        images.save(target, enlarge(images.open_upright(source), upscale))
        return
    if target.exists() and not target.is_dir():
        raise UserError(f"--output={target}: is a file, but --input is a folder")
    paths = images.find(source)
    broken = []
    with progress("upscale", len(paths)) as report:
        for done, path in enumerate(paths, start=1):
            try:
                images.save(target / path.name, enlarge(images.open_upright(path), upscale))
            except UserError as error:
                broken.append(str(error))
            report(done, path.name)
    if broken:
        raise UserError(f"{len(paths) - len(broken)} of {len(paths)} images enlarged; {'; '.join(broken)}")


def enlarge(image: Image.Image, upscale: Upscaler) -> Image.Image:
    """The image enlarged; gray stays gray, transparency is enlarged by bicubic, colour profiles stay."""
    pixels = images.rgb(image.convert("RGBA").convert("RGB") if images.has_alpha(image) else image)
    enlarged = metrics.to_uint8(upscale(pixels))
    result = Image.fromarray(enlarged)
    if images.is_gray(image):
        result = result.convert("L")
    if images.has_alpha(image):
        alpha = np.array(image.convert("RGBA").getchannel("A"))
        result.putalpha(Image.fromarray(imresize.imresize(alpha, *enlarged.shape[:2])))
    if "icc_profile" in image.info:
        result.info["icc_profile"] = image.info["icc_profile"]
    return result
