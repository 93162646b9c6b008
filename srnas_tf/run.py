"""The front door: `srnas MODE ...`, which is `python -m srnas_tf.run --mode=MODE [--flagfile=FILE] ...`."""

import contextlib
import importlib
import io
import logging
import os
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any, NoReturn

from absl import flags as absl_flags

from srnas_tf import __version__, flags, models
from srnas_tf.arch import NETS, SPACES, Space
from srnas_tf.data.degrade.pipeline import DEFAULT, called
from srnas_tf.data.settings import PictureSettings
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError, WorkError
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.host import devices, interrupt, streams, watchdog
from srnas_tf.host.cluster import read_cluster
from srnas_tf.kit import formats
from srnas_tf.modes.catalogue import MODES, Mode, help_of, help_of_all, leaves_all_open, settings
from srnas_tf.train.settings import MachineSettings
from srnas_tf.workdir.folder import Workdir

LONGEST = 900
"""The longest error line, in characters."""


def define_flags() -> None:
    """Defines all flags."""
    absl_flags.DEFINE_enum("mode", None, list(MODES), "what to do; also the first argument")
    absl_flags.DEFINE_string("input", None, "image or folder to enlarge; file of weights to import")
    absl_flags.DEFINE_string("output", None, "file or folder for the result; by default NAME-x4.png beside --input")
    absl_flags.DEFINE_string(
        "model", None, "a .keras, .tflite or .onnx file, a SavedModel folder, or a network of the package (x4)"
    )
    absl_flags.DEFINE_string("workdir", None, "folder of the experiment; by default named after its settings")
    absl_flags.DEFINE_string(
        "arch", None, "a network: codes (7,1,7), recipes (SCCC-SSSC; one stands for all) or a full text"
    )
    absl_flags.DEFINE_enum("net", None, list(NETS), "a published network, instead of --arch and a space")
    absl_flags.DEFINE_integer("tile", 0, "side of tiles in pixels; 0: as large as usually fits")
    absl_flags.DEFINE_string("record", None, "file that keeps the result for --results: NAME.json")
    absl_flags.DEFINE_string("results", None, "folder of such files; by default `results` next to the package")
    absl_flags.DEFINE_string("table", None, "table of the thesis, 4.1 to 4.5; by default all")
    absl_flags.DEFINE_bool("help", False, "show help; after a mode, the flags that it uses")
    absl_flags.DEFINE_bool("helpfull", False, "show all flags")
    absl_flags.DEFINE_bool("version", False, "show the version")
    flags.define(*settings())


def default_workdir(mode: Mode) -> Path:
    """The default workdir: beside the model that a mode works on, or a folder of `runs/` named after the experiment."""
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
    if mode is MODES["pipeline"] and leaves_all_open():
        conditions = flags.from_flags(LatencySettings)
        network = f"within-{flags.FLAGS.max_latency_ms:g}ms-{Path(conditions.latency_table).stem or conditions.name}"
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
    define_flags()
    try:
        rest = flags.FLAGS(flags.with_flagfiles(argv))[1:]
        if rest and not flags.FLAGS.mode and rest[0] in MODES:
            flags.FLAGS["mode"].parse(rest.pop(0))
        if said := _said():
            print(said, flush=True)
            return 0
        if not flags.FLAGS.mode:
            if rest and Path(rest[0]).exists():
                raise UserError(f"{rest[0]}: say what to do with it, such as: srnas upscale {rest[0]}")
            wrong = f"{rest[0]}: no mode" if rest else "--mode: missing"
            raise UserError(f"{wrong}; choose one of {', '.join(MODES)}, or see --help")
        flags.take_arguments(MODES[flags.FLAGS.mode].arguments, rest)
        with interrupt.at_once():
            _run(MODES[flags.FLAGS.mode], argv[1:])
        sys.stdout.flush()  # an error here becomes one line; at the interpreter's end it would be a traceback
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
        return _fail(f"{error}; the same command continues from there", error.status)
    return 0


def _said() -> str:
    """The text of --help and --version; empty if neither is given."""
    if flags.FLAGS.version:
        return f"srnas_tf {__version__}"
    if flags.FLAGS.helpfull:
        return flags.FLAGS.get_help()
    if flags.FLAGS.help:
        return help_of(flags.FLAGS.mode) if flags.FLAGS.mode else help_of_all()
    return ""


def _check(mode: Mode, workdir: Workdir | None) -> None:
    """Finds mistakes before TensorFlow is imported, which takes seconds.

    Raises:
        UserError: if a flag is missing, has a wrong value, names nothing, or contradicts the workdir's record.
    """
    for name in mode.needs:
        flags.required_path(name)
    for name in ("model", "input"):
        if name in mode.names:
            flags.existing_path(name)
    for kind in mode.settings:
        flags.from_flags(kind)
    settled = [_settled(mode, workdir, section) for section in mode.sections] if workdir else []
    for each in settled:
        if isinstance(each, DataSettings):
            each.check_folders()


def _settled(mode: Mode, workdir: Workdir, section: str) -> Any:
    kind = mode.sections[section]
    if mode.follows and not mode.begins() and section in ("network", "data"):
        return flags.recorded(workdir, section, kind, mode.follows)
    return flags.settle(workdir, section, kind)


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
        _check(mode, workdir)
        if mode.tensorflow:
            devices.import_tensorflow(find_devices=cluster is None, cpu_devices=cpu_devices)
        module = importlib.import_module(f"srnas_tf.modes.{mode.module}")
        if cluster:
            stack.enter_context(importlib.import_module("srnas_tf.train.workers").losses_told(cluster))
        module.run(workdir)


def _out_of_memory(error: Exception) -> bool:
    """Whether an error is Python's or TensorFlow's for missing memory. TensorFlow need not be imported."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _drop_unwritable() -> None:
    """Drops output that stdout cannot write. The interpreter would try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in " ".join(message.split()))
    if len(line) > LONGEST:  # it may quote a very long value
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    print(f"srnas_tf: {line}", file=sys.stderr)
    return status


def console() -> NoReturn:
    """The process `srnas`."""
    status = main(sys.argv)
    watchdog.see_off(status)
    sys.exit(status)


if __name__ == "__main__":
    console()
