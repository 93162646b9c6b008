"""Randomness as a function of (seed, purpose, step). A resumed run draws the same numbers as an undisturbed one."""

import zlib

import numpy as np


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """A fresh generator that depends on nothing but its arguments.

    Args:
        seed: the experiment's seed, >= 0.
        purpose: "patches", "path", ..., so that two uses at one step are independent.
        step: the training step or search iteration, >= 0.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), step])
