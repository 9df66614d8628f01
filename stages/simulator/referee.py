"""What must hold of a simulated run, whatever was done to it; anything else is a :class:`PromiseBroken`.

Looked at as it happens:
  * ingest numbers without a gap, time and ``seen_seq`` never go back, and what it sequences is what a port was sent;
  * the stamp of a command covers everything that its sender was told before it sent it;
  * nobody is told anything that is not durable, or told two things under one number, in all lives together.

Looked at after each recovery, and at the end, with what the journal then holds:
  * it is a prefix of what was sequenced, and holds what had been told, and what an earlier recovery had found;
  * a straight replay in a core of its own makes the outcomes that were made live, and told, byte for byte;
  * the recovered state has its digests; no ClOrdID of a session was accepted for two orders.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from protocols.codes import (
    KIND_CHECKPOINT,
    KIND_INVALID,
    KIND_NEW,
    KIND_SESSION_CLOSE,
    KIND_SESSION_OPEN,
    OUT_ACCEPTED,
)
from protocols.layouts import COMMAND, DETERMINED_WORDS, SLOT_WORDS
from stages.core import Core
from stages.digest import state_digest
from stages.ingest import (
    IW_FIRST_PORT,
    IW_PORTS,
    SESSION_MASK,
    WORD_KIND,
    WORD_PORT,
    is_allowed,
)
from stages.simulator.pipeline import Pipeline
from stages.simulator.promises import expect, key_of, kind_of, read_journal, show
from stages.state import Capacities
from stages.state_words import MW_DIGEST
from stages.topology import CUR_INPUT_MATCHING, CUR_WRITER

__all__ = ["OnReplayed", "Referee"]

STRAIGHT_SLOTS: Final = 1 << 10
FROM_CLIENT: Final = 3  # words before it are ingest's stamps
# capacities, commands that follow those of before, their outcomes
OnReplayed = Callable[[Capacities, Any, Any], None]


class Referee:
    """Sees everything of all lives of one pipeline."""

    def __init__(self, data_dir: Path, capacities: Capacities, on_replayed: OnReplayed | None = None) -> None:
        self.data_dir, self.capacities, self._on_replayed = data_dir, capacities, on_replayed
        self.core = Core(capacities, input_slots=STRAIGHT_SLOTS, output_slots=STRAIGHT_SLOTS)
        self.recovered_seq = 0  # what the last look at the journal found
        self.told_seq = 0
        self.outcomes = 0  # of the straight replay
        self._sequenced: list[bytes] = []  # determined words, from recovered_seq + 1 on
        self._live: dict[tuple[int, int], bytes] = {}
        self._told: dict[tuple[int, int], bytes] = {}
        self._orders: dict[tuple[int, int, int, int], int] = {}  # session and ClOrdID: order
        self._early: set[int] = set()  # inputs of which something was told before matching had ended them
        self._stamps = (0, 0)  # time and seen_seq of the last command
        self._recovered_stamps = (0, 0)

    def begin(self, pipeline: Pipeline) -> None:
        """Begin to watch a life of the pipeline that has just recovered."""
        self._pipeline = pipeline
        self._output_slots = pipeline.settings.output_slots
        self._sent: list[deque[tuple[Any, int]]] = [deque() for _ in range(pipeline.settings.ports)]
        self._seen_outcomes = 0

    # As it happens

    def note_sent(self, port: int, row: Any, heard_seq: int = 0) -> None:
        """Note a command that is in a port's ring, and what its sender had been told by then."""
        self._sent[port].append((row.reshape(-1).copy(), heard_seq))

    def before_ingest(self) -> None:
        """Note where ingest stands."""
        words = self._pipeline.context.ingest_words
        ports = self._pipeline.settings.ports
        self._first_port = int(words[IW_FIRST_PORT])
        self._taken = words[IW_PORTS : IW_PORTS + ports].copy()

    def after_ingest(self, count: int) -> None:
        """Check what ingest has sequenced: its own checkpoint, what ports were sent in their turn, its own tick."""
        memory, words = self._pipeline.memory, self._pipeline.context.ingest_words
        slots, last = memory.in_slot_words, int(memory.in_words[CUR_WRITER])
        rows = [slots[seq & (len(slots) - 1)] for seq in range(last - count + 1, last + 1)]
        ports = self._pipeline.settings.ports
        took = words[IW_PORTS : IW_PORTS + ports] - self._taken
        origins: list[int] = []
        for turn in range(ports):
            port = (self._first_port + turn) % ports
            origins += [port] * int(took[port])
        own = count - len(origins)
        begins_with_own = own > 0 and kind_of(rows[0]) == KIND_CHECKPOINT
        origins = [-1] * begins_with_own + origins + [-1] * (own - begins_with_own)
        for row, port in zip(rows, origins, strict=True):
            self._check_stamps(row)
            if port >= 0:
                expect(self._sent[port], f"expected port {port} to have sent what was sequenced")
                self._check_command(port, row, *self._sent[port].popleft())
            self._sequenced.append(row[:DETERMINED_WORDS].tobytes())

    def _check_stamps(self, row: Any) -> None:
        seq, time_ns, seen_seq = (int(word) for word in row[:3])
        expected = self.recovered_seq + len(self._sequenced) + 1
        expect(seq == expected, f"expected sequence {expected}", seq)
        expect(time_ns >= self._stamps[0], f"expected a time from {self._stamps[0]} on", time_ns)
        expect(
            self._stamps[1] <= seen_seq < seq,
            f"expected a stamp from {self._stamps[1]} to {seq - 1}",
            seen_seq,
        )
        self._stamps = time_ns, seen_seq

    @staticmethod
    def _check_command(port: int, row: Any, sent: Any, heard_seq: int) -> None:
        was, expected = row[FROM_CLIENT:DETERMINED_WORDS].copy(), sent[FROM_CLIENT:DETERMINED_WORDS].copy()
        kind = kind_of(row)
        if kind == KIND_INVALID and not is_allowed(kind_of(sent), int(sent[WORD_KIND]) & SESSION_MASK, port):
            expected[WORD_KIND - FROM_CLIENT] = was[WORD_KIND - FROM_CLIENT]
        if kind in (KIND_SESSION_OPEN, KIND_SESSION_CLOSE):
            expected[WORD_PORT - FROM_CLIENT] = was[WORD_PORT - FROM_CLIENT]
        if not np.array_equal(was, expected):
            expect(False, f"expected sequence {row[0]} as it was sent, {expected.tolist()}", was.tolist())
        expect(
            int(row[2]) >= heard_seq,
            f"expected the stamp of {row[0]} to cover {heard_seq}, which its sender knew",
            row[2],
        )

    def after_matching(self) -> None:
        """Note what is new in the output ring."""
        memory = self._pipeline.memory
        slots, last = memory.out_slot_words, int(memory.out_words[CUR_WRITER])
        for seq in range(self._seen_outcomes + 1, last + 1):
            row = slots[seq & (len(slots) - 1)]
            self._live[key_of(row)] = row[:DETERMINED_WORDS].tobytes()
        self._seen_outcomes = last
        diverged = self._pipeline.diverged_seq
        expect(diverged == 0, "expected the journaled digests, live", f"another at {diverged}")

    def note_told(self, port: int, row: Any) -> bool:
        """Check an outcome that somebody has just read; tell whether all of its input's outcomes are there.

        If not, they fill the whole output ring by themselves: those alone are released before (ADR 0006).
        """
        key, said = key_of(row), row[:DETERMINED_WORDS].tobytes()
        expect(key[0] > self.recovered_seq, f"expected outcome {key} not to be told again after a crash")
        expect(key[0] <= self._pipeline.durable_seq, f"expected outcome {key} to wait for the disk")
        before = self._told.setdefault(key, said)
        expect(before == said, f"expected outcome {key} to be told once, not two different ones")
        self.told_seq = max(self.told_seq, key[0])
        is_whole = key[0] <= int(self._pipeline.memory.in_words[CUR_INPUT_MATCHING])
        if not is_whole:
            self._early.add(key[0])
        return is_whole

    # With the journal

    def look(self, recovered: bool) -> None:
        """Read what the journal has behind the last look, replay it, and compare."""
        pipeline = self._pipeline
        rows = read_journal(self.data_dir, self.recovered_seq + 1)
        last_seq = self.recovered_seq + len(rows)
        expect(
            last_seq >= self.told_seq,
            f"expected a journal with {self.told_seq}, which somebody was told of",
            last_seq,
        )
        expect(len(rows) <= len(self._sequenced), "expected nothing that was not sequenced", last_seq)
        for row, was in zip(rows, self._sequenced, strict=False):
            expect(row[:DETERMINED_WORDS].tobytes() == was, f"expected sequence {row[0]} as it was sequenced")
        outcomes = self.core.process(np.ascontiguousarray(rows).reshape(-1).view(COMMAND))
        told = outcomes.view(np.int64).reshape(-1, SLOT_WORDS)
        self.outcomes += len(told)
        self._compare(told, self._live, "live")
        self._compare(told, self._told, "told")
        expect(
            self.core.diverged_seq == 0, "expected the journaled digests in a replay", self.core.diverged_seq
        )
        for seq in sorted(self._early):
            count, room = int(np.count_nonzero(told[:, 0] == seq)), self._output_slots
            expect(
                count > room,
                f"expected all outcomes of {seq} to wait for its last: they fit into {room} slots",
                count,
            )
        self._early = set()
        self._check_orders(outcomes)
        if self._on_replayed is not None and len(rows):
            self._on_replayed(self.capacities, rows.reshape(-1).view(COMMAND), outcomes)
        self.recovered_seq, self._sequenced, self._live = last_seq, [], {}
        self._told = {key: said for key, said in self._told.items() if key[0] > last_seq}
        if recovered or pipeline.is_settled:
            expect(pipeline.recovered_seq == last_seq or not recovered, f"expected to recover to {last_seq}")
            self._check_digests(pipeline)
        if len(rows):
            self._recovered_stamps = int(rows[-1, 1]), int(rows[-1, 2])
        self._stamps = self._recovered_stamps  # those of what was lost are lost too

    def _check_digests(self, pipeline: Pipeline) -> None:
        expect(
            int(pipeline.state.merged.words[MW_DIGEST]) == self.core.outcome_digest,
            "expected the outcome digest of a straight replay",
        )
        state = self.core.state
        expect(
            pipeline.digest() == state_digest(state.risk, state.books),
            "expected the state digest of a straight replay",
        )

    def _compare(self, rows: Any, others: dict[tuple[int, int], bytes], which: str) -> None:
        """Hold the outcomes of the replay against those that were seen under the same inputs."""
        replayed = {key_of(row): row[:DETERMINED_WORDS].tobytes() for row in rows}
        last_seq = self.core.last_seq
        for key, said in others.items():
            if self.recovered_seq < key[0] <= last_seq:
                expect(key in replayed, f"expected outcome {key}, {which}, in the replay")
                expect(
                    replayed[key] == said,
                    f"expected outcome {key}, {which}, as the replay has it",
                    show(said),
                )

    def _check_orders(self, outcomes: Any) -> None:
        accepted = outcomes[(outcomes["type"] == OUT_ACCEPTED) & (outcomes["kind"] == KIND_NEW)]
        for outcome in accepted:
            name = tuple(int(outcome[field]) for field in ("session", "cl0", "cl1", "cl2"))
            order = self._orders.setdefault(name, int(outcome["order_id"]))  # type: ignore[arg-type]
            expect(
                order == outcome["order_id"],
                f"expected one order for {name}, not {order} and another",
                outcome["order_id"],
            )
