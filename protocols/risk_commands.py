"""Commands that set risk controls, by the array: firms, limits, switches, permissions, collars, fees, transfers, days.

Like those of :mod:`protocols.commands`, whose rules for columns and errors hold here too::

    core.process(define_firm(1, "ALPHA"))
    core.process(define_account(1, "ACC1", firm=1))
    core.process(set_limits(range(1, 19), LIMIT_UNLIMITED, account=1))
    core.process(kill(KillLevel.ACCOUNT, account=1, by="night desk"))

Money is millionths of the currency unit, quantities lots, prices and widths ticks, windows and ages nanoseconds, shares
and fee rates millionths. ``by`` names the operator in the journal, up to 20 characters. What each control means is told
by docs/risk-controls.md; what makes no sense is rejected by the core, with a reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.codes import (
    LIMIT_PART_VALUE,
    LIMIT_PART_WARNING,
    CollarUnit,
    CommandFlag,
    Kind,
    Permit,
    Switch,
)
from protocols.commands import make_commands
from protocols.text import pack_text

__all__ = [
    "collar",
    "day_begin",
    "define_account",
    "define_firm",
    "deposit",
    "fees",
    "kill",
    "permit",
    "permit_session",
    "release",
    "set_limits",
    "set_warnings",
    "withdraw",
]

ENGAGES = 1
RELEASES = 2
DEPOSITS = 1
WITHDRAWS = 2


def define_firm(firm: Any, name: Any, currency: str = "USD", **columns: Any) -> Any:
    """Return definitions of firms: numbers, names of up to 16 characters, one currency."""
    return make_commands(Kind.FIRM, aux0=firm, cl=name, orig2=pack_text(currency)[0], **columns)


def define_account(
    account: Any, name: Any, currency: str = "USD", *, firm: Any = 0, prefunded: Any = False, **columns: Any
) -> Any:
    """Return definitions of accounts; none of their limits is set, so that they may not trade yet."""
    flags = np.asarray(prefunded, dtype=bool) * int(CommandFlag.PREFUNDED)
    packed = pack_text(currency)[0]
    return make_commands(
        Kind.ACCOUNT, account=account, cl=name, orig2=packed, instrument=firm, flags=flags, **columns
    )


def set_limits(
    limit: Any, value: Any, *, account: Any = 0, instrument: Any = 0, firm: Any = 0, part: Any = LIMIT_PART_VALUE,
    configured: bool = False, by: str = "", **columns: Any,
) -> Any:  # fmt: skip
    """Return limits (codes.Limit) of accounts, firms, instruments, or accounts in instruments."""
    flags = int(CommandFlag.CONFIGURED) if configured else 0
    whose = {"account": account, "instrument": instrument, "aux0": firm}
    return make_commands(
        Kind.LIMIT, tif=part, ord_type=limit, qty_lots=value, flags=flags, cl=by, **whose, **columns
    )


def set_warnings(limit: Any, percent: Any, **columns: Any) -> Any:
    """Return from how many percent of limits on risk warns, 0 for never; whose as :func:`set_limits` has it."""
    return set_limits(limit, percent, part=LIMIT_PART_WARNING, **columns)


def kill(
    level: Any, *, switch: Any = Switch.KILLED, account: Any = 0, instrument: Any = 0, firm: Any = 0, session: Any = "",
    by: str = "", **columns: Any,
) -> Any:  # fmt: skip
    """Return commands that engage a switch (codes.Switch) at a level (codes.KillLevel); sessions go by name."""
    return _switch(ENGAGES, level, switch, account, instrument, firm, session, by, columns)


def release(
    level: Any, *, switch: Any = Switch.KILLED, account: Any = 0, instrument: Any = 0, firm: Any = 0, session: Any = "",
    by: str = "", **columns: Any,
) -> Any:  # fmt: skip
    """Return commands that release a switch at a level."""
    return _switch(RELEASES, level, switch, account, instrument, firm, session, by, columns)


def _switch(
    side: int, level: Any, switch: Any, account: Any, instrument: Any, firm: Any, session: Any, by: str,
    columns: dict[str, Any],
) -> Any:  # fmt: skip
    whom = {"account": account, "instrument": instrument, "aux0": firm, "orig": session}
    return make_commands(Kind.KILL, side=side, tif=level, ord_type=switch, cl=by, **whom, **columns)


def permit(
    what: Any, value: Any, *, account: Any = 0, instrument: Any = 0, by: str = "", **columns: Any
) -> Any:
    """Return permissions (codes.Permit) of accounts, instruments, or accounts in instruments."""
    return make_commands(
        Kind.PERMIT,
        ord_type=what,
        qty_lots=value,
        account=account,
        instrument=instrument,
        cl=by,
        **columns,
    )


def permit_session(session: Any, value: Any, *, account: Any = 0, by: str = "", **columns: Any) -> Any:
    """Return for which accounts sessions, by name, act: account 0 with 1 for all, with 0 for those granted (1)."""
    return make_commands(
        Kind.PERMIT, ord_type=Permit.SESSION, qty_lots=value, account=account, orig=session, cl=by, **columns
    )


def collar(
    instrument: Any, *, static: Any = 0, dynamic: Any = 0, unit: Any = CollarUnit.TICKS, reference: Any = 0,
    age_ns: Any = 0, by: str = "", **columns: Any,
) -> Any:  # fmt: skip
    """Return collars: widths, 0 for off; a reference, 0 to keep it; how old a reference may be, 0 for any age."""
    return make_commands(
        Kind.COLLAR, instrument=instrument, ord_type=unit, order_id=static, orig0=dynamic, price_ticks=reference,
        aux0=age_ns, cl=by, **columns,
    )  # fmt: skip


def fees(
    instrument: Any, *, maker: Any = 0, taker: Any = 0, auction: Any = 0, account: Any = 0, by: str = "",
    **columns: Any,
) -> Any:  # fmt: skip
    """Return fee rates of instruments, negative for rebates, and the account that gets them."""
    return make_commands(
        Kind.FEES, instrument=instrument, price_ticks=maker, qty_lots=taker, order_id=auction, account=account, cl=by,
        **columns,
    )  # fmt: skip


def deposit(
    account: Any, amount: Any, reference: Any, *, instrument: Any = 0, by: str = "", **columns: Any
) -> Any:
    """Return deposits of money, or of lots of an instrument; references are used once, for ever."""
    return _transfer(DEPOSITS, account, amount, reference, instrument, by, columns)


def withdraw(
    account: Any, amount: Any, reference: Any, *, instrument: Any = 0, by: str = "", **columns: Any
) -> Any:
    """Return withdrawals of money, or of lots of an instrument."""
    return _transfer(WITHDRAWS, account, amount, reference, instrument, by, columns)


def _transfer(
    side: int, account: Any, amount: Any, reference: Any, instrument: Any, by: str, columns: dict[str, Any]
) -> Any:
    return make_commands(
        Kind.TRANSFER, side=side, account=account, instrument=instrument, qty_lots=amount, cl=reference, orig=by,
        **columns,
    )  # fmt: skip


def day_begin(by: str = "", **columns: Any) -> Any:
    """Return the command with which a day begins: daily counters begin anew."""
    return make_commands(Kind.DAY_BEGIN, cl=by, **columns)
