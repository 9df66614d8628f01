"""The matching kernel alone beside engines of other makers: outcomes go to a reader on the other core.

::

    input ring with all commands ──► matching (core A) ──► output ring ──► reader (core B)
    verdicts of the reference run ─┘

The reader takes every word of every outcome, checks that none is missing, doubled or out of order, and adds
them up; sum, count and digest must be those of the reference run. Time runs until the reader is done. The
second figure is the kernel with nobody to read: the difference is what handing over costs.

Peers (:mod:`benchmarks.matching_peers`) run the same flows (:mod:`benchmarks.matching_flows`) on the same cores in
turn with ours: ours, a peer, ours, the next peer, and so on for several turns, after all have run once or twice to
warm up. A slice is a whole run of the flow on books that are new; orders that fill the books first are not timed.
How many times as fast ours is, is the median over the turns of ours and the peer's beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from benchmarks import core_kernels as kernels
from benchmarks.flow_file import translate, write_flow
from benchmarks.machine import Beside, pinned
from benchmarks.matching_flows import COMMANDS, FLOWS, Flow, flow_workload
from benchmarks.matching_peers import PEERS, RunningPeer, build_peer, flow_commands
from benchmarks.measure import Goal, Measured, NotVerified, Runs, expect_equal, repeat
from benchmarks.peer_programs import PeerMissing
from benchmarks.workload import NOBODY, OUTPUT_SLOTS, Bench, Reference, reference
from stages.state_words import MW_DIGEST
from stages.topology import CUR_INPUT_RISK, CUR_OUTPUT_PUBLISH

__all__ = [
    "BookEntry",
    "BookRate",
    "Entries",
    "MatchingRow",
    "Turns",
    "fastest_peer",
    "goals",
    "measure",
    "run",
]

GOAL_PER_S: Final = 8e6
GOAL_TIMES: Final = 2.0


class Turns(Struct, frozen=True, kw_only=True):
    """How often a mode runs everything."""

    turns: int
    few_turns: int  # of peers that run the beginning of a flow only
    warm: int
    alone: int


TURNS: Final = {
    "full": Turns(turns=5, few_turns=2, warm=2, alone=5),
    "quick": Turns(turns=2, few_turns=1, warm=1, alone=2),
}


class BookRate(Struct, frozen=True, kw_only=True):
    """A peer on a flow: its commands a second, and how many times as fast ours was in the same turn."""

    peer: str
    commands: int
    per_second: Runs
    times: Runs


class MatchingRow(Struct, frozen=True, kw_only=True):
    """One flow: rates in commands a second."""

    profile: str
    commands: int
    outcomes: int
    fills: int
    rejects: int
    handed_over: Runs | None  # None where there is one core only
    nobody_reads: Runs
    mean_batch: float  # outcomes that the reader found at a time
    title: str = ""
    judged: bool = True
    resting: int = 0  # before the clock starts
    peers: tuple[BookRate, ...] = ()


class BookEntry(Struct, frozen=True, kw_only=True):
    """A peer by name: what it is, and why it is missing, on all flows or on some."""

    title: str
    missing: str = ""


class Entries:
    """Which peers there are: where each is built, and why others are missing."""

    def __init__(self, names: Sequence[str], build: Callable[[str], Path] = build_peer) -> None:
        self.built: dict[str, Path] = {}
        self.missing: dict[str, str] = {}
        self._names = names
        for name in names:
            try:
                self.built[name] = build(name)
            except PeerMissing as error:
                self.missing[name] = str(error)

    def leave_out(self, name: str, error: PeerMissing) -> None:
        """Note why a peer has no figures from now on."""
        self.built.pop(name, None)
        self.missing[name] = str(error)

    def listed(self) -> dict[str, BookEntry]:
        """Return all peers for the results."""
        listed = {}
        for name in self._names:
            peer = PEERS[name]
            notes = [f"runs the first {peer.most:,} commands"] if peer.most else []
            notes += [f"not on {flow}: filling the books takes it minutes" for flow in peer.not_on]
            title = "; ".join([peer.recipe.title, *notes])
            listed[name] = BookEntry(title=title, missing=self.missing.get(name, ""))
        return listed


def run(
    cores: tuple[int, int],
    mode: str = "full",
    flows: Sequence[Flow] = FLOWS,
    peers: Sequence[str] = tuple(PEERS),
    count: int = 0,
) -> Measured:
    """Measure all flows; ``count`` commands of each (0: as many as the mode has)."""
    entries = Entries(peers if cores[0] != cores[1] else ())
    rows = [measure(cores, flow, mode, entries, count) for flow in flows]
    setup = {
        "commands": f"{count or COMMANDS[mode]:,} of each flow, in memory",
        "output ring": f"{OUTPUT_SLOTS:,} slots of 128 bytes; the peers' has as many of 32 bytes",
        "budget": f"{kernels.BUDGET} commands a step",
        "reader": "touches every word, backs off about 2 µs when it finds nothing; the peers' spin",
        "turns": f"ours, a peer, ours, the next peer, {TURNS[mode].turns} times; a slice is a whole flow",
        "verified": "ours: every word of all outcomes; the peers: the digest of all trades in their order, reports, "
        "rejects, resting orders and lots",
        "durability": "no journal",
    }
    return {"rows": rows, "peers": entries.listed()}, goals(rows), setup


def goals(rows: Sequence[MatchingRow]) -> list[Goal]:
    """Return what is wanted: a rate in the worst flow that is judged, and a multiple of the fastest peer in each."""
    judged = [row for row in rows if row.judged]
    listed = []
    if judged:
        worst = min(judged, key=lambda row: _ours(row).median)
        what = f"matching alone, worst of {len(judged)} flows ({worst.title or worst.profile})"
        listed.append(Goal(what=what, goal=GOAL_PER_S, value=_ours(worst).median, unit="/s"))
    for row in rows:
        fastest = fastest_peer(row)
        if fastest:
            what = f"matching, {row.title or row.profile}, times the fastest peer ({fastest.peer})"
            listed.append(Goal(what=what, goal=GOAL_TIMES, value=round(fastest.times.median, 3), unit="x"))
    return listed


def _ours(row: MatchingRow) -> Runs:
    return row.handed_over or row.nobody_reads


def fastest_peer(row: MatchingRow) -> BookRate | None:
    """Return the peer that ours is ahead of by least."""
    return min(row.peers, key=lambda rate: rate.times.median, default=None)


def measure(
    cores: tuple[int, int], flow: Flow, mode: str, entries: Entries | None = None, count: int = 0
) -> MatchingRow:
    """Measure one flow, ours and the peers' in turn."""
    entries, turns = entries or Entries(()), TURNS[mode]
    if flow.most_turns:
        fewer = min(turns.turns, flow.most_turns)
        turns = Turns(
            turns=fewer, few_turns=min(turns.few_turns, fewer), warm=1, alone=min(turns.alone, fewer)
        )
    workload = flow_workload(flow, mode, count)
    bench = Bench(workload)
    wanted = reference(bench)
    batches: list[float] = []
    handed_over: Runs | None = None
    rates: tuple[BookRate, ...] = ()
    if cores[0] != cores[1]:
        _hand_over(bench, wanted, cores, [])  # loads kernels
        with ExitStack() as stack:
            sides = _open_peers(stack, flow, bench, wanted, cores, entries, turns)
            handed_over, rates = _take_turns(
                lambda: _hand_over(bench, wanted, cores, batches), sides, cores, turns.turns, entries
            )
    return MatchingRow(
        profile=flow.name,
        title=flow.title,
        judged=flow.judged,
        resting=workload.prefill,
        commands=_measured(bench),
        outcomes=_outcomes(bench, wanted),
        fills=wanted.fills,
        rejects=wanted.rejects,
        handed_over=handed_over,
        nobody_reads=repeat(turns.alone, lambda: _alone(bench, wanted, cores)),
        mean_batch=round(float(np.median(batches)), 1) if batches else 0.0,
        peers=rates,
    )


def _measured(bench: Bench) -> int:
    return bench.last_seq - bench.workload.lead


def _outcomes(bench: Bench, wanted: Reference) -> int:
    """Return how many outcomes the measured commands have."""
    return int(wanted.ends[bench.last_seq] - wanted.ends[bench.workload.lead])


class _Side:
    """A peer in its rotation: how many turns it takes, and what they gave."""

    def __init__(self, name: str, running: RunningPeer, commands: int, turns: int) -> None:
        self.name, self.running, self.commands, self.turns = name, running, commands, turns
        self.rates: list[Runs] = []
        self.times: list[float] = []


def _open_peers(
    stack: ExitStack,
    flow: Flow,
    bench: Bench,
    wanted: Reference,
    cores: tuple[int, int],
    entries: Entries,
    turns: Turns,
) -> list[_Side]:
    """Start the peers that run this flow, and let them warm up."""
    where = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringmatch-flow-")))
    path = where / "flow"
    workload, written = bench.workload, False
    answers: dict[int, Any] = {}
    sides = []
    for name, built in list(entries.built.items()):
        peer = PEERS[name]
        if flow.name in peer.not_on:
            continue
        if not written:
            rows, answers[_measured(bench)] = translate(workload, wanted)
            write_flow(path, rows, workload.prefill, int(workload.commands["instrument"].max()))
            written = True
            del rows
        commands = flow_commands(peer, _measured(bench))
        if commands not in answers:
            answers[commands] = translate(workload, wanted, commands)[1]
        try:
            running = RunningPeer(peer, built, path, commands, answers[commands], cores)
            stack.callback(running.close)
            few = commands < _measured(bench)
            for _ in range(1 if few else turns.warm):
                running.run()
            sides.append(_Side(name, running, commands, turns.few_turns if few else turns.turns))
        except PeerMissing as error:
            entries.leave_out(name, error)
    return sides


def _take_turns(
    ours: Callable[[], float],
    sides: Sequence[_Side],
    cores: tuple[int, int],
    turns: int,
    entries: Entries,
) -> tuple[Runs, tuple[BookRate, ...]]:
    """Let ours and the peers take turns; a peer that breaks down is left out, the others go on."""
    our_runs = []
    for turn in range(turns):
        taking: list[_Side | None] = [
            each for each in sides if turn < each.turns and each.name in entries.built
        ]
        for side in taking or [None]:
            our_runs.append(repeat(1, ours, cores))
            if side is not None:
                try:
                    side.rates.append(repeat(1, side.running.run, cores))
                    side.times.append(our_runs[-1].median / side.rates[-1].median)
                except PeerMissing as error:
                    entries.leave_out(side.name, error)
    rates = tuple(
        BookRate(
            peer=side.name,
            commands=side.commands,
            per_second=_together(side.rates),
            times=Runs(values=tuple(round(times, 3) for times in side.times)),
        )
        for side in sides
        if side.name in entries.built
    )
    return _together(our_runs), rates


def _together(runs: Sequence[Runs]) -> Runs:
    """Return runs that were made one by one as one."""
    return Runs(
        values=tuple(value for each in runs for value in each.values),
        round_trips_ns=tuple(trip for each in runs for trip in each.round_trips_ns),
    )


def _hand_over(bench: Bench, wanted: Reference, cores: tuple[int, int], batches: list[float]) -> float:
    bench.rewind(judged=True, feedback=False)
    expected = len(wanted.outcomes)

    def read() -> Any:
        totals = np.zeros(kernels.TOTALS, np.int64)
        kernels.read_outcomes(bench.out_words, bench.out_slot_words, expected, totals)
        return totals

    read_nothing(bench)
    with pinned(cores[0]), Beside(cores[1], read) as reader:
        books = bench.new_books()  # behind the fork: no page of it is copied when it is first written to
        began_ns = _drive(bench, books)
        totals = reader.result()
    if totals[kernels.T_OUTCOMES] != expected or totals[kernels.T_DISORDER]:
        raise NotVerified(f"reader: expected {expected} outcomes in order, was {totals.tolist()}")
    expect_equal("sum of all words that the reader took", wanted.words_sum, int(totals[kernels.T_SUM]))
    expect_equal("digest", wanted.digest, int(books.words[MW_DIGEST]))
    batches.append(float(totals[kernels.T_OUTCOMES] / totals[kernels.T_BATCHES]))
    return _measured(bench) / (int(totals[kernels.T_END_NS]) - began_ns) * 1e9


def _alone(bench: Bench, wanted: Reference, cores: tuple[int, int]) -> float:
    bench.rewind(judged=True, feedback=False)
    bench.out_words[CUR_OUTPUT_PUBLISH] = NOBODY
    books = bench.new_books()
    with pinned(cores[0]):
        began_ns = _drive(bench, books)
        ended_ns = time.monotonic_ns()
    expect_equal("digest", wanted.digest, int(books.words[MW_DIGEST]))
    return _measured(bench) / (ended_ns - began_ns) * 1e9


def _drive(bench: Bench, books: Any) -> int:
    """Carry out all commands; return when those began that are measured."""
    lead = bench.workload.lead
    bench.in_words[CUR_INPUT_RISK] = lead
    _drive_to(bench, books, lead)
    if int(kernels.await_reader(bench.out_words)) == kernels.STUCK:
        raise TimeoutError("matching: expected the reader to read all outcomes, was stuck")
    bench.in_words[CUR_INPUT_RISK] = bench.last_seq
    return _drive_to(bench, books, bench.last_seq)


def _drive_to(bench: Bench, books: Any, seq: int) -> int:
    began_ns = int(
        kernels.drive_matching(
            bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slot_words, books, seq
        )
    )
    if began_ns == kernels.STUCK:
        raise TimeoutError("matching: expected the reader to make room, was stuck")
    return began_ns


def read_nothing(bench: Bench) -> None:
    """Load the reader's kernel here, so that its process has it from the fork."""
    kernels.read_outcomes(bench.out_words, bench.out_slot_words, 0, np.zeros(kernels.TOTALS, np.int64))
