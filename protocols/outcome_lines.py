"""Outcomes as JSON lines: what ``inject --out`` and ``replay --out`` write, byte for byte the same.

One object a line, keys in this order::

    seq, index        which outcome: input sequence, and place among the outcomes of that input
    type              accepted, rejected, filled, cancelled, replaced, expired, triggered, status, mass_cancelled
    cl_ord_id         text, "" where the command had none
    orig_cl_ord_id    text or null
    order_id          the venue's, 0 for none
    exec_id           "seq-index"
    trade_id          "seq-n" of a fill, the same on both sides of it, else null
    instrument, account, session      names, null for what the directory does not know
    side              "buy", "sell" or null
    price             decimal string with the decimals of the tick, null for none (a market order's)
    qty, leaves_qty, cum_qty          see below
    liquidity         "maker", "taker" or "auction" of a fill, else null
    reason            lower-case name, null for none
    unsolicited       true for what the owner of the order did not ask for with this command
    kind              of the command: new, cancel, replace, reduce, mass_cancel, status; of the outcome of an order
                      that expired, ended with its session or traded in an auction any kind, because any command
                      may be the next, or bring an instrument into another state

Quantities are integers where the instrument's lot is a whole number of units, and decimal strings (with the
decimals of the lot) where it is not: which of the two depends on the instrument alone, never on the value. The
quantity of mass_cancelled is how many orders that were.

Only outcomes of orders are written. Administration (sessions, instruments, limits) and market data make none of the
lines, whoever writes them: a gateway does not see all of it, a replay does.

The lines of a batch are laid out as a matrix of bytes: each member a few columns, wide enough for its longest
value, zero where there is nothing. Taking the zeros out leaves the lines. So the work is a few dozen array
operations a batch instead of a dozen string operations a line, and texts of names and prices are made once.

Invariant: a line is a function of the outcome and of the names that its ids have. Names are given once and
never change, so that live and replayed lines agree however the directory has grown meanwhile. Reads only.
Bytes of a text that are not ASCII show as ``?``, as in :mod:`protocols.text`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from protocols.codes import (
    E8,
    OUT_FILLED,
    OUT_MASS_CANCELLED,
    OUTFLAG_AUCTION,
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    OUTFLAG_UNSOLICITED,
    Kind,
    OutcomeType,
    Reason,
    Side,
)
from protocols.directory import Directory, decimal_text
from protocols.layouts import COMMAND_BYTES, OUTCOME
from protocols.outcomes import tell_of_orders
from protocols.text import TEXT_BYTES, unpack_text

__all__ = ["OutcomeLines"]

CHUNK: Final = 1 << 13  # outcomes laid out at a time: their matrix, about 3 MB, stays in a cache
CACHE_ENTRIES: Final = 1 << 17  # texts of prices and quantities that are kept
NUMBER_BYTES: Final = 20  # of any int64

_FIELDS: Final[Mapping[str, Any]] = OUTCOME.fields or {}
_CL: Final = _FIELDS["cl0"][1]
_ORIG: Final = _FIELDS["orig0"][1]
_ORIG_TAIL: Final = _FIELDS["orig2"][1]
assert (_FIELDS["cl1"][1], _FIELDS["cl2"][1], _FIELDS["orig1"][1]) == (_CL + 8, _CL + 16, _ORIG + 8)

# Bytes that cannot stand in a JSON text as they are: all but printable ASCII, quote and backslash; zero pads.
_AWKWARD: Final = np.ones(256, dtype=np.bool_)
_AWKWARD[0x20:0x7F] = False
_AWKWARD[[0, ord('"'), ord("\\")]] = [False, True, True]

_TYPES: Final = {int(code): code.name.lower() for code in OutcomeType}
_SIDES: Final = {int(code): f'"{code.name.lower()}"' for code in Side}
_ROLES: Final = OUTFLAG_TAKER | OUTFLAG_MAKER | OUTFLAG_AUCTION
_LIQUIDITY: Final = {OUTFLAG_TAKER: '"taker"', OUTFLAG_MAKER: '"maker"', OUTFLAG_AUCTION: '"auction"'}
_REASONS: Final = {int(code): f'"{code.name.lower()}"' for code in Reason if code}
_KINDS: Final = {int(code): code.name.lower() for code in Kind}


class _Texts(dict[tuple[int, int], bytes]):
    """Texts made once: ``texts[key]`` calls ``make(*key)`` for a new key; forgets all of them when it is full."""

    def __init__(self, make: Callable[[int, int], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: tuple[int, int]) -> bytes:
        if len(self) >= CACHE_ENTRIES:
            self.clear()
        text = self[key] = self._make(*key).encode("ascii")
        return text

    def columns(self, first: Any, second: Any) -> Any:
        """Return the texts of pairs of integers as a matrix of bytes."""
        firsts, which_first = np.unique(first, return_inverse=True)
        seconds, which_second = np.unique(second, return_inverse=True)
        keys, places = np.unique(which_first * len(seconds) + which_second, return_inverse=True)
        pairs = zip(firsts[keys // len(seconds)].tolist(), seconds[keys % len(seconds)].tolist(), strict=True)
        return _bytes_of([self[pair] for pair in pairs])[places]


class OutcomeLines:
    """Turns outcomes into lines, with the names of a directory and of sessions by id.

    Both are taken as they are now: call :meth:`update` when they have grown.
    """

    def __init__(self, directory: Directory, session_names: Mapping[int, str]) -> None:
        self._types = _Texts(_type)
        self._ends = _Texts(_end)
        self._prices = _Texts(_price)
        self._qtys = _Texts(_qty)
        self._instruments = _Texts(self._instrument)
        self._owners = _Texts(self._owner)
        self.update(directory, session_names)

    def update(self, directory: Directory, session_names: Mapping[int, str]) -> None:
        """Go on with a directory, or with sessions, that have grown."""
        self._directory = directory
        self._session_names = dict(session_names)
        self._instruments.clear()
        self._owners.clear()
        # units by id; the first and the last row stand for ids that are unknown
        self._tick_e8 = np.full(max(directory.instruments, default=0) + 2, E8, dtype=np.int64)
        self._lot_e8 = self._tick_e8.copy()
        for identity, entry in directory.instruments.items():
            self._tick_e8[identity] = entry.tick_e8
            self._lot_e8[identity] = entry.lot_e8

    def encode(self, outcomes: Any) -> bytes:
        """Return the lines of those outcomes (array of OUTCOME) that concern orders, in their order."""
        chunks = (outcomes[start : start + CHUNK] for start in range(0, len(outcomes), CHUNK))
        return b"".join(map(self._encode, chunks))

    def _encode(self, outcomes: Any) -> bytes:
        rows = np.ascontiguousarray(outcomes[tell_of_orders(outcomes)])
        if not len(rows):
            return b""
        raw = rows.view(np.uint8).reshape(-1, COMMAND_BYTES)
        seq, index = _digits(rows["input_seq"]), _digits(rows["index"])
        ids = np.clip(rows["instrument"], 0, len(self._tick_e8) - 1)
        lot_e8 = self._lot_e8[ids]
        lot_e8[rows["type"] == OUT_MASS_CANCELLED] = E8  # its quantity is a count
        matrix = _side_by_side(
            len(rows),
            b'{"seq":', seq, b',"index":', index,
            b',"type":"', self._types.columns(rows["type"], np.zeros(1, dtype=np.int64)),
            b'","cl_ord_id":', _texts(raw[:, _CL : _CL + TEXT_BYTES], b'""'),
            b',"orig_cl_ord_id":',
            _texts(np.hstack((raw[:, _ORIG : _ORIG + 16], raw[:, _ORIG_TAIL : _ORIG_TAIL + 4])), b"null"),
            b',"order_id":', _digits(rows["order_id"]),
            b',"exec_id":"', seq, b"-", index,
            b'","trade_id":', _trade_ids(rows, seq),
            b",", self._instruments.columns(rows["instrument"], rows["side"]),
            b',"price":', self._prices.columns(self._tick_e8[ids], rows["price_ticks"]),
            b',"qty":', self._quantities(lot_e8, rows["qty_lots"]),
            b',"leaves_qty":', self._quantities(lot_e8, rows["leaves_lots"]),
            b',"cum_qty":', self._quantities(lot_e8, rows["cum_lots"]),
            b",", self._owners.columns(rows["account"], rows["session"]),
            b",", self._ends.columns(rows["flags"].astype(np.int64) << 8 | rows["kind"], rows["reason"]),
            b"}\n",
        )  # fmt: skip
        return bytes(matrix[matrix != 0])

    def _quantities(self, lot_e8: Any, lots: Any) -> Any:
        """Return a column of quantities; where a lot is one unit, as almost everywhere, they are the lots."""
        return self._qtys.columns(lot_e8, lots) if (lot_e8 != E8).any() else _digits(lots)

    def _instrument(self, instrument: int, side: int) -> str:
        symbol = _name(self._directory.symbol(instrument))
        return f'"instrument":{symbol},"side":{_SIDES.get(side, "null")}'

    def _owner(self, account: int, session: int) -> str:
        names = _name(self._directory.account_name(account)), _name(self._session_names.get(session, ""))
        return f'"account":{names[0]},"session":{names[1]}'


# What is made once for each new value


def _type(code: int, _: int) -> str:
    return _TYPES[code]


def _price(tick_e8: int, price_ticks: int) -> str:
    return f'"{decimal_text(price_ticks, tick_e8)}"' if price_ticks else "null"


def _qty(lot_e8: int, lots: int) -> str:
    return f'"{decimal_text(lots, lot_e8)}"' if lot_e8 % E8 else str(lots * (lot_e8 // E8))


def _end(key: int, reason: int) -> str:
    liquidity = _LIQUIDITY.get(key >> 8 & _ROLES, "null")
    unsolicited = "true" if key >> 8 & OUTFLAG_UNSOLICITED else "false"
    why = f'"reason":{_REASONS.get(reason, "null")},"unsolicited":{unsolicited}'
    return f'"liquidity":{liquidity},{why},"kind":"{_KINDS[key & 0xFF]}"'


def _name(name: str) -> str:
    return msgspec.json.encode(name).decode("ascii") if name else "null"


# Matrices of bytes: a row for each line


def _bytes_of(texts: list[bytes]) -> Any:
    return np.array(texts, dtype=np.bytes_).view(np.uint8).reshape(len(texts), -1)


def _side_by_side(count: int, *parts: Any) -> Any:
    """Return the parts next to each other; bytes stand in each row."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    fixed = b"".join(
        part if isinstance(part, bytes) else bytes(width) for part, width in zip(parts, widths, strict=True)
    )
    matrix = np.empty((count, len(fixed)), dtype=np.uint8)
    matrix[:] = np.frombuffer(fixed, dtype=np.uint8)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        if not isinstance(part, bytes):
            matrix[:, start : start + width] = part
        start += width
    return matrix


def _digits(values: Any) -> Any:
    """Return integers as decimal digits, zero bytes before them."""
    rest = values.astype(np.int64)
    if rest.min() < 0:  # no quantity of a valid order
        return _bytes_of(rest.astype(f"S{NUMBER_BYTES}").tolist())
    width = len(str(int(rest.max())))
    digits = np.empty((len(rest), width), dtype=np.uint8)
    for column in range(width - 1, -1, -1):
        tens = rest // 10
        digit = (rest - tens * 10 + ord("0")).astype(np.uint8)
        digits[:, column] = digit if column == width - 1 else digit * (rest > 0)
        rest = tens
    return digits


def _trade_ids(rows: Any, seq: Any) -> Any:
    """Return the trade of each fill, null for other outcomes."""
    null = np.frombuffer(b"null", dtype=np.uint8)
    is_fill = rows["type"] == OUT_FILLED
    if not is_fill.any():
        return np.broadcast_to(null, (len(rows), len(null)))
    trades = _side_by_side(
        len(rows), b'"', seq, b"-", _digits(np.where(is_fill, rows["trade_index"], 0)), b'"'
    )
    padded = np.zeros(trades.shape[1], dtype=np.uint8)
    padded[: len(null)] = null
    trades[~is_fill] = padded
    return trades


def _texts(raw: Any, empty: bytes) -> Any:
    """Return packed texts (rows of 20 bytes) as JSON; ``empty`` stands for those of no characters."""
    if _AWKWARD[raw].any() or ((raw[:, :-1] == 0) & (raw[:, 1:] != 0)).any():
        # rare: one text needs an escape, or is not text
        words = np.zeros((len(raw), 3), dtype=np.int64)
        words.view(np.uint8)[:, :TEXT_BYTES] = raw
        texts = (unpack_text(*row) for row in words.tolist())
        return _bytes_of([msgspec.json.encode(text) if text else empty for text in texts])
    quoted = _side_by_side(len(raw), b'"', raw, b'"')
    padded = np.zeros(quoted.shape[1], dtype=np.uint8)
    padded[: len(empty)] = np.frombuffer(empty, dtype=np.uint8)
    quoted[raw[:, 0] == 0] = padded
    return quoted
