"""Risk controls of a venue as commands: all at a first start, what differs later, and what an operator adjusted."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from protocols.codes import (
    LIMIT_UNSET,
    Access,
    CollarUnit,
    Kind,
    Limit,
    LimitPart,
    Permit,
)
from protocols.commands import limit_orders, make_commands
from protocols.risk_commands import collar, permit, permit_session, set_limits, set_warnings
from protocols.text import pack_text, unpack_text
from stages.config import (
    AccountInstrument,
    ConfigError,
    Firm,
    Risk,
    Session,
)
from stages.limit_rows import Holder, LimitRows
from stages.state_words import RW_DAY
from stages.venue import adjusted_limits, assigned_ids
from stages.venue_limits import commands_of, differences_of, wanted_limits
from tests.stages.risk_venues import NOW_NS, Venue, account, instrument, venue

pytestmark = pytest.mark.jitoff

HOUR_NS = 3_600_000_000_000


def told(commands: Any, kind: Kind, *names: str) -> list[tuple[int, ...]]:
    """Return some fields of the commands of a kind."""
    return [tuple(int(row[name]) for name in names) for row in commands if row["kind"] == kind]


def names(commands: Any) -> set[str]:
    """Return who gives commands."""
    return {unpack_text(int(row["cl0"]), int(row["cl1"]), int(row["cl2"])) for row in commands}


def test_all_limits_of_an_account_are_journaled() -> None:
    """What the file does not name is unlimited, and a limit of 0 is a limit; each is marked as the configuration's."""
    made = Venue(venue(account(duplicate_window="1s", order_rate=5)))
    limits = [row for row in made.first if row["kind"] == Kind.LIMIT]
    assert [int(row["ord_type"]) for row in limits] == list(Limit)
    assert all(row["flags"] & 4096 for row in limits) and names(limits) == {"venue.toml"}
    assert made.limits(account=1) == {
        "MAX_ORDER_QTY": 100, "MAX_ORDER_NOTIONAL": 1_000_500_000, "MAX_OPEN_ORDERS": 10, "MAX_LONG": 50,
        "MAX_SHORT": 0, "DUPLICATE_WINDOW": 1_000_000_000, "ORDER_RATE": 5,
    }  # fmt: skip


def test_instruments_and_positions_have_the_limits_of_the_file_only() -> None:
    """They narrow: what is not named is not set, and what is no longer named is unset again."""
    rows = (AccountInstrument(symbol="MSFT", max_long=7),)
    made = Venue(
        venue(account(instruments=rows), instruments=(instrument(max_order_qty=9), instrument("MSFT")))
    )
    assert made.limits(instrument=1) == {"MAX_ORDER_QTY": 9} and made.limits(instrument=2) == {}
    assert made.limits(account=1, instrument=2) == {"MAX_LONG": 7}
    rows = (AccountInstrument(symbol="MSFT", max_short=8),)
    changed = made.start(venue(account(instruments=rows)))
    assert told(changed, Kind.LIMIT, "account", "instrument", "ord_type", "qty_lots") == [
        (0, 1, Limit.MAX_ORDER_QTY, LIMIT_UNSET),
        (1, 2, Limit.MAX_LONG, LIMIT_UNSET),
        (1, 2, Limit.MAX_SHORT, 8),
    ]


def test_firms_come_before_their_accounts() -> None:
    """Firms of the file by name, others as FIRMn, in the currency of their first account, with unlimited limits."""
    firm = Firm(id=2, name="ALPHA", currency="USD", credit="10", warn={"credit": 80})
    made = Venue(venue(account(firm=2), account("ACC2", firm=5), firms=(firm,)))
    kinds = [Kind(kind) for kind in made.first["kind"].tolist()]
    assert kinds.index(Kind.FIRM) < kinds.index(Kind.ACCOUNT)
    risk = made.core.state.risk
    called = {
        int(row): unpack_text(int(risk.firms[row]["name0"]), 0) for row in np.nonzero(risk.firms["known"])[0]
    }
    assert called == {2: "ALPHA", 5: "FIRM5"}
    assert made.limits(firm=2) == {"CREDIT": 10_000_000} and made.limits(firm=5) == {}
    assert LimitRows(risk).of(Holder(firm=2)).percents == {Limit.CREDIT: 80, Limit.GROSS_NOTIONAL: 0}
    with pytest.raises(ConfigError, match=r"firm\[0\].name: expected ALPHA, as in the journal, was 'BETA'"):
        made.due(venue(firms=(msgspec.structs.replace(firm, name="BETA"),)))
    with pytest.raises(
        ConfigError, match=r"firm.id: expected at most 8, for which the journal has room, was 9"
    ):
        made.due(venue(account(firm=9)))


def test_an_account_changes_its_firm_without_open_orders() -> None:
    """With open orders the start says so; being pre-funded is decided once."""
    made = Venue(venue(account(max_short=10)))
    made.send(make_commands(Kind.SESSION_OPEN, cl="S"))
    made.send(limit_orders(1, 1, 100, cl="A1"))
    with pytest.raises(
        ConfigError,
        match=r"account\[0\].firm: expected 0, as in the journal, while ACC1 has open orders, was 3",
    ):
        made.due(venue(account(max_short=10, firm=3)))
    with pytest.raises(ConfigError, match=r"account\[0\].prefunded: expected that of the journal"):
        made.due(venue(account(prefunded=True)))


def test_what_an_operator_adjusted_stays() -> None:
    """A start leaves adjusted limits and warnings, and names those that differ; an import takes all of them back."""
    config = venue(account(warn={"max_long": 50}))
    made = Venue(config)
    made.send(set_limits(Limit.MAX_LONG, 60, account=1, by="me"))
    made.send(set_warnings(Limit.CREDIT, 70, account=1, by="me"))
    made.send(set_limits(Limit.MAX_SHORT, 0, account=1, by="me"))
    risk = made.core.state.risk
    assert len(made.due(config)) == 0
    assert adjusted_limits(config, risk) == [
        "ACC1 max_long: 60, the configuration has 50",
        "ACC1 credit warn: 70%, the configuration has 0%",
    ]
    changed = venue(account(max_long=51, max_order_qty=1))
    assert told(made.due(changed), Kind.LIMIT, "ord_type", "qty_lots") == [(Limit.MAX_ORDER_QTY, 1)]
    rows, ids = LimitRows(risk), assigned_ids(config, risk)
    [differing] = [
        differences_of(each, rows, take_back=True)
        for each in wanted_limits(config, ids)
        if each.holder.account
    ]
    assert [each.text() for each in differing] == [
        "max_long: 60 → 50",
        "credit warn: 70% → 0%",
        "max_short: 0 → 0",
    ]
    made.send(commands_of(differing, "me"))
    assert adjusted_limits(config, risk) == [] and LimitRows(risk).of(Holder(account=1)).adjusted == 0


def test_permissions_are_those_of_the_file() -> None:
    """Types, times in force, groups, exemption and access: each is sequenced where the state has another."""
    words = {
        "order_types": ("limit",),
        "tifs": ("gtc", "at-open"),
        "groups": ("EQ", "-"),
        "short_exempt": True,
    }
    rows = (AccountInstrument(symbol="MSFT", access="reducing"), AccountInstrument(symbol="AAPL"))
    instruments = (instrument(group="EQ"), instrument("MSFT", short_sales="restricted"))
    config = venue(account(**words, instruments=rows), instruments=instruments)
    made = Venue(config)
    assert told(made.first, Kind.PERMIT, "ord_type", "account", "instrument", "qty_lots") == [
        (Permit.SHORT_SALES, 0, 2, 0),
        (Permit.ORDER_TYPES, 1, 0, 4),
        (Permit.TIFS, 1, 0, 2 | 64),
        (Permit.GROUPS, 1, 0, 3),
        (Permit.SHORT_SALES, 1, 0, 1),
        (Permit.INSTRUMENT, 1, 2, Access.REDUCING),
    ]
    made.send(
        permit(Permit.INSTRUMENT, Access.DENIED, account=1, instrument=1)
    )  # the file says nothing of it
    made.send(permit(Permit.TIFS, 2, account=1))
    assert told(made.due(config), Kind.PERMIT, "ord_type", "qty_lots") == [(Permit.TIFS, 2 | 64)]
    back = made.start(venue(account()))
    assert [row[0] for row in told(back, Kind.PERMIT, "ord_type")] == [6, 2, 3, 4, 6]


def test_sessions_act_for_their_accounts() -> None:
    """A session is granted its accounts before it acts for them alone; what is taken out of a list is revoked."""
    accounts = account(), account("ACC2"), account("ACC3")
    made = Venue(venue(*accounts, sessions=(Session(name="DESK", accounts=("ACC1", "ACC3")),)))
    rows = told(made.first, Kind.PERMIT, "account", "qty_lots", "orig0")
    name = pack_text("DESK")[0]
    assert rows == [(1, 1, name), (3, 1, name), (0, 0, name)]
    changed = made.start(venue(*accounts, sessions=(Session(name="DESK", accounts=("ACC2", "ACC3")),)))
    assert told(changed, Kind.PERMIT, "account", "qty_lots") == [(2, 1), (1, 0)]
    made.send(permit_session("DESK", 1, account=1))
    assert len(made.due(venue(*accounts))) == 0  # what is taken out of the file stays
    opened = made.start(venue(*accounts, sessions=(Session(name="DESK"),)))
    assert told(opened, Kind.PERMIT, "account", "qty_lots") == [(0, 1)]


def test_a_collar_gets_its_reference_once() -> None:
    """It is given at first and when it changes in the file; one that an operator gave later outlives a restart."""
    config = venue(
        instruments=(
            instrument(
                static_collar="10%", collar_reference="100.00", collar_age="1min", dynamic_collar="5%"
            ),
        )
    )
    made = Venue(config)
    fields = ("ord_type", "order_id", "orig0", "price_ticks", "aux0")
    assert told(made.first, Kind.COLLAR, *fields) == [
        (CollarUnit.MILLIONTHS, 100_000, 50_000, 10_000, 60 * 10**9)
    ]
    made.send(
        collar(
            1,
            unit=CollarUnit.MILLIONTHS,
            static=100_000,
            dynamic=50_000,
            reference=9_000,
            age_ns=60 * 10**9,
            by="me",
        )
    )
    assert len(made.due(config)) == 0
    config = venue(instruments=(instrument(static_collar="1.00", collar_reference="100.00"),))
    assert told(made.start(config), Kind.COLLAR, *fields) == [(CollarUnit.TICKS, 100, 0, 0, 0)]
    config = venue(instruments=(instrument(static_collar="1.00", collar_reference="80.00"),))
    assert told(made.start(config), Kind.COLLAR, *fields) == [(CollarUnit.TICKS, 100, 0, 8_000, 0)]
    assert told(made.start(venue(instruments=(instrument(),))), Kind.COLLAR, *fields) == [
        (CollarUnit.TICKS, 0, 0, 0, 0)
    ]


def test_fees_are_defined_after_their_account() -> None:
    """Rates in millionths and the account that gets them, which may be the last of the file; no rates, no account."""
    fees = {"maker_fee": "-0.01%", "taker_fee": "0.05%", "fee_account": "FEES"}
    config = venue(account(), account("FEES"), instruments=(instrument(**fees),))
    made = Venue(config)
    fields = ("instrument", "account", "price_ticks", "qty_lots", "order_id")
    assert told(made.first, Kind.FEES, *fields) == [(1, 2, -100, 500, 0)]
    plain = venue(account(), account("FEES"), instruments=(instrument(),))
    assert told(made.start(plain), Kind.FEES, *fields) == [(1, 0, 0, 0, 0)]


def test_a_day_begins_at_a_start_if_its_time_has_passed() -> None:
    """A start before the time of day begins none if the last one is of the day before; one after it does, once."""
    config = venue(risk=Risk(day_begin="09:00"))
    made = Venue(config)
    day = made.core.state.risk.words
    assert int(day[RW_DAY]) == 1  # at eight: that of yesterday
    assert len(made.due(config, NOW_NS + HOUR_NS - 1)) == 0
    assert told(made.start(config, NOW_NS + HOUR_NS), Kind.DAY_BEGIN, "kind") == [(Kind.DAY_BEGIN,)]
    assert int(day[RW_DAY]) == 2 and len(made.due(config, NOW_NS + 24 * HOUR_NS)) == 0
    assert (
        len(made.due(config, NOW_NS + 25 * HOUR_NS)) == 1
        and len(made.due(venue(), NOW_NS + 100 * HOUR_NS)) == 0
    )


def test_warnings_are_percents() -> None:
    """A threshold is a LIMIT of part WARNING; one that the file does not name any longer is set to 0."""
    made = Venue(venue(account(warn={"max_long": 90, "credit": 0})))
    fields = ("tif", "ord_type", "qty_lots")
    warned = [row for row in told(made.first, Kind.LIMIT, *fields) if row[0] == LimitPart.WARNING]
    assert warned == [(LimitPart.WARNING, Limit.MAX_LONG, 90)]
    assert told(made.start(venue(account())), Kind.LIMIT, *fields) == [(LimitPart.WARNING, Limit.MAX_LONG, 0)]
