"""`--mode=pipeline`: photographs in; a searched, retrained, measured and exported network out."""

from collections.abc import Mapping
from typing import NamedTuple

from srnas_tf import flags, metrics
from srnas_tf.arch import Network, Space
from srnas_tf.arch.network import imdn_of_size
from srnas_tf.data.sources import DataSettings, load_pairs
from srnas_tf.freeze.export import export
from srnas_tf.modes.retrain import retrain
from srnas_tf.modes.retrain import settle as settle_retraining
from srnas_tf.modes.search import search_supernet
from srnas_tf.report.compare import compare
from srnas_tf.report.table import print_table
from srnas_tf.search.settings import Budget, SearchSettings
from srnas_tf.settings import Workdir, write_json
from srnas_tf.train.evaluate import Upscaler, bicubic, of_network, scores
from srnas_tf.train.jobs import Job
from srnas_tf.train.settings import MachineSettings, TrainSettings


class Row(NamedTuple):
    """A line of the final table; a method without a network has no architecture and no cost."""

    method: str
    network: Network | None
    codes: tuple[int, ...] | None
    psnr: float
    ssim: float


def run(workdir: Workdir) -> None:
    """Everything from photographs to files; stopped, it goes on where it was."""
    space = flags.settle(workdir, "network", Space)
    data = flags.settle(workdir, "data", DataSettings)
    training = flags.settle(workdir, "supernet", TrainSettings)
    searching = flags.settle(workdir, "search", SearchSettings)
    budget = flags.settle(workdir, "budget", Budget)
    budget.check(space)
    retraining, retrain_settings = settle_retraining(workdir, training)
    machine = flags.from_flags(MachineSettings)
    job = Job(data, training, machine, space.scale)
    test = load_pairs(data.paths("test"), space.scale)
    workdir.claim(network=space, data=data, supernet=training, search=searching, budget=budget)
    workdir.claim(retraining=retraining, retrain=retrain_settings)

    supernet = job.train_supernet(space, workdir / "supernet")
    best = search_supernet(supernet, data, searching, budget, workdir)
    job = Job(data, retrain_settings, machine, space.scale)
    networks = retrain(job, retraining, [Network.parse(entry["arch"]) for entry in best], workdir)
    found = max(networks, key=lambda network: network.provenance["val_psnr"])
    baseline = job.train_network(
        imdn_of_size(found.network.params, space.scale, space.depth), workdir / "retrain" / "imdn"
    )

    upscalers = {"bicubic": bicubic(space.scale), "IMDN": of_network(baseline), "found": of_network(found)}
    architectures = {"IMDN": baseline.network, "found": found.network}
    rows = []
    for name, upscale in upscalers.items():
        result = scores(upscale, test, space.scale)
        network = architectures.get(name)
        rows.append(Row(name, network, space.codes(network) if network else None, result.psnr, result.ssim))
    export(found, test, workdir / "export")
    _picture(upscalers, test, space.scale, workdir)
    _write(rows, workdir, len(test))
    _print(rows, data, space.scale, workdir)


def _picture(upscalers: Mapping[str, Upscaler], test, scale: int, workdir: Workdir) -> None:
    enlarged = {name: [metrics.to_uint8(up(pair.lr)) for pair in test] for name, up in upscalers.items()}
    compare(test, enlarged, scale, workdir / "compare.png")


def _write(rows: list[Row], workdir: Workdir, images: int) -> None:
    """`pipeline.json`: the table as data."""
    entries = [
        {
            "method": row.method,
            "arch": str(row.network) if row.network else None,
            "codes": list(row.codes) if row.codes else None,
            "params": row.network.params if row.network else None,
            "macs": row.network.macs() if row.network else None,
            "psnr": row.psnr,
            "ssim": row.ssim,
            "images": images,
        }
        for row in rows
    ]
    write_json(workdir / "pipeline.json", entries)


def _print(rows: list[Row], data: DataSettings, scale: int, workdir: Workdir) -> None:
    lines = [
        [
            row.method,
            row.network.recipes if row.network else "-",
            ",".join(map(str, row.codes)) if row.codes else "-",
            str(row.network.params) if row.network else "-",
            f"{row.network.macs() / 1e9:.2f} G" if row.network else "-",
            f"{row.psnr:.2f}",
            f"{row.ssim:.4f}",
        ]
        for row in rows
    ]
    held_out = "chosen on the same photographs" if data.val_data and not data.test_data else "held-out photographs"
    print_table(
        f"x{scale}, {held_out}", ["", "recipes", "codes", "parameters", "MACs (1280x720)", "PSNR", "SSIM"], lines
    )
    print(f"exported: {workdir / 'export'}")
    print(f"pictures: {workdir / 'compare.png'}")
