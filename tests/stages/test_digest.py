"""The state digest: equal for equal states, from what processes share alone, and different for each difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.codes import OrdType, Tif
from stages.digest import books_digest, combine_digests, risk_digest, state_digest
from tests.twin.compiled import CompiledCore
from tests.twin.scenario import Desk, open_desk

pytestmark = pytest.mark.jitoff

ROOM = {
    "max_orders": 16, "max_levels": 16, "max_accounts": 4, "max_instruments": 3, "max_positions": 8,
    "max_cl_ord_ids": 64, "max_sessions": 4, "max_specials": 8,
}  # fmt: skip


def desk_of() -> Desk:
    """Return a desk over a compiled core."""
    return open_desk(CompiledCore(**ROOM), ROOM)


def digest_of(desk: Desk) -> int:
    """Return the digest after risk has seen all."""
    desk.tick()
    state: Any = desk.core._core.state  # type: ignore[attr-defined]
    return state_digest(state.risk, state.books)


def everything(desk: Desk, *, expiry: int = 10**9, stop: int = 120, display: int = 2, group: int = 7) -> None:
    """Send orders of all kinds, all of which rest."""
    desk.sell(1, at=100, cl="S1")
    desk.buy(1, at=100, cl="B1")
    desk.new(1, 5, 90, "ICE", order_id=display)
    desk.new(1, 3, 91, "GTD", tif=Tif.GTD, aux1=expiry)
    desk.new(1, 2, 0, "STOP", ord_type=OrdType.STOP, aux0=stop)
    desk.new(2, 2, 0, "TRAIL", ord_type=OrdType.TRAILING_STOP, aux0=4)
    desk.new(2, 2, 130, "STP", orig2=group, flags=1 << 6)


def test_same_commands_give_the_same_digest() -> None:
    """Two cores that were told the same have the same digest."""
    first, second = desk_of(), desk_of()
    everything(first)
    everything(second)
    assert digest_of(first) == digest_of(second)


def test_each_half_has_a_digest_of_its_own() -> None:
    """The owners of books and of risk take theirs apart; combined, in that order, they are the state digest."""
    desk = desk_of()
    everything(desk)
    state: Any = desk.core._core.state  # type: ignore[attr-defined]
    books, risk = books_digest(state.books[0]), risk_digest(state.risk)
    assert combine_digests(books, risk) == digest_of(desk) != combine_digests(risk, books)


def test_an_order_that_ended_has_no_expiry_in_the_digest() -> None:
    """What is left of it among what is due by time is not part of the state."""
    first, second = desk_of(), desk_of()
    for desk, tif in ((first, Tif.GTD), (second, Tif.GTC)):
        desk.new(1, 3, 91, "A", tif=tif, aux1=10**9 if tif == Tif.GTD else 0)
        desk.cancel("A")
        desk.tick()
    assert digest_of(first) == digest_of(second)


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: everything(desk, expiry=10**9 + 1),
        lambda desk: everything(desk, stop=121),
        lambda desk: everything(desk, display=3),
        lambda desk: everything(desk, group=8),
    ],
    ids=["expiry", "stop price", "display", "group"],
)
def test_what_an_order_holds_is_in_the_digest(change: Callable[[Desk], None]) -> None:
    """A state that differs in one term of one order has another digest."""
    first, second = desk_of(), desk_of()
    everything(first)
    change(second)
    assert digest_of(first) != digest_of(second)


def test_cancel_on_close_is_in_the_digest() -> None:
    """Whether a session's orders end with it is part of the state."""
    first, second = desk_of(), desk_of()
    first.open_session("GW2")
    second.open_session("GW2", cancel_on_close=True)
    assert digest_of(first) != digest_of(second)
