"""What must answer at once does: help, configuration and status never import Numba."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.app import COMMANDS
from stages.config import example_toml
from tests.structure.tree import ROOT

HEAVY = ("numba", "llvmlite", "pytest", "hypothesis")
DEADLINE_S = 120.0

COLD = [["--help"], ["--version"], ["config", "example"], ["doctor", "--json"]]
COLD += [[name, "--help"] for name in COMMANDS]
COLD += [["status", "--data", "nothing-here"] for name in COMMANDS if name == "status"]
COLD += [
    [*words, "--data", "nothing-here"]
    for words in (("state", "show"), ("schedule", "list"), ("bands", "show"))
]
COLD += [
    ["ring", "ls"],
    ["ring", "ls", "--json"],
    ["ring", "stat", "nothing-here"],
    ["ring", "watch", "nothing-here"],
]


def imported(arguments: list[str], cwd: Path) -> set[str]:
    """Run a command in a process of its own and return the top-level modules that it imported."""
    command = [sys.executable, "-X", "importtime", "-m", "cli", *arguments]
    done = subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": str(ROOT), "HOME": str(cwd)}, capture_output=True, text=True,
        timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert lines, done.stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "typer" in names
    return names


@pytest.mark.parametrize("arguments", COLD, ids=" ".join)
def test_cold_commands_do_not_import_numba(arguments: list[str], tmp_path: Path) -> None:
    """Help, examples, advice and the state of what does not run: neither Numba nor a test tool."""
    assert not imported(arguments, tmp_path) & set(HEAVY)


def test_config_check_does_not_import_numba(tmp_path: Path) -> None:
    """A configuration is checked without Numba."""
    (tmp_path / "venue.toml").write_text(example_toml())
    assert not imported(["config", "check", "venue.toml"], tmp_path) & set(HEAVY)


def test_help_imports_no_command(tmp_path: Path) -> None:
    """The list of commands is printed without importing any of them, nor NumPy."""
    assert not imported(["--help"], tmp_path) & {"numpy", "msgspec", "stages", "ringbuffer"}
