"""What a `.keras` file says of itself, read without building the network, and without Keras."""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

from srnas_tf.errors import UserError


class Description(NamedTuple):
    """A network's own words.

    Attributes:
        network: its architecture, as text.
        provenance: what is known of how its weights came about.
    """

    network: str
    provenance: dict


def read(path: Path) -> Description:
    """The description that `--model`, a `model.keras` of this package, carries.

    Raises:
        UserError: where the file is missing or carries none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))["config"]
        return Description(str(config["network"]), dict(config.get("provenance", {})))
    except FileNotFoundError:
        raise UserError(f"--model={path}: no such model") from None
    except (OSError, zipfile.BadZipFile, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--model={path}: carries no architecture ({error}); give a model.keras made here") from None
