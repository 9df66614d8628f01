"""Inject a source of commands into a running pipeline: paced, lossless, with every outcome accounted for.

The injector reads a chunk from the source, opens sessions as they appear, sends the chunk on schedule, and hands
on what comes back. At the end it closes its sessions; when that is answered, everything before it is here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from gateway.port import NO_WORDS, Port
from gateway.pump import GW_ANSWERED, GW_COMMANDS, GW_FILLS, GW_LATENCY, GW_OUTCOMES, GW_REASONS, GW_TYPES
from protocols.codes import ENDING_REASONS, OutcomeType, Reason
from protocols.layouts import COMMAND
from protocols.source import CommandSource, DecodeError
from stages.control import LATENCY_BUCKETS, percentiles_ns

__all__ = ["InjectSummary", "Injector"]

CHUNK = 1 << 16
START_DELAY_NS = 1_000_000


class InjectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one injection did."""

    source: str
    sent: int
    answered: int
    unanswered: int
    outcomes: int
    fills: int
    types: dict[str, int]
    rejects: dict[str, int]
    skipped: int
    seconds: float
    per_second: float
    latency_ns: dict[str, int]
    error: str = ""


class Injector:
    """Sends all commands of a source through a port."""

    def __init__(
        self,
        port: Port,
        source: CommandSource,
        *,
        rate: float = 0.0,
        speed: float = 0.0,
        on_outcomes: Callable[[Any], None] | None = None,
        on_progress: Callable[[Injector], None] | None = None,
    ) -> None:
        if rate and speed:
            raise ValueError("expected a rate or a speed, were both")
        self.port = port
        self.source = source
        self.rate = rate
        self.speed = speed
        self._on_outcomes = on_outcomes or (lambda outcomes: None)
        self._on_progress = on_progress or (lambda injector: None)
        self._chunk = np.zeros(CHUNK, dtype=COMMAND)
        self._sessions = np.zeros(1, dtype=np.int64)
        self._start_ns = 0
        self._first_time_ns = 0
        self._scheduled = 0
        self.started = time.monotonic()
        self.ended = 0.0

    @property
    def sent(self) -> int:
        """Commands sent so far, sessions' own included."""
        return int(self.port.words[GW_COMMANDS])

    @property
    def fills(self) -> int:
        """Fills received so far."""
        return int(self.port.words[GW_FILLS])

    def run(self) -> InjectSummary:
        """Send everything; return what happened, or raise after what was sent has been answered."""
        try:
            error = self._send_all()
        finally:
            self.ended = time.monotonic()
        others: list[Any] = []
        self.port.close_sessions(others)
        for outcomes in others:
            self._on_outcomes(outcomes)
        self._on_progress(self)
        return self.summary(error)

    def _send_all(self) -> str:
        self._start_ns = time.monotonic_ns() + START_DELAY_NS
        self.started = time.monotonic()
        error = ""
        while True:
            try:
                count = self.source.read(self._chunk)
            except DecodeError as problem:
                error = str(problem)
                break
            if count == 0:
                break
            self._send(self._chunk[:count])
        while self.port.unanswered:
            self._on_outcomes(self.port.receive(2_000_000))
        return error

    def _send(self, commands: Any) -> None:
        self._open_sessions()
        due_ns = self._schedule(commands)
        row = 0
        while row < len(commands):
            row, outcomes = self.port.send(commands, row, due_ns, self._sessions)
            self._on_outcomes(outcomes)
            self._on_progress(self)

    def _open_sessions(self) -> None:
        names = self.source.sessions
        if len(names) + 1 == len(self._sessions):
            return
        ids = np.zeros(len(names) + 1, dtype=np.int64)
        others: list[Any] = []
        for index, name in enumerate(names, start=1):
            ids[index] = self.port.open_session(name, others)
        self._sessions = ids
        for outcomes in others:
            self._on_outcomes(outcomes)

    def _schedule(self, commands: Any) -> Any:
        """Return when each command is to be sent, or nothing for flat out."""
        if self.rate:
            numbers = np.arange(self._scheduled, self._scheduled + len(commands), dtype=np.int64)
            self._scheduled += len(commands)
            # whole nanoseconds by integer arithmetic, so that nothing drifts over a long run
            return self._start_ns + numbers * 1_000_000_000 // max(1, round(self.rate))
        if self.speed:
            recorded = commands["time_ns"]
            if not self._first_time_ns:
                self._first_time_ns = int(recorded[0])
            return self._start_ns + ((recorded - self._first_time_ns) / self.speed).astype(np.int64)
        return NO_WORDS

    def summary(self, error: str = "") -> InjectSummary:
        """Return what happened so far."""
        words = self.port.words
        types = {kind.name.lower(): int(words[GW_TYPES + kind]) for kind in OutcomeType}
        rejects = {
            reason.name.lower(): int(words[GW_REASONS + reason])
            for reason in Reason
            if words[GW_REASONS + reason] and reason not in NOT_REJECTS
        }
        seconds = max((self.ended or time.monotonic()) - self.started, 1e-9)
        return InjectSummary(
            source=self.source.path,
            sent=self.sent,
            answered=int(words[GW_ANSWERED]),
            unanswered=self.port.unanswered,
            outcomes=int(words[GW_OUTCOMES]),
            fills=self.fills,
            types=types,
            rejects=rejects,
            skipped=self.source.skipped,
            seconds=round(seconds, 6),
            per_second=round(self.sent / seconds, 1),
            latency_ns=percentiles_ns(words[GW_LATENCY : GW_LATENCY + LATENCY_BUCKETS]),
            error=error,
        )


NOT_REJECTS = frozenset({Reason.NONE, *ENDING_REASONS})
