"""Nasdaq ITCH 5.0 files as order flow: a feed's messages become commands that rebuild the feed's book.

The file is what Nasdaq publishes as BinaryFILE: a big-endian uint16 length and that many bytes, again and
again; length 0 or the end of the file ends it. An injector reads it through :class:`ItchSource`;
``docs/itch.md`` has the layouts and says why each message becomes what it becomes::

    A F    NEW LIMIT GTC BOOK_ONLY       cl = reference
    E C    NEW DIRECTED IOC, other side  cl = M + match number [1] orig = reference
    X      REDUCE                        cl = X + reference        orig = reference
    D      CANCEL                        cl = D + reference        orig = reference
    U      CANCEL, NEW LIMIT BOOK_ONLY   cl = U + old, then new    orig = old reference
    R      names a locate code; every other type changes no displayed order and is counted only

    [1] while match numbers rise, as they do; one that does not (a repetition, say) becomes N + message number

Invariants: the kernel keeps each live order (side, price, open shares, locate) in an open-addressing table by
reference number, never more than half full: the kernel stops and asks for a larger one, the edge grows it. A
command of a message is written only when the whole message was found good, and of a replacement's two
commands the second may fall into the next read.

Failure modes: a message that the table contradicts, or that is not as long as its type, is a
:class:`DecodeError`; it changes nothing, and the next message follows where its length says. A reference
number that comes again after its order is gone is not noticed here (risk rejects its ClOrdID).
"""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np

from protocols.codes import (
    E8,
    FLAG_BOOK_ONLY,
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    KIND_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    SIDE_BUY,
    SIDE_SELL,
    TIF_GTC,
    TIF_IOC,
    TYPE_DIRECTED,
    TYPE_LIMIT,
)
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.lookup import find_name
from protocols.source import CommandSource, DecodeError, OnError
from protocols.text import unpack_text
from ringbuffer.kernel import inlined, kernel
from ringbuffer.native import mul64

__all__ = ["LENGTHS", "ItchSource", "scan_symbols"]

ITCH_TICK_E8: Final = 10_000  # prices have four decimals
START_ORDERS: Final = 1 << 16  # cells of the first table of live orders
BUDGET_MESSAGES: Final = 1 << 20  # in one call of the kernel

LENGTHS: Final = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "O": 48,
    "A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35,
    "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20,
}  # fmt: skip
BOOK_TYPES: Final = "AFECXDU"  # the types that change a displayed order
_LENGTHS = np.zeros(256, np.int64)
for _letter, _length in LENGTHS.items():
    _LENGTHS[ord(_letter)] = _length

ORDER = np.dtype([("ref", "<i8"), ("price_e4", "<i8"), ("shares", "<i8"), ("locate", "<i4"), ("side", "<i4")])
"""One cell of the table of live orders; side 0 is an empty cell."""

LOCATE = np.dtype([("symbol", "<i8"), ("instrument", "<i4"), ("pad", "<i4")])
"""What a locate code stands for; symbol 0 is none."""

# Words of the kernel's state; from _KIND on, the command that a message's handler plans and _emit writes.
_POSITION, _MESSAGE, _WRITTEN, _HALF, _LIVE, _TOP_MATCH, _ACCOUNT, _EXPECTED = range(8)
_KIND, _SIDE, _TYPE, _TIF, _FLAGS, _PRICE, _SHARES, _PREFIX, _NUMBER, _ORIG, _STATE_WORDS = range(8, 19)

# Results of the kernel below the problems.
_OK, _GROW, _END = 0, 1, 2

# What can be wrong: (field, offset in the message, width, problem); offset -2 is the length before it.
_PROBLEMS: Final = {
    10: ("length", -2, 2, "expected a length of two bytes, was the end of the file"),
    11: ("length", -2, 2, "expected a message of this length, was the end of the file after {} bytes"),
    12: ("type", 0, 1, "expected a message type of ITCH 5.0"),
    13: ("length", -2, 2, "expected length {} for this type"),
    14: ("length", -2, 0, "expected the end of the file after length 0, was {} bytes more"),
    20: ("locate", 1, 2, "expected {}, the locate of the order"),
    21: ("stock", 11, 8, "expected an ASCII symbol, padded with spaces"),
    22: ("stock", 24, 8, "expected an ASCII symbol, padded with spaces"),
    23: ("stock", 11, 8, "expected the symbol that locate {} has stood for"),
    24: ("stock", 24, 8, "expected the symbol that locate {} has stood for"),
    30: ("reference", 11, 8, "expected an open order"),
    31: ("reference", 11, 8, "expected a number below 2^63"),
    32: ("reference", 11, 8, "expected a number that no open order has"),
    33: ("new reference", 19, 8, "expected a number below 2^63"),
    34: ("new reference", 19, 8, "expected a number that no open order has"),
    40: ("side", 19, 1, "expected 'B' or 'S'"),
    41: ("shares", 20, 4, "expected at least 1"),
    42: ("shares", 27, 4, "expected at least 1"),
    43: ("shares", 19, 4, "expected 1 to the {} open shares"),
    44: ("match", 23, 8, "expected a number below 2^63"),
    45: ("printable", 31, 1, "expected 'Y' or 'N'"),
    46: ("price", 32, 4, "expected at least 1"),
    47: ("price", 31, 4, "expected at least 1"),
}
(_CUT_LENGTH, _CUT, _BAD_TYPE, _BAD_LENGTH, _NOT_THE_END) = range(10, 15)
(_BAD_LOCATE, _BAD_STOCK_R, _BAD_STOCK_A, _OTHER_STOCK_R, _OTHER_STOCK_A) = range(20, 25)
(_UNKNOWN_REF, _BIG_REF, _USED_REF, _BIG_NEW_REF, _USED_NEW_REF) = range(30, 35)
(_BAD_SIDE, _NO_SHARES_A, _NO_SHARES_U, _BAD_SHARES, _BIG_MATCH, _BAD_PRINTABLE) = range(40, 46)
(_NO_PRICE, _NO_PRICE_U) = range(46, 48)

# Letters, for kernels.
_A, _B, _C, _D, _E, _F, _M, _N, _R, _S, _U, _X, _Y = (ord(letter) for letter in "ABCDEFMNRSUXY")
_HASH_MULTIPLIER: Final = 0x9E3779B97F4A7C15 - (1 << 64)


@inlined
def _be(data, start, count):  # type: ignore[no-untyped-def]
    """Return the big-endian integer of ``count`` bytes; negative from 2^63 on."""
    value = np.int64(0)
    for index in range(start, start + count):
        value = (value << 8) | np.int64(data[index])
    return value


@inlined
def _home(ref, mask):  # type: ignore[no-untyped-def]
    return (mul64(ref, _HASH_MULTIPLIER) >> 32) & mask


@inlined
def _find(orders, ref):  # type: ignore[no-untyped-def]
    """Return the cell of a live order, or ``-1 - cell`` of the empty cell where it would go."""
    mask = orders.shape[0] - 1
    cell = _home(ref, mask)
    while orders[cell]["side"] != 0:
        if orders[cell]["ref"] == ref:
            return cell
        cell = (cell + 1) & mask
    return -1 - cell


@inlined
def _insert(orders, ref, locate, side, shares, price):  # type: ignore[no-untyped-def]
    """Put a live order that is not there into the table."""
    cell = orders[-1 - _find(orders, ref)]
    cell["ref"] = ref
    cell["price_e4"] = price
    cell["shares"] = shares
    cell["locate"] = locate
    cell["side"] = side


@inlined
def _remove(orders, hole):  # type: ignore[no-untyped-def]
    """Empty a cell and pull back the orders that its being full had displaced."""
    mask = orders.shape[0] - 1
    cell = hole
    while True:
        cell = (cell + 1) & mask
        if orders[cell]["side"] == 0:
            break
        if ((cell - _home(orders[cell]["ref"], mask)) & mask) >= ((cell - hole) & mask):
            orders[hole]["ref"] = orders[cell]["ref"]
            orders[hole]["price_e4"] = orders[cell]["price_e4"]
            orders[hole]["shares"] = orders[cell]["shares"]
            orders[hole]["locate"] = orders[cell]["locate"]
            orders[hole]["side"] = orders[cell]["side"]
            hole = cell
    orders[hole]["side"] = 0


@kernel
def _rehash(orders, larger):  # type: ignore[no-untyped-def]
    """Copy the live orders into a larger, empty table."""
    for cell in range(orders.shape[0]):
        order = orders[cell]
        if order["side"] != 0:
            _insert(larger, order["ref"], order["locate"], order["side"], order["shares"], order["price_e4"])


@inlined
def _symbol(data, start):  # type: ignore[no-untyped-def]
    """Return a stock packed as a text, without its spaces; 0 if it is not one."""
    packed = np.int64(0)
    ended = False
    for index in range(8):
        letter = np.int64(data[start + index])
        if letter == 32:
            ended = True
        elif ended or letter < 33 or letter > 126:
            return np.int64(0)
        else:
            packed = packed | (letter << (8 * index))
    return packed


@inlined
def _decimal(prefix, number):  # type: ignore[no-untyped-def]
    """Return the text of a letter (0 for none) and a number of up to 19 digits, packed in three integers."""
    first = np.int64(0)
    second = np.int64(0)
    third = np.int64(0)
    more = True
    while more:
        third = (third << 8) | (second >> 56)
        second = (second << 8) | (first >> 56)
        first = (first << 8) | (48 + number % 10)
        number = number // 10
        more = number > 0
    if prefix:
        third = (third << 8) | (second >> 56)
        second = (second << 8) | (first >> 56)
        first = (first << 8) | prefix
    return first, second, third


@inlined
def _learn(locates, names, locate, symbol):  # type: ignore[no-untyped-def]
    """Note what a locate stands for; False if it has stood for another symbol."""
    known = locates[locate]["symbol"]
    if known == 0:
        locates[locate]["symbol"] = symbol
        locates[locate]["instrument"] = find_name(names.symbol_table, names.symbol_keys, symbol, np.int64(0))
        return True
    return known == symbol


@inlined
def _rest(state, side, price, shares, ref):  # type: ignore[no-untyped-def]
    """Plan a NEW that rests without matching."""
    state[_KIND] = KIND_NEW
    state[_SIDE] = side
    state[_TYPE] = TYPE_LIMIT
    state[_TIF] = TIF_GTC
    state[_FLAGS] = FLAG_BOOK_ONLY
    state[_PRICE] = price
    state[_SHARES] = shares
    state[_PREFIX] = 0
    state[_NUMBER] = ref
    state[_ORIG] = -1


@inlined
def _withdraw(state, kind, side, shares, prefix, ref):  # type: ignore[no-untyped-def]
    """Plan a CANCEL or a REDUCE."""
    state[_KIND] = kind
    state[_SIDE] = side
    state[_TYPE] = 0
    state[_TIF] = 0
    state[_FLAGS] = 0
    state[_PRICE] = 0
    state[_SHARES] = shares
    state[_PREFIX] = prefix
    state[_NUMBER] = ref
    state[_ORIG] = ref


@inlined
def _take(orders, cell, shares, state):  # type: ignore[no-untyped-def]
    """Take shares from a live order; the last ones remove it."""
    left = orders[cell]["shares"] - shares
    orders[cell]["shares"] = left
    if left == 0:
        _remove(orders, cell)
        state[_LIVE] -= 1


@inlined
def _add(data, at, state, orders, locates, names):  # type: ignore[no-untyped-def]
    """A and F: rest an order."""
    ref = _be(data, at + 11, 8)
    letter = np.int64(data[at + 19])
    shares = _be(data, at + 20, 4)
    symbol = _symbol(data, at + 24)
    locate = _be(data, at + 1, 2)
    price = _be(data, at + 32, 4)
    if ref < 0:
        return _BIG_REF
    if letter != _B and letter != _S:
        return _BAD_SIDE
    if shares == 0:
        return _NO_SHARES_A
    if symbol == 0:
        return _BAD_STOCK_A
    if price == 0:
        return _NO_PRICE
    if _find(orders, ref) >= 0:
        return _USED_REF
    state[_EXPECTED] = locate
    if not _learn(locates, names, locate, symbol):
        return _OTHER_STOCK_A
    side = SIDE_BUY if letter == _B else SIDE_SELL
    _insert(orders, ref, locate, side, shares, price)
    state[_LIVE] += 1
    _rest(state, side, price, shares, ref)
    return _OK


@inlined
def _execute(data, at, kind, state, orders):  # type: ignore[no-untyped-def]
    """E and C: trade with one resting order."""
    ref = _be(data, at + 11, 8)
    shares = _be(data, at + 19, 4)
    match = _be(data, at + 23, 8)
    cell = _find(orders, ref)
    if cell < 0:
        return _UNKNOWN_REF
    state[_EXPECTED] = orders[cell]["locate"]
    if _be(data, at + 1, 2) != state[_EXPECTED]:
        return _BAD_LOCATE
    state[_EXPECTED] = orders[cell]["shares"]
    if shares < 1 or shares > state[_EXPECTED]:
        return _BAD_SHARES
    if match < 0:
        return _BIG_MATCH
    state[_PRICE] = orders[cell]["price_e4"]
    if kind == _C:
        if data[at + 31] != _Y and data[at + 31] != _N:
            return _BAD_PRINTABLE
        state[_PRICE] = _be(data, at + 32, 4)
        if state[_PRICE] == 0:
            return _NO_PRICE
    state[_KIND] = KIND_NEW
    state[_SIDE] = SIDE_BUY + SIDE_SELL - np.int64(orders[cell]["side"])
    state[_TYPE] = TYPE_DIRECTED
    state[_TIF] = TIF_IOC
    state[_FLAGS] = 0
    state[_SHARES] = shares
    state[_ORIG] = ref
    if match > state[_TOP_MATCH]:
        state[_TOP_MATCH] = match
        state[_PREFIX] = _M
        state[_NUMBER] = match
    else:
        state[_PREFIX] = _N
        state[_NUMBER] = state[_MESSAGE] + 1
    _take(orders, cell, shares, state)
    return _OK


@inlined
def _reduce(data, at, kind, state, orders):  # type: ignore[no-untyped-def]
    """X and D: take shares, or all, out of the book."""
    ref = _be(data, at + 11, 8)
    cell = _find(orders, ref)
    if cell < 0:
        return _UNKNOWN_REF
    state[_EXPECTED] = orders[cell]["locate"]
    if _be(data, at + 1, 2) != state[_EXPECTED]:
        return _BAD_LOCATE
    side = np.int64(orders[cell]["side"])
    state[_EXPECTED] = orders[cell]["shares"]
    shares = state[_EXPECTED]
    if kind == _X:
        shares = _be(data, at + 19, 4)
        if shares < 1 or shares > state[_EXPECTED]:
            return _BAD_SHARES
        _withdraw(state, KIND_REDUCE, side, shares, kind, ref)
    else:
        _withdraw(state, KIND_CANCEL, side, 0, kind, ref)
    _take(orders, cell, shares, state)
    return _OK


@inlined
def _replace(data, at, state, orders):  # type: ignore[no-untyped-def]
    """U: the first call plans the CANCEL and changes nothing but ``_HALF``, the second plans the NEW."""
    old = _be(data, at + 11, 8)
    new = _be(data, at + 19, 8)
    shares = _be(data, at + 27, 4)
    price = _be(data, at + 31, 4)
    cell = _find(orders, old)
    if cell < 0:
        return _UNKNOWN_REF
    locate = np.int64(orders[cell]["locate"])
    side = np.int64(orders[cell]["side"])
    if state[_HALF]:
        _remove(orders, cell)
        _insert(orders, new, locate, side, shares, price)
        _rest(state, side, price, shares, new)
        state[_HALF] = 0
        return _OK
    state[_EXPECTED] = locate
    if _be(data, at + 1, 2) != locate:
        return _BAD_LOCATE
    if new < 0:
        return _BIG_NEW_REF
    if _find(orders, new) >= 0:
        return _USED_NEW_REF
    if shares == 0:
        return _NO_SHARES_U
    if price == 0:
        return _NO_PRICE_U
    _withdraw(state, KIND_CANCEL, side, 0, _U, old)
    state[_HALF] = 1
    return _OK


@inlined
def _directory(data, at, state, locates, names):  # type: ignore[no-untyped-def]
    """R: learn a locate."""
    symbol = _symbol(data, at + 11)
    state[_EXPECTED] = _be(data, at + 1, 2)
    if symbol == 0:
        return _BAD_STOCK_R
    return _OK if _learn(locates, names, state[_EXPECTED], symbol) else _OTHER_STOCK_R


@inlined
def _emit(slot, data, at, state, locates, names):  # type: ignore[no-untyped-def]
    """Write the planned command, in the units of its instrument."""
    instrument = np.int64(locates[_be(data, at + 1, 2)]["instrument"])
    flags = state[_FLAGS]
    ticks = np.int64(0)
    lots = np.int64(0)
    if instrument:  # an unknown one has no tick and no lot
        price = state[_PRICE] * ITCH_TICK_E8
        ticks = price // names.tick_e8[instrument]
        if ticks * names.tick_e8[instrument] != price:
            flags |= FLAG_OFF_TICK
        qty = state[_SHARES] * E8
        lots = qty // names.lot_e8[instrument]
        if lots * names.lot_e8[instrument] != qty:
            flags |= FLAG_OFF_LOT
    first, second, third = _decimal(state[_PREFIX], state[_NUMBER])
    slot["cl0"] = first
    slot["cl1"] = second
    slot["cl2"] = third
    slot["orig0"] = 0
    slot["orig1"] = 0
    slot["orig2"] = 0
    if state[_ORIG] >= 0:
        first, second, third = _decimal(0, state[_ORIG])
        slot["orig0"] = first
        slot["orig1"] = second
        slot["orig2"] = third
    slot["seq"] = 0
    slot["time_ns"] = _be(data, at + 5, 6)
    slot["seen_seq"] = 0
    slot["price_ticks"] = ticks
    slot["qty_lots"] = lots
    slot["order_id"] = 0
    slot["account"] = state[_ACCOUNT]
    slot["instrument"] = instrument
    slot["session"] = 1
    slot["kind"] = state[_KIND]
    slot["side"] = state[_SIDE]
    slot["ord_type"] = state[_TYPE]
    slot["tif"] = state[_TIF]
    slot["flags"] = flags
    slot["aux0"] = 0
    slot["aux1"] = 0
    slot["sent_ns"] = 0


@kernel
def _frame(data, position, state):  # type: ignore[no-untyped-def]
    """Judge the length at ``position``: ``_OK``, ``_END`` or a problem."""
    left = data.shape[0] - position
    if left <= 0:
        return _END
    if left < 2:
        return _CUT_LENGTH
    length = _be(data, position, 2)
    if length == 0:
        state[_EXPECTED] = left - 2
        return _END if left == 2 else _NOT_THE_END
    if length > left - 2:
        state[_EXPECTED] = left - 2
        return _CUT
    state[_EXPECTED] = _LENGTHS[data[position + 2]]
    if state[_EXPECTED] == 0:
        return _BAD_TYPE
    return _OK if length == state[_EXPECTED] else _BAD_LENGTH


@kernel
def _decode(data, state, out, orders, locates, names, counts, budget):  # type: ignore[no-untyped-def]
    """Decode messages until ``out`` is full, ``budget`` is used up, the file ends, or the table must grow.

    Goes on at ``state[_WRITTEN]`` in ``out``. A result from 10 on is an index in ``_PROBLEMS``, of the
    message *at* ``state[_POSITION]``: the edge passes it over.
    """
    result = _OK
    written = state[_WRITTEN]
    while budget > 0 and written < out.shape[0]:
        position = state[_POSITION]
        result = _frame(data, position, state)
        if result != _OK:
            break
        if 2 * state[_LIVE] >= orders.shape[0]:
            result = _GROW
            break
        at = position + 2
        kind = np.int64(data[at])
        planned = 1
        if kind == _A or kind == _F:
            result = _add(data, at, state, orders, locates, names)
        elif kind == _E or kind == _C:
            result = _execute(data, at, kind, state, orders)
        elif kind == _X or kind == _D:
            result = _reduce(data, at, kind, state, orders)
        elif kind == _U:
            result = _replace(data, at, state, orders)
        else:
            planned = 0
            if kind == _R:
                result = _directory(data, at, state, locates, names)
        if result != _OK:
            break
        if planned:
            _emit(out[written], data, at, state, locates, names)
            written += 1
        if state[_HALF]:
            continue  # the same message once more
        counts[kind] += 1
        state[_MESSAGE] += 1
        state[_POSITION] = at + _be(data, position, 2)
        budget -= 1
    state[_WRITTEN] = written
    return result


@kernel
def _scan(data, state, symbols, budget):  # type: ignore[no-untyped-def]
    """Collect the different symbols of R, A and F messages, packed, as long as ``symbols`` has room.

    Return how many there are; ``state[_POSITION]`` is where to go on, ``state[_HALF]`` 1 when the file ended.
    Behind its first words ``state`` has the symbol last seen by locate: only a new one need be searched.
    """
    count = state[_LIVE]
    while count < symbols.shape[0] and budget > 0:
        budget -= 1
        position = state[_POSITION]
        result = _frame(data, position, state)
        if result == _END or result == _CUT or result == _CUT_LENGTH or result == _NOT_THE_END:
            state[_HALF] = 1
            break
        at = position + 2
        state[_POSITION] = at + _be(data, position, 2)
        kind = np.int64(data[at])
        if result != _OK or (kind != _R and kind != _A and kind != _F):
            continue
        symbol = _symbol(data, at + 11 if kind == _R else at + 24)
        locate = _STATE_WORDS + _be(data, at + 1, 2)
        if symbol == 0 or state[locate] == symbol:
            continue
        state[locate] = symbol
        known = False
        for index in range(count):
            known = known or symbols[index] == symbol
        if not known:
            symbols[count] = symbol
            count += 1
    state[_LIVE] = count
    return count


def _map(path: str) -> Any:
    """Map a file as read-only bytes."""
    if os.path.getsize(path) == 0:
        return np.frombuffer(b"", np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray)


def scan_symbols(path: str | os.PathLike[str]) -> list[str]:
    """Return the symbols that a file names, in order of appearance.

    Never raises for what is in the file: it passes over malformed messages and ends at a cut one, which
    :class:`ItchSource` will report.
    """
    data = _map(os.fspath(path))
    state = np.zeros(_STATE_WORDS + 65536, np.int64)
    symbols = np.zeros(1 << 10, np.int64)
    while True:
        count = int(_scan(data, state, symbols, BUDGET_MESSAGES))
        if state[_HALF]:
            return [unpack_text(int(symbol), 0) for symbol in symbols[:count]]
        if count == len(symbols):
            symbols = np.concatenate([symbols, np.zeros_like(symbols)])


def _own_directory(path: str, account: str) -> Directory:
    """Return a directory of just the symbols of a file, ids by appearance, tick 0.0001 and lot 1."""
    instruments = [
        InstrumentEntry(number, symbol, ITCH_TICK_E8, E8)
        for number, symbol in enumerate(scan_symbols(path), start=1)
    ]
    return Directory(instruments, [AccountEntry(1, account)])


class ItchSource(CommandSource):
    """An ITCH 5.0 file as commands of one session and one account.

    ``time_ns`` is the message's time: nanoseconds since midnight. Without a directory the file's own symbols
    make one, ``source.directory``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        directory: Directory | None = None,
        on_error: OnError = "stop",
        account: str = "ITCH",
        session: str = "ITCH",
        start_orders: int = START_ORDERS,
    ) -> None:
        """Map the file; ``start_orders`` (a power of two) is the first size of the table of live orders."""
        assert start_orders > 1 and start_orders & (start_orders - 1) == 0, start_orders
        name = os.fspath(path)
        self._data = _map(name)
        super().__init__(name, len(self._data), on_error)
        self.directory = directory if directory is not None else _own_directory(name, account)
        self.sessions.append(session)
        self._names = self.directory.arrays()
        self._orders = np.zeros(start_orders, ORDER)
        self._locates = np.zeros(65536, LOCATE)
        self._counts = np.zeros(256, np.int64)
        self._state = np.zeros(_STATE_WORDS, np.int64)
        self._state[_TOP_MATCH] = -1
        self._state[_ACCOUNT] = self.directory.account_ids.get(account, 0)

    @property
    def counts(self) -> dict[str, int]:
        """Well-formed messages read so far, by type."""
        return {chr(kind): int(self._counts[kind]) for kind in np.flatnonzero(self._counts)}

    @property
    def passed_over(self) -> dict[str, int]:
        """Well-formed messages read so far that change no displayed order, by type."""
        return {kind: count for kind, count in self.counts.items() if kind not in BOOK_TYPES}

    @property
    def live_orders(self) -> int:
        """Orders that the feed has in its books at this point."""
        return int(self._state[_LIVE])

    def _decode(self, out: np.ndarray[Any, Any]) -> tuple[int, DecodeError | None]:
        state = self._state
        state[_WRITTEN] = 0
        error = None
        while True:
            tables = (self._orders, self._locates, self._names, self._counts)
            result = int(_decode(self._data, state, out, *tables, BUDGET_MESSAGES))
            if result == _GROW:
                larger = np.zeros(2 * len(self._orders), ORDER)
                _rehash(self._orders, larger)
                self._orders = larger
            elif result >= _CUT_LENGTH:
                error = self._error(result)
                break
            elif result == _END:
                state[_POSITION] = self.total_bytes
                break
            elif state[_WRITTEN] > 0:
                break
        self.position = int(state[_POSITION])
        return int(state[_WRITTEN]), error

    def _error(self, result: int) -> DecodeError:
        """Describe the message at ``_POSITION`` and pass it over."""
        state = self._state
        field, offset, width, problem = _PROBLEMS[result]
        start = int(state[_POSITION])
        raw = bytes(self._data[start + 2 + offset : start + 2 + offset + width])
        if field in ("type", "side", "printable", "stock"):
            value = raw.decode("latin-1")
            shown = repr(value)
        else:
            value = shown = str(int.from_bytes(raw, "big"))
        if result in (_CUT_LENGTH, _CUT, _NOT_THE_END):
            state[_POSITION] = self.total_bytes
        else:
            state[_POSITION] = start + 2 + int.from_bytes(bytes(self._data[start : start + 2]), "big")
        state[_MESSAGE] += 1
        text = problem.format(int(state[_EXPECTED]))
        if result not in (_CUT_LENGTH, _CUT, _NOT_THE_END):
            text += f", was {shown}"
        return DecodeError(self.path, start + 2 + offset, int(state[_MESSAGE]), field, value, text)

    def close(self) -> None:
        """Release the mapping."""
        self._data = np.frombuffer(b"", np.uint8)
