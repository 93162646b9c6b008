"""What an architecture is: blocks, networks, spaces, and what they cost. Pure Python."""

from srnas_tf.arch.block import ENDINGS, LETTERS, AnyConv, Block, Conv, Plan, SelectiveConv, Step
from srnas_tf.arch.network import Network, imdn
from srnas_tf.arch.space import SPACES, Space

__all__ = [
    "ENDINGS",
    "LETTERS",
    "SPACES",
    "AnyConv",
    "Block",
    "Conv",
    "Network",
    "Plan",
    "SelectiveConv",
    "Space",
    "Step",
    "imdn",
]
