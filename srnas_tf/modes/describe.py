"""`--mode=describe`: prints an architecture, its cost, and its space as JSON. Needs no TensorFlow."""

import json
from pathlib import Path

from srnas_tf import flags, model_file
from srnas_tf.arch import Architecture, Space, parse
from srnas_tf.arch.describe import describe
from srnas_tf.data.sources import DataSettings
from srnas_tf.errors import UserError
from srnas_tf.search.feasible import PRICES, Feasible
from srnas_tf.search.settings import Budget
from srnas_tf.workdir.folder import Workdir


def run(workdir: Workdir | None) -> None:
    """Describes `--model`, `--net`, or `--arch` in the space that the flags name, or the space alone.

    Also prints all steps of `--degradation`, if it is given.
    """
    degradation = flags.from_flags(DataSettings).degradation
    if flags.FLAGS.model:
        described = describe(None, described_in(flags.required_path("model")))
    else:
        space = flags.from_flags(Space)
        network = flags.chosen_network(space)
        if network is None and space.count == 1:
            network = space.network(space.compose(0, (0,) * space.trunks[0].depth))
        described = describe(None if flags.FLAGS.net else space, network)
        if not flags.FLAGS.net:
            described |= within(space, flags.from_flags(Budget))
    if flags.FLAGS["degradation"].present:
        described["degradation"] = degradation
    print(json.dumps(described, indent=1))


def within(space: Space, budget: Budget) -> dict:
    """The number of a space's networks within a budget, and the smallest and the largest by parameters.

    All are null if there are too many to count.

    Raises:
        UserError: if there is none.
    """
    limits = {name: limit for name, limit in budget.limits.items() if name in PRICES}
    found = Feasible(space, limits).survey()
    ends = {name: space.network(getattr(found, name)) if found else None for name in ("smallest", "largest")}
    described = {
        name: {"arch": str(network), "params": network.params, "macs": network.macs()} if network else None
        for name, network in ends.items()
    }
    return {"networks_within_budget": found.networks if found else None, **described}


def described_in(path: Path) -> Architecture:
    """The architecture in a model file.

    Raises:
        UserError: if it has none.
    """
    text = model_file.read(path).network
    try:
        return parse(text)
    except UserError as error:
        raise UserError(f"--model={path}: {error}") from None
