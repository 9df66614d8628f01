"""``book``, ``order``, ``diff``, ``export`` and ``replay --to TIME``: what they print, also of what is not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from protocols.codes import OUT_FILLED, OUTFLAG_MAKER, Kind, Side
from protocols.instants import time_text
from protocols.layouts import COMMAND
from stages.journaling import open_writer
from tests.cli.recorded import START_NS, Recorder, trading_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    """Return a data directory with a journal, and the recording that it holds."""
    recorder = trading_day()
    directory = tmp_path_factory.mktemp("day")
    recorder.write(directory)
    return directory, recorder


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """Run a command with --json and return what was printed."""
    assert main([*map(str, arguments), "--json"]) == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object, code: ExitCode = ExitCode.USAGE) -> str:
    """Run a command that fails, and return the line that says why."""
    assert main([*map(str, arguments)]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ringmatch: ") and err.count("\n") == 1
    return err


# replay --to TIME


def test_replay_stops_at_a_time(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """A time is the last command by then, in any way of writing it."""
    directory, recorder = day
    for text in (time_text(START_NS + 29), "2027-01-15T09:00:00.000000029+01:00", "08:00:00.000000029"):
        report = printed(capsys, "replay", directory, "--to", text)
        assert report["last_seq"] == 30
        assert report["outcome_digest"] == recorder.outcome_digest(30)
    assert printed(capsys, "replay", directory, "--to", "2030-01-01")["last_seq"] == recorder.last_seq
    said = refused(capsys, "replay", directory, "--to", "2020-01-01")
    assert "--to: expected a time from 2027-01-15T08:00:00.000000000Z on, where the journal begins" in said
    assert "expected a sequence or a time" in refused(capsys, "replay", directory, "--to", "noon")


# book


def test_book_shows_levels_and_orders(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """The book at the end is that of the live core; people see the same levels, best ones in the middle."""
    directory, recorder = day
    book = printed(capsys, "book", directory, "--instrument", "SYM1", "--orders")
    live = recorder.core.dump_books()
    assert [order["order_id"] for order in book["orders"]] == [
        order[0] for side in (1, 2) for _, orders in live.get((1, side), []) for order in orders
    ]
    assert (book["seq"], book["time_ns"]) == (recorder.last_seq, START_NS + recorder.last_seq - 1)
    assert main(["book", str(directory), "-i", "SYM1", "--orders", "--depth", "2"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == "" and f"SYM1 after sequence {recorder.last_seq}, 2027-01-15T08:00:00" in out
    assert f"last price {book['last_price']}, {book['open_orders']} open orders" in out
    assert sum(line.count(".") == 1 and "buy" not in line for line in out.splitlines()) >= 1
    for order in book["orders"]:
        assert f"  {order['cl_ord_id']}  " in out


def test_book_at_a_moment(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """A sequence and its time show the same book; of the journal's own directory too."""
    directory, _ = day
    by_seq = printed(capsys, "book", directory, "--at", 25, "-i", "SYM1")
    by_time = printed(capsys, "book", directory / "journal", "--at", time_text(START_NS + 24), "-i", "SYM1")
    assert by_seq == by_time and by_seq["seq"] == 25 and by_seq["orders"] is None


def test_book_of_what_is_not_there(
    day: tuple[Path, Recorder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Symbols close to what was given are named, or those that there are; moments and journals as everywhere."""
    directory, recorder = day
    said = refused(capsys, "book", directory, "-i", "sym2")
    assert "--instrument: expected the symbol of an instrument, was 'sym2'; close to it: SYM1" in said
    assert "was 'X'; there are SYM1\n" in refused(capsys, "book", directory, "-i", "X")
    said = refused(capsys, "book", directory, "-i", "SYM1", "--at", "1")
    assert "the journal defines none by then" in said
    said = refused(capsys, "book", directory, "-i", "SYM1", "--at", recorder.last_seq + 1)
    assert f"--at: expected at most {recorder.last_seq}, where the journal ends" in said
    refused(capsys, "book", tmp_path, "-i", "SYM1", code=ExitCode.NO_JOURNAL)
    empty = Recorder()
    empty.commands.clear()
    empty.write(tmp_path)
    assert "expected a journal with commands" in refused(capsys, "book", tmp_path, "-i", "SYM1")


# order


def test_order_tells_a_life(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """Commands and outcomes of an order, by id and by name, for scripts and for people."""
    directory, recorder = day
    live = recorder.all_outcomes()
    ends = live[
        (live["type"] == OUT_FILLED) & (live["flags"] & OUTFLAG_MAKER != 0) & (live["leaves_lots"] == 0)
    ]
    order_id, hit_by = int(ends["order_id"][0]), int(ends["input_seq"][0])
    name = f"C{order_id - 1}"
    story = printed(capsys, "order", directory, order_id)
    named = printed(capsys, "order", directory, "--session", "FIRM1", "--cl-ord-id", name)
    assert named == story and story["status"] == "filled"
    outcomes = [event for event in story["events"] if event["event"] == "outcome"]
    mine = live[live["order_id"] == order_id]
    assert [(event["seq"], event["index"]) for event in outcomes] == [
        (int(row["input_seq"]), int(row["index"])) for row in mine
    ]
    assert main(["order", str(directory), f"{order_id:,}"]) == ExitCode.OK
    out, _ = capsys.readouterr()
    assert out.startswith(f"order {order_id}: {story['side']} SYM1 limit gtc\n")
    assert f"of session FIRM1, account ACC1, ClOrdID {name}\n" in out
    assert f"filled: {story['cum_qty']} done at {story['average_price']} on average, 0 left" in out
    assert out.count("> ") == len(outcomes) and f"with order {hit_by}" in out
    early = printed(capsys, "order", directory, order_id, "--to", order_id)
    assert (early["status"], early["last_seq"], hit_by > order_id) == ("open", order_id, True)


def test_order_that_is_not_there(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be found is told from what was asked in the wrong way."""
    directory, _ = day
    assert "was 99999" in refused(capsys, "order", directory, 99999)
    assert "a sequence from 1 to 13, was 14" in refused(capsys, "order", directory, 14, "--to", 13)
    assert "2 is that of a command instrument" in refused(capsys, "order", directory, 2)
    assert "ORDER_ID: expected a number, was 'C13'" in refused(capsys, "order", directory, "C13")
    said = refused(capsys, "order", directory, "--session", "FIRM9", "--cl-ord-id", "C13")
    assert "expected one of the sessions FIRM1, was 'FIRM9'" in said
    for arguments in (
        (),
        (14, "--session", "FIRM1"),
        ("--cl-ord-id", "C13"),
        (14, "--session", "A", "--cl-ord-id", "B"),
    ):
        said = refused(capsys, "order", directory, *arguments)
        assert "expected ORDER_ID, or --session and --cl-ord-id" in said


# diff


def variant(directory: Path, *, wrong_by: int = 0, wrong_state: int = 0, more: int = 0, qty: int = 7) -> Path:
    """Write a day that may differ in a digest, in an order or in its length."""
    recorder = Recorder()
    recorder.define()
    session = recorder.open("FIRM1")
    recorder.trade(session, 10)
    recorder.checkpoint()
    recorder.trade(session, 10)
    recorder.checkpoint(wrong_by=wrong_by)
    recorder.order(session, Side.BUY, 900, qty)
    recorder.final(wrong_by=wrong_state)
    recorder.trade(session, more)
    recorder.write(directory)
    return directory


def test_diff_of_equal_journals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal journals, and one that goes on where the other ends, do not part: exit code 0."""
    a, b, c = (variant(tmp_path / name, more=more) for name, more in (("a", 0), ("b", 0), ("c", 5)))
    report = printed(capsys, "diff", a, b)
    assert (report["verdict"], report["parts"], report["seq"]) == ("equal", False, None)
    assert report["compared"] == report["last_seq_a"] == report["last_seq_b"]
    for pair, longer in (((a, c), "B"), ((c, a), "A")):
        assert printed(capsys, "diff", *pair)["verdict"] == "prefix"
        assert main(["diff", *map(str, pair)]) == ExitCode.OK
        assert f"{longer} goes on after {report['compared']}" in capsys.readouterr().out


def test_diff_finds_the_first_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first sequence that differs, with both records field by field; ignored fields may differ."""
    a, b = variant(tmp_path / "a"), variant(tmp_path / "b", qty=8)
    assert main(["diff", str(a), str(b / "journal"), "--json"]) == ExitCode.FAILED
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["differing"]) == ("commands", ["qty_lots"])
    seq = report["seq"]
    assert (report["a"]["qty_lots"], report["b"]["qty_lots"], report["compared"]) == (7, 8, seq - 1)
    assert main(["diff", str(a), str(b)]) == ExitCode.FAILED
    out = capsys.readouterr().out
    assert f"they part at sequence {seq}; before it {seq - 1} commands" in out
    assert [line.split() for line in out.splitlines() if line.startswith("≠")] == [
        ["≠", "qty_lots", "7", "8"]
    ]
    # behind it the digests of the outcomes differ, and of the state, and the commands do not
    assert main(["diff", str(a), str(b), "--ignore", "qty_lots"]) == ExitCode.FAILED
    assert "commands agree, outcomes do not" in capsys.readouterr().out
    assert "--ignore: expected fields of time_ns, seen_seq" in refused(
        capsys, "diff", a, b, "--ignore", "qty"
    )


@pytest.mark.parametrize(("wrong", "what"), [({"wrong_by": 1}, "outcomes"), ({"wrong_state": 1}, "state")])
def test_diff_finds_digests_that_part(
    wrong: dict[str, int], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where commands agree and a checkpoint does not, the interval is named, and with --replay whose digest we make."""
    a, b = variant(tmp_path / "a"), variant(tmp_path / "b", **wrong)
    for pair, ours in (((a, b), ["a"]), ((b, a), ["b"])):
        assert main(["diff", *map(str, pair), "--replay", "--json"]) == ExitCode.FAILED
        report = json.loads(capsys.readouterr().out)
        assert (report["verdict"], report["digest_what"], report["made_here"]) == ("digests", what, ours)
        assert report["agreed_seq"] < report["digest_seq"] < report["seq"]
    assert main(["diff", str(a), str(b), "--replay"]) == ExitCode.FAILED
    out = capsys.readouterr().out
    assert f"commands agree, {what} do not" in out and "this build makes the digest of A\n" in out
    assert f"part after {report['agreed_seq']} and not after {report['digest_seq']}\n" in out


def test_diff_needs_two_journals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory without a journal has the exit code of one."""
    refused(capsys, "diff", variant(tmp_path / "a"), tmp_path, code=ExitCode.NO_JOURNAL)


def test_diff_across_many_chunks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One word of one command among tens of thousands is found, wherever it is, also one that its kind does not use."""
    rows = np.zeros(40_000, dtype=COMMAND)
    rows["seq"], rows["kind"] = np.arange(1, len(rows) + 1), int(Kind.TICK)
    for name, place in (("a", None), ("b", 16_384), ("c", 39_999)):
        written = rows.copy()
        if place is not None:
            written["aux1"][place] = 1
        with open_writer(tmp_path / name / "journal", "none", 1 << 20) as writer:
            for start in range(0, len(rows), 1000):
                writer.append(written[start : start + 1000])
    for name, seq in (("b", 16_385), ("c", 40_000)):
        assert main(["diff", str(tmp_path / "a"), str(tmp_path / name)]) == ExitCode.FAILED
        out = capsys.readouterr().out
        assert f"they part at sequence {seq:,}" in out and "≠  word aux1" in out
    assert printed(capsys, "diff", tmp_path / "a", tmp_path / "b", "--ignore", "aux1")["compared"] == 40_000


# export


def test_export_writes_both_tables(
    day: tuple[Path, Recorder], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, sizes and bounds are reported; from a time on is what came after it."""
    directory, recorder = day
    files = ("--commands", tmp_path / "c.parquet", "--outcomes", tmp_path / "o.jsonl")
    report = printed(capsys, "export", directory, *files)
    assert (report["commands"], report["last_seq"], report["verified"]) == (
        recorder.last_seq,
        recorder.last_seq,
        True,
    )
    assert report["outcomes"] == len((tmp_path / "o.jsonl").read_bytes().splitlines())
    assert report["commands_bytes"] == (tmp_path / "c.parquet").stat().st_size
    bounds = ("--from", time_text(START_NS + 19), "--to", 40)
    report = printed(capsys, "export", directory, *files, *bounds)
    assert (report["first_seq"], report["last_seq"], report["commands"]) == (21, 40, 20)
    assert (
        main(["export", str(directory), "--commands", str(tmp_path / "c.csv"), "--from", "20"]) == ExitCode.OK
    )
    assert f"c.csv: {recorder.last_seq - 19} commands, " in capsys.readouterr().out


def test_export_says_what_is_wrong(
    day: tuple[Path, Recorder],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No file, the same file twice, no format, no such place, no extra: one line each, and no file is left."""
    directory, _ = day
    assert "expected --commands FILE, --outcomes FILE or both" in refused(capsys, "export", directory)
    same = tmp_path / "same.csv"
    assert "expected another file" in refused(
        capsys, "export", directory, "--commands", same, "--outcomes", same
    )
    said = refused(capsys, "export", directory, "--commands", tmp_path / "c.xlsx")
    assert "expected a name that ends in .parquet, .csv, .jsonl, .ndjson, was 'c.xlsx'" in said
    said = refused(capsys, "export", directory, "--commands", same, "--from", 30, "--to", 20)
    assert "--from: expected a place up to 20, where the export ends, was 30" in said
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = refused(capsys, "export", directory, "--outcomes", tmp_path / "o.parquet")
    assert "pip install 'ringmatch[parquet]'" in said
    refused(capsys, "export", directory, "--commands", tmp_path / "no" / "c.csv", code=ExitCode.DISK)
    assert list(tmp_path.iterdir()) == []


def test_export_of_a_journal_whose_digests_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files are written, and the exit code says that the outcomes are not those of the live run."""
    directory = variant(tmp_path / "a", wrong_by=1)
    assert main(["export", str(directory), "--outcomes", str(tmp_path / "o.csv")]) == ExitCode.FAILED
    assert "outcomes after that are those of this build" in capsys.readouterr().err
    assert (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("command", ["book", "order", "diff", "export"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help has examples that can be typed."""
    assert main([command, "--help"]) == ExitCode.OK
    assert f"ringmatch {command} ringmatch-data" in capsys.readouterr().out
