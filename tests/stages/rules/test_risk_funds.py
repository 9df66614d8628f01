"""Pre-funded accounts, transfers and fees, and that money and lots are conserved, by example."""

from __future__ import annotations

import random

import pytest

from protocols.codes import CommandFlag, OrdType, Reason, Side, Tif, TradingState
from tests.stages.rules.controls import WITHDRAW, fees, fund, join, resting, transfer
from tests.twin.scenario import BUY, EUR, SELL, USD, Desk, MakeDesk, reason

pytestmark = pytest.mark.jitoff

CAROL = {"account": 3}


@pytest.mark.parametrize(
    ("qty", "expected"), [(3, Reason.NONE), (4, Reason.NONE), (5, Reason.INSUFFICIENT_FUNDS)]
)
def test_a_buy_needs_cash(desk: Desk, qty: int, expected: Reason) -> None:
    """What a pre-funded account reserves may reach its cash."""
    fund(desk, cash=100)
    assert reason(desk.buy(6, at=10, cl="A", **CAROL)) is Reason.NONE
    assert reason(desk.buy(qty, at=10, cl="B", **CAROL)) is expected
    assert reason(desk.replace("A", "C", 6, at=17)) is Reason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    ("qty", "expected"), [(3, Reason.NONE), (4, Reason.NONE), (5, Reason.INSUFFICIENT_POSITION)]
)
def test_a_sell_needs_lots(desk: Desk, qty: int, expected: Reason) -> None:
    """Open sells of a pre-funded account may reach its position, replaces included."""
    fund(desk, lots=10)
    assert reason(desk.sell(6, at=10, cl="A", **CAROL)) is Reason.NONE
    assert reason(desk.sell(qty, at=10, cl="B", **CAROL)) is expected
    assert reason(desk.replace("A", "C", 11, at=17)) is Reason.INSUFFICIENT_POSITION


@pytest.mark.parametrize("ord_type", [OrdType.MARKET, OrdType.STOP, OrdType.TRAILING_STOP])
def test_a_buy_needs_a_price(desk: Desk, ord_type: OrdType) -> None:
    """Buys without a limit are not for pre-funded accounts, sells are."""
    desk.trade(10)
    fund(desk, cash=1000, lots=10)
    order = {"ord_type": ord_type, "aux0": 5 if ord_type != OrdType.MARKET else 0, **CAROL}
    assert reason(desk.buy(1, at=0, cl="A", **order)) is Reason.ORDER_TYPE_NOT_PERMITTED
    assert reason(desk.sell(1, at=0, cl="A", **order)) is Reason.NONE


def test_what_is_bought_can_be_sold(desk: Desk) -> None:
    """Fills turn reserved cash into lots and lots into cash, when risk has seen them."""
    fund(desk, cash=100)
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=12, cl="A", **CAROL)
    assert reason(desk.sell(5, at=10, cl="B", seen=desk.seq - 1, **CAROL)) is Reason.INSUFFICIENT_POSITION
    assert reason(desk.sell(5, at=20, cl="B", **CAROL)) is Reason.NONE
    assert desk.money(3).cash == 50
    assert reason(desk.buy(6, at=10, cl="C", **CAROL)) is Reason.INSUFFICIENT_FUNDS
    assert reason(desk.buy(5, at=10, cl="C", **CAROL)) is Reason.NONE


@pytest.mark.parametrize(
    ("amount", "expected"), [(39, Reason.NONE), (40, Reason.NONE), (41, Reason.INSUFFICIENT_FUNDS)]
)
def test_a_withdrawal_takes_what_is_free(desk: Desk, amount: int, expected: Reason) -> None:
    """Cash that is reserved, and credit, cannot be withdrawn."""
    transfer(desk, 100)
    desk.buy(6, at=10, cl="A")
    assert transfer(desk, amount, WITHDRAW).reason is expected


@pytest.mark.parametrize(
    ("amount", "expected"), [(3, Reason.NONE), (4, Reason.NONE), (5, Reason.INSUFFICIENT_POSITION)]
)
def test_a_withdrawal_of_lots(desk: Desk, amount: int, expected: Reason) -> None:
    """Lots in open sells cannot be withdrawn."""
    transfer(desk, 10, instrument=1)
    desk.sell(6, at=10, cl="A")
    assert transfer(desk, amount, WITHDRAW, instrument=1).reason is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cl": ""}, Reason.MISSING_CL_ORD_ID),
        ({"cl": "USED"}, Reason.DUPLICATE_CL_ORD_ID),
        ({"account": 4}, Reason.UNKNOWN_ACCOUNT),
        ({"account": 0}, Reason.UNKNOWN_ACCOUNT),
        ({"instrument": 3}, Reason.UNKNOWN_INSTRUMENT),
        ({"instrument": 2}, Reason.CURRENCY_MISMATCH),
        ({"side": 0}, Reason.INVALID_SIDE),
        ({"side": 3}, Reason.INVALID_SIDE),
        ({"amount": 0}, Reason.INVALID_QTY),
        ({"amount": -1}, Reason.INVALID_QTY),
        ({"amount": 2**60 + 1}, Reason.INVALID_QTY),
        ({"amount": 2**60}, Reason.NONE),
        ({"side": WITHDRAW, "instrument": 1}, Reason.INSUFFICIENT_POSITION),
    ],
)
def test_what_a_transfer_must_name(desk: Desk, fields: dict[str, int | str], expected: Reason) -> None:
    """Reference, account, instrument, side and amount are checked in this order."""
    desk.instrument(2, "EURO", currency=EUR)
    transfer(desk, 1, cl="USED")
    values = {"amount": 1, "side": 1, "cl": "NEW", **fields}
    assert transfer(desk, **values).reason is expected  # type: ignore[arg-type]


def test_a_reference_is_used_up_once(desk: Desk) -> None:
    """A transfer that was done is not done again; one that was refused may be sent again; sessions have their own."""
    assert transfer(desk, 5, WITHDRAW, cl="R").reason is Reason.INSUFFICIENT_FUNDS
    assert transfer(desk, 5, cl="R") == (Reason.NONE, 5, 5)
    assert transfer(desk, 5, cl="R").reason is Reason.DUPLICATE_CL_ORD_ID
    assert reason(desk.buy(1, at=10, cl="R")) is Reason.NONE


def test_deposits_end_where_checks_end(desk: Desk) -> None:
    """Cash that checks can see ends at 2^61, lots at 2^60 with open buys."""
    assert transfer(desk, 2**60).leaves == 2**60
    assert transfer(desk, 2**60).leaves == 2**61
    assert transfer(desk, 1).reason is Reason.INVALID_QTY
    assert transfer(desk, 2**60 - 5, instrument=1).leaves == 2**60 - 5
    desk.buy(4, at=1, cl="A")
    assert transfer(desk, 2, instrument=1).reason is Reason.POSITION_LIMIT
    assert transfer(desk, 1, instrument=1).leaves == 2**60 - 4


def test_room_for_a_transfer(make_desk: MakeDesk) -> None:
    """Lots need a position row, and each transfer a ClOrdID."""
    desk = make_desk(max_positions=1, max_cl_ord_ids=3)
    assert transfer(desk, 1, instrument=1).reason is Reason.NONE
    assert transfer(desk, 1, instrument=1, account=2).reason is Reason.NO_ROOM
    assert transfer(desk, 1, account=2).reason is Reason.NONE
    assert transfer(desk, 1, account=2).reason is Reason.NONE
    assert transfer(desk, 1, account=2).reason is Reason.NO_ROOM


def with_fees(desk: Desk, maker: int, taker: int, auction: int = 0) -> None:
    """Let account 4 get fees."""
    desk.account(4, "FEES")
    assert fees(desk, maker, taker, auction).reason is Reason.NONE


@pytest.mark.parametrize(
    ("rate", "fee"),
    [(1, 1), (999, 1), (1000, 1), (1001, 2), (1_000_000, 1000), (-1, 0), (-999, 0), (-1000, -1), (-2500, -2)],
)
def test_a_fee_rounds_towards_the_venue(desk: Desk, rate: int, fee: int) -> None:
    """A fill of 1000 pays its share, rounded up; a rebate is rounded towards nothing."""
    with_fees(desk, 0, rate)
    desk.sell(10, at=100, cl="S", account=2)
    desk.buy(10, at=100, cl="A")
    desk.tick()
    assert [desk.money(account).cash for account in (1, 2, 4)] == [-1000 - fee, 1000, fee]


def test_maker_taker_and_auction(desk: Desk) -> None:
    """Each role has its rate, as it is when the fill is fed back, both sides pay, and nothing is lost."""
    with_fees(desk, -10_000, 20_000, 30_000)
    desk.sell(10, at=100, cl="S", account=2)
    desk.buy(10, at=100, cl="A")
    desk.tick()
    assert [desk.money(account).cash for account in (1, 2, 4)] == [-1020, 1010, 10]
    desk.state(TradingState.OPENING_AUCTION)
    desk.sell(10, at=100, cl="T", account=2)
    desk.buy(10, at=100, cl="B")
    desk.state(TradingState.CONTINUOUS)
    desk.tick()
    assert [desk.money(account).cash for account in (1, 2, 4)] == [-2050, 1980, 70]


def test_a_fee_that_is_raised_later(desk: Desk) -> None:
    """An order pays at most the highest rate of when it was accepted, or replaced last; a lower one counts."""
    with_fees(desk, 10_000, 0)
    desk.sell(10, at=100, cl="S", account=2)
    fees(desk, 50_000, 0)
    desk.buy(5, at=100, cl="A")
    desk.tick()
    assert desk.money(2).cash == 500 - 5
    desk.replace("S", "S2", 10, at=100)
    desk.buy(5, at=100, cl="B")
    desk.tick()
    assert desk.money(2).cash == 1000 - 5 - 25


@pytest.mark.parametrize(
    ("cash", "expected"), [(109, Reason.INSUFFICIENT_FUNDS), (110, Reason.NONE), (111, Reason.NONE)]
)
def test_a_buy_reserves_its_fee(desk: Desk, cash: int, expected: Reason) -> None:
    """Each lot of a buy reserves its price and the highest fee, rounded up; of a sell the price alone."""
    with_fees(desk, -5, 50_001)
    fund(desk, cash=cash)
    assert reason(desk.buy(10, at=10, cl="A", **CAROL)) is expected
    assert reason(desk.sell(10, at=10, cl="B", account=2)) is Reason.NONE
    desk.tick()
    assert desk.money(3).cash >= 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((10**6, 10**6, 10**6), Reason.NONE),
        ((-(10**6), -(10**6), -(10**6)), Reason.NONE),
        ((10**6 + 1, 0, 0), Reason.INVALID_COMMAND),
        ((0, -(10**6) - 1, 0), Reason.INVALID_COMMAND),
        ((0, 0, 2**62), Reason.INVALID_COMMAND),
    ],
)
def test_rates(desk: Desk, values: tuple[int, int, int], expected: Reason) -> None:
    """A rate is at most all of the money, either way."""
    desk.account(4, "FEES")
    assert fees(desk, *values).reason is expected


def test_who_gets_fees(desk: Desk) -> None:
    """Fees need a known account with credit and of the currency; without fees nobody is looked at."""
    assert fees(desk, 1, 0).reason is Reason.UNKNOWN_ACCOUNT
    assert fees(desk, 0, 0, account=-1).reason is Reason.NONE
    assert fees(desk, 1, 0, instrument=2).reason is Reason.UNKNOWN_INSTRUMENT
    join(desk, 0, 3, "CAROL", flags=CommandFlag.PREFUNDED)
    assert fees(desk, 1, 0, account=3).reason is Reason.INVALID_COMMAND
    desk.account(4, "EURO", currency=EUR)
    assert fees(desk, 1, 0).reason is Reason.CURRENCY_MISMATCH


def test_an_order_of_two_to_the_sixty_has_no_room_for_a_fee(desk: Desk) -> None:
    """The money that a buy reserves ends at 2^60 with its fee; a sell of that value passes."""
    with_fees(desk, 1, 1)
    assert reason(desk.buy(1, at=2**60, cl="A")) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.buy(1, at=2**59, cl="A")) is Reason.NONE
    assert reason(desk.replace("A", "B", 2, at=2**59)) is Reason.MAX_ORDER_NOTIONAL
    desk.cancel("A")
    assert reason(desk.sell(1, at=2**60, cl="C")) is Reason.NONE


@pytest.mark.parametrize("seed", range(4))
def test_money_and_lots_are_conserved(make_desk: MakeDesk, seed: int) -> None:
    """Under a random flow with fees, cash and positions change by transfers alone; what has ended reserves nothing."""
    desk = make_desk(max_cl_ord_ids=512, max_orders=64, max_levels=32)
    with_fees(desk, -700, 1900, 300)
    fund(desk, cash=5000, lots=100)
    draw = random.Random(seed)
    for n in range(150):
        account, side = draw.randrange(1, 4), draw.choice(list(Side))
        tif = draw.choice([Tif.GTC, Tif.IOC])
        desk.new(side, draw.randrange(1, 9), draw.randrange(8, 13), f"O{n}", account=account, tif=tif)
        if draw.random() < 0.3:
            desk.cancel(f"O{draw.randrange(n + 1)}")
        if draw.random() < 0.2:
            desk.replace(f"O{draw.randrange(n + 1)}", f"R{n}", draw.randrange(1, 9), at=draw.randrange(8, 13))
        carol = desk.money(3)
        assert carol.cash >= carol.reserved_buy >= 0
    desk.mass_cancel()
    desk.tick()
    assert resting(desk) == []
    rows = desk.core.dump_accounts()
    assert sum(row.cash for row in rows) == 5000
    assert all((row.open_orders, row.reserved_buy) == (0, 0) for row in rows)
    positions = desk.core.dump_positions()
    assert sum(row.position for row in positions) == 100
    assert all((row.open_buy, row.open_sell) == (0, 0) for row in positions)


def test_names_of_accounts_and_currencies(desk: Desk) -> None:
    """An account is pre-funded for good."""
    fund(desk)
    assert join(desk, 0, 3, "CAROL", orig2=USD).reason is Reason.INVALID_COMMAND
    assert join(desk, 0, 3, "CAROL", flags=CommandFlag.PREFUNDED).reason is Reason.NONE
    assert reason(desk.new(SELL, 1, 10, "A", **CAROL)) is Reason.INSUFFICIENT_POSITION
    assert reason(desk.new(BUY, 1, 10, "A", **CAROL)) is Reason.INSUFFICIENT_FUNDS
