"""`--mode=export`: exports a model to files for other runtimes."""

from srnas_tf import flags
from srnas_tf.data.sources import DataSettings, load_for, load_some
from srnas_tf.freeze.export import check_replaceable, export
from srnas_tf.freeze.settings import ExportSettings
from srnas_tf.modes.evaluate import evaluated
from srnas_tf.nets.files import load
from srnas_tf.report.table import print_table
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Exports `--model` to `export/`, and compares each file with it on the test images."""
    path, settings = flags.required_path("model"), flags.from_flags(ExportSettings)
    network = load(path)
    folder = workdir / "export"
    check_replaceable(folder)
    data = flags.from_flags(DataSettings)
    pairs = load_for(data, "test", network.scale)
    training = load_some(data, network.scale)
    workdir.make()
    low_resolution = data.images("test", network.scale).low_resolution
    report = export(network, pairs, folder, training, settings, evaluated(workdir, path), path, low_resolution)
    rows = [[str(folder / name), f"{entry['bytes']}", *_differences(entry)] for name, entry in report.items()]
    print_table(str(network.network), ["file", "bytes", "largest difference", "PSNR difference"], rows)


def _differences(entry: dict) -> tuple[str, str]:
    """The difference of a file from its network, in words."""
    if entry["max_abs_diff"] is None:
        return "not run here", ""
    return f"{entry['max_abs_diff']:.1e}", f"{entry['psnr_diff']:+.4f}"
