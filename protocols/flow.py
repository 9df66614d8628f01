"""Synthetic order flow: a seeded generator that looks to an injector like a file of commands.

``inject synthetic`` and the benchmarks read it. The generator is a kernel over int64 state with its own
generator of chance (xorshift64), so that one seed gives the same bytes on every machine, whatever the batch
sizes. It matches nothing: it knows the orders that it sent and has not cancelled (the *window*) and a middle
price per instrument that walks at random; new orders stand a few ticks off the middle, and what the middle
walks over trades.

Invariants: ClOrdIDs are 12 characters, four that follow from the seed (modulo 36^3) and eight base-36 digits
that count from ``start_id``; none comes twice. Instrument, account and session of a cancel or replace are its
order's. The window holds at most ``depth`` orders per instrument: when it is full, an order that would rest
becomes a cancel, so that the venue's books stay bounded; until it is half full, cancels become new orders.

Failure modes: an order in the window may have been filled meanwhile; the cancel or replace that names it is
then rejected (TOO_LATE, or UNKNOWN_ORDER when a replace in between was), as it happens to every client. In
the normal flow that is one or two in a hundred, in a swing one in ten.

Profiles: ``normal`` as above; ``deep``, a book many times as deep around a middle that stands still;
``swing``, two groups of markets that swing against each other; ``swing-wide``, the same in longer and much
wider swings; ``crash``, half way through the flow all markets fall by up to 6 percent while sellers take what
is there, and then recover a third; ``moves``, the mix of exchange-core's own tests (9% new orders that may
rest, 3% IOC, 6% cancels, 82% moves, which change the price alone; some 6 in 100 commands trade): it begins
with orders that fill the books (*prefill*), two thirds of the window, and goes on with the mix.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
import numpy as np

from protocols.codes import (
    E8,
    KIND_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    SIDE_BUY,
    SIDE_SELL,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
)
from protocols.directory import Directory
from protocols.source import CommandSource, DecodeError
from protocols.text import pack_text
from ringbuffer.kernel import inlined, kernel

__all__ = ["PROFILES", "FlowConfig", "Profile", "SyntheticSource", "flow_config"]

Profile = Literal["normal", "deep", "swing", "swing-wide", "crash", "moves"]
PROFILES: Final = ("normal", "deep", "swing", "swing-wide", "crash", "moves")

DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TWO_DIGITS: Final = 36**2
FOUR_DIGITS: Final = 36**4
MAX_ID: Final = 36**8
MAX_COMMANDS: Final = 1 << 40
START_PRICES_E8: Final = {
    "AAPL": 190 * E8,
    "MSFT": 420 * E8,
    "NVDA": 880 * E8,
    "TSLA": 180 * E8,
    "AMZN": 185 * E8,
}
OTHER_START_PRICE_E8: Final = 100 * E8
MIN_START_TICKS: Final = 1_000
MEAN_GAP_NS: Final = 1_000
MIN_COMMANDS_PER_CRASH_TICK: Final = 100  # of an instrument, over the whole flow
CHOOSE_TRIES: Final = 8
SPARE_BIT: Final = 1 << 31  # of a draw: neither _below nor _low_below uses it

_PAIRS = np.array([a | b << 8 for a in DIGITS for b in DIGITS], dtype=np.int64)


class FlowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a flow is made of; integers only, so that equal configurations give equal bytes."""

    seed: int
    orders: int
    """How many commands, cancels and replaces included."""
    instruments: tuple[int, ...]
    base_ticks: tuple[int, ...]
    """The middle price at the start, by instrument."""
    accounts: tuple[int, ...]
    sessions: int = 1
    start_id: int = 0
    new_permille: int = 500
    cancel_permille: int = 410
    replace_permille: int = 90
    ioc_permille: int = 150
    """How many of the new orders are IOC."""
    max_qty_lots: int = 100
    depth: int = 400
    """The most orders per instrument that the generator keeps open."""
    volatility_permille: int = 6
    """How often the middle steps by a tick when its instrument has a command."""
    spread_ticks: int = 40
    """Passive orders stand 1 to this many ticks off the middle, nearer ones more often."""
    ioc_reach_ticks: int = 1
    """IOC orders are priced up to this many ticks beyond the middle."""
    ioc_short_ticks: int = 20
    """And up to this many ticks short of it, where they find nobody."""
    swing_ticks: int = 0
    """The height of the swing; 0 is none."""
    swing_commands: int = 200_000
    """The length of a whole swing, in commands for all instruments together."""
    crash_permille: int = 0
    """How far the middle falls in a crash, at most; 0 is no crash."""
    prefill: int = 0
    """The first so many commands are new orders that rest, for the books to begin with."""
    move_permille: int = 0
    """How many of the replaces are moves: another price, the same quantity."""

    def __post_init__(self) -> None:
        """Refuse what the kernel cannot hold."""
        mix = self.new_permille + self.cancel_permille + self.replace_permille
        rules = {
            "orders": (self.orders, 0, MAX_COMMANDS),
            "instruments": (len(self.instruments), 1, 1 << 20),
            "base_ticks": (len(self.base_ticks), len(self.instruments), len(self.instruments)),
            "least of base_ticks": (min(self.base_ticks, default=0), 100, 1 << 40),
            "accounts": (len(self.accounts), 1, 1 << 20),
            "sessions": (self.sessions, 1, 1024),
            "start_id": (self.start_id, 0, MAX_ID - self.orders),
            "new + cancel + replace permille": (mix, 1000, 1000),
            "new_permille": (self.new_permille, 1, 1000),
            "cancel_permille": (self.cancel_permille, 0, 1000),
            "replace_permille": (self.replace_permille, 0, 1000),
            "ioc_permille": (self.ioc_permille, 0, 999),
            "max_qty_lots": (self.max_qty_lots, 1, 1 << 30),
            "depth": (self.depth, 1, 1 << 22),
            "volatility_permille": (self.volatility_permille, 0, 1000),
            "spread_ticks": (self.spread_ticks, 1, 1 << 20),
            "ioc_reach_ticks": (self.ioc_reach_ticks, 0, 1 << 20),
            "ioc_short_ticks": (self.ioc_short_ticks, 0, 1 << 20),
            "swing_ticks": (self.swing_ticks, 0, 1 << 20),
            "swing_commands": (self.swing_commands, 8, MAX_COMMANDS),
            "crash_permille": (self.crash_permille, 0, 900),
            "prefill": (self.prefill, 0, min(self.orders, self.depth * len(self.instruments))),
            "move_permille": (self.move_permille, 0, 1000),
        }
        for name, (value, low, high) in rules.items():
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {value}")


OPEN_ORDER = np.dtype(
    [
        ("cl0", "<i8"),
        ("price", "<i8"),
        ("qty", "<i8"),
        ("cl1", "<i4"),
        ("market", "<i4"),
        ("account", "<i4"),
        ("session", "<i2"),
        ("side", "<i2"),
    ]
)
"""One order of the window; the third part of its ClOrdID is 0."""

MARKET = np.dtype(
    [
        ("middle", "<i8"),
        ("walked", "<i8"),
        ("base", "<i8"),
        ("deepest", "<i8"),
        ("instrument", "<i4"),
        ("phase", "<i4"),
    ]
)
"""One instrument: its middle is the base plus what it walked plus what swing and crash add. Phase 1 swings
against phase 0; a crash falls by ``deepest`` ticks."""

# Words of the kernel's state: the generator's own, then the configuration.
_CHANCE, _SENT, _OPEN, _TIME, _PREFIX, _FIRST_ID, _TOTAL = range(7)
_NEW, _CANCEL, _IOC, _MAX_QTY, _SESSIONS, _VOLATILITY, _SPREAD, _REACH, _SHORT = range(7, 16)
_SWING, _SWING_LENGTH, _CRASH, _PREFILL, _MOVE, _STATE_WORDS = range(16, 22)


@inlined
def _chance(state):  # type: ignore[no-untyped-def]
    """Step xorshift64 and return 63 bits; all 64 are needed for the state."""
    bits = state[_CHANCE]
    bits = bits ^ (bits << 13)
    bits = bits ^ ((bits >> 7) & 0x01FFFFFFFFFFFFFF)  # a logical shift of a signed number
    bits = bits ^ (bits << 17)
    state[_CHANCE] = bits
    return bits & 0x7FFFFFFFFFFFFFFF


@inlined
def _below(bits, limit):  # type: ignore[no-untyped-def]
    """Map the upper 31 of 63 bits to 0 .. limit - 1; limit up to 2^31."""
    return ((bits >> 32) * limit) >> 31


@inlined
def _low_below(bits, limit):  # type: ignore[no-untyped-def]
    """Map the lower 31 bits to 0 .. limit - 1: a second, independent draw from the same step."""
    return ((bits & 0x7FFFFFFF) * limit) >> 31


@inlined
def _swing(state, phase):  # type: ignore[no-untyped-def]
    """Return how far a swing has moved a middle: a triangle wave from 0 up, down through 0, and back."""
    length = state[_SWING_LENGTH]
    quarter = length // 4
    at = (state[_SENT] + quarter) % length
    height = at if at < 2 * quarter else 4 * quarter - at
    offset = (height - quarter) * state[_SWING] // quarter
    return -offset if phase else offset


@inlined
def _fall(state, deepest):  # type: ignore[no-untyped-def]
    """Return how far a crash has moved a middle: down in the 50th to 55th percent, then a third back."""
    total = state[_TOTAL]
    start = total // 2
    bottom = start + total // 20
    sent = state[_SENT]
    if sent <= start or bottom == start:
        return np.int64(0)
    if sent < bottom:
        return -(deepest * (sent - start) // (bottom - start))
    return deepest * (sent - bottom) // (3 * (total - bottom)) - deepest


@inlined
def _move(state, market):  # type: ignore[no-untyped-def]
    """Let a middle walk, within a twentieth of its base, and add swing and crash."""
    bits = _chance(state)
    base = market["base"]
    if _below(bits, 1000) < state[_VOLATILITY]:
        step = 1 if bits & SPARE_BIT else -1
        walked = market["walked"] + step
        if -base < 20 * walked and 20 * walked < base:
            market["walked"] = walked
    middle = base + market["walked"]
    if state[_SWING]:
        middle += _swing(state, market["phase"])
    if state[_CRASH]:
        middle += _fall(state, market["deepest"])
    market["middle"] = middle if middle > 50 else 50
    return market["middle"]


@inlined
def _passive_price(state, middle, side):  # type: ignore[no-untyped-def]
    """Return a price 1 to spread ticks off the middle, the smaller of two draws: nearer is likelier."""
    bits = _chance(state)
    first = _below(bits, state[_SPREAD])
    second = _low_below(bits, state[_SPREAD])
    distance = 1 + (first if first < second else second)
    price = middle - distance if side == SIDE_BUY else middle + distance
    return price if price > 0 else 1


@inlined
def _in_crash(state):  # type: ignore[no-untyped-def]
    """Tell whether the fall is going on."""
    start = state[_TOTAL] // 2
    return state[_CRASH] != 0 and state[_SENT] > start and state[_SENT] < start + state[_TOTAL] // 20


@inlined
def _write(slot, state, kind, tif, market, order, price, qty):  # type: ignore[no-untyped-def]
    """Write a command about ``order``, with the next ClOrdID."""
    number = state[_FIRST_ID] + state[_SENT]
    high = number // FOUR_DIGITS
    low = number - high * FOUR_DIGITS
    slot["seq"] = 0
    slot["time_ns"] = state[_TIME]
    slot["seen_seq"] = 0
    slot["price_ticks"] = price
    slot["qty_lots"] = qty
    slot["order_id"] = 0
    slot["account"] = order["account"]
    slot["instrument"] = market["instrument"]
    slot["session"] = order["session"]
    slot["kind"] = kind
    slot["side"] = order["side"]
    slot["ord_type"] = 0 if kind == KIND_CANCEL else TYPE_LIMIT
    slot["tif"] = tif
    slot["flags"] = 0
    slot["cl0"] = state[_PREFIX] | (_PAIRS[high // TWO_DIGITS] << 32) | (_PAIRS[high % TWO_DIGITS] << 48)
    slot["cl1"] = _PAIRS[low // TWO_DIGITS] | (_PAIRS[low % TWO_DIGITS] << 16)
    slot["cl2"] = 0
    slot["orig2"] = 0
    slot["orig0"] = 0 if kind == KIND_NEW else order["cl0"]
    slot["orig1"] = 0 if kind == KIND_NEW else order["cl1"]
    slot["aux0"] = 0
    slot["aux1"] = 0
    slot["sent_ns"] = 0


@inlined
def _new(slot, state, markets, window, accounts, ioc):  # type: ignore[no-untyped-def]
    """Send a new order; one that would rest goes to the window, which has room for it."""
    bits = _chance(state)
    number = _below(bits, markets.shape[0])
    market = markets[number]
    middle = _move(state, market)
    order = window[state[_OPEN]]
    order["market"] = number
    order["account"] = accounts[_low_below(bits, accounts.shape[0])]
    bits = _chance(state)
    order["session"] = 1 + _low_below(bits, state[_SESSIONS])
    order["side"] = SIDE_BUY if bits & SPARE_BIT else SIDE_SELL
    qty = 1 + _below(bits, state[_MAX_QTY])
    if ioc:
        if _in_crash(state):
            order["side"] = SIDE_SELL
        bits = _chance(state)
        aggression = _below(bits, state[_REACH] + state[_SHORT] + 1) - state[_SHORT]
        price = middle + aggression if order["side"] == SIDE_BUY else middle - aggression
        order["price"] = price if price > 0 else 1
        _write(slot, state, KIND_NEW, TIF_IOC, market, order, order["price"], qty)
    else:
        order["price"] = _passive_price(state, middle, order["side"])
        _write(slot, state, KIND_NEW, TIF_GTC, market, order, order["price"], qty)
        order["cl0"] = slot["cl0"]
        order["cl1"] = slot["cl1"]
        order["qty"] = qty
        state[_OPEN] += 1


@inlined
def _choose(state, markets, window):  # type: ignore[no-untyped-def]
    """Return the place of any order of the window, leaving out some that the middle has walked over.

    Those have been filled, most likely; the window forgets them. It keeps its last order, and gives up soon.
    Where most commands name an order, those within the reach of an IOC order are left out, too.
    """
    near = state[_REACH] if state[_MOVE] else np.int64(0)
    chosen = _below(_chance(state), state[_OPEN])
    for _ in range(CHOOSE_TRIES):
        order = window[chosen]
        middle = markets[order["market"]]["middle"]
        over = order["price"] > middle - near if order["side"] == SIDE_BUY else order["price"] < middle + near
        if not over or state[_OPEN] == 1:
            break
        _forget(state, window, chosen)
        chosen = _below(_chance(state), state[_OPEN])
    return chosen


@inlined
def _forget(state, window, chosen):  # type: ignore[no-untyped-def]
    """Take an order out of the window; the last one takes its place."""
    state[_OPEN] -= 1
    window[chosen] = window[state[_OPEN]]


@inlined
def _cancel(slot, state, markets, window):  # type: ignore[no-untyped-def]
    """Cancel an order of the window."""
    chosen = _choose(state, markets, window)
    order = window[chosen]
    market = markets[order["market"]]
    _write(slot, state, KIND_CANCEL, 0, market, order, 0, 0)
    _forget(state, window, chosen)


@inlined
def _amend(slot, state, markets, window):  # type: ignore[no-untyped-def]
    """Replace an order of the window: another quantity, and three times in four another price; or move it."""
    order = window[_choose(state, markets, window)]
    market = markets[order["market"]]
    middle = _move(state, market)
    bits = _chance(state)
    if state[_MOVE] and _low_below(bits, 1000) < state[_MOVE]:
        order["price"] = _passive_price(state, middle, order["side"])
    else:
        if _low_below(bits, 4):
            order["price"] = _passive_price(state, middle, order["side"])
        order["qty"] = 1 + _below(bits, state[_MAX_QTY])
    _write(slot, state, KIND_REPLACE, TIF_GTC, market, order, order["price"], order["qty"])
    order["cl0"] = slot["cl0"]
    order["cl1"] = slot["cl1"]


@kernel
def _generate(state, markets, window, accounts, out, count):  # type: ignore[no-untyped-def]
    """Write the next ``count`` commands; the window is one longer than the orders that it may hold."""
    room = window.shape[0] - 1
    for index in range(count):
        bits = _chance(state)
        state[_TIME] += 1 + _low_below(bits, 2 * MEAN_GAP_NS - 1)
        choice = _below(bits, 1000)
        slot = out[index]
        ioc = False
        if state[_SENT] < state[_PREFILL]:
            kind = KIND_NEW
        elif choice < state[_NEW]:
            ioc = _below(_chance(state), 1000) < state[_IOC]
            kind = KIND_NEW if ioc or state[_OPEN] < room else KIND_CANCEL
        else:
            kind = KIND_CANCEL if choice < state[_NEW] + state[_CANCEL] else KIND_REPLACE
            if state[_OPEN] == 0 or (kind == KIND_CANCEL and 2 * state[_OPEN] < room):
                kind = KIND_NEW
        if kind == KIND_NEW:
            _new(slot, state, markets, window, accounts, ioc)
        elif kind == KIND_CANCEL:
            _cancel(slot, state, markets, window)
        else:
            _amend(slot, state, markets, window)
        state[_SENT] += 1
    return count


def _scrambled(seed: int) -> int:
    """Return splitmix64 of a seed as a signed number, never 0: the first state of the generator."""
    mixed = (seed + 0x9E3779B97F4A7C15) % 2**64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
    mixed ^= mixed >> 31
    return (mixed - 2**64 if mixed >> 63 else mixed) or 1


def _prefix(seed: int) -> str:
    """Return the first four characters of the ClOrdIDs of a seed."""
    digits = ""
    number = seed % 36**3
    for _ in range(3):
        number, digit = divmod(number, 36)
        digits = chr(DIGITS[digit]) + digits
    return "S" + digits


# The length of a swing is that of one instrument here.
_PRESETS: Final[dict[str, dict[str, int]]] = {
    "normal": {},
    "deep": {"depth": 20_000, "spread_ticks": 2_000, "volatility_permille": 0, "ioc_reach_ticks": 2},
    "swing": {"swing_ticks": 150, "swing_commands": 40_000},
    "swing-wide": {"swing_ticks": 1_000, "swing_commands": 160_000},
    "crash": {"crash_permille": 60},
    "moves": {
        "new_permille": 120,
        "ioc_permille": 250,
        "cancel_permille": 60,
        "replace_permille": 820,
        "move_permille": 1000,
        "depth": 1_500,
        "spread_ticks": 400,
        "volatility_permille": 100,
        "ioc_reach_ticks": 8,
        "ioc_short_ticks": 0,
    },
}


def flow_config(
    profile: str, directory: Directory, orders: int, seed: int, start_id: int = 0, **changes: Any
) -> FlowConfig:
    """Return a profile's configuration over all instruments and accounts of a directory.

    ``changes`` override fields of :class:`FlowConfig`. The depth is kept within an eighth of a short flow, or
    within all of it where orders come first that fill the books.
    """
    if profile not in _PRESETS:
        raise ValueError(f"profile: expected one of {', '.join(PROFILES)}, was {profile!r}")
    entries = [entry for _, entry in sorted(directory.instruments.items())]
    fields: dict[str, Any] = {
        "seed": seed,
        "orders": orders,
        "instruments": tuple(entry.id for entry in entries),
        "base_ticks": tuple(
            max(START_PRICES_E8.get(entry.symbol, OTHER_START_PRICE_E8) // entry.tick_e8, MIN_START_TICKS)
            for entry in entries
        ),
        "accounts": tuple(sorted(directory.accounts)),
        "start_id": start_id,
    }
    fields |= _PRESETS[profile]
    if "swing_commands" in fields:
        fields["swing_commands"] *= max(1, len(entries))
    config = FlowConfig(**(fields | changes))
    share = 1 if config.move_permille else 8
    depth = min(config.depth, max(4, orders // (share * len(entries))))
    prefill = 2 * min(depth * len(entries), orders) // 3 if config.move_permille else 0
    return msgspec.structs.replace(config, depth=depth, prefill=changes.get("prefill", prefill))


class SyntheticSource(CommandSource):
    """A generated flow as commands; it has no bytes, so progress is ``sent`` of ``total_commands``."""

    def __init__(
        self,
        directory: Directory,
        orders: int,
        seed: int,
        profile: str = "normal",
        start_id: int = 0,
        session: str = "SYN",
        config: FlowConfig | None = None,
    ) -> None:
        """Prepare the generator; ``config`` overrides all but ``session``.

        Two flows into one venue need different seeds, or a ``start_id`` behind the other's last one, because
        a ClOrdID is used once.
        """
        super().__init__("synthetic", 0)
        self.config = config or flow_config(profile, directory, orders, seed, start_id)
        self.total_commands = self.config.orders
        if self.config.sessions == 1:
            self.sessions.append(session)
        else:
            self.sessions.extend(f"{session}{number + 1}" for number in range(self.config.sessions))
        self._state = _initial_state(self.config)
        self._markets = np.zeros(len(self.config.instruments), MARKET)
        self._markets["instrument"] = self.config.instruments
        self._markets["base"] = self._markets["middle"] = self.config.base_ticks
        self._markets["deepest"] = _deepest(self.config)
        self._markets["phase"] = np.arange(len(self._markets)) % 2
        self._window = np.zeros(len(self._markets) * self.config.depth + 1, OPEN_ORDER)
        self._accounts = np.array(self.config.accounts, dtype=np.int32)

    @property
    def sent(self) -> int:
        """Commands handed out so far."""
        return int(self._state[_SENT])

    def _decode(self, out: np.ndarray[Any, Any]) -> tuple[int, DecodeError | None]:
        count = min(len(out), self.total_commands - self.sent)
        return int(_generate(self._state, self._markets, self._window, self._accounts, out, count)), None


def _deepest(config: FlowConfig) -> list[int]:
    """Return how many ticks a crash takes from each middle; in a short flow fewer, to fall no faster."""
    most = config.orders // (MIN_COMMANDS_PER_CRASH_TICK * len(config.instruments))
    return [min(base * config.crash_permille // 1000, most) for base in config.base_ticks]


def _initial_state(config: FlowConfig) -> np.ndarray[Any, Any]:
    """Return the kernel's state before the first command."""
    state = np.zeros(_STATE_WORDS, np.int64)
    values = {
        _CHANCE: _scrambled(config.seed),
        _PREFIX: pack_text(_prefix(config.seed))[0],
        _FIRST_ID: config.start_id,
        _TOTAL: config.orders,
        _NEW: config.new_permille,
        _CANCEL: config.cancel_permille,
        _IOC: config.ioc_permille,
        _MAX_QTY: config.max_qty_lots,
        _VOLATILITY: config.volatility_permille,
        _SPREAD: config.spread_ticks,
        _REACH: config.ioc_reach_ticks,
        _SHORT: config.ioc_short_ticks,
        _SWING: config.swing_ticks,
        _SWING_LENGTH: config.swing_commands,
        _CRASH: config.crash_permille,
        _PREFILL: config.prefill,
        _MOVE: config.move_permille,
        _SESSIONS: config.sessions,
    }
    for word, value in values.items():
        state[word] = value
    return state
