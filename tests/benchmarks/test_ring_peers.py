"""Peers of other makers: built once, spoken to by lines, left out by name when anything is missing or wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ring_peers
from benchmarks.machine import two_cores
from benchmarks.ring_peers import RECIPES, ExternalPeer, PeerMissing, Recipe, build
from benchmarks.ring_workloads import PINGPONG, THROUGHPUT, sum_of_sent

UNICAST = THROUGHPUT[0]
CORES = two_cores()
PROGRAM = '''\
import os, sys
print("ready", os.getpid(), os.getpid(), flush=True)
for line in sys.stdin:
    workload, strategy, messages = line.split()
    print({answer}, flush=True)
'''  # fmt: skip


def recipe(answer: str, tools: tuple[str, ...] = (), builds: tuple[tuple[str, ...], ...] = ()) -> Recipe:
    """Return a peer in Python that gives this answer, an expression, to every request."""
    return Recipe("a fake", 8, tools, builds, (sys.executable, "-c", PROGRAM.replace("{answer}", answer)))


def peer(monkeypatch: pytest.MonkeyPatch, where: Path, answer: str, workload: Any = UNICAST) -> ExternalPeer:
    """Start a fake peer."""
    monkeypatch.setitem(RECIPES, "fake", recipe(answer))
    return ExternalPeer("fake", workload, "busy", CORES, where)


def test_a_slice_is_asked_for_and_verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program says nanoseconds and the sum of all that its readers got."""
    total = sum_of_sent(UNICAST, 1000, 8)
    with peer(monkeypatch, tmp_path, f"'ok', int(messages) * 5, {total}") as fake:
        assert fake.run(1000) == 5000.0
        assert fake.run(1000) == 5000.0


def test_ping_pong_answers_percentiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program says p50, p99, p99.9 and the maximum of its round trips, and the sum."""
    total = sum_of_sent(PINGPONG, 10, 8)
    with peer(monkeypatch, tmp_path, f"'ok', 1, 2, 3, 4, {total}", PINGPONG) as fake:
        assert fake.run(10) == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("'ok', 5000, 17", "checksum: expected 499500, was 17"),
        ("'error', 'no such workload'", "expected ok, was error no such workload"),
        ("sys.exit('Error: it went away')", "but it ended: Error: it went away"),
    ],
)
def test_what_goes_wrong_is_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, reason: str
) -> None:
    """A wrong sum, an error and an end of the program are reasons to leave the peer out."""
    with peer(monkeypatch, tmp_path, answer) as fake, pytest.raises(PeerMissing, match=reason):
        fake.run(1000)


def test_a_program_that_does_not_start_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that ends before it is ready is no error."""
    monkeypatch.setitem(
        RECIPES, "fake", recipe("")._replace(command=(sys.executable, "-c", "raise SystemExit(3)"))
    )
    with pytest.raises(PeerMissing, match="it ended: no output"):
        ExternalPeer("fake", UNICAST, "busy", CORES, tmp_path)


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the tool nothing is tried."""
    monkeypatch.setitem(RECIPES, "fake", recipe("", tools=("no-such-compiler",)))
    with pytest.raises(PeerMissing, match="no-such-compiler: not found"):
        build("fake", tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_peer_is_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The directory is named after the sources; it is made by the build, and used when it is there."""
    sources = tmp_path / "sources"
    (sources / "fake").mkdir(parents=True)
    (sources / "fake" / "program.txt").write_text("one")
    step = (sys.executable, "-c", "open('built', 'a').write('x')")
    monkeypatch.setitem(RECIPES, "fake", recipe("", builds=(step,)))
    first = build("fake", tmp_path, sources)
    assert build("fake", tmp_path, sources) == first
    assert (first / "built").read_text() == "x"
    (sources / "fake" / "program.txt").write_text("two")
    second = build("fake", tmp_path, sources)
    assert second != first
    assert (second / "program.txt").read_text() == "two"


def test_a_build_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reason is the line that tells of an error, without addresses and paths of the host."""
    (tmp_path / "sources" / "fake").mkdir(parents=True)
    text = "fetching\\n[ERROR] no host at https://mirror.example/x in /somewhere/else | given up"
    said = f"print('{text}'); raise SystemExit(2)"
    monkeypatch.setitem(RECIPES, "fake", recipe("", builds=((sys.executable, "-c", said),)))
    with pytest.raises(PeerMissing, match=r"exit code 2: \[ERROR\] no host at \.\.\. in \.\.\. / given up$"):
        build("fake", tmp_path, tmp_path / "sources")
    assert [path.name for path in (tmp_path / "peers").iterdir()] == ["fake.lock"]


def test_every_recipe_has_its_sources() -> None:
    """The programs of all peers are in the tree, and each is pinned to a version."""
    for name, each in RECIPES.items():
        home = ring_peers.SOURCES / name
        assert any(home.rglob("*.java")) or any(home.rglob("*.rs")), name
        assert any(part in each.title for part in ("4.0.0", "1.44.1", "4.4.0")), name
        manifest = next(path for path in home.iterdir() if path.name in ("pom.xml", "Cargo.toml")).read_text()
        assert each.title.rpartition(" ")[2] in manifest
