"""All interleavings of the protocol's accesses on a ring of two slots, with a death at each step.

The code that is explored is the library's own (``protocol_model.py``), in the scenarios of
``protocol_scenarios.py``. Each search proves: no record torn, stale, lost or given twice; no slot filled that a
reader may still look at; claims never overlap; from every state, after every death, all can get to their end.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringbuffer import layout, multi
from ringbuffer.kernel import kernel
from ringbuffer.layout import MAX_SEQ, cursor_index
from tests.ringbuffer.protocol_model import Actor, Explorer, Machine, new_memory
from tests.ringbuffer.protocol_scenarios import (
    joining,
    joining_claims,
    observing,
    one_writer,
    two_producers,
)


@pytest.mark.parametrize("deaths", [0, 1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_one_writer_and_one_reader(deaths: int, batch: int) -> None:
    """Writer and reader, each replaced when it dies, pass three records through two slots whatever the order."""
    outcome = one_writer(deaths, batch=batch)
    assert outcome.finals >= 1 and (outcome.deaths > 0) == (deaths > 0)


@pytest.mark.parametrize("deaths", [0, 1])
def test_one_writer_and_a_pipeline(deaths: int) -> None:
    """A writer and two readers, one behind the other, each replaced when it dies, keep order and slots."""
    assert one_writer(deaths, pipeline=True).finals >= 1


@pytest.mark.parametrize("start", [2**31 - 4, MAX_SEQ - 3])
def test_the_protocol_is_the_same_at_the_ends_of_words(start: int) -> None:
    """Across 2**31, and up to the last sequence there is, one writer and two producers behave as from zero."""
    assert one_writer(1, start=start) == one_writer(1)
    assert two_producers(0, counts=(1, 1), start=start) == two_producers(0, counts=(1, 1), start=4)


def test_two_producers_tile_the_sequence() -> None:
    """Two producers and a reader, three records: claims never overlap, none is lost, given twice or torn."""
    assert two_producers(0).finals >= 1


def test_a_producer_may_sleep_while_the_other_goes_round() -> None:
    """A producer whose end of claims was overwritten a lap later finds the end that is kept, and claims behind it."""
    assert two_producers(0, counts=(1, 2), batch=2).finals >= 1


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_a_producer_may_sleep_while_the_other_goes_round_again(batch: int) -> None:
    """The same, with three claims of the other: the end that is kept is moved on more than once meanwhile."""
    assert two_producers(0, counts=(1, 3), batch=batch).finals >= 1


@pytest.mark.parametrize("batch", [1, 2])
def test_a_dead_producer_is_healed_by_the_reader(batch: int) -> None:
    """Wherever one of two producers dies, the reader gets all that was published and nobody waits for ever."""
    assert two_producers(1, (1, 1), batch, heirs=False).deaths > 0


def test_claims_of_the_dead_may_be_padded_by_all_at_once() -> None:
    """The other producer and the reader may both heal the claim of a dead one, in any order of their steps."""
    assert two_producers(1, (1, 1), heirs=False, healers="pqr").deaths > 0


def test_an_heir_pads_the_claim_of_its_predecessor() -> None:
    """Who takes the place of a dead producer pads its open claim and goes on; all it publishes arrives."""
    assert two_producers(1, (2, 0), healers="", mortal="p").deaths > 0


@pytest.mark.slow
def test_an_heir_pads_the_claim_of_its_predecessor_while_another_claims() -> None:
    """The same, with a second producer that claims at the same time."""
    assert two_producers(1, (1, 1), healers="", mortal="p").deaths > 0


def test_a_reader_that_died_amid_a_claim_is_followed() -> None:
    """A reader of claims of two that releases singly may die anywhere: its heir goes on at the next record."""
    assert two_producers(1, (1, 1), batch=2, singly=True, mortal="r", healers="").deaths > 0
    assert two_producers(1, (1, 1), batch=2, other_batch=1, singly=True, mortal="r", healers="").deaths > 0


def test_a_reader_joins_at_any_moment() -> None:
    """A reader that joins while a writer claims is never lapped: what it reads is whole, whenever it came."""
    assert joining().finals >= 1


def test_a_reader_joins_behind_an_old_record_or_is_refused() -> None:
    """Joining behind a given sequence either is refused or gets that record whole, whenever it came."""
    assert joining(at_seq=0, last=3).finals >= 1
    assert joining(at_seq=1, steady=False).finals >= 1


def test_a_reader_joins_several_producers_at_any_moment() -> None:
    """A reader that joins while a producer claims is never refused, nor lapped, though the kept end lags behind."""
    assert joining_claims(count=2, batch=2).finals >= 1


@pytest.mark.slow
@pytest.mark.parametrize("at_seq", [None, 1])
def test_a_reader_joins_several_producers_amid_single_claims(at_seq: int | None) -> None:
    """The same with claims of one record, at the end of claims or behind an old record."""
    assert joining_claims(at_seq).finals >= 1


def test_a_newcomer_that_dies_holds_up_nobody() -> None:
    """Wherever a reader dies between its join and the end of its leave, the next one joins and the writer ends."""
    assert joining(1, last=2, until=1).deaths > 0
    assert joining(1, steady=False, until=1).deaths > 0


def test_a_writer_and_a_newcomer_may_both_remove_a_dead_reader() -> None:
    """Removing a dead reader twice at once removes nobody else, although the place was taken in between."""
    assert joining(1, steady=False, writer_heals=True, until=1).deaths > 0


def test_a_writer_alone_removes_a_reader_that_died_while_it_left() -> None:
    """With the policy ``remove`` no step of a join or leave is such that a death there stops the writer for good."""
    assert joining(1, steady=False, writer_heals=True, heir=False, until=1).deaths > 0


def test_an_observer_sees_whole_records_or_counts_them() -> None:
    """What an observer hands out was not overwritten while it copied; the rest it counts as missed."""
    assert observing(shared=False).finals >= 1


@pytest.mark.parametrize("deaths", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_observer_amid_claims_that_may_be_given_up(deaths: int) -> None:
    """On one slot an observer of a producer that may die amid a claim never hands out a record that is not whole."""
    assert observing(shared=True, deaths=deaths).finals >= 1


@pytest.mark.slow
def test_three_records_of_two_producers_with_a_death() -> None:
    """Three claims of two producers, either of which may die at any step: healed by the reader alone."""
    assert two_producers(1, heirs=False).deaths > 0


@pytest.mark.slow
def test_three_records_and_a_reader_that_dies() -> None:
    """Three claims of two producers, and a reader that may die at any step and is followed."""
    assert two_producers(1, mortal="r", healers="").deaths > 0


# -- the model is the code ------------------------------------------------------------------------------------


@kernel
def _claim(words, local, capacity, n):  # type: ignore[no-untyped-def]
    return multi.claim_shared(words, local, capacity, n)


@kernel
def _publish(words, local, capacity):  # type: ignore[no-untyped-def]
    multi.publish_shared(words, local, capacity)


@kernel
def _readable(words, local, capacity, limit):  # type: ignore[no-untyped-def]
    return multi.readable(words, local, capacity, limit)


@given(
    steps=st.lists(st.tuples(st.sampled_from("pqr"), st.integers(1, 3)), max_size=40),
    start=st.sampled_from([0, 2**31 - 3, 2**63 - 40]),
)
def test_the_model_and_the_compiled_code_do_the_same(steps: list[tuple[str, int]], start: int) -> None:
    """Claims, publications and looks of three parties give the same words and answers in model and machine code."""
    capacity = 4
    base = new_memory(capacity, {"r": ()}, {}, producers=2, start_seq=start)
    words = np.array(base, np.int64)
    modelled = list(base)
    shadow = Machine(base).module("multi")
    locals_ = {name: multi.new_sharer(words, 2 + place) for place, name in enumerate("pq")}
    run = multi.new_reader(words, start)
    shadows = {name: [int(each) for each in local] for name, local in locals_.items()}
    shadow_run = [int(each) for each in run]
    shadow.compare_exchange = _exchange
    for who, n in steps:
        if who == "r":
            reach = int(words[cursor_index(0)])
            last = int(_readable(words, run, capacity, reach))
            assert shadow.readable(modelled, shadow_run, capacity, reach) == last
            for target, mine in ((words, run), (modelled, shadow_run)):
                mine[multi.R_SEQ] = target[cursor_index(1)] = last
        else:
            last = int(_claim(words, locals_[who], capacity, n))
            assert shadow.claim_shared(modelled, shadows[who], capacity, n) == last
            if last >= 0:
                _publish(words, locals_[who], capacity)
                shadow.publish_shared(modelled, shadows[who], capacity)
        assert words.tolist() == modelled


def _exchange(words: list[int], index: int, expected: int, desired: int) -> bool:
    if words[index] != expected:
        return False
    words[index] = desired
    return True


def test_the_search_tries_all_orders() -> None:
    """Two processes of n steps each have as many states as there are pairs of steps, and one that waits is found."""

    def count(word: int, steps: int) -> Actor:
        def operation(machine: Machine, private: int) -> int | None:
            if private == steps:
                return None
            machine.words[word] = private + 1
            return private + 1

        return Actor(f"count {word}", word, operation, 0)

    memory = new_memory(2, {"a": (), "b": ()}, {})
    words = [cursor_index(1), cursor_index(2)]

    def is_final(view: object) -> bool:
        return all(view.cursor(place) == 4 for place in (1, 2))  # type: ignore[attr-defined]

    assert Explorer(memory, [count(word, 4) for word in words], is_final).run().states == 25
    assert layout.H_CAPACITY not in words
