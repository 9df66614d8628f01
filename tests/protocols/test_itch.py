"""ITCH files as order flow: the commands rebuild the feed's own book, order by order."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    E8,
    FLAG_BOOK_ONLY,
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    KIND_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    SIDE_BUY,
    TIF_GTC,
    TIF_IOC,
    TYPE_DIRECTED,
    TYPE_LIMIT,
)
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.itch import LENGTHS, ItchSource, scan_symbols
from protocols.itch_book import Book, build_book, messages
from protocols.layouts import COMMAND
from protocols.source import DecodeError
from protocols.text import unpack_text
from tools.make_itch_sample import make

SAMPLE = Path(__file__).resolve().parents[2] / "samples/sample.itch"
STOCKS = {1: "ZVZZT", 2: "ZWZZT", 70: "ABCDEFGH"}


def message(kind: str, locate: int, body: bytes, time_ns: int = 5) -> bytes:
    """Return one message with its length before it."""
    header = struct.pack(">cHHHI", kind.encode(), locate, 0, time_ns >> 32, time_ns & 0xFFFFFFFF)
    return struct.pack(">H", len(header) + len(body)) + header + body


def stock(symbol: str) -> bytes:
    """Return a symbol padded with spaces."""
    return symbol.ljust(8).encode("latin-1")


def listed(locate: int, symbol: str) -> bytes:
    """Return an R message."""
    return message("R", locate, stock(symbol) + b"QN\0\0\0\x64NCZ TNN1N\0\0\0\0N")


def add(
    ref: int, side: str = "B", shares: int = 100, price: int = 100_000, locate: int = 1, symbol: str = "ZVZZT"
) -> bytes:
    """Return an A message."""
    return message("A", locate, struct.pack(">QcI8sI", ref, side.encode(), shares, stock(symbol), price))


def executed(ref: int, shares: int, match: int, locate: int = 1) -> bytes:
    """Return an E message."""
    return message("E", locate, struct.pack(">QIQ", ref, shares, match))


def executed_at(
    ref: int, shares: int, match: int, price: int, printable: str = "Y", locate: int = 1
) -> bytes:
    """Return a C message."""
    return message("C", locate, struct.pack(">QIQcI", ref, shares, match, printable.encode(), price))


def cancelled(ref: int, shares: int, locate: int = 1) -> bytes:
    """Return an X message."""
    return message("X", locate, struct.pack(">QI", ref, shares))


def deleted(ref: int, locate: int = 1) -> bytes:
    """Return a D message."""
    return message("D", locate, struct.pack(">Q", ref))


def replaced(old: int, new: int, shares: int = 100, price: int = 100_000, locate: int = 1) -> bytes:
    """Return a U message."""
    return message("U", locate, struct.pack(">QQII", old, new, shares, price))


class Row(NamedTuple):
    """What matters of a command, texts unpacked."""

    kind: int
    side: int
    ord_type: int
    tif: int
    flags: int
    instrument: int
    price: int
    qty: int
    cl: str
    orig: str


def rows(commands: Any) -> list[Row]:
    """Return commands in readable form."""
    fields = ("kind", "side", "ord_type", "tif", "flags", "instrument", "price_ticks", "qty_lots")
    return [
        Row(
            *(int(command[name]) for name in fields),
            unpack_text(command["cl0"], command["cl1"], command["cl2"]),
            unpack_text(command["orig0"], command["orig1"], command["orig2"]),
        )
        for command in commands
    ]


def read(
    path: Path, on_error: Any = "stop", chunk: int = 1 << 12, start_orders: int = 4, directory: Any = None
) -> tuple[Any, ItchSource]:
    """Return all commands of a file, read ``chunk`` at a time, and the source."""
    source = ItchSource(path, directory, on_error, start_orders=start_orders)
    parts = [np.zeros(0, COMMAND)]
    buffer = np.empty(chunk, COMMAND)
    while count := source.read(buffer):
        parts.append(buffer[:count].copy())
    return np.concatenate(parts), source


def write(path: Path, *parts: bytes) -> Path:
    """Write a feed file."""
    path.write_bytes(b"".join(parts))
    return path


class Resting:
    """An order of the plain interpreter."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.leaves = row.qty


class Interpreter:
    """BOOK_ONLY, DIRECTED, REDUCE and CANCEL as docs/rules.md has them, for one session, and no more."""

    def __init__(self) -> None:
        self.open: dict[str, Resting] = {}  # by ClOrdID, in the order of arrival
        self.used: set[str] = set()
        self.volume = 0

    def apply(self, row: Row) -> None:
        """Apply a command; a rejection would be an AssertionError, because a feed has none."""
        if row.kind == KIND_NEW:
            assert row.cl
            assert row.cl not in self.used, "duplicate ClOrdID"
            assert row.qty > 0
            assert row.price > 0
            self.used.add(row.cl)
        if row.kind == KIND_NEW and row.ord_type == TYPE_LIMIT:
            assert (row.flags, row.tif, row.orig) == (FLAG_BOOK_ONLY, TIF_GTC, "")
            self.open[row.cl] = Resting(row)
            return
        target = self.open[row.orig]
        assert row.instrument == target.row.instrument
        assert row.flags == 0
        if row.kind == KIND_NEW:
            assert (row.ord_type, row.tif) == (TYPE_DIRECTED, TIF_IOC)
            assert row.side != target.row.side
            assert row.qty <= target.leaves
            self.volume += row.qty
            target.leaves -= row.qty
        elif row.kind == KIND_REDUCE:
            assert row.side == target.row.side
            target.leaves -= min(row.qty, target.leaves)
        else:
            assert row.kind == KIND_CANCEL
            assert row.side == target.row.side
            target.leaves = 0
        if target.leaves == 0:
            del self.open[row.orig]

    def book(self, directory: Directory) -> Book:
        """Return the books in the form of ``build_book``."""
        levels: dict[str, dict[str, dict[int, list[tuple[int, int]]]]] = {}
        for cl, resting in self.open.items():
            sides = levels.setdefault(directory.symbol(resting.row.instrument), {"B": {}, "S": {}})
            side = "B" if resting.row.side == SIDE_BUY else "S"
            sides[side].setdefault(resting.row.price, []).append((int(cl), resting.leaves))
        return {
            symbol: {"B": sorted(sides["B"].items(), reverse=True), "S": sorted(sides["S"].items())}
            for symbol, sides in sorted(levels.items())
        }


def replay(commands: Any) -> Interpreter:
    """Apply all commands."""
    interpreter = Interpreter()
    for row in rows(commands):
        interpreter.apply(row)
    return interpreter


def test_sample_is_reproducible() -> None:
    """The committed sample is what its generator writes, byte for byte, and small."""
    assert make() == SAMPLE.read_bytes()
    assert SAMPLE.stat().st_size < 1 << 20


def test_sample_holds_every_message_type() -> None:
    """The sample has some 20,000 messages of all types, ends with the end of messages and a zero length."""
    kinds = Counter(chr(raw[0]) for raw in messages(SAMPLE))
    assert set(kinds) == set(LENGTHS)
    assert 19_000 < sum(kinds.values()) < 21_000
    assert all(len(raw) == LENGTHS[chr(raw[0])] for raw in messages(SAMPLE))
    assert SAMPLE.read_bytes()[-3:] == b"C\0\0"


def test_sample_is_a_hard_day() -> None:
    """Executions hit orders that are not first in their level or not at the best, and books were crossed."""
    interpreter = Interpreter()
    behind = away = crossed = 0
    for row in rows(read(SAMPLE)[0]):
        same = [
            resting
            for resting in interpreter.open.values()
            if row.ord_type == TYPE_DIRECTED
            and (resting.row.instrument, resting.row.side) == (row.instrument, 3 - row.side)
        ]
        if same:
            target = interpreter.open[row.orig]
            best = (max if target.row.side == SIDE_BUY else min)(resting.row.price for resting in same)
            first = next(resting for resting in same if resting.row.price == target.row.price)
            away += target.row.price != best
            behind += first is not target
            crossed += row.price != target.row.price
        interpreter.apply(row)
    assert behind > 500
    assert away > 50
    assert crossed > 200


@pytest.mark.bounds
@pytest.mark.parametrize("chunk", [1, 2, 3, 977, 1 << 15])
def test_sample_rebuilds_the_book(chunk: int) -> None:
    """After the last message the commands' book is the feed's, order by order, whatever the size of a batch."""
    commands, source = read(SAMPLE, chunk=chunk)
    interpreter = replay(commands)
    book = build_book(SAMPLE)
    assert interpreter.book(source.directory) == book
    assert set(book) == {"ZVZZT", "ZWZZT", "ZXZZT"}
    assert len(interpreter.open) == source.live_orders > 500
    assert interpreter.volume > 0
    assert source.position == source.total_bytes
    kinds = Counter(chr(raw[0]) for raw in messages(SAMPLE))
    assert source.counts == dict(kinds)
    assert source.passed_over == {kind: count for kind, count in kinds.items() if kind not in "AFECXDU"}
    assert len(commands) == sum(kinds[kind] for kind in "AFECXD") + 2 * kinds["U"]


@pytest.mark.jitoff
def test_golden_commands(tmp_path: Path) -> None:
    """Each message becomes the commands that docs/itch.md says, to the letter."""
    path = write(
        tmp_path / "x.itch",
        listed(1, "ZVZZT"),
        add(10, "B", 300, 100_000),
        message("F", 1, struct.pack(">QcI8sI4s", 11, b"S", 50, stock("ZVZZT"), 100_100, b"RMTH")),
        executed(10, 100, 900),
        executed_at(11, 20, 901, 99_900),
        cancelled(10, 50),
        message("P", 1, struct.pack(">QcI8sIQ", 0, b"B", 100, stock("ZVZZT"), 100_000, 902)),
        replaced(10, 12, 500, 99_000),
        executed(12, 1, 901),
        deleted(11),
        b"\0\0",
    )
    commands, source = read(path)
    book_only, limit, directed = FLAG_BOOK_ONLY, (TYPE_LIMIT, TIF_GTC), (TYPE_DIRECTED, TIF_IOC)
    assert rows(commands) == [
        Row(KIND_NEW, 1, *limit, book_only, 1, 100_000, 300, "10", ""),
        Row(KIND_NEW, 2, *limit, book_only, 1, 100_100, 50, "11", ""),
        Row(KIND_NEW, 2, *directed, 0, 1, 100_000, 100, "M900", "10"),
        Row(KIND_NEW, 1, *directed, 0, 1, 99_900, 20, "M901", "11"),
        Row(KIND_REDUCE, 1, 0, 0, 0, 1, 0, 50, "X10", "10"),
        Row(KIND_CANCEL, 1, 0, 0, 0, 1, 0, 0, "U10", "10"),
        Row(KIND_NEW, 1, *limit, book_only, 1, 99_000, 500, "12", ""),
        Row(KIND_NEW, 2, *directed, 0, 1, 99_000, 1, "N9", "12"),
        Row(KIND_CANCEL, 2, 0, 0, 0, 1, 0, 0, "D11", "11"),
    ]
    assert set(commands["time_ns"].tolist()) == {5}
    assert set(commands["session"].tolist()) == {1}
    assert set(commands["account"].tolist()) == {1}
    assert not any(
        commands[name].any() for name in ("seq", "seen_seq", "order_id", "aux0", "aux1", "sent_ns")
    )
    assert (source.sessions, source.passed_over) == (["ITCH"], {"R": 1, "P": 1})
    assert source.directory.instruments == {1: InstrumentEntry(1, "ZVZZT", 10_000, E8)}


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from("AAAAFEECXXDUU"),
        st.sampled_from(sorted(STOCKS)),
        st.integers(0, 63),
        st.integers(1, 5),
        st.integers(1, 4),
        st.sampled_from("BS"),
    ),
    max_size=120,
)


def feed(operations: list[tuple[Any, ...]], big_refs: bool) -> list[bytes]:
    """Turn drawn operations into a well-formed feed; an operation without a live order becomes an add."""
    live: dict[int, tuple[int, int]] = {}  # reference: locate, shares
    parts = [listed(locate, symbol) for locate, symbol in STOCKS.items()]
    for number, (kind, locate, pick, shares, price, side) in enumerate(operations):
        new = (number + 1) * (7_919_000_000_000_000 if big_refs else 1)
        if kind in "AF" or not live:
            parts.append(add(new, side, shares, price, locate, STOCKS[locate]))
            live[new] = (locate, shares)
            continue
        ref = sorted(live)[pick % len(live)]
        where, left = live.pop(ref)
        taken = min(shares, left)
        if kind == "U":
            parts.append(replaced(ref, new, shares, price, where))
            live[new] = (where, shares)
        elif kind == "D":
            parts.append(deleted(ref, where))
        else:
            if kind == "E":
                parts.append(executed(ref, taken, number, where))
            elif kind == "C":
                parts.append(executed_at(ref, taken, number // 2, price, "N", where))
            else:
                parts.append(cancelled(ref, taken, where))
            if left > taken:
                live[ref] = (where, left - taken)
    return parts


@pytest.mark.jitoff
@given(
    operations=OPERATIONS,
    chunk=st.integers(1, 9),
    big_refs=st.booleans(),
    end=st.sampled_from([b"", b"\0\0"]),
)
def test_any_feed_rebuilds_its_book(
    tmp_path_factory: Any, operations: list[Any], chunk: int, big_refs: bool, end: bytes
) -> None:
    """For any feed, while the table grows from 4 cells, the book after the last command is the feed's."""
    path = write(tmp_path_factory.mktemp("itch") / "x.itch", *feed(operations, big_refs), end)
    commands, source = read(path, chunk=chunk, start_orders=4)
    assert replay(commands).book(source.directory) == build_book(path)
    assert source.live_orders == sum(
        len(level[1]) for sides in build_book(path).values() for levels in sides.values() for level in levels
    )


@pytest.mark.jitoff
@given(operations=OPERATIONS, chunk=st.integers(1, 9))
def test_batches_do_not_change_the_commands(tmp_path_factory: Any, operations: list[Any], chunk: int) -> None:
    """The commands are the same bytes however they are read, a replacement's two commands apart or not."""
    path = write(tmp_path_factory.mktemp("itch") / "x.itch", *feed(operations, False))
    assert read(path, chunk=chunk)[0].tobytes() == read(path, start_orders=1 << 10)[0].tobytes()


@pytest.mark.parametrize(
    ("bad", "field", "offset", "value", "problem"),
    [
        (message("A", 1, bytes(26)), "length", 0, "37", "expected length 36 for this type, was 37"),
        (message("D", 1, bytes(7)), "length", 0, "18", "expected length 19 for this type, was 18"),
        (message("Z", 1, bytes(8)), "type", 2, "Z", "expected a message type of ITCH 5.0, was 'Z'"),
        (b"\0\x01\xff", "type", 2, "\xff", "expected a message type of ITCH 5.0, was '\xff'"),
        (add(7, "X"), "side", 21, "X", "expected 'B' or 'S', was 'X'"),
        (add(7, shares=0), "shares", 22, "0", "expected at least 1, was 0"),
        (add(7, price=0), "price", 34, "0", "expected at least 1, was 0"),
        (add(7, symbol="Z\x01"), "stock", 26, "Z\x01      ", "expected an ASCII symbol"),
        (add(7, symbol=""), "stock", 26, " " * 8, "expected an ASCII symbol"),
        (add(7, symbol="A B"), "stock", 26, "A B     ", "expected an ASCII symbol"),
        (add(7, symbol="ZWZZT"), "stock", 26, "ZWZZT   ", "expected the symbol that locate 1 has stood for"),
        (listed(1, "ZWZZT"), "stock", 13, "ZWZZT   ", "expected the symbol that locate 1 has stood for"),
        (listed(5, "\xff"), "stock", 13, "\xff       ", "expected an ASCII symbol"),
        (add(1), "reference", 13, "1", "expected a number that no open order has, was 1"),
        (add(1 << 63), "reference", 13, str(1 << 63), "expected a number below 2^63"),
        (executed(9, 1, 1), "reference", 13, "9", "expected an open order, was 9"),
        (executed_at(9, 1, 1, 5), "reference", 13, "9", "expected an open order, was 9"),
        (cancelled(9, 1), "reference", 13, "9", "expected an open order, was 9"),
        (deleted(9), "reference", 13, "9", "expected an open order, was 9"),
        (replaced(9, 10), "reference", 13, "9", "expected an open order, was 9"),
        (executed(1, 101, 1), "shares", 21, "101", "expected 1 to the 100 open shares, was 101"),
        (executed(1, 0, 1), "shares", 21, "0", "expected 1 to the 100 open shares, was 0"),
        (cancelled(1, 101), "shares", 21, "101", "expected 1 to the 100 open shares, was 101"),
        (executed(1, 1, 1 << 63), "match", 25, str(1 << 63), "expected a number below 2^63"),
        (executed_at(1, 1, 1, 0), "price", 34, "0", "expected at least 1, was 0"),
        (executed_at(1, 1, 1, 5, "X"), "printable", 33, "X", "expected 'Y' or 'N', was 'X'"),
        (executed(1, 1, 1, 2), "locate", 3, "2", "expected 1, the locate of the order, was 2"),
        (cancelled(1, 1, 2), "locate", 3, "2", "expected 1, the locate of the order, was 2"),
        (deleted(1, 2), "locate", 3, "2", "expected 1, the locate of the order, was 2"),
        (replaced(1, 3, locate=2), "locate", 3, "2", "expected 1, the locate of the order, was 2"),
        (replaced(1, 2), "new reference", 21, "2", "expected a number that no open order has, was 2"),
        (replaced(1, 1), "new reference", 21, "1", "expected a number that no open order has, was 1"),
        (replaced(1, 1 << 63), "new reference", 21, str(1 << 63), "expected a number below 2^63"),
        (replaced(1, 3, shares=0), "shares", 29, "0", "expected at least 1, was 0"),
        (replaced(1, 3, price=0), "price", 33, "0", "expected at least 1, was 0"),
    ],
)
@pytest.mark.jitoff
def test_malformed_message(
    tmp_path: Path, bad: bytes, field: str, offset: int, value: str, problem: str
) -> None:
    """A malformed message names offset, record, field and value, and changes nothing when it is skipped."""
    before = [listed(1, "ZVZZT"), add(1), add(2, "S", price=100_100)]
    after = [executed(1, 100, 50), deleted(2)]
    path = write(tmp_path / "x.itch", *before, bad, *after)
    with pytest.raises(DecodeError) as caught:
        read(path)
    error = caught.value
    assert (error.record, error.field, error.value) == (4, field, value)
    assert error.offset == sum(map(len, before)) + offset
    assert error.problem.startswith(problem)
    commands, source = read(path, "skip", chunk=1)
    clean = write(tmp_path / "clean.itch", *before, *after)
    assert commands.tobytes() == read(clean)[0].tobytes()
    assert (source.skipped, source.live_orders) == (1, 0)
    assert source.position == source.total_bytes


@pytest.mark.parametrize(
    ("end", "offset", "problem"),
    [
        (b"\0", 0, "expected a length of two bytes, was the end of the file"),
        (b"\0\x24A", 0, "expected a message of this length, was the end of the file after 1 bytes"),
        (b"\0\0\0", 0, "expected the end of the file after length 0, was 1 bytes more"),
        (b"\0\0" + add(3), 0, "expected the end of the file after length 0, was 38 bytes more"),
    ],
)
@pytest.mark.jitoff
def test_malformed_end(tmp_path: Path, end: bytes, offset: int, problem: str) -> None:
    """A file that is cut, or goes on after its end, is an error after all commands before it."""
    path = write(tmp_path / "x.itch", add(1), end)
    with pytest.raises(DecodeError) as caught:
        read(path)
    assert (caught.value.record, caught.value.offset, caught.value.problem) == (2, 38 + offset, problem)
    commands, source = read(path, "skip")
    assert (len(commands), source.skipped, source.position) == (1, 1, source.total_bytes)
    assert scan_symbols(path) == ["ZVZZT"]


@pytest.mark.jitoff
def test_empty_file(tmp_path: Path) -> None:
    """A file without messages has no commands and no symbols, with an end mark or without."""
    for raw in (b"", b"\0\0"):
        path = write(tmp_path / "x.itch", raw)
        assert len(read(path)[0]) == 0
        assert scan_symbols(path) == []


@pytest.mark.jitoff
def test_units_follow_the_directory(tmp_path: Path) -> None:
    """Prices and shares are in the ticks and lots of the directory; what is off them is flagged, not rounded."""
    directory = Directory([InstrumentEntry(9, "ZVZZT", E8 // 100, 100 * E8)], [AccountEntry(3, "ITCH")])
    path = write(
        tmp_path / "x.itch",
        add(1, price=100_100, shares=200),
        add(2, price=100_150, shares=200),
        add(3, price=100_100, shares=250),
        add(4, locate=2, symbol="OTHER"),
        deleted(4, locate=2),
    )
    found = rows(read(path, directory=directory)[0])
    assert [(row.instrument, row.price, row.qty, row.flags & ~FLAG_BOOK_ONLY) for row in found] == [
        (9, 1001, 2, 0),
        (9, 1001, 2, FLAG_OFF_TICK),
        (9, 1001, 2, FLAG_OFF_LOT),
        (0, 0, 0, 0),
        (0, 0, 0, 0),
    ]
    commands = np.zeros(5, COMMAND)
    assert ItchSource(path, directory, account="NOBODY", session="FEED").read(commands) == 5
    assert set(commands["account"].tolist()) == {0}


def test_symbols_are_scanned_in_order_of_appearance(tmp_path: Path) -> None:
    """All symbols of R, A and F messages are found, once each, more of them than the first table holds."""
    assert scan_symbols(SAMPLE) == ["ZVZZT", "ZWZZT", "ZXZZT"]
    names = [f"S{number}" for number in range(1500)]
    parts = [listed(number % 65536, name) for number, name in enumerate(names)]
    path = write(
        tmp_path / "x.itch", add(1, locate=9999, symbol="FIRST"), *parts, *parts, add(2, symbol="S1")
    )
    assert scan_symbols(path) == ["FIRST", *names]


@pytest.mark.jitoff
@given(data=st.data())
def test_arbitrary_bytes(tmp_path_factory: Any, data: st.DataObject) -> None:
    """Whatever the bytes: commands and DecodeErrors, never anything else, and the end is reached."""
    parts = feed(data.draw(OPERATIONS), False)
    raw = bytearray(b"".join(parts))
    for _ in range(data.draw(st.integers(0, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        raw = bytearray(data.draw(st.binary(max_size=200)))
    path = write(tmp_path_factory.mktemp("itch") / "x.itch", bytes(raw))
    source = read(path, "skip", chunk=data.draw(st.integers(1, 5)))[1]
    assert source.position == source.total_bytes
    assert scan_symbols(path) == [entry.symbol for entry in source.directory.instruments.values()]
    if source.skipped:
        with pytest.raises(DecodeError):
            read(path, "stop")


def test_missing_and_closed_files(tmp_path: Path) -> None:
    """A missing file is an OSError; a closed source reads nothing."""
    with pytest.raises(FileNotFoundError):
        ItchSource(tmp_path / "none.itch")
    with ItchSource(SAMPLE) as source:
        assert source.read(np.zeros(1, COMMAND)) == 1
    source.close()
    assert source.read(np.zeros(1, COMMAND)) == 0
