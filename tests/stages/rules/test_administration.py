"""Sessions, instruments, accounts, limits and kill switches by example: the section of ``docs/rules.md``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.codes import (
    Kind,
    Limit,
    OutcomeType,
    Reason,
)
from protocols.text import pack_text
from tests.twin.records import Outcome, make_command
from tests.twin.scenario import (
    AMPLE,
    ANSWER,
    BY_RISK,
    CAPACITIES,
    EUR,
    USD,
    AnyCore,
    Desk,
    reason,
)

pytestmark = pytest.mark.jitoff


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
        {"protection": -1},
        {"protection": 2**60 + 1},
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
        {"protection": 2**60},
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


@pytest.mark.parametrize("kind", [0, 8, 9, 15, Kind.INVALID, 36, 255])
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
        (
            Kind.LIMIT,
            {"account": 1, "ord_type": 2, "qty_lots": 5, "cl": "L"},
            {"account": 1, "qty_lots": 5, "leaves_lots": AMPLE},
        ),
        (
            Kind.LIMIT,
            {"account": 9, "ord_type": 2, "cl": "L"},
            {"account": 9, "reason": Reason.UNKNOWN_ACCOUNT},
        ),
        (Kind.KILL, {"account": 1, "side": 1, "tif": 3, "ord_type": 2, "cl": "K"}, {"account": 1}),
        (
            Kind.PERMIT,
            {"account": 1, "ord_type": 4, "qty_lots": 9},
            {"account": 1, "qty_lots": 9, "leaves_lots": -1},
        ),
        (
            Kind.TRANSFER,
            {"account": 1, "side": 1, "qty_lots": 9, "cl": "T"},
            {"account": 1, "qty_lots": 9, "leaves_lots": 9},
        ),
        (
            Kind.TRANSFER,
            {"account": 1, "side": 1, "qty_lots": 9},
            {"account": 1, "reason": Reason.MISSING_CL_ORD_ID},
        ),
        (Kind.COLLAR, {"instrument": 1, "ord_type": 1, "order_id": 5}, {"instrument": 1}),
        (Kind.FEES, {"instrument": 1, "account": 1, "price_ticks": 5}, {"instrument": 1, "account": 1}),
        (Kind.FIRM, {"aux0": 1, "cl": "FIRM"}, {}),
        (Kind.DAY_BEGIN, {"cl": "OPERATOR", "qty_lots": 3}, {"leaves_lots": 1}),
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
    """One outcome at index 0 with kind, session, texts, side, account, instrument; amounts of few kinds only."""
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
            flags=BY_RISK if rejected else ANSWER,
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
            flags=BY_RISK,
            **{**values, "order_id": 0},
        )
    ]
