"""Architectures as values: blocks, networks, spaces, and their costs. Pure Python."""

from srnas_tf.arch.architecture import NETS, Architecture, parse
from srnas_tf.arch.attention import ATTENTIONS
from srnas_tf.arch.block import ENDINGS, LETTERS, Block
from srnas_tf.arch.conv import CONVS, AnyConv, BlueprintConv, Conv, DepthwiseConv, ExpandedConv, SelectiveConv
from srnas_tf.arch.network import Network, imdn
from srnas_tf.arch.plan import Plan, Step
from srnas_tf.arch.space import SHARING, Space
from srnas_tf.arch.spaces import SPACES, SpaceKind
from srnas_tf.arch.zoo import ZOO, ZooNetwork

__all__ = [
    "ATTENTIONS",
    "CONVS",
    "ENDINGS",
    "LETTERS",
    "NETS",
    "SHARING",
    "SPACES",
    "ZOO",
    "AnyConv",
    "Architecture",
    "Block",
    "BlueprintConv",
    "Conv",
    "DepthwiseConv",
    "ExpandedConv",
    "Network",
    "Plan",
    "SelectiveConv",
    "Space",
    "SpaceKind",
    "Step",
    "ZooNetwork",
    "imdn",
    "parse",
]
