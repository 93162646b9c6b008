"""The section of a report about exported files, and their latencies."""

from pathlib import PurePath

from srnas_tf.report.holdings import Holdings

USES = {
    "saved_model": "TensorFlow, and TensorFlow Serving",
    "model.tflite": "LiteRT: Android phones, small devices",
    "model_fp16.tflite": "LiteRT, in half the bytes",
    "model_int8.tflite": "LiteRT, in less time",
    "model.onnx": "onnxruntime and OpenVINO, on any processor",
    "model_fp16.onnx": "graphics processors, in half the bytes",
    "model_int8.onnx": "onnxruntime, in less time",
    "model.ncnn.param": "ncnn: Vulkan, Upscayl, video2x",
    "model.mlpackage": "Core ML: iPhone, iPad, Mac",
    "stages/stages.tflite": "LiteRT, for images of many megapixels",
    "stages/stage00.onnx": "onnxruntime, for images of many megapixels",
}
"""Use of each exported file, as the report describes it."""


def _exports(holdings: Holdings) -> list[str]:
    return [name for pattern in ("", "*/", "*/*/") for name in holdings.names(f"{pattern}export/export.json")]


def files(holdings: Holdings) -> dict | None:
    """Lists the exported files, and the difference of each from its network; None if nothing was exported."""
    exports = []
    for name in _exports(holdings):
        entries = {
            file: {**entry, "use": USES.get(file.removesuffix("/1"), "")}
            for file, entry in holdings.json(name).items()
            if isinstance(entry, dict)
        }
        exports.append({"folder": str(PurePath(name).parent), "files": entries})
    return {"exports": exports} if exports else None


VARIED = 0.2
"""Relative spread of a latency above which the report mentions it."""


def milliseconds(ms: float, spread: float = 0.0) -> str:
    """Formats a latency in milliseconds; adds its relative spread if that is above `VARIED`."""
    return f"{ms:.4g}" + (f" (varied by {spread:.0%})" if spread > VARIED else "")


def times(holdings: Holdings) -> list[dict[str, str]]:
    """For each exported file that was timed, its latency in milliseconds by number of threads, as text."""
    found = []
    for name in _exports(holdings):
        entries = holdings.json(name)
        for file, entry in entries.items() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and (times := entry.get("latency_ms")):
                spread = entry.get("latency_spread", {})
                written = {n: milliseconds(ms, spread.get(n, 0.0)) for n, ms in times.items()}
                threads = {f"{n} thread{'s' if n != '1' else ''}": text for n, text in written.items()}
                found.append({"file": str(PurePath(name).parent / file), **threads})
    return found
