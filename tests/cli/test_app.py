"""The command line itself: lazy commands, one line for each error, and the table of exit codes."""

from __future__ import annotations

import errno
import importlib
import os

import pytest

from cli.app import COMMANDS, load_command, main
from cli.exit_codes import ERRORS, CommandError, ExitCode, explain
from protocols.source import DecodeError
from ringbuffer.errors import RingbufferError, SegmentMissing, SharedMemoryFull
from stages.config import ConfigError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments and with --help, all commands are listed with their line of help, on stdout."""
    for arguments in ([], ["--help"], ["-h"]):
        assert main(arguments) == ExitCode.OK
        out, err = capsys.readouterr()
        assert err == ""
        for name, row in COMMANDS.items():
            assert f" {name} " in out
            assert row.help.split(".")[0][:40] in out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_row_leads_to_a_command(name: str) -> None:
    """Each row of the table names a module and an object that exist."""
    assert load_command(name).name == name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "ringmatch: No such command 'nope' (try 'ringmatch --help')"),
        (["confg"], "ringmatch: No such command 'confg'. Did you mean 'config'? (try 'ringmatch --help')"),
        (["--nope"], "ringmatch: No such option: --nope (try 'ringmatch --help')"),
        (["config"], "ringmatch: Missing command (try 'ringmatch config --help')"),
        (["config", "check"], "ringmatch: Missing argument 'FILE' (try 'ringmatch config check --help')"),
        (["doctor", "--x"], "ringmatch: No such option: --x (try 'ringmatch doctor --help')"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong command line is answered with one line on stderr and exit code 2."""
    assert main(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err) == ("", said + "\n")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            CommandError("nothing runs on\n data", ExitCode.NOT_RUNNING),
            ExitCode.NOT_RUNNING,
            "nothing runs on data",
        ),
        (ConfigError("a.b", "expected c", 1, "f.toml"), ExitCode.CONFIG, "f.toml: a.b: expected c, was 1"),
        (
            SegmentMissing("ringmatch-x: expected a segment"),
            ExitCode.NOT_RUNNING,
            "ringmatch-x: expected a segment",
        ),
        (
            SharedMemoryFull("ringmatch-x", 100, 10),
            ExitCode.SHM_FULL,
            "ringmatch-x: expected 100 bytes free in /dev/shm, was 10",
        ),
        (
            DecodeError("a.fix", 7, 2, "54", "9", "expected 1 or 2", line=2),
            ExitCode.INPUT,
            "a.fix: record 2, line 2, offset 7, field 54, value '9': expected 1 or 2",
        ),
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.fix"),
            ExitCode.DISK,
            "a.fix: No such file or directory",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "j"),
            ExitCode.DISK,
            "j: No space left on device; free some space, then start again: it recovers",
        ),
        (
            RingbufferError("odd"),
            ExitCode.INTERNAL,
            "internal error: RingbufferError: odd (RINGMATCH_TRACEBACK=1 shows where)",
        ),
    ],
)
def test_errors_lead_to_their_exit_code(error: Exception, code: ExitCode, line: str) -> None:
    """Each error of a lower floor has its exit code and one line; one without a row is a defect of ours."""
    assert explain(error) == (code, line)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_rows_name_errors_that_exist(name: str) -> None:
    """Each row of the table names an exception of its module."""
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_exit_codes_are_what_scripts_know() -> None:
    """The numbers are part of the interface: they are never changed, only added to."""
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "NOT_RUNNING": 4,
        "ALREADY_RUNNING": 5,
        "WORKER_DIED": 6,
        "JOURNAL": 7,
        "NO_JOURNAL": 8,
        "DISK": 9,
        "SHM_FULL": 10,
        "INPUT": 11,
        "CUT_OFF": 12,
        "NO_RING": 13,
        "INTERNAL": 70,
        "INTERRUPTED": 130,
    }
    assert all(code.meaning for code in ExitCode)


def test_traceback_is_shown_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """RINGMATCH_TRACEBACK=1 shows where an error came from, before its line."""
    monkeypatch.setenv("RINGMATCH_TRACEBACK", "1")
    assert main(["config", "check", "missing.toml"]) == ExitCode.CONFIG
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("ringmatch: missing.toml: cannot be read: No such file or directory\n")


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """--version says which ringmatch this is."""
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("ringmatch")
