"""What holds for all tests: Hypothesis profiles, warnings of the JIT-off lane, and nothing left in /dev/shm.

Profiles are chosen by ``HYPOTHESIS_PROFILE``: ``dev`` (the default) is quick, ``ci`` digs deeper; under
``NUMBA_DISABLE_JIT=1`` both are smaller, because kernels run as plain Python there. None is derandomized, and
a failure prints the blob that repeats it. Which process runs which test is said in ``tests/distribution.py``, and
what is said of failures last, in ``tests/summary.py``.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import engine

from ringbuffer.shm import list_segments
from tests.distribution import Units
from tests.summary import write_gists

JIT_DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
SESSION_VARIABLE = "RINGMATCH_TEST_SESSION"
LEAK_DEADLINE_S = (
    60.0  # an owner may have to clean up; what another session leaves for a moment, it takes away
)

EXAMPLES = {"dev": 50, "ci": 200}
EXAMPLES_WITHOUT_JIT = {"dev": 10, "ci": 25}

for _name, _examples in (EXAMPLES_WITHOUT_JIT if JIT_DISABLED else EXAMPLES).items():
    settings.register_profile(
        _name,
        max_examples=_examples,
        deadline=None,  # the first call of a kernel compiles it
        derandomize=False,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],  # for the same reason
    )
SHRINKING_S = 60  # for each failure; 300 by default, which is long where many tests fail for one reason
assert hasattr(engine, "MAX_SHRINKING_SECONDS")
engine.MAX_SHRINKING_SECONDS = SHRINKING_S
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
settings.load_profile(PROFILE)

if JIT_DISABLED:
    np.seterr(over="ignore")  # int64 wraps silently in compiled code, so it may here


def pytest_configure(config: pytest.Config) -> None:
    """Let integers wrap in all threads where kernels are Python; let Ctrl-C reach what tests start.

    NumPy's error state is local to a thread. A shell makes what it starts in the background ignore SIGINT, and that is
    inherited.
    """
    if JIT_DISABLED:
        config.addinivalue_line("filterwarnings", "ignore:overflow encountered:RuntimeWarning")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say what a failure has to be repeated with."""
    return f"ringmatch: JIT {'off' if JIT_DISABLED else 'on'}, Hypothesis profile {PROFILE}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Units:
    """Share the tests out by units, see there."""
    return Units(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in short what failed, where the end of a log shows it."""
    stats = terminalreporter.stats
    write_gists(terminalreporter, [*stats.get("failed", ()), *stats.get("error", ())])


def _is_ours(pid: int, mark: str) -> bool:
    """Tell whether a process is this one, a child of it, or was started with our mark and then detached."""
    if pid == os.getpid() or any(child.pid == pid for child in psutil.Process().children(recursive=True)):
        return True
    try:
        return f"{SESSION_VARIABLE}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _left_behind(before: set[tuple[str, int]], mark: str) -> dict[tuple[str, int], str]:
    """Describe the new segments whose owner is dead, or alive and ours."""
    return {
        (info.name, info.created_ns): f"{info.name} ({info.purpose or 'no purpose'}; pid {info.owner_pid} is "
        f"{'alive' if info.alive else 'dead'})"
        for info in list_segments()
        if (info.name, info.created_ns) not in before and (not info.alive or _is_ours(info.owner_pid, mark))
    }


@pytest.fixture(scope="session", autouse=True)
def no_segment_is_left_behind() -> Iterator[None]:
    """Fail the session if its tests leave shared memory in /dev/shm; segments of others do not count.

    Whose a dead process was cannot be told. Another session, or another process of this one, takes away what its
    processes leave before its test is over; so what is still there much later is ours.
    """
    mark = uuid.uuid4().hex
    os.environ[SESSION_VARIABLE] = mark  # inherited by every process that a test starts
    before = {(info.name, info.created_ns) for info in list_segments()}
    yield
    left = _left_behind(before, mark)
    deadline = time.monotonic() + LEAK_DEADLINE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        now = _left_behind(before, mark)
        left = {key: text for key, text in left.items() if key in now}
    assert not left, f"expected no new shared memory segments, was {sorted(left.values())}"
