"""Builds the Keras model of an architecture."""

from srnas_tf.arch import Architecture, ZooNetwork
from srnas_tf.nets.network import SRNet
from srnas_tf.nets.zoo import ZooNet

Net = SRNet | ZooNet
"""A network that enlarges: [batch, height, width, 3] -> [batch, height * scale, width * scale, 3]."""


def build(network: Architecture, **options) -> Net:
    """The Keras model of a network; `options` are Keras' own (name, dtype)."""
    return ZooNet(network, **options) if isinstance(network, ZooNetwork) else SRNet(network, **options)
