"""Ports whose gateways died: sessions are closed, and a port is free when nothing of its last owner is under way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.control import CONTROL_WORDS, CW_PORT_BLOCKS, CW_PORTS, PORT_WORDS, PW_OWNER, PW_STATE, PortState
from stages.memory import PortArea
from stages.port_care import PortCare
from stages.topology import CUR_INPUT_MATCHING, CUR_OUTPUT_PUBLISH, CUR_PORT_READER, CUR_WRITER, cursor_word

pytestmark = pytest.mark.jitoff

DEAD, ALIVE = 7, 8
SLOTS_WORD = cursor_word(2)
PORT = 1


class Venue:
    """A pipeline of which the test moves the cursors; port 1 has an owner that died, port 2 one that lives."""

    def __init__(self) -> None:
        words = np.zeros(3 * SLOTS_WORD, dtype=np.int64)
        self.control = np.zeros(CONTROL_WORDS, dtype=np.int64)
        self.control[CW_PORTS] = 3
        self.ingress = PortArea(words, SLOTS_WORD, SLOTS_WORD, 0)
        self.in_words = np.zeros(cursor_word(4), dtype=np.int64)
        self.out_words = np.zeros(cursor_word(3), dtype=np.int64)
        self.routes = np.zeros(8, dtype=np.int32)
        self.closed: list[list[int]] = []
        for port, owner in ((1, DEAD), (2, ALIVE)):
            self.control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_OWNER] = owner
            self.control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_STATE] = PortState.OPEN
        memory: Any = SimpleNamespace(
            control=self.control, ingress=self.ingress, in_words=self.in_words, out_words=self.out_words
        )
        self.care = PortCare(memory, self.routes, self._close, lambda token: token != DEAD)

    def _close(self, sessions: list[int]) -> None:
        self.closed.append(sessions)
        self.ingress.ring_words(0)[CUR_WRITER] += len(sessions)

    def state(self, port: int = PORT) -> PortState:
        """Return the state of a port."""
        return PortState(int(self.control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_STATE]))

    def sent(self, port: int = PORT) -> None:
        """Let a port have sent a command that nobody has seen yet."""
        self.ingress.ring_words(port)[CUR_WRITER] += 1

    def ingest(self) -> None:
        """Take all commands of all ports."""
        for port in range(3):
            ring = self.ingress.ring_words(port)
            self.in_words[CUR_WRITER] += ring[CUR_WRITER] - ring[CUR_PORT_READER]
            ring[CUR_PORT_READER] = ring[CUR_WRITER]

    def match(self) -> None:
        """Match all inputs, an outcome each."""
        self.out_words[CUR_WRITER] += self.in_words[CUR_WRITER] - self.in_words[CUR_INPUT_MATCHING]
        self.in_words[CUR_INPUT_MATCHING] = self.in_words[CUR_WRITER]

    def publish(self, **routes: int) -> None:
        """Release all outcomes, after which sessions (s1, s2, ...) are routed to these ports, 0 for none."""
        self.out_words[CUR_OUTPUT_PUBLISH] = self.out_words[CUR_WRITER]
        for name, port in routes.items():
            self.routes[int(name[1:])] = port + 1 if port else 0


def test_a_port_of_nobody_is_free_at_once() -> None:
    """Where nothing is under way one look is enough; ports of the living stay as they are."""
    venue = Venue()
    venue.care.look()
    assert venue.state() == PortState.FREE and venue.state(2) == PortState.OPEN and venue.closed == []


def test_sessions_are_closed_once_and_the_port_is_free_behind_their_close() -> None:
    """The port is cut, its sessions are closed, and looks in between close nothing again."""
    venue = Venue()
    venue.routes[1] = venue.routes[3] = PORT + 1
    for _ in range(3):
        venue.care.look()
    assert venue.closed == [[1, 3]] and venue.state() == PortState.CUT
    venue.ingest()
    venue.match()
    venue.care.look()
    assert venue.state() == PortState.CUT
    venue.publish(s1=0, s3=0)
    venue.care.look()
    assert venue.closed == [[1, 3]] and venue.state() == PortState.FREE


def test_a_session_that_is_under_way_is_awaited() -> None:
    """A gateway opened a session and died at once: however far that has come, its port is not given away before."""
    venue = Venue()
    venue.sent()
    for step in (venue.ingest, venue.match, lambda: venue.publish(s2=PORT)):
        venue.care.look()
        assert venue.state() == PortState.CUT and venue.closed == []
        step()
    venue.care.look()
    assert venue.state() == PortState.CUT and venue.closed == [[2]]


def test_a_session_that_is_opened_again_behind_its_close_is_closed_again() -> None:
    """The dead gateway's last command opens the session that has just been closed; the port is not lost for that."""
    venue = Venue()
    venue.routes[1] = PORT + 1
    venue.care.look()
    venue.ingest()
    venue.match()
    venue.publish(s1=PORT)
    venue.care.look()
    assert venue.closed == [[1], [1]] and venue.state() == PortState.CUT
    venue.care.look()
    venue.ingest()
    venue.match()
    venue.publish(s1=0)
    venue.care.look()
    assert venue.state() == PortState.FREE
