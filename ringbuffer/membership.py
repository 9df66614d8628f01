"""Readers that come and go while the ring runs: joining, leaving, and being taken out when dead.

The graph is in the participants' masks (``P_GATES``: whom one waits for) and names; a place without a name is
vacant. Whoever changes the graph holds ``H_MEMBER_LOCK``, a word with its owner token; if the owner is dead, the
next one takes the lock over. Each change is a few stores that may be interrupted at any point: masks are
computed from the names and from each other, so the next holder of the lock puts right what the dead one left.

Joining is safe against a writer that claims at the same time, because of this order:

1. the newcomer's cursor is set to the lowest gate there is, then its bit joins the masks of the writers
2. then it reads how far those are that were gates before, and moves its cursor to where it starts: nowhere below
   the lowest of them

A writer looks at its mask, then the gates, then the mask again. If it missed the newcomer, its last look at
the mask came before step 1, hence its gates are older than those of step 2, and it claims at most a capacity
beyond them: behind the newcomer's start nothing is overwritten. If it saw the newcomer, it waits for it.

Removing one: those that waited for it wait for whom it waited for, first; then the writers wait for the leaves
of the graph that is left. Its records are not lost for others: every reader has its own cursor.

Several producers need at least one gate, or a slow one could be lapped amid its claim: when the last reader
goes, its cursor stays the gate until somebody takes the place.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ringbuffer.atomics import load_acquire
from ringbuffer.errors import NotRetained, ParticipantBusy, ParticipantError, UnknownParticipant
from ringbuffer.kernel import kernel
from ringbuffer.layout import (
    H_CAPACITY,
    H_KIND,
    H_MEMBER_LOCK,
    H_PARTICIPANTS,
    H_STATES,
    KIND_MULTI,
    P_GATES,
    P_HEARTBEAT,
    P_OWNER,
    P_PID,
    P_START_TIME,
    P_STATE,
    PARTICIPANT_ATTACHED,
    PARTICIPANT_FREE,
    WRITER,
    check_name,
    cursor_index,
    leaves,
    name_participant,
    participant_name,
    participant_of,
    producer_participants,
    reader_participants,
)
from ringbuffer.liveness import is_alive, own_identity, owner_token, split_token
from ringbuffer.multi import end_of_claims
from ringbuffer.ring_words import store_word, take_word
from ringbuffer.sequence import WRITER_CURSOR, available, gate_of_claims

__all__ = ["join", "remove"]

LOCK_DEADLINE_S: Final = 5.0


@kernel
def _available(words, participant):  # type: ignore[no-untyped-def]
    return available(words, participant)


@kernel
def _lowest_gate(words):  # type: ignore[no-untyped-def]
    return gate_of_claims(words)


@kernel
def _end_of(words):  # type: ignore[no-untyped-def]
    """Return the end of what was published, or with several producers claimed."""
    if words[H_STATES] != 0:
        return end_of_claims(words, words[H_CAPACITY])
    return load_acquire(words, WRITER_CURSOR)  # pairs with store_release in publish


@contextlib.contextmanager
def graph_lock(words: Any) -> Iterator[None]:
    """Hold the right to change the graph; take it over from a dead process."""
    token = owner_token(*own_identity())
    deadline = time.monotonic() + LOCK_DEADLINE_S
    while True:
        holder = int(words[H_MEMBER_LOCK])
        # pairs with itself in another process
        if (holder == 0 or not is_alive(*split_token(holder))) and take_word(
            words, H_MEMBER_LOCK, holder, token
        ):
            break
        if time.monotonic() > deadline:
            pid, _ = split_token(holder)
            raise ParticipantBusy(
                f"graph: expected the lock within {LOCK_DEADLINE_S} s, was held by pid {pid}"
            )
        time.sleep(0.001)
    try:
        _settle(words)
        yield
    finally:
        take_word(words, H_MEMBER_LOCK, token, 0)  # pairs with the take of the next holder


def join(words: Any, name: str, after: Iterable[str], at_seq: int | None) -> int:
    """Take a vacant place as reader ``name`` behind ``after`` (none: the writers); return the participant.

    It starts behind ``at_seq``, or behind what those that it waits for are done with. Raise NotRetained if that is
    not in the ring, ParticipantError if no place is vacant. The caller holds the place, as after ``take``.
    """
    with graph_lock(words):
        names = [participant_name(words, each) for each in range(int(words[H_PARTICIPANTS]))]
        check_name(name, filter(None, names))
        place = _vacant_place(words)
        mask = _mask_of(words, after)
        base = cursor_index(place)
        gates = int(words[cursor_index(WRITER) + P_GATES])
        _hold(words, place)
        if not gates >> place & 1:
            store_word(words, base, int(_lowest_gate(words)))  # pairs with load_acquire in available
        words[base + P_GATES] = mask
        name_participant(words, place, name)
        _settle(words)
        retained = _lowest_of(words, gates)
        reach = min(int(_available(words, place)), int(_end_of(words)))
        start = reach if at_seq is None else at_seq
        if not retained <= start <= reach:
            _vacate(words, place)
            raise NotRetained(f"{name}: at_seq: expected {retained}..{reach}, was {start}")
        store_word(words, base, start)  # pairs with load_acquire in available: the writers'
        return place


def _hold(words: Any, place: int) -> None:
    base = cursor_index(place)
    pid, start_time = own_identity()
    words[base + P_PID] = pid
    words[base + P_START_TIME] = start_time
    words[base + P_HEARTBEAT] = time.monotonic_ns()
    words[base + P_STATE] = PARTICIPANT_ATTACHED
    store_word(words, base + P_OWNER, owner_token(pid, start_time))  # pairs with take of who wants the place


def _lowest_of(words: Any, gates: int) -> int:
    """Return the lowest cursor of these participants, that of the writers if there are none."""
    members = [each for each in reader_participants(words) if gates >> each & 1] or [WRITER]
    return min(int(words[cursor_index(each)]) for each in members)


def remove(words: Any, participant: int, holder: int) -> None:
    """Take a reader out of the graph; those behind it wait for whom it waited for.

    ``holder`` is the owner token that the caller knows: if it is another's by now, somebody else has removed the
    reader and a newcomer got its place, or a successor took it; then nothing happens.
    """
    if participant not in reader_participants(words):
        raise UnknownParticipant(
            f"participant: expected a reader, was {participant_name(words, participant)!r}"
        )
    with graph_lock(words):
        if participant_name(words, participant) and int(words[cursor_index(participant) + P_OWNER]) == holder:
            _vacate(words, participant)


def _vacant_place(words: Any) -> int:
    """Return the vacant place that still is the writers' gate, else any."""
    vacant = [each for each in reader_participants(words) if not participant_name(words, each)]
    if not vacant:
        taken = [participant_name(words, each) for each in reader_participants(words)]
        raise ParticipantError(f"ring: expected a vacant place for a reader, was full: {', '.join(taken)}")
    gates = int(words[cursor_index(WRITER) + P_GATES])
    return next((each for each in vacant if gates >> each & 1), vacant[0])


def _mask_of(words: Any, after: Iterable[str]) -> int:
    mask = 0
    for name in (after,) if isinstance(after, str) else after:
        participant = participant_of(words, name)
        if participant in producer_participants(words):
            participant = WRITER
        mask |= 1 << participant
    return mask or 1 << WRITER


def _vacate(words: Any, participant: int) -> None:
    """Make a place vacant: the name and the masks first, so that one that dies here is still known as dead."""
    name_participant(words, participant, "")
    _settle(words)
    base = cursor_index(participant)
    for word in (P_PID, P_START_TIME, P_HEARTBEAT):
        words[base + word] = 0
    words[base + P_STATE] = PARTICIPANT_FREE
    store_word(words, base + P_OWNER, 0)  # pairs with load_acquire in commit: its holder may publish no more


def _settle(words: Any) -> None:
    """Make all masks those of the graph of named readers. Idempotent; readers first, then the writers."""
    readers = {each: int(words[cursor_index(each) + P_GATES]) for each in reader_participants(words)}
    named = {each for each in readers if participant_name(words, each)}
    masks = {each: _resolve(readers[each], readers, named) for each in sorted(named)}
    for each, mask in masks.items():
        if mask != readers[each]:
            store_word(words, cursor_index(each) + P_GATES, mask)  # pairs with load_acquire in available
    gates = leaves(masks)
    before = int(words[cursor_index(WRITER) + P_GATES])
    if not gates and int(words[H_KIND]) == KIND_MULTI:
        gates = before & -before or 1 << reader_participants(words).start
    sharers = [each for each in producer_participants(words) if each != WRITER]
    # several producers claim by the writer's mask, and look for their dead in their own: it never has fewer
    wider = [(each, before | gates) for each in sharers]
    for each, mask in (*wider, (WRITER, gates), *((each, gates) for each in sharers)):
        if int(words[cursor_index(each) + P_GATES]) != mask:
            # pairs with load_acquire in available: the newcomer's cursor came before
            store_word(words, cursor_index(each) + P_GATES, mask)


def _resolve(mask: int, readers: dict[int, int], named: set[int]) -> int:
    """Return a reader's mask with those that are gone replaced by whom they waited for."""
    gone = {each for each in readers if mask >> each & 1 and each not in named}
    while gone:
        each = gone.pop()
        mask = mask & ~(1 << each) | readers[each]
        gone |= {other for other in readers if mask >> other & 1 and other not in named}
    return mask
