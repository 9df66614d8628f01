"""``ringmatch journal seal``, ``archive``, ``compress``, ``prune``: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from journal.manifest import MANIFEST_NAME, keeping
from journal.segment import list_segments
from tests.journal import cases, kept

LAST = (kept.SEGMENTS + 1) * kept.ROWS_A_SEGMENT


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data directory with a journal of several segments."""
    kept.small_journal(tmp_path / "data" / "journal")
    return tmp_path / "data"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """Run a command with --json, and return what it prints."""
    assert main(["journal", *map(str, arguments), "--json"]) == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def test_a_journal_is_kept_from_the_command_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sealed, compressed, archived and pruned, it is read on, and its chain is the one that was printed first."""
    sealed = run(capsys, "seal", data)
    assert len(sealed["sealed"]) == kept.SEGMENTS and sealed["kept_seq"] == 0
    assert sealed["sealed"][-1]["chain"] == sealed["chain"]
    done = run(capsys, "compress", data, "--keep", 0)
    assert (done["segments"], done["found"]) == (kept.SEGMENTS, 0)
    target = data.parent / "archive"
    done = run(capsys, "archive", data, "--to", target, "--compress")
    assert (done["segments"], done["chain"]) == (kept.SEGMENTS, sealed["chain"])
    dry = run(capsys, "prune", data, "--covered-by", LAST, "--dry-run")
    assert len(dry["files"]) == kept.SEGMENTS and dry["dry_run"]
    done = run(capsys, "prune", data, "--covered-by", LAST, "--archived-in", target, "--keep-segments", 1)
    assert done["files"] == dry["files"][:-1]
    for place, count in ((data, 2), (target, kept.SEGMENTS)):
        report = run(capsys, "verify", place, "--chain", sealed["chain"])
        assert (report["ok"], report["segments"], report["chain"]) == (True, count, sealed["chain"])
    assert run(capsys, "info", target)["state"] == "archive"
    again = data.parent / "again"
    done = run(capsys, "restore", target, "--to", again)
    assert (done["segments"], done["chain"]) == (kept.SEGMENTS, sealed["chain"])
    assert run(capsys, "info", again)["state"] == "clean"
    assert len(cases.read_all(target)) == LAST - kept.ROWS_A_SEGMENT


def test_people_are_told_in_a_few_lines(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many segments, and how large; the chain where it is worth keeping."""
    for arguments, first in (
        (["seal"], f"{data / 'journal'}: {kept.SEGMENTS} segments sealed\n"),
        (["archive", "--to", str(data / "far")], f"{data / 'far'}: {kept.SEGMENTS} segments copied ("),
        (
            ["archive", "--to", str(data / "far")],
            f"{data / 'far'}: 0 segments copied (0 B in 0 B), {kept.SEGMENTS} were",
        ),
        (["compress", "--keep", "1"], f"{data / 'journal'}: {kept.SEGMENTS - 1} segments compressed ("),
        (["prune", "--covered-by", "6"], "journal-00000000000000000001.rmj.zst\n"),
        (
            ["prune", "--covered-by", "6"],
            f"{data / 'journal'}: 0 files, 0 B removed; kept from sequence 7 on\n",
        ),
        (["verify"], f"{data / 'journal'}: {LAST - 6} commands in "),
    ):
        assert main(["journal", arguments[0], str(data), *arguments[1:]]) == ExitCode.OK
        assert capsys.readouterr().out.startswith(first)


def test_a_restoration_is_told_in_a_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many segments came back, and how large they are; what is no archive is none."""
    for arguments in (
        ["archive", str(data), "--to", str(data / "far")],
        ["restore", str(data / "far"), "--to", str(data / "new")],
    ):
        capsys.readouterr()
        assert main(["journal", *arguments]) == ExitCode.OK
    assert capsys.readouterr().out.startswith(f"{data / 'new'}: {kept.SEGMENTS} segments restored (")
    assert main(["journal", "restore", str(data), "--to", str(data / "other")]) == ExitCode.NO_JOURNAL


def test_errors_are_one_line_and_an_exit_code(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No journal, somebody else who keeps it, a damaged manifest, another chain, a missing option."""
    journal = data / "journal"
    for arguments, code in (
        (["seal", str(data / "nothing")], ExitCode.DISK),
        (["compress", str(data.parent)], ExitCode.NO_JOURNAL),
        (["prune", str(data)], ExitCode.USAGE),
        (["archive", str(data), "--to", str(journal)], ExitCode.JOURNAL),
        (["prune", str(data), "--covered-by", "99", "--archived-in", str(data.parent)], ExitCode.JOURNAL),
    ):
        assert main(["journal", *arguments]) == code
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("ringmatch: ") and err.count("\n") == 1
    with keeping(journal):
        assert main(["journal", "seal", str(data)]) == ExitCode.ALREADY_RUNNING
    assert main(["journal", "verify", str(data), "--chain", "0" * 64]) == ExitCode.JOURNAL
    cases.flip_bit(journal / MANIFEST_NAME, 3, 1)
    assert main(["journal", "seal", str(data)]) == ExitCode.JOURNAL
    assert main(["journal", "verify", str(data)]) == ExitCode.JOURNAL
    assert len(list_segments(journal)) == kept.SEGMENTS + 1
