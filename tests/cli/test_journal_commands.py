"""``ringmatch journal``: facts, commands as JSON lines, and findings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from cli.journal_commands import command_fields
from journal.reader import JournalReader
from journal.segment import SEGMENT_HEADER_BYTES
from journal.writer import JournalWriter
from protocols.codes import FLAG_OFF_LOT, FLAG_OFF_TICK, CommandFlag, Kind, OrdType, Side
from protocols.layouts import COMMAND
from protocols.text import pack_text
from tests.cli.recorded import CAPACITY, SEGMENT_BYTES, START_NS, Recorder, trading_day
from tests.structure.tree import ROOT

PATIENCE_S = 120.0
IN_A_BLOCK = SEGMENT_HEADER_BYTES + 200


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    """Return a data directory with a journal, and the recording that it holds."""
    recorder = trading_day()
    directory = tmp_path_factory.mktemp("day")
    recorder.write(directory)
    return directory, recorder


def dumped(capfdbinary: pytest.CaptureFixture[bytes], *arguments: object) -> list[dict[str, Any]]:
    """Dump and return the lines as objects."""
    assert main(["journal", "dump", *map(str, arguments)]) == ExitCode.OK
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def flip(path: Path, offset: int) -> None:
    """Flip one bit of a file; a second time puts it back."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


# info


def test_info_tells_what_the_files_hold(
    day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    """Sequences, sizes and the state of each segment are printed, for people and for scripts."""
    directory, recorder = day
    last_seq = recorder.last_seq
    for place in (directory, directory / "journal"):
        assert main(["journal", "info", str(place), "--json"]) == ExitCode.OK
        facts = json.loads(capsys.readouterr().out)
        assert (facts["first_seq"], facts["last_seq"], facts["record_count"]) == (1, last_seq, last_seq)
        assert (facts["state"], facts["clean"], facts["durable_seq"]) == ("clean", True, last_seq)
        assert [segment["state"] for segment in facts["segments"]] == ["ok"]
    assert main(["journal", "info", str(directory)]) == ExitCode.OK
    out = capsys.readouterr().out
    assert f"sequences: 1 to {last_seq}, durable to {last_seq}, epoch 1, closed in order\n" in out
    assert f"{facts['payload_bytes_per_record']:.2f} bytes a command" in out
    assert facts["segments"][0]["file"] in out


def test_info_reports_damage_without_failing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with the files is a fact like any other."""
    segment = next(trading_day().write(tmp_path).glob("*.rmj"))
    flip(segment, IN_A_BLOCK)
    assert main(["journal", "info", str(tmp_path)]) == ExitCode.OK
    assert f"state: {segment}, offset " in capsys.readouterr().out


def test_info_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no journal, all three commands say so in one line, with their exit code."""
    for command in ("info", "dump", "verify"):
        assert main(["journal", command, str(tmp_path)]) == ExitCode.NO_JOURNAL
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"ringmatch: {tmp_path}") and err.count("\n") == 1


# verify


def test_verify_finds_nothing_in_a_sound_journal(
    day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    """A sound journal has no findings, and says how much was looked at."""
    directory, recorder = day
    assert main(["journal", "verify", str(directory)]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith(f"{directory / 'journal'}: {recorder.last_seq} commands in ")
    assert out.endswith(" 0 findings, 0 fatal\n")
    with JournalReader(directory / "journal") as reader:
        blocks = reader.info().block_count
    assert main(["journal", "verify", str(directory), "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {
        "directory": str(directory / "journal"), "ok": True, "fatal": 0, "findings": [],
        "segments": 1, "blocks": blocks, "records": recorder.last_seq, "sealed": 0, "chain": "",
    }  # fmt: skip


def test_verify_names_what_is_fatal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damage is listed with file, offset and sequence, and the exit code is that of a corrupt journal."""
    segment = next(trading_day().write(tmp_path).glob("*.rmj"))
    flip(segment, IN_A_BLOCK)
    assert main(["journal", "verify", str(tmp_path)]) == ExitCode.JOURNAL
    out = capsys.readouterr().out
    assert out.startswith(f"fatal: {segment}, offset ")
    assert main(["journal", "verify", str(tmp_path), "--json"]) == ExitCode.JOURNAL
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["fatal"] == sum(finding["fatal"] for finding in report["findings"]) >= 1
    assert report["findings"][0]["file"] == str(segment)


def test_verify_lists_a_damaged_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal that cannot be opened has that as its finding, for scripts too."""
    segment = next(trading_day().write(tmp_path).glob("*.rmj"))
    flip(segment, 40)
    assert main(["journal", "verify", str(tmp_path), "--json"]) == ExitCode.JOURNAL
    out, err = capsys.readouterr()
    (finding,) = json.loads(out)["findings"]
    assert (finding["file"], finding["fatal"], err) == (str(segment), True, "")


def test_verify_takes_a_torn_tail_for_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes behind the last block that were never acknowledged are a note, and the exit code is 0."""
    segment = next(trading_day().write(tmp_path).glob("*.rmj"))
    assert main(["journal", "info", str(tmp_path), "--json"]) == ExitCode.OK
    end = json.loads(capsys.readouterr().out)["segments"][0]["used_bytes"]
    data = bytearray(segment.read_bytes())
    data[end : end + 40] = b"\x52" * 40
    segment.write_bytes(data)
    assert main(["journal", "verify", str(tmp_path)]) == ExitCode.OK
    assert capsys.readouterr().out.startswith(f"note: {segment}, offset {end}")


# dump


def test_dump_prints_every_command(
    day: tuple[Path, Recorder], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Each command is a line, in order, of the kind that was recorded."""
    directory, recorder = day
    lines = dumped(capfdbinary, directory)
    assert [line["seq"] for line in lines] == list(range(1, recorder.last_seq + 1))
    kinds = [Kind(int(command["kind"])).name.lower() for command in recorder.commands]
    assert [line["kind"] for line in lines] == kinds
    assert {"venue", "instrument", "account", "limit", "session_open", "new", "checkpoint"} == set(kinds)
    final = lines[-1]
    assert (final["final"], final["state_digest"]) == (True, recorder.state_digest(recorder.last_seq - 1))
    assert final["outcome_digest"] == recorder.outcome_digest(recorder.last_seq - 1)
    assert lines[0]["max_orders"] == CAPACITY.max_orders


@pytest.mark.parametrize(("first", "last"), [(1, 1), (5, 9), (16, 17), (3, 10_000), (8, 7)])
def test_dump_prints_a_range(
    first: int, last: int, day: tuple[Path, Recorder], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """--from and --to are the first and the last sequence printed; a range may reach past the end."""
    directory, recorder = day
    lines = dumped(capfdbinary, directory, "--from", first, "--to", last)
    assert [line["seq"] for line in lines] == list(range(first, min(last, recorder.last_seq) + 1))


def test_dump_from_beyond_the_end(day: tuple[Path, Recorder], capsys: pytest.CaptureFixture[str]) -> None:
    """The next sequence may be asked for, which prints nothing; one beyond it is wrong usage."""
    directory, recorder = day
    assert main(["journal", "dump", str(directory), "--from", str(recorder.last_seq + 1)]) == ExitCode.OK
    assert main(["journal", "dump", str(directory), "--from", str(recorder.last_seq + 2)]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ringmatch: --from: ") and err.count("\n") == 1


def test_dump_refuses_records_that_are_no_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Info and verify take any journal, dump only one of commands."""
    with JournalWriter(tmp_path, 16, 15, 99, "none", SEGMENT_BYTES) as writer:
        rows = np.zeros((2, 16), dtype=np.int64)
        rows[:, 0] = [1, 2]
        writer.append(rows)
    assert main(["journal", "info", str(tmp_path)]) == ExitCode.OK
    assert main(["journal", "verify", str(tmp_path)]) == ExitCode.OK
    assert main(["journal", "dump", str(tmp_path)]) == ExitCode.JOURNAL
    assert "layout" in capsys.readouterr().err


def fields_of(kind: int, **values: Any) -> dict[str, Any]:
    """Return how a command of these values is printed, what all kinds have left out."""
    command = np.zeros(1, dtype=COMMAND)
    command["kind"], command["time_ns"], command["seq"] = kind, START_NS + 7, 3
    for name, value in values.items():
        command[name] = value
    row = dict(zip(COMMAND.names or (), command.tolist()[0], strict=True))
    fields = command_fields(row)
    assert fields.pop("time") == "2027-01-15T08:00:00.000000007Z"
    assert (fields.pop("seq"), fields.pop("time_ns"), fields.pop("seen_seq")) == (3, START_NS + 7, 0)
    return fields


def test_orders_are_decoded() -> None:
    """Codes have names, texts are texts, prices and quantities are ticks and lots."""
    cl0, cl1, cl2 = pack_text("ORDER-0123456789abcd")
    orig0, orig1, orig2 = pack_text("before")
    assert fields_of(
        Kind.REPLACE, session=2, cl0=cl0, cl1=cl1, cl2=cl2, orig0=orig0, orig1=orig1, orig2=orig2, order_id=77,
        account=4, instrument=5, side=Side.SELL, ord_type=2, tif=3, price_ticks=10_000, qty_lots=12,
        flags=FLAG_OFF_LOT | FLAG_OFF_TICK,
    ) == {
        "kind": "replace", "session": 2, "cl_ord_id": "ORDER-0123456789abcd", "orig_cl_ord_id": "before",
        "order_id": 77, "account": 4, "instrument": 5, "side": "sell", "ord_type": "limit", "tif": "ioc",
        "price_ticks": 10_000, "qty_lots": 12, "flags": ["off_tick", "off_lot"],
    }  # fmt: skip


def test_special_orders_are_decoded() -> None:
    """A new order shows its terms, and names no other order; plain ones show none; requests name their target."""
    plain = fields_of(Kind.NEW, ord_type=OrdType.LIMIT, tif=1)
    terms = dict(order_id=10, orig0=20, orig2=-7, aux0=30, aux1=40, flags=CommandFlag.POST_ONLY | 4 << 6)
    special = fields_of(Kind.NEW, ord_type=OrdType.STOP_LIMIT, tif=5, **terms)
    assert (special["order_id"], special["orig_cl_ord_id"], special["flags"]) == (0, None, ["post_only"])
    assert {name: value for name, value in special.items() if name not in plain} == {
        "display_lots": 10, "min_lots": 20, "stop_ticks": 30, "expiry_ns": 40, "self_trade_group": -7,
        "self_trade_mode": "decrement",
    }  # fmt: skip
    assert fields_of(Kind.NEW, ord_type=OrdType.TRAILING_STOP, aux0=30)["trail_ticks"] == 30
    directed = fields_of(Kind.NEW, ord_type=OrdType.DIRECTED, order_id=10, orig0=0x41)
    assert (directed["order_id"], directed["orig_cl_ord_id"]) == (10, "A")
    assert fields_of(Kind.REPLACE, aux0=5)["stop_ticks"] == 5
    assert fields_of(Kind.MASS_CANCEL, session=3, account=4, side=1, cl0=0x41) == {
        "kind": "mass_cancel", "session": 3, "cl_ord_id": "A", "account": 4, "instrument": 0, "side": "buy",
    }  # fmt: skip


def test_codes_without_a_name_are_shown_as_they_are() -> None:
    """A command of unknown codes, which the core rejects, is printed all the same."""
    fields = fields_of(99, side=7, ord_type=200, tif=0)
    assert [fields[name] for name in ("kind", "side", "ord_type", "tif")] == [99, 7, 200, None]
    assert fields_of(Kind.LIMIT, ord_type=88)["limit"] == 88


def test_administration_is_decoded() -> None:
    """Each kind shows the fields that it uses, by the names that they have there."""
    symbol0, symbol1, _ = pack_text("BTC/USD")
    usd = pack_text("USD")[0]
    assert fields_of(
        Kind.INSTRUMENT, instrument=3, cl0=symbol0, cl1=symbol1, price_ticks=5, qty_lots=6, aux0=7, order_id=8,
        aux1=9, orig0=4, orig2=usd, tif=2,
    ) == {
        "kind": "instrument", "session": 0, "instrument": 3, "symbol": "BTC/USD", "tick_e8": 5, "lot_e8": 6,
        "tick_value": 7, "low_ticks": 8, "high_ticks": 9, "protection_ticks": 4, "currency": "USD",
        "market_data": False, "group": 0, "tick_table": 0, "state": None, "partition": 2,
    }  # fmt: skip
    account = {"kind": "account", "session": 0, "account": 2, "name": "BTC/USD", "currency": "USD", "firm": 0}
    account["prefunded"] = False
    assert fields_of(Kind.ACCOUNT, account=2, cl0=symbol0, cl1=symbol1, orig2=usd) == account
    opened = {"kind": "session_open", "session": 0, "name": "BTC/USD", "port": 3, "cancel_on_close": False}
    assert fields_of(Kind.SESSION_OPEN, cl0=symbol0, cl1=symbol1, orig0=3) == opened
    assert fields_of(Kind.SESSION_OPEN, flags=CommandFlag.CANCEL_ON_CLOSE)["cancel_on_close"]
    assert fields_of(Kind.SESSION_CLOSE, session=4, orig0=3) == {
        "kind": "session_close",
        "session": 4,
        "port": 3,
    }
    checkpoint = {"checkpoint_seq": 9, "outcome_digest": "f" * 16, "final": False, "state_digest": None}
    assert fields_of(Kind.CHECKPOINT, aux0=9, aux1=-1) == {"kind": "checkpoint", "session": 0, **checkpoint}
    assert fields_of(Kind.TICK) == {"kind": "tick", "session": 0}


def test_risk_controls_are_decoded() -> None:
    """Limits, switches, permissions, collars, fees, transfers: whose, what, and who gave them."""
    me0, me1, _ = pack_text("night desk")
    desk0 = pack_text("DESK")[0]
    by = {"cl0": me0, "cl1": me1}
    for fields, wanted in (
        (
            dict(kind=Kind.FIRM, aux0=2, cl0=desk0, orig2=pack_text("USD")[0]),
            {"firm": 2, "name": "DESK", "currency": "USD"},
        ),
        (
            dict(kind=Kind.LIMIT, account=2, instrument=3, ord_type=4, qty_lots=5, **by),
            {
                "account": 2,
                "instrument": 3,
                "limit": "max_long",
                "value": 5,
                "configured": False,
                "by": "night desk",
            },
        ),
        (
            dict(kind=Kind.LIMIT, aux0=1, ord_type=6, tif=1, qty_lots=80, flags=CommandFlag.CONFIGURED),
            {"firm": 1, "limit": "credit", "warn_percent": 80, "configured": True, "by": None},
        ),
        (
            dict(kind=Kind.KILL, side=1, tif=3, ord_type=1, account=2, **by),
            {"action": "engage", "level": "account", "account": 2, "switch": "killed", "by": "night desk"},
        ),
        (
            dict(kind=Kind.KILL, side=2, tif=4, ord_type=2, orig0=desk0),
            {"action": "release", "level": "session", "name": "DESK", "switch": "reducing", "by": None},
        ),
        (
            dict(kind=Kind.PERMIT, ord_type=2, account=1, qty_lots=6),
            {"permit": "order_types", "account": 1, "value": ["market", "limit"], "by": None},
        ),
        (
            dict(kind=Kind.PERMIT, ord_type=4, account=1, qty_lots=5),
            {"permit": "groups", "account": 1, "value": [0, 2], "by": None},
        ),
        (
            dict(kind=Kind.PERMIT, ord_type=5, account=1, instrument=2, qty_lots=2),
            {"permit": "instrument", "account": 1, "instrument": 2, "value": "denied", "by": None},
        ),
        (
            dict(kind=Kind.PERMIT, ord_type=1, orig0=desk0, qty_lots=1),
            {"permit": "session", "name": "DESK", "value": 1, "by": None},
        ),
        (
            dict(kind=Kind.COLLAR, instrument=1, ord_type=2, order_id=3, orig0=4, price_ticks=5, aux0=6),
            {
                "instrument": 1,
                "unit": "millionths",
                "static_width": 3,
                "dynamic_width": 4,
                "reference_ticks": 5,
                "age_ns": 6,
                "by": None,
            },
        ),
        (
            dict(kind=Kind.FEES, instrument=1, account=9, price_ticks=-1, qty_lots=2, order_id=3),
            {
                "instrument": 1,
                "account": 9,
                "maker_millionths": -1,
                "taker_millionths": 2,
                "auction_millionths": 3,
                "by": None,
            },
        ),
        (
            dict(kind=Kind.TRANSFER, side=2, account=1, qty_lots=7, cl0=desk0, orig0=desk0),
            {
                "action": "withdraw",
                "account": 1,
                "instrument": 0,
                "millionths": 7,
                "reference": "DESK",
                "by": "DESK",
            },
        ),
        (dict(kind=Kind.DAY_BEGIN, **by), {"by": "night desk"}),
    ):
        kind = Kind(fields.pop("kind"))
        assert fields_of(kind, **fields) == {"kind": kind.name.lower(), "session": 0, **wanted}


def test_trading_days_are_decoded() -> None:
    """States, schedules, bands, tick tables, groups and firms show by the names that they have there."""
    traits = fields_of(Kind.INSTRUMENT, account=2, orig1=3, ord_type=7, flags=CommandFlag.MARKET_DATA)
    wanted = {"market_data": True, "group": 2, "tick_table": 3, "state": "closed"}
    assert {name: traits[name] for name in wanted} == wanted
    assert fields_of(Kind.ACCOUNT, instrument=7)["firm"] == 7
    assert fields_of(Kind.MASS_CANCEL, aux0=7)["firm"] == 7
    common = {"session": 0}
    one = {"kind": "state", **common, "instrument": 5, "state": "halt"}
    assert fields_of(Kind.STATE, instrument=5, ord_type=6) == one
    group = {"kind": "state", **common, "instrument": 0, "group": 4, "state": "opening_auction"}
    assert fields_of(Kind.STATE, account=4, ord_type=3) == group
    row = {
        "kind": "schedule",
        **common,
        "action": "add",
        "group": 4,
        "state": "halt",
        "due_ns": 8,
        "period_ns": 9,
    }
    assert fields_of(Kind.SCHEDULE, side=1, account=4, ord_type=6, aux0=9, aux1=8) == row
    assert fields_of(Kind.SCHEDULE, side=2, account=4) == {
        "kind": "schedule", **common, "action": "clear", "group": 4,
    }  # fmt: skip
    assert fields_of(
        Kind.BANDS, instrument=5, ord_type=2, order_id=50, orig0=10, price_ticks=99, aux0=7, qty_lots=8
    ) == {
        "kind": "bands", **common, "instrument": 5, "mode": "halt", "static_ticks": 50, "dynamic_ticks": 10,
        "reference_ticks": 99, "volatility_ns": 7, "indication_ns": 8,
    }  # fmt: skip
    step = {"kind": "tick_table", **common, "action": "add", "table": 6, "from_ticks": 100, "step_ticks": 5}
    assert fields_of(Kind.TICK_TABLE, account=6, side=1, price_ticks=100, qty_lots=5) == step
    assert fields_of(Kind.TICK_TABLE, account=6, side=2)["action"] == "clear"
    assert fields_of(Kind.STATE, instrument=5, ord_type=99)["state"] == 99
    asked = {"kind": "book_request", "session": 0, "cl_ord_id": None, "instrument": 5}
    assert fields_of(Kind.BOOK_REQUEST, instrument=5) == asked


def test_a_reader_that_leaves_is_no_error(day: tuple[Path, Recorder], tmp_path: Path) -> None:
    """A pipe that is closed after one line ends the dump without a word."""
    recorder = trading_day()
    for _ in range(40):  # more than fits into a pipe
        recorder.trade(1, 20)
    recorder.write(tmp_path)
    command = [sys.executable, "-m", "cli", "journal", "dump", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["seq"] == 1
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(PATIENCE_S)
