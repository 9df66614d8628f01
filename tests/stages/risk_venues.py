"""Small venues for tests of risk controls: a core that is started again and again, as a supervisor would start it."""

from __future__ import annotations

from typing import Any

import numpy as np

from protocols.codes import LIMIT_UNLIMITED, LIMIT_UNSET, Kind, OutcomeType
from protocols.layouts import COMMAND
from protocols.trading_day import DAY_NS
from stages.config import Account, Capacity, Instrument, VenueConfig
from stages.core import Core
from stages.definitions import capacities_of
from stages.limit_rows import Holder, LimitRows
from stages.venue import config_commands, venue_command

CAPACITY = Capacity(
    max_orders=64, max_levels=64, max_cl_ord_ids=64, max_positions=64, max_accounts=8, max_instruments=8,
    max_sessions=8, max_specials=32,
)  # fmt: skip
HOUR_NS = 3_600_000_000_000
NOW_NS = 20_000 * DAY_NS + 8 * HOUR_NS


def account(name: str = "ACC1", **changes: Any) -> Account:
    """Return an account with six limits."""
    limits = {
        "max_order_qty": 100,
        "max_order_notional": "1000.50",
        "max_open_orders": 10,
        "max_long": 50,
        "max_short": 0,
    }
    return Account(name=name, currency="USD", credit="unlimited", **{**limits, **changes})


def instrument(symbol: str = "AAPL", **changes: Any) -> Instrument:
    """Return an instrument with a tick of a hundredth."""
    return Instrument(symbol=symbol, tick_size="0.01", lot_size="1", currency="USD", **changes)


def venue(*accounts: Account, **changes: Any) -> VenueConfig:
    """Return a small venue."""
    tables = {"instruments": (instrument(), instrument("MSFT")), "accounts": accounts or (account(),)}
    return VenueConfig(capacity=CAPACITY, **{**tables, **changes})


class Venue:
    """A core that starts again and again, as a supervisor would start it."""

    def __init__(self, config: VenueConfig) -> None:
        self.core = Core(capacities_of(venue_command(CAPACITY)), input_slots=256, output_slots=1024)
        self.references: dict[str, int] = {}
        self.send(np.array([venue_command(CAPACITY)], dtype=COMMAND))
        self.first = self.start(config)

    def due(self, config: VenueConfig, now_ns: int = NOW_NS) -> Any:
        """Return what a start would sequence."""
        state = self.core.state
        return config_commands(config, state.risk, state.books, now_ns, self.references)

    def start(self, config: VenueConfig, now_ns: int = NOW_NS) -> Any:
        """Start; all commands must be accepted, and a second start needs none."""
        commands = self.due(config, now_ns)
        self.send(commands, now_ns)
        self.references = {entry.symbol: entry.collar_reference_ticks for entry in config.instruments}
        assert len(self.due(config, now_ns)) == 0
        return commands

    def send(self, commands: Any, now_ns: int = NOW_NS) -> Any:
        """Sequence commands, which must be accepted."""
        outcomes = self.core.process(self.core.stamp(commands, now_ns))
        rejected = outcomes[outcomes["type"] == OutcomeType.REJECTED]
        assert not len(rejected), [(Kind(row["kind"]).name, int(row["reason"])) for row in rejected]
        return outcomes

    def limits(self, **holder: int) -> dict[str, int]:
        """Return the limits of a holder that are set and not unlimited."""
        values = LimitRows(self.core.state.risk).of(Holder(**holder)).values
        return {limit.name: n for limit, n in values.items() if n not in (LIMIT_UNSET, LIMIT_UNLIMITED)}
