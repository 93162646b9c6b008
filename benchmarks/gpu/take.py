"""Turns what a training on a GPU left into a network: python -m benchmarks.gpu.take OUT --model=runs/gpu/model.keras"""

import argparse
import shutil
import sys
from pathlib import Path

from srnas_tf.errors import UserError, WorkError


def take(path: Path, model: Path) -> dict:
    """Writes the network of a state, its averages where the recipe keeps some; returns its provenance.

    Raises:
        UserError: where there is no state.
        WorkError: where the network cannot be written.
    """
    from benchmarks.gpu import state
    from srnas_tf import arch, nets
    from srnas_tf.nets.files import save

    held, facts = state.load(path)
    recipe = facts["recipe"]
    network = nets.build(arch.parse(facts["network"]))
    trained = held["averages"] if recipe["ema"] else held["weights"]
    pairs = (
        *zip(network.trainable_variables, trained, strict=True),
        *zip(network.non_trainable_variables, held["states"], strict=True),
    )
    for variable, value in pairs:
        variable.assign(value)
    about = {name: facts[name] for name in ("data", "images", "kept_as", "done", "seconds")}
    network.provenance = {**recipe, "steps": facts["steps"], **about, "rejected": float(held["rejected"])}
    save(network, model)
    return network.provenance


def main(arguments: list[str]) -> None:
    """The command."""
    from benchmarks.gpu.state import NAME

    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.take", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help=f"what the run wrote: a folder with {NAME}")
    parser.add_argument("--model", type=Path, default=Path("runs/gpu/model.keras"), help="file for the network")
    parser.add_argument("--folder", type=Path, help="the packed folder: the next stay goes on from here")
    given = parser.parse_args(arguments)
    found = take(given.out / NAME, given.model)
    print(f"{given.model}: {found['done']} of {found['steps']} steps, {found['seconds'] / 60:.1f} minutes")
    if given.folder:
        if not given.folder.is_dir():
            raise UserError(f"--folder={given.folder}: no such folder; give the one that was packed")
        shutil.copy(given.out / NAME, given.folder / NAME)


def console() -> int:
    """The process; returns its exit status."""
    from srnas_tf.host import devices

    devices.import_tensorflow()
    try:
        main(sys.argv[1:])
    except (UserError, WorkError) as error:
        print(f"benchmarks.gpu.take: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(console())
