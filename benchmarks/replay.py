"""Searches of the table of small networks, a thousand times each: python -m benchmarks.replay [--repeats=1000]

The strategies are those of the package, and so is the search (`srnas_tf.search.alone`). They propose networks of the
table alone, within a limit of milliseconds in a runtime, and training one is looking it up. A rung reads the validation
curve of the network's training; what a network is worth is what its training came to.

Each search is charged the steps that it would have trained. At every cost, regret is what the best network of the table
within the limit has more than the one that the search would have chosen by then.
"""

import datetime
from pathlib import Path

import numpy as np
from absl import app, flags, logging

from benchmarks import tabulated
from benchmarks.replaying import ARMS, Listed, replay, trained
from benchmarks.tabulated import STEPS
from benchmarks.telling import told
from srnas_tf.workdir.files import write_json

TABLE = flags.DEFINE_string("table", str(tabulated.PATH), "the table")
REPEATS = flags.DEFINE_integer("repeats", 1000, "searches of each arm", lower_bound=1)
RUNTIMES = flags.DEFINE_list("runtimes", ["onnxruntime", "litert"], "runtimes whose milliseconds count")
QUANTILES = flags.DEFINE_list("limits", ["0.3", "0.6"], "limits of latency, as quantiles of the table's networks")
RESULTS = flags.DEFINE_string("results", str(tabulated.PATH.parent / "replay.json"), "file for the figures")


def main(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    networks = trained(tabulated.load(Path(TABLE.value)), RUNTIMES.value)
    found = {"version": tabulated.VERSION, "date": datetime.date.today().isoformat(), "networks": len(networks)}
    found |= {"repeats": REPEATS.value, "told": {}, "searches": {}}
    for runtime in RUNTIMES.value:
        found["told"][runtime] = told(networks, runtime)
        ms = [each.ms[runtime] for each in networks]
        for quantile in QUANTILES.value:
            limit = float(np.quantile(ms, float(quantile)))
            listed = Listed(networks, runtime, limit)
            arms = {name: replay(listed, arm, REPEATS.value) for name, arm in ARMS.items()}
            found["searches"][f"{runtime}, {limit:.1f} ms"] = {"networks": len(listed.known), "arms": arms}
    write_json(Path(RESULTS.value), found)
    draw(found["searches"], Path(RESULTS.value).with_suffix(".png"))


def draw(panels: dict, path: Path) -> None:
    """Regret over cost: a panel for each runtime and limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(4.5 * len(panels), 4), sharey=True, squeeze=False)
    for axis, (name, entry) in zip(axes[0], panels.items(), strict=True):
        for arm, curve in entry["arms"].items():
            trainings = np.array(curve["costs"]) / STEPS
            [line] = axis.plot(trainings, curve["regret"]["median"], label=arm)
            axis.fill_between(
                trainings, curve["regret"]["10 %"], curve["regret"]["90 %"], color=line.get_color(), alpha=0.12
            )
        axis.set_title(f"{name}: {entry['networks']} networks", fontsize=9)
        axis.set_xlabel(f"cost, trainings of {STEPS} steps")
    axes[0][0].set_ylabel("regret, dB")
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    app.run(main)
