"""How the tests are shared out among processes: files that are named exist, processes stay together."""

from __future__ import annotations

from tests.distribution import PROCESSES, SPLIT, WITH_PROCESSES, LongestFirst, unit_of
from tests.structure.tree import ROOT


def test_named_files_exist() -> None:
    """What is treated specially is there."""
    for name in (*WITH_PROCESSES, *SPLIT):
        assert (ROOT / name).exists(), name


def test_processes_are_one_unit_and_files_are_others() -> None:
    """Tests with processes are one unit; a file is another; of a few files each test is one."""
    assert (
        unit_of("tests/e2e/test_life.py::test_a") == unit_of("tests/cli/test_ring.py::test_b[1]") == PROCESSES
    )
    assert unit_of("tests/journal/test_meta.py::test_a[x::y]") == "tests/journal/test_meta.py"
    assert unit_of(f"{SPLIT[0]}::test_a[1]") == f"{SPLIT[0]}::test_a[1]"


def test_what_takes_long_is_begun_first() -> None:
    """Processes come first, then the tests of files that are split, then the rest as it was collected."""
    waiting = LongestFirst({"tests/b.py": {}, "tests/a.py": {}, f"{SPLIT[0]}::test_a": {}, PROCESSES: {}})
    taken = [waiting.popitem(last=False)[0] for _ in range(4)]
    assert taken == [PROCESSES, f"{SPLIT[0]}::test_a", "tests/b.py", "tests/a.py"] and not waiting
