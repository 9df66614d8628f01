"""What a venue's configuration holds: frozen structs, one for each table of ``venue.toml``.

Written by nobody once decoded; read by the supervisor, which turns it into rings, workers and administrative
commands, and by ``ringmatch config``. The core never sees it: what changes state is journaled as commands,
so a journal replays without this file.

Units: prices, ticks, lots and money are decimal strings or whole numbers, never floats. The properties give
what the protocol wants: 1e-8 for ticks and lots, ticks for bands, millionths for money, lots for quantities.
Quantity limits of an account are plain lots, because they hold for all instruments alike. Ids of instruments
and accounts are their places in the file, from 1.

Failure modes: none here. The structs are shapes; :mod:`stages.config_checks` knows what they must satisfy,
and the properties may be asked only of a configuration that passed.
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from msgspec import UNSET, Struct, field

from protocols.codes import Limit
from protocols.directory import AccountEntry, Directory, InstrumentEntry, parse_e8
from protocols.risk_terms import UNLIMITED, parse_share
from protocols.trading_day import BAND_MODES, STATES, parse_span_ns
from stages.config_risk import (
    AccountInstrument,
    Amount,
    Collar,
    Fees,
    Firm,
    OrderTypeWord,
    Risk,
    Session,
    ShortSalesWord,
    TifWord,
    collar_widths,
    limits_of,
    percents_of,
    permitted_groups,
    permitted_tifs,
    permitted_types,
)
from stages.config_trading import Bands, BandWord, Schedule, StateWord, TickTable

__all__ = [
    "AUTO_PLANS",
    "DEFAULT_DATA_DIR",
    "DURABILITIES",
    "PARTITION_NAMES",
    "STAGES",
    "WAITS",
    "Account",
    "AccountInstrument",
    "Amount",
    "AutoPlan",
    "Capacity",
    "ConfigError",
    "Durability",
    "Firm",
    "Instrument",
    "Journal",
    "Plan",
    "Rings",
    "Risk",
    "Schedule",
    "Session",
    "Snapshots",
    "StageName",
    "TickTable",
    "Venue",
    "VenueConfig",
    "Wait",
    "Worker",
    "money_per_tick_and_lot",
]

Durability = Literal["fsync", "os", "none"]
Wait = Literal["spin", "yield", "backoff", "blocking"]
AutoPlan = Literal["auto", "auto-latency"]
StageName = Literal["ingest", "journal", "risk", "matching", "publish"]
PartitionName = Literal[
    "matching-1",
    "matching-2",
    "matching-3",
    "matching-4",
    "matching-5",
    "matching-6",
    "matching-7",
    "matching-8",
]

DURABILITIES: Final[tuple[str, ...]] = get_args(Durability)
WAITS: Final[tuple[str, ...]] = get_args(Wait)
AUTO_PLANS: Final[tuple[str, ...]] = get_args(AutoPlan)
STAGES: Final[tuple[str, ...]] = get_args(StageName)
PARTITION_NAMES: Final[tuple[str, ...]] = get_args(PartitionName)

DEFAULT_DATA_DIR: Final = "ringmatch-data"
SLOT_BYTES: Final = 128
MAX_VALUE_SHOWN: Final = 80
E16_PER_MILLIONTH: Final = 10**10  # ticks and lots are in 1e-8, so their product is in 1e-16


class ConfigError(ValueError):
    """A configuration that cannot be used: names file, key, value and what was expected."""

    def __init__(self, key: str, problem: str, value: Any = UNSET, file: str = "") -> None:
        super().__init__(key, problem, value, file)
        self.key = key
        self.problem = problem
        self.value = value
        self.file = file

    def __str__(self) -> str:
        """Return it as one line."""
        place = ": ".join(part for part in (self.file, self.key) if part)
        shown = repr(self.value)
        if len(shown) > MAX_VALUE_SHOWN:
            shown = f"{shown[:MAX_VALUE_SHOWN]}..."
        was = "" if self.value is UNSET else f", was {shown}"
        return f"{place}: {self.problem}{was}" if place else f"{self.problem}{was}"


def money_per_tick_and_lot(tick_e8: int, lot_e8: int) -> tuple[int, int]:
    """Return the money of one tick of one lot in whole millionths, and what is left over (1e-16)."""
    return divmod(tick_e8 * lot_e8, E16_PER_MILLIONTH)


class Venue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[venue]``: what it is called, where its data lie and when an order counts as safe."""

    name: str = "default"
    data_dir: str = DEFAULT_DATA_DIR
    durability: Durability = "fsync"


class Rings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[rings]``: slots of 128 bytes in each ring, and how many ports gateways can have."""

    input_slots: int = 16384
    output_slots: int = 65536
    ingress_slots: int = 16384
    egress_slots: int = 131072
    ports: int = 8

    @property
    def shm_bytes(self) -> int:
        """Return how much of /dev/shm the slots of all rings take (headers excluded)."""
        per_port = self.ingress_slots + self.egress_slots
        return SLOT_BYTES * (self.input_slots + self.output_slots + self.ports * per_port)


class Capacity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[capacity]``: how much the core may hold; journaled, so that a replay allocates the same."""

    max_orders: int = 1 << 20
    max_levels: int = 1 << 17
    max_cl_ord_ids: int = 1 << 24
    max_positions: int = 1 << 16
    max_accounts: int = 4096
    max_instruments: int = 1024
    max_sessions: int = 1024
    max_specials: int = 1 << 14
    partitions: int = 1


class Worker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One worker process of an explicit plan; without a core it is not pinned.

    ``matching-1`` is the first partition of matching; ``matching`` is what brings partitions together, and those of
    them that no worker names.
    """

    stages: tuple[StageName | PartitionName, ...]
    core: int | None = None


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[plan]``: which stages share a worker, on which core, and how a worker waits when it is idle."""

    workers: AutoPlan | tuple[Worker, ...] = "auto"
    wait: Wait = "blocking"
    sched_fifo: bool = False
    mlock: bool = False


class Journal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[journal]``: how large a segment is, after how many commands a checkpoint, and when a TICK, is journaled."""

    segment_bytes: int = 64 << 20
    checkpoint_every: int = 65536
    tick_ms: int = 100


class Snapshots(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[snapshots]``: after how many commands, bytes of journal, or how long, a snapshot is taken; 0 for never."""

    every_commands: int = 5_000_000
    every_bytes: int = 1 << 30
    every: str = "1h"
    keep: int = 2

    @property
    def every_s(self) -> float:
        """Return after how many seconds a snapshot is taken if anything is new; 0 for never."""
        return parse_span_ns(self.every) / 1e9


class Instrument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[instrument]]``."""

    symbol: str
    tick_size: Amount
    lot_size: Amount
    currency: str
    price_band: tuple[Amount, Amount] | None = None
    protection_points: Amount | None = None
    group: str = ""
    tick_table: str = ""
    market_data: bool = True
    initial_state: StateWord = "continuous"
    static_band: Amount | None = None
    dynamic_band: Amount | None = None
    reference_price: Amount | None = None
    band_mode: BandWord = "reject"
    volatility_auction: str | None = None
    indication_interval: str | None = None
    partition: int | None = None
    max_order_qty: Amount | None = None
    max_order_notional: Amount | None = None
    short_sales: ShortSalesWord = "allowed"
    static_collar: Amount | None = None
    dynamic_collar: Amount | None = None
    collar_reference: Amount | None = None
    collar_age: str | None = None
    maker_fee: str | None = None
    taker_fee: str | None = None
    auction_fee: str | None = None
    fee_account: str = ""

    @property
    def tick_e8(self) -> int:
        """Return the tick in units of 1e-8."""
        return parse_e8(str(self.tick_size))

    @property
    def lot_e8(self) -> int:
        """Return the lot in units of 1e-8."""
        return parse_e8(str(self.lot_size))

    @property
    def tick_value(self) -> int:
        """Return the money of one tick of one lot, in millionths of the currency unit."""
        return money_per_tick_and_lot(self.tick_e8, self.lot_e8)[0]

    @property
    def band_ticks(self) -> tuple[int, int]:
        """Return lowest and highest price in ticks; (0, 0) is no band."""
        low, high = self.price_band or ("0", "0")
        return parse_e8(str(low)) // self.tick_e8, parse_e8(str(high)) // self.tick_e8

    @property
    def protection_ticks(self) -> int:
        """Return how far from the best price a market order may trade, in ticks; 0 is no protection."""
        return self._ticks(self.protection_points)

    @property
    def bands(self) -> Bands:
        """Return widths and mode of the static and the dynamic band, and the spans that go with them."""
        static, dynamic = self._ticks(self.static_band), self._ticks(self.dynamic_band)
        mode = int(BAND_MODES[self.band_mode]) if static or dynamic else 0
        spans = [parse_span_ns(span or "0s") for span in (self.volatility_auction, self.indication_interval)]
        return Bands(mode, static, dynamic, *spans)

    @property
    def reference_ticks(self) -> int:
        """Return what the static band stands around until an auction has a price; 0 for nothing."""
        return self._ticks(self.reference_price)

    @property
    def initial_state_code(self) -> int:
        """Return the state in which it begins."""
        return int(STATES[self.initial_state])

    @property
    def limits(self) -> tuple[tuple[Limit, int], ...]:
        """Return its limits with their values as a LIMIT command carries them."""
        return limits_of(self, "instrument")

    @property
    def collar(self) -> Collar:
        """Return unit and widths of the static and the dynamic collar, and how old a reference may be."""
        widths = collar_widths(self.static_collar, self.dynamic_collar, self.tick_e8)
        return Collar(*widths, parse_span_ns(self.collar_age or "0s"))

    @property
    def collar_reference_ticks(self) -> int:
        """Return what the collars stand around at first; 0 for nothing."""
        return self._ticks(self.collar_reference)

    @property
    def fees(self) -> Fees:
        """Return the fee rates, and who gets them."""
        maker, taker, auction = (
            parse_share(rate or "0%") for rate in (self.maker_fee, self.taker_fee, self.auction_fee)
        )
        return Fees(maker, taker, auction, self.fee_account if maker or taker or auction else "")

    def _ticks(self, amount: Amount | None) -> int:
        return 0 if amount is None else parse_e8(str(amount)) // self.tick_e8


class Account(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[account]]``: quantities and positions in lots, money in currency units."""

    name: str
    currency: str
    max_order_qty: Amount
    max_order_notional: Amount
    max_open_orders: Amount
    max_long: Amount
    max_short: Amount
    credit: Amount
    firm: int = 0
    prefunded: bool = False
    gross_notional: Amount = UNLIMITED
    max_loss: Amount = UNLIMITED
    order_to_trade: Amount = UNLIMITED
    free_messages: Amount = UNLIMITED
    duplicate_count: Amount = UNLIMITED
    duplicate_window: Amount = UNLIMITED
    execution_count: Amount = UNLIMITED
    execution_window: Amount = UNLIMITED
    order_rate: Amount = UNLIMITED
    order_burst: Amount = UNLIMITED
    cancel_rate: Amount = UNLIMITED
    cancel_burst: Amount = UNLIMITED
    warn: dict[str, int] = {}
    order_types: tuple[OrderTypeWord, ...] | None = None
    tifs: tuple[TifWord, ...] | None = None
    groups: tuple[str, ...] | None = None
    short_exempt: bool = False
    instruments: tuple[AccountInstrument, ...] = field(name="instrument", default=())

    @property
    def limits(self) -> tuple[tuple[Limit, int], ...]:
        """Return each limit with its value as a LIMIT command carries it: lots, counts, millionths, nanoseconds."""
        return limits_of(self, "account")

    @property
    def percents(self) -> tuple[tuple[Limit, int], ...]:
        """Return from how many percent of its limits on it is warned, 0 for never."""
        return percents_of(self, "account")

    def permits(self, groups: dict[str, int]) -> tuple[int, int, int]:
        """Return permitted order types, times in force and groups, as bits."""
        types, tifs = permitted_types(self.order_types), permitted_tifs(self.tifs)
        return types, tifs, permitted_groups(self.groups, groups)


class VenueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of ``venue.toml``."""

    venue: Venue = field(default_factory=Venue)
    rings: Rings = field(default_factory=Rings)
    capacity: Capacity = field(default_factory=Capacity)
    plan: Plan = field(default_factory=Plan)
    journal: Journal = field(default_factory=Journal)
    snapshots: Snapshots = field(default_factory=Snapshots)
    instruments: tuple[Instrument, ...] = field(name="instrument")
    accounts: tuple[Account, ...] = field(name="account")
    tick_tables: tuple[TickTable, ...] = field(name="tick_table", default=())
    schedules: tuple[Schedule, ...] = field(name="schedule", default=())
    risk: Risk = field(default_factory=Risk)
    firms: tuple[Firm, ...] = field(name="firm", default=())
    sessions: tuple[Session, ...] = field(name="session", default=())

    @property
    def groups(self) -> dict[str, int]:
        """Return the numbers of groups, by their first mention among instruments; no group is 0."""
        names = dict.fromkeys(entry.group for entry in self.instruments if entry.group)
        return {"": 0} | {name: number for number, name in enumerate(names, 1)}

    @property
    def all_firms(self) -> tuple[Firm, ...]:
        """Return the firms of the file, and those that accounts name beside them: FIRMn, unlimited."""
        known = {firm.id for firm in self.firms}
        named = {entry.firm: entry.currency for entry in reversed(self.accounts)}
        others = [
            Firm(id=n, name=f"FIRM{n}", currency=named[n]) for n in sorted(named) if n not in {0, *known}
        ]
        return (*self.firms, *others)

    @property
    def table_numbers(self) -> dict[str, int]:
        """Return the numbers of tick tables, by their places in the file; no table is 0."""
        return {"": 0} | {table.name: number for number, table in enumerate(self.tick_tables, 1)}

    def directory(self) -> Directory:
        """Return names, ids and units as gateways and injectors need them; ids count from 1 in file order."""
        return Directory(
            [
                InstrumentEntry(identity, entry.symbol, entry.tick_e8, entry.lot_e8, entry.currency)
                for identity, entry in enumerate(self.instruments, start=1)
            ],
            [AccountEntry(identity, entry.name) for identity, entry in enumerate(self.accounts, start=1)],
        )
