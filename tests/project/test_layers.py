"""The house's floors: a room imports only from rooms below it, and only nets is bound to keras.ops."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FLOORS = [
    {"archives", "bicubic", "errors", "executors", "kit", "model_file", "models", "reading", "seeding", "settings"},
    {"arch", "metrics", "host"},
    {"workdir"},
    {"flags"},
    {"nets", "data"},
    {"train"},
    {"search"},
    {"freeze"},
    {"report", "demo", "inference"},
    {"modes"},
    {"run"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted((ROOT / "srnas_tf").rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "srnas_tf").parts[0].removesuffix(".py")


def _imported(path: Path) -> set[str]:
    """Full names of what a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    room = _room(path)
    if room in ("__init__", "__main__"):  # the package's doors: above all rooms
        return
    for name in _imported(path):
        parts = name.split(".")
        if parts[0] == "srnas_tf" and parts[1] not in ("seconds_since_start", "__version__", room):
            assert FLOOR[parts[1]] < FLOOR[room] or {parts[1], room} <= FLOORS[0], f"{path} imports {name}"


def test_no_circles():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    below: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = _imported(path)
        below[module] = {
            m for m in modules if m != module and (m in names or any(n.rpartition(".")[0] == m for n in names))
        }
    while below:
        free = [module for module, used in below.items() if not used & set(below)]
        assert free, f"circle among {sorted(below)}"
        for module in free:
            del below[module]


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("arch", {"numpy"}),
        ("metrics", {"numpy"}),
        ("nets", {"numpy", "keras", "h5py"}),
        ("search", {"numpy", "scipy", "sklearn", "pymoo", "optuna"}),
    ],
)
def test_rooms_keep_to_their_libraries(room, allowed):
    for path in (ROOT / "srnas_tf" / room).rglob("*.py"):
        roots = {name.split(".")[0] for name in _imported(path)} - set(sys.stdlib_module_names)
        assert roots <= allowed | {"srnas_tf"}, path


def test_arch_runs_without_any_library():
    unwanted = "{'numpy', 'keras', 'tensorflow', 'fcntl', 'socket', 'signal'}"
    script = f"import sys, srnas_tf.arch; assert not {unwanted} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_files_are_short():
    assert max(len(path.read_text("utf-8").splitlines()) for path in FILES) <= 350
