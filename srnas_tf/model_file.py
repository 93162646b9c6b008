"""Reads the description in a `.keras` file, without Keras and without building the network."""

from pathlib import Path
from typing import Any, NamedTuple

from srnas_tf import archives, reading
from srnas_tf.errors import UserError

WEIGHTS = "model.weights.h5"
MEMBERS = {"metadata.json", "config.json", WEIGHTS}
"""The members of our own model files. Others could be assets, which Keras unpacks."""


class Description(NamedTuple):
    """The description of a network.

    Attributes:
        network: its architecture, as text.
        provenance: how its weights were made.
    """

    network: str
    provenance: dict


class Archive(NamedTuple):
    """The content of a model file.

    Attributes:
        config: its configuration, as Keras wrote it.
        weights: its weights, as Keras wrote them; empty if not asked for.
    """

    config: dict[str, Any]
    weights: bytes


def look_into(path: Path, weights: bool = False) -> Archive:
    """Reads the configuration of a model file, and its weights if asked for.

    Raises:
        OSError: if there is none.
        ValueError: if it is no such file, or one that no honest program writes.
    """
    with archives.opened(reading.content(path)) as archive:
        names = set(archive.namelist())
        if foreign := names - MEMBERS:
            raise ValueError(f"it holds {min(foreign)!r}")
        if "config.json" not in names:
            raise ValueError("it holds no config.json")
        config = reading.parse(archive.read("config.json"))
        held = archive.read(WEIGHTS) if weights and WEIGHTS in names else b""
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ValueError("its configuration is not valid")
    return Archive(config, held)


def read(path: Path) -> Description:
    """The description in a `model.keras` of this package.

    Raises:
        UserError: if the file is missing or has none.
    """
    try:
        config = look_into(path).config["config"]
        provenance = config.get("provenance", {})
        if not isinstance(config["network"], str) or not isinstance(provenance, dict):
            raise ValueError("its configuration is not valid")
        return Description(config["network"], provenance)
    except FileNotFoundError:
        raise UserError(f"--model={path}: no such model") from None
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"--model={path}: carries no architecture ({error}); give a model.keras made here") from None
