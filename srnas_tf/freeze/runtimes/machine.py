"""Describes the machine that files are timed on."""

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described(accelerators: Sequence[str] = ()) -> str:
    """This machine, with a runtime's devices besides the processor: "2 cores, AMD EPYC"."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    named = re.search(r"^(?:model name|Hardware)\s*: (.+)$", text, re.MULTILINE)
    processor = named[1] if named else platform.processor() or platform.machine()
    return ", ".join([f"{cores()} cores", processor, *accelerators])
