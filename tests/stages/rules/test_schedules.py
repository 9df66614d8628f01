"""Schedules and what is due by time, by example: when, how often, in which order: ``docs/trading-states.md``."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import BandMode, OutcomeFlag, OutcomeType, Reason, TradingState
from tests.twin.records import make_command
from tests.twin.scenario import ANSWER, BUY, BY_RISK, SELL, Desk, MakeDesk, lines, reason

pytestmark = pytest.mark.jitoff

CONTINUOUS, PRE_OPEN = TradingState.CONTINUOUS, TradingState.PRE_OPEN
OPENING, VOLATILITY = TradingState.OPENING_AUCTION, TradingState.VOLATILITY_AUCTION
CLOSING, HALT, CLOSED = TradingState.CLOSING_AUCTION, TradingState.HALT, TradingState.CLOSED
SECOND = 10**9
LARGEST = 2**63 - 1
ACCEPTED = "accepted 0@0 leaves 0 cum 0"


def later(desk: Desk, steps: int = 1) -> int:
    """Return the time of a command to come: 1 for the next."""
    return desk.time_of(desk.seq + steps)


# The command


@pytest.mark.parametrize(("fields", "expected"), [
    ({}, Reason.NONE),
    ({"side": 0}, Reason.INVALID_SIDE), ({"side": 3, "to": 0}, Reason.INVALID_SIDE),
    ({"side": 255}, Reason.INVALID_SIDE),
    ({"to": 0}, Reason.INVALID_COMMAND), ({"to": 7}, Reason.NONE), ({"to": 8}, Reason.INVALID_COMMAND),
    ({"to": 255}, Reason.INVALID_COMMAND),
    ({"group": -1}, Reason.INVALID_COMMAND), ({"group": 2**31 - 1}, Reason.NONE),
    ({"period_ns": SECOND}, Reason.NONE), ({"period_ns": SECOND - 1}, Reason.INVALID_COMMAND),
    ({"period_ns": 1}, Reason.INVALID_COMMAND), ({"period_ns": -1}, Reason.INVALID_COMMAND),
    ({"period_ns": 2**60}, Reason.NONE), ({"period_ns": 2**60 + 1}, Reason.INVALID_COMMAND),
    ({"period_ns": LARGEST}, Reason.INVALID_COMMAND),
    ({"period_ns": 1, "at_ns": 0}, Reason.INVALID_COMMAND), ({"to": 8, "at_ns": 0}, Reason.INVALID_COMMAND),
    ({"at_ns": 0}, Reason.INVALID_EXPIRE_TIME), ({"at_ns": -(2**63)}, Reason.INVALID_EXPIRE_TIME),
    ({"at_ns": LARGEST}, Reason.NONE),
])  # fmt: skip
def test_schedule_commands(desk: Desk, fields: dict[str, int], expected: Reason) -> None:
    """Side, group, state and period, then the time are checked by risk, limits included."""
    values: dict[str, Any] = {"to": HALT, "at_ns": 10**6, **fields}
    told = desk.schedule(**values)
    assert reason(told) is expected
    assert told[0].flags == (BY_RISK if expected else ANSWER)
    assert len(desk.core.dump_schedules()) == (0 if expected else 1)


@pytest.mark.parametrize(("more", "expected"), [(0, Reason.INVALID_EXPIRE_TIME), (1, Reason.NONE)])
def test_a_row_is_due_after_its_command(desk: Desk, more: int, expected: Reason) -> None:
    """A row that is due at its command's time comes too late."""
    assert reason(desk.schedule(HALT, later(desk) + more)) is expected


def test_clearing_looks_at_nothing_but_the_group(desk: Desk) -> None:
    """Side 2 removes the rows of its group, whatever else the command says."""
    for group in (1, 2, 1):
        desk.schedule(HALT, 10**6, group=group)
    assert reason(desk.clear_schedule(-1)) is Reason.INVALID_COMMAND
    assert reason(desk.clear_schedule(3)) is Reason.NONE
    assert reason(desk.clear_schedule(1, ord_type=99, aux0=-1, aux1=-1)) is Reason.NONE
    assert desk.core.dump_schedules() == [(1, 2, HALT, 10**6, 0)]


def test_rows_take_the_first_free_place(desk: Desk) -> None:
    """A row that is gone leaves its place to the next one."""
    for group in (1, 2, 3):
        desk.schedule(HALT, 10**6 + group, period_ns=SECOND, group=group)
    desk.clear_schedule(2)
    desk.schedule(CLOSED, 10**7, group=4)
    desk.schedule(CLOSED, 10**8, group=5)
    assert desk.core.dump_schedules() == [
        (0, 1, HALT, 10**6 + 1, SECOND), (1, 4, CLOSED, 10**7, 0),
        (2, 3, HALT, 10**6 + 3, SECOND), (3, 5, CLOSED, 10**8, 0),
    ]  # fmt: skip


def test_room_for_rows(desk: Desk) -> None:
    """There is room for 256 rows; matching has none for one more."""
    for _ in range(256):
        assert reason(desk.schedule(HALT, LARGEST, group=1)) is Reason.NONE
    told = desk.schedule(HALT, LARGEST, group=1)
    assert (reason(told), told[0].flags) == (Reason.NO_ROOM, ANSWER)
    assert (told[0].account, told[0].side, told[0].order_id, told[0].qty_lots) == (1, 1, 0, 0)
    desk.clear_schedule(1)
    assert desk.core.dump_schedules() == []
    assert reason(desk.schedule(HALT, LARGEST)) is Reason.NONE


# What is due


@pytest.mark.parametrize(("more", "due"), [(1, False), (0, True), (-1, True)])
def test_when_a_row_is_due(desk: Desk, more: int, due: bool) -> None:
    """A row is due with the first command at or after its time, before that command's own outcomes, and then gone."""
    desk.schedule(HALT, later(desk, 2) + more)
    told = desk.buy(1, at=10, cl="A")
    if due:
        assert lines(told) == ["HALT after CONTINUOUS", "rejected A 1@10 leaves 0 cum 0 TRADING_HALTED"]
        assert (told[0].kind, told[0].flags, told[0].index) == (1, 0, 0)
        assert desk.core.dump_schedules() == []
    else:
        assert lines(told) == ["accepted A 1@10 leaves 1 cum 0"]
        assert len(desk.core.dump_schedules()) == 1


def test_a_row_is_for_the_instruments_of_its_group(desk: Desk) -> None:
    """All instruments that are in the group when the row is due enter the state, in ascending order."""
    for instrument, group in ((4, 1), (2, 1), (3, 2)):
        desk.instrument(instrument, f"I{instrument}", account=group)
    desk.schedule(HALT, later(desk, 4), group=1)
    desk.instrument(3, "I3", account=1)
    desk.instrument(2, "I2", account=0)
    assert [outcome.instrument for outcome in desk.tick()] == [3, 4]
    assert desk.market_state(2) is CONTINUOUS


def test_a_row_of_nobody(desk: Desk) -> None:
    """A group without instruments, or one that is in the state already, makes a row that does nothing."""
    desk.schedule(HALT, later(desk, 4), group=9)
    desk.schedule(CONTINUOUS, later(desk, 3))
    desk.tick()
    assert lines(desk.tick()) == []
    assert desk.core.dump_schedules() == []


@pytest.mark.parametrize("kind", ["tick", "rejected", "cancel", "checkpoint"])
def test_every_kind_of_command_brings_what_is_due(desk: Desk, kind: str) -> None:
    """What is due comes before any command, one that risk rejects or that has no outcome too."""
    desk.schedule(HALT, later(desk, 2))
    match kind:
        case "tick":
            told = desk.tick()
        case "rejected":
            told = desk.buy(1, at=0)
        case "cancel":
            told = desk.cancel("NOBODY")
        case _:
            told = desk.send(make_command(23))
    assert lines(told)[0] == "HALT after CONTINUOUS"
    assert sum(bool(outcome.flags & OutcomeFlag.ANSWER) for outcome in told) == (
        kind in ("rejected", "cancel")
    )


@pytest.mark.parametrize(("gap", "due"), [
    (0, 1), (SECOND - 1, 1), (SECOND, 2), (5 * SECOND - 1, 5), (5 * SECOND, 6), (5 * SECOND + 1, 6),
])  # fmt: skip
def test_a_period_catches_up(desk: Desk, gap: int, due: int) -> None:
    """However long nothing came, a row is due once, and again at the first of its times after the command."""
    first = later(desk, 2)
    desk.schedule(HALT, first, period_ns=SECOND)
    desk.wait(gap)
    assert lines(desk.tick()) == ["HALT after CONTINUOUS"]
    assert desk.core.dump_schedules() == [(0, 0, HALT, first + due * SECOND, SECOND)]
    assert lines(desk.state(CONTINUOUS))[0] == "CONTINUOUS after HALT"
    desk.wait(SECOND)
    assert lines(desk.tick()) == ["HALT after CONTINUOUS"]


def test_the_longest_period(desk: Desk) -> None:
    """A period of 2^60 ns is kept."""
    first = later(desk, 2)
    desk.schedule(HALT, first, period_ns=2**60)
    desk.tick()
    assert desk.core.dump_schedules() == [(0, 0, HALT, first + 2**60, 2**60)]


def test_a_day_of_a_market(make_desk: MakeDesk) -> None:
    """Rows lead through the day, and one late command makes up for all that it missed, by time."""
    desk = make_desk(max_orders=12)
    start = later(desk, 20)
    day = [(PRE_OPEN, 0), (OPENING, 10), (CONTINUOUS, 20), (CLOSING, 30), (CLOSED, 40)]
    for to, after in reversed(day):
        desk.schedule(to, start + after, period_ns=SECOND)
    desk.until(BUY, 1, 10, "G", expiry=start + 25)
    desk.buy(1, at=10, cl="A")
    desk.at_close(SELL, 2, 10, "W", account=2)
    desk.wait(3 * SECOND)
    assert lines(desk.tick()) == [
        "PRE_OPEN after CONTINUOUS",
        "OPENING_AUCTION after PRE_OPEN",
        "indication 0@0 surplus 0",
        "uncrossed 0@0 surplus 0",
        "CONTINUOUS after OPENING_AUCTION",
        "expired G 1@10 leaves 0 cum 0 GTD_EXPIRED",
        "CLOSING_AUCTION after CONTINUOUS",
        "triggered W 2@10 leaves 2 cum 0",
        "indication 1@10 surplus 1 to sell",
        "uncrossed 1@10 surplus 1 to sell",
        "filled A 1@10 leaves 0 cum 1 in auction trade 1",
        "filled W 1@10 leaves 1 cum 1 in auction trade 1",
        "expired W 1@10 leaves 0 cum 1 AUCTION_REMAINDER",
        "CLOSED after CLOSING_AUCTION",
    ]
    dues = {row[3] % SECOND for row in desk.core.dump_schedules()}
    assert dues == {(start + after) % SECOND for _, after in day}


# What is due at the same time


def test_order_at_the_same_time(desk: Desk) -> None:
    """At one time orders expire by id, then rows are due by place, then auctions end, then indications follow."""
    for instrument in (2, 3):
        desk.instrument(instrument, f"I{instrument}", account=instrument)
    due = later(desk, 20)
    desk.bands(BandMode.NONE, instrument=3, interval_ns=due - later(desk, 2))
    desk.state(OPENING, instrument=3)
    desk.bands(BandMode.NONE, instrument=2, lasts_ns=due - later(desk, 2))
    desk.state(VOLATILITY, instrument=2)
    desk.buy(1, at=10, cl="A3", instrument=3)
    desk.sell(1, at=10, cl="B3", instrument=3)  # too soon to indicate
    desk.schedule(CLOSED, due)
    desk.schedule(HALT, due)
    for cl in ("E1", "E2"):
        desk.until(BUY, 1, 10, cl, expiry=due)
    desk.wait(100)
    told = desk.cancel("NOBODY")
    assert [(outcome.instrument, line) for outcome, line in zip(told, lines(told), strict=True)][:-1] == [
        (1, "expired E1 1@10 leaves 0 cum 0 GTD_EXPIRED"),
        (1, "expired E2 1@10 leaves 0 cum 0 GTD_EXPIRED"),
        (1, "CLOSED after CONTINUOUS"),
        (1, "HALT after CLOSED"),
        (2, "uncrossed 0@0 surplus 0"),
        (2, "CONTINUOUS after VOLATILITY_AUCTION"),
        (3, "indication 1@10 surplus 0"),
    ]


def test_an_earlier_time_comes_first(desk: Desk) -> None:
    """What is due earlier comes first, whatever it is."""
    desk.instrument(1, account=1)
    desk.bands(BandMode.NONE, lasts_ns=later(desk, 9) - later(desk, 2))
    desk.state(VOLATILITY)
    end = desk.core.dump_markets()[1][3]
    desk.until(BUY, 1, 10, "E", expiry=end + 2)
    desk.schedule(HALT, end + 1, group=1)
    desk.wait(1000)
    assert lines(desk.tick()) == [
        "uncrossed 0@0 surplus 0",
        "CONTINUOUS after VOLATILITY_AUCTION",
        "HALT after CONTINUOUS",
        "expired E 1@10 leaves 0 cum 0 GTD_EXPIRED",
    ]


def test_a_row_may_end_what_was_due_later(desk: Desk) -> None:
    """A row that leads out of a volatility auction leaves no end of it; one that begins again counts anew."""
    desk.bands(BandMode.NONE, lasts_ns=100)
    desk.state(VOLATILITY)
    end = desk.core.dump_markets()[1][3]
    desk.schedule(HALT, end - 2)
    desk.schedule(VOLATILITY, end - 1)
    desk.wait(500)
    assert lines(desk.tick()) == [
        "HALT after VOLATILITY_AUCTION", "VOLATILITY_AUCTION after HALT", "indication 0@0 surplus 0",
    ]  # fmt: skip
    assert desk.core.dump_markets()[1][3] == desk.time_of(desk.seq) + 100


def test_an_indication_that_was_put_off_comes_in_time_order(desk: Desk) -> None:
    """It comes at its time among all that is due: after an expiry before it, but not after one that follows."""
    desk.bands(BandMode.NONE, interval_ns=100)
    desk.state(OPENING)
    told_at = desk.time_of(desk.seq)
    desk.sell(9, at=10, cl="S", account=2)
    desk.until(BUY, 1, 10, "E1", expiry=told_at + 99)
    desk.until(BUY, 2, 10, "E2", expiry=told_at + 101)
    desk.buy(4, at=10, cl="A")
    desk.wait(200)
    assert lines(desk.tick()) == [
        "expired E1 1@10 leaves 0 cum 0 GTD_EXPIRED",
        "indication 6@10 surplus 3 to sell",
        "expired E2 2@10 leaves 0 cum 0 GTD_EXPIRED",
    ]
    desk.wait(93)  # 100 after the command that indicated
    assert lines(desk.tick()) == ["indication 4@10 surplus 5 to sell"]


def test_indications_after_what_was_due(desk: Desk) -> None:
    """An auction in which something expired is indicated after all that was due, before the command's outcomes."""
    desk.instrument(2, "TWO", account=2)
    desk.state(OPENING)
    desk.sell(9, at=10, cl="S", account=2)
    due = later(desk, 4)
    desk.until(BUY, 1, 10, "E", expiry=due)
    desk.schedule(HALT, due, group=2)
    told = desk.buy(1, at=9, cl="A")
    told = desk.buy(1, at=9, cl="B")
    assert [OutcomeType(outcome.type).name for outcome in told] == [
        "EXPIRED", "STATE_CHANGED", "INDICATION", "ACCEPTED",
    ]  # fmt: skip


def test_trades_of_what_was_due_are_numbered_with_the_command(desk: Desk) -> None:
    """An uncross that was due and the trades of the command that came number their trades through."""
    desk.state(OPENING)
    desk.buy(1, at=10, cl="A")
    desk.sell(2, at=10, cl="B", account=2)
    desk.schedule(CONTINUOUS, later(desk, 2))
    told = desk.buy(1, at=10, cl="C")
    assert [outcome.trade_index for outcome in told if outcome.type == OutcomeType.FILLED] == [1, 1, 2, 2]
    assert [outcome.index for outcome in told] == list(range(len(told)))


def test_a_change_counts_until_the_end_of_what_was_due(desk: Desk) -> None:
    """What expired before an indication that was put off is told by it, and puts off another one all the same."""
    desk.instrument(2, "TWO", account=2)
    desk.sell(9, at=10, cl="S", account=2)
    desk.until(BUY, 1, 9, "E1", expiry=1999)
    desk.until(BUY, 2, 9, "E2", expiry=2999)
    desk.schedule(HALT, 3001, group=2)
    desk.bands(BandMode.NONE, interval_ns=2000 - later(desk, 2))
    desk.state(OPENING)
    desk.replace("E1", "E1A", 1, at=10)
    desk.replace("E2", "E2A", 2, at=10)  # both put off until 2000
    desk.wait(2000 - later(desk))
    assert lines(desk.tick()) == [
        "expired E1A 1@10 leaves 0 cum 0 GTD_EXPIRED",
        "indication 2@10 surplus 7 to sell",
    ]
    desk.bands(BandMode.NONE, interval_ns=1000)  # until 3000 now
    desk.wait(4000)
    assert lines(desk.tick()) == [
        "expired E2A 2@10 leaves 0 cum 0 GTD_EXPIRED",
        "indication 0@0 surplus 0",
        "HALT after CONTINUOUS",
    ]


def test_what_is_cleared_leaves_nothing(desk: Desk) -> None:
    """Rows that were added and cleared by the thousand leave what is due, and its order, as it was."""
    due = 10**6
    desk.until(BUY, 1, 10, "E", expiry=due + 1)
    desk.schedule(HALT, due + 2)
    desk.bands(BandMode.NONE, lasts_ns=due - later(desk, 2))
    desk.state(VOLATILITY)
    assert desk.core.dump_markets()[1][3] == due
    for number in range(1500):
        desk.schedule(CLOSED, due + number % 7, group=1)
        desk.clear_schedule(1)
    desk.until(BUY, 1, 9, "F", expiry=due + 1)
    desk.wait(due)
    assert lines(desk.tick()) == [
        "uncrossed 0@0 surplus 0",
        "CONTINUOUS after VOLATILITY_AUCTION",
        "expired E 1@10 leaves 0 cum 0 GTD_EXPIRED",
        "expired F 1@9 leaves 0 cum 0 GTD_EXPIRED",
        "HALT after CONTINUOUS",
    ]


def test_volatility_auctions_by_the_thousand(desk: Desk) -> None:
    """Auctions that commands ended leave no end behind, however many there were."""
    desk.bands(BandMode.NONE, lasts_ns=10**6)
    for _ in range(1500):
        desk.state(VOLATILITY)
        desk.state(CONTINUOUS)
    desk.state(VOLATILITY)
    end = desk.core.dump_markets()[1][3]
    assert end == desk.time_of(desk.seq) + 10**6
    desk.wait(10**6 - 8)
    assert lines(desk.tick()) == []
    assert lines(desk.tick())[-1] == "CONTINUOUS after VOLATILITY_AUCTION"
