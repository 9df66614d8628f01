"""Feedback, naively: what an outcome of matching does to risk.

The page is *Feedback* in ``docs/rules.md``. :mod:`tests.twin.core` calls this for exactly the inputs that the stamp of
the next command covers.
"""

from __future__ import annotations

from protocols.codes import Kind, OutcomeFlag, OutcomeType, Side
from tests.twin.collars import set_dynamic_reference
from tests.twin.funds import pay
from tests.twin.marks import mark
from tests.twin.rates import count_execution
from tests.twin.records import Outcome
from tests.twin.risk_state import RiskOrder, RiskState


def apply(state: RiskState, outcome: Outcome) -> None:
    """Take in one outcome; those that are not named here do nothing."""
    if outcome.flags & OutcomeFlag.RISK:
        return
    if outcome.type == OutcomeType.FILLED:
        instrument = state.instruments[outcome.instrument]
        instrument.last_price = outcome.price_ticks
        set_dynamic_reference(instrument, outcome.price_ticks, outcome.time_ns)
    order = state.orders.get(outcome.order_id)
    if order is None:
        return
    match outcome.type:
        case OutcomeType.FILLED:
            _fill(state, order, outcome)
        case OutcomeType.CANCELLED | OutcomeType.EXPIRED:
            _release(state, outcome.order_id)
        case OutcomeType.REJECTED if outcome.flags & OutcomeFlag.NEW:
            _release(state, outcome.order_id)
        case OutcomeType.ACCEPTED if outcome.flags & OutcomeFlag.REPRICED:
            order.price = outcome.price_ticks
            _settle(state, order)
        case OutcomeType.REPLACED:
            order.leaves, order.price = outcome.leaves_lots, outcome.price_ticks or order.price
            if outcome.kind == Kind.REPLACE and not outcome.flags & OutcomeFlag.UNSOLICITED:
                order.pending -= 1
            _settle(state, order)
        case OutcomeType.REJECTED if outcome.kind == Kind.REPLACE:
            order.pending -= 1
            _settle(state, order)


def _fill(state: RiskState, order: RiskOrder, outcome: Outcome) -> None:
    qty, row = outcome.qty_lots, state.positions[order.account, order.instrument]
    order.leaves -= qty
    order.cum += qty
    state.reserve(order, order.res_lots - qty, order.res_price, order.fee_cap)
    row.position += qty if order.side == Side.BUY else -qty
    pay(state, order, outcome)
    mark(state, order.account, order.instrument)
    count_execution(state.accounts[order.account], outcome)
    if outcome.leaves_lots == 0:
        _release(state, outcome.order_id)


def _settle(state: RiskState, order: RiskOrder) -> None:
    """With no replace in flight, reserve what is left, at no higher a price than was checked."""
    if order.pending == 0:
        state.reserve(order, order.leaves, min(order.res_price, order.price), order.fee_cap)


def _release(state: RiskState, order_id: int) -> None:
    order = state.orders.pop(order_id)
    state.reserve(order, 0, 0, 0)
    state.accounts[order.account].open_orders -= 1
    state.positions[order.account, order.instrument].open_orders -= 1
