"""A reader that nobody waits for: it may be lapped, and is then told exactly how many records it missed.

An observer takes no place in the ring and writes nothing to it, so that a slow or stopped one harms nobody: a
display, a tap for market data, a debugger. It copies, because what it looks at may be overwritten at any time,
and keeps of its copy what was certainly not: whoever writes announces its claim before it fills the slots
(``P_CLAIMED``, or the states of claims of several producers), and the observer looks at the claims after its
copy. Sequence ``s`` was overwritten at the earliest by the claim of ``s + capacity``.

::

    writer:   claimed = s + n ; release fence ; fill slots ; cursor = s + n
    observer: cursor ; copy slots ; acquire fence ; claimed           valid: all above claimed - capacity

That is a sequence lock with the claim as its counter. Prior art: Agrona's BroadcastTransmitter and
BroadcastReceiver (tail intent counter).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringbuffer.atomics import fence_acquire, load_acquire
from ringbuffer.claim_state import last_claimed
from ringbuffer.errors import NotObservable, RingTimeout
from ringbuffer.kernel import inlined, kernel
from ringbuffer.layout import (
    H_OBSERVABLE,
    H_STATE,
    H_STATES,
    MAX_SEQ,
    P_CLAIMED,
    STATE_OPEN,
    WRITER,
    cursor_index,
)
from ringbuffer.multi import PADDED, PUBLISHED, R_RUN_END, age_of, count_of, end_of_claims, new_reader

if TYPE_CHECKING:
    from ringbuffer.ring import Ring

__all__ = ["Observed", "Observer"]

WRITER_CURSOR: Final = cursor_index(WRITER)
LOOK_S: Final = 0.0005
O_SEQ: Final = 0  # the last sequence that was observed, missed or padding
O_FIRST: Final = 1  # the first sequence of the copy
O_MISSED: Final = 2
O_END: Final = 4  # the end of what is known to be published
O_LOST: Final = 3  # records of the copy that were overwritten while it was made


class Observed(NamedTuple):
    """What an observer saw: a copy of records ``first_seq ..``, and how many it missed before them."""

    first_seq: int
    records: Any
    missed: int


@inlined
def _claimed(words, capacity):  # type: ignore[no-untyped-def]
    """Return the last sequence whose slot may have been written."""
    if words[H_STATES] == 0:
        return load_acquire(words, WRITER_CURSOR + P_CLAIMED)  # pairs with store_release in try_claim
    return end_of_claims(words, capacity)


@inlined
def _published(words, capacity, end, wanted):  # type: ignore[no-untyped-def]
    """Return how far it is published, without padding, behind ``end``; it need not be further than ``wanted``."""
    if words[H_STATES] == 0:
        return load_acquire(words, WRITER_CURSOR)  # pairs with store_release in publish
    while end < wanted:
        # pairs with store_release in publish_shared
        state = load_acquire(words, words[H_STATES] + ((end + 1) & (capacity - 1)))
        if age_of(state, end + 1, capacity) != 0 or (state & 3) != PUBLISHED:
            break
        end += count_of(state)
    return end


@inlined
def _skip_padding(words, capacity, seq):  # type: ignore[no-untyped-def]
    """Return the last sequence of the padding that follows ``seq``; ``seq`` if none does."""
    while words[H_STATES] != 0:
        # pairs with the compare-exchange of a claimant, and with that which pads
        state = load_acquire(words, words[H_STATES] + ((seq + 1) & (capacity - 1)))
        if age_of(state, seq + 1, capacity) != 0 or (state & 3) != PADDED:
            break
        seq += count_of(state)
    return seq


@inlined
def _start_of_claim(words, capacity, seq):  # type: ignore[no-untyped-def]
    """Return the first sequence at or above ``seq`` behind which a claim begins."""
    if words[H_STATES] == 0:
        return seq
    end = end_of_claims(words, capacity)
    while seq < end:
        # pairs with the compare-exchange of a claimant, and with that which pads
        state = load_acquire(words, words[H_STATES] + ((seq + 1) & (capacity - 1)))
        if age_of(state, seq + 1, capacity) == 0:
            return seq
        seq += 1
    return seq


@kernel
def observe(words, slot_words, capacity, local, out):  # type: ignore[no-untyped-def]
    """Copy what was published behind ``local[O_SEQ]`` into ``out``; return how many of it are whole.

    They stand in ``out`` from row ``local[O_LOST]`` and have the sequences from ``local[O_FIRST]``.
    """
    seq = local[O_SEQ]
    missed = np.int64(0)
    retained = _claimed(words, capacity) - capacity
    if seq < retained:
        seq = _start_of_claim(words, capacity, retained)
        missed = seq - local[O_SEQ]
    if seq >= local[O_END]:
        seq = _skip_padding(words, capacity, seq)
    wanted = seq + min(np.int64(out.shape[0]), np.int64(MAX_SEQ) - seq)
    local[O_END] = _published(words, capacity, max(seq, local[O_END]), wanted)
    count = min(local[O_END] - seq, np.int64(out.shape[0]))
    for row in range(count):
        slot = (seq + 1 + row) & (capacity - 1)
        for word in range(out.shape[1]):
            out[row, word] = slot_words[slot, word]
    fence_acquire()  # the copy first, then the claims; pairs with fence_release in try_claim
    retained = _claimed(words, capacity) - capacity
    lost = min(max(retained - seq, np.int64(0)), count)
    local[O_MISSED] = missed + lost
    local[O_LOST] = lost
    local[O_FIRST] = seq + lost + 1
    local[O_SEQ] = seq + count
    return count - lost


class Observer:
    """Looks at a ring from outside; made by ``ring.observe()``.

    ``missed`` counts the records that were overwritten before they could be copied.
    """

    def __init__(self, ring: Ring, seq: int | None = None, batch: int = 1024) -> None:
        words = ring.words
        if int(words[H_STATES]) == 0 and not int(words[H_OBSERVABLE]):
            raise NotObservable(f"{ring.name}: expected a ring created with observable=True, was without")
        self._ring = ring
        self._local = np.zeros(8, np.int64)
        self._local[O_SEQ] = self._local[O_END] = last_claimed(words) if seq is None else seq
        if seq is not None and int(words[H_STATES]):
            self._local[O_END] = new_reader(words, seq)[R_RUN_END]
        self._slot_words = ring.slots.view(np.int64).reshape(ring.capacity, -1)
        self._out = np.zeros((batch, self._slot_words.shape[1]), np.int64)
        self.missed = 0

    @property
    def seq(self) -> int:
        """The last sequence that was seen, or missed."""
        return int(self._local[O_SEQ])

    def poll(self) -> Observed:
        """Return a copy of what was published since, at most ``batch`` records, maybe none; never waits."""
        ring = self._ring
        count = int(observe(ring.words, self._slot_words, ring.capacity, self._local, self._out))
        missed = int(self._local[O_MISSED])
        self.missed += missed
        start = int(self._local[O_LOST])
        records = self._out[start : start + count].copy().reshape(-1).view(ring.dtype)
        return Observed(int(self._local[O_FIRST]), records, missed)

    def batches(self, timeout: float | None = None) -> Iterator[Observed]:
        """Yield copies until the stream has ended; raise RingTimeout if none comes for ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            over = (
                int(self._ring.words[H_STATE]) != STATE_OPEN
            )  # before the look, so that nothing is left behind
            observed = self.poll()
            if len(observed.records) or observed.missed:
                deadline = None if timeout is None else time.monotonic() + timeout
                yield observed
            elif over:
                return
            elif deadline is not None and time.monotonic() > deadline:
                raise RingTimeout(f"{self._ring.name}: expected a record within {timeout} s, was none")
            else:
                time.sleep(LOOK_S)

    def __iter__(self) -> Iterator[Observed]:
        return self.batches()
