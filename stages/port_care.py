"""What the supervisor does for ports whose gateways died: closes their sessions, then frees the ports.

A port is cut first, so that nothing more is put into its ring; then SESSION_CLOSE is sequenced for each session that is
routed to it; and when all are closed, and ingest has taken all that the port was sent (it may open a session yet),
the port is free for the next gateway. A look takes each port one step further; nothing here waits.

Writes: states and owners of ports that have none alive. Reads: routes (publish), cursors of the ingress rings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ringbuffer.liveness import is_alive, split_token
from ringbuffer.ring_words import store_word
from stages import control as ctl
from stages.control import PortState
from stages.memory import PortArea
from stages.topology import CUR_PORT_READER, CUR_WRITER

__all__ = ["PortCare"]


def _lives(token: int) -> bool:
    """Tell whether the process of an owner token is alive."""
    return is_alive(*split_token(token))


class PortCare:
    """Looks after the ports from 1 on; ``close_sessions`` sequences SESSION_CLOSE, ``lives`` knows owners by token."""

    def __init__(
        self,
        control: Any,
        ingress: PortArea,
        routes: Any,
        close_sessions: Callable[[list[int]], None],
        lives: Callable[[int], bool] = _lives,
    ) -> None:
        self._control, self._ingress, self._routes = control, ingress, routes
        self._close_sessions, self._lives = close_sessions, lives
        self._closing: dict[int, set[int]] = {}  # sessions of a dead gateway's port

    def look(self) -> None:
        """Close the sessions of gateways that died, then free their ports."""
        for port in range(1, int(self._control[ctl.CW_PORTS])):
            block = ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS
            owner = int(self._control[block + ctl.PW_OWNER])
            if owner == 0 or self._lives(owner):
                continue
            sessions = [int(session) for session in np.nonzero(self._routes == port + 1)[0]]
            store_word(
                self._control, block + ctl.PW_STATE, PortState.CUT
            )  # pairs with publish's load_acquire
            closing = self._closing.setdefault(port, set())
            closing.intersection_update(sessions)
            if late := [session for session in sessions if session not in closing]:
                closing.update(late)
                self._close_sessions(late)
            elif not sessions and self._is_drained(port):
                self._control[block + ctl.PW_OWNER] = 0
                # pairs with the compare-exchange of the gateway that takes it
                store_word(self._control, block + ctl.PW_STATE, PortState.FREE)

    def _is_drained(self, port: int) -> bool:
        """Tell whether ingest has taken all that a port was sent: it may open a session yet."""
        words = self._ingress.ring_words(port)
        return bool(words[CUR_PORT_READER] == words[CUR_WRITER])
