"""Commands by the array: columns that are broadcast, terms that become fields, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from protocols.codes import CommandFlag, Kind, OrdType, SelfTradeMode, Tif
from protocols.commands import (
    BUY,
    SELL,
    cancels,
    limit_orders,
    make_commands,
    market_orders,
    mass_cancel,
    replaces,
    stop_orders,
    tick,
    trailing_stops,
)
from protocols.layouts import COMMAND
from protocols.text import pack_text


def test_columns_are_broadcast() -> None:
    """A number counts for all rows, a column for one each."""
    orders = limit_orders([BUY, SELL, BUY], 10, np.array([5, 6, 7]), account=[1, 2, 3])
    assert orders.dtype == COMMAND
    assert orders["side"].tolist() == [1, 2, 1]
    assert orders["qty_lots"].tolist() == [10, 10, 10]
    assert orders["price_ticks"].tolist() == [5, 6, 7]
    assert orders["account"].tolist() == [1, 2, 3]
    assert set(orders["kind"]) == {Kind.NEW}
    assert set(orders["ord_type"]) == {OrdType.LIMIT}
    assert set(orders["tif"]) == {Tif.GTC}


def test_terms_fill_the_fields_of_the_layout() -> None:
    """Each term goes where protocols/layouts.py says."""
    [order] = limit_orders(
        BUY,
        10,
        5,
        display=2,
        minimum=3,
        group=7,
        self_trade=SelfTradeMode.DECREMENT,
        expires_ns=99,
        time_ns=9,
    )
    assert (order["order_id"], order["orig0"], order["orig2"], order["aux1"]) == (2, 3, 7, 99)
    assert (order["tif"], order["time_ns"], order["flags"] >> 6) == (Tif.GTD, 9, SelfTradeMode.DECREMENT)
    flags = limit_orders(BUY, 10, 5, post_only=[True, False], reprice=[False, True])["flags"].tolist()
    assert flags == [CommandFlag.POST_ONLY, CommandFlag.POST_REPRICE]
    assert limit_orders(BUY, 1, 5, group=[0, 7])["flags"].tolist() == [0, SelfTradeMode.NEWEST << 6]


def test_types_follow_the_function() -> None:
    """Market, stop, stop limit and trailing orders have their types and prices."""
    rows = [
        market_orders(BUY, 1),
        stop_orders(BUY, 1, 9),
        stop_orders(BUY, 1, 9, 10),
        trailing_stops(SELL, 1, 2),
    ]
    found = [(int(r["ord_type"][0]), int(r["price_ticks"][0]), int(r["aux0"][0])) for r in rows]
    assert found == [(1, 0, 0), (3, 0, 9), (4, 10, 9), (5, 0, 2)]
    assert market_orders(BUY, 1)["tif"].tolist() == [Tif.IOC]


def test_requests_name_orders_by_id() -> None:
    """Requests carry ids, and the session of the orders."""
    assert cancels([3, 4])["order_id"].tolist() == [3, 4]
    assert len(cancels([])) == 0
    [replaced] = replaces(3, 10, 5, session=2)
    assert (replaced["order_id"], replaced["qty_lots"], replaced["price_ticks"], replaced["session"]) == (
        3,
        10,
        5,
        2,
    )
    assert mass_cancel(side=BUY)["side"].tolist() == [1]
    assert tick([5, 6])["time_ns"].tolist() == [5, 6]


def test_texts_are_packed_by_the_column() -> None:
    """ClOrdIDs are packed as protocols.text packs them, one text for all or one each."""
    names = ["A", "LONG-CL-ORD-ID-00001", ""]
    orders = limit_orders(BUY, 1, 5, cl=names)
    assert [(int(o["cl0"]), int(o["cl1"]), int(o["cl2"])) for o in orders] == [
        pack_text(name) for name in names
    ]
    assert len(set(limit_orders(BUY, [1, 2], 5, cl="SAME")["cl0"].tolist())) == 1


@pytest.mark.parametrize(
    ("make", "kind", "problem"),
    [
        (lambda: limit_orders(BUY, 1.5, 5), ValueError, "qty_lots: expected whole numbers, was float64"),
        (lambda: limit_orders(300, 1, 5), ValueError, "side: expected 0 to 255, was 300 to 300"),
        (lambda: limit_orders([1, 2], [1, 2, 3], 5), ValueError, "expected columns of one length"),
        (lambda: limit_orders([[1], [2]], 1, 5), ValueError, "expected columns of one dimension, was 2"),
        (lambda: limit_orders(BUY, 1, 5, hidden=3), TypeError, "expected one of instrument, account"),
        (lambda: make_commands(Kind.NEW, quantity=3), TypeError, "expected fields of a command, was 'quantity'"),
        (lambda: limit_orders(BUY, 1, 5, cl="A" * 21), ValueError, "cl: expected at most 20 printable ASCII"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(make, kind, problem: str) -> None:  # type: ignore[no-untyped-def]
    """Columns that do not exist or do not fit are errors that name them."""
    with pytest.raises(kind, match=problem):
        make()
