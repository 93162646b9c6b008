"""Spaces that several tests look at."""

from srnas_tf.arch import Space

WIDE = {
    "space": "tapped",
    "scale": 2,
    "width": "12/16",
    "depth": "1/2",
    "stem": "thin/plain",
    "recipes": "T/TC",
    "conv": "blueprint/expanded",
    "kernel": "3/5",
    "attention": "none/cca",
    "inner": "0.5/1",
}
"""Whatever describes a network, as a choice; small enough to be listed."""


def wide(sharing: str = "entangled") -> Space:
    return Space(**WIDE, sharing=sharing)
