"""What the supervisor does for ports whose gateways died: closes their sessions, then frees the ports.

A port is cut first, so that nothing more is put into its ring. Then all that it was sent before must have had its
effect (it may open a session yet): ingest has taken it, matching has told what it led to, publish has released that.
What is then routed to the port is closed by SESSION_CLOSE commands through port 0, whose effect is awaited likewise; it
is looked again, for a session may have been opened once more behind its close; and when nothing is routed to the port
it is free. Freed any earlier, the next gateway would hear of a session that is not its own, which nobody would close.

A look takes each port as far as it comes; nothing here waits.

Writes: states and owners of ports that have none alive. Reads: routes (publish), cursors of all rings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringbuffer.liveness import is_alive, split_token
from ringbuffer.ring_words import store_word
from stages import control as ctl
from stages.control import PortState
from stages.memory import PipelineMemory
from stages.topology import (
    CUR_INPUT_MATCHING,
    CUR_OUTPUT_PUBLISH,
    CUR_PORT_READER,
    CUR_WRITER,
)

__all__ = ["PortCare"]

UNKNOWN = -1


def _lives(token: int) -> bool:
    """Tell whether the process of an owner token is alive."""
    return is_alive(*split_token(token))


@dataclass
class _Effect:
    """How far the effect of what two ports were sent has come, each step known when the one before is done."""

    own: int  # the last command in the ring of the port
    supervisors: int  # and in that of port 0
    seq: int = UNKNOWN  # the last input when ingest had taken both
    told: int = UNKNOWN  # the last outcome when matching had come to that


class PortCare:
    """Looks after the ports from 1 on; ``close_sessions`` sequences SESSION_CLOSE, ``lives`` knows owners by token."""

    def __init__(
        self,
        memory: PipelineMemory,
        routes: Any,
        close_sessions: Callable[[list[int]], None],
        lives: Callable[[int], bool] = _lives,
    ) -> None:
        self._memory, self._control, self._routes = memory, memory.control, routes
        self._close_sessions, self._lives = close_sessions, lives
        self._effects: dict[int, _Effect] = {}  # by port, of those whose gateways died

    def look(self) -> None:
        """Close the sessions of gateways that died, then free their ports."""
        for port in range(1, int(self._control[ctl.CW_PORTS])):
            owner = int(self._control[ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS + ctl.PW_OWNER])
            if owner != 0 and not self._lives(owner):
                self._care_for(port)

    def _care_for(self, port: int) -> None:
        block = ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS
        if port not in self._effects:
            store_word(
                self._control, block + ctl.PW_STATE, PortState.CUT
            )  # pairs with publish's load_acquire
            self._effects[port] = self._begun(port)
        if not self._is_over(self._effects[port], port):
            return
        del self._effects[port]
        if sessions := [int(session) for session in np.nonzero(self._routes == port + 1)[0]]:
            self._close_sessions(sessions)  # the next look begins to await what that leads to
            return
        self._control[block + ctl.PW_OWNER] = 0
        # pairs with the compare-exchange of the gateway that takes it
        store_word(self._control, block + ctl.PW_STATE, PortState.FREE)

    def _begun(self, port: int) -> _Effect:
        """Begin to await the effect of what a port, and port 0, have been sent."""
        sent = [int(self._memory.ingress.ring_words(each)[CUR_WRITER]) for each in (port, 0)]
        return _Effect(*sent)

    def _is_over(self, effect: _Effect, port: int) -> bool:
        """Go on with an effect as far as it has come; tell whether publish has released all of it."""
        memory = self._memory
        if effect.seq == UNKNOWN:
            for each, sent in ((port, effect.own), (0, effect.supervisors)):
                if memory.ingress.ring_words(each)[CUR_PORT_READER] < sent:
                    return False
            effect.seq = int(memory.in_words[CUR_WRITER])
        if effect.told == UNKNOWN:
            if memory.in_words[CUR_INPUT_MATCHING] < effect.seq:
                return False
            effect.told = int(memory.out_words[CUR_WRITER])
        return bool(memory.out_words[CUR_OUTPUT_PUBLISH] >= effect.told)
