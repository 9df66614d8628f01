"""Two reconciliations: money and lots that are held against those that came in, orders against what became of them.

Each holds against each other two sources that know nothing of one another: money and positions of the state against
transfers in the journal; the lots that rest in the books against those that outcomes have told, order by order
(:class:`stages.tally.Tally`). Used by :mod:`stages.risk_report`; a difference is a defect.
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.risk_terms import money_text
from stages.core import Core
from stages.definitions import directory_of
from stages.holdings import cash_of, currency_of, positions_of
from stages.risk_report_model import LotsRow, MoneyRow, OrdersRow, Reconciliation, whole
from stages.tally import Tally

__all__ = ["reconcile"]


def reconcile(core: Core, tally: Tally) -> Reconciliation:
    """Return both reconciliations of a core, and of what the replay that led to it has counted."""
    money = [*_cash_rows(core, tally), *_position_rows(core, tally)]
    orders, lots = _orders_row(tally), _lots_row(core, tally)
    ok = orders.ok and lots.ok and all(row.ok for row in money)
    return Reconciliation(ok=ok, money=money, orders=orders, lots=lots)


def _cash_rows(core: Core, tally: Tally) -> list[MoneyRow]:
    """Return for each currency the cash of all accounts, and what was deposited less withdrawn."""
    held, moved = cash_of(core), dict[str, int]()
    for (account, instrument), amount in sorted(tally.transfers.items()):
        if not instrument:
            currency = currency_of(core, account)
            moved[currency] = moved.get(currency, 0) + amount
    opening = tally.opening_cash
    return [
        _money_row(name, opening.get(name, 0), held[name], moved.get(name, 0), money_text)
        for name in sorted(held)
    ]


def _position_rows(core: Core, tally: Tally) -> list[MoneyRow]:
    """Return for each instrument the sum of positions, and the lots that were deposited less withdrawn."""
    held, moved = positions_of(core), dict[int, int]()
    for (_, instrument), lots in sorted(tally.transfers.items()):
        moved[instrument] = moved.get(instrument, 0) + lots
    opening = tally.opening_positions
    return [
        _money_row(entry.symbol, opening.get(each, 0), held.get(each, 0), moved.get(each, 0), str)
        for each, entry in sorted(directory_of(core.state.risk).instruments.items())
    ]


def _money_row(what: str, opening: int, held: int, moved: int, text: Callable[[int], str]) -> MoneyRow:
    return MoneyRow(
        what=what,
        opening=whole(opening),
        opening_text=text(opening),
        held=whole(held),
        held_text=text(held),
        transferred=whole(moved),
        transferred_text=text(moved),
        ok=held == opening + moved,
    )


def _orders_row(tally: Tally) -> OrdersRow:
    known = tally.rejected_by_risk + tally.rejected_by_matching + tally.accepted
    return OrdersRow(
        new=tally.new_orders,
        rejected_by_risk=tally.rejected_by_risk,
        rejected_by_matching=tally.rejected_by_matching,
        accepted=tally.accepted,
        ok=tally.new_orders == known,
    )


def _lots_row(core: Core, tally: Tally) -> LotsRow:
    books = core.dump_books().values()
    resting = sum(order[1] for levels in books for _, orders in levels for order in orders)
    gone = tally.filled_lots + tally.ended_lots + tally.reduced_lots
    came = tally.opening_lots + tally.accepted_lots + tally.added_lots
    return LotsRow(
        opening=whole(tally.opening_lots),
        accepted=whole(tally.accepted_lots),
        added=whole(tally.added_lots),
        filled=whole(tally.filled_lots),
        ended=whole(tally.ended_lots),
        reduced=whole(tally.reduced_lots),
        resting=whole(resting),
        ok=came == gone + resting and tally.open_lots == resting,
    )
