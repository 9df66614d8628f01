"""Desks at the twin, and at the compiled core where it exists, for the rules by example.

Books are drawn best price highest, first in the queue leftmost, each order as ClOrdID:lots, an iceberg as
ClOrdID:shown+hidden. Outcomes are shown as lines: type, ClOrdID, qty@price, leaves and cum, role, OrigClOrdID, reason.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.twin.compiled import core_makers
from tests.twin.scenario import CAPACITIES, AnyCore, Desk, MakeDesk, open_desk

MAKERS = core_makers()


@pytest.fixture(params=list(MAKERS.values()), ids=list(MAKERS))
def make_core(request: pytest.FixtureRequest) -> Callable[..., AnyCore]:
    """Return the maker of one kind of core."""
    maker: Callable[..., AnyCore] = request.param
    return maker


@pytest.fixture
def make_desk(make_core: Callable[..., AnyCore]) -> MakeDesk:
    """Return a function that opens a desk at a core with other capacities than the usual."""

    def make(**changes: int) -> Desk:
        capacities = {**CAPACITIES, **changes}
        return open_desk(make_core(**capacities), capacities)

    return make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Return a desk with instrument 1, ample accounts 1 and 2, and session 1 open."""
    return make_desk()
