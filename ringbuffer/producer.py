"""The writing end of a ring in plain Python: publish records and arrays, or claim slots and fill them.

One process and one thread at a time writes a ring. What is claimed and not published is nothing: an exception
in the ``with`` block of a claim gives it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ringbuffer.errors import ClaimError
from ringbuffer.kernel import kernel
from ringbuffer.layout import MAX_SEQ, STATE_CLOSED, STATE_FAILED, STATE_OPEN, WRITER
from ringbuffer.participant import Participant, set_state
from ringbuffer.sequence import L_NEXT, free_slots, new_local, try_claim

if TYPE_CHECKING:
    from ringbuffer.ring import Ring

__all__ = ["Claim", "Producer"]


@kernel
def _try_claim(words, local, gates_idx, capacity, n):  # type: ignore[no-untyped-def]
    return try_claim(words, local, gates_idx, capacity, n)


@kernel
def _free_slots(words, local, gates_idx, capacity):  # type: ignore[no-untyped-def]
    return free_slots(words, local, gates_idx, capacity)


class Claim:
    """Claimed slots: arrays on the ring itself, published when the ``with`` block ends well.

    ``views`` holds one array, or two where the claim wraps around the end of the ring.
    """

    def __init__(self, producer: Producer, first_seq: int, last_seq: int, views: tuple[Any, ...]) -> None:
        self.first_seq = first_seq
        self.last_seq = last_seq
        self.views = views
        self._producer: Producer | None = producer

    def __len__(self) -> int:
        return self.last_seq - self.first_seq + 1

    def fill(self, records: Any) -> None:
        """Copy an array of as many records into the slots."""
        if len(records) != len(self):
            raise ClaimError(f"records: expected {len(self)}, was {len(records)}")
        start = 0
        for view in self.views:
            view[:] = records[start : start + len(view)]
            start += len(view)

    def publish(self) -> int:
        """Let the readers have the slots; return the last sequence."""
        if self._producer is None:
            raise ClaimError(f"claim {self.first_seq}..{self.last_seq}: expected an open claim, was done")
        self._producer._publish_claim(self)
        self._producer = None
        return self.last_seq

    def abandon(self) -> None:
        """Give the slots back unpublished."""
        if self._producer is not None:
            self._producer._abandon_claim()
            self._producer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.abandon()
        elif self._producer is not None:
            self.publish()


class Producer(Participant):
    """The writer of a ring; made by ``ring.producer()``, as a context manager it ends the stream on leaving.

    Leaving by an exception marks the stream as failed: readers get what was published, then ``WriterFailed``.
    With ``keep_open`` neither happens and a later producer continues.
    """

    def __init__(self, ring: Ring, strategy: str = "yield", keep_open: bool = False) -> None:
        super().__init__(ring, WRITER, strategy)
        self._slots = ring.slots
        self._capacity = ring.capacity
        self._keep_open = keep_open
        self._claim: Claim | None = None
        self._local = new_local(self.seq, max(0, self.seq - self._capacity))
        set_state(self._words, WRITER, STATE_OPEN)

    @property
    def free(self) -> int:
        """How many slots can be claimed at once without waiting; exact if it is below half the ring."""
        return int(_free_slots(self._words, self._local, self._gates_idx, self._capacity))

    def publish(self, records: Any, timeout: float | None = None) -> int:
        """Publish one record (tuple, scalar or structured scalar) or a 1-D array; return the last sequence.

        An array goes out in pieces as room appears. ``timeout`` seconds is the longest wait for each piece;
        what went out before a ``RingTimeout`` stays published, and ``seq`` says how far that is.
        """
        if isinstance(records, np.ndarray) and records.ndim == 1:
            return self._publish_array(records, timeout)
        claim = self.claim(1, timeout)
        try:
            claim.views[0][0] = records
        except BaseException:
            claim.abandon()
            raise
        return claim.publish()

    def _publish_array(self, records: Any, timeout: float | None) -> int:
        piece = max(1, self._capacity // 2)
        for start in range(0, len(records), piece):
            part = records[start : start + piece]
            with self.claim(len(part), timeout) as claim:
                claim.fill(part)
        return self.seq

    def claim(self, n: int = 1, timeout: float | None = None) -> Claim:
        """Claim the next ``n`` slots, waiting for room at most ``timeout`` seconds (None: for ever)."""
        while (claim := self.try_claim(n)) is None:
            self._wait(int(self._local[L_NEXT]) + n - self._capacity, timeout)
        return claim

    def try_claim(self, n: int = 1) -> Claim | None:
        """Claim the next ``n`` slots if there is room for all of them now, else return None."""
        self._check_owner()
        if self._claim is not None:
            raise ClaimError(f"{self._where}: expected no open claim, was {self._claim.first_seq}")
        if not 1 <= n <= self._capacity:
            raise ClaimError(f"{self._where}: n: expected 1..{self._capacity}, was {n}")
        last_seq = int(_try_claim(self._words, self._local, self._gates_idx, self._capacity, n))
        if last_seq < 0:
            if n > MAX_SEQ - int(self._local[L_NEXT]):
                raise ClaimError(f"{self._where}: expected sequences up to {MAX_SEQ}, claim of {n} passes it")
            return None
        first_seq = last_seq - n + 1
        self._claim = Claim(self, first_seq, last_seq, self._ring.slices(first_seq, last_seq))
        return self._claim

    def end(self, failed: bool = False) -> None:
        """End the stream: readers that have read everything stop iterating. A later producer reopens it."""
        set_state(self._words, WRITER, STATE_FAILED if failed else STATE_CLOSED)

    def __exit__(self, kind: object, *_: object) -> None:
        if self._claim is not None:
            self._claim.abandon()
        if self._token and not self._keep_open:
            self.end(failed=kind is not None)
        self.detach(failed=kind is not None)

    def _publish_claim(self, claim: Claim) -> None:
        self._check_owner()
        self._commit(claim.last_seq)
        self._claim = None

    def _abandon_claim(self) -> None:
        self._local[L_NEXT] = self.seq
        self._claim = None
