"""The binary order file: its bytes, its errors, and that reading undoes writing."""

from __future__ import annotations

import pickle
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.binary import (
    HEADER,
    LAYOUT_HASH,
    RECORD,
    RECORD_BYTES,
    BinarySource,
    BinaryWriter,
    read_records,
)
from protocols.codes import (
    E8,
    FLAG_BOOK_ONLY,
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    Kind,
    OrdType,
    Side,
    Tif,
)
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.layouts import COMMAND
from protocols.source import MAX_SESSIONS, DecodeError
from protocols.text import unpack_text
from tools.make_binary_sample import RECORDS, make

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples/orders.rmb"
DOCUMENT = ROOT / "docs/binary-format.md"
DIRECTORY = Directory(
    [InstrumentEntry(1, "AAPL", E8 // 100, E8), InstrumentEntry(2, "BTC-USD", E8 // 2, E8 // 1000)],
    [AccountEntry(1, "ACC1"), AccountEntry(2, "LONG-ACCOUNT-16C")],
)
ORDER: dict[str, Any] = {
    "kind": Kind.NEW,
    "session": "BIN1",
    "cl_ord_id": "A-1",
    "symbol": "AAPL",
    "account": "ACC1",
    "side": Side.BUY,
    "ord_type": OrdType.LIMIT,
    "tif": Tif.GTC,
    "price": "190.01",
    "qty": "25",
    "time_ns": 7,
}


def write(path: Path, *orders: dict[str, Any]) -> Path:
    """Write a file of records; each is ``ORDER`` with changes."""
    with BinaryWriter(path) as writer:
        writer.write_all([ORDER | order for order in orders])
    return path


def read(path: Path, on_error: Any = "stop", chunk: int = 1 << 12) -> tuple[Any, BinarySource]:
    """Return all commands of a file, read ``chunk`` at a time, and the source."""
    source = BinarySource(path, DIRECTORY, on_error)
    parts = [np.zeros(0, COMMAND)]
    buffer = np.empty(chunk, COMMAND)
    while count := source.read(buffer):
        parts.append(buffer[:count].copy())
    return np.concatenate(parts), source


def patch(path: Path, offset: int, raw: bytes) -> Path:
    """Overwrite bytes of a file."""
    data = bytearray(path.read_bytes())
    data[offset : offset + len(raw)] = raw
    path.write_bytes(data)
    return path


@pytest.mark.jitoff
def test_golden_file(tmp_path: Path) -> None:
    """The bytes of a file with one order are those of the specification."""
    path = tmp_path / "golden.rmb"
    with BinaryWriter(path, created_ns=1) as writer:
        special = {"stop": "190.02", "display": "5", "minimum": "3", "expiry_ns": 8, "group": 6, "mode": 2}
        writer.write(**ORDER, **special, orig_cl_ord_id="A-0", order_id=9, flags=FLAG_BOOK_ONLY)
    header = "524d4f5244455253 0200 4000 b8000000 f5b7ad29ffef255a 0100000000000000 0100000000000000"
    record = "01010201 8400 0000 0700000000000000 0900000000000000 40408c6c04000000 00f9029500000000"
    data = path.read_bytes()
    assert data[:40].hex() == header.replace(" ", "")
    assert data[40:64].hex() == "00" * 20 + "f98188f2"
    assert data[64:104].hex() == record.replace(" ", "")
    assert data[104:] == (
        b"AAPL".ljust(16, b"\0")
        + b"ACC1".ljust(16, b"\0")
        + b"BIN1".ljust(24, b"\0")
        + b"A-1".ljust(24, b"\0")
        + b"A-0".ljust(24, b"\0")
        + bytes.fromhex(
            "80829b6c04000000 0065cd1d00000000 00a3e11100000000 0800000000000000 0600000000000000"
        )
    )
    commands, source = read(path)
    assert commands.tolist() == [
        (0, 7, 0, 19001, 25, 5, 1, 1, 1, 1, 1, 2, 1, 0x84, 0x312D41, 0, 0, 6, 3, 0, 19002, 8, 0)
    ]
    assert (source.sessions, source.position, source.total_bytes) == (["BIN1"], 248, 248)


def test_layout_is_frozen() -> None:
    """Header and record have the sizes and the layout hash of version 2."""
    assert (HEADER.itemsize, RECORD.itemsize, LAYOUT_HASH) == (64, 184, 0x5A25EFFF29ADB7F5)


def test_document_has_the_layout() -> None:
    """The tables of docs/binary-format.md list each field of header and record at its offset, and the hash."""
    text = DOCUMENT.read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", text, re.MULTILINE)
    documented = [(name, int(offset), int(size)) for offset, size, name in rows]
    actual = []
    for dtype in (HEADER, RECORD):
        assert dtype.fields is not None
        assert dtype.names is not None
        for name in dtype.names:
            kind, offset = dtype.fields[name][:2]
            actual.append((name, int(offset), kind.itemsize))
    assert documented == actual
    assert f"{LAYOUT_HASH:#X}".replace("X", "x") in text


def test_example_of_the_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/binary-format.md writes a file that reads back."""
    example = re.search(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert example
    monkeypatch.chdir(tmp_path)
    exec(example[1], {})
    commands, source = read(tmp_path / "orders.rmb")
    assert (commands["kind"].tolist(), source.sessions) == ([Kind.NEW, Kind.CANCEL], ["DESK1"])


def test_sample_is_reproducible(tmp_path: Path) -> None:
    """The committed sample is what its generator writes, byte for byte, and small."""
    make(str(tmp_path / "again.rmb"))
    assert (tmp_path / "again.rmb").read_bytes() == SAMPLE.read_bytes()
    assert SAMPLE.stat().st_size < 1 << 20


def test_sample_is_a_mixed_flow() -> None:
    """The sample holds the promised mix of kinds, sessions, accounts, styles and mistakes."""
    records = read_records(SAMPLE)
    assert len(records) == RECORDS
    share = {kind: int((records["kind"] == kind).sum()) / RECORDS for kind in Kind}
    wanted = {Kind.NEW: 0.5, Kind.CANCEL: 0.4, Kind.REPLACE: 0.08, Kind.REDUCE: 0.02}
    assert all(abs(share[kind] - wanted[kind]) < 0.02 for kind in wanted)
    assert set(records["session"]) == {b"BIN1", b"BIN2", b"BIN3"}
    assert len(set(records["account"])) == 8
    assert set(records["symbol"]) == {b"AAPL", b"MSFT", b"NVDA", b"TSLA", b"AMZN", b"NOPE"}
    new = records[records["kind"] == Kind.NEW]
    assert {Tif.GTC, Tif.DAY, Tif.IOC, Tif.FOK} == set(new["tif"].tolist())
    assert {OrdType.MARKET, OrdType.LIMIT} == set(new["ord_type"].tolist())
    ids = list(zip(new["session"].tolist(), new["cl_ord_id"].tolist(), strict=True))
    assert 0 < len(ids) - len(set(ids)) < 40
    assert 0 < int((new["price_e8"] % (E8 // 100) != 0).sum()) < 40


TEXT = st.text(string.ascii_letters + string.digits + "-_. ~!", max_size=20)
AMOUNT = st.integers(0, (1 << 63) - 1)
RECORDS_STRATEGY = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from([kind for kind in Kind if kind <= Kind.STATUS]),
            "session": TEXT.filter(bool),
            "cl_ord_id": TEXT,
            "orig_cl_ord_id": TEXT,
            "symbol": st.sampled_from(["AAPL", "BTC-USD", "", "NOPE"]),
            "account": st.sampled_from(["ACC1", "LONG-ACCOUNT-16C", "", "NOBODY"]),
            "side": st.integers(0, 255),
            "ord_type": st.integers(0, 255) | st.sampled_from(OrdType),
            "tif": st.integers(0, 255),
            "flags": st.sampled_from([0, FLAG_BOOK_ONLY, FLAG_POST_ONLY, FLAG_POST_REPRICE]),
            "order_id": AMOUNT,
            "time_ns": AMOUNT,
            "price_e8": st.integers(-(1 << 63) + 1, (1 << 63) - 1),
            "qty_e8": AMOUNT,
            "stop_e8": st.integers(-(1 << 63) + 1, (1 << 63) - 1),
            "display_e8": AMOUNT,
            "min_e8": AMOUNT,
            "expiry_ns": AMOUNT,
            "group": st.integers(0, (1 << 31) - 1),
            "mode": st.integers(0, 7),
        }
    ),
    max_size=30,
)


def e8_text(value: int) -> str:
    """Return units of 1e-8 as a decimal string."""
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // E8}.{abs(value) % E8:08d}"


@pytest.mark.jitoff
@given(records=RECORDS_STRATEGY, chunk=st.integers(1, 7))
def test_reading_undoes_writing(tmp_path_factory: Any, records: list[dict[str, Any]], chunk: int) -> None:
    """Any record comes back as the command that its fields say, whatever the size of a batch."""
    path = tmp_path_factory.mktemp("binary") / "x.rmb"
    with BinaryWriter(path) as writer:
        for record in records:
            fields = dict(record)
            fields["price"] = e8_text(fields.pop("price_e8"))
            fields["qty"] = e8_text(fields.pop("qty_e8"))
            for name, text in (("stop_e8", "stop"), ("display_e8", "display"), ("min_e8", "minimum")):
                fields[text] = e8_text(fields.pop(name))
            writer.write(**fields)
    commands, source = read(path, chunk=chunk)
    assert len(commands) == len(records)
    for command, record in zip(commands, records, strict=True):
        entry = DIRECTORY.instruments.get(DIRECTORY.instrument_ids.get(record["symbol"], 0))
        flags = record["flags"] | record["mode"] << 6
        is_new = record["kind"] == Kind.NEW and record["ord_type"] != OrdType.DIRECTED
        has_stop = is_new or record["kind"] == Kind.REPLACE

        tick_e8, lot_e8 = (entry.tick_e8, entry.lot_e8) if entry else (1, 1)
        amounts = (
            ("price_e8", tick_e8, FLAG_OFF_TICK, True),
            ("qty_e8", lot_e8, FLAG_OFF_LOT, True),
            ("stop_e8", tick_e8, FLAG_OFF_TICK, has_stop),
            ("display_e8", lot_e8, FLAG_OFF_LOT, is_new),
            ("min_e8", lot_e8, FLAG_OFF_LOT, is_new),
        )
        whole = []
        for name, unit, flag, is_used in amounts:
            count, rest = divmod(abs(record[name]), unit) if entry and is_used else (0, 0)
            flags |= flag if rest else 0
            whole.append(-count if record[name] < 0 else count)
        ticks, lots, stop, display, minimum = whole
        same = ("kind", "side", "ord_type", "tif", "time_ns")
        assert [int(command[name]) for name in same] == [int(record[name]) for name in same]
        nobody = -1 if record["kind"] == Kind.MASS_CANCEL else 0
        known = entry.id if entry else nobody if record["symbol"] else 0
        assert int(command["instrument"]) == known
        account = DIRECTORY.account_ids.get(record["account"], nobody if record["account"] else 0)
        assert int(command["account"]) == account
        assert (int(command["price_ticks"]), int(command["qty_lots"])) == (ticks, lots)
        assert int(command["flags"]) == flags
        assert source.sessions[int(command["session"]) - 1] == record["session"]
        assert unpack_text(command["cl0"], command["cl1"], command["cl2"]) == record["cl_ord_id"]
        assert (int(command["aux0"]), int(command["aux1"])) == (stop, record["expiry_ns"] if is_new else 0)
        if is_new:
            terms = [int(command[name]) for name in ("order_id", "orig0", "orig1", "orig2")]
            assert terms == [display, minimum, 0, record["group"]]
        else:
            orig = unpack_text(command["orig0"], command["orig1"], command["orig2"])
            assert (orig, int(command["order_id"])) == (record["orig_cl_ord_id"], record["order_id"])
        assert not any(int(command[name]) for name in ("seq", "seen_seq", "sent_ns"))
    assert source.position == source.total_bytes == path.stat().st_size
    assert source.sessions == list(dict.fromkeys(record["session"] for record in records))


def test_commands_can_be_written_back(tmp_path: Path) -> None:
    """Commands of known names, on tick and lot, written back give the same records."""
    directory = Directory(
        [
            InstrumentEntry(n, s, E8 // 100, E8)
            for n, s in enumerate(("AAPL", "MSFT", "NVDA", "TSLA", "AMZN"), 1)
        ],
        [AccountEntry(n, f"ACC{n}") for n in range(1, 9)],
    )
    source = BinarySource(SAMPLE, directory)
    commands = np.zeros(RECORDS, COMMAND)
    assert source.read(commands) == RECORDS
    good = (commands["instrument"] > 0) & (commands["flags"] == 0)
    with BinaryWriter(tmp_path / "back.rmb") as writer:
        writer.write_commands(commands[good], directory, source.sessions)
    assert read_records(tmp_path / "back.rmb").tobytes() == read_records(SAMPLE)[good].tobytes()


@pytest.mark.parametrize(
    ("offset", "raw", "field", "value"),
    [
        (0, b"\x07", "kind", "7"),
        (0, b"\x00", "kind", "0"),
        (0, b"\x10", "kind", "16"),
        (4, b"\x01", "flags", "1"),
        (5, b"\x80", "flags", "32768"),
        (6, b"\x01", "reserved", "1"),
        (15, b"\x80", "time_ns", "-9223372036854775801"),
        (23, b"\x80", "order_id", "9223372036854775808"),
        (32, b"\xff" * 8, "qty_e8", "-1"),
        (41, b"\xc3", "symbol", "A\xc3PL"),
        (45, b"X", "symbol", "AAPL\0X"),
        (56, b"\x1f", "account", "\x1fCC1"),
        (57, b"\x7f", "account", "A\x7fC1"),
        (72, b"\0", "session", "\0IN1"),
        (72, b"\0" * 4, "session", ""),
        (93, b"A", "session", "BIN1" + "\0" * 17 + "A"),
        (96, b"\n", "cl_ord_id", "\n-1"),
        (119, b"\xff", "cl_ord_id", "A-1" + "\0" * 20 + "\xff"),
        (130, b" ", "orig_cl_ord_id", "\0" * 10 + " "),
        (4, b"\x40\x02", "flags", "576"),
        (152, b"\xff" * 8, "display_e8", "-1"),
        (167, b"\x80", "min_e8", "-9223372036854775808"),
        (175, b"\x80", "expiry_ns", "-9223372036854775808"),
        (179, b"\x80", "group", "-2147483648"),
        (180, b"\x01", "reserved2", "1"),
    ],
)
@pytest.mark.jitoff
def test_malformed_record(tmp_path: Path, offset: int, raw: bytes, field: str, value: str) -> None:
    """A malformed record is an error that names offset, record, field and value, after all that is before it."""
    path = patch(write(tmp_path / "x.rmb", {}, {"cl_ord_id": "A-1"}, {}), 64 + RECORD_BYTES + offset, raw)
    assert RECORD.fields is not None
    with pytest.raises(DecodeError) as caught:
        read(path)
    error = caught.value
    assert (error.path, error.record, error.field, error.value) == (str(path), 2, field, value)
    assert error.offset == 64 + RECORD_BYTES + RECORD.fields[field][1]
    assert "expected" in str(error)
    assert "was" in str(error)
    commands, source = read(path, "skip")
    assert (len(commands), source.skipped, len(source.errors)) == (2, 1, 1)
    assert source.position == source.total_bytes


@pytest.mark.jitoff
def test_stop_hands_out_what_is_before(tmp_path: Path) -> None:
    """With stop the good records come first, and the error comes again at each later read."""
    path = patch(write(tmp_path / "x.rmb", *[{}] * 5), 64 + 3 * RECORD_BYTES, b"\x09")
    source = BinarySource(path, DIRECTORY)
    buffer = np.zeros(10, COMMAND)
    assert source.read(buffer) == 3
    for _ in range(2):
        with pytest.raises(DecodeError, match=r"record 4, offset 616, field kind, value '9'"):
            source.read(buffer)
    assert str(pickle.loads(pickle.dumps(source.errors[0]))) == str(source.errors[0])


@pytest.mark.parametrize(
    ("offset", "raw", "field"),
    [
        (0, b"RMORDERX", "magic"),
        (8, b"\x01", "version"),
        (10, b"\x41", "header_bytes"),
        (12, b"\x80", "record_bytes"),
        (16, b"\0", "layout_hash"),
        (24, b"\x09", "crc32c"),
        (40, b"\x01", "crc32c"),
        (60, b"\x01\x02", "crc32c"),
    ],
)
@pytest.mark.jitoff
def test_malformed_header(tmp_path: Path, offset: int, raw: bytes, field: str) -> None:
    """A header that is not ours is refused at once, whatever the policy."""
    path = patch(write(tmp_path / "x.rmb", {}), offset, raw)
    assert HEADER.fields is not None
    for policy in ("stop", "skip"):
        with pytest.raises(DecodeError) as caught:
            read(path, policy)
        assert (caught.value.field, caught.value.offset) == (field, HEADER.fields[field][1])


@pytest.mark.parametrize("length", [0, 7, 8, 63])
def test_short_header(tmp_path: Path, length: int) -> None:
    """A file shorter than a header is refused."""
    path = write(tmp_path / "x.rmb", {})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DecodeError):
        read(path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is an OSError, as everywhere."""
    with pytest.raises(FileNotFoundError):
        BinarySource(tmp_path / "none.rmb", DIRECTORY)


@pytest.mark.parametrize(
    ("change", "count", "problem"),
    [
        (lambda data: data[:-1], 2, "expected 3 records, as the header says, was 183 bytes of this one"),
        (
            lambda data: data[:-RECORD_BYTES],
            2,
            "expected 3 records, as the header says, was 0 bytes of this one",
        ),
        (
            lambda data: data + b"x",
            3,
            "expected the end after 3 records, as the header says, was 1 bytes more",
        ),
    ],
)
@pytest.mark.jitoff
def test_size_contradicts_header(tmp_path: Path, change: Any, count: int, problem: str) -> None:
    """A file with fewer or more records than its header says is an error behind the last good record."""
    path = write(tmp_path / "x.rmb", {}, {}, {})
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DecodeError) as caught:
        read(path)
    assert (caught.value.record, caught.value.offset) == (count + 1, 64 + RECORD_BYTES * count)
    assert caught.value.problem == problem
    commands, source = read(path, "skip")
    assert (len(commands), source.skipped, source.position) == (count, 1, source.total_bytes)


@pytest.mark.jitoff
def test_writer_that_died(tmp_path: Path) -> None:
    """A file that was never closed is read to its end; half a record there is an error."""
    writer = BinaryWriter(tmp_path / "x.rmb")
    writer.write_all([ORDER, ORDER])
    writer._file.flush()
    assert len(read(tmp_path / "x.rmb")[0]) == 2
    writer._file.write(b"\x01" * 50)
    writer._file.flush()
    commands, source = read(tmp_path / "x.rmb", "skip")
    assert (len(commands), source.errors[0].problem) == (2, "expected a record of 184 bytes, was 50 bytes")
    writer.close()
    writer.close()


@pytest.mark.jitoff
def test_empty_file_has_no_commands(tmp_path: Path) -> None:
    """A file without records is valid and empty."""
    commands, source = read(write(tmp_path / "x.rmb"))
    assert (len(commands), source.position, source.total_bytes) == (0, 64, 64)


def test_sessions_are_limited(tmp_path: Path) -> None:
    """A file may name MAX_SESSIONS sessions, and not one more."""
    path = tmp_path / "x.rmb"
    names = [{"session": f"S{number}"} for number in range(MAX_SESSIONS)]
    commands, source = read(write(path, *names, names[0]), chunk=100)
    assert commands["session"].tolist() == [*range(1, MAX_SESSIONS + 1), 1]
    assert len(source.sessions) == MAX_SESSIONS
    with pytest.raises(DecodeError, match=r"record 1025, .* field session, value 'MORE'"):
        read(write(path, *names, {"session": "MORE"}))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Kind.KILL},
        {"flags": FLAG_OFF_TICK},
        {"qty": "-1"},
        {"price": "1e30"},
        {"price": "0.000000001"},
        {"symbol": "S" * 17},
        {"session": ""},
        {"cl_ord_id": "x" * 21},
        {"cl_ord_id": "\xe4"},
        {"time_ns": -1},
        {"order_id": 1 << 63},
        {"side": 256},
        {"mode": 8},
        {"group": -1},
        {"group": 1 << 31},
        {"display": "-1"},
        {"expiry_ns": -1},
    ],
)
def test_writer_refuses_what_the_source_would(tmp_path: Path, change: dict[str, Any]) -> None:
    """The writer raises ValueError for a record that could not be read back."""
    with BinaryWriter(tmp_path / "x.rmb") as writer, pytest.raises(ValueError, match="expected"):
        writer.write(**(ORDER | change))
    assert writer.record_count == 0


@pytest.mark.jitoff
@given(data=st.data())
def test_arbitrary_bytes(tmp_path_factory: Any, data: st.DataObject) -> None:
    """Whatever the bytes, with a good header or without: commands or a DecodeError, and the end is reached."""
    directory = tmp_path_factory.mktemp("binary")
    good = write(directory / "x.rmb", {}, {"symbol": "BTC-USD"}, {"kind": Kind.CANCEL}).read_bytes()
    if data.draw(st.booleans(), label="flip bytes of a good file"):
        raw = bytearray(good)
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(64, len(raw) - 1))] = data.draw(st.integers(0, 255))
    else:
        raw = bytearray(good[: data.draw(st.sampled_from([0, 8, 64]))] + data.draw(st.binary(max_size=400)))
    path = directory / "y.rmb"
    path.write_bytes(raw)
    try:
        commands, source = read(path, "skip", chunk=data.draw(st.integers(1, 5)))
    except DecodeError as error:
        assert error.record == 0
        return
    assert source.position == source.total_bytes
    assert len(commands) + source.skipped <= len(raw) // RECORD_BYTES + 1


def test_closed_source_reads_nothing(tmp_path: Path) -> None:
    """After close there is nothing to read, and closing again does nothing."""
    with BinarySource(write(tmp_path / "x.rmb", {}), DIRECTORY) as source:
        pass
    source.close()
    assert source.read(np.zeros(1, COMMAND)) == 0
