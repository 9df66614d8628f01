"""What a journal and a state define: capacities, names, ids and units, read back as plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.text import unpack_text
from stages.state import Capacities, RiskState

__all__ = ["capacities_of", "directory_of"]


def capacities_of(command: Any) -> Capacities:
    """Return the capacities that a VENUE command carries."""
    return Capacities(
        max_orders=int(command["qty_lots"]),
        max_levels=int(command["aux1"]),
        max_cl_ord_ids=int(command["order_id"]),
        max_positions=int(command["aux0"]),
        max_accounts=int(command["account"]),
        max_instruments=int(command["instrument"]),
        max_sessions=int(command["price_ticks"]),
        max_specials=int(command["orig0"]),
    )


def directory_of(risk: RiskState) -> Directory:
    """Return names, ids and units of all that a state has defined."""
    instruments = [
        InstrumentEntry(
            int(identity),
            unpack_text(int(row["symbol0"]), int(row["symbol1"])),
            int(row["tick_e8"]),
            int(row["lot_e8"]),
            unpack_text(int(row["currency"]), 0),
        )
        for identity in np.nonzero(risk.instruments["known"] != 0)[0]  # of a copy: risk may be defining more
        for row in [risk.instruments[identity]]
    ]
    accounts = [
        AccountEntry(int(identity), unpack_text(int(row["name0"]), int(row["name1"])))
        for identity in np.nonzero(risk.accounts["known"] != 0)[0]
        for row in [risk.accounts[identity]]
    ]
    return Directory(instruments, accounts)
