"""What tests compare of risk controls: rows of plain ints, from the twin's dataclasses and from the kernels' arrays.

The rows are the same for both, so that two states are equal when their :class:`Controls` are. Cash is exact; thresholds
are :data:`NO_THRESHOLD` where there is none; what means nothing at the moment (edges of a collar without a reference)
is None.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from protocols.codes import LIMIT_UNSET, Limit
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
CARRY = 2**61
SWITCHES = 7
PREFUNDED, SHORT_EXEMPT = 16, 32  # bits of an account's marks
NO_SHORT_SALES = 8  # of an instrument's
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


# The kernels'


def _ints(row: Any, *names: str) -> Numbers:
    return tuple(int(row[name]) for name in names)


def _limit_row(
    limits: Any, which: tuple[Limit, ...], percents: Any, thresholds: Any, warns: tuple[Limit, ...]
) -> LimitRow:
    return LimitRow(
        tuple(int(limits[limit]) for limit in which),
        int(limits[0]),
        tuple(int(percents[limit]) for limit in warns),
        tuple(int(thresholds[limit]) for limit in warns),
    )


def _kernel_account(risk: Any, identity: int) -> AccountControls:
    row, marks = risk.accounts[identity], int(risk.accounts[identity]["marks"])
    counted = _ints(row, "reserved_sell", "traded", "messages", "fills", "value", "day_equity")
    recent = risk.recent[identity]
    return AccountControls(
        *_ints(row, "firm", "currency"),
        bool(marks & PREFUNDED),
        marks & SWITCHES,
        int(row["cash"]) + CARRY * int(row["cash_carry"]),
        *counted,
        _ints(row, "execution_start_ns", "execution_count"),
        *_ints(row, "order_tat", "cancel_tat", "types", "tifs", "groups"),
        bool(marks & SHORT_EXEMPT),
        int(row["warnings"]),
        _limit_row(
            risk.limits[identity],
            OF_ACCOUNTS,
            risk.warning_percents[identity],
            risk.warnings[identity],
            WARNS_ACCOUNTS,
        ),
        tuple(_ints(entry, "what", "price_ticks", "qty_lots", "start_ns", "count") for entry in recent),
    )


def _kernel_firm(risk: Any, identity: int) -> FirmControls:
    row = risk.firms[identity]
    return FirmControls(
        int(row["currency"]),
        int(row["marks"]) & SWITCHES,
        int(row["order_tat"]),
        int(row["cash"]) + CARRY * int(row["cash_carry"]),
        *_ints(row, "credit_reserved", "reserved", "traded", "warnings"),
        _limit_row(
            risk.firm_limits[identity],
            OF_FIRMS,
            risk.firm_warning_percents[identity],
            risk.firm_warnings[identity],
            WARNS_FIRMS,
        ),
    )


def _kernel_position(risk: Any, place: int) -> PositionControls:
    row, limits = risk.positions[place], risk.position_limits[place]
    values, adjusted = (LIMIT_UNSET,) * len(OF_ACCOUNTS_IN_INSTRUMENTS), 0
    if row["has_limits"]:
        values = tuple(int(limits[limit]) for limit in OF_ACCOUNTS_IN_INSTRUMENTS)
        adjusted = int(limits[0])
    return PositionControls(*_ints(row, "mark", "open_orders", "access"), LimitRow(values, adjusted))


def _kernel_instrument(risk: Any, identity: int) -> InstrumentControls:
    row = risk.instruments[identity]
    rates = _ints(row, "maker_rate", "taker_rate", "auction_rate")
    collars = [_ints(row, f"{name}_reference", f"{name}_width") for name in ("static", "dynamic")]
    found = [_ints(row, f"{name}_low", f"{name}_high") for name in ("static", "dynamic")]
    return InstrumentControls(
        int(row["marks"]) & SWITCHES,
        bool(int(row["marks"]) & NO_SHORT_SALES),
        int(row["group"]),
        LimitRow(_ints(row, "max_order_qty", "max_order_notional"), int(row["adjusted"])),
        (int(row["collar_unit"]), *collars[0], *collars[1], *_ints(row, "reference_ns", "stale_ns")),
        tuple(
            (low, high) if all(collar) else None for collar, (low, high) in zip(collars, found, strict=True)
        ),
        rates,
        int(row["fee_account"]) if any(rates) else 0,
    )


def _kernel_session(risk: Any, identity: int) -> SessionControls:
    row, words = risk.sessions[identity], risk.session_accounts[identity]
    granted = [
        64 * word + bit for word, bits in enumerate(words) for bit in range(64) if int(bits) >> bit & 1
    ]
    name = (int(row["name0"]), int(row["name1"]), int(row["name2"]))
    return SessionControls(
        name, bool(row["is_open"]), int(row["switches"]), not row["is_restricted"], tuple(granted)
    )


def controls_of_kernels(risk: Any, words: tuple[int, int, int], positions: int, sessions: int) -> Controls:
    """Return the rows of a RiskState; ``words`` are switches, day and its time of the venue."""
    keys = {_ints(risk.positions[place], "account", "instrument"): place for place in range(positions)}

    def known(rows: Any) -> list[int]:
        return [identity for identity in range(1, len(rows)) if rows[identity]["known"]]

    return Controls(
        words,
        {identity: _kernel_account(risk, identity) for identity in known(risk.accounts)},
        {identity: _kernel_firm(risk, identity) for identity in known(risk.firms)},
        {(key[0], key[1]): _kernel_position(risk, place) for key, place in sorted(keys.items())},
        {identity: _kernel_instrument(risk, identity) for identity in known(risk.instruments)},
        {identity: _kernel_session(risk, identity) for identity in range(1, sessions + 1)},
    )
