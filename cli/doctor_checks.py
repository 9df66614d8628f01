"""What the facts of a host mean for latency: a table of small judgements.

Read by :mod:`cli.doctor`. A finding says what, its value, how good it is (good, fair, poor), what that means
for latency and how to improve it. They come from :data:`CHECKS`, one function each, so that a new fact is a
new function and a line. Pure functions of :class:`stages.host.HostFacts`: nothing is read here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from stages.host import UNLIMITED, HostFacts

__all__ = ["CHECKS", "Finding", "findings", "size_text"]

State = Literal["good", "fair", "poor"]

WANTED_CORES: Final = 6  # five stages, and one for gateways
WANTED_SHM_BYTES: Final = 256 << 20
WANTED_MEMORY_BYTES: Final = 4 << 30
WANTED_CACHE_BYTES: Final = 512 << 20
FAST_CLOCKS: Final = ("tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page")
SHORT_SLACK_NS: Final = 50_000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about the host."""

    what: str
    value: str
    state: State
    meaning: str
    advice: str = ""


def size_text(size_bytes: int) -> str:
    """Return a size for people: 12 MiB, 1.5 GiB."""
    if size_bytes >= 1 << 30:
        return f"{size_bytes / (1 << 30):.1f} GiB"
    return f"{size_bytes / (1 << 20):.0f} MiB" if size_bytes >= 1 << 20 else f"{size_bytes / 1024:.0f} KiB"


def _list(cores: tuple[int, ...] | list[int]) -> str:
    return ",".join(str(core) for core in cores)


def _cores(host: HostFacts) -> Finding:
    count = len(host.cores.available)
    return Finding(
        what="cores",
        value=f"{count} ({_list(host.cores.available)})",
        state="good" if count >= WANTED_CORES else "fair" if count > 1 else "poor",
        meaning="stages that share a core wait for each other; with a core each, a hop costs about 100 ns",
        advice=""
        if count >= WANTED_CORES
        else f"give it {WANTED_CORES} cores: one a stage, one for gateways",
    )


def _isolation(host: HostFacts) -> Finding:
    isolated = [core for core in host.cores.available if core in host.cores.isolated]
    return Finding(
        what="isolated cores",
        value=_list(isolated) or "none",
        state="good" if isolated else "fair",
        meaning="on a core that others may use, a worker loses milliseconds when it is preempted",
        advice="" if isolated else "boot with isolcpus= and nohz_full= for the workers' cores",
    )


def _siblings(host: HostFacts) -> Finding:
    groups = " ".join(f"({_list(group)})" for group in host.cores.siblings)
    return Finding(
        what="hyper-threads",
        value=f"shared: {groups}" if groups else "none shared",
        state="fair" if groups else "good",
        meaning="two threads of one physical core share its units and caches: a hop is fast, work is slow",
        advice="pin at most one busy worker to each group, or switch SMT off" if groups else "",
    )


def _governor(host: HostFacts) -> Finding:
    governors = host.cores.governors
    slow = [name for name in governors if name != "performance"]
    return Finding(
        what="frequency governor",
        value=", ".join(governors) or "not visible (left to the hypervisor or the firmware)",
        state="fair" if slow else "good",
        meaning="a core that was clocked down needs up to milliseconds to come back to full speed",
        advice="cpupower frequency-set -g performance" if slow else "",
    )


def _virtual(host: HostFacts) -> Finding:
    virtual = host.cores.is_virtual
    return Finding(
        what="machine",
        value=f"{host.cores.model or 'unknown processor'}{', virtual' if virtual else ''}",
        state="fair" if virtual else "good",
        meaning="on a shared virtual machine the distance between cores floats, and with it every figure"
        if virtual
        else "nobody else's machine takes time from these cores",
        advice="compare only measurements with the same core distance; prefer a dedicated host"
        if virtual
        else "",
    )


def _quota(host: HostFacts) -> Finding:
    quota = host.cores.quota_cores
    short = 0 < quota < len(host.cores.available)
    return Finding(
        what="processor quota",
        value=f"{quota:g} cores" if quota else "none",
        state="poor" if short else "good",
        meaning="spinning workers use the quota up, then all of them are stopped for tens of milliseconds"
        if short
        else "workers may spin for as long as they like",
        advice="lift the container's cpu limit, and give it a cpuset instead" if short else "",
    )


def _fifo(host: HostFacts) -> Finding:
    permitted = host.cores.fifo_permitted
    return Finding(
        what="SCHED_FIFO",
        value="permitted" if permitted else "not permitted",
        state="good" if permitted else "fair",
        meaning="with it (plan.sched_fifo) ordinary processes cannot preempt a worker",
        advice="" if permitted else "grant CAP_SYS_NICE, or an rtprio limit in /etc/security/limits.conf",
    )


def _slack(host: HostFacts) -> Finding:
    slack_ns = host.cores.timer_slack_ns
    return Finding(
        what="timer slack",
        value=f"{slack_ns / 1000:g} us" if slack_ns else "not visible",
        state="good" if slack_ns <= SHORT_SLACK_NS else "fair",
        meaning="a worker that sleeps (waits backoff, blocking) wakes up later by as much",
        advice="" if slack_ns <= SHORT_SLACK_NS else 'set plan.wait = "spin" where cores are plenty',
    )


def _clock(host: HostFacts) -> Finding:
    source = host.cores.clocksource
    slow = bool(source) and source not in FAST_CLOCKS
    return Finding(
        what="clock source",
        value=source or "not visible",
        state="poor" if slow else "good",
        meaning="ingest stamps commands with the clock: each reading is a system call"
        if slow
        else "ingest stamps commands with the clock: a reading needs no system call",
        advice="boot with clocksource=tsc" if slow else "",
    )


def _numa(host: HostFacts) -> Finding:
    nodes = host.cores.numa_nodes
    return Finding(
        what="NUMA nodes",
        value=str(nodes),
        state="good" if nodes == 1 else "fair",
        meaning="a cache line between two nodes takes two to four times as long"
        if nodes > 1
        else "one memory",
        advice="choose --cores of one node" if nodes > 1 else "",
    )


def _shm(host: HostFacts) -> Finding:
    total, free = host.memory.shm_bytes, host.memory.shm_free_bytes
    enough = free >= WANTED_SHM_BYTES
    return Finding(
        what="/dev/shm",
        value=f"{size_text(free)} free of {size_text(total)}",
        state="good" if enough else "poor",
        meaning="all rings live there; start refuses when they do not fit",
        advice="" if enough else "mount it larger (docker run --shm-size=1g), or make [rings] smaller",
    )


def _memory(host: HostFacts) -> Finding:
    free = host.memory.free_bytes
    enough = free >= WANTED_MEMORY_BYTES
    return Finding(
        what="memory",
        value=f"{size_text(free)} free of {size_text(host.memory.total_bytes)}",
        state="good" if enough else "fair",
        meaning="books and indexes are preallocated, and touched as they fill; paging costs milliseconds",
        advice="" if enough else "make [capacity] smaller, or give it more memory",
    )


def _memlock(host: HostFacts) -> Finding:
    limit = host.memory.memlock_bytes
    enough = limit == UNLIMITED or limit >= WANTED_MEMORY_BYTES
    return Finding(
        what="locked memory",
        value="unlimited" if limit == UNLIMITED else f"at most {size_text(limit)}",
        state="good" if enough else "fair",
        meaning="with it (plan.mlock) no page of a worker is ever taken away, so no fault stalls it",
        advice="" if enough else "raise the memlock limit (ulimit -l), or grant CAP_IPC_LOCK",
    )


def _huge_pages(host: HostFacts) -> Finding:
    memory = host.memory
    reserved = f"{memory.huge_pages_free} of {memory.huge_pages} of {size_text(memory.huge_page_bytes)} free"
    usable = memory.thp in ("always", "madvise")
    return Finding(
        what="huge pages",
        value=f"transparent: {memory.thp or 'not visible'}; reserved: {reserved}",
        state="good" if usable else "fair",
        meaning="books and indexes of hundreds of megabytes miss the TLB at each step without them",
        advice="" if usable else "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    )


def _cache(host: HostFacts) -> Finding:
    cache = host.cache
    stale = f"; {len(cache.stale)} of other versions, {size_text(cache.stale_bytes)}" if cache.stale else ""
    full = cache.stale_bytes > WANTED_CACHE_BYTES
    return Finding(
        what="kernel cache",
        value=f"{'warm' if cache.is_warm else 'cold'}, {size_text(cache.bytes)} in {cache.path}{stale}",
        state="good" if cache.is_warm and not full else "fair",
        meaning="with a warm cache start takes seconds; with a cold one it compiles all kernels first",
        advice="ringmatch doctor --clean" if full else "" if cache.is_warm else "the next start fills it",
    )


CHECKS: Final[tuple[Callable[[HostFacts], Finding], ...]] = (
    _cores,
    _isolation,
    _siblings,
    _governor,
    _virtual,
    _quota,
    _fifo,
    _slack,
    _clock,
    _numa,
    _shm,
    _memory,
    _memlock,
    _huge_pages,
    _cache,
)


def findings(host: HostFacts) -> list[Finding]:
    """Judge a host."""
    return [check(host) for check in CHECKS]
