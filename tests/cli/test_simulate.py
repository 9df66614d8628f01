"""``ringmatch simulate``: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from stages import simulator
from tests.simulator.mutants import CheckpointOffByOne

MOST_RUNS = 20


def run(*arguments: object) -> int:
    """Simulate."""
    return main(["simulate", *map(str, arguments)])


def test_runs_that_hold_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and one sum of everything that the runs went through."""
    assert run("--seed", 7, "--steps", 400, "--runs", 2, "--json") == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert (report["seed"], report["steps"], report["runs"], report["failure"]) == (7, 400, 2, None)
    assert report["commands"] > 0 and report["recoveries"] >= 2


def test_the_same_call_writes_the_same_trace(tmp_path: Path) -> None:
    """Seed and steps are all that a trace depends on."""
    for name in ("one", "two"):
        assert run("--seed", 7, "--steps", 400, "--runs", 1, "--trace", tmp_path / name) == ExitCode.OK
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() != b""


def test_a_seed_is_told_where_none_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody has tried before can be had again; without time there is one run."""
    assert run("--steps", 50, "--minutes", 0) == ExitCode.OK
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[0] == "seeds" and last[1] == last[3].rstrip(",")


def test_a_broken_promise_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failure goes to stderr, and ends with the command that shows it again."""
    wrong = partial(simulator.run_seeds, make_steps=CheckpointOffByOne)
    monkeypatch.setattr(simulator, "run_seeds", wrong)
    assert run("--seed", 1, "--steps", 1000, "--runs", MOST_RUNS) == ExitCode.FAILED
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("reproduce: ringmatch simulate --seed ")
    assert any("expected the journaled digests" in line for line in told)
