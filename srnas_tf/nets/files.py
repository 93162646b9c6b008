"""Networks as files: `.keras` archives that carry their own description."""

import warnings
from pathlib import Path

import keras

from srnas_tf import arch, model_file, reading
from srnas_tf.errors import UserError, first_line, writing
from srnas_tf.nets import hdf5
from srnas_tf.nets.build import Net
from srnas_tf.nets.network import SRNet
from srnas_tf.nets.supernet import Supernet
from srnas_tf.nets.transfer import reparameterized
from srnas_tf.nets.zoo import ZooNet
from srnas_tf.workdir.files import whole


def save(model: Net | Supernet, path: Path) -> None:
    """Writes the whole file or none.

    Raises:
        WorkError: if it cannot be written.
    """
    with writing(path), whole(path) as partial:
        model.save(partial)


def load(path: Path) -> Net:
    """A network saved by `save`, in its deploy form (`transfer.reparameterized`), in Keras' safe mode.

    Raises:
        UserError: if the file is missing, broken, or holds something else.
    """
    return reparameterized(load_as_trained(path))


def load_as_trained(path: Path) -> Net:
    """A network saved by `save`, with all weights of its training form. Raises as `load`."""
    return _load(path, SRNet, ZooNet)


def load_supernet(path: Path) -> Supernet:
    """A supernet saved by `save`. Raises as `load`."""
    return _load(path, Supernet)


def _load(path: Path, *kinds: type):
    if not path.is_file():
        raise UserError(f"{path}: no such model")
    try:
        config, weights = model_file.look_into(path, weights=True)
        if config.get("registered_name") not in map(keras.saving.get_registered_name, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise UserError(f"holds a {config.get('class_name')}, not a {wanted} of this package")
        hdf5.check(weights, 4 * _params(config["config"]))
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns if weights are missing
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:  # A broken archive fails in as many ways as it can be broken.
        raise UserError(f"{path}: not a model of this package ({first_line(error)})") from None


def _params(config: dict) -> int:
    """The number of parameters of a configuration's network, each of 4 bytes, before it is built."""
    if "space" in config:
        return reading.settings_of(arch.Space, config["space"]).supernet_params
    reading.check_fields(config, {"network": str})
    return arch.parse(config["network"]).params
