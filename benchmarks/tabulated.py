"""The table of small networks as a file: which networks, and what is known of them. `benchmarks.table` makes it.

from benchmarks import tabulated
for network in tabulated.load():
    network.arch, network.params, network.ms["onnxruntime"], network.psnr(), network.curve()
"""

import functools
import gzip
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders import INPUT_SIZE
from benchmarks.workdirs import ROOT
from srnas_tf.arch import Network, Space
from srnas_tf.arch.block import Block
from srnas_tf.arch.space import BLOCK_FIELDS
from srnas_tf.errors import UserError
from srnas_tf.search.spreading import spread
from srnas_tf.seeding import generator
from srnas_tf.settings import Values
from srnas_tf.workdir.files import whole

VERSION = 2
"""Of networks, recipe and images: figures of another version are no figures of these."""
STEPS, VALIDATE_EVERY = 1500, 250
"""Of the training that each network gets. By Muon, one network came as far as by Adam in 3000 steps."""
PATH = ROOT / "results" / "table" / "table.json.gz"

SPACE = Space(
    space="tapped",
    recipes=Values(("T", "TC", "TCC", "TCCC", "TCTC", "C", "CC", "DC")),
    width=Values((16, 24, 32, 48, 64, 80)),
    depth=Values(range(1, 9)),
    conv=Values(("expanded", "expanded_blueprint")),
    kernel=Values(("3", "5", "7")),
    attention=Values(("none", "esa")),
    inner=Values((1.0, 0.5)),
    stem=Values(("expanded",)),
)
"""The wide space that they are of."""
SMALLEST, LARGEST = 10_000, 60_000
"""Parameters."""
GRID, DRAWN = 100, 150
"""How many of them have equal blocks, and how many are drawn."""
REPEATED = 24
"""How many are trained from three seeds."""
POOL = 20
"""Networks that are drawn for each that is picked."""


class Small(NamedTuple):
    """A network of the table.

    Attributes:
        arch: its text.
        origin: grid, where all blocks are equal; or drawn.
        ms: milliseconds on one thread, by runtime; empty where it was not timed.
        trainings: by steps and seed, as `1500-0`: `psnr` (dB, of the images that choose), `curve` (the same by step),
            and `images` (dB of each image of the sets that chose nothing).
    """

    arch: str
    origin: str
    ms: Mapping[str, float]
    trainings: Mapping[str, Mapping[str, Any]]

    @property
    def network(self) -> Network:
        return Network.parse(self.arch)

    @property
    def params(self) -> int:
        return self.network.params

    @property
    def macs(self) -> int:
        """At an output of 1280 x 720."""
        return self.network.macs()

    def seeds(self, steps: int = STEPS) -> list[int]:
        """The seeds that it was trained from for so long."""
        return sorted(int(key.partition("-")[2]) for key in self.trainings if key.partition("-")[0] == str(steps))

    def psnr(self, steps: int = STEPS, seed: int = 0) -> float:
        """dB of the images that choose. Raises KeyError where it was not trained so."""
        return self.trainings[f"{steps}-{seed}"]["psnr"]

    def curve(self, steps: int = STEPS, seed: int = 0) -> dict[int, float]:
        """dB of the images that choose, by step of such a training."""
        return {int(step): psnr for step, psnr in self.trainings[f"{steps}-{seed}"]["curve"].items()}

    def test(self, steps: int = STEPS, seed: int = 0) -> dict[str, float]:
        """Mean dB of each set that chose nothing."""
        return {name: float(np.mean(each)) for name, each in self.trainings[f"{steps}-{seed}"]["images"].items()}


def load(path: Path = PATH) -> list[Small]:
    """The networks of a table.

    Raises:
        UserError: where there is none, or it is of another version.
    """
    return [Small(text, **own) for text, own in read(path)["networks"].items()]


def read(path: Path) -> dict:
    """A table's file as data, or an empty table. Raises as `load`."""
    if not path.exists():
        return {"version": VERSION, "networks": {}}
    try:
        table = json.loads(gzip.decompress(path.read_bytes()))
        version = table["version"]
    except (OSError, ValueError, EOFError, TypeError, KeyError) as error:
        raise UserError(f"{path}: no table of small networks ({error}); make one with benchmarks.table") from None
    if version != VERSION:
        raise UserError(f"{path}: of version {version}, and these are networks of version {VERSION}; make it again")
    return table


def write(path: Path, table: dict) -> None:
    """Writes a table: the same bytes for the same figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(table, separators=(",", ":"), sort_keys=True)
    with whole(path) as partial:
        partial.write_bytes(gzip.compress(text.encode(), mtime=0))


def draw(networks: Sequence[Small], path: Path) -> None:
    """Plots PSNR over milliseconds of the networks that are trained and timed, a panel a runtime, if there are any."""
    known = [each for each in networks if each.ms and f"{STEPS}-0" in each.trainings]
    if not known:
        return
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    runtimes = sorted({runtime for each in known for runtime in each.ms})
    figure, axes = plt.subplots(1, len(runtimes), figsize=(5.5 * len(runtimes), 4.5), sharey=True, squeeze=False)
    for axis, runtime in zip(axes[0], runtimes, strict=True):
        for origin, marker in (("grid", "s"), ("drawn", "o")):
            some = [each for each in known if each.origin == origin and runtime in each.ms]
            dots = axis.scatter(
                [each.ms[runtime] for each in some],
                [each.psnr() for each in some],
                c=[each.network.width for each in some],
                marker=marker,
                label=f"{origin}: {len(some)}",
                vmin=min(SPACE.width),
                vmax=max(SPACE.width),
            )
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)))
        axis.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.set_xlabel(f"{runtime}, milliseconds, {INPUT_SIZE}, one thread")
        axis.legend()
    axes[0][0].set_ylabel(f"PSNR after {STEPS} steps, dB")
    figure.colorbar(dots, ax=axes[0].tolist(), label="width")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


@functools.cache
def origins() -> dict[str, str]:
    """The networks that the table is of, by text, and where each comes from: the same ones in any process."""
    rng = generator(0, f"table {VERSION}")
    chosen = dict.fromkeys(_spread_out(_grid(), GRID, rng), "grid")
    for text in _spread_out(_drawn(rng), DRAWN, rng):
        chosen.setdefault(text, "drawn")
    texts = list(chosen)
    return {texts[i]: chosen[texts[i]] for i in rng.permutation(len(texts))}


def _grid() -> list[Network]:
    """The networks of equal blocks; of plain convolutions those of 3 x 3 alone, as larger ones cost too much."""
    blocks = [block for block in SPACE.blocks if block.conv != "expanded" or block.kernel == 3]
    [stem] = SPACE.stem
    every = (
        Network(SPACE.scale, width, (block,) * depth, stem)
        for width in SPACE.width
        for depth in SPACE.depth
        for block in blocks
    )
    return [network for network in every if SMALLEST <= network.params <= LARGEST]


def _drawn(rng: np.random.Generator) -> list[Network]:
    found: dict[str, Network] = {}
    [stem] = SPACE.stem
    while len(found) < POOL * DRAWN:
        blocks = _blocks(rng)
        depth, width = _one_of(SPACE.depth, rng), _one_of(SPACE.width, rng)
        network = Network(SPACE.scale, width, tuple(next(blocks) for _ in range(depth)), stem)
        if SMALLEST <= network.params <= LARGEST:
            found[str(network)] = network
    return list(found.values())


def _blocks(rng: np.random.Generator) -> Iterator[Block]:
    """Blocks of one network. Each field is shared by all of them or each block's own, as a coin falls.

    Blocks that are drawn one by one make networks that are all alike on the whole.
    """
    fields: dict[str, Values] = {"recipe": SPACE.recipes} | {name: getattr(SPACE, name) for name in BLOCK_FIELDS}
    shared = {name: _one_of(values, rng) for name, values in fields.items() if rng.random() < 0.5}
    while True:
        own = {name: shared[name] if name in shared else _one_of(values, rng) for name, values in fields.items()}
        yield Block(**own | {"kernel": int(own["kernel"])})


def _one_of(values: Values, rng: np.random.Generator) -> Any:
    return values[int(rng.integers(len(values)))]


def _spread_out(pool: list[Network], count: int, rng: np.random.Generator) -> list[str]:
    """Networks that lie as evenly as can be over sizes, widths and depths."""
    columns = [
        [math.log(network.params) for network in pool],
        [math.log(network.width) for network in pool],
        [len(network.blocks) for network in pool],
    ]
    return [str(pool[i]) for i in spread(columns, count, rng)]
