"""`--mode=benchmark`: measures the latency of a model, or of a space's networks, on this machine."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from srnas_tf import flags, reading
from srnas_tf.arch import Network, Space
from srnas_tf.errors import UserError
from srnas_tf.freeze import latency, latency_kit
from srnas_tf.freeze.latency_file import Latency
from srnas_tf.freeze.settings import BenchmarkSettings, LatencySettings
from srnas_tf.freeze.upscalers import load
from srnas_tf.report.table import print_table
from srnas_tf.seeding import generator
from srnas_tf.workdir.files import write_json
from srnas_tf.workdir.folder import Workdir

POOL = 50
"""Networks drawn for each one that is timed."""


def run(workdir: Workdir) -> None:
    """Times `--model`, or a space's blocks and some whole networks. Writes `benchmark.json`."""
    settings, asked = flags.from_flags(LatencySettings), flags.from_flags(BenchmarkSettings)
    if flags.FLAGS.model:
        _of_model(settings, asked, workdir)
        return
    for name in ("arch", "net"):
        if flags.FLAGS[name].present:
            raise UserError(f"--{name}: a latency table is of a whole space; drop the flag, or give --model")
    space = flags.settle(workdir, "network", Space)
    if asked.blocks_to:
        # Whole networks are added only if asked for: a phone has less time than a workstation.
        count = asked.networks if "networks" in flags.given(BenchmarkSettings) else 0
        _to_folder(Path(asked.blocks_to).expanduser(), settings, space, spread(space, count, asked.seed))
    else:
        _of_space(settings, asked, space, workdir)


def _of_model(settings: LatencySettings, asked: BenchmarkSettings, workdir: Workdir) -> None:
    """Times a file in the given runtime, or in each that runs it."""
    if settings.latency_table:
        raise UserError("--latency_table: a model is timed itself; drop the flag")
    path = flags.required_path("model")
    if only := load(path)[0].size:
        size = "{}x{}".format(*only)
        if "input_size" in flags.given(LatencySettings) and settings.input_size != size:
            raise UserError(f"--input_size={settings.input_size}: {path} takes {size} alone; drop the flag")
        settings = dataclasses.replace(settings, input_size=size)
    runtimes = [settings.runtime] if "runtime" in flags.given(LatencySettings) else latency.runtimes_of(path)
    for runtime in runtimes:
        latency.check_runs(path, runtime)
    workdir.make()
    rows = []
    for runtime in runtimes:
        here = LatencySettings(runtime, settings.threads, settings.input_size)
        times = latency.measure_model(path, here, asked.rounds)
        [ms] = times.ms.values()
        [spread] = times.spread.values()
        date = datetime.date.today().isoformat()
        entry = {**times.described, "date": date, "latency_ms": ms, "latency_spread": spread}
        _record(workdir, "models", f"{path.name} {here.name}", entry)
        rows.append([f"{runtime} {times.described['runtime_version']}", f"{ms:.3g}"])
    title = f"{path}, {settings.input_size}, threads: {settings.threads}"
    print_table(title, [times.described["machine"], "ms"], rows)


def _to_folder(folder: Path, settings: LatencySettings, space: Space, networks: Sequence[Network]) -> None:
    """Writes a folder that measures a table on another device."""
    if settings.latency_table:
        raise UserError("--latency_table: --blocks_to is for making one; drop one of the two")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--blocks_to={folder}: exists; give a new folder")
    latency.check_has_files(settings.runtime, space)
    latency.write_kit(folder, settings, space, networks)
    latency_kit.write_script(folder)
    print(f"{folder}: copy it to the device, and there: python measure.py")


def _of_space(settings: LatencySettings, asked: BenchmarkSettings, space: Space, workdir: Workdir) -> None:
    """Makes the table if there is none, and compares its predictions with whole networks."""
    networks = spread(space, asked.networks, asked.seed)
    table, times = latency.measure_space(settings, space, workdir, networks, asked.rounds)
    comparison = compare(table, networks, times.ms)
    workdir.claim(network=space)
    name = LatencySettings.of(table).name
    source = {"date": datetime.date.today().isoformat(), "table": settings.latency_table or f"latency-{name}.json"}
    _record(workdir, "space", name, {**times.described, **source, **comparison})
    rows = [
        [entry["arch"], f"{entry['predicted_ms']:.3g}", f"{entry['measured_ms']:.3g}"]
        for entry in comparison["networks"]
    ]
    described = times.described
    print_table(
        f"{described['runtime']} {described['runtime_version']}, {described['input_size']}, "
        f"threads: {described['threads']}, {described['machine']}",
        ["", "predicted ms", "measured ms"],
        rows,
    )
    if networks:
        rank = comparison["spearman"]
        correlation = "" if rank is None else f", rank correlation {rank:.3f}"
        print(f"median error {comparison['median_error']:.1%}{correlation}")


def spread(space: Space, count: int, seed: int) -> list[Network]:
    """Different networks of a space, spread evenly by MACs over a random draw.

    They do not depend on predicted milliseconds. They are a function of the seed, and can be timed by turns with the
    blocks.
    """
    rng = generator(seed, "benchmark")
    drawn = {space.sample(rng) for _ in range(POOL * count)}
    mixed = {codes for codes in drawn if len(set(codes)) > 1}  # networks of equal blocks are in the table itself
    pool = sorted(mixed or drawn, key=lambda codes: (space.network(codes).macs(), codes))
    steps = np.linspace(0, len(pool) - 1, min(count, len(pool))).round().astype(int)
    return [space.network(pool[step]) for step in steps]


def compare(table: Latency, networks: Sequence[Network], measured: Mapping[str, float]) -> dict[str, Any]:
    """Compares a table's predictions with measurements.

    Returns:
        `median_error` and `largest_error`, as shares of the measured latency. `median_ratio`, the ratio of measured to
        predicted latency: it shows if the machine is faster or slower than when the table was made. `spearman`, the
        rank correlation; None if it is not defined. And `networks`, the latencies of each.
    """
    if not networks:
        return {"networks": []}
    entries = [
        {"arch": str(network), "predicted_ms": table.predict(network), "measured_ms": measured[str(network)]}
        for network in networks
    ]
    predicted, true = (np.array([entry[name] for entry in entries]) for name in ("predicted_ms", "measured_ms"))
    errors = np.abs(predicted - true) / true
    spearman = stats.spearmanr(predicted, true).statistic if len(entries) > 1 else np.nan
    return {
        "median_error": float(np.median(errors)),
        "largest_error": float(errors.max()),
        "median_ratio": float(np.median(true / predicted)),
        "spearman": float(spearman) if np.isfinite(spearman) else None,
        "networks": entries,
    }


def _record(workdir: Workdir, kind: str, name: str, entry: dict[str, Any]) -> None:
    """Adds a measurement to `benchmark.json`. Those of other files and conditions stay.

    Raises:
        UserError: if the file is something else.
    """
    path = workdir / "benchmark.json"
    try:
        found = reading.parse(reading.content(path)) if path.exists() else {}
        if not reading.is_of(found, dict[str, dict]):
            raise ValueError("is no record of measurements")
        found.setdefault(kind, {})[name] = entry
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be continued ({error}); move it away") from None
    write_json(path, found)
