"""Engines of other makers beside ours: matching against matching, on one flow file, verified trade by trade.

Each peer is a small program under ``benchmarks/peers`` (:mod:`benchmarks.peer_programs` builds and runs it), started
as ``PROGRAM FLOW COUNT CORE CORE`` with a file of :mod:`benchmarks.flow_file`. It loads the flow into memory, says
``ready`` (with its writer's and its reader's thread, if we are to pin them), and answers ``run`` by ``ok`` and the
:class:`~benchmarks.flow_file.Answer` of a run of COUNT commands as JSON. Its first thread carries out one command after
the other on books that are empty at first; a report for each event goes through a ring of 64 Ki slots of 32 bytes to
its second thread on the other core, which takes every word; the clock stops when that has the last. There are no
sequence numbers, sessions, texts, journals or risk checks in a peer: it does less than ours, which fills 128 bytes
for each event and hands over both sides of a trade.

What each does of its own, and what its program does for it, stands in the head of its source:

- ``exchange_core``: OrderBookDirectImpl, called as its matching engine calls it, without its risk and its rings.
- ``obcore``, ``matchcore``, ``orderbook_rs``: crates. ``matchcore`` 0.4.0 lets an order trade beyond its limit; its
  program sends such an order in two parts.
- ``akhil4n_orderbook``: pure Python from PyPI, the fastest there of those whose trades are right; it hands nothing
  over.

The last two are slower by a factor of ten to a hundred, so they run the beginning of each flow only (``most``).

Left out: the crates ``lobster``, ``limitbook`` and ``rust_ob`` (no fewer lots without a loss of place; the last two on
decimals) and ``rust-order-book`` (its reports have no fills); the packages ``pyorderbook`` (half as fast),
``lightmatchingengine`` (a cancel of an order that was filled is an error), ``order-matching`` (data frames),
``OrderBook`` (Python 2), ``pylob`` (levels without orders) and ``limit-order-book`` (C++; says which orders were
filled, not what was traded). Other books in C and C++ are in no registry.

Failure modes: what is missing, dies, is late, or gives another answer than our reference run of the same commands is
:class:`~benchmarks.peer_programs.PeerMissing`: the peer is named with the reason, and has no figure.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from benchmarks.flow_file import Answer
from benchmarks.peer_programs import PeerMissing, Program, Recipe, build_program
from benchmarks.ring_peers import CLASSES, JAVAC, MAVEN

__all__ = ["PEERS", "BookPeer", "RunningPeer", "build_peer", "flow_commands"]

REPORT_BYTES: Final = 32
ANSWER_DEADLINE_S: Final = 120.0
HARNESS: Final = (("harness.rs", "src/harness.rs"), ("native.toml", ".cargo/config.toml"))
CARGO: Final = (("cargo", "build", "--release", "--quiet"),)
RUST: Final = ("target/release/peer",)
PIP: Final = (
    sys.executable,
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-deps",
    "--target",
    "lib",
    "-r",
    "requirements.txt",
)
FEW: Final = 100_000


class BookPeer(NamedTuple):
    """A peer: how it is built, how many commands it runs at most (0: all), and the flows it cannot run in time."""

    recipe: Recipe
    most: int = 0
    not_on: tuple[str, ...] = ()


def _crate(title: str, most: int = 0, not_on: tuple[str, ...] = ()) -> BookPeer:
    return BookPeer(Recipe(title, REPORT_BYTES, ("cargo",), CARGO, RUST, HARNESS), most, not_on)


PEERS: Final = {
    "exchange_core": BookPeer(
        Recipe(
            "exchange-core 0.5.3", REPORT_BYTES, ("java", "javac", "mvn"), (MAVEN, JAVAC),
            ("java", "-XX:+UseSerialGC", "-Xms1g", "-Xmx4g", *CLASSES),
        )
    ),
    "obcore": _crate("obcore crate 0.1.6"),
    "matchcore": _crate("matchcore crate 0.4.0"),
    "orderbook_rs": _crate("orderbook-rs crate 0.15.3", FEW, ("medium",)),
    "akhil4n_orderbook": BookPeer(
        Recipe("akhil4n-orderbook 0.1.1", REPORT_BYTES, (), (PIP,), (sys.executable, "peer.py")), FEW, ("medium",)
    ),
}  # fmt: skip


def build_peer(name: str, root: Path | None = None) -> Path:
    """Return the directory where a peer is built; build it if need be, or raise PeerMissing."""
    return build_program(name, PEERS[name].recipe, root)


def flow_commands(peer: BookPeer, count: int) -> int:
    """Return how many of ``count`` measured commands a peer runs."""
    return min(count, peer.most) if peer.most else count


class RunningPeer:
    """A running program of a peer with a flow, and what it must answer."""

    def __init__(
        self, peer: BookPeer, built: Path, flow: Path, count: int, wanted: Answer, cores: tuple[int, int]
    ) -> None:
        self._count, self._wanted = count, wanted
        arguments = [str(flow), str(count), *map(str, cores)]
        self._program = Program([*peer.recipe.command, *arguments], built, ANSWER_DEADLINE_S)
        try:
            for thread, core in zip(self._program.answer("ready").split(), cores, strict=False):
                os.sched_setaffinity(int(thread), {core})
        except BaseException:
            self.close()
            raise

    def run(self) -> float:
        """Run the flow once and return the commands a second; raise PeerMissing if it came to something else."""
        text = self._program.ask("run")
        try:
            answer = msgspec.json.decode(text, type=Answer)
        except msgspec.MsgspecError as error:
            raise PeerMissing(f"expected the answer of a run, was {text[:60]!r}: {error}") from None
        difference = self._wanted.differs(answer)
        if difference:
            raise PeerMissing(difference)
        if answer.ns <= 0:
            raise PeerMissing(f"ns: expected more than 0, was {answer.ns}")
        return self._count / answer.ns * 1e9

    def close(self) -> None:
        """End the program."""
        self._program.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the program."""
        self.close()
