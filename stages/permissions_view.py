"""Permissions of a state that differ from the first ones, as rows for people and scripts: ``limits show``."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from protocols.directory import Directory
from protocols.risk_terms import ACCESS_WORDS, ALL_GROUPS, ALL_TIFS, ALL_TYPES, ORDER_TYPE_WORDS, TIF_WORDS
from protocols.text import unpack_text
from stages.state import ACCOUNT_SHORT_EXEMPT, INSTRUMENT_NO_SHORT_SALES, RiskState
from stages.state_words import RW_POSITIONS, RW_SESSIONS

__all__ = ["Permission", "granted_accounts", "permissions_of", "session_name"]

GROUP_BITS = 64


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """One permission: whose (ACCOUNT, instrument:SYMBOL, ACCOUNT@SYMBOL, session:NAME), of what, and which."""

    holder: str
    what: str
    value: str


def permissions_of(risk: RiskState, ids: Directory) -> list[Permission]:
    """Return all permissions that are not as they are at first: of accounts, instruments, positions, sessions."""
    found = [row for identity in sorted(ids.accounts) for row in _of_account(risk, ids, identity)]
    for identity, entry in sorted(ids.instruments.items()):
        if int(risk.instruments[identity]["marks"]) & INSTRUMENT_NO_SHORT_SALES:
            holder = f"instrument:{entry.symbol}"
            found.append(Permission(holder=holder, what="short_sales", value="restricted"))
    words = {int(code): word for word, code in ACCESS_WORDS.items()}
    for row in risk.positions[: int(risk.words[RW_POSITIONS])]:
        if row["access"]:
            holder = f"{ids.account_name(int(row['account']))}@{ids.symbol(int(row['instrument']))}"
            found.append(Permission(holder=holder, what="access", value=words[int(row["access"])]))
    for session in range(1, int(risk.words[RW_SESSIONS]) + 1):
        if risk.sessions[session]["is_restricted"]:
            names = [ids.account_name(account) for account in granted_accounts(risk, session)]
            holder = f"session:{session_name(risk, session)}"
            found.append(Permission(holder=holder, what="accounts", value=" ".join(names) or "none"))
    return found


def _of_account(risk: RiskState, ids: Directory, identity: int) -> list[Permission]:
    row, name = risk.accounts[identity], ids.account_name(identity)
    found = []
    if int(row["types"]) != ALL_TYPES:
        value = _words(int(row["types"]), ORDER_TYPE_WORDS)
        found.append(Permission(holder=name, what="order_types", value=value))
    if int(row["tifs"]) != ALL_TIFS:
        found.append(Permission(holder=name, what="tifs", value=_words(int(row["tifs"]), TIF_WORDS)))
    if int(row["groups"]) != ALL_GROUPS:
        groups = [str(bit) for bit in range(GROUP_BITS) if int(row["groups"]) >> bit & 1]
        found.append(Permission(holder=name, what="groups", value=" ".join(groups) or "none"))
    if int(row["marks"]) & ACCOUNT_SHORT_EXEMPT:
        found.append(Permission(holder=name, what="short_exempt", value="true"))
    return found


def _words(bits: int, known: Any) -> str:
    return " ".join(word for word, code in known.items() if bits >> code & 1) or "none"


def session_name(risk: RiskState, session: int) -> str:
    """Return the name of a session."""
    record = risk.sessions[session]
    return unpack_text(int(record["name0"]), int(record["name1"]), int(record["name2"]))


def granted_accounts(risk: RiskState, session: int) -> list[int]:
    """Return the accounts that a session was granted, ascending."""
    bits = np.ascontiguousarray(risk.session_accounts[session]).view(np.uint8)
    return [int(account) for account in np.nonzero(np.unpackbits(bits, bitorder="little"))[0]]
