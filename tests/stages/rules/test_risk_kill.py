"""Kill switches of venue, firm, account, session and instrument, by example (docs/risk-controls.md)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import KillLevel, Kind, OutcomeFlag, OutcomeType, Reason, Switch, Tif
from tests.stages.rules.controls import (
    RELEASE,
    define_firm,
    join,
    resting,
    switch,
    switch_account,
)
from tests.twin.records import Command, make_command
from tests.twin.scenario import BUY, Desk, MakeDesk, reason

pytestmark = pytest.mark.jitoff

KILLS: list[tuple[KillLevel, dict[str, Any], Reason]] = [
    (KillLevel.VENUE, {}, Reason.VENUE_KILLED),
    (KillLevel.FIRM, {"aux0": 1}, Reason.FIRM_KILLED),
    (KillLevel.ACCOUNT, {"account": 1}, Reason.ACCOUNT_KILLED),
    (KillLevel.SESSION, {"name": "GW1"}, Reason.SESSION_KILLED),
    (KillLevel.INSTRUMENT, {"instrument": 1}, Reason.INSTRUMENT_KILLED),
]


def with_firm(desk: Desk) -> None:
    """Let account 1 belong to firm 1."""
    define_firm(desk)
    join(desk, 1)


@pytest.mark.parametrize(("level", "whose", "expected"), KILLS)
def test_a_kill_blocks_and_cancels(
    desk: Desk, level: KillLevel, whose: dict[str, Any], expected: Reason
) -> None:
    """It keeps NEW and REPLACE out, cancels what rests, lets cancels pass, and stays until it is released."""
    with_firm(desk)
    desk.buy(5, at=10, cl="A")
    desk.stop(BUY, 3, 20, "S", limit=20)
    outcomes = desk.send(_kill(level, whose))
    ended = [(o.type, o.reason, o.qty_lots, o.leaves_lots, o.flags) for o in outcomes[:-1]]
    unsolicited = OutcomeFlag.UNSOLICITED
    assert ended == [
        (OutcomeType.CANCELLED, Reason.KILL_SWITCH, 5, 0, unsolicited),
        (OutcomeType.CANCELLED, Reason.KILL_SWITCH, 3, 0, unsolicited),
    ]
    answer = outcomes[-1]
    assert (answer.type, answer.qty_lots, answer.leaves_lots, answer.session) == (
        OutcomeType.ACCEPTED,
        2,
        0,
        0,
    )
    assert reason(desk.buy(1, at=10, cl="B")) is expected
    assert reason(desk.cancel("A")) is Reason.TOO_LATE
    assert switch(desk, level, Switch.KILLED, **whose)[1:] == (0, Switch.KILLED)
    assert switch(desk, level, Switch.KILLED, RELEASE, **whose)[1:] == (0, Switch.KILLED)
    assert switch(desk, level, Switch.KILLED, RELEASE, **whose)[1:] == (0, 0)
    assert reason(desk.buy(1, at=10, cl="B")) is Reason.NONE
    assert desk.money().open_orders == 1


def _kill(level: KillLevel, whose: dict[str, Any]) -> Command:
    fields = dict(whose)
    name = fields.pop("name", "")
    return make_command(Kind.KILL, tif=level, ord_type=Switch.KILLED, side=1, orig=name, **fields)


def test_the_order_of_reasons(desk: Desk) -> None:
    """Of several kills the venue's is told first, then those of firm, account, session and instrument."""
    with_firm(desk)
    for level, whose, _ in KILLS:
        switch(desk, level, **whose)
    for level, whose, expected in KILLS:
        assert reason(desk.buy(1, at=10, cl="A")) is expected
        switch(desk, level, Switch.KILLED, RELEASE, **whose)
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.NONE


@pytest.mark.parametrize(("level", "whose", "expected"), KILLS)
def test_a_kill_blocks_replaces_and_no_cancel(
    desk: Desk, level: KillLevel, whose: dict[str, Any], expected: Reason
) -> None:
    """An order that came in flight is not replaced, but may be cancelled: here what risk saw before the kill."""
    with_firm(desk)
    desk.buy(5, at=10, cl="A")
    before = desk.seq
    switch(desk, level, **whose)
    assert reason(desk.replace("A", "B", 6, at=10, seen=before)) is expected
    assert reason(desk.cancel("A", seen=before)) is Reason.TOO_LATE


def test_others_are_not_concerned(make_desk: MakeDesk) -> None:
    """A kill concerns nobody else: another account, session, instrument goes on, and keeps its orders."""
    desk = make_desk(max_sessions=4)
    desk.instrument(2, "OTHER")
    desk.open_session("GW2")
    desk.buy(1, at=10, cl="A")
    desk.buy(1, at=10, cl="B", account=2)
    desk.buy(1, at=10, cl="C", instrument=2, session=2, account=2)
    assert switch_account(desk).qty == 1
    assert [row[0] for row in resting(desk)] == [desk.ids["B"], desk.ids["C"]]
    assert reason(desk.buy(1, at=10, cl="D", account=2)) is Reason.NONE
    assert switch(desk, KillLevel.SESSION, name="GW2").qty == 1
    assert reason(desk.buy(1, at=10, cl="E", account=2, session=2)) is Reason.SESSION_KILLED
    assert switch(desk, KillLevel.INSTRUMENT, instrument=2).qty == 0
    assert reason(desk.buy(1, at=10, cl="F", account=2, instrument=2)) is Reason.INSTRUMENT_KILLED
    assert reason(desk.buy(1, at=10, cl="G", account=2)) is Reason.NONE


def test_nothing_is_elected(desk: Desk) -> None:
    """A kill cancels stop orders too, in the order of MASS_CANCEL, and elects and trades nothing."""
    desk.trade(10)
    desk.buy(1, at=9, cl="A")
    desk.stop(BUY, 1, 12, "S")
    desk.sell(1, at=15, cl="B", account=2)
    answer = switch(desk, KillLevel.VENUE)
    assert answer.qty == 3
    assert resting(desk) == []


@pytest.mark.parametrize("which", [Switch.REDUCING])
def test_other_switches_cancel_nothing(desk: Desk, which: Switch) -> None:
    """REDUCING cancels nothing, and a release neither."""
    desk.buy(1, at=9, cl="A")
    assert switch_account(desk, which)[1:] == (0, 0)
    assert switch_account(desk, Switch.KILLED, RELEASE)[1:] == (0, which)
    assert len(resting(desk)) == 1


def test_switches_are_apart(desk: Desk) -> None:
    """Releasing one switch never releases another, and the answer tells all that were engaged."""
    switch_account(desk)
    assert switch_account(desk, Switch.REDUCING).leaves == Switch.KILLED
    assert switch_account(desk, Switch.KILLED, RELEASE).leaves == Switch.KILLED | Switch.REDUCING
    assert switch_account(desk, Switch.KILLED, RELEASE).leaves == Switch.REDUCING


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"side": 0}, Reason.INVALID_SIDE),
        ({"side": 3}, Reason.INVALID_SIDE),
        ({"level": 0}, Reason.INVALID_COMMAND),
        ({"level": 6}, Reason.INVALID_COMMAND),
        ({"which": 0}, Reason.INVALID_COMMAND),
        ({"which": 3}, Reason.INVALID_COMMAND),
        ({"which": Switch.THROTTLED}, Reason.INVALID_COMMAND),
        ({"which": Switch.THROTTLED, "side": RELEASE}, Reason.NONE),
        ({"which": Switch.THROTTLED, "side": RELEASE, "level": KillLevel.VENUE}, Reason.INVALID_COMMAND),
        ({"account": 3}, Reason.UNKNOWN_ACCOUNT),
        ({"account": -1}, Reason.UNKNOWN_ACCOUNT),
        ({"level": KillLevel.FIRM, "aux0": 1}, Reason.UNKNOWN_FIRM),
        ({"level": KillLevel.FIRM, "aux0": -(2**63)}, Reason.UNKNOWN_FIRM),
        ({"level": KillLevel.SESSION, "name": "GW9"}, Reason.UNKNOWN_SESSION),
        ({"level": KillLevel.SESSION}, Reason.UNKNOWN_SESSION),
        ({"level": KillLevel.INSTRUMENT, "instrument": 2}, Reason.UNKNOWN_INSTRUMENT),
    ],
)
def test_what_a_kill_must_name(desk: Desk, fields: dict[str, Any], expected: Reason) -> None:
    """Side, level and switch are checked, then whether whom it names is known; other fields are not looked at."""
    values = {"level": KillLevel.ACCOUNT, "which": Switch.KILLED, "side": 1, "account": 1, **fields}
    assert switch(desk, **values).reason is expected


def test_a_session_is_killed_while_it_is_away(desk: Desk) -> None:
    """A session is named by its name, open or not, and the switch stays with the name."""
    desk.close_session(1)
    assert switch(desk, KillLevel.SESSION, name="GW1").reason is Reason.NONE
    desk.open_session()
    assert reason(desk.buy(1, at=10, cl="A")) is Reason.SESSION_KILLED


def test_cancels_pass_all_switches(desk: Desk) -> None:
    """An order of a throttled or reducing account can be reduced, cancelled and asked about."""
    desk.buy(5, at=10, cl="A")
    switch_account(desk, Switch.REDUCING)
    assert reason(desk.status("A")) is Reason.NONE
    assert reason(desk.reduce("A", 1)) is Reason.NONE
    assert reason(desk.mass_cancel()) is Reason.NONE


def test_a_killed_order_with_ioc_is_rejected_by_risk(desk: Desk) -> None:
    """What would not rest is kept out like all else."""
    switch(desk, KillLevel.VENUE)
    assert reason(desk.buy(1, at=10, cl="A", tif=Tif.IOC)) is Reason.VENUE_KILLED
