"""The front door: `python -m srnas_tf.run --mode=MODE [--flagfile=FILE] [--workdir=DIR] ...`"""

import contextlib
import importlib
import io
import logging
import os
import sys
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

from absl import flags as absl_flags

from srnas_tf import flags, models
from srnas_tf.arch import NETS, SPACES, Space
from srnas_tf.data.degrade.pipeline import DEFAULT, called
from srnas_tf.data.settings import PictureSettings
from srnas_tf.data.sources import DataSettings
from srnas_tf.demo.settings import DemoSettings
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze.settings import BenchmarkSettings, ExportSettings, LatencySettings
from srnas_tf.host import devices, interrupt, streams, watchdog
from srnas_tf.host.cluster import read_cluster
from srnas_tf.kit import formats
from srnas_tf.search.ranking import RankSettings
from srnas_tf.search.settings import Budget, Pick, RungSettings, SearchSettings
from srnas_tf.train.settings import MachineSettings, RetrainSettings, TrainSettings
from srnas_tf.workdir.folder import Workdir


class Mode(NamedTuple):
    """A mode of the command line.

    Attributes:
        help: what it does.
        module: in `srnas_tf.modes`; its `run` takes the workdir.
        workdir: where it writes unless --workdir says otherwise: in `runs/`, in a folder named after the
            "experiment" or the "input"; next to the "model", or the "model if given"; in a folder named after the
            mode where it is not ("model or own"); or in "none".
        tensorflow: whether it needs TensorFlow, which takes seconds to import.
        trains: whether machines can join to do it.
        reads: whether it changes nothing of an experiment, so that another process may be at work there.
    """

    help: str
    module: str
    workdir: str = "experiment"
    tensorflow: bool = True
    trains: bool = False
    reads: bool = False


MODES = {
    "pipeline": Mode(
        "supernet, search, retraining, evaluation, export and report in one: the main job", "pipeline", trains=True
    ),
    "supernet": Mode("train the supernet of a space", "supernet", trains=True),
    "search": Mode("search the trained supernet of a workdir, or by networks trained alone (--rungs)", "search"),
    "retrain": Mode("train the networks that the search found", "retrain", trains=True),
    "rank": Mode("see how well the supernet ranks networks, against networks trained alone", "rank"),
    "train": Mode("train one network (--arch or --net)", "train", trains=True),
    "import": Mode("official IMDN weights (--input: .pth or .npz) to model.keras", "import_weights", "input"),
    "evaluate": Mode("PSNR and SSIM of --model on each folder of --data", "evaluate", "model"),
    "report": Mode("all that a workdir holds as one page, report.html", "report", tensorflow=False, reads=True),
    "upscale": Mode(
        "enlarge --input to --output, or beside it, by --model or the package's for --scale", "upscale", "none"
    ),
    "demo": Mode(
        "a page on this machine that enlarges by --model (.onnx, .keras), or by the package's for --scale",
        "demo",
        "model or own",
        False,
        reads=True,
    ),
    "export": Mode("freeze --model into SavedModel, LiteRT and ONNX, each checked", "export", "model"),
    "benchmark": Mode("latency of --model, or of a space's blocks, in a runtime", "benchmark", "model if given"),
    "describe": Mode("an architecture and its cost, or a space, as JSON", "describe", "none", tensorflow=False),
    "tables": Mode("the thesis' tables as Markdown, with what --results holds", "tables", "none", tensorflow=False),
}

LONGEST = 900
"""Characters of a line that says what went wrong."""

USAGE = "usage: python -m srnas_tf.run --mode=MODE [--flagfile=FILE] [--workdir=DIR] [--flag=value ...]\n\nmodes:\n"
USAGE += "\n".join(f"  {name}: {mode.help}" for name, mode in MODES.items())


def define_flags() -> dict[str, list[str]]:
    """Defines all flags; returns their names by group."""
    absl_flags.DEFINE_enum("mode", None, list(MODES), "what to do")
    absl_flags.DEFINE_string("workdir", None, "folder of the experiment; named after its settings unless given")
    absl_flags.DEFINE_string("arch", None, "codes (7,1,7), recipes (SCCC-SSSC; one stands for all) or a full text")
    absl_flags.DEFINE_enum("net", None, list(NETS), "a network by its name, instead of --arch and a space")
    absl_flags.DEFINE_string("model", None, "a .keras, .tflite or .onnx file, or a SavedModel folder")
    absl_flags.DEFINE_string("input", None, "image or folder to enlarge; weights to import")
    absl_flags.DEFINE_string("output", None, "file or folder for the result; beside --input (NAME-x4.png) unless given")
    absl_flags.DEFINE_integer("tile", 0, "upscale in parts of this many pixels a side; 0: as memory is usual")
    absl_flags.DEFINE_string("record", None, "file for what evaluate measures, and of what: NAME.json, for --results")
    absl_flags.DEFINE_string("results", None, "folder of such files; `results` next to the package unless given")
    absl_flags.DEFINE_string("table", None, "one table of the thesis, 4.1 to 4.5; all unless given")
    absl_flags.DEFINE_bool("help", False, "show this help")
    kinds: dict[str, list[type]] = {
        "photographs": [DataSettings, PictureSettings],
        "training": [TrainSettings],
        "retraining": [RetrainSettings],
        "search": [SearchSettings, RungSettings, Budget, Pick],
        "ranking": [RankSettings],
        "latency": [LatencySettings, BenchmarkSettings],
        "demo": [DemoSettings],
        "export": [ExportSettings],
        "machine": [MachineSettings],
    }
    flags.define(Space, *(kind for group in kinds.values() for kind in group))
    return {
        "general": ["mode", "workdir", "model", "input", "output", "tile", "record", "results", "table"],
        "network": ["arch", "net", *flags.names(Space)],
        **{title: flags.names(*group) for title, group in kinds.items()},
    }


def default_workdir(mode: Mode) -> Path:
    """Next to the model that a mode works on; else a folder of `runs/` that says what makes the experiment."""
    if mode.workdir == "model" or (mode.workdir.startswith("model ") and flags.FLAGS.model):
        model = flags.required_path("model")
        return Path("runs") / model.stem if models.is_packaged(model) else model.parent
    if mode.workdir == "model or own":
        return Path("runs") / mode.module
    if mode.workdir == "input":
        return Path("runs") / flags.required_path("input").stem
    space, data = flags.from_flags(Space), flags.from_flags(DataSettings)
    photographs = "-".join(Path(part).name for part in data.data.split(","))
    stages = space.stages if SPACES[space.space].staged else ""
    network = flags.FLAGS.net or f"{space.space}{stages}-w{space.width}-d{space.depth}".replace("/", "_")
    arch = f"-{flags.FLAGS.arch}".replace(",", "").replace(":", "-") if flags.FLAGS.arch else ""
    degraded = called(data.degradation)
    if degraded == data.degradation:  # which no name of a folder could hold
        degraded = f"{zlib.crc32(degraded.encode()):08x}"
    degraded = "" if data.degradation == DEFAULT else f"-{degraded}"
    name = f"{network}-x{space.scale}-{photographs}{degraded}{arch}"
    return Path("runs") / f"{name}-seed{flags.FLAGS.seed}"


def main(argv: list[str]) -> int:
    """Runs a mode; returns the exit status: 0 done, 2 the user's mistake, 1 anything else."""
    streams.reopen_closed()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.simplefilter("ignore")  # of libraries, to programmers
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names that are not in its encoding, as on stderr
    groups = define_flags()
    try:
        rest = flags.FLAGS(flags.with_flagfiles(argv))[1:]
        if flags.FLAGS.help:
            print(flags.help_text(USAGE, groups), flush=True)
            return 0
        if rest:
            raise UserError(f"{rest[0]}: unexpected argument; flags have the form --name=value")
        if not flags.FLAGS.mode:
            raise UserError(f"--mode: missing; choose one of {', '.join(MODES)}, or see --help")
        with interrupt.at_once():
            _run(MODES[flags.FLAGS.mode], argv[1:])
        sys.stdout.flush()  # here, where an error becomes a line; at the interpreter's end it would become a traceback
    except (absl_flags.Error, UserError) as error:
        return _fail(str(error), 2)
    except UnicodeDecodeError as error:
        return _fail(f"--flagfile: not a text file ({error.reason})", 2)
    except WorkError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:  # the reader of stdout left; so does this process
        _drop_unwritable()
        return 1
    except OSError as error:
        _drop_unwritable()
        return _fail(f"{error.filename or 'writing'}: {error.strerror or error}", 1)
    except Exception as error:
        if not _out_of_memory(error):
            raise
        return _fail("out of memory; lower --memory_gb, --batch, --patch, --width or --depth", 1)
    except interrupt.Interrupted as error:
        return _fail(f"{error}; the same command goes on where it was", error.status)
    return 0


def _run(mode: Mode, arguments: list[str]) -> None:
    together = flags.FLAGS.distribution == "multiworker"
    if together and not mode.trains:
        raise UserError(f"--distribution=multiworker: --mode={flags.FLAGS.mode} is for one machine; drop the flag")
    cpu_devices = flags.from_flags(MachineSettings).cpu_devices if mode.tensorflow else 1
    if together and cpu_devices > 1:
        raise UserError(f"--cpu_devices={cpu_devices}: of several workers each is one device; drop the flag")
    cluster = read_cluster() if together else None
    formats.allow(flags.from_flags(PictureSettings).max_megapixels)
    owned = not mode.reads and (cluster is None or cluster.is_chief)
    with contextlib.ExitStack() as stack:
        workdir = None
        if mode.workdir != "none":
            path = flags.FLAGS.workdir or default_workdir(mode)
            workdir = stack.enter_context(Workdir(path, owned, arguments))
        if mode.tensorflow:
            devices.import_tensorflow(find_devices=cluster is None, cpu_devices=cpu_devices)
        module = importlib.import_module(f"srnas_tf.modes.{mode.module}")
        if cluster:
            stack.enter_context(importlib.import_module("srnas_tf.train.workers").losses_told(cluster))
        module.run(workdir)


def _out_of_memory(error: Exception) -> bool:
    """Python's word for it, or TensorFlow's, which need not be imported here."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _drop_unwritable() -> None:
    """What stdout holds and cannot write goes nowhere: the interpreter would try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in " ".join(message.split()))
    if len(line) > LONGEST:  # what it quotes need not be of a length to be read
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    print(f"srnas_tf: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    status = main(sys.argv)
    watchdog.see_off(status)
    sys.exit(status)
