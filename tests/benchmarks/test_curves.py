"""The law that is fitted to how far training carries."""

import subprocess
import sys

from conftest import ROOT


def test_a_law_is_found_again_and_foresees_the_last_length():
    """In a process of its own: benchmarks define flags that modes define, too."""
    script = """
from benchmarks.curves import at, foreseen, law
true = (27.3, 0.5, 0.6)
found = {steps: at(true, steps) for steps in (3000, 6000, 12000, 50000)}
assert max(abs(a - b) for a, b in zip(law(found), true)) < 1e-3, law(found)
assert abs(foreseen(found) - found[50000]) < 1e-3, foreseen(found)
assert law({3000: 26.0, 6000: 26.2}) is None and foreseen({3000: 26.0, 6000: 26.2, 12000: 26.3}) is None
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
