"""A port: one gateway's pair of rings on a running pipeline, and the sessions that it opened there."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from gateway.pump import (
    CUT_OFF,
    DONE,
    GW_ANSWERED,
    GW_COMMANDS,
    GW_GATE,
    GW_READ,
    GW_SENT,
    NOT_RUNNING,
    PUMP_WORDS,
    SLICE_OVER,
    pump,
)
from protocols.codes import (
    FLAG_CANCEL_ON_CLOSE,
    KIND_BOOK_REQUEST,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    OUT_ACCEPTED,
    OUTFLAG_ANSWER,
    Reason,
)
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.layouts import COMMAND, OUTCOME
from protocols.text import pack_text
from ringbuffer.errors import SegmentMissing
from ringbuffer.liveness import own_identity, owner_token
from ringbuffer.pages import populate
from ringbuffer.ring_words import store_word, take_word
from stages import control as ctl
from stages.control import PortState, State
from stages.memory import Sizes, attach_ports
from stages.observe import Observer
from stages.topology import CUR_PORT_READER, CUR_WRITER

__all__ = ["CutOff", "GatewayError", "NoPort", "NotRunning", "Port", "SessionRefused"]

TAKING = 3  # a gateway is setting the port up
OUT_ROWS = 1 << 14
SLICE_NS = 20_000_000
REPLY_TIMEOUT_S = 10.0
PR_SET_TIMERSLACK = 29
NO_ROWS = np.zeros((0, 16), dtype=np.int64)
NO_WORDS = np.zeros(0, dtype=np.int64)


class GatewayError(Exception):
    """Something about the pipeline keeps a gateway from working."""


class NotRunning(GatewayError):
    """No pipeline runs on the data directory, or it has stopped or failed meanwhile."""


class NoPort(GatewayError):
    """All ports are taken."""


class CutOff(GatewayError):
    """The pipeline cut this gateway off: it did not read its outcomes, or another one opened its session."""


class SessionRefused(GatewayError):
    """The core refused to open a session."""


def directory_of(about: ctl.Description) -> Directory:
    """Return the names, ids and units that a description holds."""
    return Directory(
        [
            InstrumentEntry(row.id, row.symbol, row.tick_e8, row.lot_e8, row.currency)
            for row in about.instruments
        ],
        [AccountEntry(row.id, row.name) for row in about.accounts],
    )


class Port:
    """Attached to a running pipeline from construction until :meth:`close`.

    With ``cancel_on_close`` the orders of its sessions end when they are closed, also when this process dies.
    Outcomes are handed out by :meth:`send` and :meth:`receive` as arrays that are valid until the next call.
    """

    def __init__(self, data_dir: str | Path, window: int = 0, *, cancel_on_close: bool = False) -> None:
        try:
            self._observer = Observer(data_dir)
        except SegmentMissing:
            raise NotRunning(f"{data_dir}: expected a running pipeline, was none (ringmatch start)") from None
        if self._observer.state is not State.READY:
            state = self._observer.state.name.lower()
            raise NotRunning(f"{data_dir}: expected a pipeline that is ready, was {state}")
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        self.data_dir = str(data_dir)
        self.control = self._observer.control
        about = self.description = self._observer.description
        sizes = Sizes(
            about.input_slots, about.output_slots, about.ingress_slots, about.egress_slots, about.ports
        )
        self._ingress_area, self._egress_area = attach_ports(data_dir, sizes)
        self.directory = directory_of(about)
        self.window = window or max(1, min(about.ingress_slots, about.egress_slots // 8))
        self.words = np.zeros(PUMP_WORDS, dtype=np.int64)
        self.sessions: dict[str, int] = {}
        self._open_flags = FLAG_CANCEL_ON_CLOSE if cancel_on_close else 0
        self._out = np.zeros((OUT_ROWS, 16), dtype=np.int64)
        self.number = self._take_port()

    def _take_port(self) -> int:
        token = owner_token(*own_identity())
        for port in range(1, self.description.ports):
            block = ctl.CW_PORT_BLOCKS + port * ctl.PORT_WORDS
            if not take_word(self.control, block + ctl.PW_STATE, PortState.FREE, TAKING):
                continue
            self.control[block + ctl.PW_OWNER] = token
            self._ingress = self._ingress_area.ring_words(port)
            self._ingress_slots = self._ingress_area.slot_words(port)
            self._egress = self._egress_area.ring_words(port)
            self._egress_slots = self._egress_area.slot_words(port)
            for array in (self._ingress_slots, self._egress_slots):
                populate(array)
            # what the last owner left unread is not ours; what it left unsequenced ingest still takes
            store_word(self._egress, CUR_PORT_READER, int(self._egress[CUR_WRITER]))
            self.words[GW_READ] = self._egress[CUR_WRITER]
            self.words[GW_SENT] = self._ingress[CUR_WRITER]
            self.words[GW_GATE] = self._ingress[CUR_PORT_READER]
            self.control[block + ctl.PW_FEED] = 0
            store_word(self.control, block + ctl.PW_STATE, PortState.OPEN)
            return port
        raise NoPort(f"{self.data_dir}: expected a free port, all {self.description.ports - 1} are taken")

    def refresh_directory(self) -> None:
        """Take in the instruments that others have added, as far as the pipeline tells of them already."""
        found = directory_of(self._observer.describe())
        instruments = {**found.instruments, **self.directory.instruments}
        self.directory = Directory(instruments.values(), found.accounts.values())

    @property
    def unanswered(self) -> int:
        """How many commands were sent and have no answer yet."""
        # never negative: who opens a session that had another owner also hears what that one had asked
        return max(0, int(self.words[GW_COMMANDS] - self.words[GW_ANSWERED]))

    def send(
        self,
        commands: Any,
        start: int,
        due_ns: Any = NO_WORDS,
        sessions: Any = NO_WORDS,
        slice_ns: int = SLICE_NS,
    ) -> tuple[int, Any]:
        """Send commands from row ``start`` for at most a time slice; return (next row, outcomes that came)."""
        rows = commands.view(np.int64).reshape(-1, 16)
        row, count, why = pump(
            self.control, self.number, self._ingress, self._ingress_slots, self._egress, self._egress_slots,
            rows, start, len(rows), due_ns, sessions, self.window, self._out, 0, slice_ns, self.words,
        )  # fmt: skip
        outcomes = self._out[: int(count)].reshape(-1).view(OUTCOME)
        if why == CUT_OFF and not len(outcomes):
            raise CutOff(
                f"{self.data_dir}: port {self.number} was cut off: its egress ring was full, "
                f"or its session was opened or closed elsewhere"
            )
        if why in (NOT_RUNNING, SLICE_OVER) and not len(outcomes):
            self._check_running()  # also without a word: a supervisor that was killed leaves READY behind
        if why == DONE:
            assert row == len(rows)
        return int(row), outcomes

    def receive(self, slice_ns: int = SLICE_NS) -> Any:
        """Take outcomes for at most a time slice."""
        return self.send(np.zeros(0, dtype=COMMAND), 0, slice_ns=slice_ns)[1]

    def _check_running(self) -> None:
        state = self._observer.state
        if state is State.DRAINING and self.unanswered:
            time.sleep(0.001)  # what was sequenced is still answered
            if self._observer.supervisor_alive:
                return
        if state is not State.READY:
            raise NotRunning(f"{self.data_dir}: the pipeline is {state.name.lower()}")

    def open_session(self, name: str, others: list[Any] | None = None) -> int:
        """Open a session and return its id; outcomes of other sessions that come meanwhile go to ``others``."""
        if name not in self.sessions:
            command = np.zeros(1, dtype=COMMAND)
            command["kind"] = KIND_SESSION_OPEN
            command["flags"] = self._open_flags
            command["cl0"], command["cl1"], command["cl2"] = (np.array([part]) for part in pack_text(name))
            answer = self._request(command, KIND_SESSION_OPEN, others)
            if answer["type"] != OUT_ACCEPTED:
                raise SessionRefused(f"session {name!r}: {Reason(int(answer['reason'])).name.lower()}")
            self.sessions[name] = int(answer["session"])
        return self.sessions[name]

    def subscribe(self, instruments: Iterable[int] | None = None) -> None:
        """Take market data (docs/market-data.md) of all instruments, or of at most 12 by id, instead of what was.

        It comes with :meth:`send` and :meth:`receive`, from some moment on: ask for the books with
        :meth:`request_book` afterwards. A port that subscribes and does not read is cut off all the sooner.
        """
        ids = [] if instruments is None else sorted(set(instruments))
        if len(ids) > ctl.MOST_FEED_IDS:
            raise ValueError(f"instruments: expected at most {ctl.MOST_FEED_IDS}, or all, was {len(ids)}")
        block = ctl.CW_PORT_BLOCKS + self.number * ctl.PORT_WORDS
        for place, identity in enumerate(ids):
            self.control[block + ctl.PW_FEED_IDS + place] = identity
        self.control[block + ctl.PW_FEED] = ctl.FEED_ALL if instruments is None else len(ids)
        self._announce_feed()

    def unsubscribe(self) -> None:
        """Take no market data any more."""
        self.control[ctl.CW_PORT_BLOCKS + self.number * ctl.PORT_WORDS + ctl.PW_FEED] = 0
        self._announce_feed()

    def _announce_feed(self) -> None:
        epoch = int(self.control[ctl.CW_FEED_EPOCH])
        # pairs with publish's load_acquire of the epoch: what was stored before is seen with it
        while not take_word(self.control, ctl.CW_FEED_EPOCH, epoch, epoch + 1):
            epoch = int(self.control[ctl.CW_FEED_EPOCH])

    def request_book(self, session: int, instrument: int) -> Any:
        """Ask for the orders of a book, through a session of this port; return outcomes that came meanwhile.

        The answer comes in order with the feed: ``protocols.market_data`` makes a book of both.
        """
        command = np.zeros(1, dtype=COMMAND)
        command["kind"], command["session"], command["instrument"] = KIND_BOOK_REQUEST, session, instrument
        parts, row = [], 0
        while row == 0:
            row, outcomes = self.send(command, 0)
            parts.append(outcomes.copy())
        return np.concatenate(parts)

    def request(self, command: Any, others: list[Any] | None = None) -> Any:
        """Send one administrative command of a session and return its outcome."""
        return self._request(command, int(command["kind"][0]), others)

    def _request(self, command: Any, kind: int, others: list[Any] | None) -> Any:
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        row = 0
        while time.monotonic() < deadline:
            if row == 0:
                row, outcomes = self.send(command, 0)
            else:
                outcomes = self.receive(1_000_000)
            is_mine = (outcomes["kind"] == kind) & (outcomes["flags"] & OUTFLAG_ANSWER != 0)
            if others is not None and not is_mine.all():
                others.append(outcomes[~is_mine].copy())
            if is_mine.any():
                return outcomes[is_mine][0].copy()
        raise GatewayError(f"{self.data_dir}: expected an answer within {REPLY_TIMEOUT_S:g} s")

    def close_sessions(self, others: list[Any] | None = None) -> None:
        """Close all sessions; when the answers are here, so are all outcomes before them."""
        for name, session in list(self.sessions.items()):
            command = np.zeros(1, dtype=COMMAND)
            command["kind"] = KIND_SESSION_CLOSE
            command["session"] = session
            self._request(command, KIND_SESSION_CLOSE, others)
            del self.sessions[name]

    def close(self) -> None:
        """Give the port back; sessions that are still open are closed by the supervisor when we are gone."""
        block = ctl.CW_PORT_BLOCKS + self.number * ctl.PORT_WORDS
        if self.control[block + ctl.PW_FEED]:
            self.unsubscribe()
        if self.sessions:
            # a dead owner's port: the supervisor closes its sessions, then frees it
            self.control[block + ctl.PW_OWNER] = owner_token(1 << 21, 1)
        else:
            self.control[block + ctl.PW_OWNER] = 0
            if not take_word(self.control, block + ctl.PW_STATE, PortState.OPEN, PortState.FREE):
                take_word(self.control, block + ctl.PW_STATE, PortState.CUT, PortState.FREE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
