"""Firms, permissions, collars, fees and sessions of a configuration as commands: what a state does not hold yet.

Pure functions of the configuration and of the state; called by :mod:`stages.venue`. What a state holds already is not
sequenced again. What the file does not name at all (an instrument of an account, a session, access) stays as it is;
limits are those of :mod:`stages.venue_limits`.

The reference of a collar is given once, and when it changes in the file: later ones are an operator's, or trade
prices, and a restart must not bring back that of a morning. What the file said last is in :mod:`stages.configured`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from protocols.codes import Permit
from protocols.directory import Directory
from protocols.layouts import COMMAND
from protocols.risk_commands import collar, day_begin, define_firm, fees, permit, permit_session
from protocols.risk_terms import ALL_GROUPS, ALL_TIFS, ALL_TYPES, CONFIGURED_BY
from protocols.text import pack_text, unpack_text
from protocols.trading_day import last_time_ns
from stages.config_model import Account, ConfigError, Instrument, VenueConfig
from stages.config_risk import Collar, Firm
from stages.limit_rows import position_rows
from stages.permissions_view import granted_accounts, session_name
from stages.state import ACCOUNT_SHORT_EXEMPT, INSTRUMENT_NO_SHORT_SALES, RiskState
from stages.state_words import RW_DAY_NS, RW_SESSIONS

__all__ = [
    "access_commands",
    "collar_commands",
    "day_commands",
    "fee_commands",
    "firm_commands",
    "permit_commands",
    "session_commands",
    "short_sale_commands",
]

NONE = np.zeros(0, dtype=COMMAND)
BY = CONFIGURED_BY


def firm_commands(config: VenueConfig, risk: RiskState) -> Any:
    """Return the definitions of firms that the state does not know."""
    parts = [NONE]
    places = {firm.id: index for index, firm in enumerate(config.firms)}
    for firm in config.all_firms:
        key = f"firm[{places[firm.id]}]" if firm.id in places else "firm"
        if firm.id >= len(risk.firms):
            room = len(risk.firms) - 1
            raise ConfigError(
                f"{key}.id", f"expected at most {room}, for which the journal has room", firm.id
            )
        record = risk.firms[firm.id]
        if not record["known"]:
            parts.append(define_firm(firm.id, firm.name, firm.currency))
        else:
            _check_firm(key, firm, record)
    return np.concatenate(parts)


def _check_firm(key: str, firm: Firm, record: Any) -> None:
    name = unpack_text(int(record["name0"]), int(record["name1"]))
    if firm.name != name:
        raise ConfigError(f"{key}.name", f"expected {name}, as in the journal", firm.name)
    if pack_text(firm.currency)[0] != int(record["currency"]):
        raise ConfigError(f"{key}.currency", "expected that of the journal", firm.currency)


def permit_commands(config: VenueConfig, account: Account, identity: int, risk: RiskState) -> Any:
    """Return what an account is permitted, where the state has something else."""
    record = risk.accounts[identity]
    held = (ALL_TYPES, ALL_TIFS, ALL_GROUPS, 0)
    if record["known"]:
        exempt = int(int(record["marks"]) & ACCOUNT_SHORT_EXEMPT != 0)
        held = (int(record["types"]), int(record["tifs"]), int(record["groups"]), exempt)
    wanted = (*account.permits(config.groups), int(account.short_exempt))
    what = (Permit.ORDER_TYPES, Permit.TIFS, Permit.GROUPS, Permit.SHORT_SALES)
    parts = [
        permit(which, value, account=identity, by=BY)
        for which, value, was in zip(what, wanted, held, strict=True)
        if value != was
    ]
    return np.concatenate(parts) if parts else NONE


def access_commands(config: VenueConfig, ids: Directory, risk: RiskState) -> Any:
    """Return what accounts may do in single instruments, where the file says so and the state has something else."""
    rows = position_rows(risk)
    parts = [NONE]
    for account in config.accounts:
        for entry in account.instruments:
            place = ids.account_ids[account.name], ids.instrument_ids[entry.symbol]
            held = int(risk.positions[rows[place]]["access"]) if place in rows else 0
            if entry.access_code is not None and entry.access_code != held:
                whose = {"account": place[0], "instrument": place[1]}
                parts.append(permit(Permit.INSTRUMENT, int(entry.access_code), **whose, by=BY))
    return np.concatenate(parts)


def short_sale_commands(entry: Instrument, identity: int, record: Any) -> Any:
    """Return whether short sales of an instrument are allowed, if the state has it otherwise."""
    allowed = entry.short_sales == "allowed"
    held = not (int(record["marks"]) & INSTRUMENT_NO_SHORT_SALES)
    if allowed == held:
        return NONE
    return permit(Permit.SHORT_SALES, int(allowed), instrument=identity, by=BY)


def collar_commands(entry: Instrument, identity: int, record: Any, references: Mapping[str, int]) -> Any:
    """Return the collars of an instrument if the state has others, or the file a reference that it did not have.

    Where nobody knows what the file had, a reference is given to an instrument that has none.
    """
    wanted = entry.collar
    held = Collar(
        *(int(record[name]) for name in ("collar_unit", "static_width", "dynamic_width", "stale_ns"))
    )
    reference = entry.collar_reference_ticks
    before = references.get(entry.symbol, reference)
    if record["static_reference"] and before == reference:
        reference = 0
    if not reference and (wanted == held or not (wanted.is_on or held.is_on)):
        return NONE
    return collar(
        identity, static=wanted.static, dynamic=wanted.dynamic, unit=wanted.unit, reference=reference,
        age_ns=wanted.age_ns, by=BY,
    )  # fmt: skip


def fee_commands(config: VenueConfig, ids: Directory, risk: RiskState) -> Any:
    """Return the fees of instruments that the state has otherwise."""
    parts = [NONE]
    for entry in config.instruments:
        identity, wanted = ids.instrument_ids[entry.symbol], entry.fees
        account = ids.account_ids[wanted.account] if wanted.account else 0
        record = risk.instruments[identity]
        held = tuple(int(record[name]) for name in ("maker_rate", "taker_rate", "auction_rate"))
        if wanted.rates == held and (not any(held) or account == int(record["fee_account"])):
            continue
        maker, taker, auction = wanted.rates
        parts.append(fees(identity, maker=maker, taker=taker, auction=auction, account=account, by=BY))
    return np.concatenate(parts)


def session_commands(config: VenueConfig, ids: Directory, risk: RiskState) -> Any:
    """Return for which accounts the sessions of the file act, where the state has it otherwise.

    A session is granted its accounts before it acts for them alone, so that it is never without.
    """
    known = {session_name(risk, session): session for session in range(1, int(risk.words[RW_SESSIONS]) + 1)}
    parts = [NONE]
    for row in config.sessions:
        session = known.get(row.name, 0)
        is_restricted = bool(session and risk.sessions[session]["is_restricted"])
        if row.accounts is None:
            if is_restricted:
                parts.append(permit_session(row.name, 1, by=BY))
            continue
        granted = set(granted_accounts(risk, session)) if session else set()
        wanted = {ids.account_ids[name] for name in row.accounts}
        for value, accounts in ((1, wanted - granted), (0, granted - wanted)):
            parts += [permit_session(row.name, value, account=each, by=BY) for each in sorted(accounts)]
        if not is_restricted:
            parts.append(permit_session(row.name, 0, by=BY))
    return np.concatenate(parts)


def day_commands(config: VenueConfig, risk: RiskState, now_ns: int) -> Any:
    """Return the DAY_BEGIN that is due: its time of day has passed since the last one."""
    at_ns = config.risk.day_begin_ns
    if at_ns is None or int(risk.words[RW_DAY_NS]) >= last_time_ns(at_ns, now_ns):
        return NONE
    return day_begin(BY)
