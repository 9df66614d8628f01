"""The risk report: what it says of a state, that reconciliations hold, and that a difference is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import LIMIT_UNLIMITED, KillLevel, Kind, Limit, Switch
from protocols.commands import (
    BUY,
    SELL,
    cancels,
    limit_orders,
    make_commands,
    mass_cancel,
    reduces,
    replaces,
)
from protocols.layouts import COMMAND
from protocols.risk_commands import (
    day_begin,
    define_account,
    define_firm,
    deposit,
    fees,
    kill,
    release,
    set_limits,
    set_warnings,
    withdraw,
)
from stages.config import Capacity
from stages.core import Core
from stages.definitions import capacities_of
from stages.ledger import apply_feed
from stages.limit_uses import percent_of, threshold_of
from stages.risk_report import make_report
from stages.risk_report_model import AccountReport, RiskReport, whole
from stages.tally import Tally, exact_sum
from stages.venue import instrument_command, venue_command

pytestmark = pytest.mark.jitoff

CAPACITY = Capacity(
    max_orders=256, max_levels=256, max_cl_ord_ids=1024, max_positions=64, max_accounts=8, max_instruments=4,
    max_sessions=4, max_specials=64,
)  # fmt: skip
SECOND_NS = 10**9
TICK_VALUE = 10_000  # a hundredth of the currency for each tick and lot


class Journal:
    """A core, and the tally of all that it was given."""

    def __init__(self) -> None:
        self.core = Core(capacities_of(venue_command(CAPACITY)), input_slots=1024, output_slots=4096)
        self.tally = Tally()
        self.now_ns = SECOND_NS
        self.send(np.array([venue_command(CAPACITY)], dtype=COMMAND))
        self.send(instrument_command(1, "ACME", 10**6, 10**8, TICK_VALUE, "USD").reshape(1))
        self.send(define_firm(1, "ALPHA"))
        self.send(set_limits([6, 7, 15, 16], LIMIT_UNLIMITED, firm=1))
        for account, firm in ((1, 1), (2, 0), (3, 0)):
            self.send(define_account(account, f"ACC{account}", firm=firm))
            self.send(set_limits(list(Limit), LIMIT_UNLIMITED, account=account))
        self.send(make_commands(Kind.SESSION_OPEN, cl="S1"))

    def send(self, commands: Any) -> Any:
        """Sequence commands."""
        stamped = self.core.stamp(commands, self.now_ns)
        self.tally.see_commands(stamped)
        outcomes = self.core.process(stamped)
        self.tally.see_outcomes(outcomes)
        return outcomes

    def order(self, account: int, side: int, qty: int, price: int, cl: str, **terms: Any) -> int:
        """Enter an order; return its id."""
        self.send(limit_orders(side, qty, price, account=account, cl=cl, **terms))
        return self.core.last_seq

    def report(self) -> RiskReport:
        """Report."""
        apply_feed(self.core.state.risk, np.int64(self.core.last_seq))
        return make_report(self.core, self.tally, self.now_ns)


def account(report: RiskReport, number: int) -> AccountReport:
    """Return what is said of an account."""
    return report.accounts[number - 1]


def limit(report: RiskReport, number: int, key: str) -> tuple[int | None, int | None, bool]:
    """Return use, percent and whether it warns of an account's limit."""
    [row] = [row for row in account(report, number).limits if row.key == key]
    return row.use, row.percent, row.above


def test_positions_and_money_are_those_of_the_fills() -> None:
    """Cash, reservations, traded, fills, marks, loss and free funds after a trade with fees."""
    made = Journal()
    made.send(fees(1, taker=10_000, account=3))
    made.send(set_limits(Limit.CREDIT, 10**9, account=1))
    made.order(2, SELL, 10, 1000, "B1")
    made.order(1, BUY, 15, 1000, "A1")
    report = made.report()
    one, two, house = (account(report, number) for number in (1, 2, 3))
    [held] = one.positions
    assert (held.instrument, held.position, held.open_buy, held.open_sell, held.open_orders) == (
        "ACME",
        10,
        5,
        0,
        1,
    )
    assert (one.cash, one.cash_text, two.cash, house.cash) == (
        -101_000_000,
        "-101.00",
        100_000_000,
        1_000_000,
    )
    assert one.reserved_buy_text == "50.50" and one.free == 10**9 - 101_000_000 - 50_500_000
    assert (held.mark_text, one.loss_text, two.loss_text) == ("100.00", "1.00", "0.00")
    assert (one.traded_text, one.messages, one.fills, one.mode, one.firm) == ("100.00", 1, 1, "credit", 1)
    [firm] = report.firms
    assert (firm.name, firm.accounts, firm.cash, firm.reserved_text) == ("ALPHA", ["ACC1"], one.cash, "50.50")
    assert (report.instruments[0].last_text, report.venue.open_orders) == ("10.00", 1)
    assert report.reconciliation.ok


def test_uses_of_limits() -> None:
    """Open orders, worst-case positions, credit, gross notional, messages, bursts: against limit and threshold."""
    made = Journal()
    for which, value in (
        (Limit.MAX_OPEN_ORDERS, 4), (Limit.MAX_LONG, 40), (Limit.CREDIT, 400 * 10**6), (Limit.FREE_MESSAGES, 10),
        (Limit.ORDER_RATE, 1), (Limit.ORDER_BURST, 4), (Limit.GROSS_NOTIONAL, 800 * 10**6),
    ):  # fmt: skip
        made.send(set_limits(which, value, account=1))
    made.send(set_warnings(Limit.MAX_LONG, 50, account=1))
    made.order(1, BUY, 10, 1000, "A1")
    made.order(1, BUY, 10, 1000, "A2")
    report = made.report()
    assert limit(report, 1, "max_open_orders") == (2, 50, False)
    assert limit(report, 1, "max_long") == (20, 50, True)
    assert limit(report, 1, "credit") == (200 * 10**6, 50, False)
    assert limit(report, 1, "gross_notional") == (200 * 10**6, 25, False)
    assert limit(report, 1, "free_messages") == (2, 20, False)
    assert limit(report, 1, "order_burst") == (2, 50, False)
    assert limit(report, 1, "max_order_qty") == (None, None, False)
    assert account(report, 1).warnings == 1
    made.now_ns += 2 * SECOND_NS
    assert limit(made.report(), 1, "order_burst") == (0, 0, False)


def test_who_engaged_a_switch_is_known() -> None:
    """The first who engaged it, until it is released; a rejected command is nobody's."""
    made = Journal()
    made.send(kill(KillLevel.ACCOUNT, account=1, by="me"))
    seq = made.core.last_seq
    made.send(kill(KillLevel.ACCOUNT, account=1, by="you"))
    made.send(kill(KillLevel.FIRM, switch=Switch.REDUCING, firm=1))
    made.send(kill(KillLevel.FIRM, firm=9, by="nobody"))
    made.send(kill(KillLevel.SESSION, session="S1", by="me"))
    made.send(kill(KillLevel.INSTRUMENT, instrument=1, by="me"))
    report = made.report()
    told = [(each.level, each.name, each.switch, each.by) for each in report.venue.engaged]
    assert told == [
        ("firm", "1", "reducing", ""), ("account", "ACC1", "killed", "me"), ("session", "S1", "killed", "me"),
        ("instrument", "ACME", "killed", "me"),
    ]  # fmt: skip
    assert report.venue.engaged[1].seq == seq and report.venue.rejects == {"unknown_firm": 1}
    assert (account(report, 1).switches, report.instruments[0].switches) == (["killed"], ["killed"])
    made.send(release(KillLevel.ACCOUNT, account=1))
    made.send(kill(KillLevel.ACCOUNT, account=1, by="you"))
    assert [each.by for each in made.report().venue.engaged if each.level == "account"] == ["you"]


def test_the_throttle_is_engaged_by_risk() -> None:
    """What fills engaged has no command: it is risk's."""
    made = Journal()
    made.send(set_limits(Limit.EXECUTION_COUNT, 0, account=1))
    made.send(set_limits(Limit.EXECUTION_WINDOW, SECOND_NS, account=1))
    made.order(2, SELL, 1, 1000, "B1")
    made.order(1, BUY, 1, 1000, "A1")
    [engaged] = made.report().venue.engaged
    assert (engaged.level, engaged.name, engaged.switch, engaged.by) == (
        "account",
        "ACC1",
        "throttled",
        "risk",
    )


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["buy", "sell", "cancel", "reduce", "replace", "sweep", "kill", "deposit", "withdraw", "day"]
        ),
        st.integers(1, 3),
        st.integers(1, 9),
        st.integers(995, 1005),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_all_adds_up_after_anything(actions: list[tuple[str, int, int, int]]) -> None:
    """Orders, lots, cash and positions reconcile after any sequence of orders, requests, kills and transfers."""
    made = Journal()
    made.send(fees(1, maker=-50, taker=300, account=3))
    ids = [1]
    for number, (what, who, qty, price) in enumerate(actions):
        target = ids[qty % len(ids)]
        if what in ("buy", "sell"):
            ids.append(made.order(who, BUY if what == "buy" else SELL, qty, price, f"N{number}"))
        elif what == "cancel":
            made.send(cancels(target))
        elif what == "reduce":
            made.send(reduces(target, qty))
        elif what == "replace":
            made.send(replaces(target, qty + price % 5, price, cl=f"R{number}"))
        elif what == "sweep":
            made.send(mass_cancel(account=who, session=0))
        elif what == "kill":
            made.send(kill(KillLevel.ACCOUNT, account=who))
            made.send(release(KillLevel.ACCOUNT, account=who))
        elif what == "deposit":
            made.send(deposit(who, qty, f"T{number}", instrument=price % 2))
        elif what == "withdraw":
            made.send(withdraw(who, qty, f"T{number}", instrument=price % 2))
        else:
            made.send(day_begin())
    found = made.report().reconciliation
    assert found.ok, found


def test_a_difference_is_told() -> None:
    """A lot that vanished from a book, a millionth of cash, a position, an order: each is seen."""

    def changed(change: Any) -> Any:
        made = Journal()
        made.order(2, SELL, 10, 1000, "B1")
        made.order(1, BUY, 4, 1000, "A1")
        assert made.report().reconciliation.ok
        change(made)
        return made.report().reconciliation

    def lose_a_lot(made: Journal) -> None:
        books = made.core.state.books[0]
        [row] = np.nonzero(books.orders["shown_lots"] == 6)[0]
        books.orders["shown_lots"][row] = 5

    def lose_money(made: Journal) -> None:
        made.core.state.risk.accounts["cash"][1] += 1

    def lose_a_position(made: Journal) -> None:
        made.core.state.risk.positions["position_lots"][0] += 1

    def lose_an_order(made: Journal) -> None:
        made.tally.new_orders += 1

    for change, ok in (
        (lose_a_lot, (True, True, True, False)),
        (lose_money, (False, True, True, True)),
        (lose_a_position, (True, False, True, True)),
        (lose_an_order, (True, True, False, True)),
    ):
        found = changed(change)
        cash, position = found.money[0].ok, found.money[1].ok
        assert (cash, position, found.orders.ok, found.lots.ok) == ok and not found.ok


def test_numbers_at_their_ends() -> None:
    """Percents and thresholds of limits of 0, without end, not set; sums that leave int64."""
    assert [percent_of(5, value) for value in (-1, LIMIT_UNLIMITED, 0, 10)] == [None, None, 100, 50]
    assert (percent_of(0, 0), percent_of(None, 10), percent_of(-5, 10)) == (0, None, 0)
    assert [threshold_of(value, 80) for value in (-1, LIMIT_UNLIMITED, 0, 1, 100, 101)] == [
        None,
        None,
        0,
        1,
        80,
        81,
    ]
    assert threshold_of(100, 0) is None
    assert (whole(2**63 - 1), whole(2**63), whole(-(2**63)), whole(-(2**63) - 1)) == (
        2**63 - 1, "9223372036854775808", -(2**63), "-9223372036854775809",
    )  # fmt: skip
    ends = [2**63 - 1] * 3 + [-(2**63)] * 5 + [7]
    assert exact_sum(np.array(ends, np.int64)) == sum(ends) and exact_sum([]) == 0
