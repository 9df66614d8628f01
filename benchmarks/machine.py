"""Where and beside what a benchmark ran: the machine, its load, the distance between two cores, a pinned helper.

A figure without these facts cannot be compared with another. The distance is the round trip of one cache line
between two cores, measured with the probe of :mod:`benchmarks.ring_kernels`; on a shared virtual machine it
changes from one moment to the next, and with it whatever two cores do together.

Failure modes: a host that hides a fact leaves it empty. A helper that does not answer in time is killed, by
its pid, and a :class:`TimeoutError` says so.
"""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from msgspec import Struct

from benchmarks import ring_trips
from benchmarks.ring_distance import IN_CELL, OUT_CELL
from benchmarks.ring_kernels import STUCK
from stages.host import available_cores, core_facts, memory_facts

__all__ = [
    "Beside",
    "Load",
    "Machine",
    "RoundTrip",
    "file_system",
    "load_now",
    "machine",
    "own_pauses",
    "pinned",
    "quiet",
    "round_trip",
    "shared_words",
    "two_cores",
]

PEER_DEADLINE_S: Final = 60.0
PROBE_SAMPLES: Final = 15
PROBE_BLOCK: Final = 100
LOOK_S: Final = 0.5
LEAST_PAUSE_NS: Final = 1_000_000
MOST_PAUSES: Final = 10_000
_CELLS: list[Any] = []


class Machine(Struct, frozen=True, kw_only=True):
    """What the host is, and what the code runs on."""

    model: str
    cores: tuple[int, ...]
    is_virtual: bool
    kernel: str
    python: str
    numba: str
    numpy: str
    clocksource: str
    huge_pages: str  # transparent huge pages of private memory
    shm_huge_pages: str  # and of shared memory
    memory_bytes: int

    @property
    def slug(self) -> str:
        """Return a file name for results of this machine."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.model.lower()).split()
        words = [word for word in words if word not in ("r", "tm", "cpu", "processor")]
        return "-".join([*(words or ["machine"]), f"{len(self.cores)}cores"])


class Load(Struct, frozen=True, kw_only=True):
    """What else ran: load averages, and how many cores others kept busy while we slept."""

    average: tuple[float, float, float]
    busy_cores: float
    stolen_cores: float  # by other virtual machines, where the host tells


class RoundTrip(Struct, frozen=True, kw_only=True):
    """The round trip of one cache line between two cores, in nanoseconds."""

    median_ns: int
    min_ns: int
    max_ns: int


def machine() -> Machine:
    """Return the facts about this host."""
    cores, memory = core_facts(), memory_facts()
    shm = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    chosen = ""
    with suppress(OSError):
        chosen = shm.read_text().partition("[")[2].partition("]")[0]
    return Machine(
        model=cores.model or platform.processor(),
        cores=cores.available,
        is_virtual=cores.is_virtual,
        kernel=platform.release(),
        python=platform.python_version(),
        numba=version("numba"),
        numpy=version("numpy"),
        clocksource=cores.clocksource,
        huge_pages=memory.thp,
        shm_huge_pages=chosen,
        memory_bytes=memory.total_bytes,
    )


def _cpu_ticks() -> tuple[int, int]:
    """Return the ticks that all cores were busy, and that were stolen, since the boot."""
    try:
        with open("/proc/stat", encoding="ascii") as lines:
            fields = [int(field) for field in lines.readline().split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    user, nice, system, _, _, irq, softirq, steal = fields
    return user + nice + system + irq + softirq, steal


def load_now(look_s: float = LOOK_S) -> Load:
    """Return the load averages, and what the cores do while this process sleeps for ``look_s``."""
    busy, stolen = _cpu_ticks()
    started = time.monotonic()
    time.sleep(look_s)
    passed = (time.monotonic() - started) * os.sysconf("SC_CLK_TCK")
    busy_after, stolen_after = _cpu_ticks()
    return Load(
        average=tuple(round(number, 2) for number in os.getloadavg()),  # type: ignore[arg-type]
        busy_cores=round((busy_after - busy) / passed, 2),
        stolen_cores=round((stolen_after - stolen) / passed, 2),
    )


def file_system(path: Path) -> str:
    """Return type and device of the file system that holds ``path``, such as ``ext4 on /dev/vda``."""
    real = os.path.realpath(path)
    best, found = "", "unknown"
    with suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            device, point, kind = line.split()[:3]
            if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
                best, found = point, f"{kind} on {device}"
    return found


def two_cores() -> tuple[int, int]:
    """Return the first two cores that this process may use; the same one twice if there is only one."""
    cores = available_cores()
    return cores[0], cores[min(1, len(cores) - 1)]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this thread on a core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def own_pauses(cores: tuple[int, int], seconds: float) -> str:
    """Return how long and how often the host stopped a loop that only reads the clock, on each core."""
    pauses = np.zeros(MOST_PAUSES, np.int64)
    parts = []
    for core in dict.fromkeys(cores):
        with pinned(core):
            ring_trips.watch_pauses(pauses, np.int64(LEAST_PAUSE_NS), np.int64(1))  # loads the kernel
            count = ring_trips.watch_pauses(pauses, np.int64(LEAST_PAUSE_NS), np.int64(int(seconds * 1e9)))
        longest_ms = int(pauses[:count].max(initial=0)) / 1e6
        parts.append(
            f"core {core}: {count} of 1 ms and more in {seconds:g} s, the longest {longest_ms:.1f} ms"
        )
    return "; ".join(parts)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the garbage collector away from what is measured."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def shared_words(count: int) -> Any:
    """Return int64 zeros in memory that a forked helper shares."""
    return np.frombuffer(mmap.mmap(-1, max(count * 8, mmap.PAGESIZE)), np.int64, count)


class Beside:
    """Runs a function in a forked process that is pinned to another core; :meth:`result` is what it returned.

    It is ready to run when the constructor returns, and begins at once.
    """

    def __init__(self, core: int, function: Callable[[], Any], deadline_s: float = PEER_DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        ready = shared_words(1)
        self._read_fd, write_fd = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads, NumPy's for example: the child calls a kernel and exits
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self._read_fd)
                os.sched_setaffinity(0, {core})
                ready[0] = 1
                answer = pickle.dumps(function())
                while answer:
                    answer = answer[os.write(write_fd, answer) :]
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(write_fd)
        deadline = time.monotonic() + deadline_s
        while not ready[0]:
            if time.monotonic() > deadline:
                self._end()
                raise TimeoutError(f"expected a helper on core {core} within {deadline_s:g} s")
            time.sleep(0.0002)

    def result(self) -> Any:
        """Wait for the function to end and return its result."""
        import select

        deadline = time.monotonic() + self._deadline_s
        answer = b""
        while True:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._read_fd], [], [], left)[0]:
                raise TimeoutError(f"expected an answer of helper {self.pid} within {self._deadline_s:g} s")
            part = os.read(self._read_fd, 1 << 16)
            if not part:
                break
            answer += part
        if not answer:
            raise RuntimeError(f"expected an answer of helper {self.pid}, but it failed (see above)")
        return pickle.loads(answer)

    def _end(self) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, 9)
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            os.close(self._read_fd)
            self.pid = 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process if it still runs."""
        self._end()


def _cells() -> Any:
    """Return the cache lines of the probe, with its kernels loaded before anybody forks."""
    if not _CELLS:
        cells = shared_words(128)
        ring_trips.answer(cells, OUT_CELL, IN_CELL, 0)
        ring_trips.probe(cells, OUT_CELL, IN_CELL, np.zeros(0, np.int64), 0)
        _CELLS.append(cells)
    return _CELLS[0]


def round_trip(cores: tuple[int, int]) -> RoundTrip | None:
    """Return the distance between two cores, now; None if they are the same one."""
    if cores[0] == cores[1]:
        return None
    cells = _cells()
    cells[OUT_CELL] = cells[IN_CELL] = 0
    rounds = PROBE_SAMPLES * PROBE_BLOCK
    samples = np.zeros(PROBE_SAMPLES, np.int64)

    def answer() -> int:
        return int(ring_trips.answer(cells, OUT_CELL, IN_CELL, rounds))

    with pinned(cores[0]), Beside(cores[1], answer) as helper:
        spent_ns = int(ring_trips.probe(cells, OUT_CELL, IN_CELL, samples, PROBE_BLOCK))
        if STUCK in (spent_ns, helper.result()):
            raise TimeoutError(f"expected an answer of core {cores[1]}, was none")
    return RoundTrip(median_ns=int(np.median(samples)), min_ns=int(samples.min()), max_ns=int(samples.max()))
