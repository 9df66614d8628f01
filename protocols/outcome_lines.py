"""Outcomes as JSON lines: what ``inject --out`` and ``replay --out`` write, byte for byte the same.

One object a line, keys in this order::

    seq, index        which outcome: input sequence, and place among the outcomes of that input
    type              accepted, rejected, filled, cancelled, replaced, expired
    cl_ord_id         text, "" where the command had none
    orig_cl_ord_id    text or null
    order_id          the venue's, 0 for none
    exec_id           "seq-index"
    trade_id          "seq-n" of a fill, the same on both sides of it, else null
    instrument, account, session      names, null for what the directory does not know
    side              "buy", "sell" or null
    price             decimal string with the decimals of the tick, null for none (a market order's)
    qty, leaves_qty, cum_qty          see below
    liquidity         "maker" or "taker" of a fill, else null
    reason            lower-case name, null for none
    kind              of the command: new, cancel, replace, reduce

Quantities are integers where the instrument's lot is a whole number of units, and decimal strings (with the
decimals of the lot) where it is not: which of the two depends on the instrument alone, never on the value.

Only outcomes of orders are written. Administration (sessions, instruments, limits) makes none of the lines,
whoever writes them: a gateway does not see all of it, a replay does.

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
    KIND_NEW,
    KIND_REDUCE,
    OUT_FILLED,
    OUTFLAG_MAKER,
    OUTFLAG_TAKER,
    Kind,
    OutcomeType,
    Reason,
    Side,
)
from protocols.directory import Directory
from protocols.layouts import COMMAND_BYTES, OUTCOME
from protocols.text import TEXT_BYTES, unpack_text

__all__ = ["OutcomeLines"]

CACHE_ENTRIES: Final = 1 << 17  # texts of prices and quantities that are kept
QUOTED_FIRST, QUOTED_LAST = 0x20, 0x7E  # printable ASCII; of these, two must be escaped

_FIELDS: Final = OUTCOME.fields or {}
_CL: Final = _FIELDS["cl0"][1]
_ORIG: Final = _FIELDS["orig0"][1]
_ORIG_TAIL: Final = _FIELDS["orig2"][1]
assert (_FIELDS["cl1"][1], _FIELDS["cl2"][1], _FIELDS["orig1"][1]) == (_CL + 8, _CL + 16, _ORIG + 8)

# Bytes that cannot stand in a JSON text as they are; zero pads.
_AWKWARD: Final = np.ones(256, dtype=np.bool_)
_AWKWARD[QUOTED_FIRST : QUOTED_LAST + 1] = False
_AWKWARD[[0, ord('"'), ord("\\")]] = [False, True, True]

_TYPES: Final = {int(code): code.name.lower() for code in OutcomeType}
_SIDES: Final = {int(code): f'"{code.name.lower()}"' for code in Side}
_LIQUIDITY: Final = {OUTFLAG_TAKER: '"taker"', OUTFLAG_MAKER: '"maker"'}
_REASONS: Final = {int(code): f'"{code.name.lower()}"' for code in Reason if code}
_KINDS: Final = {int(code): code.name.lower() for code in Kind}


class _Texts(dict[Any, Any]):
    """Texts made once: ``texts[key]`` calls ``make(key)`` for a new key; forgets all of them when it is full."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        if len(self) >= CACHE_ENTRIES:
            self.clear()
        text = self[key] = self._make(key)
        return text


class OutcomeLines:
    """Turns outcomes into lines, with the names of a directory and of sessions by id."""

    def __init__(self, directory: Directory, session_names: Mapping[int, str]) -> None:
        self._prices = _Texts(self._price)
        self._qtys = _Texts(self._qty)
        self._owners = _Texts(self._owner)
        self._codes = _Texts(_codes)
        self.update(directory, session_names)

    def update(self, directory: Directory, session_names: Mapping[int, str]) -> None:
        """Go on with a directory, or with sessions, that have grown."""
        self._directory = directory
        self._session_names = dict(session_names)
        for cache in (self._prices, self._qtys, self._owners):
            cache.clear()
        self._odd_lots = np.array(
            sorted(entry.id for entry in directory.instruments.values() if entry.lot_e8 != E8), dtype=np.int64
        )

    def encode(self, outcomes: Any) -> bytes:
        """Return the lines of those outcomes (array of OUTCOME) that concern orders, in their order."""
        kinds = outcomes["kind"]
        rows = outcomes[(kinds >= KIND_NEW) & (kinds <= KIND_REDUCE)]
        if not len(rows):
            return b""
        raw = np.ascontiguousarray(rows).view(np.uint8).reshape(-1, COMMAND_BYTES)
        instruments = rows["instrument"].astype(np.int64)
        ids = instruments.tolist()
        codes = (
            rows["type"].astype(np.int64)
            | rows["flags"].astype(np.int64) << 8
            | rows["kind"].astype(np.int64) << 16
            | rows["reason"].astype(np.int64) << 24
        )
        columns = zip(
            rows["input_seq"].tolist(),
            rows["index"].tolist(),
            map(self._codes.__getitem__, codes.tolist()),
            _texts(raw[:, _CL : _CL + TEXT_BYTES], '""'),
            _texts(np.hstack((raw[:, _ORIG : _ORIG + 16], raw[:, _ORIG_TAIL : _ORIG_TAIL + 4])), "null"),
            rows["order_id"].tolist(),
            np.where(rows["type"] == OUT_FILLED, rows["trade_index"], 0).tolist(),
            map(self._prices.__getitem__, zip(ids, rows["side"].tolist(), rows["price_ticks"].tolist(), strict=True)),
            self._quantities(instruments, ids, rows["qty_lots"]),
            self._quantities(instruments, ids, rows["leaves_lots"]),
            self._quantities(instruments, ids, rows["cum_lots"]),
            map(self._owners.__getitem__, (rows["account"].astype(np.int64) << 16 | rows["session"]).tolist()),
            strict=True,
        )
        return "".join(
            [
                f'{{"seq":{seq},"index":{index},{code[0]},"cl_ord_id":{cl},"orig_cl_ord_id":{orig},'
                f'"order_id":{order},"exec_id":"{seq}-{index}","trade_id":'
                f'{f"{chr(34)}{seq}-{trade}{chr(34)}" if trade else "null"},{price},"qty":{qty},'
                f'"leaves_qty":{leaves},"cum_qty":{cum},{owner},{code[1]}}}\n'
                for seq, index, code, cl, orig, order, trade, price, qty, leaves, cum, owner in columns
            ]
        ).encode("ascii")

    def _quantities(self, instruments: Any, ids: list[int], lots: Any) -> Any:
        """Return a column of quantities; where a lot is one unit, as almost everywhere, they are the lots."""
        counts = lots.tolist()
        if not len(self._odd_lots) or not np.isin(instruments, self._odd_lots).any():
            return counts
        return map(self._qtys.__getitem__, zip(ids, counts, strict=True))

    # What is made once for each new value

    def _price(self, key: tuple[int, int, int]) -> str:
        instrument, side, price_ticks = key
        price = f'"{self._directory.price_text(instrument, price_ticks)}"' if price_ticks else "null"
        symbol = _name(self._directory.symbol(instrument))
        return f'"instrument":{symbol},"side":{_SIDES.get(side, "null")},"price":{price}'

    def _qty(self, key: tuple[int, int]) -> str:
        instrument, lots = key
        entry = self._directory.instruments.get(instrument)
        lot_e8 = entry.lot_e8 if entry else E8
        if lot_e8 % E8 == 0:
            return str(lots * (lot_e8 // E8))
        return f'"{self._directory.qty_text(instrument, lots)}"'

    def _owner(self, key: int) -> str:
        account = _name(self._directory.account_name(key >> 16))
        return f'"account":{account},"session":{_name(self._session_names.get(key & 0xFFFF, ""))}'


def _codes(key: int) -> tuple[str, str]:
    """Return the members of type, and of liquidity, reason and kind."""
    kind, flags, cause, reason = key & 0xFF, key >> 8 & 0xFF, key >> 16 & 0xFF, key >> 24
    liquidity = _LIQUIDITY.get(flags & (OUTFLAG_TAKER | OUTFLAG_MAKER), "null") if kind == OUT_FILLED else "null"
    tail = f'"liquidity":{liquidity},"reason":{_REASONS.get(reason, "null")},"kind":"{_KINDS[cause]}"'
    return f'"type":"{_TYPES[kind]}"', tail


def _name(name: str) -> str:
    return msgspec.json.encode(name).decode("ascii") if name else "null"


def _texts(raw: Any, empty: str) -> list[str]:
    """Return packed texts (uint8 rows of 20) as JSON; ``empty`` stands for those of no characters."""
    awkward = _AWKWARD[raw].any() or ((raw[:, :-1] == 0) & (raw[:, 1:] != 0)).any()
    if awkward:  # rare: one text needs an escape, or is not text
        words = np.zeros((len(raw), 3), dtype=np.int64)
        words.view(np.uint8)[:, :TEXT_BYTES] = raw
        texts = (unpack_text(*row) for row in words.tolist())
        return [msgspec.json.encode(text).decode("ascii") if text else empty for text in texts]
    quoted = np.empty((len(raw), TEXT_BYTES + 2), dtype=np.uint8)
    quoted[:, 0] = ord('"')
    quoted[:, 1:-1] = raw
    quoted[:, -1] = 0
    texts = b'"\n'.join(quoted.view(f"S{TEXT_BYTES + 2}").ravel().tolist()).decode("ascii")
    quoted_texts = f'{texts}"'.split("\n")
    return quoted_texts if empty == '""' else [empty if text == '""' else text for text in quoted_texts]
