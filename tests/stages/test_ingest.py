"""The sequencer: merges ports fairly, stamps what a replay needs, lets nobody send what only the venue may."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import CommandFlag, Kind
from protocols.layouts import COMMAND
from stages.control import (
    CO_CHECKPOINTS,
    CO_INVALID,
    CO_TICKS,
    CONTROL_WORDS,
    CW_COUNTERS,
    CW_SPACE,
    CW_STOP,
    NO_SPACE,
    Stop,
)
from stages.ingest import (
    INGEST_WORDS,
    IW_CHECKPOINT,
    IW_CHECKPOINT_EVERY,
    IW_GATE,
    IW_SEQ,
    IW_TICK_NS,
    IW_TIME,
    IW_TIME_BASE,
    QUOTA,
    ingest_step,
)
from stages.partitions import allocate_partitions, connect
from stages.state import Capacities
from stages.state_words import MW_TIMERS
from stages.topology import CUR_INPUT_JOURNAL, CUR_INPUT_MATCHING, CUR_PORT_READER, CUR_WRITER, cursor_word

pytestmark = pytest.mark.jitoff

FOR_GATEWAYS = {
    Kind.NEW, Kind.CANCEL, Kind.REPLACE, Kind.REDUCE, Kind.MASS_CANCEL, Kind.STATUS, Kind.SESSION_OPEN,
    Kind.SESSION_CLOSE, Kind.INSTRUMENT, Kind.ACCOUNT, Kind.LIMIT, Kind.KILL, Kind.STATE, Kind.SCHEDULE, Kind.BANDS,
    Kind.TICK_TABLE, Kind.BOOK_REQUEST, Kind.FIRM, Kind.PERMIT, Kind.COLLAR, Kind.FEES, Kind.TRANSFER, Kind.DAY_BEGIN,
}  # fmt: skip
FOR_THE_VENUE = {*FOR_GATEWAYS, Kind.VENUE, Kind.CHECKPOINT, Kind.TICK}
NEVER = 1 << 40
SLOTS_WORD = cursor_word(2)


class Ingest:
    """The stage with rings of its own; who reads the input ring is up to the test."""

    def __init__(
        self,
        ports: int = 3,
        capacity: int = 256,
        port_slots: int = 256,
        last_seq: int = 0,
        partitions: int = 1,
    ) -> None:
        self.ports, self.port_slots = ports, port_slots
        self.in_words = np.zeros(cursor_word(4), dtype=np.int64)
        self.slots = np.zeros((capacity, 16), dtype=np.int64)
        self.port_words = SLOTS_WORD + 16 * port_slots
        self.ingress = np.zeros(ports * self.port_words, dtype=np.int64)
        books, merged = allocate_partitions(Capacities(16, 16, 16, 16, 1, 1, 1, 16, partitions))
        self.partitions = connect(books, merged, np.zeros((16, 16), dtype=np.int64))
        self.books = self.partitions.books[partitions - 1]
        self.digests = merged.digests[:1024]
        self.digests[:] = np.arange(1024, dtype=np.int64) * 1_000_003
        self.control = np.zeros(CONTROL_WORDS, dtype=np.int64)
        self.w = np.zeros(INGEST_WORDS, dtype=np.int64)
        self.w[IW_SEQ] = self.w[IW_GATE] = self.w[IW_CHECKPOINT] = last_seq
        self.w[IW_CHECKPOINT_EVERY] = NEVER
        for word in (CUR_WRITER, CUR_INPUT_JOURNAL, CUR_INPUT_MATCHING):
            self.in_words[word] = last_seq

    def offer(self, port: int, commands: Any) -> None:
        """Put commands into a port's ring; the test sees to it that there is room."""
        base = port * self.port_words
        slots = self.ingress[base + SLOTS_WORD : base + self.port_words].reshape(-1, 16)
        for row in np.atleast_1d(commands).view(np.int64).reshape(-1, 16):
            self.ingress[base + CUR_WRITER] += 1
            slots[self.ingress[base + CUR_WRITER] & (self.port_slots - 1)] = row

    def step(self, budget: int = 256) -> int:
        """Run the stage once."""
        return int(
            ingest_step(
                self.in_words, self.slots, self.ingress, self.ports, self.port_words, SLOTS_WORD,
                self.port_slots, self.partitions, self.control, self.w, budget,
            )
        )  # fmt: skip

    def read(self, journal: bool = True, matching: bool = True) -> Any:
        """Return what is new in the input ring; those who read it advance their cursors."""
        first, last = int(self.in_words[CUR_INPUT_MATCHING]) + 1, int(self.in_words[CUR_WRITER])
        rows = self.slots[np.arange(first, last + 1) & (len(self.slots) - 1)].copy()
        if journal:
            self.in_words[CUR_INPUT_JOURNAL] = last
        if matching:
            self.in_words[CUR_INPUT_MATCHING] = last
        return rows.reshape(-1).view(COMMAND)

    def taken(self, port: int) -> int:
        """Return how far ingest has read a port's ring."""
        return int(self.ingress[port * self.port_words + CUR_PORT_READER])


def orders(port: int, first: int, count: int, kind: int = Kind.NEW) -> Any:
    """Return commands that tell where they come from: account is the port, order_id the number there."""
    made = np.zeros(count, dtype=COMMAND)
    made["kind"], made["account"], made["order_id"] = kind, port, np.arange(first, first + count)
    made["price_ticks"], made["aux1"], made["cl2"], made["sent_ns"] = 77, 88, 99, 111
    return made


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 90), min_size=4, max_size=4), st.integers(1, 256)),
        min_size=1, max_size=12,
    ),
    st.sampled_from([64, 256]),
)  # fmt: skip
def test_merging_keeps_each_port_in_order(rounds: list[tuple[list[int], int]], capacity: int) -> None:
    """Whatever ports offer and however small the steps: each command comes once, in its port's order, unchanged."""
    stage = Ingest(ports=4, capacity=capacity, last_seq=1000)
    offered, merged = [0] * 4, []
    for counts, budget in [*rounds, *[([0] * 4, 256)] * 20]:
        for port, count in enumerate(counts):
            count = min(count, stage.port_slots - (offered[port] - stage.taken(port)))
            stage.offer(port, orders(port, offered[port], count))
            offered[port] += count
        assert stage.step(budget) <= budget
        merged.append(stage.read())
    commands = np.concatenate(merged)
    assert commands["seq"].tolist() == list(range(1001, 1001 + sum(offered)))
    for port in range(4):
        mine = commands[commands["account"] == port]
        expected = orders(port, 0, offered[port])
        for name in ("seq", "time_ns", "seen_seq"):
            expected[name] = mine[name]
        assert mine.tobytes() == expected.tobytes()


def test_a_busy_port_does_not_starve_the_others() -> None:
    """Ports that always have commands get equal shares, one quota after the other, whatever the budget."""
    for budget in (QUOTA, 2 * QUOTA, 256):
        stage = Ingest(ports=3)
        for port in range(3):
            stage.offer(port, orders(port, 0, 256))
        for _ in range(3 * QUOTA // budget + 3):
            stage.step(budget)
            stage.read()
        shares = [stage.taken(port) for port in range(3)]
        assert max(shares) - min(shares) <= QUOTA and min(shares) >= QUOTA, shares


def test_a_lone_port_is_served_at_once() -> None:
    """A command on the last port is taken by the next step, however full the first one is."""
    stage = Ingest(ports=3)
    stage.offer(0, orders(0, 0, 256))
    stage.offer(2, orders(2, 0, 1))
    stage.step()
    assert stage.taken(2) == 1 and stage.taken(0) == QUOTA


@given(st.lists(st.integers(-(10**12), 10**9), min_size=1, max_size=20))
def test_time_never_goes_back(jumps: list[int]) -> None:
    """Stamps rise or stay though the clock is set back; all commands of a step have one time."""
    stage = Ingest()
    stage.w[IW_TIME_BASE] = time.time_ns() - time.monotonic_ns()
    last_ns = 0
    for number, jump_ns in enumerate(jumps):
        stage.w[IW_TIME_BASE] += jump_ns
        stage.offer(0, orders(0, number, 2))
        stage.step()
        times = stage.read()["time_ns"]
        assert times[0] == times[1] >= last_ns
        last_ns = int(times[1])
    assert stage.w[IW_TIME] == last_ns


def test_time_is_that_of_the_wall() -> None:
    """With the base that the supervisor gives, a stamp is Unix time between before and after the step."""
    stage = Ingest()
    # the most of several: this process may be kept waiting between the two clocks
    stage.w[IW_TIME_BASE] = max(time.time_ns() - time.monotonic_ns() for _ in range(100))
    stage.offer(1, orders(1, 0, 1))
    before_ns = time.time_ns()
    stage.step()
    assert before_ns - 10**6 <= stage.read()["time_ns"][0] <= time.time_ns() + 10**6


def test_the_feedback_stamp_is_matchings_cursor() -> None:
    """``seen_seq`` is matching's cursor as it stands when a command is sequenced, not the journal's."""
    stage = Ingest()
    for matched in (0, 3, 3, 7):
        stage.in_words[CUR_INPUT_MATCHING] = matched
        stage.offer(0, orders(0, 0, 2))
        stage.step()
        last = int(stage.in_words[CUR_WRITER])
        assert stage.slots[[last - 1, last], 2].tolist() == [matched, matched]


@pytest.mark.parametrize("port", [0, 2])
def test_only_what_a_port_may_send_passes(port: int) -> None:
    """Kinds of no meaning, and the venue's own from a gateway, become INVALID; the rest of the word stays."""
    allowed = FOR_THE_VENUE if port == 0 else FOR_GATEWAYS
    refused = 0
    for start in range(0, 256, 64):
        stage = Ingest()
        sent = orders(port, 0, 64)
        sent["kind"] = np.arange(start, start + 64)
        sent["session"], sent["side"], sent["ord_type"], sent["tif"], sent["flags"] = (
            65535,
            255,
            254,
            253,
            0xFFFF & ~CommandFlag.NO_SPACE,
        )
        stage.offer(port, sent)
        assert stage.step() == 64
        got = stage.read()
        expected = [kind if kind in allowed else Kind.INVALID for kind in sent["kind"].tolist()]
        assert got["kind"].tolist() == expected
        for name in ("session", "side", "ord_type", "tif", "flags", "order_id"):
            assert got[name].tolist() == sent[name].tolist()
        refused = sum(kind not in allowed for kind in sent["kind"].tolist())
        assert stage.control[CW_COUNTERS + CO_INVALID] == refused


@pytest.mark.parametrize("space", [0, 1, NO_SPACE])
def test_a_full_disk_is_marked_on_what_would_grow(space: int) -> None:
    """NEW and REPLACE carry flag NO_SPACE while the journal has none, whatever a client put there; no other does."""
    stage = Ingest()
    stage.control[CW_SPACE] = space
    sent = orders(1, 0, 5)
    sent["kind"] = [Kind.NEW, Kind.REPLACE, Kind.CANCEL, Kind.MASS_CANCEL, Kind.REDUCE]
    sent["session"], sent["flags"] = 1, CommandFlag.NO_SPACE | CommandFlag.OFF_LOT
    stage.offer(1, sent)
    stage.step()
    marked = int(CommandFlag.NO_SPACE) if space == NO_SPACE else 0
    flags = [marked | CommandFlag.OFF_LOT] * 2 + [int(CommandFlag.OFF_LOT)] * 3
    assert stage.read()["flags"].tolist() == flags


@pytest.mark.parametrize("kind", sorted(FOR_GATEWAYS))
def test_sessions_bear_their_port(kind: Kind) -> None:
    """Opening and closing a session carry the port that they came through, whatever the gateway wrote there."""
    stage = Ingest()
    sent = orders(2, 0, 1, kind)
    sent["orig0"] = 12345
    stage.offer(2, sent)
    stage.step()
    bears = kind in (Kind.SESSION_OPEN, Kind.SESSION_CLOSE)
    assert stage.read()["orig0"][0] == (2 if bears else 12345)


def test_checkpoints_carry_sequence_and_digest() -> None:
    """When matching is so far past the last checkpoint, one is sequenced with matching's cursor and its digest."""
    stage = Ingest()
    stage.w[IW_CHECKPOINT_EVERY] = 10
    stage.offer(1, orders(1, 0, 9))
    stage.step()
    stage.read()
    assert stage.step() == 0, "nine are too few"
    stage.offer(1, orders(1, 9, 3))
    stage.step()
    stage.read()
    assert stage.step() == 1, "due without a command too"
    (checkpoint,) = stage.read()
    assert (checkpoint["kind"], checkpoint["seq"], checkpoint["seen_seq"]) == (Kind.CHECKPOINT, 13, 12)
    assert (checkpoint["aux0"], checkpoint["aux1"]) == (12, stage.digests[12])
    ignored = {"kind", "seq", "seen_seq", "aux0", "aux1", "time_ns"}
    assert all(checkpoint[name] == 0 for name in COMMAND.names or () if name not in ignored)
    assert stage.control[CW_COUNTERS + CO_CHECKPOINTS] == 1 and stage.w[IW_CHECKPOINT] == 12
    assert stage.step() == 0


@pytest.mark.parametrize("stop", [Stop.DRAIN, Stop.NOW])
def test_draining_sequences_no_checkpoint(stop: Stop) -> None:
    """What the supervisor takes the last digest of rests: a command of ingest's own would come between the two."""
    stage = Ingest()
    stage.w[IW_CHECKPOINT_EVERY] = 10
    stage.offer(1, orders(1, 0, 12))
    stage.step()
    stage.read()
    stage.control[CW_STOP] = stop
    assert stage.step() == 0
    stage.control[CW_STOP] = Stop.RUN
    assert stage.step() == 1, "it was due"


def test_a_checkpoint_waits_for_room() -> None:
    """No checkpoint is written over a slot that is still read."""
    stage = Ingest(capacity=64)
    stage.offer(1, orders(1, 0, 64))
    stage.w[IW_CHECKPOINT_EVERY] = 10
    assert stage.step() == 64
    stage.in_words[CUR_INPUT_MATCHING] = 64
    before = stage.slots.copy()
    assert stage.step() == 0 and np.array_equal(stage.slots, before), "the journal has not read"
    stage.in_words[CUR_INPUT_JOURNAL] = 1
    assert stage.step() == 1 and stage.slots[65 & 63, 0] == 65


@pytest.mark.parametrize("stop", [Stop.DRAIN, Stop.NOW])
def test_draining_takes_from_the_supervisor_alone(stop: Stop) -> None:
    """Once asked to stop, ingest takes port 0's commands and leaves those of gateways where they are."""
    stage = Ingest()
    for port in range(3):
        stage.offer(port, orders(port, 0, 3))
    stage.control[CW_STOP] = stop
    assert stage.step() == 3
    assert stage.read()["account"].tolist() == [0, 0, 0]
    assert [stage.taken(port) for port in range(3)] == [3, 0, 0]
    assert stage.step() == 0


@pytest.mark.parametrize(("journal", "matching"), [(True, False), (False, True)])
def test_a_full_ring_waits_for_its_slowest_reader(journal: bool, matching: bool) -> None:
    """Ingest never overwrites a slot that journal or matching has not read, and goes on when both have."""
    stage = Ingest(capacity=64)
    stage.offer(1, orders(1, 0, 200))
    for _ in range(4):
        stage.step()
    assert stage.in_words[CUR_WRITER] == 64
    stage.read(journal, matching)
    assert stage.step() == 0
    stage.in_words[CUR_INPUT_JOURNAL] = 10
    stage.in_words[CUR_INPUT_MATCHING] = 20
    assert stage.step() == 10 and stage.in_words[CUR_WRITER] == 74


def test_nothing_to_do_changes_nothing() -> None:
    """An empty step writes no word."""
    stage = Ingest()
    before = [array.copy() for array in (stage.in_words, stage.slots, stage.ingress, stage.w, stage.control)]
    assert stage.step() == 0
    after = (stage.in_words, stage.slots, stage.ingress, stage.w, stage.control)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(("session", "port"), [(0, 0), (0, 2), (1, 2), (65535, 1)])
def test_only_the_venue_cancels_for_all_sessions(session: int, port: int) -> None:
    """A MASS_CANCEL of session 0, which is all of them, passes from port 0 alone; of one session from any port."""
    stage = Ingest()
    sent = orders(port, 0, 1, Kind.MASS_CANCEL)
    sent["session"] = session
    stage.offer(port, sent)
    stage.step()
    allowed = session != 0 or port == 0
    assert stage.read()["kind"][0] == (Kind.MASS_CANCEL if allowed else Kind.INVALID)


def waiting(expiry_ns: int, tick_ns: int = 1, partitions: int = 1) -> Ingest:
    """Return a stage whose last books hold one order that expires, with one command sequenced and matched."""
    stage = Ingest(partitions=partitions)
    stage.w[IW_TICK_NS] = tick_ns
    stage.offer(1, orders(1, 0, 1))
    stage.step()
    stage.read()
    stage.books.words[MW_TIMERS] = 1
    stage.books.timers[0, 0] = expiry_ns
    return stage


def test_an_idle_venue_ticks_when_an_order_is_due() -> None:
    """Without a command for a while, an expiry that is due gets one TICK, stamped like any command, all else zero."""
    stage = waiting(expiry_ns=1)
    assert stage.step() == 1
    (tick,) = stage.read()
    assert (tick["kind"], tick["seq"], tick["seen_seq"]) == (Kind.TICK, 2, 1)
    assert tick["time_ns"] == stage.w[IW_TIME] and stage.control[CW_COUNTERS + CO_TICKS] == 1
    assert all(
        tick[name] == 0 for name in COMMAND.names or () if name not in ("kind", "seq", "seen_seq", "time_ns")
    )
    stage.books.words[MW_TIMERS] = 0
    assert stage.step() == 0, "nothing waits any more"


def test_a_tick_comes_for_any_partition() -> None:
    """What is due in one of several partitions of matching calls for a TICK, too."""
    assert waiting(expiry_ns=1, partitions=3).step() == 1


def test_no_tick_without_need() -> None:
    """None where no order expires, none is due, ticks are off, or a command came just now."""
    far_ns = 1 << 62
    assert waiting(far_ns).step() == 0
    assert waiting(1, tick_ns=0).step() == 0
    assert waiting(1, tick_ns=far_ns).step() == 0
    nobody = waiting(1)
    nobody.books.words[MW_TIMERS] = 0
    assert nobody.step() == 0
    busy = waiting(1)
    busy.offer(1, orders(1, 1, 1))
    assert busy.step() == 1 and busy.read()["kind"].tolist() == [Kind.NEW]


def test_no_tick_while_something_is_under_way() -> None:
    """The heap of expiries is looked at only while matching rests; behind a TICK that is not matched comes no other."""
    stage = waiting(expiry_ns=1)
    assert stage.step() == 1
    assert stage.step() == 0
    stage.read()
    assert stage.step() == 1


def test_a_venue_that_stops_does_not_tick() -> None:
    """Draining, the state must stay what its digest was taken of."""
    stage = waiting(expiry_ns=1)
    stage.control[CW_STOP] = Stop.DRAIN
    assert stage.step() == 0
