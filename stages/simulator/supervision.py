"""What the supervisor does in a simulated run, as a generator: each ``yield`` is where the real one waits.

::

    VENUE ─► configuration, sessions left open are closed ─► READY ─► ports of the dead, operator's commands
          ─► DRAIN: nothing more from gateways ─► all settles ─► final checkpoint ─► STOPPED

Port 0 is its own: it reads what comes there in every turn, for the ring must not fill up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from protocols.codes import FLAG_FINAL, KIND_CHECKPOINT, KIND_SESSION_CLOSE, OUT_REJECTED, Reason
from protocols.layouts import COMMAND, OUTCOME
from ringbuffer.ring_words import store_word
from stages import control as ctl
from stages.configured import read_references, write_references
from stages.control import State, Stop
from stages.desk import Desk
from stages.port_care import PortCare
from stages.simulator.pipeline import Pipeline
from stages.state_words import MW_DIGEST, RW_SESSIONS
from stages.topology import CUR_PORT_READER, CUR_WRITER
from stages.venue import config_commands, new_command, venue_command

__all__ = ["ConfigurationRefused", "StartedTooLate", "Supervision"]

Turns = Iterator[None]


class ConfigurationRefused(Exception):
    """The core rejected a command of the configuration."""


class StartedTooLate(Exception):
    """So much time passed within the start that what was to be scheduled is past: the next start does better."""


class Supervision:
    """The supervisor of one life of a pipeline; :meth:`turn` lets it do what it can without waiting."""

    def __init__(
        self,
        pipeline: Pipeline,
        lives: Callable[[int], bool],
        on_send: Callable[[int, Any], None],
        on_outcome: Callable[[int, Any], bool],
        clock: Callable[[], int],
    ) -> None:
        self.pipeline = pipeline
        self.on_send, self.on_outcome, self._clock = on_send, on_outcome, clock
        self.stop_asked = False
        self.answers: list[Any] = []  # what came to port 0 and nobody has looked at
        memory = pipeline.memory
        self._desk = Desk(memory.control)
        self._outbox: list[Any] = []
        self._care = PortCare(memory, pipeline.context.routes, self._put_closes, lives)
        self._words, self._slots = memory.ingress.ring_words(0), memory.ingress.slot_words(0)
        self._egress, self._egress_slots = memory.egress.ring_words(0), memory.egress.slot_words(0)
        self._life = self._live()
        store_word(memory.control, ctl.CW_STATE, State.STARTING)  # pairs with the look of gateways

    def turn(self) -> bool:
        """Go on until it would wait; tell whether the pipeline is still there."""
        self._read()
        return next(self._life, StopIteration) is not StopIteration

    # Port 0

    def _put_closes(self, sessions: list[int]) -> None:
        self._outbox += [new_command(KIND_SESSION_CLOSE, session=session) for session in sessions]

    def _read(self) -> None:
        """Take what publish sent to port 0."""
        words, slots = self._egress, self._egress_slots
        for seq in range(int(words[CUR_PORT_READER]) + 1, int(words[CUR_WRITER]) + 1):
            row = slots[seq & (len(slots) - 1)].copy()
            self.on_outcome(0, row)
            self.answers.append(row.view(OUTCOME)[0])
        store_word(words, CUR_PORT_READER, int(words[CUR_WRITER]))  # pairs with publish's load_acquire

    def _send(self, commands: Any) -> Turns:
        words, slots = self._words, self._slots
        for row in np.atleast_1d(commands).view(np.int64).reshape(-1, 16):
            seq = int(words[CUR_WRITER]) + 1
            while int(words[CUR_PORT_READER]) < seq - len(slots):
                yield
            slots[seq & (len(slots) - 1)] = row
            self.on_send(0, row)
            store_word(words, CUR_WRITER, seq)  # pairs with ingest's load_acquire

    def _settle(self) -> Turns:
        while self._words[CUR_PORT_READER] != self._words[CUR_WRITER] or not self.pipeline.is_settled:
            yield

    # Its life

    def _live(self) -> Turns:
        pipeline, control = self.pipeline, self.pipeline.control
        yield from self._configure()
        store_word(control, ctl.CW_STATE, State.READY)  # pairs with the look of gateways
        while not self.stop_asked:
            self._care.look()
            while self._outbox:
                yield from self._send(self._outbox.pop(0))
            yield from self._serve_desk()
            yield
        store_word(control, ctl.CW_STATE, State.DRAINING)  # pairs with the look of gateways
        store_word(control, ctl.CW_STOP, Stop.DRAIN)  # pairs with ingest's load_acquire
        yield from self._settle()
        seq, digest = int(pipeline.memory.in_words[CUR_WRITER]), int(pipeline.state.merged.words[MW_DIGEST])
        state = pipeline.digest()
        final = new_command(KIND_CHECKPOINT, flags=FLAG_FINAL, aux0=seq, aux1=digest, order_id=state)
        yield from self._send(final)
        yield from self._settle()
        pipeline.writer.close(clean=True)
        store_word(control, ctl.CW_STATE, State.STOPPED)  # pairs with the look of gateways

    def _configure(self) -> Turns:
        pipeline, config = self.pipeline, self.pipeline.config
        if pipeline.recovered_seq == 0:
            yield from self._send(venue_command(config.capacity))
        yield from self._settle()
        risk = pipeline.state.risk
        still_open = [s for s in range(1, int(risk.words[RW_SESSIONS]) + 1) if risk.sessions[s]["is_open"]]
        closes = [new_command(KIND_SESSION_CLOSE, session=session) for session in still_open]
        now_ns = max(self._clock(), pipeline.last_time_ns)
        references = read_references(config.venue.data_dir)
        commands = [*config_commands(config, risk, pipeline.state.books, now_ns, references), *closes]
        room = pipeline.settings.egress_slots
        self.answers.clear()
        for start in range(0, len(commands), room):
            yield from self._send(np.array(commands[start : start + room], dtype=COMMAND))
            yield from self._settle()
            self._read()
            for outcome in self.answers:
                if outcome["type"] == OUT_REJECTED:
                    if outcome["reason"] == Reason.INVALID_EXPIRE_TIME:
                        raise StartedTooLate
                    raise ConfigurationRefused(f"{Reason(int(outcome['reason'])).name}: {outcome}")
            self.answers.clear()
        ticks = {entry.symbol: entry.collar_reference_ticks for entry in config.instruments}
        write_references(config.venue.data_dir, ticks)

    def _serve_desk(self) -> Turns:
        """Take an operator's command to the core, and its answer back."""
        outcomes = np.array(self.answers, dtype=OUTCOME)
        self.answers.clear()
        if self._desk.is_waiting:
            answer = self._desk.find_answer(outcomes)
            if answer is not None:
                self._desk.reply(answer)
        elif (command := self._desk.take()) is not None:
            yield from self._send(command)
