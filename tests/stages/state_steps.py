"""Steps of trading states: orders that meet in auctions, and the commands that change what a market does.

Drawn so that calls last a few orders and then uncross, that volatility auctions begin by breaches and end by time, and
that schedule rows fall due in the middle; prices and lots are few, so that prices tie by volume and by surplus.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from protocols.codes import BandMode, Kind, OrdType, Side, Tif, TradingState
from tests.stages.steps import LARGEST, Step

SMALLEST = -(2**63)
SECOND_NS = 10**9
STATE_KINDS = (Kind.STATE, Kind.SCHEDULE, Kind.BANDS, Kind.TICK_TABLE)
STATE_STEP_KINDS = st.sampled_from(
    [Kind.NEW] * 26
    + [Kind.REPLACE] * 5
    + [Kind.STATE] * 6
    + [Kind.BANDS] * 3
    + [Kind.REDUCE, Kind.CANCEL, Kind.STATUS, Kind.MASS_CANCEL, Kind.SCHEDULE]
    + [Kind.TICK] * 3
)
ENTERED = st.sampled_from(
    [TradingState.CONTINUOUS] * 10
    + [TradingState.OPENING_AUCTION] * 4
    + [TradingState.VOLATILITY_AUCTION] * 3
    + [TradingState.CLOSING_AUCTION] * 5
    + [
        TradingState.CLOSED,
        TradingState.CLOSED,
        TradingState.HALT,
        TradingState.PRE_OPEN,
        TradingState.PRE_OPEN,
    ]
)
AUCTION_TIFS = st.sampled_from([Tif.GTC] * 5 + [Tif.DAY] * 3 + [Tif.CLOSE] * 3 + [Tif.GTD, Tif.OPEN, Tif.IOC])
AUCTION_PRICES = st.sampled_from([6, 8, 9, 9, 10, 10, 10, 11, 11, 12, 14])
LOTS = st.sampled_from([1, 2, 2, 2, 3, 4, 6])
LIVES_NS = st.sampled_from([1, 10, 40, 100, 300])
WIDTHS = st.sampled_from([0, 1, 1, 1, 2])
LASTS_NS = st.sampled_from([0, 1, 60, 200, 400])
INTERVALS_NS = st.sampled_from([0, 0, 0, 15, 40, 90])
DUE_NS = st.sampled_from([1, 10, 25, 60, 150, 400])
PERIODS_NS = st.sampled_from([0, 0, 0, SECOND_NS, SECOND_NS, SECOND_NS + 7, 3 * SECOND_NS])
GAPS_NS = st.sampled_from([0] * 6 + [SECOND_NS, 5 * SECOND_NS + 3])
TABLES = st.sampled_from(
    [[], [], [], [(8, 2)], [(9, 1), (10, 2)], [(10, 2), (12, 4)], [(9, 3)]]
)  # of table 1
TICK_ROWS = st.sampled_from(
    [(1, 1), (2, 2), (8, 2), (8, 4), (10, 5), (10, 1), (12, 3), (12, 12), (20, 10), (40, 8)]
)
WRONG_STATES = [("ord_type", 0), ("ord_type", 8), ("ord_type", 255), ("instrument", 4), ("instrument", -1)]
WRONG_SCHEDULES: list[tuple[str, int]] = [
    *(("side", side) for side in (0, 3, 255)),
    *(("ord_type", state) for state in (0, 8, 255)),
    *(("account", group) for group in (-1, -(2**31))),
    *(("aux0", period) for period in (-1, 1, SECOND_NS - 1, 2**60, 2**60 + 1, LARGEST, SMALLEST)),
    *(("aux1", when) for when in (0, -1, 1_000_000, SMALLEST, LARGEST)),
]
WRONG_BANDS = [
    ("ord_type", 3),
    ("instrument", 0),
    ("instrument", 4),
    *(
        (name, amount)
        for name in ("order_id", "orig0", "price_ticks", "aux0", "qty_lots")
        for amount in (-1, 2**60, 2**60 + 1, LARGEST, SMALLEST)
    ),
]
WRONG_TICK_ROWS = [
    *(("side", side) for side in (0, 3, 255)),
    *(("account", table) for table in (0, 64, -1)),
    *(("price_ticks", start) for start in (0, -1, 7, 2**62, 2**62 + 1, SMALLEST)),
    *(("qty_lots", step) for step in (0, -1, 2**40, 2**40 + 1, SMALLEST)),
]


@st.composite
def auction_order_steps(draw: st.DrawFn) -> Step:
    """Draw a NEW as auctions have them: a limit or market order, also at the open or at the close."""
    market = draw(st.integers(0, 3)) == 0
    tif = draw(AUCTION_TIFS)
    values: dict[str, int] = {
        "side": draw(st.sampled_from(Side)),
        "ord_type": OrdType.MARKET if market else OrdType.LIMIT,
        "tif": tif,
        "price_ticks": 0 if market else draw(AUCTION_PRICES),
        "qty_lots": draw(LOTS),
    }
    if not market and tif in (Tif.GTC, Tif.DAY) and draw(st.integers(0, 5)) == 0:
        values["order_id"] = 1  # shows one lot
    return Step(Kind.NEW, values, lives_ns=draw(LIVES_NS) if tif == Tif.GTD else 0)


@st.composite
def market_steps(draw: st.DrawFn, kind: int) -> Step:
    """Draw a STATE, SCHEDULE, BANDS or TICK_TABLE, now and then a wrong one."""
    step = Step(kind, {}, cl=draw(st.sampled_from(["", "fresh"])))
    values = step.values
    wrong: list[tuple[str, Any]] = []
    match kind:
        case Kind.STATE:
            wrong = WRONG_STATES
            values["instrument"] = draw(st.sampled_from([1, 1, 1, 1, 2, 0, 0]))
            values["account"] = draw(st.sampled_from([0, 1, 1, 5, -1]))
            values["ord_type"] = draw(ENTERED)
        case Kind.SCHEDULE:
            wrong = WRONG_SCHEDULES
            values["side"] = draw(st.sampled_from([1] * 8 + [2]))
            values["account"] = draw(st.sampled_from([0, 1, 1, 1]))
            values["ord_type"] = draw(ENTERED)
            values["aux0"] = draw(PERIODS_NS)
            step.lives_ns, step.gap_ns = draw(DUE_NS), draw(GAPS_NS)
        case Kind.BANDS:
            wrong = WRONG_BANDS
            values["instrument"] = draw(st.sampled_from([1, 1, 1, 2]))
            values |= draw(band_values())
        case Kind.TICK_TABLE:
            wrong = WRONG_TICK_ROWS
            values["side"] = draw(st.sampled_from([1, 1, 1, 2]))
            values["account"] = draw(st.sampled_from([1, 1, 1, 63]))
            values["price_ticks"], values["qty_lots"] = draw(TICK_ROWS)
    if draw(st.integers(0, 7)) == 0:
        name, value = draw(st.sampled_from(wrong))
        values[name] = value
    return step


@st.composite
def band_values(draw: st.DrawFn) -> dict[str, int]:
    """Draw the fields of BANDS: narrow bands of either mode, short auctions, indications at once or not."""
    return {
        "ord_type": draw(st.sampled_from([BandMode.NONE] + [BandMode.REJECT, BandMode.HALT] * 4)),
        "order_id": draw(WIDTHS),
        "orig0": draw(WIDTHS),
        "price_ticks": draw(st.sampled_from([0, 0, 9, 10, 10, 11, 14])),
        "aux0": draw(LASTS_NS),
        "qty_lots": draw(INTERVALS_NS),
    }


@st.composite
def opening_market_steps(draw: st.DrawFn) -> list[Step]:
    """Draw what a venue of this shape begins with: bands often, schedule rows sometimes, seldom a full schedule."""
    steps = []
    for start, step in draw(TABLES):
        row = {"side": 1, "account": 1, "price_ticks": start, "qty_lots": step}
        steps.append(Step(Kind.TICK_TABLE, row, cl=""))
    if draw(st.integers(0, 3)) > 0:
        steps.append(Step(Kind.BANDS, {"instrument": 1, **draw(band_values())}, cl=""))
    if draw(st.booleans()):
        steps += [draw(market_steps(Kind.SCHEDULE)) for _ in range(draw(st.integers(1, 4)))]
    if draw(st.integers(0, 11)) == 0:
        row = {"side": 1, "account": 7, "ord_type": TradingState.HALT, "aux1": LARGEST}
        steps += [Step(Kind.SCHEDULE, dict(row), cl="") for _ in range(draw(st.integers(255, 256)))]
    if draw(st.integers(0, 9)) == 0:
        rows = [{"side": 1, "account": 1, "price_ticks": start, "qty_lots": 1} for start in range(20, 37)]
        steps += [Step(Kind.TICK_TABLE, row, cl="") for row in rows[: draw(st.integers(15, 17))]]
    return steps
