"""Times found networks and IMDNs directly, by turns. The search itself goes by predictions."""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from srnas_tf.arch import Network, Space
from srnas_tf.arch.network import imdn, imdn_of_size
from srnas_tf.errors import UserError
from srnas_tf.freeze import stopwatch
from srnas_tf.freeze.latency import known_latency, measure_networks
from srnas_tf.freeze.latency_file import Latency
from srnas_tf.freeze.settings import LatencySettings
from srnas_tf.nets import Net
from srnas_tf.workdir.files import read_records, write_json
from srnas_tf.workdir.folder import Workdir

WIDTHS = (6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
"""Widths of the IMDNs that are timed. One of them takes about as long as a found network."""

RECORD = {"arch": str, "latency_ms": float}
"""The fields of an entry in `finalists.json` that are read again."""

Times = Mapping[str, float]
"""Milliseconds, by a network's text."""


class Timed(NamedTuple):
    """The latencies of finalists.

    Attributes:
        ms: milliseconds, by a network's text.
        what: the runtime, and whether the milliseconds are predicted.
    """

    ms: Times
    what: str


def time_finalists(found: Sequence[Network], conditions: LatencySettings, space: Space, workdir: Workdir) -> Timed:
    """The latency of found networks and of IMDNs of the same depths. It is measured once, and kept in `finalists.json`.

    With a latency table of another device, its predictions instead, for the networks that it knows.

    Raises:
        UserError: if the runtime is not installed.
        WorkError: if export or timing fails.
    """
    asked = [*found, *_imdns(found)]
    if conditions.latency_table and (known := known_latency(conditions, space, workdir)):
        return Timed(dict(_predicted(asked, known)), f"{known.runtime}, predicted")
    path, what = workdir / "finalists.json", conditions.runtime
    if path.exists():
        kept = {entry["arch"]: entry["latency_ms"] for entry in read_records(path, RECORD, "timed networks")}
        if {str(each) for each in asked} <= kept.keys():
            return Timed(kept, what)
    times = measure_networks(asked, conditions, stopwatch.ROUNDS)
    write_json(path, [{"arch": text, "latency_ms": ms, **times.described} for text, ms in times.ms.items()])
    return Timed(times.ms, what)


def _predicted(networks: Iterable[Network], known: Latency) -> Iterator[tuple[str, float]]:
    for network in networks:
        with contextlib.suppress(UserError):  # of blocks or layers that it does not know
            yield str(network), known.predict(network)


def best_of(found: Sequence[Network], trained: Sequence[Net], times: Times, limit: float) -> tuple[Network, Net]:
    """The network of the best validation PSNR within a limit of milliseconds.

    If none is within it, the fastest network, and a line on stderr says so.

    Args:
        found: the networks.
        trained: the same networks, trained.
        times: milliseconds of all networks by their text, or empty.
        limit: milliseconds; 0 for none.
    """
    both = list(zip(found, trained, strict=True))
    in_time = [pair for pair in both if not limit or times.get(str(pair[0]), 0.0) <= limit]
    if in_time:
        return max(in_time, key=lambda pair: pair[1].provenance["val_psnr"])
    fastest = min(both, key=lambda pair: times[str(pair[0])])
    took = times[str(fastest[0])]
    print(
        f"no found network keeps --max_latency_ms={limit:g} when timed directly: the fastest takes {took:.3g} ms; "
        f"for a network within it, give --max_latency_ms={limit * limit / took:.3g} and another --workdir",
        file=sys.stderr,
    )
    return fastest


def baseline_of(network: Network, times: Times) -> Network:
    """The IMDN to compare a network with: the fastest that is no faster. Without times, one of no fewer parameters."""
    slower = [each for each in _imdns([network]) if times.get(str(each), 0.0) >= times.get(str(network), 0.0) > 0]
    if slower:
        return min(slower, key=lambda each: times[str(each)])
    return imdn_of_size(network.params, network.scale, len(network.blocks))


def _imdns(found: Sequence[Network]) -> list[Network]:
    depths = sorted({len(each.blocks) for each in found})
    return [imdn(found[0].scale, width, depth) for depth in depths for width in WIDTHS]
