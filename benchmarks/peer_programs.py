"""Programs of other makers, run beside ours: built on demand, spoken to by lines, left out when anything is missing.

Sources are directories under ``benchmarks/peers``. A program is built once, into ``<cache root>/peers/<name>-<hash
of its sources>``; what several of them share lies in ``benchmarks/peers/shared`` and is copied into each build. A
program says ``ready ...`` when it is, answers each line that it is sent by a line, ``ok ...`` or ``error TEXT``, and
ends with its stdin.

Failure modes: a tool that is missing, a build that fails, a program that dies, falls silent or says something else
is :class:`PeerMissing` with the reason, without addresses and paths of the host.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ringbuffer.cache import cache_root

__all__ = ["SHARED", "SOURCES", "PeerMissing", "Program", "Recipe", "build_program"]

SOURCES: Final = Path(__file__).resolve().parent / "peers"
SHARED: Final = "shared"
BUILD_DEADLINE_S: Final = 300.0
ANSWER_DEADLINE_S: Final = 60.0
END_DEADLINE_S: Final = 5.0
REASON_LENGTH: Final = 160


class PeerMissing(Exception):
    """A peer cannot be measured here; the text says why."""


class Recipe(NamedTuple):
    """How a peer is built and started, in the directory of its build."""

    title: str
    slot_bytes: int  # what a producer writes into each event
    tools: tuple[str, ...]
    builds: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    shares: tuple[tuple[str, str], ...] = ()  # file under ``shared``, and where the build wants it


def build_program(name: str, recipe: Recipe, root: Path | None = None, sources: Path = SOURCES) -> Path:
    """Return the directory where a peer is built; build it if need be, or raise PeerMissing."""
    home = sources / name
    for tool in recipe.tools:
        if shutil.which(tool) is None:
            raise PeerMissing(f"{tool}: not found")
    digest = hashlib.blake2b(repr(recipe).encode(), digest_size=8)
    for path in sorted(each for each in home.rglob("*") if each.is_file()):
        digest.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes())
    for shared, _ in recipe.shares:
        digest.update((sources / SHARED / shared).read_bytes())
    parent = (root or cache_root()) / "peers"
    parent.mkdir(parents=True, exist_ok=True)
    built = parent / f"{name}-{digest.hexdigest()}"
    with open(parent / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two that build at once, one waits
        if not built.is_dir():
            with tempfile.TemporaryDirectory(dir=parent, prefix=f"{name}-") as scratch:
                work = Path(scratch) / name
                shutil.copytree(home, work)
                for shared, place in recipe.shares:
                    (work / place).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(sources / SHARED / shared, work / place)
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


class Program:
    """A running program of a peer."""

    def __init__(self, command: Sequence[str], built: Path, deadline_s: float = ANSWER_DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the program
        self._unread = b""
        self._process = subprocess.Popen(
            command, cwd=built, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise, bufsize=0
        )

    def ask(self, line: str) -> str:
        """Send a line and return what it answers behind ``ok``."""
        stdin: Any = self._process.stdin
        try:
            stdin.write(line.encode() + b"\n")
        except OSError as error:
            raise PeerMissing(f"expected a running program, was {error}") from error
        return self.answer("ok")

    def answer(self, wanted: str) -> str:
        """Return what stands behind the wanted word in the next line, or raise PeerMissing."""
        line = self._line()
        head, _, rest = line.partition(" ")
        if head != wanted:
            raise PeerMissing(f"expected {wanted}, was {line}"[:REASON_LENGTH])
        return rest

    def _line(self) -> str:
        stdout: Any = self._process.stdout
        deadline = time.monotonic() + self._deadline_s
        while b"\n" not in self._unread:
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise PeerMissing(f"expected an answer in {self._deadline_s:g} s, was none")
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                self._noise.seek(0)
                raise PeerMissing(f"expected an answer, but it ended: {_reason(self._noise.read())}")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(errors="replace").strip() or "nothing"

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
