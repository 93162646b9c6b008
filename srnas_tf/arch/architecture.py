"""Any network that can be built here: of the IMDN family, or of the zoo."""

import functools
from collections.abc import Callable

from srnas_tf.arch.network import Network, imdn
from srnas_tf.arch.zoo import ZOO, ZooNetwork

Architecture = Network | ZooNetwork

NETS: dict[str, Callable[[int], Architecture]] = {
    **{name: functools.partial(ZooNetwork, name) for name in ZOO},
    "imdn": imdn,
    "imdn_as": functools.partial(imdn, stem="strided"),
}
"""Networks that go by a name: scale -> network."""


def parse(text: str) -> Architecture:
    """The network of a text form: `x4:w64:...` or `x4:carn`.

    Raises:
        UserError: where there is none.
    """
    return ZooNetwork.parse(text) if text.partition(":")[2] in ZOO else Network.parse(text)
