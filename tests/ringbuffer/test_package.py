"""The package as its user meets it: names, lazy loading, the example."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ringbuffer

pytestmark = pytest.mark.jitoff

ROOT = Path(ringbuffer.__file__).parents[1]
EXAMPLE = ROOT / "examples" / "ring_two_processes.py"
MOST_LINES = 20
WITHOUT_NUMBA = [
    "ringbuffer",
    "ringbuffer.inspect",
    "ringbuffer.layout",
    "ringbuffer.liveness",
    "ringbuffer.shm",
    "ringbuffer.slots",
]


def run(*arguments: str) -> str:
    """Run Python with these arguments in the repository, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_public_name_loads() -> None:
    """All names are sorted, load, and come from this package; others do not exist."""
    assert ringbuffer.__all__ == sorted(ringbuffer.__all__)
    for name in ringbuffer.__all__:
        assert getattr(ringbuffer, name).__module__.startswith("ringbuffer.")
    with pytest.raises(AttributeError, match="no attribute 'Sequencer'"):
        _ = ringbuffer.Sequencer


@pytest.mark.parametrize("module", WITHOUT_NUMBA)
def test_looking_at_segments_needs_no_numba(module: str) -> None:
    """Importing the package, its layout, segments and errors loads no Numba, so a status costs no second."""
    assert run("-c", f"import sys, {module}; print('numba' in sys.modules)") == "False\n"


def test_the_example_is_short_and_works() -> None:
    """The example of two processes has at most 20 lines of code and prints the turnover that it must."""
    tree = ast.parse(EXAMPLE.read_text())
    documentation = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = EXAMPLE.read_text().splitlines()
    code = [line for number, line in enumerate(lines, 1) if line.strip() and number not in documentation]
    assert len(code) <= MOST_LINES
    assert run(str(EXAMPLE)) == f"turnover {101 * 5 + 1000 * 100 * 2}\n"


def test_the_page_shows_the_example_that_runs() -> None:
    """The example in the documentation is the file, word for word."""
    assert EXAMPLE.read_text().rstrip() in (ROOT / "docs" / "ringbuffer.md").read_text()


def test_the_memory_model_names_what_exists() -> None:
    """Each file and test that the page on the memory model names is there."""
    page = (ROOT / "docs" / "memory-model.md").read_text()
    for path in re.findall(r"`(ringbuffer/\w+\.py)`", page):
        assert (ROOT / path).exists(), path
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", page):
        assert f"def {name}(" in tests, name
