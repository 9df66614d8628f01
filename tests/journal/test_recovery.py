"""The decision table: complete, ordered, and what it says."""

from __future__ import annotations

from itertools import product

import pytest

from journal.recovery import TABLE, Decision, Found, decide

ALL = [Found(*facts) for facts in product((False, True), repeat=len(Found._fields))]


def naive(found: Found) -> Decision:
    """Say in plain words what the table says in rows."""
    if found.other_layout:
        return Decision.REFUSE_LAYOUT
    if not found.segments:
        return Decision.REFUSE_MISSING if found.durable else Decision.EMPTY
    if not found.meta:
        return Decision.REFUSE_CORRUPT
    if found.missing:
        return Decision.REFUSE_MISSING
    if found.broken or found.witness:
        return Decision.REFUSE_CORRUPT
    if found.lost:
        return Decision.REFUSE_LOST
    return Decision.TRUNCATE if found.torn else Decision.CLEAN


def test_the_table_decides_every_case() -> None:
    """For each of the 512 combinations of facts a row fits, and it is the right one."""
    assert len(ALL) == 512
    for found in ALL:
        assert decide(found).decision is naive(found), found


def test_every_row_is_needed() -> None:
    """Each row decides some case that no other row decides."""
    assert {decide(found) for found in ALL} == set(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.cause)
def test_every_row_has_a_sign_for_every_fact(row: object) -> None:
    """A row has as many signs as there are facts."""
    assert len(row.signs.split()) == len(Found._fields)  # type: ignore[attr-defined]


def test_a_torn_tail_is_cut_only_where_nothing_durable_is_at_stake() -> None:
    """Truncation needs a meta file and the absence of every sign of damage or loss."""
    for found in ALL:
        if decide(found).decision is Decision.TRUNCATE:
            assert found.meta and found.segments and found.torn
            assert not (found.other_layout or found.missing or found.broken or found.witness or found.lost)


def test_refusals_say_so() -> None:
    """A decision refuses if and only if its text says so."""
    assert {decision for decision in Decision if not decision.refuses} == {
        Decision.EMPTY, Decision.CLEAN, Decision.TRUNCATE,
    }  # fmt: skip
