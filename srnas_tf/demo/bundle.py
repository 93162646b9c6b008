"""Builds the page as a folder that any web server can serve: its own files, onnxruntime-web, and models.

Nothing is compiled, since onnxruntime-web is published as a module that browsers load. Its package is downloaded once
from npm's registry and cached. Its SHA-512 must be that in `package-lock.json`.
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
"""Folder of the page's own files; a link to that in `export/web`."""

LOCK = Path(__file__).parent / "package-lock.json"
"""npm's lock file, which pins the version and the hash of onnxruntime-web; a link to that in `export/web`."""

WEBGPU = ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
"""Further files of onnxruntime-web, for browsers that have WebGPU."""

RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm", *WEBGPU)
"""Files of onnxruntime-web that the page needs."""

MODELS = "models/models.json"
"""File in the folder that lists the available networks."""

_FORMER = "model/model.json"
"""The same file in a page of earlier versions, which had one network."""

LARGEST = 100 * 2**20
"""Maximum number of bytes that are read of a package, whatever the server sends."""

PATIENCE = 60
"""Seconds without a byte after which a download fails."""


class Model(NamedTuple):
    """A network that users can choose on the page.

    Attributes:
        path: its ONNX file, which `check_model` accepts. `MODEL_CARD.md` and `stages/` in the same folder are copied,
            too, if they exist.
        id: its folder in `models/`, and its name in the page's address.
        name: its name on the page.
    """

    path: Path
    id: str
    name: str


class Package(NamedTuple):
    """A package of npm's registry.

    Attributes:
        name: its file name in the cache.
        address: URL of the download.
        integrity: hash of its bytes, as npm writes it: "sha512-" and base64.
    """

    name: str
    address: str
    integrity: str

    def matches(self, content: bytes) -> bool:
        return self.integrity == "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def pinned() -> Package:
    """The package of onnxruntime-web that the lock file pins."""
    entry = read_json(LOCK)["packages"]["node_modules/onnxruntime-web"]
    return Package(f"onnxruntime-web-{entry['version']}.tgz", entry["resolved"], entry["integrity"])


def cache() -> Path:
    """The folder for downloaded packages: `srnas_tf` in $XDG_CACHE_HOME, or in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "srnas_tf"


def check_model(path: Path) -> None:
    """Refuses a model file that the page cannot run.

    Raises:
        UserError: if it is not an ONNX file with one input `lr`, float32 of any height and width, and an output `sr`.
    """
    if path.suffix.lower() != ".onnx":
        raise UserError(f"--model={path}: the page runs .onnx and .keras files; --mode=export writes them")
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except Exception:  # protobuf has several implementations, with errors of their own
        raise UserError(f"{path}: is not an ONNX file; export the model again") from None
    inputs = {value.name: value.type.tensor_type for value in graph.input}
    if list(inputs) != ["lr"] or "sr" not in {value.name for value in graph.output}:
        raise UserError(f"{path}: needs one input, lr, and an output sr; give the model.onnx that --mode=export writes")
    fixed = any(dim.HasField("dim_value") for dim in inputs["lr"].shape.dim[2:])
    if fixed or inputs["lr"].elem_type != onnx.TensorProto.FLOAT:
        raise UserError(f"{path}: takes one image size only, or no float32; give a model.onnx that takes any size")


def build(models: Sequence[Model], folder: Path, first: str) -> None:
    """Builds the folder of the page.

    It holds `index.html` and the page's other files, `runtime/`, and `models/`. There each network has its ONNX file,
    its model card if there is one, and its stages if it needs them for large images.

    Args:
        models: the available networks.
        folder: the folder to make. If it holds an earlier page, that is replaced.
        first: id of the network that is selected at first.

    Raises:
        UserError: if the folder holds something else, or onnxruntime-web cannot be downloaded.
        WorkError: if the folder cannot be written, or the download is damaged.
    """
    if folder.exists() and not any((folder / known).exists() for known in (MODELS, _FORMER)):
        raise UserError(f"{folder}: exists and is not a page; move it, or give another --workdir")
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
    """Copies a network's files; returns its entry in MODELS."""
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
    if not known["pools"]:  # tiles are exact if they overlap by the receptive field of all stages
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
    """The script that tells the service worker which files to cache, and a version that is a hash of all files.

    WebGPU's runtime is not cached.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path} {hashlib.sha256((folder / path).read_bytes()).hexdigest()}\n".encode())
    kept = ["./", *(path for path in paths if Path(path).name not in WEBGPU)]
    return f"self.site = {json.dumps({'version': digest.hexdigest()[:16], 'files': kept}, separators=(',', ':'))};\n"


def files_of(package: Package, names: Sequence[str]) -> dict[str, bytes]:
    """Reads files of a package. The package is downloaded once and cached, and its hash is checked each time.

    Args:
        package: the package to read.
        names: names of files within it.

    Returns:
        The content of each file by name.

    Raises:
        UserError: if the package cannot be downloaded, or the cached file has another hash.
        WorkError: if the downloaded file has another hash.
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
    print(f"downloading {package.address}; this happens only once", file=sys.stderr, flush=True)
    try:
        with urllib.request.urlopen(package.address, timeout=PATIENCE) as answer:
            content = answer.read(LARGEST + 1)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{package.address}: cannot be fetched ({reason}); the page needs it: download it on another machine, "
            f"and put it at {path}"
        ) from None
    if not package.matches(content):
        raise WorkError(f"{package.address}: the download is not that package (its SHA-512 differs); it was not kept")
    return content


def _keep(path: Path, content: bytes) -> None:
    with writing(path), whole(path) as partial:
        partial.write_bytes(content)
