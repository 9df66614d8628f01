"""The pump: paced, lossless, honest about latency, and gone when the pipeline or the port is."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pump import (
    CUT_OFF,
    DONE,
    GW_ANSWERED,
    GW_COMMANDS,
    GW_FILLS,
    GW_LATENCY,
    GW_OUTCOMES,
    GW_REASONS,
    GW_TYPES,
    NOT_RUNNING,
    OUT_FULL,
    PUMP_WORDS,
    SLICE_OVER,
    pump,
)
from protocols.codes import BookAction, BookFlag, Kind, OutcomeFlag, OutcomeType, Reason
from protocols.layouts import COMMAND, OUTCOME
from stages.control import (
    CONTROL_WORDS,
    CW_PORT_BLOCKS,
    CW_STATE,
    LATENCY_BUCKETS,
    PORT_WORDS,
    PW_STATE,
    PortState,
    State,
    percentiles_ns,
)
from stages.topology import CUR_PORT_READER, CUR_WRITER, cursor_word

pytestmark = pytest.mark.jitoff

PORT = 3
NO_WORDS = np.zeros(0, dtype=np.int64)


class Gateway:
    """A pump with rings of its own; the pipeline is the test."""

    def __init__(self, ingress_slots: int = 256, egress_slots: int = 256, window: int = 128) -> None:
        self.control = np.zeros(CONTROL_WORDS, dtype=np.int64)
        self.control[CW_STATE] = State.READY
        self.set_port(PortState.OPEN)
        self.ingress = np.zeros(cursor_word(2), dtype=np.int64)
        self.egress = np.zeros(cursor_word(2), dtype=np.int64)
        self.ingress_slots = np.zeros((ingress_slots, 16), dtype=np.int64)
        self.egress_slots = np.zeros((egress_slots, 16), dtype=np.int64)
        self.window = window
        self.out = np.zeros((512, 16), dtype=np.int64)
        self.words = np.zeros(PUMP_WORDS, dtype=np.int64)

    def set_port(self, state: int) -> None:
        """Set the port's state."""
        self.control[CW_PORT_BLOCKS + PORT * PORT_WORDS + PW_STATE] = state

    def pump(
        self,
        commands: Any = None,
        start: int = 0,
        *,
        due_ns: Any = NO_WORDS,
        sessions: Any = NO_WORDS,
        slice_ns: int = 0,
        room: int = 512,
    ) -> tuple[int, Any, int]:
        """Pump once; return the next row, the outcomes and why it ended."""
        rows = np.zeros(0, dtype=COMMAND) if commands is None else commands
        rows = rows.view(np.int64).reshape(-1, 16)
        row, count, why = pump(
            self.control, PORT, self.ingress, self.ingress_slots, self.egress, self.egress_slots, rows, start,
            len(rows), due_ns, sessions, self.window, self.out[:room], 0, slice_ns, self.words,
        )  # fmt: skip
        return int(row), self.out[: int(count)].copy().reshape(-1).view(OUTCOME), int(why)

    def sequenced(self, limit: int = 1 << 30) -> Any:
        """Be ingest: take what was sent."""
        first = int(self.ingress[CUR_PORT_READER]) + 1
        last = min(int(self.ingress[CUR_WRITER]), first + limit - 1)
        self.ingress[CUR_PORT_READER] = last
        rows = self.ingress_slots[np.arange(first, last + 1) & (len(self.ingress_slots) - 1)].copy()
        return rows.reshape(-1).view(COMMAND)

    def release(self, outcomes: Any) -> None:
        """Be publish: put outcomes into the egress ring."""
        for row in np.atleast_1d(outcomes).view(np.int64).reshape(-1, 16):
            self.egress[CUR_WRITER] += 1
            assert self.egress[CUR_WRITER] - self.egress[CUR_PORT_READER] <= len(self.egress_slots)
            self.egress_slots[self.egress[CUR_WRITER] & (len(self.egress_slots) - 1)] = row


ANSWERS = (OutcomeType.ACCEPTED, OutcomeType.REJECTED)


def orders(count: int, first: int = 0) -> Any:
    """Return commands that tell themselves apart."""
    made = np.zeros(count, dtype=COMMAND)
    made["kind"], made["order_id"], made["session"] = Kind.NEW, np.arange(first, first + count), 2
    made["side"], made["flags"], made["aux1"], made["sent_ns"] = 1, 0x55, 9, 12345
    return made


def answers(commands: Any, kind: int = OutcomeType.ACCEPTED, index: int = 0, **fields: int) -> Any:
    """Return an outcome for each command."""
    made = np.zeros(len(commands), dtype=OUTCOME)
    made["kind"], made["type"], made["index"] = commands["kind"], kind, index
    made["order_id"], made["sent_ns"] = commands["order_id"], commands["sent_ns"]
    made["flags"] = OutcomeFlag.ANSWER if kind in ANSWERS else 0
    for name, value in fields.items():
        made[name] = value
    return made


def test_all_is_sent_in_order_and_stamped() -> None:
    """Commands go out as they are, but for the stamp of when they were sent."""
    gateway = Gateway()
    before_ns = time.monotonic_ns()
    row, outcomes, why = gateway.pump(orders(100), slice_ns=10**9)
    sent = gateway.sequenced()
    assert (row, len(outcomes), why, gateway.words[GW_COMMANDS]) == (100, 0, DONE, 100)
    assert (sent["sent_ns"] >= before_ns).all() and (np.diff(sent["sent_ns"]) >= 0).all()
    sent["sent_ns"] = 12345
    assert sent.tobytes() == orders(100).tobytes()


def test_no_more_are_unanswered_than_the_window() -> None:
    """Beyond the window nothing is sent before an answer has come; each answer makes room for one."""
    gateway = Gateway(window=10)
    row, _, why = gateway.pump(orders(30))
    assert (row, why) == (10, SLICE_OVER)
    sent = gateway.sequenced()
    assert gateway.pump(orders(30), row)[0] == 10
    gateway.release(answers(sent[:4]))
    row, outcomes, _ = gateway.pump(orders(30), row)
    assert (row, len(outcomes)) == (14, 4)
    gateway.release(answers(sent[:1], OutcomeType.FILLED, index=1))
    assert gateway.pump(orders(30), row)[0] == 14, "a fill is no answer"


def test_a_full_ring_is_waited_for() -> None:
    """Nothing is written over what ingest has not taken."""
    gateway = Gateway(ingress_slots=64, window=1000)
    row, _, why = gateway.pump(orders(200), slice_ns=2_000_000)
    assert (row, why) == (64, SLICE_OVER)
    assert gateway.sequenced(10)["order_id"].tolist() == list(range(10))
    row, _, _ = gateway.pump(orders(200), row, slice_ns=2_000_000)
    assert row == 74
    assert gateway.sequenced()["order_id"].tolist() == list(range(10, 74))


def test_a_schedule_is_kept_and_stamped() -> None:
    """A command is not sent before its time, and carries the time at which it should have been sent."""
    gateway = Gateway()
    now_ns = time.monotonic_ns()
    due_ns = np.array([now_ns - 5_000_000, now_ns - 1, now_ns + 20_000_000, now_ns + 10**12], dtype=np.int64)
    row, _, why = gateway.pump(orders(4), due_ns=due_ns)
    assert why == SLICE_OVER
    assert row == 2 or time.monotonic_ns() >= due_ns[2]  # unless this process was kept waiting so long
    row, _, _ = gateway.pump(orders(4), row, due_ns=due_ns, slice_ns=30_000_000)
    assert row == 3 and time.monotonic_ns() >= due_ns[2]
    assert gateway.sequenced()["sent_ns"].tolist() == due_ns[:3].tolist()


def test_a_stall_shows_in_the_latency() -> None:
    """Commands that a stalled pipeline kept from being sent count from when they were due: nothing is omitted."""
    gateway = Gateway(window=1)
    now_ns = time.monotonic_ns()
    due_ns = now_ns - 1_000_000_000 + np.arange(10, dtype=np.int64)
    row = 0
    while row < 10:
        row, _, _ = gateway.pump(orders(10), row, due_ns=due_ns)
        gateway.release(answers(gateway.sequenced()))
    gateway.pump()
    latency = percentiles_ns(gateway.words[GW_LATENCY : GW_LATENCY + LATENCY_BUCKETS])
    assert latency["count"] == 10 and latency["p50"] > 900_000_000


def test_sessions_are_translated() -> None:
    """The file's session becomes the venue's; the fields beside it stay."""
    gateway = Gateway()
    commands = orders(3)
    commands["session"] = [1, 2, 0]
    gateway.pump(commands, sessions=np.array([0, 65535, 700], dtype=np.int64), slice_ns=10**9)
    sent = gateway.sequenced()
    assert sent["session"].tolist() == [65535, 700, 0]
    assert sent["flags"].tolist() == [0x55] * 3 and sent["side"].tolist() == [1] * 3


def test_outcomes_are_counted() -> None:
    """By type and reason where they are of orders; answers and latencies by the outcome that is the answer."""
    gateway = Gateway()
    gateway.pump(orders(4), slice_ns=10**9)
    sent = gateway.sequenced()
    gateway.release(answers(sent[:2]))
    gateway.release(answers(sent[2:3], OutcomeType.REJECTED, reason=Reason.MISSING_CL_ORD_ID))
    gateway.release(answers(sent[:1], OutcomeType.FILLED, index=1))
    gateway.release(answers(sent[:1], OutcomeType.EXPIRED, index=2, reason=Reason.IOC_REMAINDER))
    for kind in (Kind.SESSION_OPEN, Kind.SESSION_CLOSE, Kind.INSTRUMENT, Kind.KILL):
        administration = answers(sent[3:])
        administration["kind"] = kind
        gateway.release(administration)
    _, outcomes, _ = gateway.pump()
    words = gateway.words
    assert len(outcomes) == words[GW_OUTCOMES] == 9
    types = [int(words[GW_TYPES + kind]) for kind in range(10)]
    assert types == [0, 2, 1, 1, 0, 0, 1, 0, 0, 0]
    assert {reason for reason in Reason if reason and words[GW_REASONS + reason]} == {
        Reason.MISSING_CL_ORD_ID, Reason.IOC_REMAINDER,
    }  # fmt: skip
    assert (words[GW_FILLS], words[GW_ANSWERED]) == (1, 7)
    assert words[GW_LATENCY : GW_LATENCY + LATENCY_BUCKETS].sum() == 7


def test_each_type_and_reason_has_a_counter() -> None:
    """No two of them share a word, whatever their numbers."""
    gateway = Gateway()
    for kind in OutcomeType:
        gateway.release(answers(orders(1), kind))
    for reason in Reason:
        gateway.release(answers(orders(1), OutcomeType.REJECTED, reason=reason))
    gateway.pump()
    types = [int(gateway.words[GW_TYPES + kind]) for kind in OutcomeType]
    assert types == [1, 1 + len(Reason), *[1] * (len(OutcomeType) - 2)]
    reasons = [int(gateway.words[GW_REASONS + reason]) for reason in Reason]
    assert reasons == [len(OutcomeType) + 1, *[1] * (len(Reason) - 1)]


def test_market_data_answers_nothing_and_has_no_reason() -> None:
    """Changes of books count by type alone: their actions are no reasons, and they are nobody's answer."""
    gateway = Gateway()
    gateway.pump(orders(1), slice_ns=10**9)
    changes = answers(gateway.sequenced(), OutcomeType.BOOK, index=1, reason=BookAction.EXECUTE)
    changes["flags"] = int(BookFlag.TOP | BookFlag.SNAPSHOT | BookFlag.HIDDEN)
    gateway.release(changes)
    gateway.pump()
    words = gateway.words
    assert (words[GW_OUTCOMES], words[GW_TYPES + OutcomeType.BOOK], words[GW_ANSWERED]) == (1, 1, 0)
    assert not words[GW_REASONS + 1 : GW_REASONS + len(Reason)].any()


def test_an_expiry_before_an_answer_is_none() -> None:
    """What expires before a command comes with index 0, of any kind, and answers nobody; the answer follows."""
    gateway = Gateway(window=1)
    gateway.pump(orders(2), slice_ns=1_000_000)
    (sent,) = gateway.sequenced()
    for kind in (Kind.TICK, Kind.SESSION_OPEN, Kind.NEW):
        expired = answers(orders(1), OutcomeType.EXPIRED, reason=Reason.GTD_EXPIRED)
        expired["kind"] = kind
        gateway.release(expired)
    assert gateway.pump(orders(2), 1, slice_ns=1_000_000)[0] == 1
    words = gateway.words
    assert (words[GW_ANSWERED], words[GW_TYPES + OutcomeType.EXPIRED]) == (0, 3)
    gateway.release(answers(sent.reshape(1), index=1))
    assert gateway.pump(orders(2), 1, slice_ns=1_000_000)[0] == 2 and words[GW_ANSWERED] == 1


def test_a_full_buffer_hands_over() -> None:
    """When the buffer for outcomes is full the pump returns, and goes on where it stopped."""
    gateway = Gateway()
    gateway.release(answers(orders(40)))
    _, first, why = gateway.pump(slice_ns=10**9, room=25)
    assert (len(first), why) == (25, OUT_FULL)
    _, second, why = gateway.pump(room=25)
    assert (len(second), why) == (15, SLICE_OVER)
    assert [*first["order_id"], *second["order_id"]] == list(range(40))


@pytest.mark.parametrize("state", [State.DRAINING, State.STOPPED, State.FAILED])
def test_a_pipeline_that_does_not_run_is_noticed(state: State) -> None:
    """What it has released is still taken, nothing more is sent, and then the pump returns, long before its time."""
    gateway = Gateway()
    gateway.release(answers(orders(5)))
    gateway.control[CW_STATE] = state
    row, outcomes, why = gateway.pump(orders(10), slice_ns=10**12)
    assert (row, len(outcomes), why) == (0, 5, NOT_RUNNING)
    assert gateway.ingress[CUR_WRITER] == 0


def test_being_cut_off_is_noticed_after_all_was_read() -> None:
    """A port that was cut off gives what its ring holds; only then is its owner told."""
    gateway = Gateway()
    gateway.release(answers(orders(30)))
    gateway.set_port(PortState.CUT)
    _, outcomes, why = gateway.pump(slice_ns=10**12, room=20)
    assert (len(outcomes), why) == (20, OUT_FULL)
    row, outcomes, why = gateway.pump(orders(5), slice_ns=10**12)
    assert (row, len(outcomes), why) == (0, 10, CUT_OFF)


def test_a_slice_is_a_slice() -> None:
    """Without anything to do the pump returns when its time is over."""
    gateway = Gateway()
    started_ns = time.monotonic_ns()
    assert gateway.pump(slice_ns=5_000_000)[2] == SLICE_OVER
    assert time.monotonic_ns() - started_ns >= 5_000_000


@given(
    st.sampled_from([16, 64]),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60)), min_size=1, max_size=20),
)
def test_nothing_is_lost_or_doubled(slots: int, window: int, rhythm: list[tuple[int, int]]) -> None:
    """However fast the pipeline is and however small the rings: each command goes out and is answered once."""
    gateway = Gateway(ingress_slots=slots, egress_slots=slots, window=min(window, slots))
    commands, row, sent, told = orders(150), 0, [], []
    for limit, room in [*rhythm, *[(64, 64)] * 200]:
        row, outcomes, _ = gateway.pump(commands, row, room=room)
        told += outcomes["order_id"].tolist()
        taken = gateway.sequenced(limit)
        sent += taken["order_id"].tolist()
        gateway.release(answers(taken))
        if len(told) == 150:
            break
    assert sent == told == list(range(150)) and row == 150
