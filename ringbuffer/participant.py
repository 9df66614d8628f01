"""A place in a ring: taken by one process at a time, given back, and what its holder does while it waits.

The place of a participant is its word ``P_OWNER``: 0, or the owner token (pid and start time) of its
holder. It is taken by compare-exchange from 0, or from the token of a dead process, so that of two
processes which attach at the same time one is refused. ``P_PID``, ``P_START_TIME``, ``P_STATE`` and the
heartbeat follow it and are for readers of a status. The rules of reattaching:

========================== =============================================================================
the holder before          the next one
========================== =============================================================================
left its ``with`` block    continues after the last released (reader) or published (writer) sequence
was killed                 the same: what a reader polled but had not released is delivered again, what a
                           writer claimed but had not published is gone, nobody has seen it
is alive                   is refused: ``ParticipantBusy``
========================== =============================================================================

While it waits, a holder looks a few times a second whether those it waits for, directly or not, still live,
whether the ring is still of its epoch, and beats its own heart. What happens when a reader has died is the
policy of the ring (``dead_readers``): ``raise`` PeerDied in those that wait for it, who may wait again, for
instance for a successor; ``wait`` for one; ``remove`` it from the graph; ``fail`` the stream. Claims of a dead
producer among several become padding. Everything here runs once per batch or less.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from ringbuffer.atomics import load_acquire, store_release
from ringbuffer.claim_state import last_claimed
from ringbuffer.errors import (
    ClaimError,
    EpochMismatch,
    ParticipantBusy,
    ParticipantError,
    PeerDied,
    RingTimeout,
)
from ringbuffer.kernel import kernel
from ringbuffer.layout import (
    DEAD_FAIL,
    DEAD_REMOVE,
    DEAD_WAIT,
    H_CAPACITY,
    H_DEAD_READERS,
    H_EPOCH,
    H_KIND,
    H_PARTICIPANTS,
    H_STATE,
    HEADER_WORDS,
    KIND_MULTI,
    P_GATES,
    P_HEARTBEAT,
    P_OWNER,
    P_PID,
    P_START_TIME,
    P_STATE,
    PARTICIPANT_ATTACHED,
    PARTICIPANT_FAILED,
    PARTICIPANT_LEFT,
    PARTICIPANT_WORDS,
    STATE_FAILED,
    WRITER,
    cursor_index,
    participant_name,
    producer_participants,
)
from ringbuffer.liveness import is_alive, own_identity, owner_token, split_token
from ringbuffer.membership import remove
from ringbuffer.multi import open_claims, pad_claim, publish_shared
from ringbuffer.native import clock_ns
from ringbuffer.ring_words import take_word
from ringbuffer.sequence import gate_of_claims, publish
from ringbuffer.wait import (
    BLOCKING,
    LONG_IDLE,
    STRATEGIES,
    announce_bells,
    ring_bells,
    rings_bells,
    wait_until,
)

if TYPE_CHECKING:
    from ringbuffer.ring import Ring

__all__ = ["Participant", "leave", "take"]

SLICE_NS: Final = 20_000_000  # longest stay in compiled code: then Ctrl-C and a peer's death are noticed
COMMIT_DONE: Final = 0
COMMIT_STALE_EPOCH: Final = 1
COMMIT_NOT_OWNER: Final = 2


@kernel
def commit(words, participant, seq, epoch, token):  # type: ignore[no-untyped-def]
    """Publish or release up to ``seq`` for the holder ``token``, beat its heart, ring bells."""
    base = HEADER_WORDS + PARTICIPANT_WORDS * participant
    if load_acquire(words, H_EPOCH) != epoch:  # pairs with whoever initialises the ring again
        return COMMIT_STALE_EPOCH
    if load_acquire(words, base + P_OWNER) != token:  # pairs with the compare-exchange of a successor
        return COMMIT_NOT_OWNER
    words[base + P_HEARTBEAT] = clock_ns()
    publish(words, base, seq)
    if rings_bells(words):
        ring_bells(words, participant)
    return COMMIT_DONE


@kernel
def start_bells(words):  # type: ignore[no-untyped-def]
    """Announce that somebody is going to block."""
    announce_bells(words)


@kernel
def set_state(words, participant, state):  # type: ignore[no-untyped-def]
    """Set the state of the ring after everything published, and wake those that wait for ``participant``."""
    store_release(words, H_STATE, state)  # pairs with load_acquire in wait.is_over
    ring_bells(words, participant)


@kernel
def commit_shared(words, local, capacity, participant, seq, epoch, token):  # type: ignore[no-untyped-def]
    """Publish the open claim, up to ``seq``, of one of several producers; beat its heart, ring bells."""
    base = HEADER_WORDS + PARTICIPANT_WORDS * participant
    if load_acquire(words, H_EPOCH) != epoch:  # pairs with whoever initialises the ring again
        return COMMIT_STALE_EPOCH
    if load_acquire(words, base + P_OWNER) != token:  # pairs with the compare-exchange of a successor
        return COMMIT_NOT_OWNER
    words[base + P_HEARTBEAT] = clock_ns()
    publish_shared(words, local, capacity)
    publish(words, base, seq)
    if rings_bells(words):
        ring_bells(words, np.int64(WRITER))
    return COMMIT_DONE


@kernel
def pad(words, seq, capacity, state):  # type: ignore[no-untyped-def]
    """Turn an open claim into padding, and let the readers know."""
    padded = pad_claim(words, seq, capacity, state)
    if rings_bells(words):
        ring_bells(words, np.int64(WRITER))
    return padded


def heal(words: Any, owner: int = -1) -> int:
    """Turn open claims of dead producers into padding, and those of ``owner``; return how many.

    ``owner`` is a producer's place whose holder is known to be gone, or to be the caller itself.
    """
    capacity = int(words[H_CAPACITY])
    healed = 0
    for claim in open_claims(words, int(gate(words))):
        pid, start_time = split_token(int(words[cursor_index(claim.owner) + P_OWNER]))
        if claim.owner == owner or not is_alive(pid, start_time):
            healed += bool(pad(words, claim.seq, capacity, claim.state))
    return healed


@kernel
def gate(words):  # type: ignore[no-untyped-def]
    """Return the sequence up to which all readers are done."""
    return gate_of_claims(words)


def take(words: Any, participant: int, where: str = "ring") -> int:
    """Take a place for this process; return its owner token, or raise ParticipantBusy if it is held."""
    base = cursor_index(participant)
    holder = int(words[base + P_OWNER])
    name = participant_name(words, participant)
    if holder and is_alive(*split_token(holder)):
        pid, _ = split_token(holder)
        raise ParticipantBusy(f"{where}: participant {name!r}: expected no live holder, was pid {pid}")
    pid, start_time = own_identity()
    token = owner_token(pid, start_time)
    # pairs with itself in another process: of two that attach at once, one fails
    if not take_word(words, base + P_OWNER, holder, token):
        raise ParticipantBusy(f"{where}: participant {name!r}: expected no live holder, was taken just now")
    words[base + P_PID] = pid
    words[base + P_START_TIME] = start_time
    words[base + P_HEARTBEAT] = time.monotonic_ns()
    words[base + P_STATE] = PARTICIPANT_ATTACHED
    return token


def leave(words: Any, participant: int, token: int, failed: bool = False) -> None:
    """Give a place back; its cursor stays where it is. Nothing happens if ``token`` is not the holder."""
    base = cursor_index(participant)
    if int(words[base + P_OWNER]) == token:
        words[base + P_STATE] = PARTICIPANT_FAILED if failed else PARTICIPANT_LEFT
        words[base + P_PID] = 0
        words[base + P_START_TIME] = 0
        take_word(words, base + P_OWNER, token, 0)  # fails if a successor was quicker, which then stays


class Participant:
    """What writers and readers of the plain Python interface share: the place, the waiting, the commit."""

    def __init__(self, ring: Ring, participant: int, strategy: str, token: int = 0) -> None:
        """Take a place, or go on with one that is held already (``token``)."""
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy: expected one of {list(STRATEGIES)}, was {strategy!r}")
        self._ring = ring
        self._words = ring.words
        self._participant = participant
        self._base = cursor_index(participant)
        self._where = f"{ring.name}: {participant_name(ring.words, participant)}"
        self._strategy = STRATEGIES[strategy]
        self._epoch = ring.epoch
        self._token = token or take(ring.words, participant, ring.name)
        self._owner = (os.getpid(), threading.get_ident())
        if self._strategy == BLOCKING:
            start_bells(self._words)

    @property
    def seq(self) -> int:
        """The last sequence that was published (writer) or released (reader)."""
        return int(self._words[self._base])

    def heartbeat(self) -> None:
        """Show that this participant lives; done by each publish, release and wait as well."""
        self._words[self._base + P_HEARTBEAT] = time.monotonic_ns()

    def detach(self, failed: bool = False) -> None:
        """Give the place back; the ring goes on without this participant, gated by its cursor."""
        leave(self._words, self._participant, self._token, failed)
        self._token = 0

    def __enter__(self) -> Self:
        return self

    def _check_owner(self) -> None:
        """Refuse another process or thread than the one that attached: cursors have one writer each."""
        if self._token == 0:
            raise ParticipantError(f"{self._where}: expected an attached participant, was detached")
        caller = (os.getpid(), threading.get_ident())
        if caller != self._owner:
            raise ClaimError(f"{self._where}: expected (pid, thread) {self._owner}, was {caller}")

    def _commit(self, seq: int) -> None:
        self._check_commit(commit(self._words, self._participant, seq, self._epoch, self._token))

    def _check_commit(self, code: int) -> None:
        if code == COMMIT_STALE_EPOCH:
            raise EpochMismatch(self._epoch_text())
        if code == COMMIT_NOT_OWNER:
            holder, _ = split_token(int(self._words[self._base + P_OWNER]))
            raise ParticipantBusy(f"{self._where}: expected holder pid {self._owner[0]}, was pid {holder}")

    def _wait(self, target_seq: int, timeout_s: float | None) -> int:
        """Return the gates, at or above ``target_seq``, or below it if the stream ends before; else raise."""
        seq, spins = self._look(target_seq, 0, 0), 0
        deadline_ns = None if timeout_s is None else time.monotonic_ns() + int(timeout_s * 1e9)
        while seq < target_seq:
            left_ns = SLICE_NS if deadline_ns is None else min(SLICE_NS, deadline_ns - time.monotonic_ns())
            if left_ns <= 0:
                raise RingTimeout(f"{self._where}: expected {target_seq} within {timeout_s} s, was {seq}")
            seq, spins = self._look(target_seq, left_ns, spins), LONG_IDLE
            self.heartbeat()
            if seq < target_seq and self._check_ring(target_seq):
                break
        return seq

    def _look(self, target_seq: int, timeout_ns: int, spins: int) -> int:
        place, strategy = self._participant, self._strategy
        return int(wait_until(self._words, place, target_seq, strategy, timeout_ns, spins))

    def _check_ring(self, target_seq: int) -> bool:
        """Return whether the stream ends before ``target_seq``; raise if it can never be served."""
        words = self._words
        if int(words[H_EPOCH]) != self._epoch:
            raise EpochMismatch(self._epoch_text())
        if self._ends_before(target_seq):
            return True
        if int(words[H_KIND]) == KIND_MULTI:
            self._check_producers(target_seq)
        for peer in _upstream(words, self._participant):
            base = cursor_index(peer)
            if int(words[base]) >= target_seq:
                continue
            holder = int(words[base + P_OWNER])
            failed = holder == 0 and int(words[base + P_STATE]) == PARTICIPANT_FAILED
            if failed or (holder and not is_alive(*split_token(holder))):
                self._meet_dead(peer, holder, target_seq, "failed" if failed else "died")
        return False

    def _meet_dead(self, peer: int, holder: int, target_seq: int, how: str) -> None:
        """Do as the ring's policy says about a reader (or the one writer) that will not go on."""
        words = self._words
        policy = int(words[H_DEAD_READERS])
        name, at_seq = participant_name(words, peer), int(words[cursor_index(peer)])
        if peer != WRITER and policy == DEAD_REMOVE:
            remove(words, peer, holder)
            return
        if peer != WRITER and policy == DEAD_WAIT:
            return
        if peer != WRITER and policy == DEAD_FAIL:
            set_state(words, WRITER, STATE_FAILED)
        raise PeerDied(f"{self._where}: expected {target_seq}, was {at_seq}: {name!r} {how} there")

    def _check_producers(self, target_seq: int) -> None:
        """Turn claims of dead producers into padding; raise PeerDied if none is left that could go on."""
        words = self._words
        heal(words)
        if last_claimed(words) >= target_seq or self._participant in producer_participants(words):
            return
        dead = []
        for producer in producer_participants(words):
            base = cursor_index(producer)
            pid, start_time = split_token(int(words[base + P_OWNER]))
            if pid and is_alive(pid, start_time):
                return
            if pid or int(words[base + P_STATE]) == PARTICIPANT_FAILED:
                dead.append(f"{participant_name(words, producer)!r} ({pid or 'failed'})")
        if dead:
            raise PeerDied(
                f"{self._where}: expected {target_seq}, was no live producer: {', '.join(dead)} died"
            )

    def _ends_before(self, target_seq: int) -> bool:
        return False

    def _epoch_text(self) -> str:
        return f"{self._where}: epoch: expected {self._epoch}, was {int(self._words[H_EPOCH])}"


def _upstream(words: Any, participant: int) -> list[int]:
    """Return all that ``participant`` waits for, directly or through readers.

    Not through the writer: a reader that waits for the next record does not care who else reads this one. Several
    producers are nobody in particular: see ``_check_producers``.
    """
    masks = [int(words[cursor_index(each) + P_GATES]) for each in range(int(words[H_PARTICIPANTS]))]
    found, todo = 0, masks[participant]
    while todo:
        peer = (todo & -todo).bit_length() - 1
        found |= 1 << peer
        todo = (todo | (masks[peer] if peer != WRITER else 0)) & ~found
    if int(words[H_KIND]) == KIND_MULTI:
        found &= ~(1 << WRITER)
    return [peer for peer in range(len(masks)) if found >> peer & 1 and peer != participant]
