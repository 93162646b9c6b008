"""The modes and their flags. This module imports nothing that takes long to load."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from srnas_tf import flags
from srnas_tf.arch import Space
from srnas_tf.data.settings import PictureSettings
from srnas_tf.data.sources import DataSettings
from srnas_tf.demo.settings import DemoSettings
from srnas_tf.freeze.settings import BenchmarkSettings, ExportSettings, LatencySettings
from srnas_tf.search.ranking import RankSettings
from srnas_tf.search.settings import Budget, Pick, PlanSettings, RungSettings, SearchSettings
from srnas_tf.train.settings import MachineSettings, RetrainSettings, TrainSettings

GROUPS: dict[str, list[type]] = {
    "network": [Space],
    "images": [DataSettings, PictureSettings],
    "training": [TrainSettings],
    "retraining": [RetrainSettings],
    "search": [SearchSettings, RungSettings, Budget, Pick, PlanSettings],
    "ranking": [RankSettings],
    "latency": [LatencySettings, BenchmarkSettings],
    "demo": [DemoSettings],
    "export": [ExportSettings],
    "machine": [MachineSettings],
}
"""All settings, by the title under which `--help` shows their flags."""


class Mode(NamedTuple):
    """A mode of the command line.

    Attributes:
        help: one line for `--help`.
        module: name of its module in `srnas_tf.modes`. The module's `run` takes the workdir.
        examples: commands, the shortest first.
        arguments: flags that can be given by position.
        needs: required flags.
        sections: settings that the workdir's record keeps, by section.
        settings: settings that come from flags only.
        shown: settings that the mode checks itself.
        flags: further flags that it uses.
        follows: the mode that must have run in the workdir before.
        begins: () -> True if, with the given flags, no other mode must have run before.
        workdir: the default of --workdir. "experiment" and "input": a folder in `runs/` of that name. "model": the
            folder of the model. "model if given": the same, but only if there is a model. "model or own": the same, or
            else a folder named after the mode. "none": no folder.
        tensorflow: whether it needs TensorFlow, which takes seconds to import.
        trains: whether several machines can run it together.
        reads: whether it only reads the experiment, so that another process may write there at the same time.
    """

    help: str
    module: str
    examples: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    sections: Mapping[str, type] = {}
    settings: tuple[type, ...] = ()
    shown: tuple[type, ...] = ()
    flags: tuple[str, ...] = ()
    follows: str = ""
    begins: Callable[[], bool] = lambda: False
    workdir: str = "experiment"
    tensorflow: bool = True
    trains: bool = False
    reads: bool = False

    @property
    def kinds(self) -> set[type]:
        """All settings that it uses."""
        return {*self.sections.values(), *self.settings, *self.shown}

    @property
    def names(self) -> set[str]:
        """All flags that it uses."""
        return {*self.arguments, *self.needs, *self.flags, *flags.names(*self.kinds)}


_SUBJECT = {"network": Space, "data": DataSettings}
_SEARCH = {
    "search": SearchSettings,
    "rungs": RungSettings,
    "budget": Budget,
    "pick": Pick,
    "latency": LatencySettings,
}


def _trains_alone() -> bool:
    return bool(flags.from_flags(RungSettings).of(flags.from_flags(SearchSettings)))


def leaves_all_open() -> bool:
    """Returns True if flags limit the latency, and set nothing of the space, the search and the training."""
    left = {Space: {"scale"}, SearchSettings: {"seed"}, TrainSettings: {"seed", "precision"}}
    said = (
        flags.given(kind).keys() - left.get(kind, set())
        for kind in (Space, SearchSettings, RungSettings, TrainSettings, RetrainSettings)
    )
    return bool(flags.from_flags(Budget).max_latency_ms) and not any(said)


MODES = {
    "pipeline": Mode(
        "the main job: train a supernet, search it, train the found networks, evaluate, export, report",
        "pipeline",
        (
            "srnas pipeline --max_latency_ms=20 --runtime=litert",
            "srnas pipeline --data=/photos --scale=2 --max_params=200000",
        ),
        sections={**_SUBJECT, **_SEARCH},
        settings=(TrainSettings, RetrainSettings, PlanSettings, ExportSettings, MachineSettings),
        flags=("workdir", "max_megapixels"),
        trains=True,
    ),
    "supernet": Mode(
        "train the supernet of a space",
        "supernet",
        ("srnas supernet --data=/photos", "srnas supernet --data=/photos --space=tapped --depth=4 --width=32"),
        sections={**_SUBJECT, "supernet": TrainSettings},
        settings=(MachineSettings,),
        flags=("workdir", "max_megapixels"),
        trains=True,
    ),
    "search": Mode(
        "search the trained supernet of a workdir, or train candidates alone (--rungs)",
        "search",
        (
            "srnas search --workdir=runs/mine",
            "srnas search --workdir=runs/mine --strategy=pareto --max_macs=2e9",
            "srnas search --data=/photos --strategy=grid --width=16/32/48 --depth=1/2/3 --rungs=1500,4000",
        ),
        sections={**_SUBJECT, **_SEARCH},
        settings=(TrainSettings, MachineSettings),
        flags=("workdir", "max_megapixels"),
        follows="--mode=supernet",
        begins=_trains_alone,
    ),
    "retrain": Mode(
        "train the networks that the search found",
        "retrain",
        ("srnas retrain --workdir=runs/mine", "srnas retrain --workdir=runs/mine --init=supernet --retrain_steps=9000"),
        sections={**_SUBJECT, "retraining": RetrainSettings},
        settings=(TrainSettings, MachineSettings),
        flags=("workdir", "max_megapixels"),
        follows="--mode=supernet",
        trains=True,
    ),
    "rank": Mode(
        "check the supernet's ranking against networks that are trained alone",
        "rank",
        ("srnas rank --workdir=runs/mine", "srnas rank --workdir=runs/mine --rank_networks=24 --rank_steps=2000"),
        sections=_SUBJECT,
        settings=(MachineSettings,),
        shown=(RankSettings, TrainSettings),
        flags=("workdir", "max_megapixels"),
        follows="--mode=supernet",
    ),
    "train": Mode(
        "train one network: --arch or --net",
        "train",
        ("srnas train --arch=TCCT", "srnas train --net=carn --data=/photos", "srnas train --arch=x4:w32:bare:TCCT-TCT"),
        sections={**_SUBJECT, "train": TrainSettings},
        settings=(MachineSettings,),
        flags=("workdir", "arch", "net", "max_megapixels"),
        trains=True,
    ),
    "import": Mode(
        "turn official IMDN weights (.pth or .npz) into model.keras",
        "import_weights",
        ("srnas import IMDN_x4.pth",),
        arguments=("input",),
        needs=("input",),
        flags=("workdir", "scale"),
        workdir="input",
    ),
    "evaluate": Mode(
        "measure PSNR and SSIM of a model on folders of images",
        "evaluate",
        ("srnas evaluate x4 --data=Set5", "srnas evaluate model.keras --data=Set5,Set14 --record=results/mine.json"),
        arguments=("model",),
        needs=("model",),
        shown=(DataSettings,),
        flags=("workdir", "record", "seed", "cache_dir", "max_megapixels"),
        workdir="model",
    ),
    "report": Mode(
        "make one page of a workdir, report.html",
        "report",
        ("srnas report runs/mine",),
        arguments=("workdir",),
        sections=_SUBJECT,
        tensorflow=False,
        reads=True,
    ),
    "upscale": Mode(
        "enlarge an image, or a folder of images",
        "upscale",
        ("srnas upscale photo.jpg", "srnas upscale /photos --model=x4", "srnas upscale photo.jpg large.webp --scale=2"),
        arguments=("input", "output"),
        needs=("input",),
        settings=(PictureSettings,),
        flags=("model", "scale", "tile", "recursive", "runtime"),
        workdir="none",
    ),
    "demo": Mode(
        "serve a page on this machine that enlarges images in the browser",
        "demo",
        ("srnas demo", "srnas demo export/model.onnx --port=8000"),
        arguments=("model",),
        settings=(DemoSettings,),
        flags=("workdir", "scale"),
        workdir="model or own",
        tensorflow=False,
        reads=True,
    ),
    "export": Mode(
        "export a model to SavedModel, LiteRT and ONNX files, and check each",
        "export",
        ("srnas export model.keras", "srnas export model.keras --export_files=model.onnx,model_int8.tflite"),
        arguments=("model",),
        needs=("model",),
        settings=(ExportSettings, DataSettings),
        flags=("workdir", "max_megapixels"),
        workdir="model",
    ),
    "benchmark": Mode(
        "measure the latency of a model, or of a space's blocks",
        "benchmark",
        ("srnas benchmark model.onnx", "srnas benchmark --space=tapped --runtime=litert --latency_table=phone.json"),
        arguments=("model",),
        settings=(LatencySettings, BenchmarkSettings),
        shown=(Space,),
        flags=("workdir",),
        workdir="model if given",
    ),
    "describe": Mode(
        "print the cost of a network or a space as JSON",
        "describe",
        ("srnas describe --net=carn", "srnas describe --space=tapped --depth=2/3/4 --max_params=50000"),
        shown=(Space, Budget),
        flags=("arch", "net", "model", "degradation"),
        workdir="none",
        tensorflow=False,
    ),
    "tables": Mode(
        "print the thesis' tables, with our own measurements",
        "tables",
        ("srnas tables", "srnas tables --table=4.3"),
        flags=("table", "results"),
        workdir="none",
        tensorflow=False,
    ),
}


def settings() -> Iterable[type]:
    """All settings."""
    return (kind for kinds in GROUPS.values() for kind in kinds)


def help_of_all() -> str:
    """The text of `--help` without a mode."""
    lines = ["usage: srnas MODE [FILE ...] [--flag=value ...]", "", "srnas upscale photo.jpg", "srnas MODE --help", ""]
    lines += ["modes:", *(f"  {name}: {mode.help}" for name, mode in MODES.items()), ""]
    lines += ["srnas MODE --help shows the flags of a mode, srnas --helpfull all flags, srnas --version the version."]
    lines += ["--flagfile=FILE reads flags from a file. python -m srnas_tf is the same as srnas."]
    return "\n".join(lines)


def help_of(name: str) -> str:
    """The text of `--help` for a mode: examples, the shortest first, then its flags, the smallest group first."""
    mode = MODES[name]
    titles = {each: title for title, kinds in reversed(GROUPS.items()) for each in flags.names(*kinds)}
    titles |= dict.fromkeys((*mode.arguments, *mode.needs, *mode.flags), "general")
    groups: dict[str, list[str]] = {}
    for each in flags.in_order(mode.names):
        groups.setdefault(titles.get(each, "general"), []).append(each)
    usage = [each.upper() if each in mode.needs else f"[{each.upper()}]" for each in mode.arguments]
    lines = [" ".join(["usage: srnas", name, *usage, "[--flag=value ...]"]), "", mode.help, ""]
    lines += ["examples:", *(f"  {each}" for each in mode.examples)]
    by_size = sorted(groups.items(), key=lambda item: (item[0] != "general", len(item[1])))
    for title, names in by_size:
        lines += ["", f"{title}:", *map(flags.help_line, names)]
    return "\n".join(lines)
