"""The operator's desk: one command at a time goes to the core, its answer back; other kinds are refused here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocols.codes import Kind, OutcomeFlag, OutcomeType, Reason, TradingState
from protocols.commands import make_commands, mass_cancel
from protocols.layouts import COMMAND, OUTCOME
from protocols.market_commands import set_state
from stages.control import CONTROL_WORDS, CW_DESK, DESK_ANSWER, DESK_ANSWERED, DESK_ASKED, DESK_COMMAND
from stages.desk import OPERATOR_KINDS, Desk

pytestmark = pytest.mark.jitoff


class Asker:
    """A control segment, and what an asker does with it."""

    def __init__(self) -> None:
        self.control = np.zeros(CONTROL_WORDS, dtype=np.int64)

    def put(self, command: Any) -> None:
        """Put a command down."""
        start = CW_DESK + DESK_COMMAND
        self.control[start : start + 16] = command.view(np.int64)
        self.control[CW_DESK + DESK_ASKED] += 1

    @property
    def answer(self) -> Any:
        """The answer, None if there is none yet."""
        if self.control[CW_DESK + DESK_ASKED] != self.control[CW_DESK + DESK_ANSWERED]:
            return None
        start = CW_DESK + DESK_ANSWER
        return self.control[start : start + 16].copy().view(OUTCOME)[0]


def told(*rows: dict[str, int]) -> Any:
    """Return outcomes."""
    outcomes = np.zeros(len(rows), dtype=OUTCOME)
    for outcome, fields in zip(outcomes, rows, strict=True):
        for name, value in fields.items():
            outcome[name] = value
    return outcomes


ANSWER = {"type": OutcomeType.ACCEPTED, "kind": Kind.STATE, "flags": OutcomeFlag.ANSWER}


def test_a_command_goes_to_the_core_and_its_answer_back() -> None:
    """The answer is the outcome of that kind with flag ANSWER, of no session; others are not meant."""
    asker = Asker()
    desk = Desk(asker.control)
    assert desk.take() is None
    asker.put(set_state(1, TradingState.HALT, session=7))
    command = desk.take()
    fields = [int(command[name][0]) for name in ("kind", "instrument", "ord_type", "session")]
    assert fields == [Kind.STATE, 1, TradingState.HALT, 0]
    assert desk.is_waiting and desk.take() is None and asker.answer is None
    others = told(
        {**ANSWER, "kind": Kind.SESSION_CLOSE}, {**ANSWER, "flags": 0}, {**ANSWER, "session": 3},
        {**ANSWER, "type": OutcomeType.BOOK},
    )  # fmt: skip
    assert desk.find_answer(others) is None and desk.find_answer(told()) is None
    found = desk.find_answer(told({**ANSWER, "flags": 0}, {**ANSWER, "input_seq": 9}))
    desk.reply(found)
    assert not desk.is_waiting and int(asker.answer["input_seq"]) == 9
    assert desk.take() is None


def test_kinds_that_are_no_operators_are_refused() -> None:
    """An order, a session, the venue's own commands get their rejection at once, and reach no core."""
    asker = Asker()
    desk = Desk(asker.control)
    for kind in set(Kind) - OPERATOR_KINDS:
        asker.put(make_commands(kind))
        assert desk.take() is None and not desk.is_waiting
        wanted = (OutcomeType.REJECTED, Reason.INVALID_COMMAND, kind)
        assert tuple(int(asker.answer[name]) for name in ("type", "reason", "kind")) == wanted


def test_commands_are_served_one_after_the_other() -> None:
    """The next command is taken when the one before is answered."""
    asker = Asker()
    desk = Desk(asker.control)
    for number in range(1, 4):
        asker.put(mass_cancel(firm=number))
        command = desk.take()
        assert int(command["aux0"][0]) == number and command.dtype == COMMAND
        desk.reply(told({"type": OutcomeType.MASS_CANCELLED, "qty_lots": number}))
        assert int(asker.answer["qty_lots"]) == number
