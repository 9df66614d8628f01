"""What outcomes carry, field by field, by example: ``docs/matching-rules.md``."""

from __future__ import annotations

import pytest

from protocols.codes import (
    Kind,
    Limit,
    OutcomeFlag,
    OutcomeType,
    Reason,
    Tif,
)
from protocols.text import pack_text
from tests.twin.records import Outcome
from tests.twin.scenario import (
    ANSWER,
    BUY,
    BY_RISK,
    SELL,
    Desk,
    stp,
)

pytestmark = pytest.mark.jitoff


def test_risk_rejection_fields(desk: Desk) -> None:
    """A command that risk rejects is echoed, its orig not of a NEW: flag RISK, NEW for a NEW, id 0 or the target."""
    desk.limit(Limit.CREDIT, 0)
    told = desk.buy(3, at=10, cl="A", order_id=1, orig0=2, orig1=9, **stp(7))
    a = pack_text("A")
    o = pack_text("O" * 20)
    expected = Outcome(
        input_seq=desk.seq, time_ns=1000 + 7 * desk.seq, price_ticks=10, qty_lots=3, account=1, instrument=1,
        cl0=a[0], reason=Reason.CREDIT_LIMIT, session=1,
        type=OutcomeType.REJECTED, side=BUY, flags=BY_RISK | OutcomeFlag.NEW, kind=Kind.NEW,
    )  # fmt: skip
    assert told == [expected]
    told = desk.replace("O" * 20, "A", 3, at=10, order_id=77, side=SELL, instrument=2, account=9)
    expected.input_seq, expected.time_ns, expected.order_id = desk.seq, 1000 + 7 * desk.seq, 77
    expected.reason, expected.flags, expected.kind = (
        Reason.UNKNOWN_ORDER,
        BY_RISK,
        Kind.REPLACE,
    )
    expected.side, expected.instrument, expected.account = SELL, 2, 9
    expected.orig0, expected.orig1, expected.orig2 = o
    assert told == [expected]


def test_accepted_and_filled_fields(desk: Desk) -> None:
    """Accepted first, then taker and maker of each trade, in full."""
    desk.open_session("GW2")
    desk.sell(5, at=10, cl="S" * 20, account=2, session=2, orig1=3)
    told = desk.buy(9, at=12, cl="A", orig0=4, tif=Tif.IOC, **stp(7))
    a, s = pack_text("A"), pack_text("S" * 20)
    both = {"input_seq": desk.seq, "time_ns": 1000 + 7 * desk.seq, "instrument": 1, "kind": Kind.NEW}
    taker = {**both, "order_id": desk.seq, "account": 1, "session": 1, "side": BUY, "cl0": a[0]}
    maker = {**both, "order_id": desk.seq - 1, "account": 2, "session": 2, "side": SELL}
    maker |= {"cl0": s[0], "cl1": s[1], "cl2": s[2]}
    trade = {"price_ticks": 10, "qty_lots": 5, "cum_lots": 5, "type": OutcomeType.FILLED, "trade_index": 1}
    assert told == [
        Outcome(
            **taker,
            index=0,
            price_ticks=12,
            qty_lots=9,
            leaves_lots=9,
            type=OutcomeType.ACCEPTED,
            flags=ANSWER,
        ),
        Outcome(**taker, **trade, index=1, leaves_lots=4, flags=OutcomeFlag.TAKER),
        Outcome(**maker, **trade, index=2, leaves_lots=0, flags=OutcomeFlag.MAKER),
        Outcome(
            **taker,
            index=3,
            price_ticks=12,
            qty_lots=4,
            cum_lots=5,
            type=OutcomeType.EXPIRED,
            reason=Reason.IOC_REMAINDER,
        ),
    ]


def test_a_change_of_another_session_fields(desk: Desk) -> None:
    """A rejection of matching carries the target and the command's fields; of another's order no quantities."""
    desk.open_session("GW2")
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S", account=2)
    told = desk.cancel(
        "ORIG", cl="X", session=2, order_id=desk.ids["A"], qty_lots=4, price_ticks=3, side=SELL
    )
    expected = Outcome(
        input_seq=desk.seq, time_ns=1000 + 7 * desk.seq, order_id=desk.ids["A"], price_ticks=3, qty_lots=4,
        cl0=pack_text("X")[0], orig0=pack_text("ORIG")[0], reason=Reason.UNKNOWN_ORDER, session=2,
        type=OutcomeType.REJECTED, side=SELL, kind=Kind.CANCEL, flags=ANSWER,
    )  # fmt: skip
    assert told == [expected]
    told = desk.cancel("ORIG", cl="X", order_id=desk.ids["A"], qty_lots=4, price_ticks=3, side=SELL)
    expected.input_seq, expected.time_ns, expected.session = desk.seq, 1000 + 7 * desk.seq, 1
    expected.reason, expected.leaves_lots, expected.cum_lots = Reason.ORDER_MISMATCH, 3, 2
    assert told == [expected]
