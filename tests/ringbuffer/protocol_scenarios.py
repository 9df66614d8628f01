"""What processes do on a ring of two slots, for the model: each operation is the library's own code.

An operation takes a participant's private state and returns the next one: claim, fill and publish one batch; look,
read and release what there is; join; take the place of a dead one. ``START`` is the state before the first.
A record's words hold its sequence and a tag (who wrote it, and how many it wrote before), so that a reader knows
a record that is torn, stale, or another's.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ringbuffer import layout
from ringbuffer.errors import NotRetained, ParticipantError
from ringbuffer.layout import H_DEAD_READERS, P_GATES, P_OWNER, WRITER, cursor_index
from ringbuffer.liveness import owner_token
from tests.ringbuffer.protocol_model import (
    DEAD,
    DONE,
    FILL_BITS,
    RUNNING,
    Actor,
    Explorer,
    Machine,
    Mutation,
    Outcome,
    View,
    claims,
    graph,
    new_memory,
    owners,
    private_words,
    quiet_graph,
)

CAPACITY: Final = 2
EPOCH: Final = 1
START: Final = "start"
TAG_SHIFT: Final = 3  # of a tag: records before it
LATE: Final = "late"


class Sender(NamedTuple):
    """What a writer or producer knows: its private words, its claims, and how many records it has published."""

    local: tuple[int, ...]
    claims: tuple[tuple[int, int], ...] = ()
    sent: int = 0


class Receiver(NamedTuple):
    """What a reader knows: how far it is, its private words, and what it was given."""

    place: int
    seq: int
    run: tuple[int, ...] = ()
    got: tuple[int, ...] = ()
    padded: int = 0
    at_seq: int = 0
    missed: int = 0


def _take(machine: Machine, place: int) -> int:
    """Take the place of a dead one; return the owner token."""
    return int(machine.module("participant").take(machine.words, place))


def _value(seq: int, tag: int, sent: int) -> int:
    return seq << FILL_BITS | tag << TAG_SHIFT | sent


def _read(machine: Machine, seq: int) -> int:
    """Read the record at ``seq`` and return its tag."""
    values = [machine.read(seq, word) for word in range(machine.slot_words)]
    assert values[0] == values[-1] and values[0] >> FILL_BITS == seq, f"torn or stale: {seq} holds {values}"
    return values[0] & (1 << FILL_BITS) - 1


def writer(
    name: str, pid: int, last_seq: int, *, batch: int = 1, after: str = "", late: bool = False, **options: Any
) -> Actor:
    """The one writer, up to ``last_seq``; ``late`` is the fault of storing the cursor before the record."""

    def operation(machine: Machine, private: Any) -> Any:
        sequence, participant = machine.module("sequence"), machine.module("participant")
        words = machine.words
        if private == START:
            if after:
                _take(machine, WRITER)
            return Sender(private_words(sequence.new_local(words)))
        local = list(private.local)
        n = min(batch, last_seq - local[sequence.L_NEXT])
        if n <= 0:
            return None
        last = sequence.try_claim(words, local, machine.capacity, n)
        if last < 0:
            if machine.any_dead():
                _look_at_peers(machine, WRITER, local[sequence.L_NEXT] + n - machine.capacity)
            return private._replace(local=private_words(local))
        if late:
            participant.commit(words, WRITER, last, EPOCH, owner_token(pid, 1))
        for seq in range(last - n + 1, last + 1):
            for word in range(machine.slot_words):
                machine.fill(seq, word, _value(seq, pid, 0))
        code = participant.commit(words, WRITER, last, EPOCH, owner_token(pid, 1))
        assert code == 0, f"expected to hold the writer's place, was {code}"
        return private._replace(local=private_words(local))

    return Actor(name, pid, operation, START, after, **options)


def _look_at_peers(machine: Machine, place: int, target_seq: int) -> None:
    """Do what a participant does that waits: look at those that it waits for."""
    if machine.base[H_DEAD_READERS] != layout.DEAD_REMOVE:
        return
    kind = machine.module("participant").Participant
    peer = kind.__new__(kind)
    peer._words, peer._participant, peer._epoch, peer._where = machine.words, place, EPOCH, "model"
    peer._check_ring(target_seq)


def reader(
    name: str, pid: int, place: int, last_seq: int, *, start_seq: int = 0, after: str = "", **options: Any
) -> Actor:
    """A reader of a ring of one writer, up to ``last_seq``."""

    def operation(machine: Machine, private: Any) -> Any:
        if private == START:
            if after:
                _take(machine, place)
            return Receiver(place, machine.words[cursor_index(place)])
        return _read_batch(machine, private, pid, last_seq)

    return Actor(name, pid, operation, START, after, **options)


def _read_batch(machine: Machine, private: Receiver, pid: int, last_seq: int) -> Any:
    """Read and release all there is, of one writer's."""
    if private.seq >= last_seq:
        return None
    sequence, participant = machine.module("sequence"), machine.module("participant")
    reach = sequence.available(machine.words, private.place)
    if reach <= private.seq:
        return private
    for seq in range(private.seq + 1, reach + 1):
        _read(machine, seq)
    code = participant.commit(machine.words, private.place, reach, EPOCH, owner_token(pid, 1))
    assert code == 0, f"expected to hold place {private.place}, was {code}"
    return private._replace(seq=reach)


def joiner(
    name: str,
    pid: int,
    last_seq: int,
    *,
    at_seq: int | None = None,
    after: str = "",
    shared: bool = False,
    **options: Any,
) -> Actor:
    """A reader that joins, reads up to ``last_seq`` and leaves; an heir first clears away the dead one's place."""

    def operation(machine: Machine, private: Any) -> Any:
        membership = machine.module("membership")
        if private == START:
            try:
                place = membership.join(machine.words, name, (), at_seq)
            except NotRetained:
                assert at_seq is not None, "expected a place at the end, was refused"
                return None
            except ParticipantError:
                return "clear"
            return ("joined", place)
        if private == "clear":
            for place in layout.reader_participants(machine.words):
                holder = machine.words[cursor_index(place) + P_OWNER]
                if layout.participant_name(machine.words, place) == after:
                    membership.remove(machine.words, place, holder)
            return START
        if private[0] == "joined":
            seq = machine.words[cursor_index(private[1])]
            run = private_words(machine.module("multi").new_reader(machine.words, seq)) if shared else ()
            return Receiver(private[1], seq, run)
        if private[0] == "leave":
            membership.remove(machine.words, private[1], owner_token(pid, 1))
            return None
        if not shared:
            after_ = _read_batch(machine, private, pid, last_seq)
        else:
            after_ = _read_claims(machine, private, pid) if private.seq < last_seq else None
        return ("leave", private.place) if after_ is None else after_

    return Actor(name, pid, operation, START, after, locks=True, **options)


def producer(
    name: str,
    pid: int,
    place: int,
    tag: int,
    count: int,
    *,
    batch: int = 1,
    heals: bool = True,
    after: str = "",
    **options: Any,
) -> Actor:
    """One of several producers, ``count`` claims of ``batch`` records."""

    def operation(machine: Machine, private: Any) -> Any:
        multi, participant = machine.module("multi"), machine.module("participant")
        words, capacity = machine.words, machine.capacity
        if private == START:
            if after:
                _take(machine, place)
            local = multi.new_sharer(words, place)
            if after:
                participant.heal(words, place)
            return Sender(private_words(local))
        if private.sent >= count * batch:
            return None
        local = list(private.local)
        last = multi.claim_shared(words, local, capacity, batch)
        if last < 0:
            if heals and machine.any_dead():
                participant.heal(words)
            return private._replace(local=private_words(local))
        for seq in range(last - batch + 1, last + 1):
            for word in range(machine.slot_words):
                machine.fill(seq, word, _value(seq, tag, private.sent + seq - (last - batch + 1)))
        code = participant.commit_shared(words, local, capacity, place, last, EPOCH, owner_token(pid, 1))
        assert code == 0, f"expected to hold place {place}, was {code}"
        claim = (last - batch + 1, last)
        return Sender(private_words(local), (*private.claims, claim), private.sent + batch)

    return Actor(name, pid, operation, START, after, **options)


def shared_reader(
    name: str,
    pid: int,
    place: int,
    *,
    singly: bool = False,
    heals: bool = True,
    after: str = "",
    **options: Any,
) -> Actor:
    """A reader of several producers; ``singly`` releases each record on its own. It never ends."""

    def operation(machine: Machine, private: Any) -> Any:
        words = machine.words
        if private == START:
            if after:
                _take(machine, place)
            seq = words[cursor_index(place)]
            return Receiver(place, seq, private_words(machine.module("multi").new_reader(words, seq)))
        return _read_claims(machine, private, pid, singly, heals)

    return Actor(name, pid, operation, START, after, **options)


def _read_claims(
    machine: Machine, private: Receiver, pid: int, singly: bool = False, heals: bool = False
) -> Receiver:
    """Read and release what there is, of several producers'."""
    multi, participant = machine.module("multi"), machine.module("participant")
    words = machine.words
    run = list(private.run)
    run[multi.R_SEQ] = private.seq
    reach = machine.module("sequence").available(words, private.place)
    last = multi.readable(words, run, machine.capacity, reach)
    private = private._replace(run=private_words(run))
    if last <= private.seq:
        if heals and machine.any_dead():
            participant.heal(words)
        return private
    got: tuple[int, ...] = ()
    if run[multi.R_IS_PADDED]:
        private = private._replace(padded=private.padded + last - private.seq)
    else:
        last = private.seq + 1 if singly else last
        got = tuple(_read(machine, seq) for seq in range(private.seq + 1, last + 1))
    code = participant.commit(words, private.place, last, EPOCH, owner_token(pid, 1))
    assert code == 0, f"expected to hold place {private.place}, was {code}"
    return private._replace(seq=last, got=(*private.got, *got))


class _Copy:
    """The rows that an observer copies to."""

    def __init__(self, rows: int, words: int) -> None:
        self.shape = (rows, words)
        self.rows = [[0] * words for _ in range(rows)]

    def __setitem__(self, at: tuple[int, int], value: int) -> None:
        self.rows[at[0]][at[1]] = value


def observer(name: str, pid: int, polls: int, rows: int = 2) -> Actor:
    """One who looks on ``polls`` times."""

    def operation(machine: Machine, private: Any) -> Any:
        module = machine.module("observer")
        if private == START:
            seq = machine.words[cursor_index(WRITER)]
            local = [0] * 8
            local[module.O_SEQ] = local[module.O_END] = seq
            return Receiver(0, polls, private_words(local), (), 0, seq)
        if private.seq == 0:
            return None
        local, out = list(private.run), _Copy(rows, machine.slot_words)
        before = local[module.O_SEQ]
        count = module.observe(machine.words, machine.slots, machine.capacity, local, out)
        first, lost, missed = local[module.O_FIRST], local[module.O_LOST], local[module.O_MISSED]
        for row in range(count):
            values = out.rows[lost + row]
            assert values[0] == values[-1] and values[0] >> FILL_BITS == first + row, (
                f"copied {first + row}: {values}"
            )
        skipped = local[module.O_SEQ] - before - count - missed
        assert missed >= 0 and skipped >= 0, f"expected no records counted twice, was {skipped}"
        if not machine.base[layout.H_STATES]:
            assert skipped == 0, f"expected all to be seen or missed, was {skipped}"
        return private._replace(seq=private.seq - 1, run=private_words(local))

    return Actor(name, pid, operation, START, mortal=False)


# -- the end of a scenario ------------------------------------------------------------------------------------


def ended(view: View, *roles: str) -> bool:
    """Tell whether of each role (names, in order of succession, with blanks between) somebody is done."""
    done = {name for name, local in view.locals.items() if local.status == DONE}
    return all(not done.isdisjoint(role.split()) for role in roles)


def _check_claims(view: View) -> None:
    """Claims never overlap; the end that is kept is not far behind the last."""
    senders = [local.private for local in view.locals.values() if isinstance(local.private, Sender)]
    made = sorted(claim for sender in senders for claim in sender.claims)
    for before, claim in pairwise(made):
        assert before[1] < claim[0], f"expected claims apart, was {before} and {claim}"
    kept, *ends = view.ends_of_claims()
    assert len(ends) < 2 or ends[-2] - kept <= CAPACITY // 2, (
        f"kept end: expected to be near {ends}, was {kept}"
    )


def drained(view: View, senders: dict[str, int], receivers: str) -> bool:
    """Tell whether all producers are gone and the reader has all; then compare what it got with what was sent."""
    names = receivers.split()
    locals_ = view.locals
    if any(locals_[name].status == RUNNING for name in senders):
        return False
    last = next((locals_[name] for name in reversed(names) if locals_[name].status == RUNNING), None)
    if last is None or not isinstance(last.private, Receiver):
        return False
    if last.private.seq < view.ends_of_claims()[-1]:
        return False
    given = [locals_[name].private for name in names]
    got = [tag for each in given if isinstance(each, Receiver) for tag in each.got]
    padded = sum(each.padded for each in given if isinstance(each, Receiver))
    assert len(got) == len(set(got)), f"expected each record once, was {got}"
    for name, tag in senders.items():
        private = locals_[name].private
        sent = private.sent if isinstance(private, Sender) else 0
        mine = [each & (1 << TAG_SHIFT) - 1 for each in got if each >> TAG_SHIFT == tag]
        whole = locals_[name].status != DEAD
        assert mine == list(range(len(mine))), f"{name}: expected its records in order, was {mine}"
        assert len(mine) >= sent and (not whole or len(mine) == sent), f"{name}: sent {sent}, was {mine}"
    if not any(locals_[name].status == DEAD for name in names):
        end = view.ends_of_claims()[-1] - view.word(layout.H_START_SEQ)
        assert len(got) + padded == end, f"expected {end} records or padding, was {len(got)} + {padded}"
    return True


# -- scenarios ------------------------------------------------------------------------------------------------


def one_writer(
    deaths: int = 1,
    pipeline: bool = False,
    batch: int = 1,
    late: bool = False,
    mutations: Iterable[Mutation] = (),
    start: int = 0,
) -> Outcome:
    """One writer, three records, and one reader, or two in a pipeline; each has an heir."""
    graph_ = {"a": (), "b": ("a",)} if pipeline else {"a": ()}
    holders = {0: 1, 1: 2, 2: 3} if pipeline else {0: 1, 1: 2}
    last = start + 3
    actors = [
        writer("w", 1, last, batch=batch, late=late),
        writer("w2", 11, last, batch=batch, after="w", mortal=False),
        reader("a", 2, 1, last),
        reader("a2", 12, 1, last, after="a", mortal=False),
    ]
    roles = ["w w2", "a a2"]
    if pipeline:
        actors += [reader("b", 3, 2, last), reader("b2", 13, 2, last, after="b", mortal=False)]
        roles.append("b b2")
    return Explorer(
        new_memory(CAPACITY, graph_, holders, start_seq=start),
        actors,
        lambda view: ended(view, *roles),
        deaths=deaths,
        changing=owners(*holders),
        quiet=owners(*holders),
        is_quiet_after_death=True,
        gating=[2] if pipeline else [1],
        mutations=mutations,
    ).run()


def two_producers(
    deaths: int = 1,
    counts: tuple[int, int] = (2, 1),
    batch: int = 1,
    other_batch: int = 0,
    singly: bool = False,
    heirs: bool = True,
    healers: str = "r",
    mortal: str = "pq",
    mutations: Iterable[Mutation] = (),
    start: int = 0,
) -> Outcome:
    """Two producers, three claims, and a reader; each that may die has an heir, or none of the producers has.

    Claims of the dead are padded by their heirs, and by those of p, q, r that are among ``healers``.
    """
    reader_dies = "r" in mortal
    holders = {1: 1, 2: 2, 3: 3}
    actors = [
        producer("p", 2, 2, 2, counts[0], batch=batch, heals="p" in healers, mortal="p" in mortal),
        producer(
            "q", 3, 3, 3, counts[1], batch=other_batch or batch, heals="q" in healers, mortal="q" in mortal
        ),
        shared_reader("r", 1, 1, singly=singly, heals="r" in healers, mortal="r" in mortal),
    ]
    senders = {"p": 2, "q": 3}
    for name, pid, place, tag in (("p", 2, 2, 4), ("q", 3, 3, 5)):
        if heirs and name in mortal:
            heir = f"{name}2"
            actors.append(
                producer(heir, 10 + pid, place, tag, 1, batch=batch, heals=False, after=name, mortal=False)
            )
            senders[heir] = tag
    if reader_dies:
        actors.append(
            shared_reader("r2", 11, 1, singly=singly, heals="r" in healers, after="r", mortal=False)
        )
    return Explorer(
        new_memory(CAPACITY, {"r": ()}, holders, producers=2, start_seq=start),
        actors,
        lambda view: drained(view, senders, "r r2" if reader_dies else "r"),
        deaths=deaths,
        changing=owners(*holders) if deaths else (),
        gating=[1],
        quiet=owners(*holders) | {cursor_index(2), cursor_index(3)},
        slot_words=1,
        check=_check_claims,
        mutations=mutations,
    ).run()


def joining(
    deaths: int = 0,
    at_seq: int | None = None,
    steady: bool = True,
    last: int = 4,
    until: int = 0,
    writer_heals: bool = False,
    heir: bool = True,
    mutations: Iterable[Mutation] = (),
) -> Outcome:
    """A writer and a steady reader, or none; another joins at any moment, reads, leaves; if it dies, one follows.

    It reads up to ``until`` and leaves while the writer goes on. The dead one is
    removed by who follows (``heir``), and by the writer if ``writer_heals``.
    """
    readers = {"a": ()} if steady else {}
    place = 2 if steady else 1
    holders = {0: 1, 1: 2} if steady else {0: 1}
    actors = [writer("w", 1, last, mortal=False), joiner(LATE, 3, until or last, at_seq=at_seq)]
    roles = ["w"] + ([] if deaths and not heir else [f"{LATE} heir" if deaths else LATE])
    if steady:
        actors.append(reader("a", 2, 1, last, mortal=False))
        roles.append("a")
    if deaths and heir:
        actors.append(joiner("heir", 13, until or last, at_seq=at_seq, after=LATE, mortal=False))
    policy = "remove" if writer_heals else "raise"
    masks = {cursor_index(each) + P_GATES for each in range(place + 1)}
    return Explorer(
        new_memory(CAPACITY, readers, holders, vacant_readers=1, dead_readers=policy),
        actors,
        lambda view: ended(view, *roles),
        deaths=deaths,
        changing=owners(*range(place + 1)) | graph(*range(place + 1)),
        quiet=quiet_graph(place),
        locked=masks | owners(*holders),
        is_quiet_after_death=not writer_heals,
        gating=[1] if steady else [],
        mutations=mutations,
    ).run()


def joining_claims(
    at_seq: int | None = None, count: int = 3, batch: int = 1, mutations: Iterable[Mutation] = ()
) -> Outcome:
    """One of several producers and a steady reader; another joins at any moment, reads, and leaves."""
    last = count * batch
    holders = {1: 1, 3: 3}
    masks = {cursor_index(each) + P_GATES for each in range(5)}
    return Explorer(
        new_memory(CAPACITY, {"a": ()}, holders, producers=2, vacant_readers=1),
        [
            producer("p", 3, 3, 3, count, batch=batch, mortal=False),
            shared_reader("a", 1, 1, mortal=False),
            joiner(LATE, 2, last, at_seq=at_seq, shared=True, mortal=False),
        ],
        lambda view: ended(view, "p", LATE) and view.cursor(1) == last,
        changing=owners(*range(5)) | graph(*range(5)),
        quiet=quiet_graph(4) | {cursor_index(3)},
        locked=masks | owners(*holders),
        gating=[1],
        slot_words=1,
        check=_check_claims,
        mutations=mutations,
    ).run()


def observing(shared: bool, deaths: int = 0, mutations: Iterable[Mutation] = ()) -> Outcome:
    """One who looks on, while a writer, or one of several producers on one slot, goes on."""
    if not shared:
        return Explorer(
            new_memory(CAPACITY, {"a": ()}, {0: 1, 1: 2}, observable=True),
            [writer("w", 1, 4), reader("a", 2, 1, 4), observer("o", 9, 3)],
            lambda view: ended(view, "w", "a", "o"),
            changing=claims(WRITER),
            gating=[1],
            mutations=mutations,
        ).run()
    actors = [
        producer("p", 2, 2, 2, 2),
        shared_reader("r", 1, 1, mortal=False),
        observer("o", 9, 1, rows=1),
    ]
    senders = {"p": 2}
    holders = {1: 1, 2: 2}
    return Explorer(
        new_memory(1, {"r": ()}, holders, producers=2),
        actors,
        lambda view: drained(view, senders, "r") and ended(view, "o"),
        deaths=deaths,
        quiet=owners(*holders) | {cursor_index(2)},
        changing=owners(*holders),
        slot_words=1,
        gating=[1],
        mutations=mutations,
    ).run()
