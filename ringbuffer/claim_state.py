"""The state of a claim, one word beside each slot of a ring with several producers, and looks at it from outside.

::

    bits 0..1    CLAIMED, PUBLISHED or PADDED; 0 in a fresh ring
    bits 2..7    the participant that claimed
    bits 8..32   n, 1..capacity
    bits 33..62  round: (first // capacity) modulo 2**30

Who writes: the producers, by the kernels of :mod:`ringbuffer.multi`, where the protocol stands. What is here
reads with plain loads: for a status, and for whoever is about to heal a ring and then compare-exchanges. No
Numba here.
"""

from __future__ import annotations

from typing import Any, Final

from ringbuffer.layout import (
    H_CAPACITY,
    H_KIND,
    H_START_SEQ,
    H_STATES,
    KIND_MULTI,
    MAX_SEQ,
    P_CLAIMED,
    WRITER,
    cursor_index,
)

__all__ = [
    "CLAIMED",
    "COUNT_MASK",
    "COUNT_SHIFT",
    "HALF_ROUNDS",
    "OWNER_MASK",
    "OWNER_SHIFT",
    "PADDED",
    "PUBLISHED",
    "ROUND_MASK",
    "ROUND_SHIFT",
    "OpenClaim",
    "age_of_state",
    "claim_around",
    "last_claimed",
    "open_claims",
]

CLAIMED: Final = 1
PUBLISHED: Final = 2
PADDED: Final = 3
OWNER_SHIFT: Final = 2
COUNT_SHIFT: Final = 8
ROUND_SHIFT: Final = 33
COUNT_MASK: Final = (1 << 25) - 1
OWNER_MASK: Final = (1 << 6) - 1
ROUND_MASK: Final = (1 << 30) - 1
HALF_ROUNDS: Final = 1 << 29


def age_of_state(state: int, seq: int, capacity: int) -> int:
    """Return 0 for a state of the round of ``seq``, below 0 for an older one, above 0 for a later one."""
    if state == 0:
        return -1
    ahead = ((state >> ROUND_SHIFT) - (seq // capacity)) & ROUND_MASK
    return ahead if ahead < HALF_ROUNDS else ahead - (ROUND_MASK + 1)


def last_claimed(words: Any) -> int:
    """Return the last sequence that was claimed, of several producers, or published, of one writer.

    From the end that is kept it goes on over the states of what was claimed since (ringbuffer.multi).
    """
    if int(words[H_KIND]) != KIND_MULTI:
        return int(words[cursor_index(WRITER)])
    capacity, states = int(words[H_CAPACITY]), int(words[H_STATES])
    end = int(words[cursor_index(WRITER) + P_CLAIMED])
    while end < MAX_SEQ:
        state = int(words[states + (end + 1 & capacity - 1)])
        age = age_of_state(state, end + 1, capacity)
        if age < 0:
            break
        # of a later lap: then the end that is kept is beyond ours by now
        end = (
            end + (state >> COUNT_SHIFT & COUNT_MASK)
            if age == 0
            else int(words[cursor_index(WRITER) + P_CLAIMED])
        )
    return end


def claim_around(words: Any, seq: int) -> tuple[int, int]:
    """Return the last sequence and the state of the claim that holds ``seq``; ``seq`` and 0 if nothing tells."""
    capacity, states = int(words[H_CAPACITY]), int(words[H_STATES])
    for first in range(seq, max(seq - capacity, int(words[H_START_SEQ])), -1):
        state = int(words[states + (first & (capacity - 1))])
        if age_of_state(state, first, capacity) == 0:
            return max(seq, first + (state >> COUNT_SHIFT & COUNT_MASK) - 1), state
    return seq, 0


class OpenClaim:
    """A claim that is neither published nor padded, as found in the states."""

    __slots__ = ("count", "owner", "seq", "state")

    def __init__(self, seq: int, state: int) -> None:
        self.seq = seq
        self.state = state
        self.owner = state >> OWNER_SHIFT & OWNER_MASK
        self.count = state >> COUNT_SHIFT & COUNT_MASK


def open_claims(words: Any, after_seq: int) -> list[OpenClaim]:
    """Return the claims behind ``after_seq``, up to which all readers are done, that are still open."""
    capacity, states = int(words[H_CAPACITY]), int(words[H_STATES])
    found: list[OpenClaim] = []
    seq = claim_around(words, after_seq)[0] + 1
    while True:
        state = int(words[states + (seq & (capacity - 1))])
        if age_of_state(state, seq, capacity) != 0:
            return found
        claim = OpenClaim(seq, state)
        if state & 3 == CLAIMED:
            found.append(claim)
        seq += claim.count
