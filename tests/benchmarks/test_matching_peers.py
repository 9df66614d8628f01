"""Engines of other makers: asked for runs, verified by their trades, reported and not counted when they fail or lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import matching
from benchmarks.flow_file import Answer, write_flow
from benchmarks.machine import two_cores
from benchmarks.matching import Entries, goals, measure
from benchmarks.matching_flows import FLOWS
from benchmarks.matching_peers import PEERS, BookPeer, RunningPeer, build_peer, flow_commands
from benchmarks.peer_programs import SHARED, SOURCES, PeerMissing, Recipe, build_program
from tests.benchmarks.books import PlainBooks
from tests.structure.tree import ROOT

CORES = two_cores()
NORMAL = FLOWS[0]
COUNT = 2_000
WANTED = Answer(
    ns=0, reports=10, trades=2, lots=30, rejects=1, digest=-7, resting_orders=3, resting_lots=40
)  # fmt: skip
CANNED = """\
import os, sys
print("ready", *{threads}, flush=True)
for line in sys.stdin:
    assert line == "run\\n"
    print({answer}, flush=True)
"""
HONEST = """\
import sys, time
sys.path.insert(0, ROOT)
import msgspec
from pathlib import Path
from benchmarks.flow_file import read_flow
from tests.benchmarks.books import PlainBooks
rows, prefill, instruments = read_flow(Path(sys.argv[1]))
rows = rows[: prefill + int(sys.argv[2])]
print("ready", flush=True)
for turn, line in enumerate(sys.stdin):
    answer = msgspec.structs.replace(PlainBooks().run(rows), ns=10**9)
    BREAKS
    print("ok", msgspec.json.encode(answer).decode(), flush=True)
"""
needs_two_cores = pytest.mark.skipif(CORES[0] == CORES[1], reason="peers hand over to another core")


def canned(answer: str, threads: str = "()") -> BookPeer:
    """Return a peer that answers every run with an expression."""
    program = CANNED.replace("{answer}", answer).replace("{threads}", threads)
    return BookPeer(Recipe("a fake", 32, (), (), (sys.executable, "-c", program)))


def honest(breaks: str = "pass", most: int = 0) -> BookPeer:
    """Return a peer that carries out the flow, slowly, and says that it took a second."""
    program = HONEST.replace("ROOT", repr(str(ROOT))).replace("BREAKS", breaks)
    return BookPeer(Recipe("an honest fake", 32, (), (), (sys.executable, "-c", program)), most)


def said(**changes: int) -> str:
    """Return the expression of an answer."""
    answer = msgspec.structs.replace(WANTED, **{"ns": 500_000, **changes})
    return f"'ok', {msgspec.json.encode(answer).decode()!r}"


def running(where: Path, peer: BookPeer) -> RunningPeer:
    """Start a peer with an empty flow."""
    return RunningPeer(peer, where, where / "flow", 1_000, WANTED, CORES)


def test_a_run_is_verified_and_gives_a_rate(tmp_path: Path) -> None:
    """A thousand commands in half a millisecond are two million a second."""
    with running(tmp_path, canned(said())) as peer:
        assert peer.run() == pytest.approx(2e6)
        assert peer.run() == pytest.approx(2e6)


def test_threads_that_are_named_are_pinned(tmp_path: Path) -> None:
    """A program that cannot pin its threads says which they are, the writer first."""
    affinity = "str(sorted(os.sched_getaffinity(0))[0])"
    program = canned(f"'error', {affinity}", "(os.getpid(),)")
    before = os.sched_getaffinity(0)
    with running(tmp_path, program) as peer, pytest.raises(PeerMissing, match=f"was error {CORES[0]}$"):
        peer.run()
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(trades=1), "^trades: expected 2, was 1$"),
        (said(digest=8), "^digest: expected -7, was 8$"),
        (said(resting_lots=41), "^resting_lots: expected 40, was 41$"),
        (said(reports=9), "^reports: expected 10, was 9$"),
        (said(ns=0), "^ns: expected more than 0, was 0$"),
        ("'ok', 'fast'", "expected the answer of a run, was 'fast'"),
        ("'ok', '{\"ns\": 5}'", "expected the answer of a run"),
        ("'error', 'no such flow'", "expected ok, was error no such flow"),
        ("sys.exit('Error: out of memory')", "but it ended: Error: out of memory"),
    ],
)
def test_who_fails_or_lies_is_left_out(tmp_path: Path, answer: str, reason: str) -> None:
    """Other trades, other leftovers, an error and an end are reasons, by name and figure."""
    with running(tmp_path, canned(answer)) as peer, pytest.raises(PeerMissing, match=reason):
        peer.run()


def test_a_program_that_does_not_start_is_left_out(tmp_path: Path) -> None:
    """A program that ends before it is ready is no error."""
    peer = BookPeer(Recipe("a fake", 32, (), (), (sys.executable, "-c", "raise SystemExit(3)")))
    with pytest.raises(PeerMissing, match="it ended: no output"):
        running(tmp_path, peer)


def test_what_programs_share_is_built_in(tmp_path: Path) -> None:
    """A shared file is copied to its place, and another content of it is another build."""
    (tmp_path / "sources" / "fake" / "src").mkdir(parents=True)
    (tmp_path / "sources" / SHARED).mkdir()
    shared = tmp_path / "sources" / SHARED / "harness.txt"
    recipe = Recipe("a fake", 32, (), (), (), (("harness.txt", "src/harness.txt"),))
    built = []
    for text in ("one", "two"):
        shared.write_text(text)
        built.append(build_program("fake", recipe, tmp_path, tmp_path / "sources"))
        assert (built[-1] / "src" / "harness.txt").read_text() == text
    assert built[0] != built[1]


def test_a_peer_that_is_not_built_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The entry says what is missing; nothing else does."""
    broken = BookPeer(Recipe("a fake 1.0", 32, ("no-such-compiler",), (), ()), most=100, not_on=("medium",))
    monkeypatch.setitem(PEERS, "fake", broken)
    entries = Entries(("fake",), lambda name: build_peer(name, tmp_path))
    assert entries.built == {}
    entry = entries.listed()["fake"]
    assert entry.missing == "no-such-compiler: not found"
    assert (
        entry.title
        == "a fake 1.0; runs the first 100 commands; not on medium: filling the books takes it minutes"
    )


def test_a_slow_peer_runs_the_beginning() -> None:
    """How many commands a peer runs is the flow's number, or its own if that is less."""
    assert flow_commands(honest(), 500) == 500
    assert flow_commands(honest(most=100), 500) == 100
    assert flow_commands(honest(most=1_000), 500) == 500


def entries_of(monkeypatch: pytest.MonkeyPatch, where: Path, **peers: BookPeer) -> Entries:
    """Return entries of peers that need no build."""
    for name, peer in peers.items():
        monkeypatch.setitem(PEERS, name, peer)
    return Entries(tuple(peers), lambda name: where)


@needs_two_cores
def test_peers_take_turns_with_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ours runs beside every turn of a peer; a peer that lies has no row, and the others go on."""
    entries = entries_of(
        monkeypatch,
        tmp_path,
        whole=honest(),
        part=honest(most=500),
        liar=honest("answer = msgspec.structs.replace(answer, lots=answer.lots + (turn > 0))"),
    )
    row = measure(CORES, NORMAL, "quick", entries, COUNT)
    assert row.handed_over is not None
    rates = {rate.peer: rate for rate in row.peers}
    assert set(rates) == {"whole", "part"}
    assert (rates["whole"].commands, rates["part"].commands) == (COUNT, 500)
    assert rates["whole"].per_second.values == (COUNT, COUNT)
    assert rates["part"].per_second.values == (500,)
    assert len(rates["whole"].times.values) == len(rates["whole"].per_second.round_trips_ns) == 2
    assert len(row.handed_over.values) == 4  # whole, part and liar in the first turn, whole in the second
    assert rates["whole"].times.low > 10
    assert entries.listed()["liar"].missing.startswith("lots: expected ")


@needs_two_cores
def test_a_peer_that_lies_at_once_has_no_turn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A peer that makes other trades while it warms up is left out from the start; ours is measured all the same."""
    liar = honest("answer = msgspec.structs.replace(answer, digest=0)")
    entries = entries_of(monkeypatch, tmp_path, liar=liar)
    row = measure(CORES, NORMAL, "quick", entries, COUNT)
    assert row.peers == ()
    assert row.handed_over is not None
    assert len(row.handed_over.values) == 2
    assert entries.listed()["liar"].missing.startswith("digest: expected ")
    assert [goal.what for goal in goals([row])] == ["matching alone, worst of 1 flows (normal)"]


@needs_two_cores
def test_goals_name_the_fastest_peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rate is judged in the worst flow that counts, the multiple against the peer that is nearest."""
    monkeypatch.setitem(PEERS, "near", honest())
    monkeypatch.setitem(PEERS, "far", honest("answer = msgspec.structs.replace(answer, ns=10**10)"))
    monkeypatch.setattr(matching, "Entries", lambda names: Entries(names, lambda name: tmp_path))
    results, wanted, setup = matching.run(CORES, "quick", [NORMAL, FLOWS[5]], ("near", "far"), COUNT)
    assert [row.profile for row in results["rows"]] == ["normal", "moves"]
    assert results["rows"][1].resting == 1_000
    assert [goal.what for goal in wanted] == [
        "matching alone, worst of 1 flows (normal)",
        "matching, normal, times the fastest peer (near)",
        "matching, exchange-core's mix, times the fastest peer (near)",
    ]
    assert "every word" in setup["verified"]


def test_every_recipe_has_its_sources() -> None:
    """The programs of all peers are in the tree, and each is pinned to the version in its title."""
    for name, peer in PEERS.items():
        home = SOURCES / name
        programs = [*home.rglob("*.java"), *home.rglob("*.rs"), *home.rglob("*.py")]
        assert programs, name
        manifests = [home / file for file in ("pom.xml", "Cargo.toml", "requirements.txt")]
        manifest = next(path for path in manifests if path.exists()).read_text()
        assert peer.recipe.title.rpartition(" ")[2] in manifest, name
        for shared, _ in peer.recipe.shares:
            assert (SOURCES / SHARED / shared).exists()


def test_the_flow_of_a_fake_is_what_was_written(tmp_path: Path) -> None:
    """A program that reads the file with our reader answers what a plain book gives for it."""
    rows = np.array([[1 | 1 << 8 | 1 << 16 | 1 << 32, 1, 100, 5, 0, 1]], np.int64)
    write_flow(tmp_path / "flow", rows, 0, 1)
    wanted = PlainBooks().run(rows)
    with RunningPeer(honest(), tmp_path, tmp_path / "flow", 1, wanted, CORES) as peer:
        assert peer.run() == 1.0
