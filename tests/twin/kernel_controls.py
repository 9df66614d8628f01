"""The rows of :mod:`tests.twin.controls`, of the kernels' arrays as ``stages/state.py`` lays them out."""

from __future__ import annotations

from typing import Any

from protocols.codes import LIMIT_UNSET, Limit
from tests.twin.controls import (
    AccountControls,
    Controls,
    FirmControls,
    InstrumentControls,
    LimitRow,
    Numbers,
    PositionControls,
    SessionControls,
)
from tests.twin.limits import OF_ACCOUNTS, OF_ACCOUNTS_IN_INSTRUMENTS, OF_FIRMS, WARNS_ACCOUNTS, WARNS_FIRMS

CARRY = 2**61
SWITCHES = 7
PREFUNDED, SHORT_EXEMPT = 16, 32  # bits of an account's marks
NO_SHORT_SALES = 8  # of an instrument's


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
