"""A flow as a file: what is written is read, and a plain book that carries it out makes the reference's trades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.flow_file import (
    CANCEL,
    MAGIC,
    NEW,
    REDUCE,
    REPLACE,
    ROW_WORDS,
    Answer,
    read_flow,
    translate,
    write_flow,
)
from benchmarks.matching_flows import FLOWS, Flow, flow_workload, venue_of
from benchmarks.measure import NotVerified
from benchmarks.workload import Bench, make_workload, reference
from tests.benchmarks.books import PlainBooks

COUNT = 6_000
SMALL = [flow if flow.instruments < 2 else flow._replace(instruments=300, resting=3_000) for flow in FLOWS]


@pytest.mark.parametrize("flow", SMALL, ids=lambda flow: flow.name)
def test_a_plain_book_makes_the_trades_of_the_reference(flow: Flow) -> None:
    """Reports, trades in their order, rejects and what rests at the end are those that our core gave."""
    workload = flow_workload(flow, "full", COUNT)
    wanted = reference(Bench(workload))
    rows, answer = translate(workload, wanted)
    assert len(rows) == workload.prefill + COUNT
    assert answer.trades * 2 == wanted.fills
    assert answer.trades > 0
    assert answer.rejects == wanted.rejects
    assert answer.differs(PlainBooks().run(rows)) == ""
    kinds = set((rows[:, 0] & 0xFF).tolist())
    assert kinds == ({NEW, CANCEL, REPLACE} if flow.profile == "moves" else {NEW, CANCEL, REPLACE, REDUCE})


def test_a_beginning_is_answered_for_itself() -> None:
    """The rows of a part are the first rows, behind the prefill; its answer is what a book gives for them."""
    workload = flow_workload(SMALL[-2], "full", COUNT)
    wanted = reference(Bench(workload))
    rows, _ = translate(workload, wanted)
    part, answer = translate(workload, wanted, 500)
    assert len(part) == workload.prefill + 500
    assert np.array_equal(part, rows[: len(part)])
    assert answer.differs(PlainBooks().run(part)) == ""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A file gives back rows, prefill and instruments."""
    rows = np.arange(5 * ROW_WORDS, dtype=np.int64).reshape(-1, ROW_WORDS)
    write_flow(tmp_path / "flow", rows, 2, 7)
    back, prefill, instruments = read_flow(tmp_path / "flow")
    assert np.array_equal(back, rows)
    assert (prefill, instruments) == (2, 7)


@pytest.mark.parametrize("words", [[], [0] * ROW_WORDS, [MAGIC, 2, 0, 1, 0, 0]])
def test_another_file_is_refused(tmp_path: Path, words: list[int]) -> None:
    """A file without the head, or with fewer rows than it says, is no flow."""
    np.array(words, "<i8").tofile(tmp_path / "flow")
    with pytest.raises(ValueError, match="flow: expected a flow file of 6 words a row"):
        read_flow(tmp_path / "flow")


def test_a_new_order_that_was_rejected_makes_no_file() -> None:
    """Books without room are no reference: peers would rest what ours did not."""
    config = venue_of(1, 1, 1_000, 0)
    capacity = config.capacity.__class__(
        max_orders=16, max_levels=16, max_instruments=1, max_accounts=1, max_positions=16, max_cl_ord_ids=4096
    )
    config = config.__class__(capacity=capacity, instruments=config.instruments, accounts=config.accounts)
    workload = make_workload("normal", 200, 1, config)
    wanted = reference(Bench(workload))
    with pytest.raises(
        NotVerified, match="flow: expected 200 commands that rest, trade or name an order, was"
    ):
        translate(workload, wanted)


def test_answers_differ_by_the_first_figure() -> None:
    """The time is no part of what is compared."""
    one = Answer(ns=1, reports=2, trades=3, lots=4, rejects=5, digest=6, resting_orders=7, resting_lots=8)
    other = Answer(ns=9, reports=2, trades=3, lots=4, rejects=5, digest=6, resting_orders=7, resting_lots=8)
    assert one.differs(other) == ""
    other = Answer(ns=9, reports=2, trades=3, lots=4, rejects=5, digest=-6, resting_orders=0, resting_lots=8)
    assert one.differs(other) == "digest: expected 6, was -6"
