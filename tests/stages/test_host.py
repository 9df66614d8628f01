"""Facts about the host: read from the files of a made-up host, and true of this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.host import (
    IN_USE_S,
    MAX_CORE,
    UNLIMITED,
    available_cores,
    cache_facts,
    clean_cache,
    core_facts,
    fifo_permitted,
    host_facts,
    memory_facts,
    parse_cores,
)

OWN, OTHER = "stages.risk-0123456789abcdef", "stages.risk-fedcba9876543210"
MARK = "complete-0123456789abcdef"


def made_up(root: Path, files: dict[str, str]) -> Path:
    """Write the files of a host and return its root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@given(st.sets(st.integers(0, MAX_CORE), min_size=1, max_size=20))
def test_core_lists_are_parsed(cores: set[int]) -> None:
    """A list of cores comes back sorted, however it was written."""
    assert parse_cores(",".join(map(str, cores))) == tuple(sorted(cores))


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0", (0,)), ("0-2,5", (0, 1, 2, 5)), (" 3 , 1 - 2\n", (1, 2, 3)), ("1,1-2", (1, 2)), ("8191", (8191,))],
)
def test_core_ranges_are_parsed(text: str, cores: tuple[int, ...]) -> None:
    """Ranges, blanks and repetitions are understood."""
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "3-1", "0,,1", "0;1", "8192", "0-99999", "1.0", "0x1"])
def test_what_is_no_core_list_is_refused(text: str) -> None:
    """Anything else is an error that shows the text."""
    with pytest.raises(ValueError, match=r"expected cores such as 0,1 or 0-2,5, was "):
        parse_cores(text)


def test_cores_of_a_tuned_host(tmp_path: Path) -> None:
    """What the files of a host say is what the facts say."""
    cpu = "sys/devices/system/cpu"
    core = available_cores()[0]
    root = made_up(
        tmp_path,
        {
            f"{cpu}/online": "0-3\n",
            f"{cpu}/isolated": "2-3\n",
            f"{cpu}/cpu{core}/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu{core}/topology/thread_siblings_list": f"{core},{MAX_CORE}\n",
            "sys/devices/system/node/node0/cpulist": "0-1\n",
            "sys/devices/system/node/node1/cpulist": "2-3\n",
            "sys/devices/system/node/possible": "0-1\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "proc/cpuinfo": "model name\t: A Processor\nflags\t\t: fpu hypervisor sse4_2\n",
            "proc/self/timerslack_ns": "1000\n",
        },
    )
    facts = core_facts(root)
    assert (facts.online, facts.isolated, facts.numa_nodes) == ((0, 1, 2, 3), (2, 3), 2)
    assert facts.governors == ("powersave",)
    assert facts.siblings == ()  # the other thread of that core is not ours to use
    assert (facts.clocksource, facts.quota_cores, facts.timer_slack_ns) == ("hpet", 1.5, 1000)
    assert (facts.model, facts.is_virtual) == ("A Processor", True)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 0.0),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2.0,
        ),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            0.0,
        ),
        ({}, 0.0),
    ],
)
def test_quotas_of_both_cgroup_versions(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    """A processor quota is found in either version, and none is 0."""
    assert core_facts(made_up(tmp_path, files)).quota_cores == cores


def test_memory_of_a_made_up_host(tmp_path: Path) -> None:
    """Sizes come in bytes, whatever unit the file has."""
    root = made_up(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:  2048 kB\nMemAvailable: 1024 kB\n"
            "HugePages_Total:  4\nHugePages_Free:  3\nHugepagesize: 2048 kB\n",
            "proc/self/status": "CapEff:\t0000000000004000\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "dev/shm/.keep": "",
        },
    )
    facts = memory_facts(root)
    assert (facts.total_bytes, facts.free_bytes) == (2048 << 10, 1024 << 10)
    assert (facts.huge_pages, facts.huge_pages_free, facts.huge_page_bytes) == (4, 3, 2 << 20)
    assert (facts.thp, facts.memlock_bytes) == ("madvise", UNLIMITED)
    assert 0 < facts.shm_free_bytes <= facts.shm_bytes


def test_a_host_that_tells_nothing(tmp_path: Path) -> None:
    """Missing files make empty facts, never an exception."""
    cores, memory = core_facts(tmp_path), memory_facts(tmp_path)
    assert (cores.online, cores.isolated, cores.siblings, cores.governors) == ((), (), (), ())
    assert (cores.model, cores.is_virtual, cores.clocksource, cores.numa_nodes) == ("", False, "", 1)
    assert (memory.shm_bytes, memory.thp, memory.huge_pages, memory.total_bytes) == (0, "", 0, 0)


def test_this_host_has_cores_and_memory() -> None:
    """On the machine that runs this test the facts are plausible."""
    facts = host_facts()
    assert facts.cores.available == tuple(sorted(os.sched_getaffinity(0)))
    assert facts.memory.total_bytes > facts.memory.free_bytes > 0
    assert facts.cache.path


def test_asking_for_fifo_changes_nothing() -> None:
    """The scheduling policy is after the question what it was before."""
    before = os.sched_getscheduler(0)
    assert fifo_permitted() in (True, False)
    assert os.sched_getscheduler(0) == before


def kernels(root: Path, fingerprint: str, age_s: float) -> Path:
    """Write a compiled kernel of some version, last touched some seconds ago."""
    directory = root / fingerprint / "stages_0"
    directory.mkdir(parents=True)
    (directory / "risk.nbc").write_bytes(b"x" * 1000)
    for path in (directory / "risk.nbc", directory, directory.parent):
        stamp = path.stat().st_mtime - age_s
        os.utime(path, (stamp, stamp))
    return directory.parent


def test_kernels_of_other_versions_are_stale(tmp_path: Path) -> None:
    """Own kernels are warm, those of other versions stale, and what is neither is not counted."""
    kernels(tmp_path, OTHER, 0)
    (tmp_path / "notes").mkdir()
    kernels(tmp_path, OWN, 0)
    assert not cache_facts(tmp_path, {OWN, MARK}).is_warm  # some, but not all
    (tmp_path / MARK).touch()
    facts = cache_facts(tmp_path, {OWN, MARK})
    assert facts.is_warm
    assert facts.stale == (OTHER,)
    assert facts.bytes >= 1000
    assert facts.stale_bytes == facts.bytes


def test_cleaning_spares_own_recent_and_foreign(tmp_path: Path) -> None:
    """Cleaning removes old kernels of other versions, and nothing else; links are not followed."""
    own = kernels(tmp_path, OWN, 2 * IN_USE_S)
    old = kernels(tmp_path, OTHER, 2 * IN_USE_S)
    recent = kernels(tmp_path, "stages.risk-" + "1" * 16, 0)
    (tmp_path / "notes").mkdir()
    (tmp_path / "precious").write_text("precious")
    link = old / "stages_0" / "link.nbc"
    link.symlink_to(tmp_path / "precious")
    for path in (link, old / "stages_0", old):
        os.utime(path, (0, 0), follow_symlinks=False)
    (tmp_path / ("stages.risk-" + "2" * 16)).symlink_to(own)
    assert clean_cache(tmp_path, {OWN}) == [OTHER]
    assert not old.exists()
    assert own.is_dir() and recent.is_dir() and (tmp_path / "notes").is_dir()
    assert (tmp_path / "precious").read_text() == "precious"
