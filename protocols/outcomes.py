"""Which outcomes tell of orders, and so go to files and FIX sessions: those that administration makes do not.

An outcome's kind is that of the command that caused it, and any command may be the first after an expiry, or close a
session that cancels its orders. So the kind alone does not tell: of an administrative command, only the answer
(flag ANSWER) is about no order.
"""

from __future__ import annotations

from typing import Any

from protocols.codes import KIND_NEW, KIND_STATUS, OUTFLAG_ANSWER

__all__ = ["tell_of_orders"]


def tell_of_orders(outcomes: Any) -> Any:
    """Return a mask of the outcomes that are about orders, or answer a client's request about orders."""
    kinds = outcomes["kind"]
    return ((kinds >= KIND_NEW) & (kinds <= KIND_STATUS)) | (outcomes["flags"] & OUTFLAG_ANSWER == 0)
