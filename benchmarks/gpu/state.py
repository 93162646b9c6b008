"""The file that a training is resumed from, and turned into a network by `benchmarks.gpu.take`."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.step import State
from srnas_tf.errors import UserError
from srnas_tf.workdir.files import whole

NAME = "state.npz"
LISTS = ("weights", "first", "second", "averages", "states")


def save(path: Path, state: State, facts: dict[str, Any]) -> None:
    """Writes a state as NumPy arrays, whole or not at all.

    Args:
        path: of the file.
        state: as `step.first_state` has it.
        facts: what else is known of the training: plain data.
    """
    arrays = {f"{name}-{i:05}": array for name in LISTS for i, array in enumerate(state[name])}
    arrays |= {name: state[name] for name in ("count", "rejected")}
    with whole(path) as partial:
        np.savez_compressed(partial, facts=np.array(json.dumps(facts)), **arrays)


def load(path: Path) -> tuple[State, dict[str, Any]]:
    """What `save` wrote.

    Raises:
        UserError: where there is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        state: State = {name: [held[key] for key in sorted(held) if key.startswith(f"{name}-")] for name in LISTS}
        return {**state, "count": held["count"], "rejected": held["rejected"]}, json.loads(str(held["facts"]))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: is no state of a training ({error}); give {NAME} of an earlier run") from None
