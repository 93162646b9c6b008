"""960 x 540 to 3840 x 2160 in parts against the whole image, in each runtime, each in a process of its own."""

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Findings, ratio, spread

SIZE = (540, 960)
WAYS = {"parts": 0, "whole": SIZE[0] * SIZE[1]}
"""How many pixels are enlarged at a time; 0: as many as usual."""
RUNTIMES = {
    "onnxruntime": ("onnxruntime", "model.onnx"),
    "litert": ("litert", "model.tflite"),
    "tensorflow": ("", "saved_model"),
}
"""The kit in export/ that runs it, none where the package itself does; and what it runs."""
ROOT = Path(__file__).parents[1]


def large(rounds: int) -> Findings:
    """IMDN x4: seconds in parts / seconds of the whole image, and the peak in parts of the whole process."""
    seen: dict[tuple[str, str], list[dict]] = {(name, way): [] for name in RUNTIMES for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        _frozen(Path(folder))
        for _ in range(rounds):
            for (name, way), measured in seen.items():
                command = [sys.executable, "-m", "benchmarks.large", name, way, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
                measured.append(json.loads(done.stdout.splitlines()[-1]))
    figures = {}
    for name in RUNTIMES:
        parts, whole = ([each["seconds"] for each in seen[name, way]] for way in WAYS)
        figures[f"960 x 540, {name}, in parts / whole"] = ratio(parts, whole)
        figures[f"960 x 540, {name}, in parts, peak"] = spread([each["peak"] for each in seen[name, "parts"]], "MiB")
        figures[f"960 x 540, {name}, whole, peak"] = spread([each["peak"] for each in seen[name, "whole"]], "MiB")
    return Findings(figures)


def _frozen(folder: Path) -> None:
    """All forms of the network, as `--mode=export` writes them."""
    from srnas_tf import arch, nets
    from srnas_tf.nets import files
    from srnas_tf.nets.initial import initialize

    model = nets.SRNet(arch.imdn())
    initialize(model, 0, "interpolation")
    files.save(model, folder / "model.keras")
    command = [sys.executable, "-m", "srnas_tf.run", "--mode=export", f"--model={folder / 'model.keras'}"]
    command += [f"--workdir={folder}", "--nocard_latency", "--export_files=saved_model,model.onnx,model.tflite"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


def _enlarge(name: str, way: str, folder: Path) -> dict:
    """Seconds of one image, the runtime loaded and warm, and MiB of this process at most."""
    kit, file = RUNTIMES[name]
    path = folder / "export" / file
    if kit:
        sys.path.insert(0, str(ROOT / "export" / kit))
        tiles, model = importlib.import_module("kit.tiles"), importlib.import_module("upscale").load_model(path)
    else:
        from srnas_tf.freeze import staged
        from srnas_tf.kit import tiles

        model = staged.load_model(path / "1" if (path / "1").is_dir() else path)
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    tiles.enlarge(image[:64, :64], model, 64 * 64 if way == "whole" else 64 * 16)
    start = time.perf_counter()
    tiles.enlarge(image, model, WAYS[way])
    seconds = time.perf_counter() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


if __name__ == "__main__":
    print(json.dumps(_enlarge(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
