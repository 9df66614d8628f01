"""Simulated clients: gateways of one session each, that retry what was not answered, in the order in which it was sent.

A client knows what it has sent and what it was told; neither is lost when the pipeline crashes, when it was cut off,
or when its own process ends. It then takes a port again, opens the session of the same name, and sends again, with the
same ClOrdIDs, whatever has no answer. It reads when it pleases, or not at all.

Reads and writes a port's rings and its words in the control segment, as :mod:`gateway.port` does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from protocols.codes import (
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    OUT_ACCEPTED,
    OUT_BOOK,
    OUTFLAG_ANSWER,
    Kind,
)
from protocols.layouts import OUTCOME
from protocols.text import pack_text, unpack_text
from ringbuffer.ring_words import store_word, take_word
from stages import control as ctl
from stages.control import PortState, State
from stages.simulator.pipeline import Pipeline
from stages.simulator.promises import expect
from stages.simulator.workload import Workload
from stages.topology import CUR_PORT_READER, CUR_WRITER

__all__ = ["Client"]

TAKING = 3  # a gateway is setting the port up
KNOWN_ORDERS = 64
REOPENS = 0.7  # of all looks at a session that is being closed, in which it is not opened again at once

Text = tuple[int, int, int]


class Client:
    """One client; ``token`` is what its process is known by while it has a port."""

    def __init__(
        self,
        number: int,
        workload: Workload,
        chance: random.Random,
        on_send: Callable[[int, Any, int], None],
        on_outcome: Callable[[int, Any], bool],
        window: int,
    ) -> None:
        self.number, self.name = number, f"CLIENT{number}"
        self.workload, self.chance, self.window = workload, chance, window
        self.on_send, self.on_outcome = on_send, on_outcome
        self.port = self.token = self.session = 0
        self.own_session = 0  # the same for ever
        self.heard_seq = 0  # the last input that it was told of in this life of the pipeline
        self.pending: list[tuple[Text, Any]] = []  # commands without an answer, as they were sent first
        self.sent = 0  # how many of them on this port
        self.is_opening = self.is_closing = False  # whether that is asked for and not answered
        self.asks = True  # whether it thinks of new commands
        self.disconnect_rate = self.close_rate = 0
        self.orders: list[tuple[int, str]] = []
        self.answered = self.retries = 0
        self._count = 0

    def calm_down(self) -> None:
        """Think of nothing new, and leave no more."""
        self.asks, self.disconnect_rate, self.close_rate = False, 0, 0

    def describe(self) -> str:
        """Say what it waits for."""
        waits = [
            f"{unpack_text(*text)} ({Kind(int(command['kind'])).name})" for text, command in self.pending[:3]
        ]
        return f"client {self.number} on port {self.port}, session {self.session}, waits for {waits}"

    # Its port

    def attach(self, pipeline: Pipeline, token: int) -> bool:
        """Take a free port and ask for the session; tell whether there was one."""
        control, memory = pipeline.control, pipeline.memory
        if control[ctl.CW_STATE] != State.READY:
            return False
        for port in range(1, pipeline.settings.ports):
            block = ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS
            if not take_word(control, block + ctl.PW_STATE, PortState.FREE, TAKING):
                continue
            control[block + ctl.PW_OWNER] = token
            self._in, self._in_slots = memory.ingress.ring_words(port), memory.ingress.slot_words(port)
            self._out, self._out_slots = memory.egress.ring_words(port), memory.egress.slot_words(port)
            store_word(
                self._out, CUR_PORT_READER, int(self._out[CUR_WRITER])
            )  # pairs with publish's load_acquire
            control[block + ctl.PW_FEED] = 0
            store_word(control, block + ctl.PW_STATE, PortState.OPEN)  # pairs with publish's load_acquire
            self._control, self._block = control, block
            self.port, self.token, self.session, self.sent = port, token, 0, 0
            self.is_opening = self.is_closing = False
            if self.chance.random() < 0.3:
                self._subscribe()
            return True
        return False

    def _subscribe(self) -> None:
        """Take market data of all instruments, or of one."""
        control, one = self._control, self.chance.random() < 0.5
        control[self._block + ctl.PW_FEED_IDS] = 1
        control[self._block + ctl.PW_FEED] = 1 if one else ctl.FEED_ALL
        epoch = int(control[ctl.CW_FEED_EPOCH])
        take_word(control, ctl.CW_FEED_EPOCH, epoch, epoch + 1)  # pairs with publish's load_acquire

    def leave(self) -> None:
        """Let go of the port, as a process does that ends."""
        self.port = self.token = 0

    @property
    def is_cut(self) -> bool:
        """Whether the pipeline has cut the port off."""
        return bool(self._control[self._block + ctl.PW_STATE] == PortState.CUT)

    # Reading

    def read(self, most: int) -> int:
        """Take up to ``most`` outcomes; return how many."""
        words, slots = self._out, self._out_slots
        cursor = int(words[CUR_PORT_READER])
        stop = min(int(words[CUR_WRITER]), cursor + most)
        for seq in range(cursor + 1, stop + 1):
            row = slots[seq & (len(slots) - 1)].copy()
            if self.on_outcome(self.number, row):
                self.heard_seq = max(self.heard_seq, int(row[0]))
            self._hear(row.view(OUTCOME)[0])
        store_word(words, CUR_PORT_READER, stop)  # pairs with publish's load_acquire
        return stop - cursor

    def _hear(self, outcome: Any) -> None:
        session = int(outcome["session"])
        expect(
            session in (0, self.own_session) or not self.own_session,
            f"expected client {self.name} to hear of its session {self.own_session} only",
            session,
        )
        if not outcome["flags"] & OUTFLAG_ANSWER or outcome["type"] == OUT_BOOK:
            return
        text = (int(outcome["cl0"]), int(outcome["cl1"]), int(outcome["cl2"]))
        if outcome["kind"] == KIND_SESSION_OPEN:
            expect(
                text == pack_text(self.name), f"expected client {self.name} to hear of its own session only"
            )
            self.session = session if outcome["type"] == OUT_ACCEPTED else 0
            self.own_session = self.session or self.own_session
            self.is_opening = self.session != 0
            return
        if outcome["kind"] == KIND_SESSION_CLOSE and self.is_closing:
            self.session, self.is_closing, self.sent = 0, False, 0
            return
        for place, (waiting, _) in enumerate(self.pending):
            if waiting == text:
                del self.pending[place]
                self.sent -= place < self.sent
                self.answered += 1
                if outcome["kind"] == Kind.NEW and outcome["type"] == OUT_ACCEPTED:
                    self.orders = [
                        *self.orders[-KNOWN_ORDERS:],
                        (int(outcome["order_id"]), unpack_text(*text)),
                    ]
                return

    # Sending

    def send(self, most: int) -> int:
        """Send up to ``most`` commands: the session's, those to be sent again, new ones; return how many.

        Now and then the process ends between writing slots and telling of them.
        """
        words, slots = self._in, self._in_slots
        written = int(words[CUR_WRITER])
        room = int(words[CUR_PORT_READER]) + len(slots) - written
        rows: list[Any] = []
        while len(rows) < min(room, most):
            row = self._next()
            if row is None:
                break
            rows.append(row)
            slots[(written + len(rows)) & (len(slots) - 1)] = row
        if rows and self.chance.randrange(1000) < self.disconnect_rate:
            told = self.chance.randrange(len(rows))
            self._tell(words, written, rows[:told])
            self.leave()
            return told
        self._tell(words, written, rows)
        return len(rows)

    def _tell(self, words: Any, written: int, rows: list[Any]) -> None:
        for row in rows:
            self.on_send(self.port, row, self.heard_seq)
        store_word(words, CUR_WRITER, written + len(rows))  # pairs with ingest's load_acquire

    def _next(self) -> Any:
        """Return the next command to send as a row of words, None if there is none now."""
        if not self.session:
            if self.is_opening:
                return None
            self.is_opening = True
            return self.workload.session_open(self.name).reshape(1).view(np.int64)
        if self.is_closing:
            if self.is_opening or self.chance.random() < REOPENS:
                return None
            self.is_opening = True  # does not wait until it is closed
            return self.workload.session_open(self.name).reshape(1).view(np.int64)
        if self.chance.randrange(1000) < self.close_rate:
            self.is_closing, self.is_opening = True, False
            return self.workload.session_close(self.session).reshape(1).view(np.int64)
        if self.sent < len(self.pending):
            _, command = self.pending[self.sent]
            self.retries += 1
        elif self.asks and len(self.pending) < self.window:
            command = self._think()
        else:
            return None
        self.sent += 1
        command["session"] = self.session
        return command.reshape(1).view(np.int64).copy()

    def _think(self) -> Any:
        """Return a new command."""
        self._count += 1
        text = f"{self.number}-{self._count}-" + "".join(
            self.chance.choices("ABCDEFGHXYZ", k=self.chance.randint(0, 9))
        )
        known = [*self.orders, *((0, unpack_text(*waiting)) for waiting, _ in self.pending[-1:])]
        command = self.workload.client_command(self.session, text, known)
        self.pending.append((pack_text(text), command))
        return command
