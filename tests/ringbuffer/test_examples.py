"""The examples run, print what they must, and are what the page shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MOST_LINES = 70
PATIENCE_S = 120.0
PRINTED = {
    "ring_two_processes": f"turnover {101 * 5 + 1000 * 100 * 2}\n",
    "ring_topologies": f"risk and fees {5 * sum(range(10_000))}\n",
    "ring_several_producers": "open: 4 slots of producer-1\nreceived [1000, 1000, 1], padded 4\n",
    "ring_observer": "seen and missed 256000, last price 0\n",
    "ring_kernels": f"turnover {2 * sum(range(1, 1_000_001))}\n",
}


def test_every_example_has_its_output() -> None:
    """All examples of rings are run here."""
    assert {path.stem for path in EXAMPLES.glob("ring_*.py")} == set(PRINTED)


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_examples_print_what_they_must(name: str) -> None:
    """Each example ends well, says what was computed beforehand, and nothing on stderr."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, PRINTED[name], "")


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_examples_are_short_and_named_on_the_page(name: str) -> None:
    """An example is at most a screen, and the page about the ring names it."""
    text = (EXAMPLES / f"{name}.py").read_text()
    assert len(text.splitlines()) <= MOST_LINES
    assert f"`examples/{name}.py`" in (ROOT / "docs" / "ringbuffer.md").read_text()


def test_the_page_shows_the_kernels_that_run() -> None:
    """The compiled loops in the documentation are those of the example, word for word."""
    text = (EXAMPLES / "ring_kernels.py").read_text()
    shown = text[text.index("@kernel") : text.index("def run_consumer")].rstrip()
    assert shown in (ROOT / "docs" / "ringbuffer.md").read_text()
