"""Hypothesis strategies for command sequences that a core has to decide identically everywhere.

A sequence is drawn as steps (:mod:`tests.stages.steps`) that refer to what came before them relatively, so that a
shrunken sequence still makes sense: a step can be dropped and the others find other targets. Ranges are small on
purpose: a handful of prices, quantities, accounts, groups and ClOrdIDs, small stop distances and displays, tight limits
and little room, so that crossings, partial fills, cascades, self-trades, duplicates, replaces in flight and
every kind of limit are met often; now and then a value is invalid or near the end of its type.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from protocols.codes import (
    FLAG_STP_SHIFT,
    CommandFlag,
    KillLevel,
    Kind,
    Limit,
    OrdType,
    SelfTradeMode,
    Side,
    Switch,
    Tif,
    TradingState,
)
from tests.stages.risk_steps import (
    EXTREME_RISK_KINDS,
    FORTUNE_KINDS,
    RISK_KINDS,
    RISK_STEP_KINDS,
    firm_steps,
    fortune_steps,
    fortune_transfers,
    opening_risk_steps,
    risk_steps,
    unlimited,
)
from tests.stages.state_steps import (
    STATE_KINDS,
    STATE_STEP_KINDS,
    auction_order_steps,
    market_steps,
    opening_market_steps,
)
from tests.stages.steps import LARGEST, Assembler, Sequence, Step
from tests.twin.scenario import AMPLE, EUR, USD

LENGTHS = {
    "tight": (0, 20, 60),
    "extreme": (0, 20, 60),
    "deep": (0, 60, 140),
    "special": (0, 40, 80),
    "states": (0, 60, 100),
    "risk": (0, 60, 100),
    "fortunes": (0, 40, 100),
}
MORE_STEPS = 20  # than the least length
MAX_LAG = 5
SMALLEST = -(2**63)
NAMES = {1: "ALICE", 2: "BOB", 3: "CAROL", 4: "DAVE"}

SMALL_ROOM = {
    "max_orders": 8,
    "max_levels": 4,
    "max_accounts": 4,
    "max_instruments": 4,
    "max_positions": 5,
    "max_cl_ord_ids": 40,
    "max_sessions": 3,
    "max_specials": 3,
}
MUCH_ROOM = {
    **SMALL_ROOM,
    "max_orders": 32,
    "max_levels": 24,
    "max_positions": 12,
    "max_cl_ord_ids": 200,
    "max_specials": 16,
}
RISK_ROOM = {**MUCH_ROOM, "max_accounts": 5, "max_cl_ord_ids": 300}
DEEP_ROOM = {**MUCH_ROOM, "max_orders": 96, "max_levels": 80}

TIGHT = "tight"  # few prices and lots, tight limits: everything collides
EXTREME = "extreme"  # prices and quantities near the ends of what limits and int64 hold
DEEP = "deep"  # many prices: books of tens of levels that grow and shrink
SPECIAL = "special"  # stop orders, icebergs, self-trade groups and all else that is rare, few prices
RISK = "risk"  # few prices and lots, two firms, a pre-funded account, fees, and a few of all controls on
FORTUNES = (
    "fortunes"  # each trade moves as much money as it can, to an account that gets richer than int64 holds
)
STATES = "states"  # SPECIAL, with trading states, auctions, bands, schedules and tick tables

PARTITIONED = [{**MUCH_ROOM, "partitions": 2}, {**MUCH_ROOM, "max_levels": 5, "partitions": 3}]
ROOMS = {
    TIGHT: [SMALL_ROOM, MUCH_ROOM, {**MUCH_ROOM, "partitions": 2}],
    EXTREME: [SMALL_ROOM, MUCH_ROOM],
    DEEP: [DEEP_ROOM],
    SPECIAL: [
        *[MUCH_ROOM] * 3,
        SMALL_ROOM,
        {**MUCH_ROOM, "max_levels": 3},
        {**MUCH_ROOM, "max_levels": 5},
        {**MUCH_ROOM, "max_specials": 2},
        *PARTITIONED,
    ],
    STATES: [
        *[MUCH_ROOM] * 4,
        SMALL_ROOM,
        {**MUCH_ROOM, "max_levels": 5},
        {**MUCH_ROOM, "max_specials": 2},
        *PARTITIONED,
    ],
    FORTUNES: [MUCH_ROOM],
    RISK: [
        *[RISK_ROOM] * 4,
        {**RISK_ROOM, "max_orders": 6, "max_positions": 5, "max_cl_ord_ids": 60},
        {**RISK_ROOM, "partitions": 2},
    ],
}
SPECIAL_SHAPES = (SPECIAL, STATES)


LAGS = st.integers(0, MAX_LAG)
BACK = st.sampled_from([0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 7])
SESSIONS = st.sampled_from([1, 1, 1, 2])
ACCOUNTS = st.sampled_from([1, 2, 3])
RISK_ACCOUNTS = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 4])
INSTRUMENTS = st.sampled_from([1, 1, 1, 2])
TYPES = st.sampled_from([OrdType.LIMIT] * 10 + [OrdType.MARKET, OrdType.DIRECTED])
TIFS = st.sampled_from([Tif.GTC] * 8 + [Tif.DAY, Tif.IOC, Tif.IOC, Tif.FOK])
FLAGS = st.sampled_from([0] * 19 + [CommandFlag.BOOK_ONLY])
QUANTITIES = st.integers(1, 6)
PRICES = st.sampled_from([8, 9, 9, 10, 10, 10, 11, 11, 12])
CHOICE_OF_INSTRUMENTS = {
    TIGHT: INSTRUMENTS,
    EXTREME: st.sampled_from([1, 1, 3]),
    FORTUNES: st.just(1),
    DEEP: st.just(1),
    SPECIAL: st.sampled_from([1, 1, 1, 1, 1, 2]),
    STATES: st.sampled_from([1, 1, 1, 1, 2]),
    RISK: st.sampled_from([1, 1, 1, 1, 2]),
}
EXTREME_PRICES = st.sampled_from(
    [1, 1, 2**10, 2**20, 2**20, 2**20 + 1, 2**30, 2**59, 2**60, 2**62, LARGEST - 1, LARGEST]
)
RISK_STATES = st.sampled_from(
    [TradingState.CONTINUOUS] * 3 + [TradingState.OPENING_AUCTION, TradingState.CLOSING_AUCTION]
)
RISK_PRICES = st.sampled_from([9, 9, 10, 10, 10, 11, 11, 12])
RISK_QUANTITIES = st.sampled_from([1, 1, 2, 2, 3, 5])
DEEP_PRICES = {0: (1, 100), Side.BUY: (1, 52), Side.SELL: (49, 100)}
DEEP_TIFS = st.sampled_from([Tif.GTC] * 30 + [Tif.DAY, Tif.IOC, Tif.FOK])
NAMED = st.sampled_from(["id"] * 4 + ["orig"] * 4 + ["latest"] * 4 + ["both"])
FIRST_LIMITS = [limit for limit in Limit if limit <= Limit.CREDIT]  # of single orders, positions and credit
LIMIT_VALUES = st.sampled_from([0, 1, 3, 5, 10, 20, 50, 100, 200, AMPLE, AMPLE, AMPLE])
KINDS = st.sampled_from(
    [Kind.NEW] * 16 + [Kind.REPLACE] * 6 + [Kind.CANCEL] * 3 + [Kind.REDUCE] * 3 + [Kind.TICK] * 3
)
EXTREME_KINDS = st.one_of(KINDS, KINDS, KINDS, EXTREME_RISK_KINDS)
DEEP_KINDS = st.sampled_from([Kind.NEW] * 24 + [Kind.CANCEL] * 8 + [Kind.REPLACE] * 5 + [Kind.REDUCE] * 3)
SPECIAL_KINDS = st.sampled_from(
    [Kind.NEW] * 22
    + [Kind.REPLACE] * 8
    + [Kind.REDUCE] * 2
    + [Kind.CANCEL, Kind.CANCEL, Kind.STATUS, Kind.MASS_CANCEL]
    + [Kind.TICK] * 3
)
CHOICE_OF_KINDS = {
    TIGHT: KINDS,
    EXTREME: EXTREME_KINDS,
    DEEP: DEEP_KINDS,
    RISK: RISK_STEP_KINDS,
    FORTUNES: FORTUNE_KINDS,
    SPECIAL: SPECIAL_KINDS,
    STATES: STATE_STEP_KINDS,
}
STRANGE_KINDS = [Kind.VENUE, Kind.INVALID, 0, 8, 15, 36, 40, 255]
SELDOM_KINDS = st.sampled_from(
    [
        Kind.TICK,
        Kind.CHECKPOINT,
        Kind.KILL,
        Kind.ACCOUNT,
        Kind.SESSION_OPEN,
        Kind.SESSION_CLOSE,
        *STRANGE_KINDS,
    ]
    + [Kind.LIMIT, Kind.INSTRUMENT] * 2
    + list(STATE_KINDS)
)
SPECIAL_SELDOM_KINDS = st.sampled_from(
    [Kind.TICK, Kind.CHECKPOINT, Kind.KILL, Kind.LIMIT, Kind.INVALID]
    + [Kind.SESSION_OPEN] * 6
    + [Kind.SESSION_CLOSE] * 3
    + [Kind.INSTRUMENT] * 3
    + list(STATE_KINDS)
)
ORDER_KINDS = frozenset({Kind.NEW, Kind.CANCEL, Kind.REPLACE, Kind.REDUCE, Kind.STATUS, Kind.MASS_CANCEL})

# What makes an order special; the amounts follow from its quantity, its price and a small number.
PLAIN = "plain"
SPECIALTIES = st.sampled_from(
    [PLAIN] * 12
    + ["iceberg"] * 5
    + [
        "stop",
        "stop",
        "stop limit",
        "stop limit",
        "stop iceberg",
        "trailing",
        "trailing",
        "trailing",
        "trailing",
    ]
    + ["market", "market", "market", "post only", "post only", "post reprice", "post reprice"]
    + ["minimum", "minimum now", "fill or kill", "fill or kill", "book only", "directed"]
    + ["now", "now", "now"]
)
STOP_PRICES = st.sampled_from([7, 8, 9, 9, 9, 10, 10, 11, 11, 11, 12, 13])
SPECIAL_PRICES = st.sampled_from([6, 8, 8, 9, 9, 10, 10, 10, 11, 11, 12, 12, 14])
SMALL = st.integers(1, 3)
SELF_TRADE = st.sampled_from(
    [(0, 0)] * 6 + [(group, mode) for group in (1, 1, 2) for mode in SelfTradeMode if mode]
)
GTD_LIVES_NS = st.sampled_from([0] * 20 + [1, 10, 40, 100, 300])
GAPS_NS = st.sampled_from([0] * 12 + [1, 9, 30, 100])
NEW_STOPS = st.sampled_from([0, 0, 0, 1, 2, 3, 7, 9, 10, 11, 13])
EXTREME_STOPS = st.sampled_from([1, 2**20, 2**59, 2**60 - 1, 2**60, 2**60 + 1, 2**62, LARGEST])
PROTECTIONS = st.sampled_from([0, 1, 1, 2])

# What a step may do wrong: most do nothing wrong, the others one thing, with one of these values.
WRONG: dict[str, list[Any]] = {
    "session": [0, 3, 4, 65535],
    "account": [0, 4, 5, -1, 2**31 - 1],
    "instrument": [0, 3, 4, 5, -1, -(2**31)],
    "side": [0, 3, 255],
    "ord_type": [0, 3, 255],
    "tif": [0, Tif.IOC, Tif.FOK, Tif.GTD, Tif.OPEN, Tif.CLOSE, 8, 255],
    "flags": [
        CommandFlag.OFF_TICK,
        CommandFlag.OFF_LOT,
        CommandFlag.FINAL,
        CommandFlag.BOOK_ONLY,
        CommandFlag.POST_ONLY,
        CommandFlag.POST_REPRICE,
        CommandFlag.POST_ONLY | CommandFlag.POST_REPRICE,
        CommandFlag.POST_ONLY | CommandFlag.BOOK_ONLY,
        CommandFlag.CANCEL_ON_CLOSE,
        *(mode << FLAG_STP_SHIFT for mode in (1, 4, 5, 7)),
        0xFFFF,
        0x8000,
    ],
    "order_id": [-1, 1, 6, 7, 2**57, LARGEST, SMALLEST],
    "orig0": [-1, 1, 6, 7, LARGEST, SMALLEST],
    "orig2": [-1, 1, 2, 2**31 - 1, -(2**31)],
    "aux0": [-1, 0, 1, 2**60, 2**60 + 1, LARGEST, SMALLEST],
    "aux1": [-1, 0, 1_000_000, 1_000_300, LARGEST, SMALLEST],
    "qty_lots": [0, -1, 7, 20, 2**59, 2**60, 2**60 + 1, LARGEST, SMALLEST],
    "price_ticks": [0, -1, 1, 7, 13, 2**30, 2**60, LARGEST - 1, LARGEST, SMALLEST],
    "cl": ["used", "empty", "long"],
    "named": ["unknown id", "unknown orig", "nothing"],
}
WRONG_LIMITS = [
    *(("account", account) for account in (0, 4, -1)),
    *(("ord_type", which) for which in (0, 19, 255)),
    *(("qty_lots", value) for value in (-1, -2, AMPLE + 1, LARGEST, SMALLEST)),
]
MISTAKES = st.sampled_from([""] * 40 + list(WRONG))
FEW_MISTAKES = st.sampled_from([""] * 200 + list(WRONG))


def err(draw: st.DrawFn, step: Step, mistake: str) -> Step:
    """Put one mistake into a step."""
    if mistake:
        wrong = draw(st.sampled_from(WRONG[mistake]))
        if mistake in ("cl", "named"):
            setattr(step, mistake, wrong)
        else:
            step.own.discard(mistake)
            step.values[mistake] = wrong
    return step


@cache
@st.composite
def amounts(draw: st.DrawFn, shape: str, instrument: int, side: int = 0) -> dict[str, int]:
    """Draw a price and a quantity; extreme ones multiply to about the largest limit."""
    if shape == TIGHT:
        return {"price_ticks": draw(PRICES), "qty_lots": draw(QUANTITIES)}
    if shape in SPECIAL_SHAPES:
        return {"price_ticks": draw(SPECIAL_PRICES), "qty_lots": draw(QUANTITIES)}
    if shape == RISK:
        return {"price_ticks": draw(RISK_PRICES), "qty_lots": draw(RISK_QUANTITIES)}
    if shape == DEEP:
        low, high = DEEP_PRICES[side]
        return {"price_ticks": draw(st.integers(low, high)), "qty_lots": draw(QUANTITIES)}
    price = draw(EXTREME_PRICES)
    most = AMPLE // (price * instrument_values(instrument)["aux0"])
    share = draw(st.sampled_from([1, 1, 2, 3, 8]))
    more = draw(st.sampled_from([0, 0, 0, 1, -1]))
    return {"price_ticks": price, "qty_lots": most // share + more or 1}


@cache
@st.composite
def new_steps(draw: st.DrawFn, shape: str = TIGHT) -> Step:
    """Draw a NEW."""
    if shape == STATES and draw(st.booleans()):
        step = draw(auction_order_steps())
        step.values |= {
            "session": draw(SESSIONS),
            "account": draw(ACCOUNTS),
            "instrument": draw(CHOICE_OF_INSTRUMENTS[shape]),
        }
        step.lag, step.gap_ns = draw(LAGS), draw(GAPS_NS)
        return err(draw, step, draw(FEW_MISTAKES))
    if shape == FORTUNES:
        return draw(fortune_steps())
    if shape in SPECIAL_SHAPES or (shape == EXTREME and draw(st.booleans())):
        return draw(special_steps(shape))
    if shape == RISK and draw(st.integers(0, 3)) == 0:
        step = draw(special_steps(shape))
        step.values["account"] = draw(RISK_ACCOUNTS)
        return step
    instrument = draw(CHOICE_OF_INSTRUMENTS[shape])
    side = draw(st.sampled_from(Side))
    values = {
        **draw(amounts(shape, instrument, side)),
        "flags": draw(FLAGS),
        "session": draw(SESSIONS),
        "account": draw(RISK_ACCOUNTS if shape == RISK else ACCOUNTS),
        "instrument": instrument,
        "side": side,
        "ord_type": draw(TYPES),
        "tif": draw(DEEP_TIFS if shape == DEEP else TIFS),
    }
    step = Step(Kind.NEW, values, lag=draw(LAGS), named="nothing")
    if shape == RISK:
        step.gap_ns = draw(GAPS_NS)
    if values["ord_type"] == OrdType.DIRECTED:
        step.named, step.back, step.resting = draw(NAMED), draw(BACK), draw(st.booleans())
        if draw(st.booleans()):
            step.own, step.opposite = {"instrument"}, True
    return err(draw, step, draw(FEW_MISTAKES if shape == RISK else MISTAKES))


@cache
@st.composite
def special_steps(draw: st.DrawFn, shape: str) -> Step:
    """Draw a NEW of which most have something special: a stop, a display, a minimum, a group, an expiry."""
    instrument = draw(CHOICE_OF_INSTRUMENTS[shape])
    side = draw(st.sampled_from(Side))
    specialty, (group, mode), lives = draw(SPECIALTIES), draw(SELF_TRADE), draw(GTD_LIVES_NS)
    values = {
        **draw(amounts(shape, instrument, side)),
        "session": draw(SESSIONS),
        "account": draw(ACCOUNTS),
        "instrument": instrument,
        "side": side,
        "ord_type": OrdType.LIMIT,
        "tif": Tif.GTD if lives else Tif.GTC,
    }
    flags = mode << FLAG_STP_SHIFT
    small, qty = draw(SMALL), values["qty_lots"]
    stop = draw(STOP_PRICES if shape != EXTREME else EXTREME_STOPS)
    step = Step(Kind.NEW, values, lag=draw(LAGS), lives_ns=lives, gap_ns=draw(GAPS_NS))
    match specialty:
        case "iceberg" | "stop iceberg":
            if shape == EXTREME:
                values["order_id"] = (-(-qty // 64), qty // small, max(qty // 64, 1))[small - 1]
            elif draw(st.integers(0, 9)) == 0:
                values["order_id"], values["qty_lots"] = 1, 62 + small  # 63, 64, 65 displays
            else:
                values["order_id"] = min(small, qty)
        case "post only":
            flags |= CommandFlag.POST_ONLY
        case "post reprice":
            flags |= CommandFlag.POST_REPRICE
        case "book only":
            flags |= CommandFlag.BOOK_ONLY
        case "minimum" | "minimum now":
            values["orig0"] = min(small, qty)
            values["tif"] = Tif.IOC if specialty == "minimum now" else values["tif"]
        case "fill or kill":
            values["tif"] = Tif.FOK
        case "market":
            values["ord_type"], values["tif"] = OrdType.MARKET, draw(TIFS)
            values["qty_lots"] = qty if shape == EXTREME else qty * small
        case "now":
            values["tif"] = Tif.IOC
        case "directed":
            values["ord_type"] = OrdType.DIRECTED
            step.named, step.back, step.resting = draw(NAMED), draw(BACK), draw(st.booleans())
            step.own, step.opposite = {"instrument"}, True
    if specialty.startswith("stop"):
        values["ord_type"] = OrdType.STOP if specialty == "stop" else OrdType.STOP_LIMIT
        values["aux0"] = stop
    elif specialty == "trailing":
        values["ord_type"] = OrdType.TRAILING_STOP
        values["aux0"] = small if shape != EXTREME else stop
    if specialty != "directed":
        values["orig2"] = group
    values["flags"] = flags
    return err(draw, step, draw(FEW_MISTAKES if shape in (*SPECIAL_SHAPES, RISK) else MISTAKES))


@cache
@st.composite
def mass_cancel_steps(draw: st.DrawFn) -> Step:
    """Draw a MASS_CANCEL with any filters."""
    values = {
        "session": draw(st.sampled_from([1, 1, 2, 2, 0])),
        "account": draw(st.sampled_from([0, 0, 1, 2, 3])),
        "instrument": draw(st.sampled_from([0, 0, 1, 1, 2])),
        "side": draw(st.sampled_from([0, 0, 1, 2])),
        "aux0": draw(st.sampled_from([0, 0, 0, 1, 1, 2, 9, -1])),
    }
    step = Step(Kind.MASS_CANCEL, values, lag=draw(LAGS))
    wrong = draw(st.sampled_from([""] * 15 + ["session", "account", "instrument", "side"]))
    return err(draw, step, wrong)


@cache
@st.composite
def change_steps(draw: st.DrawFn, kind: int, shape: str = TIGHT) -> Step:
    """Draw a CANCEL, REDUCE, REPLACE or STATUS, most often of an order of its own session."""
    values = draw(amounts(shape, draw(CHOICE_OF_INSTRUMENTS[shape])))
    step = Step(kind, values, lag=draw(LAGS), named=draw(NAMED), back=draw(BACK), own={"session"})
    step.resting = draw(st.sampled_from([True, True, True, False]))
    if kind == Kind.REPLACE:
        keep = draw(st.sampled_from(["", "", "price_ticks", "qty_lots"]))
        step.own |= {keep} - {""}
        if shape in SPECIAL_SHAPES:
            values["aux0"] = draw(NEW_STOPS)
            if draw(st.integers(0, 11)) == 0:
                values["qty_lots"] = draw(st.integers(63, 70))  # about 64 displays and what has traded
        elif shape == EXTREME:
            values["aux0"] = draw(st.sampled_from([0, 0, 1, 2**60, LARGEST]))
    if shape in (*SPECIAL_SHAPES, RISK):
        step.gap_ns = draw(GAPS_NS)
    step.own |= draw(
        st.sampled_from([set(), set(), {"instrument"}, {"side"}, {"instrument", "side", "account"}])
    )
    return err(draw, step, draw(FEW_MISTAKES if shape in (*SPECIAL_SHAPES, RISK) else MISTAKES))


@cache
@st.composite
def administrative_steps(draw: st.DrawFn, kind: int) -> Step:
    """Draw a command that changes the venue, rightly or wrongly."""
    values: dict[str, int] = {"session": draw(st.sampled_from([0, 1]))}
    cl = ""
    mistake = draw(st.booleans()) and draw(st.booleans())
    match kind:
        case Kind.LIMIT:
            values["account"] = draw(ACCOUNTS)
            values["ord_type"] = draw(st.sampled_from(FIRST_LIMITS))
            values["qty_lots"] = draw(LIMIT_VALUES)
            if mistake:
                name, wrong = draw(st.sampled_from(WRONG_LIMITS))
                values[name] = wrong
        case Kind.KILL:
            values |= {"account": draw(ACCOUNTS), "tif": KillLevel.ACCOUNT, "ord_type": Switch.KILLED}
            values["side"] = draw(st.sampled_from([1, 2, 2, 2] if not mistake else [0, 3, 255]))
        case Kind.SESSION_OPEN:
            cl = draw(
                st.sampled_from(["GW1", "GW1", "GW1", "GW2", "GW2", "GW3", "GW3" + "x" * 17, "GW4", "empty"])
            )
            values["orig0"] = draw(st.sampled_from([0, 5, LARGEST]))
            values["flags"] = draw(st.sampled_from([0, CommandFlag.CANCEL_ON_CLOSE]))
        case Kind.SESSION_CLOSE:
            values["session"] = draw(st.sampled_from([1, 1, 1, 2, 2, 2, 3, 4, 0, 65535]))
        case Kind.INSTRUMENT:
            return draw(instrument_steps())
        case _ if kind in STATE_KINDS:
            step = draw(market_steps(kind))
            step.lag = draw(LAGS)
            return step
        case Kind.ACCOUNT:
            account = draw(st.sampled_from([1, 2, 3, 4, 4]))
            cl = NAMES[account] if not mistake else draw(st.sampled_from(["empty", "OTHER"]))
            values["account"] = account
            values["orig2"] = draw(st.sampled_from([USD, USD, USD, EUR]))
            values["instrument"] = draw(st.sampled_from([0, 1, 1, 2, 2**31 - 1, -1]))
            if mistake:
                values["account"] = draw(st.sampled_from([account, 0, 5, -1]))
        case _:
            values["qty_lots"] = draw(QUANTITIES)
            values["account"] = draw(ACCOUNTS)
            cl = "fresh"
    return Step(kind, values, lag=draw(LAGS), cl=cl)


@cache
@st.composite
def instrument_steps(draw: st.DrawFn) -> Step:
    """Draw a definition: often a new band of a known instrument, sometimes wrong in one of its terms."""
    values = instrument_values(draw(st.sampled_from([1, 1, 2, 2, 2, 3, 4])))
    values["order_id"] = draw(st.sampled_from([0, 0, 8, 9, 10, 12, -1]))
    values["aux1"] = draw(st.sampled_from([0, 0, 11, 12, 13, LARGEST, -1]))
    values["orig0"] = draw(st.sampled_from([0, 0, 0, 1, 1, 2, 2**60, 2**60 + 1, -1, LARGEST, SMALLEST]))
    values["account"] = draw(st.sampled_from([0, 0, 1, 1, 2, -1]))
    values["ord_type"] = draw(st.sampled_from([0, 0, 0, *TradingState, 8, 255]))
    values["orig1"] = draw(st.sampled_from([0, 0, 1, 1, 63, 64, -1]))
    values["tif"] = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 255]))
    if draw(st.integers(0, 5)) == 0:
        name = draw(st.sampled_from(["instrument", "price_ticks", "qty_lots", "aux0", "orig2"]))
        values[name] = draw(st.sampled_from([0, 1, 2, 5, -1]))
    symbol = f"SYM{values['instrument']}"
    cl = draw(st.sampled_from([symbol] * 8 + ["empty", "OTHER", symbol + "-a-long-name"]))
    return Step(Kind.INSTRUMENT, values, lag=draw(LAGS), cl=cl)


def instrument_values(instrument: int) -> dict[str, int]:
    """Return the terms of the four instruments: plain, tick value 3, tick value 2^40, and in euros."""
    tick_value = {2: 3, 3: 2**40}.get(instrument, 1)
    currency = EUR if instrument == 4 else USD
    return {"instrument": instrument, "price_ticks": 5, "qty_lots": 7, "aux0": tick_value, "orig2": currency}


@cache
@st.composite
def opening_steps(draw: st.DrawFn, shape: str = TIGHT) -> list[Step]:
    """Draw the opening of a venue: instruments, accounts, limits, sessions."""
    bands = [(0, 0), (8, 12), (0, 0)]
    steps = []
    for instrument, (low, high) in enumerate(bands, start=1):
        values = {**instrument_values(instrument), "order_id": low, "aux1": high}
        if shape in SPECIAL_SHAPES:
            values["orig0"] = draw(PROTECTIONS)
        if shape == STATES:
            values["account"], values["orig1"] = instrument % 2, draw(st.sampled_from([0, 1, 1]))
        if shape == RISK:
            values["account"] = (0, 0, 1, 70)[instrument]  # its group
        steps.append(Step(Kind.INSTRUMENT, values, cl=f"SYM{instrument}"))
    tight = {
        Limit.MAX_ORDER_QTY: [5, 6, AMPLE],
        Limit.MAX_ORDER_NOTIONAL: [50, 100, AMPLE, AMPLE],
        Limit.MAX_OPEN_ORDERS: [2, 3, 5, AMPLE],
        Limit.MAX_LONG: [6, 10, 20, AMPLE],
        Limit.MAX_SHORT: [6, 10, 20, AMPLE],
        Limit.CREDIT: [50, 100, 300, AMPLE],
    }
    if shape in (EXTREME, FORTUNES, STATES):
        steps += firm_steps(1)
    for account in () if shape == RISK else (1, 2, 3):
        values = {"account": account, "orig2": USD}
        if shape in (EXTREME, FORTUNES, STATES):
            values["instrument"] = account // 2 if shape == STATES else min(account, 2) % 2
        steps.append(Step(Kind.ACCOUNT, values, cl=NAMES[account]))
        ample = account == 1 or shape in (EXTREME, DEEP, FORTUNES, STATES) or draw(st.booleans())
        steps += unlimited(
            account,
            None
            if ample
            else {limit: draw(st.sampled_from(values_of)) for limit, values_of in tight.items()},
        )
    for name in ("GW1", "GW2"):
        flags = draw(st.sampled_from([0, CommandFlag.CANCEL_ON_CLOSE])) if shape in SPECIAL_SHAPES else 0
        steps.append(Step(Kind.SESSION_OPEN, {"flags": flags}, cl=name))
    if shape in SPECIAL_SHAPES:
        order = {"session": 1, "account": 1, "instrument": 1, "ord_type": OrdType.LIMIT, "tif": Tif.GTC}
        order |= {"price_ticks": 10, "qty_lots": 1}
        steps += [Step(Kind.NEW, {**order, "side": side}) for side in Side]  # a last trade price
    if shape == STATES:
        steps += draw(opening_market_steps())
    if shape == RISK:
        steps += draw(opening_risk_steps())
    return steps


@cache
@st.composite
def seldom_risk_steps(draw: st.DrawFn) -> Step:
    """Draw what is rare where risk controls are on: mostly a TICK, after which risk has seen everything."""
    kind = draw(
        st.sampled_from(
            [Kind.TICK] * 6 + [Kind.SESSION_OPEN] * 2 + [Kind.SESSION_CLOSE, Kind.INSTRUMENT, Kind.FIRM]
        )
    )
    if kind == Kind.FIRM:
        return draw(risk_steps(kind))
    return draw(administrative_steps(kind)) if kind != Kind.TICK else Step(kind, {})


@cache
@st.composite
def steps(draw: st.DrawFn, shape: str = TIGHT) -> Step:
    """Draw any step."""
    kind = draw(CHOICE_OF_KINDS[shape])
    if shape == RISK and kind == Kind.STATE:
        return Step(kind, {"instrument": 1, "ord_type": draw(RISK_STATES)}, cl="")
    if shape == FORTUNES and kind in (Kind.TRANSFER, Kind.TICK):
        return draw(fortune_transfers()) if kind == Kind.TRANSFER else Step(kind, {})
    if shape in (RISK, EXTREME, FORTUNES) and kind in RISK_KINDS:
        return draw(risk_steps(kind, extreme=shape != RISK))
    if kind in STATE_KINDS:
        return draw(administrative_steps(kind))
    if kind == Kind.TICK:
        if shape == RISK:
            return draw(seldom_risk_steps())
        seldom = SPECIAL_SELDOM_KINDS if shape in SPECIAL_SHAPES else SELDOM_KINDS
        return draw(administrative_steps(draw(seldom)))
    if kind == Kind.MASS_CANCEL:
        return draw(mass_cancel_steps())
    return draw(new_steps(shape) if kind == Kind.NEW else change_steps(kind, shape))


@st.composite
def sequences(draw: st.DrawFn, shape: str = TIGHT, kinds: frozenset[int] | None = None) -> Sequence:
    """Draw a whole sequence: VENUE, instruments, accounts, limits, sessions, then steps of any kind.

    With ``kinds`` only steps of these kinds are kept.
    """
    capacities = draw(st.sampled_from(ROOMS[shape]))
    assembler = Assembler(capacities)
    least = draw(st.sampled_from(LENGTHS[shape]))  # lists are short unless they must not be
    drawn = draw(st.lists(steps(shape), min_size=least, max_size=least + MORE_STEPS))
    for step in draw(opening_steps(shape)):
        assembler.add(step)
    for step in drawn:
        if kinds is None or step.kind in kinds:
            assembler.add(step)
    return Sequence(capacities, assembler.commands)
