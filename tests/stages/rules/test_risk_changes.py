"""What risk checks of CANCEL, REDUCE and REPLACE, by example, in the order of ``docs/rules.md``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.codes import (
    CommandFlag,
    Kind,
    Limit,
    Permit,
    Reason,
    Switch,
)
from tests.stages.rules.controls import RELEASE, UNLIMITED, UNSET, collar, permit, switch_account
from tests.twin.records import make_command
from tests.twin.scenario import (
    AMPLE,
    ANSWER,
    BUY,
    BY_RISK,
    SELL,
    Desk,
    reason,
)

pytestmark = pytest.mark.jitoff

ORDER_BUCKET = (Limit.ORDER_RATE, Limit.ORDER_BURST)


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.REDUCE])
def test_cancel_and_reduce_name_their_target(desk: Desk, kind: Kind) -> None:
    """The target is an order id, else an OrigClOrdID, which must be given and used in the session."""

    def told(**values: Any) -> tuple[Reason, int]:
        outcome = desk.send(make_command(kind, qty_lots=1, **values))[0]
        return Reason(outcome.reason), outcome.order_id

    desk.open_session("GW2")
    desk.buy(5, at=10, cl="A")
    order_id = desk.ids["A"]
    assert told(session=3, order_id=order_id, orig="A") == (Reason.UNKNOWN_SESSION, 0)
    assert told(session=1) == (Reason.MISSING_CL_ORD_ID, 0)
    assert told(session=1, orig="Z") == (Reason.UNKNOWN_ORDER, 0)
    assert told(session=2, orig="A") == (Reason.UNKNOWN_ORDER, 0)
    assert told(session=1, order_id=-5, orig="A") == (Reason.UNKNOWN_ORDER, -5)
    assert told(session=1, order_id=order_id, orig="Z")[1] == order_id


def test_reduce_checks_its_quantity(desk: Desk) -> None:
    """A reduction is whole lots, more than 0, checked once the target is known; a cancel needs none."""
    desk.buy(5, at=10, cl="A")
    assert reason(desk.reduce("Z", 0, flags=CommandFlag.OFF_LOT)) is Reason.UNKNOWN_ORDER
    told = desk.reduce("A", 0, flags=CommandFlag.OFF_LOT)
    assert (reason(told), told[0].order_id) == (Reason.QTY_NOT_ON_LOT, desk.ids["A"])
    assert reason(desk.reduce("A", 0)) is Reason.INVALID_QTY
    assert reason(desk.reduce("A", -1)) is Reason.INVALID_QTY
    assert reason(desk.cancel("A", flags=CommandFlag.OFF_LOT)) is Reason.NONE


def test_cancel_needs_no_cl_ord_id(desk: Desk) -> None:
    """The ClOrdID of a cancel or reduce may be missing or used, and is not used up."""
    desk.buy(5, at=10, cl="A")
    assert reason(desk.reduce("A", 1, cl="A")) is Reason.NONE
    assert reason(desk.reduce("A", 1, cl="C")) is Reason.NONE
    assert reason(desk.cancel("A", cl="")) is Reason.NONE
    assert reason(desk.buy(5, at=10, cl="C")) is Reason.NONE


def test_replace_checks_in_order(desk: Desk) -> None:
    """A replace that is wrong in every way is told the first reason, then, as it is mended, each in its order."""
    desk.instrument(1, low=5, high=20)
    desk.open_session("GW2")
    desk.limit(Limit.EXECUTION_COUNT, 0)
    desk.buy(1, at=5, cl="OTHERS", session=2)
    desk.buy(1, at=5, cl="GONE", session=2)
    desk.cancel("GONE", session=2)
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S", account=2)
    desk.tick()
    for which in Limit:
        desk.limit(which, 0)
    desk.limit(Limit.CREDIT, UNSET)
    permit(desk, Permit.SESSION, 0, "GW1")
    permit(desk, Permit.GROUPS, 0, account=1)
    switch_account(desk, Switch.REDUCING)
    collar(desk, static=9, reference=10)
    order: dict[str, Any] = {
        "session": 3,
        "cl": "",
        "orig": "",
        "instrument": 2,
        "side": SELL,
        "account": 2,
        "at": 0,
        "qty": 0,
        "flags": CommandFlag.OFF_LOT | CommandFlag.OFF_TICK,
    }
    steps: list[tuple[Reason, dict[str, Any] | Callable[[], object]]] = [
        (Reason.UNKNOWN_SESSION, {"session": 1}),
        (Reason.MISSING_CL_ORD_ID, {"cl": "A"}),
        (Reason.DUPLICATE_CL_ORD_ID, {"cl": "R"}),
        (Reason.MISSING_CL_ORD_ID, {"orig": "Z"}),
        (Reason.UNKNOWN_ORDER, {"orig": "GONE", "session": 2}),
        (Reason.TOO_LATE, {"orig": "", "order_id": desk.ids["GONE"]}),
        (Reason.UNKNOWN_ORDER, {"order_id": desk.ids["A"]}),
        (Reason.UNKNOWN_ORDER, {"orig": "A", "order_id": 0, "session": 1}),
        (Reason.ORDER_MISMATCH, {"instrument": 1}),
        (Reason.ORDER_MISMATCH, {"side": BUY}),
        (Reason.ORDER_MISMATCH, {"account": 0}),
        (Reason.SESSION_NOT_PERMITTED, lambda: permit(desk, Permit.SESSION, 1, "GW1")),
        (Reason.EXECUTION_THROTTLE, lambda: switch_account(desk, Switch.THROTTLED, RELEASE)),
        (Reason.LIMIT_NOT_SET, lambda: desk.limit(Limit.CREDIT, 0)),
        (Reason.ORDER_RATE, lambda: [desk.limit(which, UNLIMITED) for which in ORDER_BUCKET]),
        (Reason.QTY_NOT_ON_LOT, {"flags": CommandFlag.OFF_TICK}),
        (Reason.INVALID_QTY, {"qty": 2}),
        (Reason.PRICE_NOT_ON_TICK, {"flags": 0}),
        (Reason.INVALID_PRICE, {"at": 21}),
        (Reason.PRICE_OUT_OF_BAND, {"at": 20}),
        (Reason.STATIC_COLLAR, lambda: collar(desk, static=10)),
        (Reason.INSTRUMENT_NOT_PERMITTED, lambda: permit(desk, Permit.GROUPS, -1, account=1)),
        (Reason.QTY_BELOW_EXECUTED, {"qty": 7}),
        (Reason.MAX_ORDER_QTY, lambda: desk.limit(Limit.MAX_ORDER_QTY, 7)),
        (Reason.MAX_ORDER_NOTIONAL, lambda: desk.limit(Limit.MAX_ORDER_NOTIONAL, 140)),
        (Reason.ORDER_TO_TRADE, lambda: desk.limit(Limit.ORDER_TO_TRADE, UNLIMITED)),
        (Reason.REDUCE_ONLY, lambda: switch_account(desk, Switch.REDUCING, RELEASE)),
        (Reason.POSITION_LIMIT, lambda: desk.limit(Limit.MAX_LONG, 8)),
        (Reason.GROSS_NOTIONAL, lambda: desk.limit(Limit.GROSS_NOTIONAL, 124)),
        (Reason.GROSS_NOTIONAL, lambda: desk.limit(Limit.GROSS_NOTIONAL, 125)),
        (Reason.CREDIT_LIMIT, lambda: desk.limit(Limit.CREDIT, 125)),
    ]
    for expected, mend in steps:
        told = desk.replace(**order)
        assert (reason(told), told[0].flags) == (expected, BY_RISK)
        if callable(mend):
            mend()
        else:
            order.update(mend)
    assert reason(desk.replace(**order)) is Reason.NONE


def test_replace_needs_a_cl_ord_id(desk: Desk) -> None:
    """A replace of a good order without a ClOrdID of its own is rejected by risk."""
    desk.buy(5, at=10, cl="A")
    told = desk.replace("A", "", 4, at=10)
    assert (reason(told), told[0].flags) == (Reason.MISSING_CL_ORD_ID, BY_RISK)


def test_replace_position_limit(desk: Desk) -> None:
    """A replace is charged only for the lots that it adds to the reservation."""
    for side, which in ((BUY, Limit.MAX_LONG), (SELL, Limit.MAX_SHORT)):
        cl = side.name
        desk.limits(AMPLE)
        desk.new(side, 5, 10 * side, cl)
        desk.limit(which, 8)
        assert reason(desk.replace(cl, cl + "1", 9, at=10 * side)) is Reason.POSITION_LIMIT
        assert reason(desk.replace(cl, cl + "1", 8, at=10 * side)) is Reason.NONE
        desk.limit(which, 0)
        assert reason(desk.replace(cl, cl + "2", 8, at=10 * side)) is Reason.NONE
        assert reason(desk.replace(cl, cl + "3", 9, at=10 * side)) is Reason.POSITION_LIMIT


@pytest.mark.parametrize(
    ("limit", "expected"), [(99, Reason.CREDIT_LIMIT), (100, Reason.NONE), (101, Reason.NONE)]
)
def test_replace_credit_limit(desk: Desk, limit: int, expected: Reason) -> None:
    """A replace is charged for the money that it adds; a replace that adds none is not checked."""
    desk.buy(2, at=10, cl="OTHER")
    desk.buy(5, at=10, cl="A")
    desk.limit(Limit.CREDIT, limit)
    assert reason(desk.replace("A", "B", 8, at=10)) is expected
    desk.limit(Limit.CREDIT, 0)
    assert reason(desk.replace("A", "C", 5, at=9)) is Reason.NONE


def test_replace_in_flight_reserves_the_worst_case(desk: Desk) -> None:
    """Larger quantity and higher price are reserved at once, smaller ones only given back when risk sees it."""
    desk.buy(5, at=10, cl="A")
    desk.tick()
    desk.replace("A", "B", 3, at=12)
    assert desk.position().open_buy == 5
    assert desk.money().reserved_buy == 60
    desk.replace("B", "C", 8, at=9, seen=desk.seq - 1)
    assert desk.position().open_buy == 8
    assert desk.money().reserved_buy == 96
    desk.send(make_command(Kind.TICK), seen=desk.seq - 1)
    assert desk.money().reserved_buy == 96
    desk.tick()
    assert desk.position().open_buy == 8
    assert desk.money().reserved_buy == 72


def test_replace_money_is_capped(desk: Desk) -> None:
    """The worst case of replaces in flight may not pass 2^60, whatever credit and cash allow."""
    desk.sell(2**29, at=2**30, cl="S")
    desk.buy(2**29, at=2**30, cl="T", account=2)
    desk.buy(2**30, at=2**20, cl="A")
    assert reason(desk.replace("A", "B", 2**20, at=2**30)) is Reason.NONE
    assert desk.money().reserved_buy == 2**60
    seen = desk.seq - 1
    assert reason(desk.replace("A", "C", 2**20, at=2**30 + 1, seen=seen)) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.replace("A", "C", 2**20, at=2**40, seen=seen)) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.replace("A", "C", 2**20, at=2**40)) is Reason.NONE


def test_replace_uses_up_its_cl_ord_id(desk: Desk) -> None:
    """An accepted replace uses up its ClOrdID, which then names the order; so does one that matching rejects."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="S", account=2)
    seen = desk.seq - 2
    assert reason(desk.replace("A", "B", 6, at=10, seen=seen)) is Reason.TOO_LATE
    assert reason(desk.buy(5, at=10, cl="B")) is Reason.DUPLICATE_CL_ORD_ID
    assert desk.cancel("B")[0].order_id == desk.ids["A"]


def test_replace_checks_the_lots_that_risk_has_seen(desk: Desk) -> None:
    """Risk compares with the fills that it has seen, matching with all; both say QTY_BELOW_EXECUTED."""
    desk.buy(5, at=10, cl="A")
    desk.sell(3, at=10, cl="S", account=2)
    told = desk.replace("A", "B", 3, at=10, seen=desk.seq - 1)
    assert (reason(told), told[0].flags) == (Reason.QTY_BELOW_EXECUTED, ANSWER)
    told = desk.replace("A", "C", 3, at=10)
    assert (reason(told), told[0].flags) == (Reason.QTY_BELOW_EXECUTED, BY_RISK)
    assert reason(desk.replace("A", "D", 4, at=10)) is Reason.NONE
