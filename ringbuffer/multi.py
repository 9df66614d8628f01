"""Several producers on one ring: claims that name their owner, so that a dead producer holds up nobody.

Beside the slots lies one word for each slot, the *state of a claim*. A claim of ``n`` sequences from ``first``
is one compare-exchange on the state of ``first``, from whatever an earlier round left there, and its
publication is one store to the same word (its bits are drawn in :mod:`ringbuffer.claim_state`)::

    older round ──compare-exchange──► CLAIMED ──store by its owner──► PUBLISHED
                                         └──compare-exchange by anybody, if the owner is dead──► PADDED

States of the slots in between are not touched; they keep an older round, so they are never mistaken for
claims of this one.

Where claims end, the states say. Each producer goes from claim to claim, from the end that it knows::

    state behind the end   of this round    somebody has claimed it: its end is the end
                           of an older one  it is the end of claims: compare-exchange
                           of a later one   we slept for a lap: take the end that is kept

The *end that is kept*, ``END``, is for who slept for a lap, or has just come. It is a lower bound, always the end of a
claim, and never falls: no claim is made more than MOST_LAG sequences (half the ring if that is less) behind it without
moving it on first, by compare-exchange. So a state of a later lap promises that END is beyond, and the line of END,
which all share, changes once in 64 claims and not with each. The ring has no step at which a death loses track: either
nothing was claimed, or the state says by whom. Room is looked for before the claim, never after it.

A reader of the producers walks from claim to claim while they are published; it meets no older lap, whose states
have another round, and no later one, which its own cursor holds up. So producers bound their readers by no cursor:
that of participant 0 is MAX_SEQ for good. Padded claims are runs of their own: nobody filled them, they hold nothing.

Invariants: claims tile the sequences without gap or overlap; a state goes only forward; END is the end of a claim,
and less than a capacity behind the first sequence of the last; the state of a claim stays until all readers have
released the whole claim, so that from any cursor, amid a claim too, the next claim can be found. Rounds are compared
modulo 2**30: who looks for a claim begins at END or behind it, so only a claimant that slept for 2**29 rounds
between its looks at END and at a state, or its compare-exchange, could take a later state for an older one.

Failure modes: a producer that is stopped, not dead, between claim and publish holds up the readers until it goes
on, as in any ring; ``ring.status`` names it.

Prior art: LMAX Disruptor, MultiProducerSequencer (flags by round, but claims by fetch-and-add that die with
their owner); Aeron LogBufferUnblocker (padding of claims that were given up); Michael and Scott's queue (1996:
whoever finds the tail behind moves it on).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ringbuffer.atomics import compare_exchange, load_acquire, store_release
from ringbuffer.claim_state import (
    CLAIMED,
    COUNT_MASK,
    COUNT_SHIFT,
    HALF_ROUNDS,
    OWNER_SHIFT,
    PADDED,
    PUBLISHED,
    ROUND_MASK,
    ROUND_SHIFT,
    OpenClaim,
    age_of_state,
    claim_around,
    open_claims,
)
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import H_CAPACITY, H_STATES, MAX_SEQ, P_CLAIMED, WRITER, cursor_index
from ringbuffer.native import ctz64
from ringbuffer.sequence import L_GATE, L_NEXT, LOCAL_WORDS, available

__all__ = [
    "CLAIMED",
    "PADDED",
    "PUBLISHED",
    "OpenClaim",
    "claim_shared",
    "end_of_claims",
    "gate_for_claim",
    "is_published",
    "new_reader",
    "new_sharer",
    "open_claims",
    "pad_claim",
    "publish_shared",
    "readable",
]

END: Final = cursor_index(WRITER) + P_CLAIMED
MOST_LAG: Final = 64  # sequences from the end that is kept to the first of the last claim; below the capacity

# Private words of a producer, after those of ringbuffer.sequence; L_NEXT is the end of claims as it knows it.
L_FIRST: Final = 3  # the first sequence of the open claim
L_OWN: Final = 4  # its participant
L_REACH: Final = 5  # beyond this the end that is kept must be moved on before a claim

# Private words of a reader.
R_RUN_END: Final = 0  # the last sequence of the run that was found: published, or padded, without a gap
R_IS_PADDED: Final = 1
R_SEQ: Final = 2  # the last sequence that was taken of it


def new_sharer(words: Any, participant: int) -> Any:
    """Return the private words of the producer at ``participant``; its first claim looks at the gates."""
    local = np.zeros(LOCAL_WORDS, dtype=np.int64)
    end, capacity = int(words[END]), int(words[H_CAPACITY])
    local[L_NEXT] = end
    local[L_GATE] = end - capacity
    local[L_REACH] = end + lag_of(capacity)
    local[L_OWN] = participant
    return local


def new_reader(words: Any, seq: int) -> Any:
    """Return the private words of a reader that goes on after ``seq``, which may be amid a claim."""
    local = np.zeros(LOCAL_WORDS, dtype=np.int64)
    last, state = claim_around(words, seq)
    local[R_SEQ] = seq
    local[R_RUN_END] = last  # the reader has a part of this claim, which was published, so all of it is
    local[R_IS_PADDED] = state & 3 == PADDED
    return local


@inlined
def lag_of(capacity):  # type: ignore[no-untyped-def]
    """Return how far the end that is kept may be behind a claim: less than the capacity, none on one slot."""
    return min(np.int64(MOST_LAG), np.int64(capacity) >> 1)


@inlined
def round_of(seq, capacity):  # type: ignore[no-untyped-def]
    """Return how often the ring was full before ``seq``, modulo 2**30."""
    return (np.int64(seq) >> ctz64(np.int64(capacity))) & ROUND_MASK


@inlined
def age_of(state, seq, capacity):  # type: ignore[no-untyped-def]
    """Return 0 for a state of the round of ``seq``, below 0 for an older one, above 0 for a later one."""
    if state == 0:
        return np.int64(-1)
    ahead = ((state >> ROUND_SHIFT) - round_of(seq, capacity)) & ROUND_MASK
    return ahead if ahead < HALF_ROUNDS else ahead - (ROUND_MASK + 1)


@inlined
def count_of(state):  # type: ignore[no-untyped-def]
    """Return how many sequences a claim has."""
    return (state >> COUNT_SHIFT) & COUNT_MASK


@kernel
def move_end(words, end):  # type: ignore[no-untyped-def]
    """Move the end that is kept on to ``end``, the end of a claim, unless it is further; return where it is."""
    while True:
        kept = load_acquire(words, END)  # pairs with the compare-exchange of others, here
        if kept >= end:
            return kept
        if compare_exchange(words, END, kept, end):  # pairs with load_acquire of all who look for the end
            return end


@inlined
def claim_shared(words, local, capacity, n):  # type: ignore[no-untyped-def]
    """Claim ``n`` sequences for one of several producers; return the last, or -1, claiming nothing, without room.

    The caller fills the slots of ``result - n + 1 .. result`` and calls :func:`publish_shared` before its next claim.
    """
    states = words[H_STATES]
    # pairs with move_end; each time, so that who idled for 2**29 rounds takes no later state for an older one
    end = max(local[L_NEXT], load_acquire(words, END))
    while True:
        if n > capacity - (end - local[L_GATE]):
            # pairs with the gating readers' store_release in release
            local[L_GATE] = available(words, np.int64(WRITER))
            if n > capacity - (end - local[L_GATE]):
                local[L_NEXT] = end
                return np.int64(-1)
        if n > np.int64(MAX_SEQ) - end:
            return np.int64(-1)
        first = end + 1
        at = states + (first & (capacity - 1))
        seen = load_acquire(words, at)  # pairs with itself: the compare-exchange of another claimant
        age = age_of(seen, first, capacity)
        if age >= 0:
            if age == 0:
                end += count_of(seen)
            # pairs with move_end: whoever claimed a lap later has moved it beyond our end before
            end = max(end, load_acquire(words, END))
            continue
        if age == -1 and local[L_GATE] < end - capacity + count_of(seen):
            # that claim is not released to its end: who follows a reader amid it must still find its state
            # pairs with the gating readers' store_release in release
            local[L_GATE] = available(words, np.int64(WRITER))
            if local[L_GATE] < end - capacity + count_of(seen):
                local[L_NEXT] = end
                return np.int64(-1)
        if end > local[L_REACH]:
            local[L_REACH] = move_end(words, end) + lag_of(capacity)
        mine = (
            (round_of(first, capacity) << ROUND_SHIFT)
            | (np.int64(n) << COUNT_SHIFT)
            | (local[L_OWN] << OWNER_SHIFT)
            | CLAIMED
        )
        if compare_exchange(words, at, seen, mine):  # pairs with load_acquire of claimants and readers
            local[L_FIRST] = first
            local[L_NEXT] = end + n
            return end + n


def gate_for_claim(words: Any, local: Any, n: int) -> int:
    """Return how far the gates must be for a claim of ``n`` that found no room: its room, and a whole older claim."""
    capacity, end = int(words[H_CAPACITY]), int(local[L_NEXT])
    state = int(words[int(words[H_STATES]) + (end + 1 & capacity - 1)])
    is_older = age_of_state(state, end + 1, capacity) == -1
    return end - capacity + max(n, state >> COUNT_SHIFT & COUNT_MASK if is_older else 0)


@inlined
def publish_shared(words, local, capacity):  # type: ignore[no-untyped-def]
    """Let the readers have the slots of the open claim."""
    first = local[L_FIRST]
    at = words[H_STATES] + (first & (capacity - 1))
    count = local[L_NEXT] - first + 1
    # pairs with load_acquire in readable and is_published: the slots' contents come with it
    store_release(
        words,
        at,
        (round_of(first, capacity) << ROUND_SHIFT)
        | (count << COUNT_SHIFT)
        | (local[L_OWN] << OWNER_SHIFT)
        | PUBLISHED,
    )


@inlined
def pad_claim(words, seq, capacity, state):  # type: ignore[no-untyped-def]
    """Turn the open claim ``state`` at ``seq`` into padding; tell whether it was still open.

    Only its owner may do this, or anybody when the owner is dead.
    """
    at = words[H_STATES] + (seq & (capacity - 1))
    return compare_exchange(words, at, state, state | PADDED)  # pairs with load_acquire in readable


@inlined
def is_published(words, seq, capacity):  # type: ignore[no-untyped-def]
    """Tell whether the claim that begins at ``seq`` is published or padded."""
    # pairs with store_release in publish_shared
    state = load_acquire(words, words[H_STATES] + (seq & (capacity - 1)))
    return age_of(state, seq, capacity) == 0 and (state & 3) >= PUBLISHED


@inlined
def readable(words, local, capacity, limit):  # type: ignore[no-untyped-def]
    """Return the last sequence that a reader may take, at most ``limit``; ``R_IS_PADDED`` says if it is padding.

    ``limit`` is what its gates allow (:func:`ringbuffer.sequence.available`). The reader counts what it takes in
    ``local[R_SEQ]``. Records and padding are never mixed in one answer.
    """
    end = local[R_RUN_END]
    is_padded = local[R_IS_PADDED]
    is_new = end <= local[R_SEQ]
    states = words[H_STATES]
    while end < limit:
        first = end + 1
        # pairs with store_release in publish_shared
        state = load_acquire(words, states + (first & (capacity - 1)))
        if (state & 3) < PUBLISHED or age_of(state, first, capacity) != 0:
            break
        padding = np.int64(1) if (state & 3) == PADDED else np.int64(0)
        if is_new:
            is_padded = padding
            is_new = False
        elif padding != is_padded:
            break
        end += count_of(state)
    local[R_RUN_END] = end
    local[R_IS_PADDED] = is_padded
    return min(end, limit)


@inlined
def end_of_claims(words, capacity):  # type: ignore[no-untyped-def]
    """Return the last sequence that was claimed: the end that is kept, and what the states say was claimed since."""
    end = load_acquire(words, END)  # pairs with the compare-exchange in move_end
    while end < MAX_SEQ:
        # pairs with the compare-exchange of a claimant
        state = load_acquire(words, words[H_STATES] + ((end + 1) & (capacity - 1)))
        age = age_of(state, end + 1, capacity)
        if age < 0:
            break
        if age == 0:
            end += count_of(state)
        else:
            end = load_acquire(words, END)  # pairs as above: a lap later it was moved beyond our end
    return end
