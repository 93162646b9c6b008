"""The page as a folder that any web server can serve: its own files, onnxruntime-web, and a model, side by side.

Nothing is compiled: onnxruntime-web is published as a module that browsers load. Its package is fetched from npm's
registry once, must be what `package-lock.json` says to the bit, and is kept.
"""

import base64
import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

import onnx

from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import stages_file
from srnas_tf.workdir.files import read_json, whole, write_json

PAGE = Path(__file__).parent / "page"
"""The page's own files: those of `export/web`."""

LOCK = Path(__file__).parent / "package-lock.json"
"""npm's word for which onnxruntime-web it is: that of `export/web`."""

RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""What the page needs of onnxruntime-web."""

LARGEST = 100 * 2**20
"""Bytes that are read of a package, whatever a server sends."""

PATIENCE = 60
"""Seconds without a byte after which a download is given up."""


class Package(NamedTuple):
    """A package of npm's registry.

    Attributes:
        name: of its file.
        address: where it is fetched from.
        integrity: what its bytes must hash to, as npm writes it: "sha512-" and base64.
    """

    name: str
    address: str
    integrity: str

    def matches(self, content: bytes) -> bool:
        return self.integrity == "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def pinned() -> Package:
    """onnxruntime-web, as the lock file pins it."""
    entry = read_json(LOCK)["packages"]["node_modules/onnxruntime-web"]
    return Package(f"onnxruntime-web-{entry['version']}.tgz", entry["resolved"], entry["integrity"])


def cache() -> Path:
    """Where what was fetched is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "srnas_tf"


def check_model(path: Path) -> None:
    """Refuses what the page cannot run.

    Raises:
        UserError: where it is no ONNX file that takes `lr`, float32 of any height and width, to `sr`.
    """
    if path.suffix.lower() != ".onnx":
        raise UserError(f"--model={path}: the page runs .onnx and .keras files; --mode=export writes them")
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except Exception:  # protobuf has several implementations, with errors of their own
        raise UserError(f"{path}: is no ONNX file; export the model again") from None
    inputs = {value.name: value.type.tensor_type for value in graph.input}
    if list(inputs) != ["lr"] or "sr" not in {value.name for value in graph.output}:
        raise UserError(f"{path}: has no input lr and output sr; give the model.onnx that --mode=export writes")
    fixed = any(dim.HasField("dim_value") for dim in inputs["lr"].shape.dim[2:])
    if fixed or inputs["lr"].elem_type != onnx.TensorProto.FLOAT:
        raise UserError(f"{path}: is for images of one size, or not for floats; give a model.onnx that takes any size")


def build(model: Path, folder: Path, name: str) -> None:
    """Makes the folder: `index.html` and its own, `runtime/`, and `model/` with the model's card, where there is
    one, and the stages that stand for it.

    Args:
        model: an ONNX file that `check_model` lets pass; beside it lie `MODEL_CARD.md`, and its stages in `stages/`.
        folder: an earlier page in it is replaced.
        name: of the model, for the page's readers.

    Raises:
        UserError: where the folder holds something else, or onnxruntime-web cannot be had.
        WorkError: where it cannot be written.
    """
    known = folder / "model" / "model.json"
    if folder.exists() and not known.exists():
        raise UserError(f"{folder}: exists and is no page; move it, or give another --workdir")
    runtime = _runtime(pinned())
    with writing(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".demo-") as scratch:
        made = Path(scratch) / "new"
        shutil.copytree(PAGE, made)
        (made / "runtime").mkdir()
        for each, content in runtime.items():
            (made / "runtime" / each).write_bytes(content)
        (made / "model").mkdir()
        shutil.copyfile(model, made / "model" / "model.onnx")
        card = model.with_name("MODEL_CARD.md")
        if card.is_file():
            shutil.copyfile(card, made / "model" / card.name)
        stages = _copy_stages(model, made / "model" / "stages")
        write_json(made / "model" / "model.json", {"name": name, "card": card.is_file(), "stages": stages})
        if folder.exists():
            folder.rename(Path(scratch) / "former")
        made.rename(folder)


def _copy_stages(model: Path, target: Path) -> dict | None:
    """Copies the stages that stand for a model; returns what the page must know of them, None where there are none."""
    if not (beside := stages_file.beside(model)):
        return None
    folder, known = beside
    target.mkdir()
    for i in range(len(known["reaches"])):
        source = folder / f"{stages_file.name(i)}.onnx"
        if not source.is_file():
            raise UserError(f"{source}: missing; export the model again, or remove {folder / stages_file.DESCRIPTION}")
        shutil.copyfile(source, target / source.name)
    return {key: known[key] for key in ("reaches", "channels", "grid")}


def _runtime(package: Package) -> dict[str, bytes]:
    """The files of RUNTIME, from a package that is what it should be."""
    path = cache() / package.name
    if not path.exists():
        _keep(path, _fetch(package, path))
    content = path.read_bytes()
    if not package.matches(content):
        raise UserError(f"{path}: is not the package of that name (its SHA-512 differs); remove it")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in RUNTIME}
        return {name: member.read() for name, member in members.items() if member}


def _fetch(package: Package, path: Path) -> bytes:
    print(f"fetching {package.address}, once", file=sys.stderr, flush=True)
    try:
        with urllib.request.urlopen(package.address, timeout=PATIENCE) as answer:
            content = answer.read(LARGEST + 1)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{package.address}: cannot be fetched ({reason}); the page needs it once: fetch it elsewhere, "
            f"and put it at {path}"
        ) from None
    if not package.matches(content):
        raise WorkError(f"{package.address}: what came is not that package (its SHA-512 differs); nothing was kept")
    return content


def _keep(path: Path, content: bytes) -> None:
    with writing(path), whole(path) as partial:
        partial.write_bytes(content)
