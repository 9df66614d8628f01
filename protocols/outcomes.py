"""Which outcomes tell of orders, and so go to files and FIX sessions: those that administration makes do not.

An outcome's kind is that of the command that caused it, and any command may be the first after an expiry, or close a
session that cancels its orders. So the kind alone does not tell: of an administrative command, only the answer
(flag ANSWER) is about no order. Nor are outcomes of market data (docs/market-data.md), and answers to a BOOK_REQUEST.
"""

from __future__ import annotations

from typing import Any

from protocols.codes import KIND_NEW, KIND_STATUS, OUT_STATE_CHANGED, OUTFLAG_ANSWER

__all__ = ["is_public", "tell_of_orders"]


def tell_of_orders(outcomes: Any) -> Any:
    """Return a mask of the outcomes that are about orders, or answer a client's request about orders."""
    kinds = outcomes["kind"]
    of_orders = ((kinds >= KIND_NEW) & (kinds <= KIND_STATUS)) | (outcomes["flags"] & OUTFLAG_ANSWER == 0)
    return of_orders & (outcomes["type"] < OUT_STATE_CHANGED)


def is_public(outcomes: Any) -> Any:
    """Return a mask of the outcomes that everybody may know: market data, but for answers to a BOOK_REQUEST."""
    return (outcomes["type"] >= OUT_STATE_CHANGED) & (outcomes["session"] == 0)
