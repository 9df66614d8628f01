"""What tests compare of risk controls: rows of plain ints, here of the twin's dataclasses.

Those of the kernels' arrays are made in :mod:`tests.twin.kernel_controls`: two states are equal when their
:class:`Controls` are. Cash is exact; thresholds are :data:`NO_THRESHOLD` where there is none; what means nothing at the
moment (edges of a collar without a reference) is None.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.codes import Limit
from tests.twin.collars import edges
from tests.twin.limits import (
    OF_ACCOUNTS,
    OF_ACCOUNTS_IN_INSTRUMENTS,
    OF_FIRMS,
    WARNS_ACCOUNTS,
    WARNS_FIRMS,
    threshold,
)
from tests.twin.marks import value
from tests.twin.rates import side_bit
from tests.twin.records import Text
from tests.twin.risk_state import RECENT_PLACES, Account, Firm, Instrument, Position, RiskState

NO_THRESHOLD = 2**62
Numbers = tuple[int, ...]


class LimitRow(NamedTuple):
    """Limits of one holder, in the order of their codes, and what it warns of."""

    values: Numbers
    adjusted: int
    percents: Numbers = ()
    thresholds: Numbers = ()


class AccountControls(NamedTuple):
    """One account; ``recent`` has what it remembers by place: what, price, quantity, start, count."""

    firm: int
    currency: int
    prefunded: bool
    switches: int
    cash: int
    reserved_sell: int
    traded: int
    messages: int
    fills: int
    value: int
    day_equity: int
    execution: Numbers
    order_tat: int
    cancel_tat: int
    types: int
    tifs: int
    groups: int
    short_exempt: bool
    warnings: int
    limits: LimitRow
    recent: tuple[Numbers, ...]


class FirmControls(NamedTuple):
    """One firm, with the sums over its accounts."""

    currency: int
    switches: int
    order_tat: int
    cash: int
    credit_reserved: int
    reserved: int
    traded: int
    warnings: int
    limits: LimitRow


class PositionControls(NamedTuple):
    """One position row."""

    mark: int
    open_orders: int
    access: int
    limits: LimitRow


class InstrumentControls(NamedTuple):
    """One instrument; edges are (low, high) of the static, then of the dynamic collar."""

    switches: int
    restricted: bool
    group: int
    limits: LimitRow
    collar: Numbers
    edges: tuple[tuple[int, int] | None, ...]
    rates: Numbers
    fee_account: int


class SessionControls(NamedTuple):
    """One session that has an id; ``granted`` are the accounts that it acts for where it does not act for all."""

    name: Text
    is_open: bool
    switches: int
    acts_for_all: bool
    granted: Numbers


class Controls(NamedTuple):
    """All that risk controls remember, by id, or by account and instrument."""

    venue: Numbers  # switches, day, when it began
    accounts: dict[int, AccountControls]
    firms: dict[int, FirmControls]
    positions: dict[tuple[int, int], PositionControls]
    instruments: dict[int, InstrumentControls]
    sessions: dict[int, SessionControls]


# The twin's


def _bits(adjusted: set[int]) -> int:
    return sum(1 << limit for limit in adjusted)


def _limits_of(holder: Account | Firm, which: tuple[Limit, ...], warns: tuple[Limit, ...]) -> LimitRow:
    thresholds = (threshold(holder.limits, holder.percents, limit) for limit in warns)
    return LimitRow(
        tuple(holder.limits[limit] for limit in which),
        _bits(holder.adjusted),
        tuple(holder.percents[limit] for limit in warns),
        tuple(NO_THRESHOLD if least is None else least for least in thresholds),
    )


def _account(state: RiskState, identity: int, account: Account) -> AccountControls:
    nothing = (0, 0, 0, 0, 0)
    remembered = {
        place: (2 * entry.terms[0] + side_bit(entry.terms[1]), *entry.terms[2:], entry.start_ns, entry.count)
        for place, entry in account.recent.items()
    }
    return AccountControls(
        firm=account.firm,
        currency=account.currency,
        prefunded=account.prefunded,
        switches=int(account.switches),
        cash=account.exact_cash,
        reserved_sell=account.reserved_sell,
        traded=account.traded,
        messages=account.messages,
        fills=account.fills,
        value=value(state, identity),
        day_equity=account.day_equity,
        execution=(account.execution_start_ns, account.execution_count),
        order_tat=account.order_tat,
        cancel_tat=account.cancel_tat,
        types=account.types,
        tifs=account.tifs,
        groups=account.groups,
        short_exempt=account.short_exempt,
        warnings=account.warnings,
        limits=_limits_of(account, OF_ACCOUNTS, WARNS_ACCOUNTS),
        recent=tuple(remembered.get(place, nothing) for place in range(RECENT_PLACES)),
    )


def _firm(state: RiskState, identity: int, firm: Firm) -> FirmControls:
    return FirmControls(
        currency=firm.currency,
        switches=int(firm.switches),
        order_tat=firm.order_tat,
        cash=state.firm_exact_cash(identity),
        credit_reserved=state.firm_credit_reserved(identity),
        reserved=state.firm_reserved(identity),
        traded=firm.traded,
        warnings=firm.warnings,
        limits=_limits_of(firm, OF_FIRMS, WARNS_FIRMS),
    )


def _position(row: Position) -> PositionControls:
    values = tuple(row.limits[limit] for limit in OF_ACCOUNTS_IN_INSTRUMENTS)
    return PositionControls(row.mark, row.open_orders, row.access, LimitRow(values, _bits(row.adjusted)))


def _instrument(terms: Instrument) -> InstrumentControls:
    static = (terms.static_reference, terms.static_width)
    dynamic = (terms.dynamic_reference, terms.dynamic_width)
    rates = (terms.maker_rate, terms.taker_rate, terms.auction_rate)
    limits = (terms.limits[Limit.MAX_ORDER_QTY], terms.limits[Limit.MAX_ORDER_NOTIONAL])
    return InstrumentControls(
        switches=int(terms.switches),
        restricted=terms.restricted,
        group=terms.group,
        limits=LimitRow(limits, _bits(terms.adjusted)),
        collar=(terms.collar_unit, *static, *dynamic, terms.reference_ns, terms.stale_ns),
        edges=tuple(
            edges(terms.collar_unit, reference, width) if reference and width else None
            for reference, width in (static, dynamic)
        ),
        rates=rates,
        fee_account=terms.fee_account if any(rates) else 0,
    )


def controls_of_twin(state: RiskState) -> Controls:
    """Return the rows of the twin."""
    return Controls(
        venue=(int(state.switches), state.day, state.day_ns),
        accounts={
            identity: _account(state, identity, account)
            for identity, account in sorted(state.accounts.items())
        },
        firms={identity: _firm(state, identity, firm) for identity, firm in sorted(state.firms.items())},
        positions={key: _position(row) for key, row in sorted(state.positions.items())},
        instruments={identity: _instrument(terms) for identity, terms in sorted(state.instruments.items())},
        sessions={
            identity: SessionControls(
                session.name,
                session.is_open,
                int(session.switches),
                session.acts_for_all,
                tuple(sorted(session.granted)),
            )
            for identity, session in sorted(state.sessions.items())
        },
    )
