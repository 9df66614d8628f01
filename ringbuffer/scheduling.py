"""How the scheduler treats a thread that sleeps most of the time, beside one on its core that never does.

The fair scheduler of Linux lets a running thread finish its slice, some 3 ms, before one that woke up gets the core. A
thread that has asked for a shorter slice gets it at once (Linux 6.12). That needs no permission, and does not
change its share of the core. Older kernels refuse, harmlessly. No Numba here.

Source: sched(7), sched_setattr(2); "EEVDF: allow shorter slices to wakeup-preempt", Linux 6.12.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

__all__ = ["ask_for_short_slices"]

SHORT_SLICE_NS: Final = 100_000  # the least that the kernel grants
SCHED_OTHER: Final = 0
_NUMBERS: Final = {"x86_64": 314, "aarch64": 274}  # of the system call sched_setattr
_ATTRIBUTES: Final = struct.Struct(
    "<IIQiIQQQ"
)  # size, policy, flags, nice, priority, runtime, deadline, period


def ask_for_short_slices() -> bool:
    """Ask for short slices for the calling thread; tell whether the system granted them."""
    number = _NUMBERS.get(os.uname().machine)
    if number is None or os.sched_getscheduler(0) != SCHED_OTHER:
        return False
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, SCHED_OTHER, 0, os.nice(0), 0, SHORT_SLICE_NS, 0, 0)
    return int(ctypes.CDLL(None).syscall(number, 0, attributes, 0)) == 0
