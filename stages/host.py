"""Facts about the host that decide latency: cores, scheduling, memory, clock, and the cache of kernels.

Read by ``ringmatch doctor``, by the planner (which cores there are) and by reports (which machine this was);
written by nobody. Facts only: what they mean for latency is said in :mod:`cli.doctor`. No Numba here.

Everything that the kernel tells in files is read below ``root``, so that tests can show it another host; what
is asked by system calls concerns this process and takes no root.

Failure modes: a fact that the host does not tell is empty, 0 or None, never an exception, because containers
hide any of these files. Malformed files count as missing.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
from collections.abc import Set
from pathlib import Path
from typing import Final

from msgspec import Struct

from ringbuffer.cache import FINGERPRINT_DIGITS, cache_root, complete_mark, kernel_directories

__all__ = [
    "CacheFacts",
    "CoreFacts",
    "HostFacts",
    "MemoryFacts",
    "available_cores",
    "cache_facts",
    "clean_cache",
    "core_facts",
    "fifo_permitted",
    "host_facts",
    "memory_facts",
    "parse_cores",
]

ROOT: Final = Path("/")
UNLIMITED: Final = -1
CAP_IPC_LOCK: Final = 14
MAX_CORE: Final = 8191  # CONFIG_NR_CPUS goes no higher
IN_USE_S: Final = 3600.0  # another version's cache that was written within this time may be in use


class CoreFacts(Struct, frozen=True, kw_only=True):
    """Which cores this process may use, and how they are run."""

    available: tuple[int, ...]
    online: tuple[int, ...]
    isolated: tuple[int, ...]
    siblings: tuple[tuple[int, ...], ...]  # available cores that share one physical core, in groups
    governors: tuple[str, ...]  # of the available cores, each once; empty where the host does not tell
    model: str
    is_virtual: bool
    quota_cores: float  # how many cores' worth of time the cgroup may use; 0.0 for no quota
    numa_nodes: int
    fifo_permitted: bool
    timer_slack_ns: int
    clocksource: str


class MemoryFacts(Struct, frozen=True, kw_only=True):
    """How much shared, locked and huge memory there is."""

    shm_bytes: int
    shm_free_bytes: int
    memlock_bytes: int  # UNLIMITED (-1) also for a process that may exceed its limit
    huge_pages: int
    huge_pages_free: int
    huge_page_bytes: int
    thp: str  # always, madvise, never; empty where the host does not tell
    total_bytes: int
    free_bytes: int


class CacheFacts(Struct, frozen=True, kw_only=True):
    """Compiled kernels on disk: those of these sources, and those of other versions of them."""

    path: str
    is_warm: bool
    bytes: int
    stale: tuple[str, ...]
    stale_bytes: int


class HostFacts(Struct, frozen=True, kw_only=True):
    """All of the above."""

    cores: CoreFacts
    memory: MemoryFacts
    cache: CacheFacts


def parse_cores(text: str) -> tuple[int, ...]:
    """Return the cores of a list such as ``0-2,5``, sorted; raise ValueError if it is none."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_CORE:
            raise ValueError(f"expected cores such as 0,1 or 0-2,5, was {text!r}")
        cores.update(range(first, last + 1))
    return tuple(sorted(cores))


def available_cores() -> tuple[int, ...]:
    """Return the cores that this process may run on."""
    return tuple(sorted(os.sched_getaffinity(0)))


def fifo_permitted() -> bool:
    """Tell whether this process may use SCHED_FIFO, by doing so for a moment."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, policy, parameters)
    return True


def host_facts(root: Path = ROOT) -> HostFacts:
    """Return everything at once."""
    return HostFacts(cores=core_facts(root), memory=memory_facts(root), cache=cache_facts())


def core_facts(root: Path = ROOT) -> CoreFacts:
    """Return the facts about cores, scheduling and clock."""
    system = root / "sys/devices/system"
    available = available_cores()
    cpuinfo = _text(root / "proc/cpuinfo")
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    nodes = [path for path in _list(system / "node") if re.fullmatch(r"node\d+", path.name)]
    governors = [_text(system / f"cpu/cpu{core}/cpufreq/scaling_governor") for core in available]
    return CoreFacts(
        available=available,
        online=_cores(system / "cpu/online"),
        isolated=_cores(system / "cpu/isolated"),
        siblings=_siblings(system, available),
        governors=tuple(sorted(set(governors) - {""})),
        model=model[1] if model else "",
        is_virtual=re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE) is not None,
        quota_cores=_quota_cores(root),
        numa_nodes=len(nodes) or 1,
        fifo_permitted=fifo_permitted(),
        timer_slack_ns=_number(_text(root / "proc/self/timerslack_ns")),
        clocksource=_text(system / "clocksource/clocksource0/current_clocksource"),
    )


def memory_facts(root: Path = ROOT) -> MemoryFacts:
    """Return the facts about memory; sizes of /dev/shm are those of ``root/dev/shm``."""
    try:
        shm = os.statvfs(root / "dev/shm")
        shm_bytes, shm_free_bytes = shm.f_blocks * shm.f_frsize, shm.f_bavail * shm.f_frsize
    except OSError:
        shm_bytes = shm_free_bytes = 0
    meminfo = dict(re.findall(r"^(\w+):\s+(\d+)", _text(root / "proc/meminfo"), re.MULTILINE))
    thp = re.search(r"\[(\w+)\]", _text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    return MemoryFacts(
        shm_bytes=shm_bytes,
        shm_free_bytes=shm_free_bytes,
        memlock_bytes=_memlock_bytes(root),
        huge_pages=_number(meminfo.get("HugePages_Total", "")),
        huge_pages_free=_number(meminfo.get("HugePages_Free", "")),
        huge_page_bytes=1024 * _number(meminfo.get("Hugepagesize", "")),
        thp=thp[1] if thp else "",
        total_bytes=1024 * _number(meminfo.get("MemTotal", "")),
        free_bytes=1024 * _number(meminfo.get("MemAvailable", "")),
    )


def cache_facts(root: Path | None = None, own: Set[str] | None = None) -> CacheFacts:
    """Return what lies in the cache of compiled kernels; ``own`` are the entries of these sources."""
    root = cache_root() if root is None else root
    own = _own_entries() if own is None else own
    stale = _other_versions(root, own)
    return CacheFacts(
        path=str(root),
        is_warm=any((root / name).is_file() for name in own),
        bytes=sum(_tree_bytes(root / name) for name in own),
        stale=tuple(path.name for path in stale),
        stale_bytes=sum(_tree_bytes(path) for path in stale),
    )


def clean_cache(root: Path | None = None, own: Set[str] | None = None) -> list[str]:
    """Remove the kernels of other versions; return their names. Those written just now stay: see IN_USE_S."""
    root = cache_root() if root is None else root
    own = _own_entries() if own is None else own
    removed = []
    for path in _other_versions(root, own):
        if time.time() - _newest(path) > IN_USE_S:
            _remove_tree(path)
            removed.append(path.name)
    return removed


def _own_entries() -> set[str]:
    return {*kernel_directories(), complete_mark()}


def _other_versions(root: Path, own: Set[str]) -> list[Path]:
    """Return directories of kernels, and marks, that are not ours; links are passed over."""
    name = re.compile(rf"[\w.]+-[0-9a-f]{{{FINGERPRINT_DIGITS}}}")
    found = [path for path in _list(root) if name.fullmatch(path.name) and path.name not in own]
    return [path for path in found if not path.is_symlink()]


def _tree_bytes(directory: Path) -> int:
    total = 0
    for path in (directory, *directory.rglob("*")):
        with contextlib.suppress(OSError):  # removed meanwhile
            total += path.lstat().st_size
    return total


def _newest(directory: Path) -> float:
    newest = directory.stat().st_mtime
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            newest = max(newest, path.lstat().st_mtime)
    return newest


def _remove_tree(directory: Path) -> None:
    """Remove a file, or a directory of files; links are removed, not followed."""
    if not directory.is_dir():
        directory.unlink()
        return
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    directory.rmdir()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _list(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _cores(path: Path) -> tuple[int, ...]:
    try:
        return parse_cores(_text(path))
    except ValueError:  # an empty file says none
        return ()


def _siblings(system: Path, available: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    groups = {_cores(system / f"cpu/cpu{core}/topology/thread_siblings_list") for core in available}
    usable = {tuple(core for core in group if core in available) for group in groups}
    return tuple(sorted(group for group in usable if len(group) > 1))


def _quota_cores(root: Path) -> float:
    """Return the cgroup's limit in cores: version 2 (``max 100000`` is none), else version 1 (-1 is none)."""
    words = _text(root / "sys/fs/cgroup/cpu.max").split()
    if len(words) != 2:
        words = [_text(root / f"sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period")]
    quota, period = _number(words[0]), _number(words[1])
    return quota / period if quota and period else 0.0


def _memlock_bytes(root: Path) -> int:
    capabilities = re.search(r"^CapEff:\s*([0-9a-f]+)$", _text(root / "proc/self/status"), re.MULTILINE)
    if capabilities and int(capabilities[1], 16) >> CAP_IPC_LOCK & 1:
        return UNLIMITED
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
