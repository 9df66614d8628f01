"""``ringmatch scenario run``: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from cli.scenario_commands import EXAMPLE

GOOD = """# One order.
instrument ACME tick 0.01
account ALICE
session S1
ALICE buy 100 ACME @ 10.00 as A1
> accepted A1 100 @ 10.00
"""
BAD = GOOD.replace("> accepted A1 100", "> accepted A1 90")
MALFORMED = GOOD.replace("100 ACME", "many ACME")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a good, a bad and a malformed file."""
    for name, text in (("bad", BAD), ("good", GOOD), ("malformed", MALFORMED)):
        (tmp_path / f"{name}.txt").write_text(text)
    return tmp_path


def run(*arguments: object) -> int:
    """Run scenarios."""
    return main(["scenario", "run", *map(str, arguments)])


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    """Run scenarios; return the exit code and the report."""
    code = run(*arguments, "--json")
    return code, json.loads(capsys.readouterr().out)


def test_all_as_expected_is_exit_code_0(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that holds leaves one line."""
    assert run(place / "good.txt") == ExitCode.OK
    assert capsys.readouterr().out == "1 scenario in 1 file, 22 commands, 1 check: all as expected\n"


def test_a_difference_is_shown_and_exit_code_1(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A difference names file and line, and shows expected and was as a diff; other files are run all the same."""
    assert run(place / "bad.txt", place / "good.txt") == ExitCode.FAILED
    assert capsys.readouterr().out.splitlines() == [
        f"{place}/bad.txt:5: One order",
        "    ALICE buy 100 ACME @ 10.00 as A1",
        "  - accepted A1 90 @ 10.00",
        "  + accepted A1 100 @ 10.00",
        "",
        "2 scenarios in 2 files, 44 commands, 2 checks: 1 of them differ",
    ]


def test_a_malformed_file_is_exit_code_11(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is told on stderr with file, line, field and value, and the others are run all the same."""
    assert run(place) == ExitCode.INPUT
    captured = capsys.readouterr()
    where = f"{place}/malformed.txt:5: quantity: expected a decimal number, was 'many'"
    assert captured.err == f"ringmatch: {where}\n"
    assert captured.out.endswith(
        "2 scenarios in 2 files, 44 commands, 2 checks: 1 of them differ, 1 file malformed\n"
    )


def test_json_holds_everything(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts get files, scenarios, diffs, what is malformed, and the sums."""
    code, report = as_json(capsys, place)
    assert (code, report["ok"], report["scenarios"], report["failed"]) == (ExitCode.INPUT, False, 2, 1)
    bad, good = report["files"]
    assert (bad["path"], bad["title"]) == (f"{place}/bad.txt", "One order")
    [mismatch] = bad["scenarios"][0]["mismatches"]
    assert mismatch == {
        "line": 5,
        "statement": "ALICE buy 100 ACME @ 10.00 as A1",
        "diff": ["- accepted A1 90 @ 10.00", "+ accepted A1 100 @ 10.00"],
    }
    assert good["scenarios"][0]["mismatches"] == []
    assert [each["path"] for each in report["malformed"]] == [f"{place}/malformed.txt"]


def test_update_writes_and_shows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An update changes what differs, shows it as a diff, and the file holds afterwards; a good one is not touched."""
    before = (place / "good.txt").stat().st_mtime_ns
    assert run(place / "bad.txt", place / "good.txt", "--update") == ExitCode.OK
    out = capsys.readouterr().out
    assert "-> accepted A1 90 @ 10.00\n+> accepted A1 100 @ 10.00\n" in out
    assert out.endswith(": 1 file updated\n")
    assert (place / "bad.txt").read_text() == GOOD
    assert (place / "good.txt").stat().st_mtime_ns == before
    assert run(place / "bad.txt") == ExitCode.OK


def test_what_cannot_be_updated_still_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A declaration that is rejected cannot be made right by an update: it is shown, and the exit code is 1."""
    path = tmp_path / "x.txt"
    path.write_text(GOOD.replace("tick 0.01", "tick 0.01 low 5.00 high 4.00"))
    assert run(path, "--update") == ExitCode.FAILED
    assert "+ rejected ACME by-risk INVALID_COMMAND" in capsys.readouterr().out


def test_the_example_of_the_help_holds(tmp_path: Path) -> None:
    """The file in --help is a scenario that goes as it says."""
    lines = [line.removeprefix("    ") for line in EXAMPLE.splitlines() if line.startswith("    ")]
    path = tmp_path / "example.txt"
    path.write_text("\n".join(lines))
    assert run(path) == ExitCode.OK


def test_files_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, an empty directory and a file that is no text are told by name."""
    assert run(tmp_path / "none.txt") == ExitCode.DISK
    assert "none.txt: No such file or directory" in capsys.readouterr().err
    assert run(tmp_path) == ExitCode.INPUT
    assert "expected files *.txt below this directory, was none" in capsys.readouterr().err
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe")
    assert run(tmp_path) == ExitCode.INPUT
    assert "x.txt: expected UTF-8, was a byte 0xff" in capsys.readouterr().err
