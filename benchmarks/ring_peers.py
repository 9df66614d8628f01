"""Peers of other makers: small programs under ``benchmarks/peers``, built on demand, which then run slices on request.

A program is built once, into ``<cache root>/peers/<name>-<hash of its sources>``, and started as
``PROGRAM WORKLOAD STRATEGY CORE CORE``. It speaks lines::

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

import fcntl
import hashlib
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.ring_ours import Contestant
from benchmarks.ring_workloads import Workload, sum_of_sent
from ringbuffer.cache import cache_root

__all__ = ["RECIPES", "ExternalPeer", "PeerMissing", "Recipe", "build"]

SOURCES: Final = Path(__file__).resolve().parent / "peers"
BUILD_DEADLINE_S: Final = 300.0
ANSWER_DEADLINE_S: Final = 60.0
END_DEADLINE_S: Final = 5.0
REASON_LENGTH: Final = 160
MAVEN: Final = ("mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=lib")
JAVAC: Final = ("javac", "-cp", "lib/*", "-d", "classes", "Peer.java")
JAVA: Final = ("java", "-XX:+UseSerialGC", "-Xms256m", "-Xmx256m")
CLASSES: Final = ("-cp", "classes:lib/*", "Peer")


class PeerMissing(Exception):
    """A peer cannot be measured here; the text says why."""


class Recipe(NamedTuple):
    """How a peer is built and started, in the directory of its build."""

    title: str
    slot_bytes: int  # what a producer writes into each event
    tools: tuple[str, ...]
    builds: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]


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
    recipe, home = RECIPES[name], sources / name
    for tool in recipe.tools:
        if shutil.which(tool) is None:
            raise PeerMissing(f"{tool}: not found")
    digest = hashlib.blake2b(repr(recipe).encode(), digest_size=8)
    for path in sorted(each for each in home.rglob("*") if each.is_file()):
        digest.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes())
    parent = (root or cache_root()) / "peers"
    parent.mkdir(parents=True, exist_ok=True)
    built = parent / f"{name}-{digest.hexdigest()}"
    with open(parent / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two that build at once, one waits
        if not built.is_dir():
            with tempfile.TemporaryDirectory(dir=parent, prefix=f"{name}-") as scratch:
                work = Path(scratch) / name
                shutil.copytree(home, work)
                for command in recipe.builds:
                    _build_step(command, work)
                work.rename(built)
    return built


def _build_step(command: tuple[str, ...], work: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=BUILD_DEADLINE_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PeerMissing(f"{command[0]}: not built in {BUILD_DEADLINE_S:g} s") from None
    if done.returncode != 0:
        raise PeerMissing(f"{command[0]}: exit code {done.returncode}: {_reason(done.stdout)}")


def _reason(output: bytes) -> str:
    """Return the line of an output that says most, without addresses and paths of this host."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", output.decode(errors="replace")).replace("|", "/")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = (line for line in lines if "error" in line.lower() or "panicked" in line)
    said = next(telling, lines[-1] if lines else "no output")
    said = re.sub(r"\(?\w+://\S+|(?<!\w)/[\w./-]+", "...", said)
    return said[:REASON_LENGTH]


class ExternalPeer(Contestant):
    """A running program of a peer, for one workload and one strategy."""

    def __init__(
        self, name: str, workload: Workload, strategy: str, cores: tuple[int, int], built: Path
    ) -> None:
        self.peer, self.strategy, self.slot_bytes = name, strategy, RECIPES[name].slot_bytes
        self._workload = workload
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the program
        self._unread = b""
        arguments = [workload.key, strategy, *map(str, cores)]
        self._process = subprocess.Popen(
            [*RECIPES[name].command, *arguments], cwd=built, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._noise, bufsize=0,
        )  # fmt: skip
        try:
            self._pin(self._answer("ready"), cores)
        except BaseException:
            self.close()
            raise

    def _pin(self, threads: list[str], cores: tuple[int, int]) -> None:
        for index, thread in enumerate(threads):
            os.sched_setaffinity(int(thread), cores if self._workload.shares_cores else {cores[index]})

    def run(self, messages: int) -> Any:
        """Run a slice: return its nanoseconds, or for ping-pong the percentiles."""
        stdin: Any = self._process.stdin
        try:
            stdin.write(f"{self._workload.key} {self.strategy} {messages}\n".encode())
        except OSError as error:
            raise PeerMissing(f"expected a running program, was {error}") from error
        *figures, checksum = (int(word) for word in self._answer("ok"))
        wanted = sum_of_sent(self._workload, messages, self.slot_bytes)
        if checksum != wanted:
            raise PeerMissing(f"{self._workload.title}: checksum: expected {wanted}, was {checksum}")
        return float(figures[0]) if len(figures) == 1 else tuple(map(float, figures))

    def _answer(self, wanted: str) -> list[str]:
        head, *words = self._line().split()
        if head != wanted:
            raise PeerMissing(f"expected {wanted}, was {head} {' '.join(words)}"[:REASON_LENGTH])
        return words

    def _line(self) -> str:
        """Return the next line of the program, or raise PeerMissing."""
        stdout: Any = self._process.stdout
        deadline = time.monotonic() + ANSWER_DEADLINE_S
        while b"\n" not in self._unread:
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise PeerMissing(f"expected an answer in {ANSWER_DEADLINE_S:g} s, was none")
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                self._noise.seek(0)
                raise PeerMissing(f"expected an answer, but it ended: {_reason(self._noise.read())}")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace") or "nothing"

    def close(self) -> None:
        """End the program: it ends with its stdin, or is killed."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._noise.close()
