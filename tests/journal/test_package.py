"""The package as a whole: exports, a cold import, the example, warm kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import journal
from journal import blocks, blockwalk, compact
from journal.reader import JournalReader
from journal.warm import warm_kernels
from tests.journal import cases

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "journal_alone.py"
KERNELS = (
    compact.start_coding, compact.encode_records, compact.encode_ring, compact.decode_records,
    blocks.open_block, blocks.seal_block, blocks.sealed_sizes, blocks.stamp_block, blocks.find_witness,
    blockwalk.check_header, blockwalk.walk_blocks,
)  # fmt: skip


def run(*arguments: str) -> str:
    """Run Python in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.jitoff
def test_every_export_exists_and_nothing_else_is_offered() -> None:
    """The names of __all__ are there, sorted; others are an AttributeError."""
    assert all(hasattr(journal, name) for name in journal.__all__)
    assert sorted(journal.__all__) == journal.__all__
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        journal.Nothing  # noqa: B018


def test_importing_the_package_imports_no_numba() -> None:
    """Importing journal, and its errors, cost neither Numba nor NumPy."""
    code = "import sys, journal; journal.JournalError; print({'numba', 'numpy'} & set(sys.modules))"
    assert run("-c", code).strip() == "set()"


def test_the_example_runs(tmp_path: Path) -> None:
    """examples/journal_alone.py writes, reopens and reads a journal."""
    assert run(str(EXAMPLE), str(tmp_path)).splitlines() == [
        "durable up to 1000", "sum of quantities 499500", "continued at 1001, epoch 2",
    ]  # fmt: skip


@pytest.mark.bounds
def test_warm_kernels_leave_nothing_to_compile(tmp_path: Path) -> None:
    """After warm_kernels, writing and reading compile nothing more."""
    warm_kernels(cases.rows(0, 8))
    if cases.JIT_DISABLED:
        return
    before = {kernel.py_func.__name__: len(kernel.signatures) for kernel in KERNELS}
    with cases.open_writer(tmp_path) as writer:
        writer.append(cases.rows(1, 700, spread=63))
    with JournalReader(tmp_path) as reader:
        reader.seek(350)
        assert reader.verify() == []
    assert {kernel.py_func.__name__: len(kernel.signatures) for kernel in KERNELS} == before
