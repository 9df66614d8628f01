"""Ask a running pipeline something as its operator: one command at the desk (:mod:`stages.desk`), one answer.

For command lines: no port is taken and no session opened, so it works where all ports are taken, too.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gateway.port import GatewayError, NotRunning
from protocols.layouts import OUTCOME, SLOT_WORDS
from ringbuffer.errors import SegmentMissing
from ringbuffer.ring_words import store_word
from stages.control import CW_DESK, DESK_ANSWER, DESK_ANSWERED, DESK_ASKED, DESK_COMMAND, State
from stages.observe import Observer

__all__ = ["ask"]

TIMEOUT_S = 10.0
POLL_S = 0.002


def ask(data_dir: str | Path, command: Any, timeout_s: float = TIMEOUT_S) -> Any:
    """Hand a command (one row of ``layouts.COMMAND``) to the pipeline of a data directory; return its answer."""
    assert len(command) == 1, f"expected one command, was {len(command)}"
    try:
        observer = Observer(data_dir)
    except SegmentMissing:
        raise NotRunning(f"{data_dir}: expected a running pipeline, was none (ringmatch start)") from None
    if observer.state is not State.READY:
        state = observer.state.name.lower()
        raise NotRunning(f"{data_dir}: expected a pipeline that is ready, was {state}")
    deadline = time.monotonic() + timeout_s
    control = observer.control
    with _locked(data_dir, deadline):
        _await_answer(data_dir, observer, deadline)  # to what somebody asked who left
        start = CW_DESK + DESK_COMMAND
        control[start : start + SLOT_WORDS] = command.view(np.int64).reshape(-1)
        # pairs with the supervisor's load of it: the command is whole
        store_word(control, CW_DESK + DESK_ASKED, int(control[CW_DESK + DESK_ASKED]) + 1)
        _await_answer(data_dir, observer, deadline)
        start = CW_DESK + DESK_ANSWER
        return control[start : start + SLOT_WORDS].copy().view(OUTCOME)[0]


@contextmanager
def _locked(data_dir: str | Path, deadline: float) -> Iterator[None]:
    """Hold the lock of the desk."""
    place = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                _check_time(data_dir, deadline, "expected to be served, others are")
                time.sleep(POLL_S)
        yield
    finally:
        os.close(place)


def _await_answer(data_dir: str | Path, observer: Observer, deadline: float) -> None:
    """Wait until all that was asked is answered."""
    control = observer.control
    # pairs with the supervisor's store_word of how many it has answered
    while int(control[CW_DESK + DESK_ANSWERED]) != int(control[CW_DESK + DESK_ASKED]):
        if observer.state is not State.READY:
            raise NotRunning(f"{data_dir}: the pipeline is {observer.state.name.lower()}")
        _check_time(data_dir, deadline, "expected an answer of the supervisor, was none")
        time.sleep(POLL_S)


def _check_time(data_dir: str | Path, deadline: float, problem: str) -> None:
    if time.monotonic() > deadline:
        raise GatewayError(f"{data_dir}: {problem} in time")
