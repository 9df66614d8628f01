"""Fixtures of the end-to-end tests: the kernels, loaded once, and a laboratory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Lab, laboratory
from tests.e2e.kernels import load_all_kernels


@pytest.fixture(scope="session", autouse=True)
def kernels() -> None:
    """Load all kernels into this process, so that what it forks has them."""
    load_all_kernels()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Provide a laboratory; whatever it started is gone after the test."""
    with laboratory(tmp_path) as made:
        yield made
