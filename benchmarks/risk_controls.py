"""What each risk control costs: risk alone, with one control switched on, and with all of them.

A small venue, so that the caches hold its state: what is measured is the work of the checks. Each control is set
for all accounts, firms and instruments, so high that it rejects nothing; the flow and its outcomes are the same,
and the verdicts of each run must be those of its reference run. ``instrument and quantity`` has every control off: all
limits unlimited, no firm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.machine import pinned
from benchmarks.measure import Goal, Runs
from benchmarks.workload import SESSION, Workload, make_workload
from protocols.codes import (
    FLAG_CONFIGURED,
    KIND_ACCOUNT,
    KIND_COLLAR,
    KIND_FEES,
    KIND_FIRM,
    KIND_LIMIT,
    KIND_PERMIT,
    LIMIT_PART_WARNING,
    LIMIT_UNLIMITED,
    CollarUnit,
    Limit,
    OrdType,
    Permit,
)
from protocols.layouts import COMMAND
from protocols.text import pack_text
from stages.config import Capacity, VenueConfig, default_config
from stages.venue import currency_code, new_command, set_name

__all__ = ["CONTROLS", "ControlRow", "controlled_workload", "goals_of", "measure_controls", "small_venue"]

PROFILE: Final = "normal"
GOAL_NS: Final = 60
FIRM: Final = 1
HIGH: Final = 1 << 58
SECOND_NS: Final = 1_000_000_000
MOST_COUNTS: Final = 1 << 20
NONE: Final = "instrument and quantity"
ALL: Final = "all controls"


class ControlRow(Struct, frozen=True, kw_only=True):
    """One control: nanoseconds a command of risk alone."""

    control: str
    commands: int
    rejects: int
    ns: Runs
    more_ns: float  # than with every control off


def small_venue(commands: int) -> VenueConfig:
    """Return the default venue with no more room than a flow of so many commands needs."""
    cl_ord_ids = 1 << max(commands, 1 << 12).bit_length()
    capacity = Capacity(
        max_orders=1 << 14,
        max_levels=1 << 14,
        max_cl_ord_ids=cl_ord_ids,
        max_positions=1 << 10,
        max_accounts=64,
        max_instruments=16,
        max_sessions=16,
        max_specials=1 << 10,
    )
    return msgspec.structs.replace(default_config(), capacity=capacity)


def _limit(account: int, which: int, value: int, **fields: int) -> Any:
    return new_command(
        KIND_LIMIT, account=account, ord_type=which, qty_lots=value, flags=FLAG_CONFIGURED, **fields
    )


def _off(accounts: list[int], instruments: list[int]) -> list[Any]:
    """Return what sets every limit of accounts to unlimited."""
    return [_limit(account, int(which), LIMIT_UNLIMITED) for account in accounts for which in Limit]


def _limits(*values: tuple[Limit, int]) -> Callable[[list[int], list[int]], list[Any]]:
    def commands(accounts: list[int], instruments: list[int]) -> list[Any]:
        return [_limit(account, int(which), value) for account in accounts for which, value in values]

    return commands


def _firms(accounts: list[int], instruments: list[int]) -> list[Any]:
    """Return a firm with limits that all accounts join; the default venue names accounts as the workload does."""
    names = {identity: name for name, identity in default_config().directory().account_ids.items()}
    usd = currency_code("USD")
    made = [set_name(new_command(KIND_FIRM, aux0=FIRM, orig2=usd), "FIRM")]
    values = {
        Limit.CREDIT: HIGH,
        Limit.GROSS_NOTIONAL: HIGH,
        Limit.ORDER_RATE: SECOND_NS,
        Limit.ORDER_BURST: MOST_COUNTS,
    }
    made += [_limit(0, int(which), value, aux0=FIRM) for which, value in values.items()]
    made += [
        set_name(new_command(KIND_ACCOUNT, account=account, instrument=FIRM, orig2=usd), names[account])
        for account in accounts
    ]
    return made


def _warnings(accounts: list[int], instruments: list[int]) -> list[Any]:
    """Return thresholds of all limits that have them, which nothing reaches."""
    which = (
        Limit.MAX_OPEN_ORDERS,
        Limit.MAX_LONG,
        Limit.MAX_SHORT,
        Limit.CREDIT,
        Limit.GROSS_NOTIONAL,
        Limit.MAX_LOSS,
    )
    made = _limits(*((one, HIGH) for one in which))(accounts, instruments)
    return made + [
        _limit(account, int(one), 100, tif=LIMIT_PART_WARNING) for account in accounts for one in which
    ]


def _collars(accounts: list[int], instruments: list[int]) -> list[Any]:
    wide = {"order_id": 900_000, "orig0": 900_000, "ord_type": int(CollarUnit.MILLIONTHS), "aux0": 1 << 60}
    return [
        new_command(KIND_COLLAR, instrument=instrument, price_ticks=1 << 17, **wide)
        for instrument in instruments
    ]


def _fees(accounts: list[int], instruments: list[int]) -> list[Any]:
    rates = {"price_ticks": -100, "qty_lots": 300, "order_id": 200}
    return [
        new_command(KIND_FEES, instrument=instrument, account=accounts[0], **rates)
        for instrument in instruments
    ]


def _permissions(accounts: list[int], instruments: list[int]) -> list[Any]:
    """Return a session that acts for its accounts only, accounts without market orders, with some groups."""
    types = sum(1 << ord_type for ord_type in OrdType if ord_type != OrdType.MARKET)
    orig0, orig1, orig2 = pack_text(SESSION)
    session = {"ord_type": int(Permit.SESSION), "orig0": orig0, "orig1": orig1, "orig2": orig2}
    made = [new_command(KIND_PERMIT, **session)]
    for account in accounts:
        made.append(new_command(KIND_PERMIT, account=account, qty_lots=1, **session))
        made.append(
            new_command(KIND_PERMIT, account=account, ord_type=int(Permit.ORDER_TYPES), qty_lots=types)
        )
        made.append(new_command(KIND_PERMIT, account=account, ord_type=int(Permit.GROUPS), qty_lots=1))
        made.append(new_command(KIND_PERMIT, account=account, ord_type=int(Permit.SHORT_SALES), qty_lots=1))
    made += [
        new_command(KIND_PERMIT, instrument=instrument, ord_type=int(Permit.SHORT_SALES))
        for instrument in instruments
    ]
    return made


def _narrow(accounts: list[int], instruments: list[int]) -> list[Any]:
    """Return limits of instruments, and of all accounts in all of them."""
    own = [Limit.MAX_ORDER_QTY, Limit.MAX_ORDER_NOTIONAL]
    made = [_limit(0, int(which), HIGH, instrument=instrument) for instrument in instruments for which in own]
    each = [
        Limit.MAX_ORDER_QTY,
        Limit.MAX_ORDER_NOTIONAL,
        Limit.MAX_OPEN_ORDERS,
        Limit.MAX_LONG,
        Limit.MAX_SHORT,
    ]
    for account in accounts:
        for instrument in instruments:
            made += [_limit(account, int(which), HIGH, instrument=instrument) for which in each]
    return made


CONTROLS: Final[dict[str, Callable[[list[int], list[int]], list[Any]]]] = {
    "firms, with credit, gross notional and rate": _firms,
    "rates of orders and cancels": _limits(
        (Limit.ORDER_RATE, SECOND_NS),
        (Limit.ORDER_BURST, MOST_COUNTS),
        (Limit.CANCEL_RATE, SECOND_NS),
        (Limit.CANCEL_BURST, MOST_COUNTS),
    ),
    "order-to-trade ratio": _limits((Limit.ORDER_TO_TRADE, MOST_COUNTS), (Limit.FREE_MESSAGES, HIGH)),
    "duplicative orders": _limits((Limit.DUPLICATE_COUNT, MOST_COUNTS), (Limit.DUPLICATE_WINDOW, SECOND_NS)),
    "repeated executions": _limits((Limit.EXECUTION_COUNT, MOST_COUNTS), (Limit.EXECUTION_WINDOW, SECOND_NS)),
    "gross notional": _limits((Limit.GROSS_NOTIONAL, HIGH)),
    "maximum loss": _limits((Limit.MAX_LOSS, HIGH)),
    "collars": _collars,
    "fees": _fees,
    "permissions and short sales": _permissions,
    "limits of instruments, and of accounts in them": _narrow,
    "warnings": _warnings,
}


def controlled_workload(commands: int, controls: list[str], seed: int = 1) -> Workload:
    """Return a flow over the small venue with these controls on."""
    config = small_venue(commands)
    directory = config.directory()
    accounts, instruments = sorted(directory.accounts), sorted(directory.instruments)
    made = _off(accounts, instruments)
    for name in controls:
        made += CONTROLS[name](accounts, instruments)
    return make_workload(PROFILE, commands, seed, config, controls=np.array(made, dtype=COMMAND))


def measure_controls(
    core: int, commands: int, run: Callable[[Workload], tuple[Callable[[], float], int]], runs: int
) -> list[ControlRow]:
    """Measure every control by itself, none and all; ``run`` prepares a workload and returns (measure, rejects).

    Runs of all of them take turns, so that a machine that becomes slow slows all of them down.
    """
    sets = {NONE: [], **{name: [name] for name in CONTROLS}, ALL: list(CONTROLS)}
    prepared = {name: run(controlled_workload(commands, controls)) for name, controls in sets.items()}
    values: dict[str, list[float]] = {name: [] for name in sets}
    with pinned(core):
        for _ in range(runs):
            for name, (measure, _rejects) in prepared.items():
                values[name].append(1e9 / measure())
    least = {name: min(listed) for name, listed in values.items()}
    return [
        ControlRow(
            control=name,
            commands=commands,
            rejects=prepared[name][1],
            ns=Runs(values=tuple(values[name])),
            more_ns=round(least[name] - least[NONE], 1),
        )
        for name in sets
    ]


def goals_of(rows: list[ControlRow]) -> list[Goal]:
    """Return the goal for all controls together: of the fastest run, since others share the machine."""
    every = next(row for row in rows if row.control == ALL)
    return [
        Goal(
            what="risk alone, all controls on",
            goal=GOAL_NS,
            value=round(every.ns.low, 1),
            unit=" ns",
            at_most=True,
        )
    ]
