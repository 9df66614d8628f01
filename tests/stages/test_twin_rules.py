"""Each rule of ``docs/rules.md`` by example, in its order; the twin, and the compiled core where it exists.

Books are drawn best price highest, oldest order leftmost, each order as ClOrdID:leaves. Outcomes are shown as
lines: type, ClOrdID, qty@price, leaves and cum, role, OrigClOrdID, reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.codes import CommandFlag, Kind, Limit, OrdType, OutcomeFlag, OutcomeType, Reason, Side, Tif
from protocols.text import pack_text
from tests.twin.matching import MatchingTwin
from tests.twin.compiled import core_makers
from tests.twin.records import Outcome, make_command
from tests.twin.risk import Verdict
from tests.twin.scenario import AMPLE, CAPACITIES, EUR, USD, AnyCore, Desk, lines, open_desk, reason
from tests.twin.view import AccountRow, PositionRow, table

pytestmark = pytest.mark.jitoff

MAKERS = core_makers()
BUY, SELL = Side.BUY, Side.SELL

MakeDesk = Callable[..., Desk]


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def make_core(request: pytest.FixtureRequest) -> Callable[..., AnyCore]:
    """Return the maker of one kind of core."""
    maker: Callable[..., AnyCore] = request.param
    return maker


@pytest.fixture
def make_desk(make_core: Callable[..., AnyCore]) -> MakeDesk:
    """Return a function that opens a desk at a core with other capacities than the usual."""

    def make(**changes: int) -> Desk:
        capacities = {**CAPACITIES, **changes}
        return open_desk(make_core(**capacities), capacities)

    return make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Return a desk with instrument 1, ample accounts 1 and 2, and session 1 open."""
    return make_desk()


# Sessions and administration


def test_sessions_are_numbered_by_first_opening(desk: Desk) -> None:
    """The first name gets id 1, the next id 2, and a name keeps its id when it opens again."""
    assert desk.open_session("GW2")[0].session == 2
    desk.close_session(1)
    assert desk.open_session("GW1")[0].session == 1


def test_session_names_differ_in_their_last_byte(desk: Desk) -> None:
    """All 20 bytes of a session's name count."""
    assert desk.open_session("N" * 19 + "a")[0].session == 2
    assert desk.open_session("N" * 19 + "b")[0].session == 3


def test_session_without_name(desk: Desk) -> None:
    """A session needs a name."""
    assert reason(desk.open_session("")) is Reason.INVALID_COMMAND


def test_session_room(desk: Desk) -> None:
    """As many names as max_sessions open; one more has no room, a known one still opens."""
    assert reason(desk.open_session("GW2")) is Reason.NONE
    assert reason(desk.open_session("GW3")) is Reason.NONE
    assert reason(desk.open_session("GW4")) is Reason.NO_ROOM
    assert reason(desk.open_session("GW2")) is Reason.NONE


@pytest.mark.parametrize("session", [0, 2, 3, 4, 65535])
def test_close_unknown_session(desk: Desk, session: int) -> None:
    """A session that never opened cannot close."""
    assert reason(desk.close_session(session)) is Reason.UNKNOWN_SESSION


def test_close_session_twice(desk: Desk) -> None:
    """A closed session is not open."""
    assert reason(desk.close_session(1)) is Reason.NONE
    assert reason(desk.close_session(1)) is Reason.UNKNOWN_SESSION


def test_a_closed_session_sends_nothing(desk: Desk) -> None:
    """Every client command of a closed session is rejected, and works again when it reopens."""
    desk.buy(1, at=10, cl="A")
    desk.close_session(1)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.UNKNOWN_SESSION
    assert reason(desk.cancel("A")) is Reason.UNKNOWN_SESSION
    assert reason(desk.reduce("A", 1)) is Reason.UNKNOWN_SESSION
    assert reason(desk.replace("A", "C", 2, at=10)) is Reason.UNKNOWN_SESSION
    desk.open_session("GW1")
    assert reason(desk.cancel("A")) is Reason.NONE


@pytest.mark.parametrize(
    "wrong",
    [
        {"instrument": 0},
        {"instrument": -1},
        {"instrument": 5},
        {"symbol": ""},
        {"tick_e8": 0},
        {"lot_e8": 0},
        {"lot_e8": -1},
        {"tick_value": 0},
        {"tick_value": 2**40 + 1},
        {"low": -1},
        {"high": -1},
        {"low": 11, "high": 10},
    ],
    ids=str,
)
def test_invalid_instruments(desk: Desk, wrong: dict[str, Any]) -> None:
    """Each wrong field alone makes an instrument invalid."""
    assert reason(desk.instrument(**{"instrument": 2, "symbol": "NEW", **wrong})) is Reason.INVALID_COMMAND
    assert reason(desk.buy(1, at=10, instrument=2)) is Reason.UNKNOWN_INSTRUMENT


@pytest.mark.parametrize(
    "right",
    [
        {"instrument": 4},
        {"tick_value": 2**40},
        {"low": 10, "high": 10},
        {"low": 10, "high": 0},
        {"currency": 0},
    ],
    ids=str,
)
def test_valid_instruments(desk: Desk, right: dict[str, Any]) -> None:
    """The extremes are valid."""
    assert reason(desk.instrument(**{"instrument": 2, "symbol": "NEW", **right})) is Reason.NONE


@pytest.mark.parametrize(
    "other",
    [{"symbol": "OTHER"}, {"tick_e8": 2}, {"lot_e8": 2}, {"tick_value": 2}, {"currency": EUR}],
    ids=str,
)
def test_an_instrument_keeps_its_terms(desk: Desk, other: dict[str, Any]) -> None:
    """A known instrument cannot be defined with other terms, and keeps its band when that is tried."""
    assert reason(desk.instrument(1, **{"high": 5, **other})) is Reason.INVALID_COMMAND
    assert reason(desk.buy(1, at=6)) is Reason.NONE


def test_an_instrument_changes_its_band(desk: Desk) -> None:
    """The same terms with another band move the band."""
    assert reason(desk.instrument(1, low=5, high=7)) is Reason.NONE
    assert reason(desk.buy(1, at=8, cl="A")) is Reason.PRICE_OUT_OF_BAND
    assert reason(desk.instrument(1, low=0, high=0)) is Reason.NONE
    assert reason(desk.buy(1, at=8, cl="A")) is Reason.NONE


@pytest.mark.parametrize(
    ("account", "name", "expected"),
    [
        (0, "CAROL", Reason.INVALID_COMMAND),
        (5, "CAROL", Reason.INVALID_COMMAND),
        (-1, "CAROL", Reason.INVALID_COMMAND),
        (3, "", Reason.INVALID_COMMAND),
        (4, "CAROL", Reason.NONE),
    ],
)
def test_accounts(desk: Desk, account: int, name: str, expected: Reason) -> None:
    """An account needs an id within 1..max_accounts and a name."""
    assert reason(desk.account(account, name)) is expected


def test_an_account_again(desk: Desk) -> None:
    """The same account again is accepted and changes nothing; with another name or currency it is invalid."""
    desk.limit(Limit.MAX_ORDER_QTY, 7)
    assert reason(desk.account(1, "ALICE")) is Reason.NONE
    assert reason(desk.account(1, "ALICIA")) is Reason.INVALID_COMMAND
    assert reason(desk.account(1, "ALICE", currency=EUR)) is Reason.INVALID_COMMAND
    assert reason(desk.buy(8, at=10)) is Reason.MAX_ORDER_QTY
    assert reason(desk.buy(7, at=10)) is Reason.NONE


def test_a_new_account_may_do_nothing(desk: Desk) -> None:
    """All limits of a new account are 0."""
    desk.account(3, "CAROL")
    for which, expected in (
        (Limit.MAX_ORDER_QTY, Reason.MAX_ORDER_QTY),
        (Limit.MAX_ORDER_NOTIONAL, Reason.MAX_ORDER_NOTIONAL),
        (Limit.MAX_OPEN_ORDERS, Reason.MAX_OPEN_ORDERS),
        (Limit.MAX_LONG, Reason.POSITION_LIMIT),
        (Limit.CREDIT, Reason.CREDIT_LIMIT),
    ):
        assert reason(desk.buy(1, at=1, account=3)) is expected
        desk.limit(which, 1, account=3)
    assert reason(desk.sell(1, at=1, account=3)) is Reason.POSITION_LIMIT
    assert reason(desk.buy(1, at=1, account=3)) is Reason.NONE


@pytest.mark.parametrize(
    ("account", "which", "value", "expected"),
    [
        (3, 1, 1, Reason.UNKNOWN_ACCOUNT),
        (0, 1, 1, Reason.UNKNOWN_ACCOUNT),
        (-1, 1, 1, Reason.UNKNOWN_ACCOUNT),
        (5, 0, -1, Reason.UNKNOWN_ACCOUNT),
        (1, 0, 1, Reason.INVALID_COMMAND),
        (1, 7, 1, Reason.INVALID_COMMAND),
        (1, 1, -1, Reason.INVALID_COMMAND),
        (1, 1, 2**60 + 1, Reason.INVALID_COMMAND),
        (1, 6, 2**60, Reason.NONE),
        (1, 1, 0, Reason.NONE),
    ],
)
def test_limits(desk: Desk, account: int, which: int, value: int, expected: Reason) -> None:
    """A limit needs a known account, a known number, and a value from 0 to 2^60."""
    assert reason(desk.limit(which, value, account)) is expected


@pytest.mark.parametrize(
    ("account", "side", "expected"),
    [
        (3, 1, Reason.UNKNOWN_ACCOUNT),
        (3, 0, Reason.UNKNOWN_ACCOUNT),
        (1, 0, Reason.INVALID_SIDE),
        (1, 3, Reason.INVALID_SIDE),
        (1, 2, Reason.NONE),
    ],
)
def test_kill_codes(desk: Desk, account: int, side: int, expected: Reason) -> None:
    """A kill needs a known account, then side 1 or 2."""
    assert reason(desk.kill(account, side)) is expected


def test_kill_engages_and_releases(desk: Desk) -> None:
    """A killed account neither opens nor replaces orders, but cancels and reduces; released, it trades again."""
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="B")
    desk.kill(1)
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.ACCOUNT_KILLED
    assert reason(desk.replace("A", "C", 4, at=10)) is Reason.ACCOUNT_KILLED
    assert reason(desk.reduce("A", 1)) is Reason.NONE
    assert reason(desk.cancel("B")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", account=2)) is Reason.NONE
    desk.kill(1, side=2)
    assert reason(desk.buy(1, at=10, cl="D")) is Reason.NONE


@pytest.mark.parametrize("kind", [Kind.CHECKPOINT, Kind.TICK])
def test_silent_kinds(desk: Desk, kind: Kind) -> None:
    """CHECKPOINT and TICK have no outcome."""
    assert desk.send(make_command(kind, cl="X", account=1, aux0=1)) == []


def test_venue_comes_first(make_core: Callable[..., AnyCore]) -> None:
    """VENUE at sequence 1 has no outcome; elsewhere it is invalid."""
    desk = Desk(make_core(**CAPACITIES))
    assert desk.seq == 1
    assert desk.history == []
    assert reason(desk.send(make_command(Kind.VENUE))) is Reason.INVALID_COMMAND


@pytest.mark.parametrize("kind", [0, 5, 9, 15, 25, 30, Kind.INVALID, 32, 255])
def test_invalid_kinds(desk: Desk, kind: int) -> None:
    """Any other kind is invalid."""
    assert reason(desk.send(make_command(kind, session=1))) is Reason.INVALID_COMMAND


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (Kind.SESSION_OPEN, {"cl": "GW1", "session": 3}, {"session": 1}),
        (Kind.SESSION_CLOSE, {"cl": "GW1", "session": 1}, {"session": 1}),
        (Kind.ACCOUNT, {"account": 1, "cl": "ALICE", "orig2": USD}, {"account": 1}),
        (Kind.ACCOUNT, {"account": 9, "cl": "ALICE"}, {"account": 9, "reason": Reason.INVALID_COMMAND}),
        (Kind.LIMIT, {"account": 1, "ord_type": 2, "qty_lots": 5, "cl": "L"}, {"account": 1}),
        (Kind.KILL, {"account": 1, "side": 2, "cl": "K"}, {"account": 1}),
        (Kind.KILL, {"account": 1, "side": 7, "cl": "K"}, {"account": 1, "reason": Reason.INVALID_SIDE}),
        (
            Kind.INSTRUMENT,
            {"instrument": 2, "price_ticks": 1, "qty_lots": 1, "aux0": 1, "cl": "NEW", "order_id": 3},
            {"instrument": 2},
        ),
        (Kind.SESSION_OPEN, {"session": 3, "orig0": 7}, {"session": 3, "reason": Reason.INVALID_COMMAND}),
    ],
)
def test_administrative_outcome(
    desk: Desk, kind: int, given: dict[str, Any], expected: dict[str, int]
) -> None:
    """One outcome at index 0 with kind, session, texts, side, account, instrument; amounts and id are 0."""
    command = make_command(kind, **{"session": 2 if kind != Kind.SESSION_CLOSE else 1, "orig1": 3, **given})
    expected = {"session": command.session, **expected}
    rejected = expected.get("reason", 0) != 0
    assert desk.send(command) == [
        Outcome(
            input_seq=command.seq,
            time_ns=command.time_ns,
            kind=kind,
            cl0=command.cl0,
            cl1=command.cl1,
            cl2=command.cl2,
            orig0=command.orig0,
            orig1=command.orig1,
            orig2=command.orig2,
            side=command.side,
            type=OutcomeType.REJECTED if rejected else OutcomeType.ACCEPTED,
            flags=OutcomeFlag.RISK if rejected else 0,
            **expected,
        )
    ]


@pytest.mark.parametrize("kind", [Kind.VENUE, Kind.INVALID, 77])
def test_outcome_of_an_invalid_kind(desk: Desk, kind: int) -> None:
    """A command of no known kind is echoed as a rejected order is, amounts included; its order id is 0."""
    values = {"qty_lots": 8, "price_ticks": 5, "order_id": 4, "account": 3, "instrument": 2, "side": 9}
    told = desk.send(make_command(kind, cl="V", orig="O", session=6, **values))
    assert told == [
        Outcome(
            input_seq=desk.seq,
            time_ns=1000 + 7 * desk.seq,
            kind=kind,
            cl0=pack_text("V")[0],
            orig0=pack_text("O")[0],
            session=6,
            type=OutcomeType.REJECTED,
            reason=Reason.INVALID_COMMAND,
            flags=OutcomeFlag.RISK,
            **{**values, "order_id": 0},
        )
    ]


# NEW: the checks


def test_new_checks_in_order(desk: Desk) -> None:
    """An order that is wrong in every way is told the first reason, then, as it is mended, each in its order."""
    desk.instrument(2, "BAND", low=10, high=20, currency=EUR)
    desk.account(3, "CAROL", currency=USD)
    desk.kill(3)
    desk.account(4, "DAVE", currency=EUR)
    desk.buy(1, at=10, cl="USED")
    order: dict[str, Any] = {
        "session": 2,
        "cl": "",
        "instrument": 3,
        "account": 5,
        "side": 3,
        "ord_type": 3,
        "tif": 5,
        "at": 0,
        "qty": 0,
        "flags": CommandFlag.BOOK_ONLY | CommandFlag.OFF_LOT | CommandFlag.OFF_TICK,
    }
    both = CommandFlag.OFF_LOT | CommandFlag.OFF_TICK
    steps: list[tuple[Reason, dict[str, Any] | Callable[[], object]]] = [
        (Reason.UNKNOWN_SESSION, {"session": 1}),
        (Reason.MISSING_CL_ORD_ID, {"cl": "USED"}),
        (Reason.DUPLICATE_CL_ORD_ID, {"cl": "N"}),
        (Reason.UNKNOWN_INSTRUMENT, {"instrument": 2}),
        (Reason.UNKNOWN_ACCOUNT, {"account": 3}),
        (Reason.ACCOUNT_KILLED, lambda: desk.kill(3, side=2)),
        (Reason.INVALID_SIDE, {"side": BUY}),
        (Reason.UNSUPPORTED_ORDER_TYPE, {"ord_type": OrdType.MARKET}),
        (Reason.UNSUPPORTED_TIF, {"tif": Tif.FOK}),
        (Reason.UNSUPPORTED_ORDER_TYPE, {"ord_type": OrdType.LIMIT}),
        (Reason.UNSUPPORTED_ORDER_TYPE, {"ord_type": OrdType.DIRECTED, "flags": both}),
        (Reason.QTY_NOT_ON_LOT, {"flags": CommandFlag.OFF_TICK}),
        (Reason.INVALID_QTY, {"qty": 5}),
        (Reason.PRICE_NOT_ON_TICK, {"flags": 0}),
        (Reason.INVALID_PRICE, {"at": 9}),
        (Reason.PRICE_OUT_OF_BAND, {"at": 10}),
        (Reason.CURRENCY_MISMATCH, {"account": 4}),
        (Reason.MAX_ORDER_QTY, lambda: desk.limit(Limit.MAX_ORDER_QTY, 5, 4)),
        (Reason.MAX_ORDER_NOTIONAL, lambda: desk.limit(Limit.MAX_ORDER_NOTIONAL, 50, 4)),
        (Reason.MAX_OPEN_ORDERS, lambda: desk.limit(Limit.MAX_OPEN_ORDERS, 1, 4)),
        (Reason.POSITION_LIMIT, lambda: desk.limit(Limit.MAX_LONG, 5, 4)),
        (Reason.CREDIT_LIMIT, lambda: desk.limit(Limit.CREDIT, 50, 4)),
        (Reason.UNKNOWN_ORDER, {"orig": "USED"}),
    ]
    for expected, mend in steps:
        told = desk.new(**order)
        assert (reason(told), told[0].flags) == (expected, OutcomeFlag.RISK | OutcomeFlag.NEW)
        if callable(mend):
            mend()
        else:
            order.update(mend)
    order.update(ord_type=OrdType.LIMIT)
    assert reason(desk.new(**order)) is Reason.NONE


@pytest.mark.parametrize("ord_type", [0, 3, 4, 15, 17, 255])
def test_unsupported_order_types(desk: Desk, ord_type: int) -> None:
    """Only MARKET, LIMIT and DIRECTED are order types."""
    assert reason(desk.buy(1, at=10, ord_type=ord_type)) is Reason.UNSUPPORTED_ORDER_TYPE


@pytest.mark.parametrize("tif", [0, 5, 255])
def test_unsupported_tifs(desk: Desk, tif: int) -> None:
    """Only GTC, DAY, IOC and FOK are times in force."""
    assert reason(desk.buy(1, at=10, tif=tif)) is Reason.UNSUPPORTED_TIF


@pytest.mark.parametrize(
    ("ord_type", "tif", "expected"),
    [
        (OrdType.LIMIT, Tif.GTC, Reason.NONE),
        (OrdType.LIMIT, Tif.DAY, Reason.NONE),
        (OrdType.LIMIT, Tif.IOC, Reason.UNSUPPORTED_ORDER_TYPE),
        (OrdType.LIMIT, Tif.FOK, Reason.UNSUPPORTED_ORDER_TYPE),
        (OrdType.MARKET, Tif.GTC, Reason.UNSUPPORTED_ORDER_TYPE),
        (OrdType.DIRECTED, Tif.GTC, Reason.UNSUPPORTED_ORDER_TYPE),
    ],
)
def test_book_only_combinations(desk: Desk, ord_type: OrdType, tif: Tif, expected: Reason) -> None:
    """BOOK_ONLY is for resting limit orders."""
    outcomes = desk.buy(1, at=10, ord_type=ord_type, tif=tif, flags=CommandFlag.BOOK_ONLY, order_id=1)
    assert reason(outcomes) is expected


@pytest.mark.parametrize("qty", [0, -1, -(2**63)])
def test_quantity_is_positive(desk: Desk, qty: int) -> None:
    """A quantity of 0 or less is invalid."""
    assert reason(desk.buy(qty, at=10)) is Reason.INVALID_QTY


@pytest.mark.parametrize("price", [0, -1, -(2**63)])
def test_price_is_positive(desk: Desk, price: int) -> None:
    """A price of 0 or less is invalid."""
    assert reason(desk.buy(1, at=price)) is Reason.INVALID_PRICE
    assert reason(desk.directed(BUY, 1, price, "D", order_id=1)) is Reason.INVALID_PRICE


@pytest.mark.parametrize(
    ("price", "expected"),
    [(9, Reason.PRICE_OUT_OF_BAND), (10, Reason.NONE), (11, Reason.NONE), (20, Reason.NONE),
     (21, Reason.PRICE_OUT_OF_BAND)],
)  # fmt: skip
def test_band(desk: Desk, price: int, expected: Reason) -> None:
    """The band includes its ends."""
    desk.instrument(2, "BAND", low=10, high=20)
    assert reason(desk.buy(1, at=price, instrument=2)) is expected


def test_band_without_high(desk: Desk) -> None:
    """With high 0 there is no upper end, and low still holds."""
    desk.instrument(2, "BAND", low=10)
    assert reason(desk.buy(1, at=9, cl="A", instrument=2)) is Reason.PRICE_OUT_OF_BAND
    assert reason(desk.buy(1, at=2**59, cl="A", instrument=2)) is Reason.NONE


def test_market_needs_a_reference(desk: Desk) -> None:
    """A market order is checked at high, else at the last trade price that risk has seen; with none it fails."""
    assert reason(desk.market(BUY, 1, "A")) is Reason.NO_REFERENCE_PRICE
    desk.sell(5, at=7, cl="S", account=2)
    desk.buy(1, at=7, cl="B")
    assert reason(desk.market(BUY, 1, "C", seen=desk.seq - 1)) is Reason.NO_REFERENCE_PRICE
    assert reason(desk.market(BUY, 1, "D")) is Reason.NONE


def test_market_ignores_tick_and_band(desk: Desk) -> None:
    """A market order's own price is not looked at."""
    desk.instrument(2, "BAND", low=10, high=20)
    outcomes = desk.market(BUY, 1, "A", at=-3, instrument=2, flags=CommandFlag.OFF_TICK)
    assert reason(outcomes) is Reason.NONE


def test_market_reserves_at_the_check_price(desk: Desk) -> None:
    """High is the check price where there is one, else the last trade price, in notional and reservation."""
    desk.instrument(1, high=20)
    desk.sell(1, at=7, cl="S", account=2)
    desk.buy(1, at=7, cl="B")
    desk.limit(Limit.MAX_ORDER_NOTIONAL, 59)
    assert reason(desk.market(BUY, 3, "C")) is Reason.MAX_ORDER_NOTIONAL
    desk.instrument(1, high=0)
    assert reason(desk.market(BUY, 9, "D")) is Reason.MAX_ORDER_NOTIONAL
    assert reason(desk.market(BUY, 8, "D")) is Reason.NONE
    assert desk.money().reserved_buy == 56


def test_currency_mismatch(desk: Desk) -> None:
    """An account trades instruments of its own currency only."""
    desk.instrument(2, "EURO", currency=EUR)
    assert reason(desk.buy(1, at=10, instrument=2)) is Reason.CURRENCY_MISMATCH


@pytest.mark.parametrize(
    ("qty", "expected"), [(9, Reason.NONE), (10, Reason.NONE), (11, Reason.MAX_ORDER_QTY)]
)
def test_max_order_qty(desk: Desk, qty: int, expected: Reason) -> None:
    """The largest quantity is the limit."""
    desk.limit(Limit.MAX_ORDER_QTY, 10)
    assert reason(desk.sell(qty, at=5)) is expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(149, Reason.MAX_ORDER_NOTIONAL), (150, Reason.NONE), (151, Reason.NONE)],
)
def test_max_order_notional(desk: Desk, limit: int, expected: Reason) -> None:
    """Price × tick value × quantity may reach the limit."""
    desk.instrument(2, "THREE", tick_value=3)
    desk.limit(Limit.MAX_ORDER_NOTIONAL, limit)
    assert reason(desk.sell(10, at=5, instrument=2)) is expected


@pytest.mark.parametrize(
    ("tick_value", "price", "qty"),
    [
        (2**40, 2**24, 1), (2**40, 2**12, 2**12), (2**40, 2**40, 2**48), (1, 2**63 - 1, 2**60), (1, 2**33, 2**31),
        (3, 2**62, 2), (2**40, 1, 2**20 + 1),
    ],
)  # fmt: skip
def test_notional_does_not_overflow(desk: Desk, tick_value: int, price: int, qty: int) -> None:
    """A product beyond 64 bits is beyond every limit."""
    desk.instrument(2, "HUGE", tick_value=tick_value)
    for side in Side:
        assert reason(desk.new(side, qty, price, "A", instrument=2)) is Reason.MAX_ORDER_NOTIONAL


@pytest.mark.parametrize(("tick_value", "price", "qty"), [(2**40, 1, 2**20), (1, 2**60, 1), (1, 1, 2**60)])
def test_notional_of_two_to_the_sixty(desk: Desk, tick_value: int, price: int, qty: int) -> None:
    """The largest limit can be used up exactly."""
    desk.instrument(2, "HUGE", tick_value=tick_value)
    assert reason(desk.buy(qty, at=price, instrument=2)) is Reason.NONE


def test_max_open_orders(desk: Desk) -> None:
    """An order counts until risk has seen its end."""
    desk.limit(Limit.MAX_OPEN_ORDERS, 2)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.MAX_OPEN_ORDERS
    desk.cancel("A")
    assert reason(desk.buy(1, at=10, cl="C", seen=desk.seq - 1)) is Reason.MAX_OPEN_ORDERS
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE


@pytest.mark.parametrize(
    ("qty", "expected"), [(2, Reason.NONE), (3, Reason.NONE), (4, Reason.POSITION_LIMIT)]
)
def test_max_long(desk: Desk, qty: int, expected: Reason) -> None:
    """Position, open buys and the new order together may reach MAX_LONG; open sells do not help."""
    desk.limit(Limit.MAX_LONG, 10)
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.buy(2, at=9, cl="B")
    desk.sell(3, at=20, cl="C")
    assert desk.position() == PositionRow(1, 1, position=5, open_buy=2, open_sell=3)
    assert reason(desk.buy(qty, at=9, cl="D")) is expected


@pytest.mark.parametrize(
    ("qty", "expected"), [(2, Reason.NONE), (3, Reason.NONE), (4, Reason.POSITION_LIMIT)]
)
def test_max_short(desk: Desk, qty: int, expected: Reason) -> None:
    """Minus the position, open sells and the new order together may reach MAX_SHORT."""
    desk.limit(Limit.MAX_SHORT, 10)
    desk.buy(5, at=10, cl="S", account=2)
    desk.sell(5, at=10, cl="A")
    desk.sell(2, at=11, cl="B")
    desk.buy(3, at=1, cl="C")
    assert desk.position() == PositionRow(1, 1, position=-5, open_buy=3, open_sell=2)
    assert reason(desk.sell(qty, at=11, cl="D")) is expected


def test_a_long_position_may_be_sold_and_turned(desk: Desk) -> None:
    """A position of 5 with MAX_SHORT 3 lets 8 lots be sold."""
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.limit(Limit.MAX_SHORT, 3)
    assert reason(desk.sell(9, at=11, cl="B")) is Reason.POSITION_LIMIT
    assert reason(desk.sell(8, at=11, cl="B")) is Reason.NONE


def test_positions_are_per_instrument(desk: Desk) -> None:
    """Lots in one instrument do not count in another."""
    desk.instrument(2, "OTHER")
    desk.limit(Limit.MAX_LONG, 5)
    assert reason(desk.buy(5, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(5, at=10, cl="B", instrument=2)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", instrument=2)) is Reason.POSITION_LIMIT


@pytest.mark.parametrize(("qty", "expected"), [(2, Reason.NONE), (3, Reason.NONE), (4, Reason.CREDIT_LIMIT)])
def test_credit(desk: Desk, qty: int, expected: Reason) -> None:
    """Reserved money and the new notional, less the cash, may reach CREDIT; buying has spent cash."""
    desk.limit(Limit.CREDIT, 100)
    desk.sell(5, at=10, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.buy(2, at=10, cl="B")
    desk.sell(9, at=99, cl="C")
    desk.tick()
    assert desk.money() == AccountRow(1, open_orders=2, cash=-50, reserved_buy=20)
    assert reason(desk.buy(qty, at=10, cl="D")) is expected


def test_credit_grows_with_sales(desk: Desk) -> None:
    """Cash from sales can be spent, once risk has seen it; selling needs no credit."""
    desk.limit(Limit.CREDIT, 0)
    assert reason(desk.sell(5, at=10, cl="A")) is Reason.NONE
    desk.buy(5, at=10, cl="B", account=2)
    assert reason(desk.buy(1, at=10, cl="C", seen=desk.seq - 1)) is Reason.CREDIT_LIMIT
    assert reason(desk.buy(6, at=10, cl="D")) is Reason.CREDIT_LIMIT
    assert reason(desk.buy(5, at=10, cl="D")) is Reason.NONE


def test_directed_names_its_target(desk: Desk) -> None:
    """A target is an order id, taken as it is, or a ClOrdID that its session has used."""
    desk.open_session("GW2")
    desk.sell(5, at=10, cl="S", account=2)
    assert reason(desk.directed(BUY, 1, 10, "A")) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 10, "A", orig="NONE")) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 10, "A", orig="S", session=2)) is Reason.UNKNOWN_ORDER
    assert reason(desk.directed(BUY, 1, 10, "A", orig="S")) is Reason.NONE
    assert reason(desk.directed(BUY, 1, 10, "B", orig="NONE", order_id=desk.ids["S"])) is Reason.NONE
    told = desk.directed(BUY, 1, 10, "C", order_id=999)
    assert (reason(told), told[0].flags) == (Reason.UNKNOWN_ORDER, OutcomeFlag.NEW)


def test_room_for_orders(make_desk: MakeDesk) -> None:
    """Risk holds max_orders orders, until it has seen the end of one."""
    desk = make_desk(max_orders=2)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", seen=desk.seq - 1)) is Reason.NO_ROOM
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="D", tif=Tif.IOC)) is Reason.NO_ROOM


def test_room_for_positions(make_desk: MakeDesk) -> None:
    """Positions hold max_positions rows; a row stays when its order has ended."""
    desk = make_desk(max_positions=2)
    desk.instrument(2, "OTHER")
    assert reason(desk.buy(1, at=10, cl="A", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="B", account=2)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="C", instrument=2)) is Reason.NO_ROOM
    assert reason(desk.buy(1, at=10, cl="C")) is Reason.NONE
    assert [row[:2] for row in desk.core.dump_positions()] == [(1, 1), (2, 1)]


def test_room_for_cl_ord_ids(make_desk: MakeDesk) -> None:
    """max_cl_ord_ids are used up by orders and replaces, and never come back."""
    desk = make_desk(max_cl_ord_ids=3)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE
    assert reason(desk.replace("A", "B", 2, at=10)) is Reason.NONE
    assert reason(desk.cancel("B", cl="C")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="D")) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="E")) is Reason.NO_ROOM
    assert reason(desk.replace("D", "E", 2, at=10)) is Reason.NO_ROOM
    assert reason(desk.cancel("D", cl="E")) is Reason.NONE


def test_a_rejected_order_leaves_no_trace(desk: Desk) -> None:
    """A rejected order uses up no ClOrdID, no position row, no reservation."""
    desk.limit(Limit.CREDIT, 9)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.CREDIT_LIMIT
    assert desk.core.dump_positions() == []
    assert desk.money() == AccountRow(1, 0, 0, 0)
    assert reason(desk.buy(1, at=9, cl="A")) is Reason.NONE


def test_cl_ord_ids_are_per_session(desk: Desk) -> None:
    """A ClOrdID is used up in its session only, for ever, and all its 20 bytes count."""
    desk.open_session("GW2")
    desk.buy(1, at=10, cl="A")
    desk.cancel("A")
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.DUPLICATE_CL_ORD_ID
    assert reason(desk.buy(1, at=10, cl="A", session=2)) is Reason.NONE
    for cl in ("L" * 20, "L" * 19, "L" * 19 + "M", "L" * 8 + "M" + "L" * 11):
        assert reason(desk.buy(1, at=10, cl=cl)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="L" * 20)) is Reason.DUPLICATE_CL_ORD_ID


def test_what_an_order_reserves(desk: Desk) -> None:
    """A buy reserves lots and money, a sell lots only; both count as open orders."""
    desk.instrument(2, "THREE", tick_value=3)
    desk.buy(5, at=10, cl="A", instrument=2)
    desk.sell(4, at=11, cl="B", instrument=2)
    assert desk.position(1, 2) == PositionRow(1, 2, position=0, open_buy=5, open_sell=4)
    assert desk.money() == AccountRow(1, open_orders=2, cash=0, reserved_buy=150)


# CANCEL, REDUCE, REPLACE: the checks of risk


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
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S", account=2)
    desk.buy(1, at=5, cl="OTHERS", session=2)
    desk.buy(1, at=5, cl="GONE", session=2)
    desk.cancel("GONE", session=2)
    desk.tick()
    for which in Limit:
        desk.limit(which, 0)
    desk.kill(1)
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
        (Reason.ACCOUNT_KILLED, lambda: desk.kill(1, side=2)),
        (Reason.QTY_NOT_ON_LOT, {"flags": CommandFlag.OFF_TICK}),
        (Reason.INVALID_QTY, {"qty": 2}),
        (Reason.PRICE_NOT_ON_TICK, {"flags": 0}),
        (Reason.INVALID_PRICE, {"at": 21}),
        (Reason.PRICE_OUT_OF_BAND, {"at": 20}),
        (Reason.QTY_BELOW_EXECUTED, {"qty": 7}),
        (Reason.MAX_ORDER_QTY, lambda: desk.limit(Limit.MAX_ORDER_QTY, 7)),
        (Reason.MAX_ORDER_NOTIONAL, lambda: desk.limit(Limit.MAX_ORDER_NOTIONAL, 140)),
        (Reason.POSITION_LIMIT, lambda: desk.limit(Limit.MAX_LONG, 8)),
        (Reason.CREDIT_LIMIT, lambda: desk.limit(Limit.CREDIT, 125)),
    ]
    for expected, mend in steps:
        told = desk.replace(**order)
        assert (reason(told), told[0].flags) == (expected, OutcomeFlag.RISK)
        if callable(mend):
            mend()
        else:
            order.update(mend)
    assert reason(desk.replace(**order)) is Reason.NONE


def test_replace_needs_a_cl_ord_id(desk: Desk) -> None:
    """A replace of a good order without a ClOrdID of its own is rejected by risk."""
    desk.buy(5, at=10, cl="A")
    told = desk.replace("A", "", 4, at=10)
    assert (reason(told), told[0].flags) == (Reason.MISSING_CL_ORD_ID, OutcomeFlag.RISK)


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
    assert reason(desk.replace("A", "C", 2**20, at=2**30 + 1, seen=seen)) is Reason.CREDIT_LIMIT
    assert reason(desk.replace("A", "C", 2**20, at=2**40, seen=seen)) is Reason.CREDIT_LIMIT
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
    assert (reason(told), told[0].flags) == (Reason.QTY_BELOW_EXECUTED, 0)
    told = desk.replace("A", "C", 3, at=10)
    assert (reason(told), told[0].flags) == (Reason.QTY_BELOW_EXECUTED, OutcomeFlag.RISK)
    assert reason(desk.replace("A", "D", 4, at=10)) is Reason.NONE


# Feedback


def test_a_fill_moves_position_cash_and_reservation(desk: Desk) -> None:
    """Both sides of a fill are booked, at the price of the trade, when risk sees it, not before."""
    desk.instrument(2, "THREE", tick_value=3)
    desk.sell(5, at=10, cl="S", account=2, instrument=2)
    desk.buy(8, at=12, cl="A", instrument=2)
    assert desk.position(1, 2) == PositionRow(1, 2, 0, 8, 0)
    assert desk.money() == AccountRow(1, 1, 0, 8 * 12 * 3)
    desk.tick()
    assert desk.position(1, 2) == PositionRow(1, 2, 5, 3, 0)
    assert desk.money() == AccountRow(1, 1, -5 * 10 * 3, 3 * 12 * 3)
    assert desk.position(2, 2) == PositionRow(2, 2, -5, 0, 0)
    assert desk.money(2) == AccountRow(2, 0, 5 * 10 * 3, 0)


def test_feedback_up_to_exactly_the_stamp(desk: Desk) -> None:
    """Risk sees the inputs up to seen_seq, and no input after it."""
    desk.buy(1, at=10, cl="A")
    desk.buy(1, at=10, cl="B")
    desk.cancel("A")
    first = desk.seq
    desk.cancel("B", seen=first - 1)
    assert desk.money().open_orders == 2
    desk.send(make_command(Kind.TICK), seen=first)
    assert desk.money().open_orders == 1
    desk.send(make_command(Kind.TICK), seen=first + 1)
    assert desk.money().open_orders == 0


@pytest.mark.parametrize("how", ["cancel", "reduce", "ioc", "fok", "market", "matching"])
def test_an_end_releases_all(make_desk: MakeDesk, how: str) -> None:
    """An order that is cancelled, expires or is rejected by matching frees all that it reserved."""
    desk = make_desk(max_levels=1)
    desk.instrument(1, high=50)
    if how in ("cancel", "reduce"):
        desk.buy(5, at=10, cl="A")
        desk.cancel("A") if how == "cancel" else desk.reduce("A", 5)
    elif how == "matching":
        desk.buy(1, at=10, cl="B", account=2)
        assert reason(desk.buy(5, at=10, cl="A")) is Reason.NO_ROOM
    else:
        tif = {"ioc": Tif.IOC, "fok": Tif.FOK, "market": Tif.GTC}[how]
        ord_type = OrdType.MARKET if how == "market" else OrdType.LIMIT
        desk.buy(5, at=10, cl="A", tif=tif, ord_type=ord_type)
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 0, 0, 0)
    assert desk.money() == AccountRow(1, 0, 0, 0)


def test_a_directed_order_releases_what_it_did_not_trade(desk: Desk) -> None:
    """The rest of a directed order is free again, and so is one whose target is gone."""
    desk.sell(2, at=10, cl="S", account=2)
    desk.directed(BUY, 5, 10, "A", orig="S")
    desk.directed(BUY, 5, 10, "B", orig="S")
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 2, 0, 0)
    assert desk.money() == AccountRow(1, 0, -20, 0)


def test_a_reduction_gives_back(desk: Desk) -> None:
    """A reduce frees the lots that it took off, unless a replace is in flight."""
    desk.buy(9, at=10, cl="A")
    desk.reduce("A", 4)
    desk.tick()
    assert desk.money().reserved_buy == 50
    desk.reduce("A", 1)
    before = desk.seq
    desk.replace("A", "B", 3, at=10, seen=before - 1)
    desk.send(make_command(Kind.TICK), seen=before)
    assert desk.money().reserved_buy == 50
    desk.tick()
    assert desk.money().reserved_buy == 30


def test_a_replace_that_matching_rejects_gives_back(desk: Desk) -> None:
    """The extra reservation of a replace ends when risk sees its rejection."""
    desk.buy(5, at=10, cl="A")
    desk.sell(3, at=10, cl="S", account=2)
    before = desk.seq - 1
    assert reason(desk.replace("A", "B", 2, at=20, seen=before)) is Reason.QTY_BELOW_EXECUTED
    desk.send(make_command(Kind.TICK), seen=before)
    assert desk.money().reserved_buy == 100
    desk.tick()
    assert desk.money().reserved_buy == 20


def test_a_replace_that_risk_rejects_is_not_in_flight(desk: Desk) -> None:
    """The rejection of a replace by risk ends nothing: later changes are settled as if it had not been."""
    desk.buy(9, at=10, cl="A")
    assert reason(desk.replace("A", "B", 0, at=10)) is Reason.INVALID_QTY
    desk.reduce("A", 4)
    desk.tick()
    assert desk.money().reserved_buy == 50


def test_two_replaces_in_flight(desk: Desk) -> None:
    """While one of two replaces is in flight, nothing is given back; then exactly leaves and price are held."""
    desk.buy(5, at=10, cl="A")
    desk.tick()
    seen = desk.seq
    desk.replace("A", "B", 9, at=12, seen=seen)
    first = desk.seq
    desk.replace("B", "C", 2, at=7, seen=seen)
    desk.send(make_command(Kind.TICK), seen=first)
    assert desk.money().reserved_buy == 9 * 12
    desk.tick()
    assert desk.money().reserved_buy == 2 * 7
    assert desk.position().open_buy == 2


def test_a_replaced_order_that_trades_at_once(desk: Desk) -> None:
    """A replace that trades is booked as replaced, then filled."""
    desk.sell(3, at=12, cl="S", account=2)
    desk.buy(5, at=10, cl="A")
    desk.replace("A", "B", 7, at=12)
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 3, 4, 0)
    assert desk.money() == AccountRow(1, 1, -36, 48)


def test_the_end_of_an_order_with_a_replace_in_flight(desk: Desk) -> None:
    """An order that is filled while a replace is in flight is released, and the late rejection does nothing."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="S", account=2)
    assert reason(desk.replace("A", "B", 9, at=10, seen=desk.seq - 2)) is Reason.TOO_LATE
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 5, 0, 0)
    assert desk.money() == AccountRow(1, 0, -50, 0)


def test_cash_stays_within_bounds(desk: Desk) -> None:
    """Cash is kept within 2^61 either way."""
    for turn in range(3):
        desk.sell(2**20, at=2**40, cl=f"S{turn}", account=2)
        desk.limit(Limit.CREDIT, AMPLE)
        desk.directed(SELL, 2**20, 2**40, f"U{turn}", order_id=1)
        told = desk.buy(2**20, at=2**40, cl=f"B{turn}", tif=Tif.IOC)
        if reason(told) is Reason.CREDIT_LIMIT:
            break
    desk.tick()
    assert desk.money(2).cash == 2**60 * turn
    assert turn == 1


# Matching: what is told


def test_risk_rejection_fields(desk: Desk) -> None:
    """A command that risk rejects is echoed whole: flag RISK, NEW for a NEW, id 0 or the target."""
    desk.limit(Limit.CREDIT, 0)
    told = desk.buy(3, at=10, cl="A", orig="O" * 20, order_id=77)
    a = pack_text("A")
    o = pack_text("O" * 20)
    expected = Outcome(
        input_seq=desk.seq, time_ns=1000 + 7 * desk.seq, price_ticks=10, qty_lots=3, account=1, instrument=1,
        cl0=a[0], orig0=o[0], orig1=o[1], orig2=o[2], reason=Reason.CREDIT_LIMIT, session=1,
        type=OutcomeType.REJECTED, side=BUY, flags=OutcomeFlag.RISK | OutcomeFlag.NEW, kind=Kind.NEW,
    )  # fmt: skip
    assert told == [expected]
    told = desk.replace("O" * 20, "A", 3, at=10, order_id=77, side=SELL, instrument=2, account=9)
    expected.input_seq, expected.time_ns, expected.order_id = desk.seq, 1000 + 7 * desk.seq, 77
    expected.reason, expected.flags, expected.kind = Reason.UNKNOWN_ORDER, OutcomeFlag.RISK, Kind.REPLACE
    expected.side, expected.instrument, expected.account = SELL, 2, 9
    assert told == [expected]


def test_accepted_and_filled_fields(desk: Desk) -> None:
    """Accepted first, then taker and maker of each trade, in full."""
    desk.open_session("GW2")
    desk.sell(5, at=10, cl="S" * 20, account=2, session=2, orig="IGNORED")
    told = desk.buy(9, at=12, cl="A", orig="O", tif=Tif.IOC)
    told[0].orig0 -= pack_text("O")[0]  # what ends or accepts an order carries its command's texts
    told[3].orig0 -= pack_text("O")[0]
    a, s = pack_text("A"), pack_text("S" * 20)
    both = {"input_seq": desk.seq, "time_ns": 1000 + 7 * desk.seq, "instrument": 1, "kind": Kind.NEW}
    taker = {**both, "order_id": desk.seq, "account": 1, "session": 1, "side": BUY, "cl0": a[0]}
    maker = {**both, "order_id": desk.seq - 1, "account": 2, "session": 2, "side": SELL}
    maker |= {"cl0": s[0], "cl1": s[1], "cl2": s[2]}
    trade = {"price_ticks": 10, "qty_lots": 5, "cum_lots": 5, "type": OutcomeType.FILLED, "trade_index": 1}
    assert told == [
        Outcome(**taker, index=0, price_ticks=12, qty_lots=9, leaves_lots=9, type=OutcomeType.ACCEPTED),
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
        type=OutcomeType.REJECTED, side=SELL, kind=Kind.CANCEL,
    )  # fmt: skip
    assert told == [expected]
    told = desk.cancel("ORIG", cl="X", order_id=desk.ids["A"], qty_lots=4, price_ticks=3, side=SELL)
    expected.input_seq, expected.time_ns, expected.session = desk.seq, 1000 + 7 * desk.seq, 1
    expected.reason, expected.leaves_lots, expected.cum_lots = Reason.ORDER_MISMATCH, 3, 2
    assert told == [expected]


# Matching: NEW


def test_orders_rest_by_price_then_time(desk: Desk) -> None:
    """The best price stands first, at one price the oldest order."""
    for cl, side, qty, price in (
        ("A", BUY, 5, 10), ("B", BUY, 1, 11), ("C", BUY, 2, 10), ("D", SELL, 4, 13), ("E", SELL, 3, 12),
        ("F", SELL, 9, 13),
    ):  # fmt: skip
        desk.new(side, qty, price, cl)
    assert desk.book() == table("""
                buy | price | sell
                    |    13 | D:4 F:9
                    |    12 | E:3
                B:1 |    11 |
            A:5 C:2 |    10 |
    """)


def test_a_taker_walks_the_book(desk: Desk) -> None:
    """A taker trades best price first, oldest first, at the resting prices; its rest joins the book."""
    for cl, qty, price in (("A", 5, 10), ("B", 1, 11), ("C", 2, 10), ("D", 7, 9)):
        desk.buy(qty, at=price, cl=cl)
    assert lines(desk.sell(9, at=10, cl="T")) == [
        "accepted T 9@10 leaves 9 cum 0",
        "filled T 1@11 leaves 8 cum 1 taker of trade 1",
        "filled B 1@11 leaves 0 cum 1 maker of trade 1",
        "filled T 5@10 leaves 3 cum 6 taker of trade 2",
        "filled A 5@10 leaves 0 cum 5 maker of trade 2",
        "filled T 2@10 leaves 1 cum 8 taker of trade 3",
        "filled C 2@10 leaves 0 cum 2 maker of trade 3",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | T:1
            D:7 |     9 |
    """)


def test_a_maker_filled_in_part_keeps_its_place(desk: Desk) -> None:
    """A resting order that trades in part stays first of its level."""
    desk.sell(5, at=10, cl="A")
    desk.sell(5, at=10, cl="B")
    assert lines(desk.buy(2, at=11, cl="T"))[1:] == [
        "filled T 2@10 leaves 0 cum 2 taker of trade 1",
        "filled A 2@10 leaves 3 cum 2 maker of trade 1",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | A:3 B:5
    """)


def test_books_are_per_instrument(desk: Desk) -> None:
    """Orders of two instruments do not meet."""
    desk.instrument(2, "OTHER")
    desk.buy(5, at=10, cl="A")
    assert lines(desk.sell(5, at=10, cl="B", instrument=2)) == ["accepted B 5@10 leaves 5 cum 0"]
    assert desk.book(2) == table("""
            buy | price | sell
                |    10 | B:5
    """)


def test_day_is_gtc(desk: Desk) -> None:
    """A DAY order rests as a GTC order does."""
    desk.buy(5, at=10, cl="A", tif=Tif.DAY)
    assert desk.book() == table("""
            buy | price | sell
            A:5 |    10 |
    """)


def test_ioc_expires_what_is_left(desk: Desk) -> None:
    """An IOC order trades what it can; the rest expires."""
    desk.sell(2, at=10, cl="S")
    assert lines(desk.buy(5, at=11, cl="A", tif=Tif.IOC)) == [
        "accepted A 5@11 leaves 5 cum 0",
        "filled A 2@10 leaves 3 cum 2 taker of trade 1",
        "filled S 2@10 leaves 0 cum 2 maker of trade 1",
        "expired A 3@11 leaves 0 cum 2 IOC_REMAINDER",
    ]
    assert desk.book() == "empty"


@pytest.mark.parametrize(("qty", "filled"), [(4, True), (5, True), (6, False)])
def test_fok_is_all_or_nothing(desk: Desk, qty: int, filled: bool) -> None:
    """A FOK order counts the lots within its limit, over levels, and trades all or none."""
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=11, cl="S2")
    desk.sell(9, at=12, cl="S3")
    told = lines(desk.buy(qty, at=11, cl="A", tif=Tif.FOK))
    assert told[0] == f"accepted A {qty}@11 leaves {qty} cum 0"
    if filled:
        assert told[-2].startswith(f"filled A {qty - 2}@11 leaves 0 cum {qty}")
    else:
        assert told[1:] == [f"expired A {qty}@11 leaves 0 cum 0 FOK_NOT_FILLABLE"]
        assert desk.book().count(":") == 3


def test_the_price_of_a_market_order_is_not_told(desk: Desk) -> None:
    """What a market order is told of has price 0 where it is no trade, whatever price the command carries."""
    desk.instrument(1, high=20)
    told = lines(desk.market(BUY, 6, "A", at=15))
    assert told == ["accepted A 6@0 leaves 6 cum 0", "expired A 6@0 leaves 0 cum 0 NO_LIQUIDITY"]


def test_market_takes_any_price(desk: Desk) -> None:
    """A market order trades at all prices, beyond the band too, and what is left expires."""
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=99, cl="S2")
    desk.instrument(1, high=20)
    assert lines(desk.market(BUY, 6, "A")) == [
        "accepted A 6@0 leaves 6 cum 0",
        "filled A 2@10 leaves 4 cum 2 taker of trade 1",
        "filled S1 2@10 leaves 0 cum 2 maker of trade 1",
        "filled A 3@99 leaves 1 cum 5 taker of trade 2",
        "filled S2 3@99 leaves 0 cum 3 maker of trade 2",
        "expired A 1@0 leaves 0 cum 5 NO_LIQUIDITY",
    ]


@pytest.mark.parametrize("tif", [Tif.GTC, Tif.DAY, Tif.IOC])
def test_market_never_rests(desk: Desk, tif: Tif) -> None:
    """A market order does not rest whatever its time in force."""
    desk.instrument(1, high=20)
    assert lines(desk.market(SELL, 6, "A", tif=tif)) == [
        "accepted A 6@0 leaves 6 cum 0",
        "expired A 6@0 leaves 0 cum 0 NO_LIQUIDITY",
    ]
    assert desk.book() == "empty"


def test_market_fok(desk: Desk) -> None:
    """A FOK market order counts the whole side."""
    desk.instrument(1, high=20)
    desk.sell(2, at=10, cl="S1")
    desk.sell(3, at=15, cl="S2")
    assert lines(desk.market(BUY, 6, "A", tif=Tif.FOK))[1:] == [
        "expired A 6@0 leaves 0 cum 0 FOK_NOT_FILLABLE"
    ]
    assert lines(desk.market(BUY, 5, "B", tif=Tif.FOK))[-2] == "filled B 3@15 leaves 0 cum 5 taker of trade 2"


def test_book_only_rests_at_once(desk: Desk) -> None:
    """A BOOK_ONLY order does not trade, even if the book is then crossed; the next taker sees it."""
    desk.sell(5, at=10, cl="S")
    told = desk.buy(3, at=12, cl="A", flags=CommandFlag.BOOK_ONLY)
    assert lines(told) == ["accepted A 3@12 leaves 3 cum 0"]
    assert desk.book() == table("""
            buy | price | sell
            A:3 |    12 |
                |    10 | S:5
    """)
    assert lines(desk.sell(4, at=11, cl="T"))[1] == "filled T 3@12 leaves 1 cum 3 taker of trade 1"


def test_directed_trades_with_its_target_alone(desk: Desk) -> None:
    """A directed order passes better prices and older orders, and trades at its own price."""
    desk.sell(5, at=9, cl="BEST")
    desk.sell(5, at=10, cl="OLD")
    desk.sell(5, at=10, cl="TARGET", account=2)
    assert lines(desk.directed(BUY, 2, 7, "A", orig="TARGET")) == [
        "accepted A 2@7 leaves 2 cum 0 was TARGET",
        "filled A 2@7 leaves 0 cum 2 taker of trade 1",
        "filled TARGET 2@7 leaves 3 cum 2 maker of trade 1",
    ]
    assert desk.book() == table("""
            buy | price | sell
                |    10 | OLD:5 TARGET:3
                |     9 | BEST:5
    """)


@pytest.mark.parametrize("tif", list(Tif))
def test_directed_expires_what_is_left(desk: Desk, tif: Tif) -> None:
    """A directed order never rests and ignores FOK."""
    desk.buy(2, at=10, cl="B")
    assert lines(desk.directed(SELL, 3, 10, "A", orig="B", tif=tif)) == [
        "accepted A 3@10 leaves 3 cum 0 was B",
        "filled A 2@10 leaves 1 cum 2 taker of trade 1",
        "filled B 2@10 leaves 0 cum 2 maker of trade 1",
        "expired A 1@10 leaves 0 cum 2 was B IOC_REMAINDER",
    ]


def test_directed_needs_an_open_target_of_the_other_side(desk: Desk) -> None:
    """A target that is gone, of another instrument or of the same side is unknown; the session is free."""
    desk.instrument(2, "OTHER")
    desk.open_session("GW2")
    desk.sell(2, at=10, cl="S")
    desk.sell(2, at=10, cl="GONE")
    desk.cancel("GONE")
    for order_id, side, instrument in (
        (desk.ids["GONE"], BUY, 1),
        (desk.ids["S"], BUY, 2),
        (desk.ids["S"], SELL, 1),
    ):
        told = desk.directed(side, 2, 10, f"D{desk.seq}", order_id=order_id, instrument=instrument)
        assert (reason(told), told[0].order_id, told[0].flags) == (
            Reason.UNKNOWN_ORDER,
            desk.seq,
            OutcomeFlag.NEW,
        )
        assert (told[0].qty_lots, told[0].price_ticks, told[0].leaves_lots) == (2, 10, 0)
    assert reason(desk.directed(BUY, 2, 10, "D", order_id=desk.ids["S"], session=2)) is Reason.NONE


def test_room_for_levels(make_desk: MakeDesk) -> None:
    """With max_levels levels no order may rest, even on a known level or if it would trade; others go through."""
    desk = make_desk(max_levels=2)
    desk.instrument(2, "OTHER")
    desk.buy(1, at=10, cl="A")
    desk.sell(1, at=20, cl="B", instrument=2)
    told = desk.buy(1, at=10, cl="C")
    assert (reason(told), told[0].order_id, told[0].flags) == (Reason.NO_ROOM, desk.seq, OutcomeFlag.NEW)
    assert reason(desk.sell(1, at=10, cl="D", tif=Tif.DAY)) is Reason.NO_ROOM
    assert reason(desk.sell(1, at=10, cl="E", tif=Tif.IOC)) is Reason.NONE
    assert reason(desk.buy(1, at=10, cl="F")) is Reason.NONE


def test_room_of_the_books() -> None:
    """Matching alone holds max_orders open orders (behind risk it never gets that far: risk counts the same)."""
    books = MatchingTwin(max_orders=2, max_levels=9)
    order: dict[str, Any] = {"instrument": 1, "side": BUY, "ord_type": OrdType.LIMIT, "session": 1}
    order.update(qty_lots=1, price_ticks=10)
    for seq, tif, expected in (
        (1, Tif.GTC, Reason.NONE),
        (2, Tif.GTC, Reason.NONE),
        (3, Tif.DAY, Reason.NO_ROOM),
        (4, Tif.IOC, Reason.IOC_REMAINDER),
    ):
        told = books.process(make_command(Kind.NEW, cl="A", seq=seq, tif=tif, **order), Verdict())
        assert told[-1].reason == expected


# Matching: CANCEL, REDUCE, REPLACE


def test_cancel(desk: Desk) -> None:
    """A cancel takes what is left and says so; cl is the command's, orig the order's."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    assert lines(desk.cancel("A", cl="X")) == ["cancelled X 3@10 leaves 0 cum 2 was A CLIENT_REQUEST"]
    assert desk.book() == "empty"


def test_cancel_in_the_middle_of_a_level(desk: Desk) -> None:
    """The orders around a cancelled one keep their order."""
    for cl in "ABC":
        desk.buy(1, at=10, cl=cl)
    desk.cancel("B")
    desk.buy(1, at=10, cl="D")
    assert desk.book() == table("""
                    buy | price | sell
            A:1 C:1 D:1 |    10 |
    """)


@pytest.mark.parametrize("kind", [Kind.CANCEL, Kind.REDUCE, Kind.REPLACE])
def test_too_late_by_name_unknown_by_id(desk: Desk, kind: Kind) -> None:
    """An order that is no longer open is too late by OrigClOrdID and unknown by id; leaves and cum are 0."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="S", account=2)
    seen = desk.seq - 2
    for named, expected in (
        ({"orig": "A"}, Reason.TOO_LATE),
        ({"order_id": desk.ids["A"]}, Reason.UNKNOWN_ORDER),
    ):
        values: dict[str, Any] = {"qty_lots": 9, "price_ticks": 10, "cl": expected.name[:9], **named}
        told = desk.send(make_command(kind, session=1, **values), seen=seen)
        assert (told[0].reason, told[0].flags, told[0].order_id) == (expected, 0, desk.ids["A"])
        assert (told[0].leaves_lots, told[0].cum_lots, told[0].qty_lots) == (0, 0, 9)


def test_a_change_names_instrument_and_side_rightly(desk: Desk) -> None:
    """A cancel or reduce with another instrument or side than the order's is a mismatch; 0 is any."""
    desk.instrument(2, "OTHER")
    desk.buy(5, at=10, cl="A")
    assert reason(desk.cancel("A", instrument=2)) is Reason.ORDER_MISMATCH
    assert reason(desk.reduce("A", 1, side=SELL)) is Reason.ORDER_MISMATCH
    assert reason(desk.reduce("A", 1, side=BUY, instrument=1, account=9)) is Reason.NONE
    assert reason(desk.cancel("A")) is Reason.NONE


def test_reduce_keeps_priority(desk: Desk) -> None:
    """A reduce takes lots off where the order stands; the order's ClOrdID stays."""
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="B")
    desk.sell(1, at=10, cl="S")
    assert lines(desk.reduce("A", 3, cl="X")) == ["replaced X 2@10 leaves 1 cum 1 was A"]
    assert desk.book() == table("""
                buy | price | sell
            A:1 B:5 |    10 |
    """)
    assert lines(desk.cancel("A", cl="Y")) == ["cancelled Y 1@10 leaves 0 cum 1 was A CLIENT_REQUEST"]


@pytest.mark.parametrize(("qty", "told"), [
    (4, "replaced X 1@10 leaves 1 cum 0 was A"),
    (5, "cancelled X 5@10 leaves 0 cum 0 was A CLIENT_REQUEST"),
    (6, "cancelled X 5@10 leaves 0 cum 0 was A CLIENT_REQUEST"),
    (2**63 - 1, "cancelled X 5@10 leaves 0 cum 0 was A CLIENT_REQUEST"),
])  # fmt: skip
def test_reduce_to_nothing_is_a_cancel(desk: Desk, qty: int, told: str) -> None:
    """A reduce by all that is left, or more, cancels."""
    desk.buy(5, at=10, cl="A")
    assert lines(desk.reduce("A", qty, cl="X")) == [told]
    assert desk.history[-1].kind == Kind.REDUCE


@pytest.mark.parametrize(
    ("qty", "price", "level"),
    [(4, 10, "A:4 B:5"), (5, 10, "B:5 A:5"), (6, 10, "B:5 A:6"), (4, 11, "B:5"), (4, 9, "B:5")],
)
def test_replace_priority(desk: Desk, qty: int, price: int, level: str) -> None:
    """Only fewer lots at the same price keep the place; all else goes to the end of its level."""
    desk.buy(5, at=10, cl="A")
    desk.buy(5, at=10, cl="B")
    assert lines(desk.replace("A", "C", qty, at=price)) == [
        f"replaced C {qty}@{price} leaves {qty} cum 0 was A"
    ]
    rows = [row for row in desk.core.dump_books() if row.price == 10]
    names = {order_id: cl for cl, order_id in desk.ids.items()}
    assert " ".join(f"{names[row.order_id]}:{row.leaves}" for row in rows) == level


def test_replace_counts_executed_lots(desk: Desk) -> None:
    """The quantity of a replace is the total: new leaves are what is not yet executed."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    assert lines(desk.replace("A", "B", 4, at=10)) == ["replaced B 4@10 leaves 2 cum 2 was A"]
    assert lines(desk.replace("B", "C", 9, at=9)) == ["replaced C 9@9 leaves 7 cum 2 was B"]


@pytest.mark.parametrize(("qty", "expected"), [
    (1, Reason.QTY_BELOW_EXECUTED), (2, Reason.QTY_BELOW_EXECUTED), (3, Reason.NONE),
])  # fmt: skip
def test_replace_below_executed(desk: Desk, qty: int, expected: Reason) -> None:
    """A replace to what is executed already, or less, is rejected with the order's leaves and cum."""
    desk.buy(5, at=10, cl="A")
    desk.sell(2, at=10, cl="S")
    told = desk.replace("A", "B", qty, at=10, seen=desk.seq - 1)
    assert reason(told) is expected
    if expected:
        assert (told[0].leaves_lots, told[0].cum_lots, told[0].qty_lots) == (3, 2, qty)


def test_replace_trades_as_a_taker(desk: Desk) -> None:
    """A replaced order that crosses trades with its new ClOrdID, then rests; its id stays."""
    desk.sell(3, at=12, cl="S1")
    desk.sell(3, at=13, cl="S2")
    desk.buy(5, at=10, cl="A")
    assert lines(desk.replace("A", "B", 4, at=12)) == [
        "replaced B 4@12 leaves 4 cum 0 was A",
        "filled B 3@12 leaves 1 cum 3 taker of trade 1",
        "filled S1 3@12 leaves 0 cum 3 maker of trade 1",
    ]
    assert {outcome.order_id for outcome in desk.history[-3:-1]} == {desk.ids["A"]}
    assert desk.book() == table("""
            buy | price | sell
                |    13 | S2:3
            A:1 |    12 |
    """)
    assert lines(desk.sell(1, at=12, cl="T"))[-1] == "filled B 1@12 leaves 0 cum 4 maker of trade 1"


def test_a_replace_that_trades_all_does_not_rest(desk: Desk) -> None:
    """A replaced order that is filled at once is gone."""
    desk.sell(3, at=12, cl="S1")
    desk.buy(5, at=10, cl="A")
    assert lines(desk.replace("A", "B", 3, at=13))[1] == "filled B 3@12 leaves 0 cum 3 taker of trade 1"
    assert desk.book() == "empty"
    assert reason(desk.cancel("B")) is Reason.TOO_LATE


def test_replace_needs_room_for_a_level(make_desk: MakeDesk) -> None:
    """With max_levels levels a replace that loses priority is rejected; one that keeps it goes through."""
    desk = make_desk(max_levels=2)
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=20, cl="B")
    told = desk.replace("A", "C", 5, at=11)
    assert (reason(told), told[0].flags, told[0].leaves_lots) == (Reason.NO_ROOM, 0, 5)
    assert reason(desk.replace("A", "D", 6, at=10)) is Reason.NO_ROOM
    assert reason(desk.replace("A", "F", 5, at=10)) is Reason.NO_ROOM
    assert lines(desk.replace("A", "E", 4, at=10)) == ["replaced E 4@10 leaves 4 cum 0 was A"]


def test_an_order_answers_to_all_its_names(desk: Desk) -> None:
    """Every ClOrdID that an order ever had names it."""
    desk.buy(5, at=10, cl="A")
    desk.replace("A", "B", 6, at=10)
    assert lines(desk.reduce("A", 1, cl="X")) == ["replaced X 5@10 leaves 5 cum 0 was B"]
    assert lines(desk.cancel("B", cl="Y")) == ["cancelled Y 5@10 leaves 0 cum 0 was B CLIENT_REQUEST"]


def test_changes_carry_the_orders_account(desk: Desk) -> None:
    """Side, account, instrument and session of a cancel's outcome are the order's, whatever the command says."""
    desk.buy(5, at=10, cl="A", account=2)
    told = desk.cancel("A", account=1)[0]
    assert (told.side, told.account, told.instrument, told.session) == (BUY, 2, 1, 1)


def test_own_orders_trade_with_each_other(desk: Desk) -> None:
    """There is no self-trade prevention: both sides of one account are booked and cancel out."""
    desk.buy(5, at=10, cl="A")
    desk.sell(5, at=10, cl="B")
    desk.tick()
    assert desk.position() == PositionRow(1, 1, 0, 0, 0)
    assert desk.money() == AccountRow(1, 0, 0, 0)
