"""Copies of the repository in which one thing of the journal is wrong, and the tests run on them, as plain Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("journal", "tests/journal")
LINKED = ("ringbuffer", "protocols", "stages")
FILES = (
    "pyproject.toml",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/distribution.py",
    "tests/summary.py",
)
PATIENCE_S = 300.0


class Change(NamedTuple):
    """One place of a module of the journal: what stands there, how often, and what is put instead."""

    module: str
    old: str
    new: str
    count: int = 1


def make_copy(place: Path, changes: list[Change]) -> None:
    """Copy what the tests of the journal need, and change it; a change that finds nothing to change is an error."""
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in LINKED:
        (place / name).symlink_to(ROOT / name)
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place / name)
    for change in changes:
        path = place / "journal" / f"{change.module}.py"
        text = path.read_text("utf-8")
        assert text.count(change.old) == change.count, (
            f"{change.module}: {change.old!r} in {text.count(change.old)} places"
        )
        path.write_text(text.replace(change.old, change.new), "utf-8")


def run_tests(place: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests of the copy; return the exit code of pytest, 1 where tests failed, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line",
         *(f"tests/journal/{test}" for test in tests)],
        cwd=place, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": str(place), "NUMBA_DISABLE_JIT": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
