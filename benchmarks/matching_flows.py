"""The flows of the matching benchmark, as data: which profile over which venue, and how much of it.

Five judge the goals (``judged``): a normal flow, a deep book around a price that stands still, two pairs of
swinging markets, a flash crash, over the five instruments of the default venue. Two are modelled after the test
sets of exchange-core: ``moves`` is its single pair (1,000 users, 1,000 orders in one book before the clock
starts), ``medium`` its medium set (1,000,000 orders over 10,000 books before the clock starts). They have its mix
of commands, but its number of users only in ``moves``: a user is a number that matching carries along.

In quick mode everything is smaller, ``medium`` by a factor of ten in books and orders.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from benchmarks.workload import Workload, make_workload
from stages.config import Account, Instrument, VenueConfig
from stages.config_model import Capacity

__all__ = ["COMMANDS", "FLOWS", "Flow", "flow_workload", "venue_of"]

COMMANDS: Final = {"full": 2_000_000, "quick": 200_000}
QUICK_SHARE: Final = 10
SPREAD_OF_MANY: Final = 100  # ticks: books of a hundred orders have nearly a hundred levels
LEAST_ROOM: Final = 1 << 14
ACCOUNT_LIMIT: Final = 1 << 40
CREDIT: Final = 1_000_000_000_000


class Flow(NamedTuple):
    """One flow; ``instruments`` 0 is the default venue, ``resting`` is what is in the books at the start."""

    name: str
    title: str
    profile: str
    judged: bool
    instruments: int = 0
    accounts: int = 0
    resting: int = 0
    most_turns: int = 0  # of a flow that takes long; 0: as many as the mode has


FLOWS: Final = (
    Flow("normal", "normal", "normal", True),
    Flow("deep", "static deep book", "deep", True),
    Flow("swing", "swinging markets", "swing", True),
    Flow("swing-wide", "wide swings", "swing-wide", True),
    Flow("crash", "flash crash", "crash", True),
    Flow("moves", "exchange-core's mix", "moves", False, instruments=1, accounts=1_000, resting=1_000),
    Flow(
        "medium",
        "its medium set",
        "moves",
        False,
        instruments=10_000,
        accounts=1_000,
        resting=1_000_000,
        most_turns=3,
    ),
)


def flow_workload(flow: Flow, mode: str, count: int = 0, seed: int = 1) -> Workload:
    """Generate a flow with ``count`` measured commands (0: as many as the mode has)."""
    count = count or COMMANDS[mode]
    if not flow.instruments:
        return make_workload(flow.profile, count, seed)
    share = QUICK_SHARE if mode == "quick" and flow.instruments > 1 else 1
    instruments, resting = flow.instruments // share, flow.resting // share
    changes: dict[str, Any] = {"depth": 3 * resting // (2 * instruments)}
    if flow.instruments > 1:
        changes["spread_ticks"] = SPREAD_OF_MANY
    config = venue_of(instruments, flow.accounts, count + resting, 2 * resting)
    return make_workload(flow.profile, count + resting, seed, config, **changes)


def venue_of(instruments: int, accounts: int, commands: int, orders: int) -> VenueConfig:
    """Return a venue of so many instruments and generous accounts, with room for so many commands and open orders."""
    room = Capacity(
        max_orders=orders + LEAST_ROOM,
        max_levels=orders + LEAST_ROOM,
        max_cl_ord_ids=commands + LEAST_ROOM,
        max_positions=min(accounts * instruments, commands) + LEAST_ROOM,
        max_accounts=accounts,
        max_instruments=instruments,
    )
    return VenueConfig(
        capacity=room,
        instruments=tuple(
            Instrument(symbol=f"I{number:05d}", tick_size="0.01", lot_size="1", currency="USD")
            for number in range(1, instruments + 1)
        ),
        accounts=tuple(
            Account(
                name=f"U{number}", currency="USD", max_order_qty=1_000_000, max_order_notional=1_000_000_000,
                max_open_orders=1_000_000_000, max_long=ACCOUNT_LIMIT, max_short=ACCOUNT_LIMIT, credit=CREDIT,
            )
            for number in range(1, accounts + 1)
        ),
    )  # fmt: skip
