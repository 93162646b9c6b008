"""`--mode=evaluate`: PSNR and SSIM of a model on folders of photographs."""

from pathlib import Path

from srnas_tf import flags
from srnas_tf.data import images
from srnas_tf.data.sources import DataSettings, hr_folder, load_pairs
from srnas_tf.errors import UserError
from srnas_tf.freeze.runtimes import load_upscaler
from srnas_tf.report.table import print_table
from srnas_tf.settings import Workdir, write_json
from srnas_tf.train.evaluate import scores


def run(workdir: Workdir) -> None:
    """Measures `--model` on each folder of `--data`; writes `evaluate.json`, prints a table."""
    upscale, scale = load_upscaler(flags.required_path("model"))
    sets = {name: load_pairs(paths, scale) for name, paths in folders(flags.from_flags(DataSettings)).items()}
    workdir.make()
    report = {name: scores(upscale, pairs, scale).summary() for name, pairs in sets.items()}
    write_json(workdir / "evaluate.json", report)
    rows = [
        [name, "inf" if r["psnr"] is None else f"{r['psnr']:.4f}", f"{r['ssim']:.4f}", str(r["images"])]
        for name, r in report.items()
    ]
    print_table(f"{flags.FLAGS.model}, x{scale}", ["", "PSNR", "SSIM", "images"], rows)


def folders(data: DataSettings) -> dict[str, list[Path]]:
    """Images by the name of their folder; a folder's `HR` subfolder stands for it."""
    sets: dict[str, list[Path]] = {}
    for spec in data.data.split(","):
        if spec == "photos":
            name, paths = spec, DataSettings(data=spec).paths("test")
        else:
            folder = Path(spec)
            name, paths = folder.name, images.find(hr_folder(folder))
        if name in sets:
            raise UserError(f"--data: two folders are named {name}; measure them one after the other")
        sets[name] = paths
    return sets
