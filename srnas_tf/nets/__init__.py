"""Keras layers and networks. They use `keras.ops` alone, so that a network loads on any Keras backend."""

from srnas_tf.nets.attention import ContrastAwareAttention
from srnas_tf.nets.block import Block
from srnas_tf.nets.build import Net, build
from srnas_tf.nets.network import SRNet
from srnas_tf.nets.supernet import Slot, Supernet
from srnas_tf.nets.zoo import ZooNet

__all__ = ["Block", "ContrastAwareAttention", "Net", "SRNet", "Slot", "Supernet", "ZooNet", "build"]
