"""Peers of other makers: small programs under ``benchmarks/peers``, built on demand, which then run slices on request.

A program is built by :mod:`benchmarks.peer_programs` and started as ``PROGRAM WORKLOAD STRATEGY CORE CORE``. It
speaks lines::

    ready THREAD THREAD ...          its threads, producers first, for us to pin, or none if it pins them itself
    ► WORKLOAD STRATEGY MESSAGES
    ok NANOSECONDS CHECKSUM          or, for ping-pong: ok P50 P99 P99.9 MAX CHECKSUM
    error TEXT

One program runs one workload with one wait strategy, so that a just-in-time compiler sees what it would see in an
application, and lives until its stdin ends. Threads of a workload with two participants are pinned to a core each;
with more they may run on both cores, as ours may.

Failure modes: a tool that is missing, a build that fails, a program that dies or gives a wrong checksum is
:class:`PeerMissing` with the reason: the peer is left out by name, the benchmark goes on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from benchmarks.peer_programs import SOURCES, PeerMissing, Program, Recipe, build_program
from benchmarks.ring_ours import Contestant
from benchmarks.ring_workloads import Workload, sum_of_sent

__all__ = ["MAVEN", "RECIPES", "SOURCES", "ExternalPeer", "PeerMissing", "Recipe", "build"]

MAVEN: Final = ("mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=lib")
JAVAC: Final = ("javac", "-cp", "lib/*", "-d", "classes", "Peer.java")
JAVA: Final = ("java", "-XX:+UseSerialGC", "-Xms256m", "-Xmx256m")
CLASSES: Final = ("-cp", "classes:lib/*", "Peer")


RECIPES: Final = {
    "disruptor": Recipe(
        "LMAX Disruptor 4.0.0", 8, ("java", "javac", "mvn"), (MAVEN, JAVAC), (*JAVA, *CLASSES)
    ),
    "aeron": Recipe(
        "Aeron IPC 1.44.1", 64, ("java", "javac", "mvn"), (MAVEN, JAVAC),
        (*JAVA, "--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED", "-Daeron.pre.touch.mapped.memory=true",
         "-Dagrona.disable.bounds.checks=true", *CLASSES),
    ),
    "disruptor_crate": Recipe(
        "disruptor crate 4.4.0", 8, ("cargo",), (("cargo", "build", "--release", "--quiet"),),
        ("target/release/peer",),
    ),
}  # fmt: skip


def build(name: str, root: Path | None = None, sources: Path = SOURCES) -> Path:
    """Return the directory where a peer is built; build it if need be, or raise PeerMissing."""
    return build_program(name, RECIPES[name], root, sources)


class ExternalPeer(Contestant):
    """A running program of a peer, for one workload and one strategy."""

    def __init__(
        self, name: str, workload: Workload, strategy: str, cores: tuple[int, int], built: Path
    ) -> None:
        self.peer, self.strategy, self.slot_bytes = name, strategy, RECIPES[name].slot_bytes
        self._workload = workload
        arguments = [workload.key, strategy, *map(str, cores)]
        self._program = Program([*RECIPES[name].command, *arguments], built)
        try:
            self._pin(self._program.answer("ready").split(), cores)
        except BaseException:
            self.close()
            raise

    def _pin(self, threads: list[str], cores: tuple[int, int]) -> None:
        for index, thread in enumerate(threads):
            os.sched_setaffinity(int(thread), cores if self._workload.shares_cores else {cores[index]})

    def run(self, messages: int) -> Any:
        """Run a slice: return its nanoseconds, or for ping-pong the percentiles."""
        answer = self._program.ask(f"{self._workload.key} {self.strategy} {messages}")
        *figures, checksum = (int(word) for word in answer.split())
        wanted = sum_of_sent(self._workload, messages, self.slot_bytes)
        if checksum != wanted:
            raise PeerMissing(f"{self._workload.title}: checksum: expected {wanted}, was {checksum}")
        return float(figures[0]) if len(figures) == 1 else tuple(map(float, figures))

    def close(self) -> None:
        """End the program."""
        self._program.close()
