"""What risk controls promise, of any sequence, whoever decides it, checked after every command.

Money and lots are conserved; a pre-funded account has what it spends and sells; nothing rests of whom a KILL names; and
no order is accepted beyond a limit. What an order has reserved is looked at right behind its acceptance, before
feedback of anything else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    LIMIT_UNLIMITED,
    LIMIT_UNSET,
    KillLevel,
    Kind,
    Limit,
    OutcomeFlag,
    OutcomeType,
    Side,
    Switch,
)
from tests.stages.steps import Sequence
from tests.stages.strategies import EXTREME, FORTUNES, RISK, sequences
from tests.stages.test_against_twin import assert_conserved
from tests.twin.compiled import core_makers
from tests.twin.controls import Controls
from tests.twin.limits import OF_ACCOUNTS, OF_ACCOUNTS_IN_INSTRUMENTS, OF_FIRMS
from tests.twin.records import Command, Outcome
from tests.twin.scenario import AnyCore
from tests.twin.view import BookRow

pytestmark = pytest.mark.jitoff

MAKERS = core_makers()
ANY_SEQUENCES = st.sampled_from([RISK, RISK, FORTUNES, EXTREME]).flatmap(sequences)
MOST_CASH = 2**61
Claim = Callable[[AnyCore, Command, list[Outcome], Controls], None]


def is_within(use: int, values: tuple[int, ...], which: tuple[Limit, ...], limit: Limit) -> bool:
    """Tell whether a use is within one of a holder's limits, if that is set."""
    most = values[which.index(limit)]
    return most == LIMIT_UNSET or use <= most


def prefunded_accounts_have_what_they_use(
    core: AnyCore, command: Command, told: list[Outcome], controls: Controls
) -> None:
    """Cash of a pre-funded account covers its buys, its position covers its sells, neither is negative."""
    for account in core.dump_accounts():
        if controls.accounts[account.account].prefunded:
            assert account.cash >= account.reserved_buy >= 0
    for row in core.dump_positions():
        if controls.accounts[row.account].prefunded:
            assert row.position >= row.open_sell >= 0


def nothing_rests_of_the_killed(
    core: AnyCore, command: Command, told: list[Outcome], controls: Controls
) -> None:
    """Behind a KILL that engages KILLED no order is open of whom it names, and its answer counts those that were."""
    if command.kind != Kind.KILL or (command.side, command.ord_type) != (1, Switch.KILLED):
        return
    if told[-1].type == OutcomeType.REJECTED:
        return
    session = {row.name: identity for identity, row in controls.sessions.items()}.get(command.orig, 0)
    concerned: dict[int, Callable[[BookRow], bool]] = {
        KillLevel.VENUE: lambda row: True,
        KillLevel.FIRM: lambda row: controls.accounts[row.account].firm == command.aux0,
        KillLevel.ACCOUNT: lambda row: row.account == command.account,
        KillLevel.SESSION: lambda row: row.session == session,
        KillLevel.INSTRUMENT: lambda row: row.instrument == command.instrument,
    }
    assert not [row for row in core.dump_books() if concerned[command.tif](row)]
    cancelled = [outcome for outcome in told if outcome.type == OutcomeType.CANCELLED]
    answer = next(outcome for outcome in told if outcome.flags & OutcomeFlag.ANSWER)
    assert answer.qty_lots == len(cancelled)


def no_order_passes_a_limit(core: AnyCore, command: Command, told: list[Outcome], controls: Controls) -> None:
    """What a NEW that risk let pass has reserved is within the limits of its account, of its firm, of its position."""
    answer = next((outcome for outcome in told if outcome.flags & OutcomeFlag.ANSWER), None)
    if command.kind != Kind.NEW or answer is None or answer.flags & OutcomeFlag.RISK:
        return
    account = controls.accounts[command.account]
    money = next(row for row in core.dump_accounts() if row.account == command.account)
    where = (command.account, command.instrument)
    row = next(row for row in core.dump_positions() if row[:2] == where)
    in_instrument = controls.positions[where]
    buys = command.side == Side.BUY
    worst = row.position + row.open_buy if buys else -row.position + row.open_sell
    uses = {
        Limit.MAX_ORDER_QTY: command.qty_lots,
        Limit.MAX_LONG if buys else Limit.MAX_SHORT: worst,
        Limit.MAX_OPEN_ORDERS: money.open_orders,
    }
    values = account.limits.values
    for limit, use in uses.items():
        assert is_within(use, values, OF_ACCOUNTS, limit), limit
        use = in_instrument.open_orders if limit == Limit.MAX_OPEN_ORDERS else use
        assert is_within(use, in_instrument.limits.values, OF_ACCOUNTS_IN_INSTRUMENTS, limit), limit
    reserved = money.reserved_buy + account.reserved_sell
    cash = max(-MOST_CASH, min(MOST_CASH, money.cash))
    gross = values[OF_ACCOUNTS.index(Limit.GROSS_NOTIONAL)]
    assert reserved + (account.traded if gross != LIMIT_UNLIMITED else 0) <= gross
    if buys and not account.prefunded:
        assert is_within(money.reserved_buy - cash, values, OF_ACCOUNTS, Limit.CREDIT)
    if account.firm:
        firm = controls.firms[account.firm]
        gross = firm.limits.values[OF_FIRMS.index(Limit.GROSS_NOTIONAL)]
        assert firm.reserved + (firm.traded if gross != LIMIT_UNLIMITED else 0) <= gross
        cash = max(-MOST_CASH, min(MOST_CASH, firm.cash))
        if buys and not account.prefunded:
            assert is_within(firm.credit_reserved - cash, firm.limits.values, OF_FIRMS, Limit.CREDIT)


def sums_of_firms_are_those_of_their_accounts(
    core: AnyCore, command: Command, told: list[Outcome], controls: Controls
) -> None:
    """Cash and reservations of a firm are the sums over its accounts, as rules.md has them."""
    rows = {row.account: row for row in core.dump_accounts()}
    for identity, firm in controls.firms.items():
        members = [number for number, account in controls.accounts.items() if account.firm == identity]
        credit = [number for number in members if not controls.accounts[number].prefunded]
        sells = sum(controls.accounts[number].reserved_sell for number in members)
        assert firm.cash == sum(rows[number].cash for number in credit)
        assert firm.credit_reserved == sum(rows[number].reserved_buy for number in credit)
        assert firm.reserved == sum(rows[number].reserved_buy for number in members) + sells


CLAIMS: list[Claim] = [
    prefunded_accounts_have_what_they_use,
    nothing_rests_of_the_killed,
    no_order_passes_a_limit,
    sums_of_firms_are_those_of_their_accounts,
]


@given(sequence=ANY_SEQUENCES)
def test_risk_controls_keep_their_promises(sequence: Sequence) -> None:
    """After every command of any sequence each claim above holds, and money and lots are conserved."""
    for name, maker in MAKERS.items():
        core, outcomes = maker(**sequence.capacities), list[Outcome]()
        for command in sequence.commands:
            told = core.process(command)
            outcomes += told
            controls = core.dump_controls()
            assert_conserved(core, outcomes)
            for claim in CLAIMS:
                try:
                    claim(core, command, told, controls)
                except AssertionError as error:
                    raise AssertionError(f"{claim.__name__}, {name}, {command}: {error}") from error
