"""Asking at the operator's desk: one after the other, answered or in time told that nobody serves."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.desk import ask
from gateway.port import GatewayError, NotRunning
from protocols.codes import Kind, OutcomeType, TradingState
from protocols.commands import mass_cancel
from protocols.layouts import OUTCOME
from protocols.market_commands import set_state
from ringbuffer.liveness import own_identity
from stages import control as ctl
from stages.control import Description, State, WorkerPlan, write_description
from stages.desk import Desk
from stages.memory import PipelineMemory, Sizes, pipeline_id

SIZES = Sizes(64, 64, 64, 64, 2)
SOON_S = 0.2
HALT = set_state(1, TradingState.HALT)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Any]:
    """Provide the control segment of a pipeline that is this process, and READY."""
    memory = PipelineMemory(pipeline_id(tmp_path), SIZES, epoch=1, input_seq=0)
    pid, start = own_identity()
    memory.control[ctl.CW_SUPERVISOR_PID], memory.control[ctl.CW_SUPERVISOR_START] = pid, start
    memory.control[ctl.CW_STATE] = State.READY
    about = Description(
        venue="desk", data_dir=str(tmp_path), durability="none", wait="yield", plan=(WorkerPlan(stages=("ingest",)),),
        ports=2, input_slots=64, output_slots=64, ingress_slots=64, egress_slots=64, instruments=(), accounts=(),
        max_instruments=1, max_accounts=1,
    )  # fmt: skip
    segment = memory.segments["control"]
    write_description(segment.buffer, segment.CONTENT, memory.control, about)
    yield memory.control
    memory.unlink()


class Server(threading.Thread):
    """A supervisor that answers each mass cancel with its firm as the number of orders."""

    def __init__(self, control: Any) -> None:
        super().__init__()
        self.desk, self.over = Desk(control), threading.Event()

    def run(self) -> None:
        """Serve until told to end."""
        while not self.over.wait(0.0005):
            command = self.desk.take()
            if command is not None:
                answer = np.zeros(1, dtype=OUTCOME)
                answer["type"], answer["kind"] = OutcomeType.MASS_CANCELLED, command["kind"]
                answer["qty_lots"] = command["aux0"]
                self.desk.reply(answer)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_nothing_runs(tmp_path: Path) -> None:
    """Without a pipeline there is nobody to ask."""
    with pytest.raises(NotRunning, match="expected a running pipeline, was none"):
        ask(tmp_path, HALT)


def test_a_pipeline_that_leaves_is_told(tmp_path: Path, control: Any) -> None:
    """A pipeline that drains is not asked; one that leaves meanwhile answers no more."""
    control[ctl.CW_STATE] = State.DRAINING
    with pytest.raises(NotRunning, match="expected a pipeline that is ready, was draining"):
        ask(tmp_path, HALT)
    control[ctl.CW_STATE] = State.READY
    leave = threading.Timer(0.05, control.__setitem__, (ctl.CW_STATE, int(State.FAILED)))
    leave.start()
    with pytest.raises(NotRunning, match="the pipeline is failed"):
        ask(tmp_path, HALT)
    leave.join()


def test_nobody_serves(tmp_path: Path, control: Any) -> None:
    """A supervisor that is stopped is told of in time; when it goes on, the next command gets its own answer."""
    with pytest.raises(GatewayError, match="expected an answer of the supervisor, was none in time"):
        ask(tmp_path, mass_cancel(firm=1), SOON_S)
    with Server(control):
        assert int(ask(tmp_path, mass_cancel(firm=2))["qty_lots"]) == 2


def test_the_desk_is_taken(tmp_path: Path, control: Any) -> None:
    """While another process holds the lock, nobody else puts anything down."""
    place = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    try:
        began = time.monotonic()
        with pytest.raises(GatewayError, match="expected to be served, others are in time"):
            ask(tmp_path, HALT, SOON_S)
        assert time.monotonic() - began >= SOON_S
        assert control[ctl.CW_DESK + ctl.DESK_ASKED] == 0
    finally:
        os.close(place)


def test_many_ask_at_once(tmp_path: Path, control: Any) -> None:
    """Each of several askers gets the answer to its own command."""
    told: list[tuple[int, int, int]] = []

    def asker(number: int) -> None:
        for turn in range(20):
            answer = ask(tmp_path, mass_cancel(firm=100 * number + turn + 1))
            told.append((100 * number + turn + 1, int(answer["qty_lots"]), int(answer["kind"])))

    with Server(control):
        threads = [threading.Thread(target=asker, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(told) == 80 and all(asked == got and kind == Kind.MASS_CANCEL for asked, got, kind in told)
