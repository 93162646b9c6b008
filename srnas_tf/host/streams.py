"""Standard streams that somebody closed: what is written to them goes nowhere, as to /dev/null."""

import os
import sys

_MODES = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


def reopen_closed() -> None:
    """Opens what a daemon or `2>&-` closed, before a file of another kind takes its number."""
    for number, (name, mode) in _MODES.items():
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
