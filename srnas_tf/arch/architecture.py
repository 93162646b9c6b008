"""All networks that this package can build: the IMDN family and the zoo."""

import functools
from collections.abc import Callable

from srnas_tf.arch.network import Network, imdn
from srnas_tf.arch.zoo import ZOO, ZooNetwork

Architecture = Network | ZooNetwork

NETS: dict[str, Callable[..., Architecture]] = {
    **{name: functools.partial(ZooNetwork, name) for name in ZOO},
    "imdn": imdn,
    "imdn_as": functools.partial(imdn, stem="strided"),
}
"""Networks that go by a name: (scale, width, the paper's unless given) -> network."""


def parse(text: str) -> Architecture:
    """The network of a text form: `x4:w64:...`, `x4:carn` or `x4:carn:w24`.

    Raises:
        UserError: if the text names no network.
    """
    name = text.partition(":")[2].partition(":")[0]
    return ZooNetwork.parse(text) if name in ZOO else Network.parse(text)
