"""MemNet: Tai et al. 2017, "MemNet: a persistent memory network for image restoration"."""

from srnas_tf.arch.graph import Tensor, WeightedSum
from srnas_tf.arch.zoo.pieces import Activated, Norm, concat, conv

BLOCKS, RECURSIONS = 6, 6


def memnet(y: Tensor, scale: int, width: int) -> Tensor:
    """M6R6 on the enlarged luma: 6 memory blocks. Each applies one unit 6 times, and a gate combines all outputs.

    It has 685960 parameters: 676992 of convolutions, which have no biases, 8962 of the batch norms before each of them,
    and 6 weights for the outputs of the blocks. The table's 678K is nearest to the convolutions and the norms of the
    units (678528). Papers differ in how they count norms, which can be folded into convolutions at inference. There is
    no ReLU before the first convolution.
    """
    memory = [conv(1, width, bias=False)(Norm(1)(y))]
    reconstruct = Activated(width, 1)
    predictions = []
    for _ in range(BLOCKS):
        first, second = Activated(width, width), Activated(width, width)
        x, short = memory[-1], []
        for _ in range(RECURSIONS):
            x = x + second(first(x))
            short.append(x)
        remembered = concat(*short, *memory)
        memory.append(Activated(remembered.channels, width, kernel=1)(remembered))
        predictions.append(y + reconstruct(memory[-1]))
    return WeightedSum(BLOCKS)(*predictions)
