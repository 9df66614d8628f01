"""``ringmatch replay``: the state and the outcomes of the live run again, or where the two part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from journal.segment import SEGMENT_HEADER_BYTES
from journal.writer import JournalWriter
from protocols.codes import Side
from protocols.outcome_lines import OutcomeLines
from stages.definitions import directory_of
from stages.history import session_names_of
from stages.journaling import open_writer
from stages.replay import journal_directory
from tests.cli.recorded import SEGMENT_BYTES, Recorder, trading_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    """Return a data directory with a journal, and the recording that it holds."""
    recorder = trading_day()
    directory = tmp_path_factory.mktemp("day")
    recorder.write(directory)
    return directory, recorder


def replayed(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Replay with --json and return what was printed."""
    assert main(["replay", *map(str, arguments), "--json"]) == ExitCode.OK
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_replay_ends_in_the_state_of_the_live_run(
    day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    """Sequences, digests and the number of digests compared are those of what was recorded."""
    directory, recorder = day
    report = replayed(capsys, directory, "--verify")
    last_seq = recorder.last_seq
    assert report["state_digest"] == recorder.state_digest(last_seq)
    assert report["outcome_digest"] == recorder.outcome_digest(last_seq)
    assert (report["first_seq"], report["last_seq"], report["commands"]) == (1, last_seq, last_seq)
    assert (report["checkpoints"], report["state_checks"], report["verified"]) == (3, 1, True)
    assert (report["agreed_seq"], report["diverged_seq"]) == (last_seq - 1, 0)
    assert report["commands_per_second"] > 0


def test_replay_says_what_it_found(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the same stands on stdout, a line each, and nothing on stderr, which is no terminal."""
    directory, recorder = day
    assert main(["replay", str(directory), "--verify"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    seq = recorder.last_seq
    assert f"sequences 1 to {seq}\n" in out
    assert f"state digest: {recorder.state_digest(seq)}\n" in out
    assert f"outcome digest: {recorder.outcome_digest(seq)}\n" in out
    assert (
        f"equal to those journaled (3 checkpoints and 1 final state digest), the last at sequence {seq - 1}"
        in out
    )


def test_the_journal_itself_may_be_named(
    day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    """The directory of the journal inside a data directory does as well."""
    directory, recorder = day
    assert replayed(capsys, directory / "journal")["last_seq"] == recorder.last_seq


@pytest.mark.parametrize("seq", [1, 2, 17, 40])
def test_replay_stops_where_it_is_told(
    seq: int, day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --to the digests are those that the live run had after that sequence."""
    directory, recorder = day
    report = replayed(capsys, directory, "--to", seq)
    assert (report["last_seq"], report["commands"]) == (seq, seq)
    assert report["state_digest"] == recorder.state_digest(seq)
    assert report["outcome_digest"] == recorder.outcome_digest(seq)


def test_replay_to_the_end_and_one_past_it(
    day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last sequence can be named; one more is wrong usage, and the line says where the journal ends."""
    directory, recorder = day
    last_seq = recorder.last_seq
    assert replayed(capsys, directory, "--to", last_seq)["last_seq"] == last_seq
    for beyond in (last_seq + 1, last_seq + 1000, 1 << 62):
        assert main(["replay", str(directory), "--to", str(beyond)]) == ExitCode.USAGE
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"ringmatch: --to: expected at most {last_seq}, where the journal ends, was {beyond}\n"
    assert main(["replay", str(directory), "--to", "0"]) == ExitCode.USAGE


def test_a_wrong_outcome_digest_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--verify names the last checkpoint that agreed and the first that does not, and the exit code is 1."""
    recorder = Recorder()
    recorder.define()
    session = recorder.open("FIRM1")
    recorder.trade(session, 10)
    good_seq = recorder.checkpoint()
    recorder.trade(session, 10)
    bad_seq = recorder.checkpoint(wrong_by=1)
    recorder.trade(session, 10)
    recorder.checkpoint()
    recorder.write(tmp_path)
    assert main(["replay", str(tmp_path), "--verify"]) == ExitCode.FAILED
    out, err = capsys.readouterr()
    said = f"the digest of outcomes at sequence {bad_seq} is not the journaled one; they agreed last at {good_seq}"
    assert err == f"ringmatch: {tmp_path / 'journal'}: {said}\n"
    assert "digests: DIFFERENT" in out
    # without --verify it is said, but it is no failure
    assert main(["replay", str(tmp_path)]) == ExitCode.OK
    assert said in capsys.readouterr().err
    # before the place where they part, all is well
    report = replayed(capsys, tmp_path, "--verify", "--to", bad_seq)
    assert (report["verified"], report["agreed_seq"], report["checkpoints"]) == (True, good_seq, 1)


def test_a_wrong_state_digest_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state digest of a clean stop is compared too, also when the journal goes on behind it."""
    recorder = Recorder()
    recorder.define()
    session = recorder.open("FIRM1")
    recorder.trade(session, 5)
    good_seq = recorder.final()
    recorder.trade(session, 5)
    bad_seq = recorder.final(wrong_by=1 << 62)
    recorder.trade(session, 5)
    recorder.write(tmp_path)
    assert main(["replay", str(tmp_path), "--verify", "--json"]) == ExitCode.FAILED
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert f"the digest of state at sequence {bad_seq}" in err
    assert (report["verified"], report["diverged_what"], report["state_checks"]) == (False, "state", 2)
    assert report["diverged_seq"] == bad_seq
    assert good_seq <= report["agreed_seq"] <= bad_seq


def test_nothing_to_compare_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal without checkpoints is neither verified nor refuted."""
    recorder = Recorder()
    recorder.define()
    recorder.write(tmp_path)
    assert replayed(capsys, tmp_path, "--verify")["verified"] is None
    assert main(["replay", str(tmp_path), "--verify"]) == ExitCode.OK
    assert "digests: nothing to compare" in capsys.readouterr().out


def test_outcome_lines_are_those_of_the_live_run(
    day: tuple[Path, Recorder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--out writes, byte for byte, what a gateway writes of the outcomes that it gets."""
    directory, recorder = day
    out = tmp_path / "out.jsonl"
    report = replayed(capsys, directory, "--out", out)
    live = OutcomeLines(directory_of(recorder.core.state.risk), {1: "FIRM1"})
    expected = live.encode(recorder.all_outcomes())
    assert out.read_bytes() == expected
    lines = [json.loads(line) for line in expected.splitlines()]
    assert report["outcome_lines"] == len(lines) > 40
    assert {line["type"] for line in lines} >= {"accepted", "filled"}
    assert {(line["instrument"], line["account"], line["session"]) for line in lines} == {
        ("SYM1", "ACC1", "FIRM1")
    }


def test_names_that_come_later_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Instruments, accounts and sessions that are defined while the journal runs have names in the lines."""
    recorder = Recorder()
    recorder.define()
    recorder.trade(recorder.open("FIRM1"), 3)
    recorder.final()  # the lines so far are written here
    recorder.define(instrument=2, account=2)
    second = recorder.open("the second")
    recorder.order(second, Side.SELL, 500, 7, instrument=2)
    recorder.write(tmp_path)
    out = tmp_path / "out.jsonl"
    replayed(capsys, tmp_path, "--out", out)
    last = json.loads(out.read_bytes().splitlines()[-1])
    assert (last["instrument"], last["session"], last["price"]) == ("SYM2", "the second", "5.00")
    assert session_names_of(recorder.core) == {1: "FIRM1", 2: "the second"}


def test_a_missing_journal_has_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No directory, an empty one, and a journal without segments are told in one line."""
    (tmp_path / "empty" / "journal").mkdir(parents=True)
    for directory in (tmp_path / "none", tmp_path / "empty", tmp_path):
        assert main(["replay", str(directory)]) == ExitCode.NO_JOURNAL
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"ringmatch: {directory}") and err.count("\n") == 1


def test_an_empty_journal_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that holds no command yet has no digests, and that is no error."""
    open_writer(journal_directory(tmp_path), "none", SEGMENT_BYTES).close()
    report = replayed(capsys, tmp_path, "--verify")
    assert (report["last_seq"], report["commands"], report["verified"]) == (0, 0, None)
    assert main(["replay", str(tmp_path)]) == ExitCode.OK


def test_a_corrupt_journal_has_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A flipped byte in the middle is named with file and offset, and nothing is reported of the rest."""
    segment = next(trading_day().write(tmp_path).glob("*.rmj"))
    data = bytearray(segment.read_bytes())
    data[SEGMENT_HEADER_BYTES + 200] ^= 0x10
    segment.write_bytes(data)
    assert main(["replay", str(tmp_path), "--verify"]) == ExitCode.JOURNAL
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ringmatch: {segment}, offset ")


def test_a_journal_of_other_records_has_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal whose records are no commands is refused."""
    with JournalWriter(journal_directory(tmp_path), 16, 15, 99, "none", SEGMENT_BYTES) as writer:
        rows = np.zeros((1, 16), dtype=np.int64)
        rows[0, 0] = 1
        writer.append(rows)
    assert main(["replay", str(tmp_path)]) == ExitCode.JOURNAL
    assert "layout" in capsys.readouterr().err
