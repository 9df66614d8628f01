"""The ladder's naive twin and its invariants: a dict of prices per side, checked against blocks, links and lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages import book
from stages.ladder import LEAST_KEY, MIN_KEYS, NO_KEY, best_place, ladder_key, worse_place
from stages.state import BLOCK_KEYS, Capacities, MatchingState, allocate_matching
from stages.state_words import (
    MW_BLOCK_FREE,
    MW_BLOCKS,
    MW_BLOCKS_USED,
    MW_LEVEL_FREE,
    MW_LEVELS,
    MW_LEVELS_USED,
)


class Ladders:
    """Ladders and their twin: each change is made in both."""

    def __init__(self, max_levels: int, max_instruments: int) -> None:
        self.capacities = Capacities(
            max_levels, max_levels, 16, 16, 4, max_instruments=max_instruments, max_sessions=4
        )
        self.state: MatchingState = allocate_matching(self.capacities)
        self.twin: dict[int, dict[int, int]] = {row: {} for row in range(len(self.state.sides))}

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return sum(len(side) for side in self.twin.values())

    def add(self, row: int, price: int) -> None:
        """Add a level, if its price has none and one is free."""
        if price in self.twin[row] or self.levels == self.capacities.max_levels:
            return
        level = int(book.add_level(self.state, np.int64(row), np.int64(price)))
        assert level not in [used for side in self.twin.values() for used in side.values()]
        assert int(self.state.levels[level]["price_ticks"]) == price
        self.twin[row][price] = level

    def drop(self, row: int, price: int) -> None:
        """Drop the level of a price."""
        book.drop_level(self.state, np.int64(self.twin[row].pop(price)))

    def in_order(self, row: int) -> list[int]:
        """Return the prices of a side, best first, as the twin has them."""
        return sorted(self.twin[row], reverse=int(ladder_key(row, 1)) == 1)

    def check(self) -> None:
        """Compare all sides with the twin, and check what must hold of the blocks."""
        blocks = sum(self.check_side(row) for row in self.twin)
        words = self.state.words
        assert words[MW_BLOCKS] == blocks <= len(self.state.blocks)
        assert words[MW_LEVELS] == self.levels
        free = chain(self.state.blocks["parent"], int(words[MW_BLOCK_FREE]))
        assert len(free) + blocks == words[MW_BLOCKS_USED]
        free = chain(self.state.levels["head"], int(words[MW_LEVEL_FREE]))
        assert len(free) + self.levels == words[MW_LEVELS_USED]

    def check_side(self, row: int) -> int:
        """Check one side; return how many blocks it has."""
        s, wanted = self.state, self.in_order(row)
        levels = [self.twin[row][price] for price in wanted]
        side = s.sides[row]
        assert int(side["count"]) == len(wanted)
        assert int(book.best_level(s, np.int64(row))) == (levels[0] if levels else -1)
        assert walk(s, row) == levels
        if not wanted:
            assert (int(side["top"]), int(side["root"])) == (-1, -1)
            return 0
        for at in {0, len(levels) // 2, len(levels) - 1}:
            following = levels[at + 1] if at + 1 < len(levels) else -1
            assert int(book.worse_level(s, np.int64(levels[at]))) == following
            assert int(book.find_level(s, np.int64(row), np.int64(wanted[at]))) == levels[at]
        blocks = self.check_blocks(row)
        assert blocks <= 1 + 2 * (len(wanted) - 1) / (MIN_KEYS - 1)
        return blocks

    def check_blocks(self, row: int) -> int:
        """Check the tree of a side from its root down; return how many blocks it has."""
        s, side = self.state, self.state.sides[row]
        above = [(int(side["root"]), -1, int(LEAST_KEY))]
        assert int(s.blocks[above[0][0]]["height"]) == 0 or int(s.blocks[above[0][0]]["count"]) > 1
        total = 0
        while above:
            total += len(above)
            names = [block for block, _, _ in above]
            below: list[tuple[int, int, int]] = []
            keys_before: list[int] = []
            for place, (block, parent, least) in enumerate(above):
                record = s.blocks[block]
                count, height = int(record["count"]), int(record["height"])
                keys = s.block_keys[block].tolist()
                rows = s.block_rows[block][:count].tolist()
                is_last = place == len(above) - 1
                assert (1 if is_last else MIN_KEYS) <= count <= BLOCK_KEYS
                assert int(record["parent"]) == parent and int(record["side_row"]) == row
                assert int(record["worse"]) == (names[place - 1] if place else -1)
                assert int(record["better"]) == (-1 if is_last else names[place + 1])
                assert keys[count:] == [int(NO_KEY)] * (BLOCK_KEYS - count)
                assert keys[0] == least if height else keys[0] >= least
                keys_before += keys[:count]
                if height:
                    below += [(child, block, key) for child, key in zip(rows, keys, strict=False)]
                else:
                    assert all(int(s.levels[level]["block"]) == block for level in rows)
            assert keys_before == sorted(set(keys_before))
            if not below:
                assert names[-1] == int(side["top"])
            above = below
        return total


def chain(following: Any, first: int) -> list[int]:
    """Return the rows of a list of free rows; rows are stored plus one, 0 ends it."""
    rows = []
    while first:
        rows.append(first - 1)
        first = int(following[first - 1])
    assert len(set(rows)) == len(rows)
    return rows


def walk(s: MatchingState, row: int) -> list[int]:
    """Return the levels of a side, best first, by places."""
    levels = []
    place = best_place(s, np.int64(row))
    while place >= 0:
        levels.append(int(book.level_at(s, place)))
        place = worse_place(s, place)
    return levels
