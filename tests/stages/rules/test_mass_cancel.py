"""MASS_CANCEL, cancel on close and STATUS, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

import pytest

from protocols.codes import (
    Kind,
    OutcomeFlag,
    OutcomeType,
    Reason,
)
from protocols.text import pack_text
from tests.twin.records import Outcome
from tests.twin.scenario import (
    ANSWER,
    BUY,
    SELL,
    Desk,
    MakeDesk,
    lines,
    reason,
)
from tests.twin.view import AccountRow

pytestmark = pytest.mark.jitoff


def fill_books(desk: Desk) -> None:
    """Open orders of two accounts and sessions in two instruments, on all sides, in no order."""
    desk.instrument(2, "OTHER")
    desk.open_session("GW2")
    desk.sell(1, at=20, cl="S2", instrument=2, account=2)
    desk.buy(2, at=10, cl="B1")
    desk.stop(SELL, 3, 5, "X1", account=2)
    desk.buy(4, at=11, cl="B2", session=2)
    desk.buy(5, at=11, cl="B3")
    desk.stop(BUY, 6, 30, "Y1", limit=31, session=2, account=2)
    desk.sell(7, at=12, cl="S1")


MANY = {"max_levels": 12, "max_orders": 16}


@pytest.mark.parametrize(("fields", "cancelled"), [
    ({"session": 0}, "B2 B3 B1 S1 Y1 X1 S2"),
    ({}, "B3 B1 S1 X1 S2"),
    ({"session": 2}, "B2 Y1"),
    ({"session": 0, "account": 2}, "Y1 X1 S2"),
    ({"session": 0, "instrument": 2}, "S2"),
    ({"session": 0, "side": BUY}, "B2 B3 B1 Y1"),
    ({"session": 0, "side": SELL}, "S1 X1 S2"),
    ({"session": 1, "side": SELL, "account": 2, "instrument": 1}, "X1"),
    ({"session": 2, "side": SELL}, ""),
])  # fmt: skip
def test_mass_cancel(make_desk: MakeDesk, fields: dict[str, int], cancelled: str) -> None:
    """What all filters let through is cancelled, by instrument, side, level and queue; then the count is told."""
    desk = make_desk(**MANY)
    fill_books(desk)
    before = desk.core.dump_books()
    told = desk.mass_cancel("M", **fields)
    assert " ".join(line.split()[1] for line in lines(told)[:-1]) == cancelled
    assert told[-1].type == OutcomeType.MASS_CANCELLED
    assert told[-1].qty_lots == len(told) - 1
    gone = {outcome.order_id for outcome in told[:-1]}
    assert desk.core.dump_books() == [row for row in before if row.order_id not in gone]


def test_what_a_mass_cancel_tells(desk: Desk) -> None:
    """Each CANCELLED carries the order's own texts and flag UNSOLICITED; MASS_CANCELLED carries the command's."""
    desk.iceberg(BUY, 9, 10, "A", display=2)
    desk.sell(2, at=10, cl="S", account=2)
    told = desk.mass_cancel(
        "M", account=1, side=BUY, instrument=1, orig0=5, orig2=6, price_ticks=3, qty_lots=4
    )
    common = {
        "input_seq": desk.seq,
        "time_ns": desk.time_of(desk.seq),
        "kind": Kind.MASS_CANCEL,
        "session": 1,
    }
    common |= {"account": 1, "instrument": 1, "side": BUY}
    assert told == [
        Outcome(
            **common, index=0, type=OutcomeType.CANCELLED, reason=Reason.MASS_CANCEL, cl0=pack_text("A")[0],
            order_id=desk.ids["A"], price_ticks=10, qty_lots=7, cum_lots=2, flags=OutcomeFlag.UNSOLICITED,
        ),
        Outcome(
            **common, index=1, type=OutcomeType.MASS_CANCELLED, cl0=pack_text("M")[0], orig0=5, orig2=6, qty_lots=1,
            flags=ANSWER,
        ),
    ]  # fmt: skip
    desk.tick()
    assert desk.money() == AccountRow(1, 0, -20, 0)


def test_a_mass_cancel_of_nothing(desk: Desk) -> None:
    """With no order to cancel the count is 0."""
    desk.buy(5, at=10, cl="A")
    assert lines(desk.mass_cancel(side=SELL)) == ["mass_cancelled M 0@0 leaves 0 cum 0"]
    assert desk.book().count("A:5") == 1


def test_a_mass_cancel_leaves_what_it_cancelled_gone(desk: Desk) -> None:
    """Mass-cancelled orders are too late to change, and their room is free."""
    desk.buy(5, at=10, cl="A")
    desk.mass_cancel()
    assert reason(desk.cancel("A")) is Reason.TOO_LATE
    assert reason(desk.replace("A", "B", 5, at=11, seen=desk.seen)) is Reason.TOO_LATE


def test_cancel_on_close(make_desk: MakeDesk) -> None:
    """A session opened with CANCEL_ON_CLOSE takes its orders along, in the order of a mass cancel, before ACCEPTED."""
    desk = make_desk(**MANY)
    fill_books(desk)
    desk.open_session("GW1", cancel_on_close=True)
    told = desk.close_session(1)
    assert " ".join(line.split()[1] for line in lines(told)[:-1]) == "B3 B1 S1 X1 S2"
    assert {outcome.reason for outcome in told[:-1]} == {Reason.DISCONNECTED}
    assert {outcome.flags for outcome in told[:-1]} == {OutcomeFlag.UNSOLICITED}
    assert (told[-1].type, told[-1].index, told[-1].kind) == (OutcomeType.ACCEPTED, 5, Kind.SESSION_CLOSE)
    desk.tick()
    assert desk.money().open_orders == 1  # of the other session


def test_closing_keeps_orders_otherwise(desk: Desk) -> None:
    """Without the flag, or after an opening without it, orders stay."""
    desk.buy(5, at=10, cl="A")
    assert len(desk.close_session(1)) == 1
    desk.open_session("GW1", cancel_on_close=True)
    desk.open_session("GW1")
    assert len(desk.close_session(1)) == 1
    assert desk.book().count("A:5") == 1


def test_cancel_on_close_does_not_outlive_a_reopening(desk: Desk) -> None:
    """Each opening says anew whether orders end with the session; an order from before counts too."""
    desk.open_session("GW1", cancel_on_close=True)
    desk.close_session(1)
    desk.open_session("GW1")
    desk.buy(5, at=10, cl="A")
    assert len(desk.close_session(1)) == 1
    desk.open_session("GW1", cancel_on_close=True)
    assert [outcome.type for outcome in desk.close_session(1)] == [
        OutcomeType.CANCELLED,
        OutcomeType.ACCEPTED,
    ]


def test_a_close_that_is_rejected_cancels_nothing(desk: Desk) -> None:
    """A session that is closed already has nothing cancelled a second time; other sessions neither."""
    desk.open_session("GW2", cancel_on_close=True)
    desk.buy(5, at=10, cl="A", session=2)
    assert reason(desk.close_session(3)) is Reason.UNKNOWN_SESSION
    assert len(desk.close_session(1)) == 1
    assert desk.book().count("A:5") == 1


def test_a_rejected_opening_sets_no_flag(make_desk: MakeDesk) -> None:
    """An opening that risk rejects does not change what closing does."""
    desk = make_desk(max_sessions=1)
    assert reason(desk.open_session("", cancel_on_close=True, session=1)) is Reason.INVALID_COMMAND
    assert reason(desk.open_session("GW2", cancel_on_close=True, session=1)) is Reason.NO_ROOM
    desk.buy(5, at=10, cl="A")
    assert len(desk.close_session(1)) == 1


def test_status(desk: Desk) -> None:
    """STATUS tells quantity, leaves, cum and price, changes nothing, and echoes both ClOrdIDs."""
    desk.iceberg(BUY, 9, 10, "A", display=2)
    desk.sell(3, at=10, cl="S", account=2)
    before = desk.core.dump_books()
    assert lines(desk.status("A", cl="Q")) == ["status Q 9@10 leaves 6 cum 3 was A"]
    assert lines(desk.status(order_id=desk.ids["A"], cl="")) == ["status 9@10 leaves 6 cum 3 was A"]
    assert desk.core.dump_books() == before
    desk.tick()
    assert desk.money() == AccountRow(1, 1, -30, 60)


def test_status_of_an_order_that_cannot_be_asked_for(desk: Desk) -> None:
    """STATUS of a gone order is too late or unknown, of another session unknown, of another side a mismatch."""
    desk.open_session("GW2")
    desk.buy(5, at=10, cl="A")
    assert reason(desk.status("A", side=SELL)) is Reason.ORDER_MISMATCH
    assert reason(desk.status("A", instrument=9)) is Reason.ORDER_MISMATCH
    assert reason(desk.status(order_id=desk.ids["A"], session=2)) is Reason.UNKNOWN_ORDER
    desk.cancel("A")
    assert reason(desk.status("A")) is Reason.TOO_LATE
    assert reason(desk.status(order_id=desk.ids["A"])) is Reason.UNKNOWN_ORDER
