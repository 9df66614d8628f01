"""What is asked of a simulated pipeline: a small venue, and commands of all kinds from clients and an operator.

Ranges are small on purpose (a handful of prices, lots, accounts), so that orders meet, limits are hit, names are used
twice and room runs out; now and then a field holds anything. Every command of a client has a text of its own in ``cl``,
by which its answer is known, and by which a second one of it would be.
"""

from __future__ import annotations

import random
from typing import Any, Final

from protocols.codes import (
    FLAG_BOOK_ONLY,
    FLAG_CANCEL_ON_CLOSE,
    FLAG_OFF_TICK,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_SHIFT,
    Kind,
    OrdType,
    SelfTradeMode,
    Tif,
)
from protocols.text import pack_text
from stages.config_model import Account, Capacity, Instrument, Journal, Rings, Venue, VenueConfig
from stages.config_trading import Schedule, TickTable
from stages.desk import OPERATOR_KINDS
from stages.simulator.operations import ACCOUNTS, AMPLE, INSTRUMENTS, draw_administrative
from stages.simulator.settings import Settings
from stages.venue import new_command

__all__ = ["Workload", "set_text", "venue_of"]

KINDS: Final = (
    (Kind.NEW, 50), (Kind.REPLACE, 12), (Kind.CANCEL, 10), (Kind.REDUCE, 5), (Kind.STATUS, 3), (Kind.MASS_CANCEL, 2),
    (Kind.BOOK_REQUEST, 2), (Kind.LIMIT, 1), (Kind.KILL, 1), (Kind.STATE, 2), (Kind.BANDS, 1), (Kind.TICK_TABLE, 1),
    (Kind.SCHEDULE, 1), (Kind.FIRM, 1), (Kind.PERMIT, 1), (Kind.COLLAR, 1), (Kind.FEES, 1), (Kind.TRANSFER, 1),
    (Kind.DAY_BEGIN, 1), (Kind.INVALID, 1), (Kind.VENUE, 1), (Kind.CHECKPOINT, 1), (Kind.TICK, 1),
)  # fmt: skip
TYPES: Final = (
    *(OrdType.LIMIT,) * 20, OrdType.MARKET, OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP, OrdType.DIRECTED
)  # fmt: skip
TIFS: Final = (*(Tif.GTC,) * 16, Tif.DAY, Tif.IOC, Tif.FOK, Tif.GTD, Tif.OPEN, Tif.CLOSE)
FLAGS: Final = (*(0,) * 24, FLAG_BOOK_ONLY, FLAG_POST_ONLY, FLAG_POST_REPRICE, FLAG_OFF_TICK)
STRANGE: Final = (-(2**63), -1, 0, 1, 2**31, 2**59, 2**60, 2**60 + 1, 2**63 - 1)


def set_text(command: Any, text: str, field: str = "cl") -> None:
    """Put a text into the words ``cl`` or ``orig`` of a command."""
    for number, part in enumerate(pack_text(text)):
        command[f"{field}{number}"] = part


def venue_of(settings: Settings, data_dir: str, chance: random.Random) -> VenueConfig:
    """Return the configuration of a small venue: groups, bands, a tick table, and days that change states."""
    instruments = [
        Instrument(
            symbol=f"SYM{number}",
            tick_size="0.01",
            lot_size="1",
            currency="USD",
            group=chance.choice(("", "A", "B")),
            tick_table=chance.choice(("", "", "coarse")),
            market_data=settings.market_data and chance.random() < 0.8,
            initial_state=chance.choice(("continuous", "continuous", "pre-open")),
            dynamic_band=chance.choice((None, None, "0.03")),
            band_mode=chance.choice(("reject", "halt")),
            volatility_auction="1s",
        )
        for number in range(1, INSTRUMENTS + 1)
    ]
    accounts = [
        Account(
            name=f"ACCOUNT{number}",
            currency="USD",
            max_order_qty=chance.choice((6, AMPLE)),
            max_order_notional=chance.choice((5, 1_000_000)),
            max_open_orders=chance.choice((3, 1000)),
            max_long=chance.choice((20, AMPLE)),
            max_short=chance.choice((20, AMPLE)),
            credit=chance.choice((10, 1_000_000)),
        )
        for number in range(1, ACCOUNTS + 1)
    ]
    groups = {entry.group for entry in instruments} - {""}
    schedules = [
        Schedule(
            group=group, state=chance.choice(("continuous", "halt", "closing-auction")), at=f"{hour:02}:30:00"
        )
        for group in sorted(groups)
        for hour in chance.sample(range(24), chance.randint(0, 2))
    ]
    coarse = TickTable(name="coarse", rows=(("0.12", "0.02"),))
    return VenueConfig(
        venue=Venue(name="simulated", data_dir=data_dir, durability=settings.durability),  # type: ignore[arg-type]
        rings=Rings(),
        capacity=Capacity(
            max_orders=settings.max_orders,
            max_levels=settings.max_levels,
            max_cl_ord_ids=settings.max_cl_ord_ids,
            max_positions=16,
            max_accounts=ACCOUNTS + 2,
            max_instruments=INSTRUMENTS + 2,
            max_sessions=settings.max_sessions,
            max_specials=settings.max_specials,
            partitions=settings.partitions,
        ),
        journal=Journal(
            segment_bytes=settings.segment_bytes,
            checkpoint_every=settings.checkpoint_every,
            tick_ms=settings.tick_ms,
        ),
        instruments=tuple(instruments),
        accounts=tuple(accounts),
        tick_tables=(coarse,) if any(entry.tick_table for entry in instruments) else (),
        schedules=tuple(schedules),
    )


class Workload:
    """Draws commands; ``wall_ns`` is the time that ingest would stamp now."""

    def __init__(self, chance: random.Random, market_data: bool) -> None:
        self.chance = chance
        self._kinds = [kind for kind, _ in KINDS if market_data or kind != Kind.BOOK_REQUEST]
        self._weights = [weight for kind, weight in KINDS if kind in self._kinds]
        self.wall_ns = 0

    def client_command(self, session: int, text: str, orders: list[tuple[int, str]]) -> Any:
        """Return a command of a client with ``text`` as its ClOrdID; ``orders`` are (id, ClOrdID) that it may mean."""
        chance = self.chance
        kind = chance.choices(self._kinds, self._weights)[0]
        command = (
            draw_administrative(chance, kind, self.wall_ns)
            if kind >= Kind.SESSION_OPEN
            else self._of_orders(kind, orders)
        )
        command["session"] = session
        set_text(command, text)
        if chance.random() < 0.02:
            self._spoil(command)
        return command

    def operator_command(self) -> Any:
        """Return a command of the operator's desk."""
        return draw_administrative(self.chance, self.chance.choice(sorted(OPERATOR_KINDS)), self.wall_ns)

    def session_open(self, name: str) -> Any:
        """Return the command that opens a session."""
        flags = self.chance.choice((0, FLAG_CANCEL_ON_CLOSE))
        command = new_command(Kind.SESSION_OPEN, flags=flags)
        set_text(command, name)
        return command

    def session_close(self, session: int) -> Any:
        """Return the command that closes a session."""
        return new_command(Kind.SESSION_CLOSE, session=session)

    def _of_orders(self, kind: int, orders: list[tuple[int, str]]) -> Any:
        chance = self.chance
        command = new_command(
            kind,
            instrument=chance.choice((1, 1, 1, 2, 3)),
            account=chance.randint(1, ACCOUNTS),
            side=chance.randint(1, 2),
            price_ticks=chance.choice((8, 9, 9, 10, 10, 10, 10, 11, 11, 12)),
            qty_lots=chance.randint(1, 6),
        )
        if kind == Kind.NEW:
            self._new(command, orders)
        elif kind == Kind.MASS_CANCEL:
            for field in ("instrument", "account", "side"):
                command[field] = chance.choice((0, 0, int(command[field])))
        elif kind != Kind.BOOK_REQUEST:
            for field in ("instrument", "account", "side"):
                command[field] = 0
            self._name(command, orders)
        return command

    def _new(self, command: Any, orders: list[tuple[int, str]]) -> None:
        chance = self.chance
        command["ord_type"], command["tif"] = chance.choice(TYPES), chance.choice(TIFS)
        command["flags"] = chance.choice(FLAGS)
        if command["ord_type"] == OrdType.DIRECTED:
            self._name(command, orders)
            return
        if command["ord_type"] in (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP):
            command["aux0"] = chance.choice((1, 2, 9, 10, 11))
        elif command["ord_type"] == OrdType.LIMIT and chance.random() < 0.1:
            command["order_id"] = chance.randint(1, int(command["qty_lots"]))  # iceberg
        if command["tif"] == Tif.GTD:
            command["aux1"] = self.wall_ns + chance.choice((1, 1_000_000, 100_000_000, 10**12))
        if chance.random() < 0.05:
            command["orig0"] = chance.randint(1, int(command["qty_lots"]))  # minimum quantity
        if chance.random() < 0.2:
            command["orig2"] = chance.randint(1, 2)  # self-trade group
            command["flags"] |= chance.choice([int(mode) for mode in SelfTradeMode if mode]) << FLAG_STP_SHIFT

    def _name(self, command: Any, orders: list[tuple[int, str]]) -> None:
        """Let a command name an order: by its id, by its ClOrdID, or one that is not there."""
        chance = self.chance
        order_id, text = chance.choice(orders[-8:]) if orders else (1, "NEVER")
        if order_id and chance.random() < 0.5:
            command["order_id"] = order_id
        else:
            set_text(command, text, "orig")

    def _spoil(self, command: Any) -> None:
        """Put anything into one field."""
        chance = self.chance
        field = chance.choice(
            ("price_ticks", "qty_lots", "order_id", "aux0", "aux1", "orig0", "orig2", "account")
        )
        value = chance.choice(STRANGE)
        command[field] = max(min(value, 2**31 - 1), -(2**31)) if field in ("orig2", "account") else value
