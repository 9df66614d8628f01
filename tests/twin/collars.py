"""Collars, naively: COLLAR, and what prices may be around the static and the dynamic reference.

The page is *Collars* in ``docs/risk-controls.md``; edges are computed where they are needed.
"""

from __future__ import annotations

from protocols.codes import CollarUnit, Reason, Side
from tests.twin.arithmetic import MILLION, share_down
from tests.twin.checks import PRICED_TYPES, require
from tests.twin.markets import HIGHEST_LIMIT
from tests.twin.records import Command
from tests.twin.risk_state import Instrument, RiskState

MOST = 2**60


def set_collar(state: RiskState, command: Command) -> None:
    """Carry out a COLLAR."""
    require(command.instrument in state.instruments, Reason.UNKNOWN_INSTRUMENT)
    widths = (command.order_id, command.orig0)
    require(command.ord_type in set(CollarUnit), Reason.INVALID_COMMAND)
    widest = MILLION if command.ord_type == CollarUnit.MILLIONTHS else MOST
    require(0 <= command.price_ticks <= MOST and 0 <= command.aux0 <= MOST, Reason.INVALID_COMMAND)
    require(all(0 <= width <= widest for width in widths), Reason.INVALID_COMMAND)
    instrument = state.instruments[command.instrument]
    instrument.collar_unit = command.ord_type
    instrument.static_width, instrument.dynamic_width = widths
    instrument.stale_ns = command.aux0
    if command.price_ticks:
        instrument.static_reference = command.price_ticks
        set_dynamic_reference(instrument, command.price_ticks, command.time_ns)


def set_dynamic_reference(instrument: Instrument, price: int, time_ns: int) -> None:
    """Let a trade, or an operator, set the reference of the dynamic collar."""
    instrument.dynamic_reference, instrument.reference_ns = price, time_ns


def edges(unit: int, reference: int, width: int) -> tuple[int, int]:
    """Return the lowest price of a sell and the highest of a buy."""
    distance = share_down(reference, width) if unit == CollarUnit.MILLIONTHS else width
    return max(reference - distance, 0), min(reference + distance, HIGHEST_LIMIT)


def check_collars(instrument: Instrument, time_ns: int, ord_type: int, side: int, price: int) -> None:
    """Check static, then dynamic collar of a NEW or REPLACE (16 of NEW)."""
    if instrument.static_width:
        require(instrument.static_reference != 0, Reason.NO_REFERENCE_PRICE)
        inside = edges(instrument.collar_unit, instrument.static_reference, instrument.static_width)
        require(_does_no_harm(inside, ord_type, side, price), Reason.STATIC_COLLAR)
    if instrument.dynamic_width:
        require(instrument.dynamic_reference != 0, Reason.NO_REFERENCE_PRICE)
        fresh = instrument.stale_ns == 0 or time_ns - instrument.reference_ns <= instrument.stale_ns
        require(fresh, Reason.STALE_REFERENCE_PRICE)
        inside = edges(instrument.collar_unit, instrument.dynamic_reference, instrument.dynamic_width)
        require(_does_no_harm(inside, ord_type, side, price), Reason.DYNAMIC_COLLAR)


def _does_no_harm(inside: tuple[int, int], ord_type: int, side: int, price: int) -> bool:
    low, high = inside
    if ord_type not in PRICED_TYPES:
        return True
    return price <= high if side == Side.BUY else price >= low
