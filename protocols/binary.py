"""The binary order file, ``*.rmb``: a 64-byte header and fixed-width little-endian records of 184 bytes.

A client's tool writes such a file (:class:`BinaryWriter` does), an injector reads it (:class:`BinarySource`).
``docs/binary-format.md`` is the specification; :data:`HEADER` and :data:`RECORD` are the same in code::

    header    0 magic 8 | 8 version 2 | 10 header_bytes 2 | 12 record_bytes 4 | 16 layout_hash 8
             24 record_count 8 | 32 created_ns 8 | 40 reserved 20 | 60 crc32c 4
    record    0 kind 1 | 1 side 1 | 2 ord_type 1 | 3 tif 1 | 4 flags 2 | 6 reserved 2 | 8 time_ns 8
             16 order_id 8 | 24 price_e8 8 | 32 qty_e8 8 | 40 symbol 16 | 56 account 16
             72 session 20 +4 | 96 cl_ord_id 20 +4 | 120 orig_cl_ord_id 20 +4
            144 stop_e8 8 | 152 display_e8 8 | 160 min_e8 8 | 168 expiry_ns 8 | 176 group 4 | 180 reserved2 4

Invariants: a record is 23 aligned words, so that the kernel reads the mapped file in place; a text is
printable ASCII, zero padded to its width and the ``+4``; codes are those of :mod:`protocols.codes`. A record
count of 0 means "to the end of the file", which is what a writer leaves that died before it was closed.

Failure modes: a header that is not ours raises :class:`DecodeError` when the file is opened, whatever the
policy; a malformed record is a :class:`DecodeError` under the policy of :mod:`protocols.source`. What only
the venue can judge (side 7, an unknown symbol, a price off its tick) is no error here but a rejection later.
A symbol that the directory does not know has no tick and no lot: the command carries instrument 0, price 0
and quantity 0.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from protocols.codes import (
    FLAG_BOOK_ONLY,
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    KIND_STATUS,
    TYPE_DIRECTED,
)
from protocols.directory import Directory, parse_e8
from protocols.layouts import layout_hash
from protocols.lookup import find_name, hash_name
from protocols.source import MAX_SESSIONS, CommandSource, DecodeError, OnError
from protocols.text import pack_text, unpack_text
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import crc32c

__all__ = [
    "FORMAT_VERSION",
    "HEADER",
    "MAGIC",
    "RECORD",
    "BinarySource",
    "BinaryWriter",
    "read_records",
]

MAGIC: Final = b"RMORDERS"
FORMAT_VERSION: Final = 2
HEADER_BYTES: Final = 64
RECORD_BYTES: Final = 184
RECORD_WORDS: Final = RECORD_BYTES // 8
WRITE_BATCH_RECORDS: Final = 4096
MAX_INT64: Final = (1 << 63) - 1
MAX_GROUP: Final = (1 << 31) - 1
FLAGS: Final = FLAG_BOOK_ONLY | FLAG_POST_ONLY | FLAG_POST_REPRICE | FLAG_STP_MASK << FLAG_STP_SHIFT

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u2"),
        ("header_bytes", "<u2"),
        ("record_bytes", "<u4"),
        ("layout_hash", "<i8"),
        ("record_count", "<i8"),
        ("created_ns", "<i8"),
        ("reserved", "V20"),
        ("crc32c", "<u4"),
    ]
)
RECORD = np.dtype(
    [
        ("kind", "u1"),
        ("side", "u1"),
        ("ord_type", "u1"),
        ("tif", "u1"),
        ("flags", "<u2"),
        ("reserved", "<u2"),
        ("time_ns", "<i8"),
        ("order_id", "<u8"),
        ("price_e8", "<i8"),
        ("qty_e8", "<i8"),
        ("symbol", "S16"),
        ("account", "S16"),
        ("session", "S20"),
        ("session_pad", "<u4"),
        ("cl_ord_id", "S20"),
        ("cl_ord_id_pad", "<u4"),
        ("orig_cl_ord_id", "S20"),
        ("orig_cl_ord_id_pad", "<u4"),
        ("stop_e8", "<i8"),
        ("display_e8", "<i8"),
        ("min_e8", "<i8"),
        ("expiry_ns", "<i8"),
        ("group", "<i4"),
        ("reserved2", "<u4"),
    ]
)
assert HEADER.itemsize == HEADER_BYTES, HEADER.itemsize
assert RECORD.itemsize == RECORD_BYTES, RECORD.itemsize
LAYOUT_HASH: Final = layout_hash(RECORD)

# The words of a record, as the kernel reads them; word 0 holds kind to reserved.
_TIME, _ORDER_ID, _PRICE, _QTY, _SYMBOL, _ACCOUNT, _SESSION, _CL, _ORIG = 1, 2, 3, 4, 5, 7, 9, 12, 15
_STOP, _DISPLAY, _MIN, _EXPIRY, _GROUP = 18, 19, 20, 21, 22
assert RECORD.fields is not None
for _name, _word in (
    ("symbol", _SYMBOL),
    ("session", _SESSION),
    ("cl_ord_id", _CL),
    ("orig_cl_ord_id", _ORIG),
    ("stop_e8", _STOP),
    ("group", _GROUP),
):
    assert RECORD.fields[_name][1] == 8 * _word, _name

# Words of the kernel's state.
_NEXT, _WRITTEN, _SESSIONS, _LAST_SESSION, _STATE_WORDS = 0, 1, 2, 3, 4

# What can be wrong with a record: (field, problem). The kernel returns the index.
_PROBLEMS: Final = (
    ("", ""),
    ("kind", "expected 1 NEW, 2 CANCEL, 3 REPLACE, 4 REDUCE, 5 MASS_CANCEL or 6 STATUS"),
    ("flags", "expected no bits but 4 BOOK_ONLY, 16 POST_ONLY, 32 POST_REPRICE and the mode in bits 6 to 8"),
    ("reserved", "expected 0"),
    ("time_ns", "expected nanoseconds from 0 to 2^63 - 1"),
    ("order_id", "expected an order id from 0 to 2^63 - 1"),
    ("qty_e8", "expected a quantity from 0 on"),
    ("symbol", "expected printable ASCII, zero padded"),
    ("account", "expected printable ASCII, zero padded"),
    ("session", "expected printable ASCII, zero padded to 24 bytes"),
    ("session", "expected a session name"),
    ("session", f"expected at most {MAX_SESSIONS} different sessions in a file"),
    ("cl_ord_id", "expected printable ASCII, zero padded to 24 bytes"),
    ("orig_cl_ord_id", "expected printable ASCII, zero padded to 24 bytes"),
    ("display_e8", "expected a quantity from 0 on"),
    ("min_e8", "expected a quantity from 0 on"),
    ("expiry_ns", "expected nanoseconds from 0 to 2^63 - 1"),
    ("group", "expected a self-trade group from 0 to 2^31 - 1"),
    ("reserved2", "expected 0"),
)
(
    _OK,
    _BAD_KIND,
    _BAD_FLAGS,
    _BAD_RESERVED,
    _BAD_TIME,
    _BAD_ORDER_ID,
    _BAD_QTY,
    _BAD_SYMBOL,
    _BAD_ACCOUNT,
    _BAD_SESSION,
    _NO_SESSION,
    _MANY_SESSIONS,
    _BAD_CL,
    _BAD_ORIG,
    _BAD_DISPLAY,
    _BAD_MIN,
    _BAD_EXPIRY,
    _BAD_GROUP,
    _BAD_RESERVED2,
) = range(19)

_HIGH_BITS: Final = 0x8080808080808080 - (1 << 64)
_LOW_BITS: Final = 0x0101010101010101
_HIGH_HALF: Final = -(1 << 32)


@inlined
def _text_end(word):  # type: ignore[no-untyped-def]
    """Judge eight bytes of a text: 0 all printable, 1 printable then zeros (or only zeros), 2 malformed."""
    if word & _HIGH_BITS:
        return 2
    printable = ((word >> 5) | (word >> 6)) & _LOW_BITS  # 0x20 and above
    any_bit = word | (word >> 4)
    any_bit = any_bit | (any_bit >> 2)
    any_bit = (any_bit | (any_bit >> 1)) & _LOW_BITS
    all_bits = word & (word >> 1)
    all_bits = all_bits & (all_bits >> 2) & (all_bits >> 4) & (word >> 6) & _LOW_BITS  # 0x7F
    zeros = any_bit ^ _LOW_BITS
    if printable != any_bit or all_bits or (zeros and any_bit >= (zeros & -zeros)):
        return 2
    return 1 if zeros else 0


@inlined
def _is_text(words, record, first, count):  # type: ignore[no-untyped-def]
    """Tell whether ``count`` words hold printable ASCII, zero padded."""
    ended = 0
    for index in range(first, first + count):
        word = words[record, index]
        if ended:
            if word:
                return False
        else:
            ended = _text_end(word)
            if ended == 2:
                return False
    return True


@inlined
def _problem(words, record):  # type: ignore[no-untyped-def]
    """Return what is wrong with a record by itself, 0 for nothing."""
    head = words[record, 0]
    kind = head & 0xFF
    if kind < KIND_NEW or kind > KIND_STATUS:
        return _BAD_KIND
    if ((head >> 32) & 0xFFFF) & ~FLAGS:
        return _BAD_FLAGS
    if (head >> 48) & 0xFFFF:
        return _BAD_RESERVED
    if words[record, _TIME] < 0:
        return _BAD_TIME
    if words[record, _ORDER_ID] < 0:
        return _BAD_ORDER_ID
    if words[record, _QTY] < 0:
        return _BAD_QTY
    if not _is_text(words, record, _SYMBOL, 2):
        return _BAD_SYMBOL
    if not _is_text(words, record, _ACCOUNT, 2):
        return _BAD_ACCOUNT
    if words[record, _SESSION + 2] & _HIGH_HALF or not _is_text(words, record, _SESSION, 3):
        return _BAD_SESSION
    if words[record, _SESSION] == 0:
        return _NO_SESSION
    if words[record, _CL + 2] & _HIGH_HALF or not _is_text(words, record, _CL, 3):
        return _BAD_CL
    if words[record, _ORIG + 2] & _HIGH_HALF or not _is_text(words, record, _ORIG, 3):
        return _BAD_ORIG
    if words[record, _DISPLAY] < 0:
        return _BAD_DISPLAY
    if words[record, _MIN] < 0:
        return _BAD_MIN
    if words[record, _EXPIRY] < 0:
        return _BAD_EXPIRY
    if words[record, _GROUP] & _HIGH_HALF:
        return _BAD_RESERVED2
    if words[record, _GROUP] > MAX_GROUP:
        return _BAD_GROUP
    return _OK


@inlined
def _whole_units(value_e8, unit_e8):  # type: ignore[no-untyped-def]
    """Return whole units, truncated towards zero, and whether something was cut off."""
    units = value_e8 // unit_e8
    is_cut = units * unit_e8 != value_e8
    return units + 1 if is_cut and value_e8 < 0 else units, is_cut


@kernel
def _set_terms(slot, words, record, tick, lot):  # type: ignore[no-untyped-def]
    """Fill what a NEW, or the stop price that a REPLACE, has beyond price and quantity; a unit of 0: unknown."""
    is_new = slot["kind"] == KIND_NEW
    flags = np.int64(slot["flags"])
    stop = np.int64(0)
    display = np.int64(0)
    minimum = np.int64(0)
    if tick:
        stop, is_cut = _whole_units(words[record, _STOP], tick)
        if is_cut:
            flags |= FLAG_OFF_TICK
        if is_new:
            display, is_cut = _whole_units(words[record, _DISPLAY], lot)
            if is_cut:
                flags |= FLAG_OFF_LOT
            minimum, is_cut = _whole_units(words[record, _MIN], lot)
            if is_cut:
                flags |= FLAG_OFF_LOT
    slot["flags"] = flags
    slot["aux0"] = stop
    if is_new:
        slot["aux1"] = words[record, _EXPIRY]
        slot["order_id"] = display
        slot["orig0"] = minimum
        slot["orig1"] = 0
        slot["orig2"] = words[record, _GROUP]


@inlined
def _session_index(words, record, state, table, keys):  # type: ignore[no-untyped-def]
    """Return the 1-based index of the record's session, a new one if it is new; 0 when there is no room."""
    first = words[record, _SESSION]
    second = words[record, _SESSION + 1]
    third = words[record, _SESSION + 2]
    last = state[_LAST_SESSION]
    if keys[last, 0] == first and keys[last, 1] == second and keys[last, 2] == third:
        return last
    mask = table.shape[0] - 1
    cell = hash_name(first ^ third, second) & mask
    while table[cell]:
        index = np.int64(table[cell])
        if keys[index, 0] == first and keys[index, 1] == second and keys[index, 2] == third:
            state[_LAST_SESSION] = index
            return index
        cell = (cell + 1) & mask
    index = state[_SESSIONS] + 1
    if index >= keys.shape[0]:
        return np.int64(0)
    table[cell] = index
    keys[index, 0] = first
    keys[index, 1] = second
    keys[index, 2] = third
    state[_SESSIONS] = index
    state[_LAST_SESSION] = index
    return index


@kernel
def _decode(words, state, out, table, keys, names):  # type: ignore[no-untyped-def]
    """Decode records from ``state[_NEXT]`` on until ``out`` is full, the records end or one is bad.

    Return the index in ``_PROBLEMS``; ``state[_NEXT]`` then stands behind the bad record.
    """
    written = 0
    record = state[_NEXT]
    problem = _OK
    while record < words.shape[0] and written < out.shape[0]:
        problem = _problem(words, record)
        session = np.int64(0)
        if problem == _OK:
            session = _session_index(words, record, state, table, keys)
            if session == 0:
                problem = _MANY_SESSIONS
        if problem != _OK:
            record += 1
            break
        head = words[record, 0]
        instrument = find_name(
            names.symbol_table, names.symbol_keys, words[record, _SYMBOL], words[record, _SYMBOL + 1]
        )
        account = find_name(
            names.account_table, names.account_keys, words[record, _ACCOUNT], words[record, _ACCOUNT + 1]
        )
        kind = head & 0xFF
        flags = (head >> 32) & 0xFFFF
        ticks = np.int64(0)
        lots = np.int64(0)
        tick = np.int64(0)
        lot = np.int64(0)
        if instrument:
            tick = names.tick_e8[instrument]
            lot = names.lot_e8[instrument]
            ticks, is_cut = _whole_units(words[record, _PRICE], tick)
            if is_cut:
                flags |= FLAG_OFF_TICK
            lots, is_cut = _whole_units(words[record, _QTY], lot)
            if is_cut:
                flags |= FLAG_OFF_LOT
        if kind == KIND_MASS_CANCEL:  # a name that is given and nobody has must not be any
            if not instrument and words[record, _SYMBOL]:
                instrument = np.int64(-1)
            if not account and words[record, _ACCOUNT]:
                account = np.int64(-1)
        slot = out[written]
        slot["seq"] = 0
        slot["time_ns"] = words[record, _TIME]
        slot["seen_seq"] = 0
        slot["price_ticks"] = ticks
        slot["qty_lots"] = lots
        slot["order_id"] = words[record, _ORDER_ID]
        slot["account"] = account
        slot["instrument"] = instrument
        slot["session"] = session
        slot["kind"] = kind
        slot["side"] = (head >> 8) & 0xFF
        slot["ord_type"] = (head >> 16) & 0xFF
        slot["tif"] = (head >> 24) & 0xFF
        slot["flags"] = flags
        slot["cl0"] = words[record, _CL]
        slot["cl1"] = words[record, _CL + 1]
        slot["cl2"] = words[record, _CL + 2]
        slot["orig2"] = words[record, _ORIG + 2]
        slot["orig0"] = words[record, _ORIG]
        slot["orig1"] = words[record, _ORIG + 1]
        slot["aux0"] = 0
        slot["aux1"] = 0
        slot["sent_ns"] = 0
        if kind == KIND_REPLACE or (kind == KIND_NEW and slot["ord_type"] != TYPE_DIRECTED):
            _set_terms(slot, words, record, tick, lot)
        written += 1
        record += 1
    state[_NEXT] = record
    state[_WRITTEN] = written
    return problem


def _header(record_count: int, created_ns: int) -> bytes:
    """Return a header with its checksum."""
    header = np.zeros(1, HEADER)
    sizes = (FORMAT_VERSION, HEADER_BYTES, RECORD_BYTES)
    header[0] = (MAGIC, *sizes, LAYOUT_HASH, record_count, created_ns, b"", 0)
    header["crc32c"] = _header_crc(header.tobytes())
    return header.tobytes()


def _header_crc(raw: bytes) -> int:
    return int(crc32c(np.frombuffer(raw, np.uint8).copy(), 0, HEADER_BYTES - 4, 0))


def _check_header(path: str, raw: bytes) -> int:
    """Return the record count of a header; raise :class:`DecodeError` if it is not one of ours."""

    def refuse(field: str, value: object, problem: str) -> DecodeError:
        fields = HEADER.fields
        assert fields is not None
        return DecodeError(path, int(fields[field][1]) if field else 0, 0, field, str(value), problem)

    if not raw.startswith(MAGIC):
        shown = raw[: len(MAGIC)].decode("latin-1")
        raise refuse("magic", shown, f"expected {MAGIC.decode()!r}, was {shown!r}: not a binary order file")
    if len(raw) < HEADER_BYTES:
        raise refuse("", "", f"expected a header of {HEADER_BYTES} bytes, was a file of {len(raw)}")
    header = np.frombuffer(raw, HEADER)[0]
    expected = {
        "version": FORMAT_VERSION,
        "header_bytes": HEADER_BYTES,
        "record_bytes": RECORD_BYTES,
        "layout_hash": LAYOUT_HASH,
        "crc32c": _header_crc(raw),
    }
    for name, value in expected.items():
        if int(header[name]) != value:
            raise refuse(name, int(header[name]), f"expected {value}, was {int(header[name])}")
    if any(bytes(header["reserved"])):
        raise refuse("reserved", bytes(header["reserved"]).hex(), "expected zeros")
    if int(header["record_count"]) < 0:
        raise refuse("record_count", int(header["record_count"]), "expected a count from 0 on")
    return int(header["record_count"])


def _open(path: str) -> tuple[int, int]:
    """Return the size of a file and the record count of its header."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno()).st_size, _check_header(path, file.read(HEADER_BYTES))


def _map(path: str, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Map the records of a file as a read-only array; nothing is copied."""
    if 0 in shape:
        empty = np.zeros(shape, dtype)
        empty.flags.writeable = False
        return empty
    return np.memmap(path, dtype, "r", HEADER_BYTES, shape).view(np.ndarray)


def read_records(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Map the whole records of a file as a structured array of :data:`RECORD`; only the header is checked."""
    size, count = _open(os.fspath(path))
    whole = (size - HEADER_BYTES) // RECORD_BYTES
    records: np.ndarray[Any, Any] = _map(os.fspath(path), RECORD, (min(whole, count) if count else whole,))
    return records


class BinarySource(CommandSource):
    """A binary order file as commands; sessions are those that its records name, in order of appearance."""

    def __init__(
        self, path: str | os.PathLike[str], directory: Directory, on_error: OnError = "stop"
    ) -> None:
        """Map the file; raise OSError or, for a header that is not ours, :class:`DecodeError`."""
        name = os.fspath(path)
        size, self._promised = _open(name)
        super().__init__(name, size, on_error)
        whole = (size - HEADER_BYTES) // RECORD_BYTES
        self._count = min(whole, self._promised) if self._promised else whole
        self._names = directory.arrays()
        self._state = np.zeros(_STATE_WORDS, np.int64)
        self._session_table = np.zeros(2 * MAX_SESSIONS, np.int32)
        self._session_keys = np.zeros((MAX_SESSIONS + 1, 3), np.int64)
        self._words = _map(name, "<i8", (self._count, RECORD_WORDS))
        self._at_end = False
        self.position = HEADER_BYTES

    def _decode(self, out: np.ndarray[Any, Any]) -> tuple[int, DecodeError | None]:
        if self._at_end:
            return 0, None
        state = self._state
        problem = _decode(self._words, state, out, self._session_table, self._session_keys, self._names)
        for index in range(len(self.sessions) + 1, int(state[_SESSIONS]) + 1):
            self.sessions.append(unpack_text(*(int(word) for word in self._session_keys[index])))
        self.position = HEADER_BYTES + int(state[_NEXT]) * RECORD_BYTES
        if problem:
            return int(state[_WRITTEN]), self._error(int(problem))
        error = None
        if state[_NEXT] == self._count:
            error = self._error_at_end()
            self._at_end = True
            self.position = self.total_bytes
        return int(state[_WRITTEN]), error

    def _error(self, problem: int) -> DecodeError:
        """Describe the record before ``_NEXT``."""
        field, text = _PROBLEMS[problem]
        index = int(self._state[_NEXT]) - 1
        raw = self._words[index].tobytes()
        assert RECORD.fields is not None
        offset = int(RECORD.fields[field][1])
        value = _shown(raw, field)
        start = HEADER_BYTES + index * RECORD_BYTES
        return DecodeError(self.path, start + offset, index + 1, field, value, f"{text}, was {value!r}")

    def _error_at_end(self) -> DecodeError | None:
        """Compare the size of the file with whole records and with the count in its header."""
        stop = HEADER_BYTES + self._count * RECORD_BYTES
        rest = self.total_bytes - stop
        record = self._count + 1
        if self._promised > self._count:
            problem = f"expected {self._promised} records, as the header says, was {rest} bytes of this one"
        elif rest == 0:
            return None
        elif self._promised:
            problem = (
                f"expected the end after {self._promised} records, as the header says, was {rest} bytes more"
            )
        else:
            problem = f"expected a record of {RECORD_BYTES} bytes, was {rest} bytes"
        return DecodeError(self.path, stop, record, "", "", problem)

    def close(self) -> None:
        """Release the mapping."""
        self._words = _map("", "<i8", (0, RECORD_WORDS))
        self._count = 0
        self._at_end = True


def _shown(raw: bytes, field: str) -> str:
    """Return a field of a raw record as text for an error."""
    assert RECORD.fields is not None
    kind, offset = RECORD.fields[field][:2]
    if kind.kind == "S":
        width = kind.itemsize + (4 if f"{field}_pad" in RECORD.fields else 0)
        return raw[offset : offset + width].rstrip(b"\0").decode("latin-1")
    return str(int(np.frombuffer(raw, RECORD)[0][field]))


class BinaryWriter:
    """Write a binary order file; the header's record count is filled in by :meth:`close`."""

    def __init__(self, path: str | os.PathLike[str], created_ns: int = 0) -> None:
        """Create or overwrite ``path``; ``created_ns`` is when, 0 for not told."""
        self.path = os.fspath(path)
        self.record_count = 0
        self._created_ns = created_ns
        self._file: io.BufferedWriter = open(self.path, "wb")  # noqa: SIM115  (closed by close)
        self._file.write(_header(0, created_ns))

    def write(
        self,
        *,
        kind: int,
        session: str,
        cl_ord_id: str = "",
        orig_cl_ord_id: str = "",
        symbol: str = "",
        account: str = "",
        side: int = 0,
        ord_type: int = 0,
        tif: int = 0,
        flags: int = 0,
        order_id: int = 0,
        price: str = "0",
        qty: str = "0",
        time_ns: int = 0,
        stop: str = "0",
        display: str = "0",
        minimum: str = "0",
        expiry_ns: int = 0,
        group: int = 0,
        mode: int = 0,
    ) -> None:
        """Append one record; prices and quantities are decimal strings, ``mode`` is the self-trade mode of ``group``.

        Raise ValueError for what the format does not hold or :class:`BinarySource` would refuse.
        """
        record = np.zeros(1, RECORD)
        numbers = {
            "kind": (kind, KIND_NEW, KIND_STATUS),
            "side": (side, 0, 0xFF),
            "ord_type": (ord_type, 0, 0xFF),
            "tif": (tif, 0, 0xFF),
            "flags": (flags & ~FLAGS, 0, 0),
            "time_ns": (time_ns, 0, MAX_INT64),
            "order_id": (order_id, 0, MAX_INT64),
            "price_e8": (parse_e8(price), -MAX_INT64, MAX_INT64),
            "qty_e8": (parse_e8(qty), 0, MAX_INT64),
            "stop_e8": (parse_e8(stop), -MAX_INT64, MAX_INT64),
            "display_e8": (parse_e8(display), 0, MAX_INT64),
            "min_e8": (parse_e8(minimum), 0, MAX_INT64),
            "expiry_ns": (expiry_ns, 0, MAX_INT64),
            "group": (group, 0, MAX_GROUP),
        }
        if not 0 <= mode <= FLAG_STP_MASK:
            raise ValueError(f"mode: expected 0 to {FLAG_STP_MASK}, was {mode}")
        for name, (number, low, high) in numbers.items():
            if not low <= number <= high:
                raise ValueError(f"{name}: expected {low} to {high}, was {number}")
            record[name] = number
        record["flags"] = flags | mode << FLAG_STP_SHIFT
        texts = {
            "symbol": symbol,
            "account": account,
            "session": session,
            "cl_ord_id": cl_ord_id,
            "orig_cl_ord_id": orig_cl_ord_id,
        }
        for name, text in texts.items():
            pack_text(text)
            if len(text) > RECORD[name].itemsize or (name == "session" and not text):
                raise ValueError(f"{name}: expected 1 to {RECORD[name].itemsize} characters, was {text!r}")
            record[name] = text.encode()
        self.write_records(record)

    def write_all(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Append one record for each mapping of :meth:`write`'s arguments."""
        for record in records:
            self.write(**record)

    def write_records(self, records: np.ndarray[Any, Any]) -> None:
        """Append an array of :data:`RECORD` as it is."""
        assert records.dtype == RECORD, f"expected {RECORD}, was {records.dtype}"
        self._file.write(np.ascontiguousarray(records).tobytes())
        self.record_count += len(records)

    def write_commands(
        self, commands: np.ndarray[Any, Any], directory: Directory, sessions: Sequence[str]
    ) -> None:
        """Append client commands (command slots); ``sessions`` are the names by 1-based session index.

        OFF flags are dropped: a slot no longer knows what was cut off.
        """
        for start in range(0, len(commands), WRITE_BATCH_RECORDS):
            self.write_records(_records(commands[start : start + WRITE_BATCH_RECORDS], directory, sessions))

    def close(self) -> None:
        """Write the record count and close the file; a second call does nothing."""
        if self._file.closed:
            return
        self._file.seek(0)
        self._file.write(_header(self.record_count, self._created_ns))
        self._file.close()

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


def _records(
    commands: np.ndarray[Any, Any], directory: Directory, sessions: Sequence[str]
) -> np.ndarray[Any, Any]:
    """Translate command slots back into records."""
    unfit = [int(kind) for kind in commands["kind"] if not KIND_NEW <= int(kind) <= KIND_STATUS]
    if unfit:
        raise ValueError(f"kind: expected a client's command, was {unfit[0]}")
    records = np.zeros(len(commands), RECORD)
    for name in ("kind", "side", "ord_type", "tif", "time_ns", "order_id"):
        records[name] = commands[name]
    records["flags"] = commands["flags"] & FLAGS
    names = directory.arrays()
    instruments = np.maximum(commands["instrument"], 0)
    records["price_e8"] = commands["price_ticks"] * names.tick_e8[instruments]
    records["qty_e8"] = commands["qty_lots"] * names.lot_e8[instruments]
    records["symbol"] = [directory.symbol(int(instrument)).encode() for instrument in instruments]
    records["account"] = [directory.account_name(int(account)).encode() for account in commands["account"]]
    records["session"] = [sessions[int(session) - 1].encode() for session in commands["session"]]
    has_terms = (commands["kind"] == KIND_NEW) & (commands["ord_type"] != TYPE_DIRECTED)
    for field, prefix in (("cl_ord_id", "cl"), ("orig_cl_ord_id", "orig")):
        words = [
            np.where(has_terms & (prefix == "orig"), 0, commands[f"{prefix}{index}"]) for index in range(3)
        ]
        parts = zip(*(word.tolist() for word in words), strict=True)
        records[field] = [unpack_text(*part).encode() for part in parts]
    records["stop_e8"] = np.where(
        has_terms | (commands["kind"] == KIND_REPLACE), commands["aux0"] * names.tick_e8[instruments], 0
    )
    lot_e8 = names.lot_e8[instruments]
    records["order_id"] = np.where(has_terms, 0, commands["order_id"])
    records["display_e8"] = np.where(has_terms, commands["order_id"] * lot_e8, 0)
    records["min_e8"] = np.where(has_terms, commands["orig0"] * lot_e8, 0)
    records["expiry_ns"] = np.where(has_terms, commands["aux1"], 0)
    records["group"] = np.where(has_terms, commands["orig2"], 0)
    return records
