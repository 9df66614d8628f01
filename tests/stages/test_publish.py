"""The way out: nothing leaves before it is durable and matched, each outcome goes where its session is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import Kind, OutcomeFlag, OutcomeType
from protocols.layouts import OUTCOME
from stages.control import (
    CO_ACKED,
    CO_CUT_OFF,
    CO_RELEASED,
    CO_UNROUTED,
    CONTROL_WORDS,
    CW_COUNTERS,
    CW_DURABLE,
    CW_LATENCY,
    CW_PORT_BLOCKS,
    LATENCY_BUCKETS,
    PORT_WORDS,
    PW_DROPPED,
    PW_SENT,
    PW_STATE,
    PortState,
    bucket_floor_ns,
    percentiles_ns,
)
from stages.publish import PUBLISH_WORDS, latency_bucket, publish_step
from stages.state import records, shared_array
from stages.topology import CUR_INPUT_MATCHING, CUR_OUTPUT_PUBLISH, CUR_PORT_READER, CUR_WRITER, cursor_word
from tests.e2e.harness import Process

pytestmark = pytest.mark.jitoff

SLOTS_WORD = cursor_word(2)
FAR = 1 << 40
ANSWER = int(OutcomeFlag.ANSWER)


class Publish:
    """The stage with rings of its own; session s is routed to port s at first."""

    def __init__(self, ports: int = 4, port_slots: int = 64, output_slots: int = 256) -> None:
        self.ports, self.port_slots = ports, port_slots
        self.in_words = np.zeros(cursor_word(4), dtype=np.int64)
        self.out_words = np.zeros(cursor_word(3), dtype=np.int64)
        self.out_slots = records(np.zeros(output_slots, dtype=OUTCOME))
        self.out_slot_words = np.asarray(self.out_slots).view(np.int64).reshape(-1, 16)
        self.port_words = SLOTS_WORD + 16 * port_slots
        self.egress = np.zeros(ports * self.port_words, dtype=np.int64)
        self.control = np.zeros(CONTROL_WORDS, dtype=np.int64)
        self.w = np.zeros(PUBLISH_WORDS, dtype=np.int64)
        self.routes = np.zeros(16, dtype=np.int32)
        for port in range(ports):
            self.set_state(port, PortState.OPEN)
            self.routes[port] = port + 1
        self.allow(FAR, FAR)

    def set_state(self, port: int, state: int) -> None:
        """Set the state of a port."""
        self.control[CW_PORT_BLOCKS + port * PORT_WORDS + PW_STATE] = state

    def port_word(self, port: int, word: int) -> int:
        """Return a word of a port's block in the control segment."""
        return int(self.control[CW_PORT_BLOCKS + port * PORT_WORDS + word])

    def counter(self, word: int) -> int:
        """Return a counter."""
        return int(self.control[CW_COUNTERS + word])

    def allow(self, durable: int, matched: int) -> None:
        """Set how far the journal and matching are."""
        self.control[CW_DURABLE], self.in_words[CUR_INPUT_MATCHING] = durable, matched

    def emit(self, *outcomes: dict[str, int]) -> None:
        """Let matching publish outcomes; the test sees to it that there is room."""
        for outcome in outcomes:
            self.out_words[CUR_WRITER] += 1
            row = self.out_slots[int(self.out_words[CUR_WRITER]) & (len(self.out_slots) - 1)]
            for name in OUTCOME.names or ():
                row[name] = outcome.get(name, 0)

    def step(self, budget: int = 256) -> int:
        """Run the stage once."""
        return int(
            publish_step(
                self.in_words, self.out_words, self.out_slots, self.out_slot_words, self.egress, self.ports,
                self.port_words, SLOTS_WORD, self.port_slots, self.routes, self.control, self.w, budget,
            )
        )  # fmt: skip

    def received(self, port: int, read: bool = True) -> Any:
        """Return what came to a port since it last read."""
        words = self.egress[port * self.port_words :]
        first, last = int(words[CUR_PORT_READER]) + 1, int(words[CUR_WRITER])
        slots = words[SLOTS_WORD : self.port_words].reshape(-1, 16)
        rows = slots[np.arange(first, last + 1) & (self.port_slots - 1)].copy()
        if read:
            words[CUR_PORT_READER] = last
        return rows.reshape(-1).view(OUTCOME)


def fill(seq: int, session: int = 1, index: int = 0, **fields: int) -> dict[str, int]:
    """Return an outcome of an order; the first of an input is its answer."""
    values = {
        "input_seq": seq,
        "session": session,
        "index": index,
        "kind": Kind.NEW,
        "type": OutcomeType.FILLED,
        "flags": 0 if index else ANSWER,
    }
    return values | fields


def opening(session: int, port: int, kind: int = OutcomeType.ACCEPTED) -> dict[str, int]:
    """Return the outcome of a SESSION_OPEN."""
    return {"session": session, "orig0": port, "kind": Kind.SESSION_OPEN, "type": kind, "flags": ANSWER}


def closing(session: int, kind: int = OutcomeType.ACCEPTED) -> dict[str, int]:
    """Return the outcome of a SESSION_CLOSE."""
    return {"session": session, "kind": Kind.SESSION_CLOSE, "type": kind, "flags": ANSWER}


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 9)), max_size=30),
)
def test_nothing_leaves_before_it_is_durable_and_matched(
    counts: list[int], moves: list[tuple[int, int, int]]
) -> None:
    """However the journal and matching advance: an outcome leaves only when both are past it, and in order."""
    stage = Publish(port_slots=256)
    expected = [(seq, index) for seq, count in enumerate(counts, start=1) for index in range(count)]
    stage.emit(*(fill(seq, index=index) for seq, index in expected))
    durable = matched = 0
    stage.allow(0, 0)
    assert stage.step() == 0
    released: list[tuple[int, int]] = []
    for more_durable, more_matched, budget in [*moves, *[(99, 99, 30)] * 5]:
        durable, matched = durable + more_durable, matched + more_matched
        stage.allow(durable, matched)
        count = stage.step(budget)
        got = [(int(row["input_seq"]), int(row["index"])) for row in stage.received(1)]
        assert len(got) == count <= budget
        assert all(seq <= min(durable, matched) for seq, _ in got)
        released += got
        allowed = [key for key in expected if key[0] <= min(durable, matched)]
        assert count == budget or released == allowed, "what may leave does"
        assert stage.out_words[CUR_OUTPUT_PUBLISH] == len(released)
    assert released == expected
    assert stage.counter(CO_RELEASED) == len(expected)
    assert stage.counter(CO_ACKED) == sum(count > 0 for count in counts)


def test_an_input_that_fills_the_ring_leaves_in_parts() -> None:
    """Matching cannot end an input of more outcomes than the ring has slots: some of them leave before, if durable."""
    stage = Publish(port_slots=1024, output_slots=64)
    stage.emit(fill(4), *(fill(5, index=index) for index in range(63)))
    stage.allow(durable=4, matched=4)
    assert stage.step() == 1
    stage.emit(fill(5, index=63))
    assert stage.step() == 0, "full of one input, which is not durable"
    stage.allow(durable=5, matched=4)
    assert stage.step(10) == 10
    assert stage.step() == 0, "there is room again: matching goes on first"
    stage.emit(*(fill(5, index=64 + index) for index in range(10)))
    assert stage.step() == 64
    stage.emit(*(fill(5, index=74 + index) for index in range(5)), fill(6))
    assert stage.step() == 0
    stage.allow(durable=9, matched=5)
    assert stage.step() == 5
    assert stage.received(1)["index"].tolist() == [0, *range(79)]


def test_sessions_are_routed_to_the_port_that_opened_them() -> None:
    """An accepted opening sets the route, one through another port moves it, an accepted close ends it."""
    stage = Publish()
    stage.routes[:] = 0
    stage.emit(opening(7, 2), fill(2, 7), opening(7, 3), fill(4, 7), closing(7), fill(6, 7))
    assert stage.step() == 6
    assert stage.received(2)["kind"].tolist() == [Kind.SESSION_OPEN, Kind.NEW]
    assert stage.received(3)["kind"].tolist() == [Kind.SESSION_OPEN, Kind.NEW, Kind.SESSION_CLOSE]
    assert stage.counter(CO_UNROUTED) == 1 and not stage.routes.any()
    assert stage.port_word(2, PW_SENT) == 2 and stage.port_word(3, PW_SENT) == 3


def test_a_port_whose_session_was_opened_elsewhere_is_cut_off() -> None:
    """Its gateway would wait for ever: it reads what came before, then finds itself cut off; the other goes on."""
    stage = Publish()
    stage.emit(fill(1, 1), opening(1, 2), fill(3, 1), opening(1, 2), fill(4, 1))
    assert stage.step() == 5
    assert stage.received(1)["input_seq"].tolist() == [1]
    assert stage.port_word(1, PW_STATE) == PortState.CUT and stage.port_word(2, PW_STATE) == PortState.OPEN
    assert len(stage.received(2)) == 4 and stage.counter(CO_CUT_OFF) == 1


def test_rejected_sessions_change_no_route() -> None:
    """The rejection of an opening goes to the port that asked, that of a close to its session's; routes stay."""
    stage = Publish()
    before = stage.routes.copy()
    stage.emit(opening(0, 2, OutcomeType.REJECTED), closing(3, OutcomeType.REJECTED))
    stage.step()
    assert len(stage.received(2)) == len(stage.received(3)) == 1
    assert np.array_equal(stage.routes, before)


def test_what_belongs_to_nobody_is_dropped_and_counted() -> None:
    """Unknown sessions and ports make no trouble; outcomes without a session are the supervisor's."""
    stage = Publish()
    stage.emit(fill(1, 15), fill(2, 16), fill(3, 65535), opening(1, 4), opening(1, -1), fill(4, 0))
    assert stage.step() == 6
    assert stage.counter(CO_UNROUTED) == 5
    assert stage.received(0)["input_seq"].tolist() == [4]


def test_a_port_whose_session_another_port_closes_is_cut_off() -> None:
    """It would hear of its orders no more, and wait for ever; it still reads that the session was closed."""
    stage = Publish(ports=3)
    stage.routes[:] = 0
    stage.emit(
        {"input_seq": 1, **opening(5, 2)}, {"input_seq": 2, **closing(5), "orig0": 0}, fill(3, session=5)
    )
    stage.step()
    assert stage.port_word(2, PW_STATE) == PortState.CUT and stage.counter(CO_CUT_OFF) == 1
    assert stage.received(2)["kind"].tolist() == [Kind.SESSION_OPEN, Kind.SESSION_CLOSE]
    assert stage.counter(CO_UNROUTED) == 1 and stage.routes[5] == 0


def test_a_port_that_closes_its_own_session_stays_open() -> None:
    """It has asked for it, and may open another."""
    stage = Publish(ports=3)
    stage.routes[:] = 0
    stage.emit({"input_seq": 1, **opening(5, 2)}, {"input_seq": 2, **closing(5), "orig0": 2})
    stage.step()
    assert stage.port_word(2, PW_STATE) == PortState.OPEN and stage.routes[5] == 0


def test_a_port_that_does_not_read_is_cut_off() -> None:
    """At the first outcome too many the port is CUT; its ring stays readable; others get theirs; nobody waits."""
    stage = Publish(port_slots=16)
    for number in range(40):
        stage.emit(fill(number, 1), fill(number, 2))
        assert stage.step() == 2
        assert stage.received(2)["input_seq"].tolist() == [number]
    assert stage.port_word(1, PW_STATE) == PortState.CUT and stage.port_word(2, PW_STATE) == PortState.OPEN
    assert stage.received(1)["input_seq"].tolist() == list(range(16))
    assert (stage.port_word(1, PW_SENT), stage.port_word(1, PW_DROPPED)) == (16, 24)
    assert stage.counter(CO_CUT_OFF) == 1 and stage.counter(CO_RELEASED) == 80
    stage.emit(fill(99, 1))
    stage.step()
    assert len(stage.received(1)) == 0, "cut off until someone takes the port anew"


def test_a_port_that_reads_in_time_keeps_its_place() -> None:
    """A ring that was full to the last slot is no reason to cut off once its reader has read."""
    stage = Publish(port_slots=16)
    for start in range(0, 160, 16):
        stage.emit(*(fill(start + number) for number in range(16)))
        assert stage.step() == 16
        assert len(stage.received(1)) == 16
    assert stage.counter(CO_CUT_OFF) == 0


def test_cut_off_in_the_middle_of_a_step_shows_all_that_came_before() -> None:
    """What one step puts into a ring before it cuts the port off can be read, in order."""
    stage = Publish(port_slots=16)
    stage.emit(*(fill(number) for number in range(30)))
    assert stage.step() == 30
    assert stage.received(1)["input_seq"].tolist() == list(range(16))


def test_the_session_of_a_dead_port_can_be_closed() -> None:
    """The close of a session takes its route away even though its port takes no outcomes any more."""
    stage = Publish()
    stage.set_state(1, PortState.CUT)
    stage.emit(closing(1))
    assert stage.step() == 1
    assert stage.routes[1] == 0 and stage.port_word(1, PW_DROPPED) == 1


def test_a_port_taken_anew_begins_where_the_last_owner_left() -> None:
    """The next owner of a port that was cut off sets its cursor to the writer's and gets only what is new."""
    stage = Publish(port_slots=16)
    stage.emit(*(fill(number) for number in range(20)))
    stage.step()
    words = stage.egress[stage.port_words :]
    words[CUR_PORT_READER] = words[CUR_WRITER]
    stage.set_state(1, PortState.OPEN)
    stage.emit(*(fill(number) for number in range(50, 66)))
    stage.step()
    assert stage.received(1)["input_seq"].tolist() == list(range(50, 66))
    assert stage.port_word(1, PW_STATE) == PortState.OPEN


def test_an_expiry_before_a_session_opens_goes_to_its_own_session() -> None:
    """What expires before a SESSION_OPEN bears that kind; it goes where its own session is, and opens nothing."""
    stage = Publish()
    before = stage.routes.copy()
    expired = {"kind": Kind.SESSION_OPEN, "type": OutcomeType.EXPIRED, "flags": int(OutcomeFlag.UNSOLICITED)}
    stage.emit({**expired, "session": 3, "input_seq": 1})
    stage.step()
    assert len(stage.received(3)) == 1 and len(stage.received(0)) == 0
    assert np.array_equal(stage.routes, before) and stage.counter(CO_ACKED) == 0


def test_latency_is_that_of_answers() -> None:
    """An answer with a send time counts once; what comes before and behind it, and stampless commands, do not."""
    stage = Publish()
    sent_ns = time.monotonic_ns() - 1_000_000
    stage.emit(
        fill(1, type=OutcomeType.EXPIRED, flags=0, sent_ns=sent_ns),
        fill(1, sent_ns=sent_ns),
        fill(1, index=1, sent_ns=sent_ns),
        fill(2),
        fill(3, sent_ns=sent_ns + 10**15),
    )
    stage.step()
    counts = stage.control[CW_LATENCY : CW_LATENCY + LATENCY_BUCKETS]
    assert counts.sum() == 2 and counts[0] == 1, "one that was sent in the future counts as 0"
    assert percentiles_ns(counts)["max"] >= 1_000_000


LATENCIES = st.integers(0, 62).flatmap(lambda bits: st.integers(0, 1 << bits))


@given(LATENCIES)
def test_buckets_and_their_floors_are_inverse(latency_ns: int) -> None:
    """A latency lies between the floors of its bucket and of the next one, which are 1/32 apart at most."""
    bucket = int(latency_bucket(latency_ns))
    assert 0 <= bucket < LATENCY_BUCKETS
    low, high = bucket_floor_ns(bucket), bucket_floor_ns(bucket + 1)
    assert low <= latency_ns < high
    assert high - low <= max(1, low // 32)
    assert int(latency_bucket(low)) == bucket


@given(st.lists(LATENCIES, min_size=1, max_size=400))
def test_percentiles_are_those_of_the_values(latencies_ns: list[int]) -> None:
    """Each percentile is the floor of the bucket of the value of that rank; max is not below any value."""
    counts = np.zeros(LATENCY_BUCKETS, dtype=np.int64)
    for latency_ns in latencies_ns:
        counts[int(latency_bucket(latency_ns))] += 1
    found = percentiles_ns(counts)
    ordered = sorted(latencies_ns)
    for rank, name in ((50, "p50"), (90, "p90"), (99, "p99"), (99.9, "p99.9")):
        value = ordered[max(1, int(np.ceil(len(ordered) * rank / 100))) - 1]
        assert found[name] == bucket_floor_ns(int(latency_bucket(value)))
    assert found["count"] == len(ordered) and found["max"] >= ordered[-1]


def test_percentiles_of_nothing_are_zero() -> None:
    """An empty histogram has no latencies, and says so without failing."""
    found = percentiles_ns(np.zeros(LATENCY_BUCKETS, dtype=np.int64))
    assert found == {"count": 0, "p50": 0, "p90": 0, "p99": 0, "p99.9": 0, "max": 0}


def test_percentiles_can_be_taken_while_they_change(tmp_path: Path) -> None:
    """Whoever looks at a running pipeline gets percentiles of one moment, never an error."""
    counts = shared_array(LATENCY_BUCKETS, np.int64)

    def count() -> int:
        while True:
            counts[::7] += 1
            counts[::7] = 0

    publish = Process(tmp_path, "publish", count)
    try:
        for _ in range(2000):
            found = percentiles_ns(counts)
            assert found["p50"] <= found["p99.9"] <= found["max"]
    finally:
        publish.end()
