"""Bells of workers that sleep: whoever has work for them wakes them, and no bell is slept over."""

from __future__ import annotations

import statistics
import threading
import time
from typing import Any

import numpy as np
import pytest

from ringbuffer.kernel import JIT_DISABLED, kernel
from stages.bells import NOBODY, announce_durable, doze, ring_bells, wake_up
from stages.control import (
    BELL_SIGNAL,
    BELL_WAITING,
    BELL_WORDS,
    CONTROL_WORDS,
    CW_BELLS,
    CW_DURABLE,
    CW_WORKERS,
)

pytestmark = pytest.mark.jitoff
NAP_S = 0.005  # the longest sleep
SLEEPS = 200


@kernel
def doze_once(control, worker):  # type: ignore[no-untyped-def]
    """Announce, or sleep."""
    doze(control, worker)
    return 0


@kernel
def ring(control, worker):  # type: ignore[no-untyped-def]
    """Wake the others."""
    ring_bells(control, worker)
    return 0


@kernel
def rise(control, worker):  # type: ignore[no-untyped-def]
    """Take the announcement back."""
    wake_up(control, worker)
    return 0


def control_of(workers: int) -> Any:
    """Return control words of a pipeline with that many workers."""
    control = np.zeros(CONTROL_WORDS, dtype=np.int64)
    control[CW_WORKERS] = workers
    return control


def signals(control: Any) -> list[int]:
    """Return each worker's signal."""
    return [int(control[CW_BELLS + each * BELL_WORDS + BELL_SIGNAL]) for each in range(control[CW_WORKERS])]


def test_only_those_that_wait_are_rung() -> None:
    """The bell is for workers that announced, not for the ringer, and not after they found work."""
    control = control_of(3)
    ring(control, np.int64(NOBODY))
    assert signals(control) == [0, 0, 0]
    for worker in (0, 2):
        doze_once(control, worker)
        assert control[CW_BELLS + worker * BELL_WORDS + BELL_WAITING] == 1
    ring(control, np.int64(2))
    assert signals(control) == [1, 0, 0]
    rise(control, 0)
    ring(control, np.int64(NOBODY))
    assert signals(control) == [1, 0, 1]


def test_a_bell_before_the_sleep_is_heard() -> None:
    """Work that comes between the last look and the sleep ends the sleep at once."""
    control = control_of(1)
    spent = []
    for _ in range(SLEEPS):
        doze_once(control, 0)  # announces
        ring(control, np.int64(NOBODY))
        before = time.monotonic()
        doze_once(control, 0)  # would sleep
        spent.append(time.monotonic() - before)
        rise(control, 0)
    if not JIT_DISABLED:  # the twin sleeps a little whatever the signal says
        assert statistics.median(spent) < NAP_S / 2


def test_what_is_durable_is_announced() -> None:
    """The journal's thread stores the sequence and wakes the worker that publishes."""
    control = control_of(2)
    doze_once(control, 1)
    thread = threading.Thread(target=announce_durable, args=(control, np.int64(42)))
    thread.start()
    thread.join()
    assert control[CW_DURABLE] == 42
    assert signals(control) == [0, 1]
