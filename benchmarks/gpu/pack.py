"""Makes the folder that a training on a GPU needs: python -m benchmarks.gpu.pack --folder=FOLDER --data=DIV2K"""

import dataclasses
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags as absl_flags

from srnas_tf import __version__, flags
from srnas_tf.data.degrade.pipeline import DEFAULT
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError, WorkError
from srnas_tf.train.settings import TrainSettings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MIB = 2**20
PYTHON, LIMIT = "3.12", 64.0
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
WHEELS = (
    "absl-py", "keras", "markdown-it-py", "mdurl", "ml_dtypes", "namex", "optree", "packaging", "Pygments", "rich",
    "typing_extensions",
)  # fmt: skip
"""What Keras needs, but for NumPy. The machine's own are taken where it has them."""
CODE = ("arch", "data", "executors", "host", "kit", "metrics", "nets", "train", "workdir")
"""Rooms of the package whose files come along, beside the modules of the ground floor."""
PACKAGED = "x4:w64:expanded:bare:r0.25:x3:f1:TCCCT-TCCTC-T-TCCCT-TCTCCT"
"""The package's x4 network, as it is trained."""


def pack(
    folder: Path, network: str, recipe: TrainSettings, data: str, paths: Sequence[Path], kind: str, quality: int,
    limit: float, wheels: Sequence[str] = WHEELS, python: str = PYTHON,
) -> float:  # fmt: skip
    """Makes the folder, which must not be there; returns its size in MiB.

    Args:
        folder: for code, wheels, images and the state before the first step.
        network: an architecture, as text.
        recipe: all of it but for the number of steps, which the machine decides.
        data: what the photographs are, for the network's provenance.
        paths: of the photographs.
        kind: how they are kept, a key of `images.FORMATS`.
        quality: 1 to 100, for kinds that lose something.
        limit: MiB that the folder may have.
        wheels: packages that come along, of the versions that are installed here.
        python: version on the machine.

    Raises:
        UserError: where the folder is there, or would be larger; nothing stays of it then.
    """
    from benchmarks.gpu import images, state

    about = {"data": data, "images": len(paths), "kept_as": kind if kind == "webp" else f"{kind} {quality}"}
    if folder.exists():
        raise UserError(f"--folder={folder}: exists; remove it, or give another")
    try:
        (folder / "wheels").mkdir(parents=True)
        images.write(paths, folder / "images.zip", kind, quality)
        _copy_code(folder / "code")
        for name in ("run.sh", "start.py"):
            shutil.copy(HERE / name, folder / name)
        if wheels:
            _download(wheels, folder / "wheels", python)
        state.save(folder / state.NAME, *first(network, recipe, about))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MIB
        if size > limit:
            held = (folder / "images.zip").stat().st_size / MIB
            raise UserError(
                f"--folder={folder}: {size:.1f} MiB are more than --limit={limit:g}; {len(paths)} images take "
                f"{held:.1f} of them: lower --quality={quality}, or give fewer --images"
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return size


def first(network: str, recipe: TrainSettings, facts: dict) -> tuple[dict, dict]:
    """The state before the first step, and its facts: of `--init`, or drawn from the seed as any training draws it."""
    from benchmarks.gpu.step import first_state
    from srnas_tf import arch, nets
    from srnas_tf.modes.start import start_of
    from srnas_tf.nets.initial import initialize

    target = arch.parse(network)
    model = nets.build(target)
    initialize(model, recipe.seed, recipe.first_weights)
    if begin := start_of(recipe.init, target):
        begin(model)
    weights, states = ([v.numpy() for v in kind] for kind in (model.trainable_variables, model.non_trainable_variables))
    plain = {name: value for name, value in dataclasses.asdict(recipe).items() if name != "steps"}
    known = {"network": str(target), "recipe": plain, "version": __version__, **facts}
    return first_state(weights, states), {**known, "steps": 0, "done": 0, "seconds": 0.0}


def check(recipe: TrainSettings, data: DataSettings) -> None:
    """Refuses what a training on the GPU does not do.

    Raises:
        UserError: naming the flag.
    """
    if recipe.teacher:
        raise UserError(f"--teacher={recipe.teacher}: a training on a GPU has none; drop the flag")
    if data.degradation != DEFAULT or data.lr_data not in ("", "none"):
        raise UserError("--degradation, --lr_data: a training on a GPU reduces its images by bicubic; drop them")
    if recipe.precision not in ("float32", "mixed_bfloat16"):
        raise UserError(f"--precision={recipe.precision}: give float32 or mixed_bfloat16")


def _copy_code(code: Path) -> None:
    skip = shutil.ignore_patterns("__pycache__", "*.jpg", "*.png")
    for room in CODE:
        shutil.copytree(ROOT / "srnas_tf" / room, code / "srnas_tf" / room, ignore=skip)
    for module in (ROOT / "srnas_tf").glob("*.py"):
        shutil.copy(module, code / "srnas_tf" / module.name)
    for module in (*HERE.glob("*.py"), HERE.parent / "__init__.py"):
        to = code / "benchmarks" / module.relative_to(HERE.parent)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, to)


def _download(wheels: Sequence[str], into: Path, python: str) -> None:
    pins = [f"{name}=={importlib.metadata.version(name)}" for name in wheels]
    line = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--implementation=cp"]
    line += [f"--python-version={python}", f"--dest={into}", *(f"--platform={each}" for each in PLATFORMS), *pins]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkError(f"wheels for Python {python} cannot be had: {done.stderr.strip().splitlines()[-1]}")


def main(arguments: list[str]) -> None:
    """The command."""
    flags.define(TrainSettings, DataSettings)
    absl_flags.DEFINE_string("folder", None, "the folder to make", required=True)
    absl_flags.DEFINE_string("arch", PACKAGED, "the network, as text")
    absl_flags.DEFINE_integer("images", 0, "how many of the photographs to take, the first ones; 0: all")
    absl_flags.DEFINE_enum("format", "avif", ["avif", "jpeg", "webp"], "how images are kept; webp loses nothing")
    absl_flags.DEFINE_integer("quality", 85, "of avif and jpeg", lower_bound=1, upper_bound=100)
    absl_flags.DEFINE_float("limit", LIMIT, "MiB that the folder may have")
    absl_flags.DEFINE_string("python", PYTHON, "version of Python on the machine")
    absl_flags.DEFINE_list("wheels", list(WHEELS), "packages to bring along, but for what the machine has")
    given = absl_flags.FLAGS
    given(flags.with_flagfiles([arguments[0], "--flagfile=flags/recipe_anchor.flags", *arguments[1:]]))
    from srnas_tf.host import devices

    recipe = flags.from_flags(TrainSettings)
    data = flags.from_flags(DataSettings)
    check(recipe, data)
    data.check_folders()
    devices.import_tensorflow()
    paths = data.paths("train")
    taken = paths[: given.images or None]
    wheels = [name for name in given.wheels if name]
    size = pack(
        Path(given.folder), given.arch, recipe, data.data, taken, given.format, given.quality, given.limit, wheels,
        given.python,
    )  # fmt: skip
    print(f"{given.folder}: {size:.1f} MiB, {len(taken)} images; on the machine: bash run.sh --minutes=9")


def console() -> int:
    """The process; returns its exit status."""
    try:
        main(sys.argv)
    except (UserError, WorkError, absl_flags.Error) as error:
        print(f"benchmarks.gpu.pack: {error}", file=sys.stderr)
        return 1 if isinstance(error, WorkError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(console())
