"""The writing end of a ring in plain Python: publish records and arrays, or claim slots and fill them.

One process and one thread at a time writes a ring of one writer (:class:`Producer`). What is claimed and not
published is nothing: an exception in the ``with`` block of a claim gives it back. With several producers
(:class:`SharedProducer`) each has a place of its own; what it gives up becomes padding, which readers skip.

What a claim does when the ring is full is the producer's policy, ``full``: ``"wait"``, ``"fail"`` (RingFull), or a
number of seconds to wait (RingTimeout); each call may say otherwise with ``timeout``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from ringbuffer.claim_state import last_claimed
from ringbuffer.errors import ClaimError, RingFull
from ringbuffer.kernel import kernel
from ringbuffer.layout import (
    MAX_SEQ,
    P_OWNER,
    P_STATE,
    PARTICIPANT_FAILED,
    STATE_CLOSED,
    STATE_FAILED,
    STATE_OPEN,
    WRITER,
    cursor_index,
    producer_participants,
)
from ringbuffer.liveness import is_alive, split_token
from ringbuffer.multi import claim_shared, gate_for_claim, new_sharer
from ringbuffer.participant import Participant, commit_shared, gate, heal, set_state
from ringbuffer.sequence import L_NEXT, free_slots, new_local, try_claim
from ringbuffer.slots import as_record

if TYPE_CHECKING:
    from ringbuffer.ring import Ring

__all__ = ["Claim", "Producer", "SharedProducer"]

POLICIES: Final = ("wait", "fail")


@kernel
def _try_claim(words, local, capacity, n):  # type: ignore[no-untyped-def]
    return try_claim(words, local, capacity, n)


@kernel
def _claim_shared(words, local, capacity, n):  # type: ignore[no-untyped-def]
    return claim_shared(words, local, capacity, n)


@kernel
def _free_slots(words, local, capacity):  # type: ignore[no-untyped-def]
    return free_slots(words, local, capacity)


class _Policy:
    """The default of a call's ``timeout``: the producer's policy."""


AS_THE_PRODUCER: Final = _Policy()


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

    def __init__(
        self,
        ring: Ring,
        strategy: str = "yield",
        keep_open: bool = False,
        full: str | float = "wait",
        participant: int = WRITER,
    ) -> None:
        if isinstance(full, str) and full not in POLICIES:
            raise ValueError(f"full: expected {' or '.join(POLICIES)} or seconds, was {full!r}")
        super().__init__(ring, participant, strategy)
        self._capacity = ring.capacity
        self._keep_open = keep_open
        self._full = full
        self._claim: Claim | None = None
        self._local = self._new_local()
        set_state(self._words, np.int64(WRITER), STATE_OPEN)

    def _new_local(self) -> Any:
        return new_local(self._words)

    @property
    def free(self) -> int:
        """How many slots can be claimed at once without waiting; exact if it is below half the ring."""
        return int(_free_slots(self._words, self._local, self._capacity))

    def publish(self, records: Any, timeout: float | _Policy | None = AS_THE_PRODUCER) -> int:
        """Publish one record (tuple, scalar, structured scalar or struct) or a 1-D array; return the last sequence.

        A struct is a msgspec.Struct of the type that describes the slots. An array goes out in pieces as room
        appears. ``timeout`` seconds is the longest wait for each piece; what went out before a ``RingTimeout`` stays
        published, and ``seq`` says how far that is.
        """
        if isinstance(records, np.ndarray) and records.ndim == 1:
            return self._publish_array(records, timeout)
        records = as_record(records, self._ring.dtype)
        claim = self.claim(1, timeout)
        try:
            claim.views[0][0] = records
        except BaseException:
            claim.abandon()
            raise
        return claim.publish()

    def _publish_array(self, records: Any, timeout: float | _Policy | None) -> int:
        piece = max(1, self._capacity // 2)
        for start in range(0, len(records), piece):
            part = records[start : start + piece]
            with self.claim(len(part), timeout) as claim:
                claim.fill(part)
        return self.seq

    def claim(self, n: int = 1, timeout: float | _Policy | None = AS_THE_PRODUCER) -> Claim:
        """Claim the next ``n`` slots, waiting for room at most ``timeout`` seconds (None: for ever).

        Raise RingTimeout when the time is over, RingFull if there is none to wait.
        """
        fails = isinstance(timeout, _Policy) and self._full == "fail"
        if isinstance(timeout, _Policy):
            timeout = None if isinstance(self._full, str) else self._full
        while (claim := self.try_claim(n)) is None:
            if fails:
                raise RingFull(f"{self._where}: expected room for {n}, was {self.free} of {self._capacity}")
            self._wait(self._gate_for(n), timeout)
        return claim

    def try_claim(self, n: int = 1) -> Claim | None:
        """Claim the next ``n`` slots if there is room for all of them now, else return None."""
        self._check_owner()
        if self._claim is not None:
            raise ClaimError(f"{self._where}: expected no open claim, was {self._claim.first_seq}")
        if not 1 <= n <= self._capacity:
            raise ClaimError(f"{self._where}: n: expected 1..{self._capacity}, was {n}")
        last_seq = self._claim_now(n)
        if last_seq < 0:
            if n > MAX_SEQ - self._end():
                raise ClaimError(f"{self._where}: expected sequences up to {MAX_SEQ}, claim of {n} passes it")
            return None
        first_seq = last_seq - n + 1
        self._claim = Claim(self, first_seq, last_seq, self._ring.slices(first_seq, last_seq))
        return self._claim

    def _claim_now(self, n: int) -> int:
        return int(_try_claim(self._words, self._local, self._capacity, n))

    def _end(self) -> int:
        """Return the last sequence that was claimed."""
        return int(self._local[L_NEXT])

    def _gate_for(self, n: int) -> int:
        """Return how far the readers must be for a claim of ``n``."""
        return self._end() + n - self._capacity

    def end(self, failed: bool = False) -> None:
        """End the stream: readers that have read everything stop iterating. A later producer reopens it."""
        set_state(self._words, np.int64(WRITER), STATE_FAILED if failed else STATE_CLOSED)

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


class SharedProducer(Producer):
    """One of several producers of a ring; made by ``ring.producer()`` of a ring with ``producers`` above one.

    The stream ends when the last of them has left: as failed if any left by an exception.
    ``seq`` is the last sequence that this one published.
    """

    def __init__(
        self, ring: Ring, participant: int, strategy: str = "yield", keep_open: bool = False,
        full: str | float = "wait",
    ) -> None:  # fmt: skip
        super().__init__(ring, strategy, keep_open, full, participant)
        heal(self._words, participant)  # a claim of the holder before, who is dead

    def _new_local(self) -> Any:
        return new_sharer(self._words, self._participant)

    @property
    def free(self) -> int:
        """How many slots could be claimed just now, if no other producer claims any."""
        released = int(gate(self._words))  # before the end, which it is not ahead of
        return self._capacity - (self._end() - released)

    def _claim_now(self, n: int) -> int:
        return int(_claim_shared(self._words, self._local, self._capacity, n))

    def _end(self) -> int:
        return last_claimed(self._words)

    def _gate_for(self, n: int) -> int:
        return gate_for_claim(self._words, self._local, n)

    def _commit(self, seq: int) -> None:
        code = commit_shared(
            self._words, self._local, self._capacity, self._participant, seq, self._epoch, self._token
        )
        self._check_commit(code)

    def _abandon_claim(self) -> None:
        heal(self._words, self._participant)
        self._claim = None

    def __exit__(self, kind: object, *_: object) -> None:
        if self._claim is not None:
            self._claim.abandon()
        held = bool(self._token)
        self.detach(failed=kind is not None)
        if held and not self._keep_open and not self._others_live():
            places = [cursor_index(each) for each in producer_participants(self._words)]
            self.end(failed=any(int(self._words[base + P_STATE]) == PARTICIPANT_FAILED for base in places))

    def _others_live(self) -> bool:
        # after our own place is given back: of two that leave at once, the later one sees nobody
        holders = [
            split_token(int(self._words[cursor_index(each) + P_OWNER]))
            for each in producer_participants(self._words)
        ]
        return any(is_alive(*holder) for holder in holders)
