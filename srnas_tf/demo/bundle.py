"""The page as a folder that any web server can serve: its own files, onnxruntime-web, and models, side by side.

Nothing is compiled: onnxruntime-web is published as a module that browsers load. Its package is fetched from npm's
registry once, must be what `package-lock.json` says to the bit, and is kept.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from srnas_tf.errors import UserError, WorkError, writing
from srnas_tf.freeze import stages_file
from srnas_tf.kit import tiles
from srnas_tf.workdir.files import read_json, whole, write_json

PAGE = Path(__file__).parent / "page"
"""The page's own files: those of `export/web`."""

LOCK = Path(__file__).parent / "package-lock.json"
"""npm's word for which onnxruntime-web it is: that of `export/web`."""

WEBGPU = ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
"""What of onnxruntime-web a browser that has WebGPU asks for, too."""

RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm", *WEBGPU)
"""What the page needs of onnxruntime-web."""

MODELS = "models/models.json"
"""In the folder: the list of networks that can be chosen."""

_FORMER = "model/model.json"
"""In a page of earlier versions, the same of its one network."""

LARGEST = 100 * 2**20
"""Bytes that are read of a package, whatever a server sends."""

PATIENCE = 60
"""Seconds without a byte after which a download is given up."""


class Model(NamedTuple):
    """A network that can be chosen on the page.

    Attributes:
        path: of its ONNX file, which `check_model` lets pass; beside it may lie `MODEL_CARD.md`, and its stages in
            `stages/`.
        id: its folder on the page, and its name in an address.
        name: for the page's readers.
    """

    path: Path
    id: str
    name: str


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


def build(models: Sequence[Model], folder: Path, first: str) -> None:
    """Makes the folder: `index.html` and its own, `runtime/`, and `models/` with each network, its card, where there is
    one, and the stages that stand for it, if it needs them.

    Args:
        models: what can be chosen.
        folder: an earlier page in it is replaced.
        first: the id of the one that is chosen at first.

    Raises:
        UserError: where the folder holds something else, or onnxruntime-web cannot be had.
        WorkError: where it cannot be written.
    """
    if folder.exists() and not any((folder / known).exists() for known in (MODELS, _FORMER)):
        raise UserError(f"{folder}: exists and is no page; move it, or give another --workdir")
    runtime = files_of(pinned(), [f"dist/{name}" for name in RUNTIME])
    with writing(folder), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".demo-") as scratch:
        made = Path(scratch) / "new"
        shutil.copytree(PAGE, made)
        (made / "runtime").mkdir()
        for each, content in runtime.items():
            (made / "runtime" / Path(each).name).write_bytes(content)
        entries = [_copy_model(model, (made / MODELS).parent / model.id) for model in models]
        write_json(made / MODELS, {"first": first, "models": entries})
        (made / "site.js").write_text(_site(made), "utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "former")
        made.rename(folder)


def _copy_model(model: Model, target: Path) -> dict:
    """Copies a network's files; returns what the page must know of it: its entry in MODELS."""
    target.mkdir(parents=True)
    shutil.copyfile(model.path, target / "model.onnx")
    card = model.path.with_name("MODEL_CARD.md")
    if card.is_file():
        shutil.copyfile(card, target / card.name)
    entry: dict[str, Any] = {"id": model.id, "name": model.name, "scale": None, "card": card.is_file()}
    entry |= {"overlap": tiles.OVERLAP, "grid": tiles.GRID, "stages": None}
    if not (beside := stages_file.beside(model.path)):
        return entry
    folder, known = beside
    entry |= {"scale": known["scale"]}
    if not known["pools"]:  # overlapping parts are exact, if they overlap by as much as the stages look at
        return {**entry, "overlap": sum(known["reaches"]), "grid": known["grid"]}
    _copy_stages(folder, known, target / stages_file.FOLDER)
    return {**entry, "stages": {key: known[key] for key in ("reaches", "channels", "grid")}}


def _copy_stages(folder: Path, known: dict, target: Path) -> None:
    target.mkdir()
    for i in range(len(known["reaches"])):
        source = folder / f"{stages_file.name(i)}.onnx"
        if not source.is_file():
            raise UserError(f"{source}: missing; export the model again, or remove {folder / stages_file.DESCRIPTION}")
        shutil.copyfile(source, target / source.name)


def _site(folder: Path) -> str:
    """What the service worker keeps: all files but WebGPU's runtime, and a version that says what is in them."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path} {hashlib.sha256((folder / path).read_bytes()).hexdigest()}\n".encode())
    kept = ["./", *(path for path in paths if Path(path).name not in WEBGPU)]
    return f"self.site = {json.dumps({'version': digest.hexdigest()[:16], 'files': kept}, separators=(',', ':'))};\n"


def files_of(package: Package, names: Sequence[str]) -> dict[str, bytes]:
    """Files of a package that is what it should be, by their names within it; it is fetched once, and kept.

    Raises:
        UserError: where it cannot be fetched, or what is kept is not it.
        WorkError: where what comes is not it.
    """
    path = cache() / package.name
    if not path.exists():
        _keep(path, _fetch(package, path))
    content = path.read_bytes()
    if not package.matches(content):
        raise UserError(f"{path}: is not the package of that name (its SHA-512 differs); remove it")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {name: archive.extractfile(f"package/{name}") for name in names}
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
