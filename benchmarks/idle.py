"""What actors do that only take as long. Nothing is imported here that each of 64 of them would have to load."""

import os
import time
from collections.abc import Sequence


def sleep(seconds: float, codes: Sequence[int]) -> float:
    """Stands for a measurement of that length."""
    time.sleep(seconds)
    return float(-sum(codes))


def process(task: int) -> int:
    """Which actor does a task; each gets one where there are enough, as none is done at once."""
    time.sleep(0.05)
    return os.getpid()
