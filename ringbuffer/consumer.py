"""A reading end of a ring in plain Python: batches as structured arrays on the ring itself, without a copy.

``poll`` hands out slots, ``release`` gives them back to the next stage or the writer; an array that was
released must not be looked at any more, because the writer may be filling it again (copy what you keep).
Iterating does both: a batch is released when the loop asks for the next one, and the last one when the
``with`` block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ringbuffer.claim_state import last_claimed
from ringbuffer.errors import RingClosed, WriterFailed
from ringbuffer.kernel import kernel
from ringbuffer.layout import H_KIND, H_STATE, KIND_MULTI, STATE_FAILED, STATE_OPEN
from ringbuffer.membership import remove
from ringbuffer.multi import R_IS_PADDED, R_SEQ, new_reader, readable
from ringbuffer.participant import Participant
from ringbuffer.sequence import available

if TYPE_CHECKING:
    from ringbuffer.ring import Ring

__all__ = ["Consumer"]


@kernel
def _readable(words, local, capacity, limit):  # type: ignore[no-untyped-def]
    return readable(words, local, capacity, limit)


@kernel
def _gates(words, participant):  # type: ignore[no-untyped-def]
    return available(words, participant)


class Consumer(Participant):
    """A reader of a ring; made by ``ring.consumer(name)``, or by ``ring.join(name)``, which leaves the graph again.

    With several producers padding (claims that nobody will fill) is skipped, and counted in ``padded``.
    Leaving the ``with`` block releases what was polled; leaving it by an exception does not, so whoever
    takes the place next gets those records again (at least once).
    """

    def __init__(
        self,
        ring: Ring,
        participant: int,
        strategy: str = "yield",
        writable: bool = False,
        *,
        token: int = 0,
        leaves: bool = False,
    ) -> None:
        super().__init__(ring, participant, strategy, token)
        self._writable = writable
        self._leaves = leaves
        self._position = self.seq
        self._known = self.seq
        self._padded = 0
        self._run = new_reader(ring.words, self.seq) if int(ring.words[H_KIND]) == KIND_MULTI else None

    @property
    def position(self) -> int:
        """The last sequence that was polled; ``seq`` is the last that was released."""
        return self._position

    @property
    def lag(self) -> int:
        """How many records this reader has not polled yet: published, or with several producers claimed."""
        return last_claimed(self._words) - self._position

    @property
    def padded(self) -> int:
        """How many sequences were padding, claimed by producers that gave up or died; they hold no record."""
        return self._padded

    def poll(self, limit: int | None = None) -> Any:
        """Return what can be read now, at most ``limit`` and up to the end of the ring; maybe nothing.

        Two polls are needed where the records wrap around the end of the ring.
        """
        self._check_owner()
        if self._known <= self._position:
            self._refresh(int(_gates(self._words, self._participant)))
        count = self._ring.contiguous(self._position + 1, self._known)
        count = count if limit is None else min(count, limit)
        first_seq = self._position + 1
        self._position += count
        return self._ring.view(first_seq, count, self._writable)

    def _refresh(self, limit: int) -> None:
        """Note how far this reader may read, given its gates; skip padding."""
        if self._run is None:
            self._known = limit
            return
        while True:
            self._run[R_SEQ] = self._position
            self._known = int(_readable(self._words, self._run, self._ring.capacity, limit))
            if not self._run[R_IS_PADDED] or self._known <= self._position:
                return
            was_released = self.seq == self._position
            self._padded += self._known - self._position
            self._position = self._known
            if was_released:
                self._commit(self._position)  # else what is before it is released first, by the caller

    def wait(self, timeout: float | None = None) -> int:
        """Wait for something to read and return how much there is.

        Raise RingTimeout after ``timeout`` seconds, RingClosed or WriterFailed at the end of the stream.
        """
        self._check_owner()
        if self._known <= self._position and self._run is not None:
            # what is left of a claim, to a successor or after a rewind, is no beginning of a claim to wait for
            self._refresh(int(_gates(self._words, self._participant)))
        while self._known <= self._position:
            gates = self._wait(self._position + 1, timeout)
            if gates <= self._position:
                break
            self._refresh(gates)
        if self._known > self._position:
            return self._known - self._position
        failed = int(self._words[H_STATE]) == STATE_FAILED
        ending = WriterFailed if failed else RingClosed
        raise ending(f"{self._where}: expected sequence {self._position + 1}, was the end of the stream")

    def release(self, seq: int | None = None) -> None:
        """Give back all that was polled, or what was polled up to ``seq``."""
        self._check_owner()
        seq = self._position if seq is None else seq
        if not self.seq <= seq <= self._position:
            raise ValueError(f"{self._where}: seq: expected {self.seq}..{self._position}, was {seq}")
        if seq != self.seq:
            self._commit(seq)

    def rewind(self) -> None:
        """Take everything that was polled and not released once more."""
        self._check_owner()
        self._position = self.seq
        if self._run is not None:
            self._run = new_reader(self._words, self.seq)
            self._known = self.seq

    def leave(self) -> None:
        """Leave the graph for good: nobody waits for this reader any more, and its place is vacant."""
        self._check_owner()
        token, self._token = self._token, 0
        remove(self._words, self._participant, token)

    def batches(self, limit: int | None = None, timeout: float | None = None) -> Iterator[Any]:
        """Yield batches of at most ``limit`` until the stream ends; release each when the next is asked for.

        Raise RingTimeout if none comes for ``timeout`` seconds, WriterFailed if the writer failed.
        """
        while True:
            self.release()
            try:
                self.wait(timeout)
            except RingClosed:
                return
            yield self.poll(limit)

    def __iter__(self) -> Iterator[Any]:
        return self.batches()

    def __exit__(self, kind: object, *_: object) -> None:
        if not self._token:
            return
        if kind is None and self._position > self.seq:  # a kernel may have gone on in this place
            self.release()
        if self._leaves:
            self.leave()
        else:
            self.detach(failed=kind is not None)

    def _ends_before(self, target_seq: int) -> bool:
        # the state first, as in wait.is_over; here after a compiled wait, which has the same order
        closed = int(self._words[H_STATE]) != STATE_OPEN
        return closed and last_claimed(self._words) < target_seq
