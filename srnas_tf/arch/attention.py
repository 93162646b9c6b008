"""What a block may have to weigh its channels by, as convolutions that know what they cost."""

from collections.abc import Callable
from typing import NamedTuple

from srnas_tf.arch.conv import Conv

CCA_REDUCTION = 16


class Attention(NamedTuple):
    """A kind of attention.

    Attributes:
        convs: (channels) -> its convolutions, in the order in which data flows.
        words: what a reader knows it by.
    """

    convs: Callable[[int], tuple[Conv, ...]]
    words: str


def _none(channels: int) -> tuple[Conv, ...]:
    return ()


def _contrast_aware(channels: int) -> tuple[Conv, ...]:
    """What squeezes, and what excites."""
    # The paper's reduction of 16 leaves nothing of fewer than 16 channels: narrow networks keep one.
    squeezed = max(1, channels // CCA_REDUCTION)
    return Conv(channels, squeezed, 1, pooled=True), Conv(squeezed, channels, 1, pooled=True)


ATTENTIONS = {
    "none": Attention(_none, "no attention"),
    "cca": Attention(_contrast_aware, "contrast-aware attention"),  # before the fusion (Hui et al. 2019)
}
