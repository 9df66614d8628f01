"""``ringmatch bench``: where it finds the benchmarks, what it refuses, what it shows without running anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import report, suite
from cli import bench as command
from cli.exit_codes import CommandError, ExitCode
from tests.benchmarks.test_report import a_section


def test_the_names_are_those_of_the_suite() -> None:
    """The command offers every benchmark, in the order of the suite."""
    assert tuple(suite.BENCHES) == command.NAMES


def test_an_unknown_benchmark_is_refused() -> None:
    """An unknown name and a directory that is none are wrong usage, and say what was expected."""
    with pytest.raises(CommandError, match=r"expected one of ring, .*, all, was 'rink'") as refused:
        command.bench("rink")
    assert refused.value.code is ExitCode.USAGE
    with pytest.raises(CommandError, match="--dir: expected a directory"):
        command.bench("journal", directory=Path("nothing-here"))


def test_without_a_checkout_it_says_where_to_run_it(tmp_path: Path) -> None:
    """An installation without benchmarks is told to use a checkout."""
    with pytest.raises(CommandError, match="run it from a checkout") as refused:
        command.find_benchmarks(tmp_path)
    assert refused.value.code is ExitCode.USAGE


def test_kept_results_are_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --render nothing runs: kept results are printed, as JSON too, and make the page."""
    kept, page = tmp_path / "kept.json", tmp_path / "docs" / "page.md"
    stored = suite.save_results(kept, {"matching": a_section(4.5e6)})
    assert command.bench("all", results=kept, render=True, write=page) == 0
    assert page.read_text("utf-8") == report.document(stored)
    shown = capsys.readouterr()
    assert "Matching kernel alone" in shown.out
    assert "missed by 25%" in shown.err
    assert command.bench("matching", results=kept, render=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["matching"]["bench"] == "matching"
    assert command.bench("ring", results=kept, render=True) == 0
    assert capsys.readouterr().out == ""


def test_a_run_that_is_not_verified_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark that lost something ends with the code of a failed check, and one line that says what."""
    from benchmarks.measure import Measured, NotVerified

    def lose(cores: tuple[int, int], mode: str, where: Path | None) -> Measured:
        raise NotVerified("answers: expected 3, was 2")

    monkeypatch.setitem(suite.BENCHES, "journal", lose)
    with pytest.raises(CommandError, match="not verified: answers: expected 3, was 2") as failed:
        command.bench("journal", quick=True)
    assert failed.value.code is ExitCode.FAILED
