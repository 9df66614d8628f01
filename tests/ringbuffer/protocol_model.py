"""The ring's protocol, one access to shared memory at a time, in all orders: a model checker over the real code.

There is no second description of the protocol that could drift from the first. The modules of ``ringbuffer`` are
executed from their sources once more, as plain Python, with three imports exchanged: the atomics, the view of
shared memory, and who is alive. Each access to a word that may change is one step.

How a step is taken: an operation (claim, fill and publish one record, say) is a function of a participant's
private state. It is run with the answers that its accesses got so far; the first access without an answer ends
the run by :class:`Pause` and is what the participant does next. So the local state of a participant is (private
state, answers), a value: it can be hashed, remembered and forked, and what comes next is computed once for each.
Search is breadth first over (memory, local states), each state once.

Checked: assertions of the operations (a torn or wrong record), no slot filled while a reader may look at it,
and from *every* state reached the end must be reachable without another death. That is "nobody waits for ever" for
any fair scheduler. A death may strike at any step, within the budget of a scenario; then the participant's
successor starts.

Limits: memory is sequentially consistent here. What processors and compilers reorder is the business of
``test_litmus.py`` and ``test_machine_code.py``; a canary stores in the wrong order on purpose.
"""

from __future__ import annotations

import builtins
from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np

import ringbuffer
from ringbuffer import claim_state, layout, liveness
from ringbuffer.layout import (
    H_CAPACITY,
    H_STATES,
    P_CLAIMED,
    P_GATES,
    P_HEARTBEAT,
    P_NAME,
    P_OWNER,
    P_PID,
    P_START_TIME,
    P_STATE,
    cursor_index,
)

END: Final = cursor_index(layout.WRITER) + P_CLAIMED  # of several producers

__all__ = ["Actor", "Explorer", "Machine", "Mutation", "Outcome", "Violation", "new_memory", "private_words"]

SOURCES: Final = Path(ringbuffer.__file__).parent
REAL: Final = ("layout", "errors", "claim_state")  # what touches no memory but through its arguments
SILENT: Final = frozenset({P_HEARTBEAT, P_PID, P_START_TIME, P_STATE})  # for readers of a status only
SLOT_WORDS: Final = 2  # so that a record can be torn; one is enough to be stale
FILL_BITS: Final = 8  # of a slot's word: who filled it


class Mutation(NamedTuple):
    """A change to the text of a module, made before it is executed: a fault that must be found."""

    module: str
    old: str
    new: str


class Pause(BaseException):
    """An operation has come to an access that has no answer yet."""


class Again(BaseException):
    """An operation has found nothing to do and starts again."""


class Violation(AssertionError):
    """The protocol broke a promise; the message has the way there."""


class Words:
    """The words of a ring as the protocol's code sees them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return np.array([self[at] for at in range(index.start, index.stop)], np.int64)
        return self._machine.access(("load", int(index)))

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            for at, each in zip(range(index.start, index.stop), value, strict=True):
                self[at] = int(each)
        else:
            self._machine.access(("store", int(index), int(value)))


class _SlotWords:
    """The slots as an observer copies them."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __getitem__(self, at: tuple[int, int]) -> int:
        return self._machine.read(at[0], at[1])


class Machine:
    """The protocol's code over a memory that it does not own: each access asks, and may be paused."""

    def __init__(self, memory: Sequence[int], mutations: Iterable[Mutation] = ()) -> None:
        self.base = list(memory)
        self.capacity = self.base[H_CAPACITY]
        self.slot_words = SLOT_WORDS
        self.words = Words(self)
        self.slots = _SlotWords(self)
        self.variables: dict[int, int] = {}  # index of a word that may change: its place in a memory
        self.pid = 0
        self._answers: tuple[Any, ...] = ()
        self._given = 0
        self.wanted: tuple[Any, ...] | None = None
        self._mutations = list(mutations)
        self._modules: dict[str, Any] = {}
        self._fakes: dict[str, Any] = {
            "numpy": SimpleNamespace(int64=int, zeros=lambda count, dtype=None: [0] * count),
            "time": SimpleNamespace(monotonic=lambda: 0.0, monotonic_ns=lambda: 0, sleep=self._sleep),
            "ringbuffer.kernel": SimpleNamespace(
                kernel=lambda function: function, inlined=lambda function: function, JIT_DISABLED=True
            ),
            "ringbuffer.native": _Native(),
            "ringbuffer.atomics": self._atomics(),
            "ringbuffer.liveness": SimpleNamespace(
                is_alive=lambda pid, start_time: pid > 0 and bool(self.access(("alive", int(pid)))),
                own_identity=lambda: (self.pid, 1),
                owner_token=liveness.owner_token,
                split_token=liveness.split_token,
            ),
        }

    def module(self, name: str) -> Any:
        """Return a module of the package, executed from its source over this machine."""
        if name not in self._modules:
            text = (SOURCES / f"{name}.py").read_text()
            for mutation in self._mutations:
                if mutation.module == name:
                    assert text.count(mutation.old) == 1, f"expected once in {name}.py: {mutation.old!r}"
                    text = text.replace(mutation.old, mutation.new)
            module = ModuleType(f"shadow.{name}")
            space = module.__dict__
            space["__builtins__"] = {**vars(builtins), "__import__": self._import}
            self._modules[name] = module
            exec(compile(text, str(SOURCES / f"{name}.py"), "exec"), space)
        return self._modules[name]

    def access(self, wanted: tuple[Any, ...]) -> Any:
        """Answer an access, or pause at it; one to a word that never changes is no step."""
        kind, *rest = wanted
        if kind in ("load", "store", "exchange", "add") and rest[0] not in self.variables:
            if kind == "load":
                return self.base[rest[0]]
            silent = kind == "store" and (
                (rest[0] - cursor_index(0)) % layout.PARTICIPANT_WORDS in SILENT
                or rest[1] == self.base[rest[0]]
            )
            assert silent, f"expected a word that the scenario lets change, was {wanted}"
            return None
        if self._given < len(self._answers):
            self._given += 1
            return self._answers[self._given - 1]
        if self.wanted is None:
            self.wanted = wanted
        raise Pause

    def fill(self, seq: int, word: int, value: int) -> None:
        """Write a word of the slot of ``seq``, as its claimant."""
        self.access(("fill", seq, word, value))

    def read(self, seq: int, word: int) -> int:
        """Read a word of the slot of ``seq``."""
        return int(self.access(("read", seq & (self.capacity - 1), word)))

    def any_dead(self) -> bool:
        """Tell whether a participant is dead: what a look at those it waits for would find."""
        return bool(self.access(("any_dead",)))

    def run(self, actor: Actor, private: Any, answers: tuple[Any, ...]) -> tuple[str, Any]:
        """Return ``("access", next)``, ``("done", private)``, ``("again", private)`` or ``("wrong", why)``."""
        self.pid, self._answers, self._given, self.wanted = actor.pid, answers, 0, None
        try:
            result = actor.operation(self, private)
        except Pause:
            assert self.wanted is not None
            return "access", self.wanted
        except Again:
            return "again", private
        except AssertionError as error:
            return ("access", self.wanted) if self.wanted is not None else ("wrong", str(error))
        return "done", result

    def _sleep(self, seconds: float) -> None:
        raise Again

    def _atomics(self) -> SimpleNamespace:
        return SimpleNamespace(
            load_acquire=lambda words, index: words[index],
            store_release=lambda words, index, value: words.__setitem__(index, value),
            compare_exchange=lambda words, index, expected, desired: bool(
                self.access(("exchange", int(index), int(expected), int(desired)))
            ),
            fetch_add=lambda words, index, delta: self.access(("add", int(index), int(delta))),
            fence=lambda: None,
            fence_acquire=lambda: None,
            fence_release=lambda: None,
            pause=lambda: None,
        )

    def _import(
        self, name: str, space: Any = None, local: Any = None, names: Sequence[str] = (), level: int = 0
    ) -> Any:
        if name in self._fakes:
            return self._fakes[name]
        package, _, module = name.partition(".")
        if package == "ringbuffer" and module and (module not in REAL or self._is_mutated(module)):
            return self.module(module)
        return __import__(name, space, local, names, level)

    def _is_mutated(self, module: str) -> bool:
        return any(mutation.module == module for mutation in self._mutations)


class _Native:
    """What the protocol needs of the natives; others exist, and are never called."""

    def __getattr__(self, name: str) -> Any:
        if name == "ctz64":
            return lambda value: (value & -value).bit_length() - 1
        if name == "clock_ns":
            return lambda: 0
        return None


class Actor(NamedTuple):
    """A process: its operation, repeated until it returns None, from a private state."""

    name: str
    pid: int
    operation: Callable[[Machine, Any], Any]
    private: Hashable
    after: str = ""  # starts when this one has died; empty: at the beginning
    mortal: bool = True
    locks: bool = False  # changes the graph, under its lock


IDLE: Final = "idle"
DONE: Final = "done"
DEAD: Final = "dead"
RUNNING: Final = "running"


class Local(NamedTuple):
    """The local state of an actor."""

    status: str
    private: Any
    answers: tuple[Any, ...] = ()


class View:
    """One state, for predicates: the memory and what the actors know."""

    def __init__(self, explorer: Explorer, memory: tuple[int, ...], ids: tuple[int, ...]) -> None:
        self._explorer = explorer
        self._memory = memory
        self._ids = ids

    @property
    def locals(self) -> dict[str, Local]:
        """The local states by the names of the actors."""
        explorer = self._explorer
        names = (actor.name for actor in explorer.actors)
        return {name: explorer.locals[each] for name, each in zip(names, self._ids, strict=True)}

    def word(self, index: int) -> int:
        """Return a word of the ring."""
        at = self._explorer.machine.variables.get(index)
        return int(self._explorer.machine.base[index] if at is None else self._memory[at])

    def cursor(self, participant: int) -> int:
        """Return the cursor of a participant."""
        return self.word(cursor_index(participant))

    def ends_of_claims(self) -> list[int]:
        """Return the end of claims of several producers that is kept, and those of the claims behind it."""
        capacity, states = self.word(H_CAPACITY), self.word(H_STATES)
        ends = [self.word(END)]
        while True:
            first = ends[-1] + 1
            state = self.word(states + (first & capacity - 1))
            age = claim_state.age_of_state(state, first, capacity)
            assert age <= 0, f"kept end: expected less than a lap behind the claims, was {ends[0]}"
            if age < 0:
                return ends
            ends.append(ends[-1] + (state >> claim_state.COUNT_SHIFT & claim_state.COUNT_MASK))


class Outcome(NamedTuple):
    """What a search has seen."""

    states: int
    finals: int
    deaths: int


class Explorer:
    """Breadth-first search of all interleavings of some actors on one ring."""

    def __init__(
        self,
        memory: Sequence[int],
        actors: Sequence[Actor],
        is_final: Callable[[View], bool],
        *,
        deaths: int = 0,
        changing: Iterable[int] = (),
        quiet: Iterable[int] = (),
        locked: Iterable[int] = (),
        is_quiet_after_death: bool = False,
        gating: Sequence[int] = (),
        check: Callable[[View], None] | None = None,
        slot_words: int = SLOT_WORDS,
        mutations: Iterable[Mutation] = (),
        most_states: int = 2_000_000,
    ) -> None:
        """Take words that may change beside the cursors, and the readers that no claim may overrun (``gating``).

        ``quiet`` words are touched by one actor only until somebody has died, or as long as it lives itself: its
        accesses to them commute with all that others do, so only its death is tried there, not their order.
        Loads of ``locked`` words by who alone may store them (``Actor.locks``) are the same.
        """
        self.machine = Machine(memory, mutations)
        self.machine.slot_words = slot_words
        self.actors = list(actors)
        self.locals: list[Local] = []
        self._ids: dict[tuple[int, Local], int] = {}
        self._wanted: list[tuple[Any, ...] | None] = []  # by local: its next access
        self._after: dict[tuple[int, Any], int] = {}  # by local and answer: the next local
        self._is_final = is_final
        self._deaths = deaths
        self._gating = list(gating)
        self._check = check
        self._most_states = most_states
        participants = self.machine.base[layout.H_PARTICIPANTS]
        changing = {*changing, *(cursor_index(each) for each in range(participants))}
        if states := self.machine.base[H_STATES]:
            changing |= {*range(states, states + self.machine.capacity), END}
        self.machine.variables.update({word: at for at, word in enumerate(sorted(changing))})
        self._quiet = frozenset(quiet)
        self._locked = frozenset(locked)
        self._is_quiet_after_death = is_quiet_after_death
        self._slots_at = len(changing)

    def run(self) -> Outcome:
        """Search; raise Violation with the steps that lead to what is wrong."""
        base = self.machine.base
        memory = tuple(base[word] for word in self.machine.variables) + (0,) * (
            self.machine.slot_words * self.machine.capacity
        )
        firsts = [Local(IDLE if actor.after else RUNNING, actor.private) for actor in self.actors]
        start = (memory, tuple(self._id_of(place, local) for place, local in enumerate(firsts)))
        ids = {start: 0}
        states = [start]
        parents: list[tuple[int, int, bool]] = [(-1, 0, False)]  # state before, actor, whether it died
        sources, targets = array("l"), array("l")  # edges that are not deaths
        finals, deaths = [], 0
        here = 0
        try:
            while here < len(states):
                view = View(self, *states[here])
                if self._check is not None:
                    self._check(view)
                if self._is_final(view):
                    finals.append(here)
                for place, is_death, state in self._successors(*states[here]):
                    there = ids.setdefault(state, len(states))
                    if there == len(states):
                        states.append(state)
                        parents.append((here, place, is_death))
                        assert there < self._most_states, f"expected <= {self._most_states} states"
                    deaths += is_death
                    if not is_death:
                        sources.append(here)
                        targets.append(there)
                here += 1
            self._check_all_end(len(states), sources, targets, finals)
        except Stuck as error:
            raise Violation(f"waits for ever; steps: {self._way(states, parents, error.state)}") from error
        except AssertionError as error:
            raise Violation(f"{error}; steps: {self._way(states, parents, here)}") from error
        return Outcome(len(states), len(finals), deaths)

    def _successors(self, memory: Any, ids: tuple[int, ...]) -> Iterable[tuple[int, bool, Any]]:
        """Return what may happen next: actor, whether it dies, the state after."""
        dead = sum(self.locals[each].status == DEAD for each in ids)
        moving = [place for place, each in enumerate(ids) if self.locals[each].status == RUNNING]
        if not dead or self._is_quiet_after_death:
            moving = next(([place] for place in moving if self._is_quiet(place, ids)), moving)
        for place in moving:
            wanted = self._wanted[ids[place]]
            assert wanted is not None
            answer, after = self._perform(memory, ids, wanted)
            key = (ids[place], answer)
            local_id = self._after.get(key, -1)
            if local_id < 0:
                local = self.locals[ids[place]]
                local_id = self._id_of(place, Local(RUNNING, local.private, (*local.answers, answer)))
                self._after[key] = local_id
            yield place, False, (after, _replaced(ids, place, local_id))
            if self.actors[place].mortal and dead < self._deaths:
                yield place, True, (memory, self._without(place, ids))

    def _is_quiet(self, place: int, ids: tuple[int, ...]) -> bool:
        kind, *rest = self._wanted[ids[place]] or ("",)
        if kind not in ONE_WORD:
            return False
        return rest[0] in self._quiet or (
            kind == "load" and rest[0] in self._locked and self.actors[place].locks
        )

    def _without(self, place: int, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return the local states after a death: the heir begins."""
        private = self.locals[ids[place]].private
        fallen = list(_replaced(ids, place, self._id_of(place, Local(DEAD, private))))
        for other, heir in enumerate(self.actors):
            if heir.after == self.actors[place].name:
                fallen[other] = self._id_of(other, Local(RUNNING, heir.private))
        return tuple(fallen)

    def _id_of(self, place: int, local: Local) -> int:
        """Return the number of a local state; one that has all its answers goes on to its next access first."""
        wanted = None
        if local.status == RUNNING:
            local, wanted = self._settled(place, local)
        found = self._ids.get((place, local))
        if found is None:
            found = self._ids[place, local] = len(self.locals)
            self.locals.append(local)
            self._wanted.append(wanted)
        return found

    def _settled(self, place: int, local: Local) -> tuple[Local, tuple[Any, ...] | None]:
        """Go on to the next access: end operations that have all their answers."""
        actor = self.actors[place]
        while True:
            kind, result = self.machine.run(actor, local.private, local.answers)
            assert kind != "wrong", f"{actor.name}: {result}"
            if kind == "access":
                return local, result
            if kind == "again":
                local = Local(RUNNING, local.private)
            elif result is None:
                return Local(DONE, local.private), None
            else:
                local = Local(RUNNING, result)

    def _perform(self, memory: Any, ids: tuple[int, ...], wanted: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the answer to an access and the memory after it."""
        kind, *rest = wanted
        if kind == "load":
            return memory[self.machine.variables[rest[0]]], memory
        if kind == "alive":
            return any(
                actor.pid == rest[0] and self.locals[each].status != DEAD
                for actor, each in zip(self.actors, ids, strict=True)
            ), memory
        if kind == "any_dead":
            return any(self.locals[each].status == DEAD for each in ids), memory
        if kind == "read":
            return memory[self._slots_at + rest[0] * self.machine.slot_words + rest[1]], memory
        if kind == "fill":
            seq, word, value = rest
            for reader in self._gating:
                done = memory[self.machine.variables[cursor_index(reader)]]
                assert seq - self.machine.capacity <= done, f"fills {seq}, was at {done} with reader {reader}"
            at = self._slots_at + (seq & (self.machine.capacity - 1)) * self.machine.slot_words + word
            return None, _replaced(memory, at, value)
        at = self.machine.variables[rest[0]]
        if kind == "store":
            return None, _replaced(memory, at, rest[1])
        if kind == "add":
            return memory[at], _replaced(memory, at, memory[at] + rest[1])
        assert kind == "exchange"
        if memory[at] != rest[1]:
            return False, memory
        return True, _replaced(memory, at, rest[2])

    @staticmethod
    def _check_all_end(count: int, sources: Any, targets: Any, finals: list[int]) -> None:
        """Raise unless an end can be reached from every state without another death."""
        reaches = np.zeros(count, bool)
        reaches[finals] = True
        by_target = np.argsort(np.asarray(targets), kind="stable")
        source_of = np.asarray(sources)[by_target]
        starts = np.searchsorted(np.asarray(targets)[by_target], np.arange(count + 1)).tolist()
        todo = list(finals)
        while todo:
            there = todo.pop()
            for before in source_of[starts[there] : starts[there + 1]].tolist():
                if not reaches[before]:
                    reaches[before] = True
                    todo.append(before)
        if not reaches.all():
            raise Stuck(int(np.argmin(reaches)))

    def _way(self, states: list[Any], parents: list[tuple[int, int, bool]], here: int) -> str:
        """Return the steps from the start to a state, and what comes next for each there."""
        steps = [
            f"next {actor.name}:{self._wanted[each] or self.locals[each].status}"
            for actor, each in zip(self.actors, states[here][1], strict=True)
        ]
        while here > 0:
            before, place, is_death = parents[here]
            wanted = "dies" if is_death else self._wanted[states[before][1][place]]
            steps.append(f"{self.actors[place].name}:{wanted}")
            here = before
        return " ".join(reversed(steps))


class Stuck(Exception):
    """A state from which no end can be reached."""

    def __init__(self, state: int) -> None:
        super().__init__(state)
        self.state = state


ONE_WORD: Final = frozenset({"load", "store", "exchange", "add"})


def _replaced(values: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*values[:at], value, *values[at + 1 :])


def private_words(values: Any) -> tuple[int, ...]:
    """Return the private words of a kernel as a value."""
    return tuple(int(each) for each in values)


def new_memory(
    capacity: int, readers: Any, holders: dict[int, int], *, start_seq: int = 0, **options: Any
) -> list[int]:
    """Return the words of a fresh ring whose places are held by these pids."""
    producers, vacant = options.get("producers", 1), options.get("vacant_readers", 0)
    participants = layout.count_participants(len(readers) + vacant, producers)
    kind = layout.KIND_SINGLE if producers == 1 else layout.KIND_MULTI
    buffer = bytearray(layout.ring_bytes(capacity, 8 * SLOT_WORDS, participants, kind))
    dtype = np.dtype([("first", "<i8"), ("second", "<i8")])
    words, _ = layout.initialise(buffer, 0, capacity, dtype, readers, start_seq, **options)
    for place, pid in holders.items():
        words[cursor_index(place) + P_OWNER] = liveness.owner_token(pid, 1)
    return [int(word) for word in words]


def owners(*places: int) -> set[int]:
    """Return the words that say who holds these places."""
    return {cursor_index(place) + P_OWNER for place in places}


def claims(*places: int) -> set[int]:
    """Return the words that announce claims."""
    return {cursor_index(place) + P_CLAIMED for place in places}


def graph(*places: int) -> set[int]:
    """Return the words that change when readers of these places come and go, with the lock."""
    masks = {cursor_index(place) + P_GATES for place in places}
    names = {cursor_index(place) + P_NAME for place in places}  # names of up to 8 bytes
    return masks | names | {layout.H_MEMBER_LOCK}


def quiet_graph(place: int) -> set[int]:
    """Return the words that only who changes the graph touches, while nobody dies: names, a new holder, the lock."""
    names = {cursor_index(each) + P_NAME for each in range(place + 1)}
    return names | owners(place) | {layout.H_MEMBER_LOCK}
