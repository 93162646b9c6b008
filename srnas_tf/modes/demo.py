"""`--mode=demo`: serves a page on this machine that enlarges images in the browser."""

import sys
import tempfile
from pathlib import Path

from srnas_tf import flags, models
from srnas_tf.arch import Space
from srnas_tf.demo import bundle, server
from srnas_tf.demo.settings import DemoSettings
from srnas_tf.host import devices
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir) -> None:
    """Builds the page in `demo/`, with `--model` or all networks of the package; serves it until it is stopped."""
    settings = flags.from_flags(DemoSettings)
    model = flags.path("model", models.frozen) or models.onnx(flags.from_flags(Space).scale)
    with server.Server(settings.host, settings.port) as listening:
        _build(model, workdir)
        listening.files = server.files_of(workdir / "demo")
        if not server.is_loopback(settings.host):
            print(f"--host={settings.host}: all who reach it can use the page and copy the model", file=sys.stderr)
        print(listening.url, flush=True)
        listening.serve_until_stopped()


def _build(model: Path, workdir: Workdir) -> None:
    """Builds the page with an ONNX file. A `.keras` file is converted first, which needs TensorFlow.

    With a network of the package, the page has the others, too.
    """
    packaged = models.all_onnx()
    name = model.stem if model.suffix == ".keras" else model.parent.name
    if models.is_packaged(model) and name in packaged:
        workdir.make()
        bundle.build([bundle.Model(path, each, each) for each, path in packaged.items()], workdir / "demo", name)
        return
    if model.suffix.lower() != ".keras":
        bundle.check_model(model)
        workdir.make()
        _build_one(model, model.name, workdir)
        return
    devices.import_tensorflow()
    from srnas_tf.data.sources import DataSettings, load_pairs
    from srnas_tf.freeze.export import export
    from srnas_tf.freeze.settings import ExportSettings
    from srnas_tf.nets import files

    network = files.load(model)
    workdir.make()
    print(f"converting {model} to ONNX", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        frozen, settings = Path(scratch) / "export", ExportSettings(export_files="model.onnx", card_latency=False)
        pairs = load_pairs(DataSettings().paths("test"), network.scale)
        export(network, pairs, frozen, settings=settings, source=model)
        _build_one(frozen / "model.onnx", model.name, workdir)


def _build_one(path: Path, name: str, workdir: Workdir) -> None:
    bundle.build([bundle.Model(path, "own", name)], workdir / "demo", "own")
