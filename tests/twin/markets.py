"""What an instrument is beside its orders, naively: state, group, bands, volatility auction, indications, tick table.

Risk keeps its own instruments; here is what matching knows of them, as ``docs/trading-states.md`` describes it.
A :class:`TickTable` is used by both: rows of (from, step), ascending, without a row every price is on the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.codes import BandMode, TradingState

CALL_STATES = (
    TradingState.PRE_OPEN,
    TradingState.OPENING_AUCTION,
    TradingState.VOLATILITY_AUCTION,
    TradingState.CLOSING_AUCTION,
)
AUCTIONS = CALL_STATES[1:]
MAX_TICK_ROWS = 16
MAX_TICK_TABLES = 63
HIGHEST_LIMIT = 2**63 - 2  # what a limit price may be; one more is the level of a MARKET order


@dataclass
class TickTable:
    """Steps of prices: from a row's price on, up to the next row's, prices are multiples of its step."""

    rows: list[tuple[int, int]] = field(default_factory=list)

    def step_at(self, price: int) -> int:
        """Return the step that holds at a price: 1 below the first row."""
        steps = [step for start, step in self.rows if start <= price]
        return steps[-1] if steps else 1

    def holds(self, price: int) -> bool:
        """Tell whether a positive price is one of the table's."""
        return price % self.step_at(price) == 0

    def below(self, price: int) -> int | None:
        """Return the highest price of the table below a price, None if there is no positive one."""
        below = price - 1
        below -= below % self.step_at(below)
        return below if below >= 1 else None

    def above(self, price: int) -> int | None:
        """Return the lowest price of the table above a price, None if a limit cannot be so high."""
        step = self.step_at(price + 1)
        above = -(-(price + 1) // step) * step
        return above if above <= HIGHEST_LIMIT else None


@dataclass(frozen=True)
class Crossing:
    """What an uncross gives, or would give: the price, the lots that trade, and the lots that are left over."""

    price: int = 0
    volume: int = 0
    surplus: int = 0
    side: int = 0  # of the surplus, 0 for none


@dataclass
class Market:
    """One instrument as matching knows it; amounts that are 0 are none."""

    state: int = TradingState.CONTINUOUS
    group: int = 0
    tick_table: int = 0
    mode: int = BandMode.NONE
    static_width: int = 0
    dynamic_width: int = 0
    static_reference: int = 0
    duration_ns: int = 0
    interval_ns: int = 0
    volatility_end_ns: int = 0
    told: Crossing | None = None  # the last indication of the auction that runs
    told_ns: int = 0
    put_off: bool = False  # an indication came too soon after the last one

    @property
    def calls(self) -> bool:
        """Tell whether orders rest without trading."""
        return self.state in CALL_STATES

    @property
    def in_auction(self) -> bool:
        """Tell whether indications are published."""
        return self.state in AUCTIONS
