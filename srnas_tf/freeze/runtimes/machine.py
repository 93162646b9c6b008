"""The machine that files are timed on, in words."""

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described(accelerators: Sequence[str] = ()) -> str:
    """This machine, with what a runtime takes besides the processor: "2 cores, AMD EPYC"."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    named = re.search(r"^(?:model name|Hardware)\s*: (.+)$", text, re.MULTILINE)
    processor = named[1] if named else platform.processor() or platform.machine()
    return ", ".join([f"{cores()} cores", processor, *accelerators])
