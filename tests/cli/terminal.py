"""A command in a terminal of its own, for tests of what draws."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

from tests.structure.tree import ROOT

PATIENCE_S = 120.0


def in_terminal(*arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start ringmatch in a terminal of its own; return the process and the other end of the terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    return process, ours


def read_terminal(fd: int, until: bytes | None = None) -> bytes:
    """Read from a terminal until a text has come, or until nobody has it open any more; fail at the deadline."""
    seen = b""
    deadline = time.monotonic() + PATIENCE_S
    while until is None or until not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"expected {until or 'an end'!r} within {PATIENCE_S:g} s, was {seen!r}"
        try:
            more = os.read(fd, 65536)
        except OSError:  # the other side is gone
            more = b""
        if not more:
            assert until is None, f"expected {until!r}, was {seen!r}"
            break
        seen += more
    return seen
