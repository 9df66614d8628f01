"""The operator's desk: how a command line hands a running pipeline one command, through the supervisor's own port.

An operator's commands are of no session: they may cancel the orders of all sessions, which no gateway's port may. They
lie in the control segment, 48 words from CW_DESK on::

     0  asked      how many commands were put down (whoever holds the desk's lock)
     1  answered   how many of them are answered (supervisor)
    16  command    layouts.COMMAND (whoever holds the lock)
    32  answer     layouts.OUTCOME: the one with flag ANSWER (supervisor)

The lock is an advisory one on the data directory: it ends with the process that holds it, so that nobody who died
keeps the desk. Who comes next waits until what that one asked is answered.

Invariants: one command at a time; it is answered by the core, or by the supervisor if it is of a kind that is no
operator's. Failure modes: a pipeline that stops meanwhile answers no more, which the asker sees by its state.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from protocols.codes import OUTFLAG_ANSWER, OUTFLAG_RISK, Kind, OutcomeType, Reason
from protocols.layouts import COMMAND, OUTCOME, SLOT_WORDS
from ringbuffer.ring_words import store_word
from stages.control import CW_DESK, DESK_ANSWER, DESK_ANSWERED, DESK_ASKED, DESK_COMMAND

__all__ = ["OPERATOR_KINDS", "Desk"]

OPERATOR_KINDS: Final = frozenset(
    {
        Kind.MASS_CANCEL,
        Kind.STATE,
        Kind.SCHEDULE,
        Kind.BANDS,
        Kind.TICK_TABLE,
        Kind.FIRM,
        Kind.LIMIT,
        Kind.KILL,
        Kind.PERMIT,
        Kind.COLLAR,
        Kind.FEES,
        Kind.TRANSFER,
        Kind.DAY_BEGIN,
    }
)


class Desk:
    """The supervisor's side: what lies on the desk goes to the core, the answer back."""

    def __init__(self, control: Any) -> None:
        self._control = control
        self._kind = 0  # of the command that the core has not answered yet

    @property
    def is_waiting(self) -> bool:
        """Whether a command is with the core."""
        return self._kind != 0

    def take(self) -> Any:
        """Return the command that was put down, None if there is none, or it was answered here."""
        control = self._control
        # pairs with the store_word of the asker: the command is whole
        if self._kind or int(control[CW_DESK + DESK_ASKED]) == int(control[CW_DESK + DESK_ANSWERED]):
            return None
        start = CW_DESK + DESK_COMMAND
        command = control[start : start + SLOT_WORDS].copy().view(COMMAND)
        command["session"] = 0
        if int(command["kind"][0]) not in OPERATOR_KINDS:
            self.reply(_refusal(command))
            return None
        self._kind = int(command["kind"][0])
        return command

    def find_answer(self, outcomes: Any) -> Any:
        """Return the answer among what the supervisor's port was sent, None if it is not there."""
        is_answer = (outcomes["kind"] == self._kind) & (outcomes["flags"] & OUTFLAG_ANSWER != 0)
        found = outcomes[is_answer & (outcomes["type"] != OutcomeType.BOOK) & (outcomes["session"] == 0)]
        return found[:1] if len(found) else None

    def reply(self, outcome: Any) -> None:
        """Put the answer down."""
        control = self._control
        start = CW_DESK + DESK_ANSWER
        control[start : start + SLOT_WORDS] = outcome.view(np.int64).reshape(-1)
        self._kind = 0
        # pairs with the load of the asker, who then reads the answer
        store_word(control, CW_DESK + DESK_ANSWERED, int(control[CW_DESK + DESK_ASKED]))


def _refusal(command: Any) -> Any:
    """Return the answer to a command of a kind that is no operator's."""
    outcome = np.zeros(1, dtype=OUTCOME)
    outcome["type"], outcome["reason"] = OutcomeType.REJECTED, Reason.INVALID_COMMAND
    outcome["kind"], outcome["flags"] = command["kind"], OUTFLAG_ANSWER | OUTFLAG_RISK
    return outcome
