"""What an architecture is: blocks, networks, spaces, and what they cost. Pure Python."""

from srnas_tf.arch.block import ENDINGS, LETTERS, Block, Conv, Plan, Step
from srnas_tf.arch.network import Network, imdn
from srnas_tf.arch.space import SPACES, Space

__all__ = ["ENDINGS", "LETTERS", "SPACES", "Block", "Conv", "Network", "Plan", "Space", "Step", "imdn"]
