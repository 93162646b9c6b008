"""Times networks by turns on the device that runs it, and makes a latency table: python measure.py [--help]

It needs numpy, one runtime and the modules in `runtimes/`, and nothing else of this package. `--mode=benchmark` runs it
here. `--blocks_to` copies it into a folder of networks to take to a device. `measure.py` starts it there, and it reads
`manifest.json` in the same folder:

    {"version": 1, "runtime": "onnxruntime", "input_size": "128x128", "scale": 4, "width": 16, "depth": 2,
     "stem": "plain", "frame": "frame.onnx",
     "blocks": {"SCS+reduced+r0.25+k3+f1": "block0.onnx", "SCC+reduced+r0.25+k3+f1": "block1.onnx"},
     "networks": {"x4:w16:reduced:r0.25:k3:f1:SCS-SCC":
                  {"file": "network0.onnx", "blocks": ["SCS+reduced+r0.25+k3+f1", "SCC+reduced+r0.25+k3+f1"]}}}

Each file is a whole network from image to image. A block's network repeats it `depth` times, and the frame has no
blocks. The frame's time is that of all layers outside blocks and of the call itself. A block's time is that of its
network minus the frame's, divided by `depth`.

A manifest of version 2 has no frame and no blocks. It lists networks of a wide space. `fitted` names those whose times
go into the file for a latency model.
"""

import argparse
import datetime
import importlib
import json
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from .runtimes import BY_NAME, machine

FRAMED = ("scale", "width", "depth", "stem")
"""The properties that all networks of a manifest or a table share."""

ROUNDS = 7
WARM, MIN_RUNS, MIN_SECONDS = 2, 5, 0.2
"""A turn begins with so many runs that do not count, and then lasts at least so many runs and seconds."""


def turn(run):
    """Milliseconds of a run, the median over one turn, and the interquartile range of the runs, as a share."""
    for _ in range(WARM):
        run()
    times: list = []
    start = time.perf_counter()
    while len(times) < MIN_RUNS or time.perf_counter() - start < MIN_SECONDS:
        before = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - before))
    low, middle, high = statistics.quantiles(times, n=4)
    return middle, (high - low) / middle


def version_of(runtime):
    """The version of an installed runtime. Raises SystemExit if it is not installed."""
    try:
        return importlib.import_module(BY_NAME[runtime].module).__version__
    except ImportError as error:
        raise SystemExit(f"{runtime}: cannot be imported here ({error}); install it first") from None


def running(runtime, path, image, threads):
    """A function that runs a file once on an image, float32 [1, height, width, 3], with so many threads."""
    opened = BY_NAME[runtime].open(path, threads)
    given = opened.prepare(image)
    return lambda: opened.run(given)


def name_of(described):
    """The conditions of a measurement for names of files."""
    return "{runtime}-t{threads}-{input_size}".format(**described)


def measure(folder, files, described, rounds):
    """Milliseconds of each file by round, and the share that they varied by. All files have one turn in each round.

    A file is loaded anew for each turn. The effect of memory placement is then part of the spread, and other files use
    no cores. Turns of an earlier process are read from the journal, and not repeated.
    """
    journal = folder / f"times-{name_of(described)}.jsonl"
    head, *lines = _read(journal) or [described]
    if head != described:
        raise SystemExit(f"{journal}: begun under other conditions; remove it to begin anew")
    times = {(line["round"], line["file"]): (line["ms"], line.get("spread", 0.0)) for line in lines}
    wanted = [(number, file) for number in range(rounds) for file in files]
    image = np.random.default_rng(0).random((1, *map(int, described["input_size"].split("x")), 3), np.float32)
    with journal.open("a", encoding="utf-8") as log:
        if log.tell() == 0:
            _append(log, described)
        for done, (number, file) in enumerate(wanted, start=1):
            if (number, file) not in times:
                ms, spread = turn(running(described["runtime"], folder / file, image, described["threads"]))
                times[number, file] = ms, spread
                _append(log, {"round": number, "file": file, "ms": ms, "spread": spread})
            print(f"{done}/{len(wanted)} {Path(file).name} {times[number, file][0]:.3f} ms", flush=True)
    turns = {file: [times[number, file][0] for number in range(rounds)] for file in files}
    within = {file: statistics.median(times[number, file][1] for number in range(rounds)) for file in files}
    settled, between = settle(turns)
    return settled, {file: max(within[file], between[file]) for file in files}


def settle(turns):
    """One figure for each file, from its turns in all rounds, and the range of their middle half, as a share.

    A slow machine slows all files alike. A round's level is the median of its times, as multiples of the files' usual
    times. A file's times are divided by these levels. The figure is the mean of their middle half.
    """
    if not turns:
        return {}, {}
    times = np.array(list(turns.values()))
    levels = np.median(times / np.median(times, axis=1, keepdims=True), axis=0)
    weighed = np.sort(times / levels, axis=1)
    aside = weighed.shape[1] // 4
    half = weighed[:, aside : weighed.shape[1] - aside]
    middle = half.mean(axis=1)
    spread = (half[:, -1] - half[:, 0]) / middle
    return [{file: float(values[i]) for i, file in enumerate(turns)} for values in (middle, spread)]


def _read(journal):
    """The journal's complete lines. A line that a kill cut short is also removed from the file."""
    text = journal.read_text("utf-8") if journal.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        journal.write_text(whole, "utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def _append(log, entry):
    log.write(json.dumps(entry) + "\n")
    log.flush()


def table_of(manifest, times, described):
    """The latency table, as plain data.

    Raises:
        SystemExit: if a block seems to take no time.
    """
    frame, depth = times[manifest["frame"]], manifest["depth"]
    blocks = {text: (times[file] - frame) / depth for text, file in manifest["blocks"].items()}
    for text, ms in blocks.items():
        if ms <= 0:
            raise SystemExit(f"{text} takes no measurable time; give a larger --input_size, or more --rounds")
    framed = {name: manifest[name] for name in FRAMED}
    today = datetime.date.today().isoformat()
    return {"version": 1, **described, "date": today, **framed, "frame": frame, "blocks": blocks}


def model_of(manifest, times, described):
    """The data for a latency model."""
    networks = {text: times[manifest["networks"][text]["file"]] for text in manifest["fitted"]}
    today = datetime.date.today().isoformat()
    return {"version": 2, **described, "date": today, "scale": manifest["scale"], "networks": networks}


def errors(manifest, times, table):
    """The table's relative error for each network."""
    for network in manifest["networks"].values():
        predicted = table["frame"] + sum(table["blocks"][block] for block in network["blocks"])
        yield abs(predicted / times[network["file"]] - 1)


def main(arguments=None):
    """Times the files of the manifest, and writes the table or the data for a model."""
    parser = argparse.ArgumentParser(description="Times the networks of manifest.json, and writes a latency table.")
    parser.add_argument("--folder", type=Path, default=Path(sys.argv[0]).parent, help="of the networks [this one]")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="threads of the runtime [%(default)s]")
    parser.add_argument("--input_size", help="HEIGHTxWIDTH of the low-resolution image [the manifest's]")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each network [%(default)s]")
    parser.add_argument("--machine", help="its name, for the table [cores and processor]")
    asked = parser.parse_args(arguments)
    manifest = json.loads((asked.folder / "manifest.json").read_text("utf-8"))
    size, runtime = asked.input_size or manifest["input_size"], manifest["runtime"]
    if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", size) or asked.threads < 1 or asked.rounds < 1:
        parser.error("--input_size is of the form 128x128, and --threads and --rounds are 1 or more")
    version = version_of(runtime)
    described = {"machine": asked.machine or machine.described(BY_NAME[runtime].devices()), "runtime": runtime}
    described |= {"runtime_version": version, "threads": asked.threads, "input_size": size}
    files = [network["file"] for network in manifest["networks"].values()]
    if "frame" in manifest:
        files = [manifest["frame"], *manifest["blocks"].values(), *files]
    times, spread = measure(asked.folder, files, described, asked.rounds)
    results = asked.folder / f"times-{name_of(described)}.json"
    results.write_text(json.dumps({**described, "ms": times, "spread": spread}, indent=1) + "\n", "utf-8")
    make = table_of if "frame" in manifest else model_of if manifest.get("fitted") else None
    if make:
        table = make(manifest, times, described)
        output = asked.folder / f"latency-{name_of(described)}.json"
        output.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
        if "frame" in manifest and manifest["networks"]:
            middle = statistics.median(errors(manifest, times, table))
            print(f"{len(manifest['networks'])} whole networks: median error of the prediction {middle:.1%}")
        print(output)


if __name__ == "__main__":
    sys.exit(main())
