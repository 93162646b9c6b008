"""`--init`: first weights from a file or a supernet instead of random ones."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from srnas_tf.arch import Architecture, Space
from srnas_tf.errors import UserError
from srnas_tf.nets import Net, Supernet, build
from srnas_tf.nets.files import load_as_trained
from srnas_tf.nets.supernet import load_path
from srnas_tf.nets.transfer import transfer_weights

Start = Callable[[Any], None]
"""Changes the random weights of a network or supernet."""


def start_of(init: str, target: Architecture | Space, supernet: Callable[[], Supernet] | None = None) -> Start | None:
    """The start of a training; None if the random weights stay. Prints how much of a file fits.

    Args:
        init: see `TrainSettings`.
        target: the network or supernet to train.
        supernet: () -> the supernet in which the target was found.

    Raises:
        UserError: if there is no such file, or nothing of it fits.
    """
    if init == "scratch":
        return None
    if init == "supernet":
        if supernet is None:
            raise UserError("--init=supernet is for networks that a search found; give scratch or a model.keras")
        trained = supernet()
        return lambda model: load_path(model, trained)
    source = load_as_trained(Path(init))
    drawn = Supernet(target) if isinstance(target, Space) else build(target)
    taken = transfer_weights(drawn, source)
    if not taken:
        raise UserError(f"--init={init}: nothing of {source.network} fits {target}; widths must be equal, for one")
    print(f"{init}: gives {taken} of {drawn.count_params()} parameters their first values", file=sys.stderr, flush=True)

    def start(model: Net | Supernet) -> None:
        transfer_weights(model, source)

    return start
