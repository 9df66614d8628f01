"""Ladders against a dict of prices: the same levels in the same order, whatever comes and goes."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringbuffer.kernel import JIT_DISABLED
from stages.ladder import MIN_KEYS, ladder_key
from stages.state import BLOCK_KEYS, SIDES_PER_INSTRUMENT
from stages.state_words import MW_BLOCKS
from tests.stages.ladders import Ladders

pytestmark = pytest.mark.jitoff

LOWEST, HIGHEST = -(2**63), 2**63 - 1
MANY = 600 if JIT_DISABLED else 3 * BLOCK_KEYS * BLOCK_KEYS


class LadderMachine(RuleBasedStateMachine):
    """Runs of levels come and go on a few sides."""

    def __init__(self) -> None:
        super().__init__()
        self.ladders = Ladders(max_levels=5 * BLOCK_KEYS, max_instruments=2)

    rows = st.integers(0, 5)
    starts = st.integers(LOWEST, HIGHEST) | st.integers(-50, 50)
    counts = st.integers(1, 2 * BLOCK_KEYS)

    @rule(row=rows, start=starts, step=st.sampled_from([-3, -1, 1, 2, 7, 1 << 55]), count=counts)
    def add_run(self, row: int, start: int, step: int, count: int) -> None:
        """Add levels upwards or downwards from a price."""
        for price in range(start, start + count * step, step):
            if LOWEST <= price <= HIGHEST:
                self.ladders.add(row, price)

    @rule(row=rows, first=st.integers(0, 400), count=counts, worst=st.booleans())
    def drop_run(self, row: int, first: int, count: int, worst: bool) -> None:
        """Drop neighbours, from the better or the worse end of the run."""
        prices = self.ladders.in_order(row)[first : first + count]
        for price in prices[::-1] if worst else prices:
            self.ladders.drop(row, price)

    @rule(row=rows, step=st.integers(2, 9))
    def thin_out(self, row: int, step: int) -> None:
        """Drop every so-manieth level."""
        for price in self.ladders.in_order(row)[::step]:
            self.ladders.drop(row, price)

    @precondition(lambda self: self.ladders.levels)
    @rule(seed=st.integers(0, 1 << 30), count=counts)
    def sawtooth(self, seed: int, count: int) -> None:
        """Drop the best or worst level of a side and add it again, by turns with a level in the middle."""
        chance = random.Random(seed)
        row = chance.choice([row for row in self.ladders.twin if self.ladders.twin[row]])
        for _ in range(count):
            prices = self.ladders.in_order(row)
            price = chance.choice((prices[0], prices[-1], prices[len(prices) // 2]))
            self.ladders.drop(row, price)
            self.ladders.add(row, min(HIGHEST, price + chance.choice((0, 0, 1))))

    @invariant()
    def agrees(self) -> None:
        """Ladders and twin agree, and blocks, links and lists are whole."""
        self.ladders.check()


TestLadders = LadderMachine.TestCase
TestLadders.settings = settings(
    deadline=None, stateful_step_count=12, max_examples=10 if JIT_DISABLED else 60
)


def ascending(chance: random.Random) -> list[int]:
    """Prices that rise."""
    return list(range(MANY))


def descending(chance: random.Random) -> list[int]:
    """Prices that fall."""
    return list(range(MANY, 0, -1))


def alternating(chance: random.Random) -> list[int]:
    """Prices at both ends by turns."""
    return [(-1) ** number * number for number in range(MANY)]


def scattered(chance: random.Random) -> list[int]:
    """Prices anywhere in int64."""
    return [chance.randrange(LOWEST, HIGHEST) for _ in range(MANY)]


ORDERS = (ascending, descending, alternating, scattered)


@pytest.mark.parametrize("filling", ORDERS)
@pytest.mark.parametrize("emptying", range(4))
def test_a_side_fills_and_empties(filling: Callable[[random.Random], list[int]], emptying: int) -> None:
    """A tree of several heights is whole when full, half empty and nearly empty, and leaves nothing behind."""
    chance = random.Random(f"{filling.__name__} {emptying}")
    ladders = Ladders(MANY, 1)
    for row, filled in ((2, MANY), (3, MANY // 3)):
        prices = filling(chance)[:filled]
        ladders_add(ladders, row, prices)
        ladders.check()
        gone = ladders.in_order(row)
        if emptying == 1:
            gone.reverse()
        elif emptying == 2:
            chance.shuffle(gone)
        elif emptying == 3:  # thin out evenly, so that each block is small as long as it can be
            gone = [price for step in range(16) for price in gone[step::16]]
        for number, price in enumerate(gone):
            drop_one(ladders, row, price)
            if number in (len(gone) // 2, len(gone) - 40, len(gone) - 2):
                ladders.check()
        ladders.check()
        assert ladders.state.words[MW_BLOCKS] == 0


def ladders_add(ladders: Ladders, row: int, prices: list[int]) -> None:
    """Add levels without looking whether their rows were free: that is checked afterwards."""
    from stages import book

    for price in dict.fromkeys(prices):
        ladders.twin[row][price] = int(book.add_level(ladders.state, np.int64(row), np.int64(price)))


def drop_one(ladders: Ladders, row: int, price: int) -> None:
    """Drop a level."""
    ladders.drop(row, price)


def test_room_for_blocks_lasts_as_long_as_room_for_levels() -> None:
    """Thinned out until each block is as empty as it may be, and filled up elsewhere, blocks stay within their room."""
    levels = 20 * BLOCK_KEYS
    ladders = Ladders(levels, 3)
    chance = random.Random(4)
    for turn in range(8):
        row = turn % 8
        start = chance.randrange(1 << 40)
        free = levels - ladders.levels
        ladders_add(ladders, row, [start + 5 * number for number in range(free)])
        ladders.check()
        for price in [price for at, price in enumerate(ladders.in_order(row)) if at % BLOCK_KEYS >= MIN_KEYS]:
            ladders.drop(row, price)
        ladders.check()
    assert ladders.state.words[MW_BLOCKS] <= len(ladders.state.blocks)


def test_each_side_has_room_for_one_level() -> None:
    """Every side of every instrument can have a level at the same time, at the ends of int64 too."""
    instruments = 40
    ladders = Ladders(2 * (instruments + 1), instruments)
    for row in range(2 * (instruments + 1)):
        ladders.add(row, (LOWEST, HIGHEST, 0)[row % 3])
    ladders.check()
    assert ladders.state.words[MW_BLOCKS] == 2 * (instruments + 1)


def test_keys_order_prices_from_their_side() -> None:
    """A better price has a larger key on each side, and the key of a key is the price."""
    prices = [LOWEST, LOWEST + 1, -1, 0, 1, HIGHEST - 1, HIGHEST]
    for row in range(2 * SIDES_PER_INSTRUMENT):
        direction = (1, -1, -1, 1, 1, -1, -1, 1)[row % SIDES_PER_INSTRUMENT]
        keys = [int(ladder_key(np.int64(row), np.int64(price))) for price in prices]
        assert keys == sorted(keys)[::direction]
        assert [int(ladder_key(np.int64(row), np.int64(key))) for key in keys] == prices
