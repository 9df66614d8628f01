"""The keyboard of a terminal while a command draws: q leaves, the terminal is given back as it was.

Failure modes: where stdin is no terminal no key ever comes, and waiting for one is sleeping.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Keyboard", "single_keys"]


class Keyboard:
    """The keyboard of the terminal, if stdin is one."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def has_quit(self) -> bool:
        """Tell whether a q has come, without waiting."""
        if self._fd < 0 or not select.select([self._fd], [], [], 0)[0]:
            return False
        pressed = os.read(self._fd, 64)
        return not pressed or b"q" in pressed.lower()

    def quit_within(self, seconds: float) -> bool:
        """Wait that long for a q, and tell whether it came."""
        if self._fd < 0:
            time.sleep(seconds)
            return False
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left_s)[0]:
                pressed = os.read(self._fd, 64)
                if not pressed or b"q" in pressed.lower():
                    return True
        return False


@contextmanager
def single_keys() -> Iterator[Keyboard]:
    """Take single keys from the terminal; give it back as it was."""
    if not sys.stdin.isatty():
        yield Keyboard(-1)
        return
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield Keyboard(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
