"""Outcome lines against a naive encoder that builds each line as a dict."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import E8, Kind, OutcomeFlag, OutcomeType, Reason, Side
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.layouts import OUTCOME
from protocols.outcome_lines import CACHE_ENTRIES, CHUNK, OutcomeLines
from protocols.text import unpack_text

pytestmark = pytest.mark.jitoff

DIRECTORY = Directory(
    [
        InstrumentEntry(1, "AAPL", E8 // 100, E8),
        InstrumentEntry(2, 'Q"\\', E8 * 5, 100 * E8),
        InstrumentEntry(3, "BTC/USD", E8 // 2, E8 // 1000),
        InstrumentEntry(9, "ODD", 25_000_000, E8 * 3 // 2),
    ],
    [AccountEntry(1, "alice"), AccountEntry(7, "a\\b")],
)
SESSIONS = {1: "FIRM1", 3: 'the "third"'}
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.binary(max_size=20) | st.text("AZaz09-_", max_size=20).map(str.encode)


ROLES = (OutcomeFlag.TAKER, OutcomeFlag.MAKER, OutcomeFlag.AUCTION)


def naive_line(row: Any, directory: Directory, sessions: dict[int, str]) -> dict[str, Any]:
    """Return what the line of one outcome must decode to, in the order of its keys."""
    seq, kind, instrument = int(row["input_seq"]), OutcomeType(int(row["type"])), int(row["instrument"])
    is_fill = kind is OutcomeType.FILLED
    flags = OutcomeFlag(int(row["flags"]))
    entry = directory.instruments.get(instrument)
    is_count = kind is OutcomeType.MASS_CANCELLED
    original = unpack_text(row["orig0"], row["orig1"], row["orig2"])

    def quantity(lots: int) -> Any:
        if is_count:
            return lots
        text = directory.qty_text(instrument, lots)
        return text if entry and entry.lot_e8 % E8 else int(text)

    return {
        "seq": seq,
        "index": int(row["index"]),
        "type": kind.name.lower(),
        "cl_ord_id": unpack_text(row["cl0"], row["cl1"], row["cl2"]),
        "orig_cl_ord_id": original or None,
        "order_id": int(row["order_id"]),
        "exec_id": f"{seq}-{int(row['index'])}",
        "trade_id": f"{seq}-{int(row['trade_index'])}" if is_fill else None,
        "instrument": directory.symbol(instrument) or None,
        "side": {1: "buy", 2: "sell"}.get(int(row["side"])),
        "price": directory.price_text(instrument, int(row["price_ticks"])) if row["price_ticks"] else None,
        "qty": quantity(int(row["qty_lots"])),
        "leaves_qty": quantity(int(row["leaves_lots"])),
        "cum_qty": quantity(int(row["cum_lots"])),
        "account": directory.account_name(int(row["account"])) or None,
        "session": sessions.get(int(row["session"])),
        "liquidity": next((role.name.lower() for role in ROLES if role.name and flags & role), None),
        "reason": Reason(int(row["reason"])).name.lower() if row["reason"] else None,
        "unsolicited": OutcomeFlag.UNSOLICITED in flags,
        "kind": Kind(int(row["kind"])).name.lower(),
    }


def tells_of_order(row: Any) -> bool:
    """Tell whether an outcome makes a line: not the answer to an administrative command, nor market data."""
    if int(row["type"]) > OutcomeType.MASS_CANCELLED:
        return False
    return int(row["kind"]) <= Kind.STATUS or not int(row["flags"]) & OutcomeFlag.ANSWER


def decoded(lines: bytes) -> list[dict[str, Any]]:
    """Return the lines as objects."""
    assert lines == b"" or lines.endswith(b"\n")
    return [json.loads(line) for line in lines.splitlines()]


def set_text(row: Any, prefix: str, raw: bytes) -> None:
    """Store 20 bytes of text in the three words that it takes."""
    padded = raw.ljust(20, b"\0")
    for name, start, size in ((f"{prefix}0", 0, 8), (f"{prefix}1", 8, 8), (f"{prefix}2", 16, 4)):
        row[name] = int.from_bytes(padded[start : start + size], "little", signed=True)


@st.composite
def outcomes(draw: st.DrawFn) -> Any:
    """Return outcomes whose fields hold anything that fits, likely values foremost."""
    rows = np.zeros(draw(st.integers(0, 12)), dtype=OUTCOME)
    likely = st.integers(0, 12)
    for row in rows:
        row["type"] = draw(st.sampled_from(OutcomeType))
        row["kind"] = draw(st.sampled_from(Kind))
        row["reason"] = draw(st.sampled_from(Reason))
        row["flags"] = draw(st.sampled_from([0, 1, 2, 4, 8, 12, 16, 64, 80, 128, 144]))
        row["side"] = draw(st.sampled_from([*Side, 0, 9, 255]))
        row["instrument"] = draw(st.sampled_from([0, 1, 2, 3, 8, 9, 10, -5, 2**31 - 1]))
        row["account"] = draw(st.sampled_from([0, 1, 2, 7, -1, -(2**31)]))
        row["session"] = draw(st.sampled_from([0, 1, 2, 3, 65535]))
        row["index"] = draw(st.integers(0, 2**31 - 1) | likely)
        row["trade_index"] = draw(likely)
        for name in ("input_seq", "order_id"):
            row[name] = draw(st.integers(0, 2**63 - 1) | likely)
        for name in ("price_ticks", "qty_lots", "leaves_lots", "cum_lots"):
            row[name] = draw(likely | INT64)
        set_text(row, "cl", draw(TEXTS))
        set_text(row, "orig", draw(TEXTS))
    return rows


@given(rows=outcomes())
def test_lines_equal_naive_ones(rows: Any) -> None:
    """Whatever an outcome holds, its line is valid JSON with the values and the order of a naive encoder."""
    lines = OutcomeLines(DIRECTORY, SESSIONS).encode(rows)
    expected = [naive_line(row, DIRECTORY, SESSIONS) for row in rows if tells_of_order(row)]
    assert decoded(lines) == expected
    assert [list(line) for line in decoded(lines)] == [list(line) for line in expected]


@given(rows=outcomes(), cut=st.integers(0, 12))
def test_batches_do_not_show(rows: Any, cut: int) -> None:
    """However outcomes are cut into batches, whatever was encoded before, the bytes of each line are the same."""
    lines = OutcomeLines(DIRECTORY, SESSIONS)
    whole = lines.encode(rows)
    assert lines.encode(rows[:cut]) + lines.encode(rows[cut:]) == whole
    assert (
        b"".join(OutcomeLines(DIRECTORY, SESSIONS).encode(rows[i : i + 1]) for i in range(len(rows))) == whole
    )


def fill(seq: int = 1_234_567) -> Any:
    """Return one taker's fill."""
    row = np.zeros(1, dtype=OUTCOME)
    row["input_seq"], row["index"], row["order_id"], row["trade_index"] = seq, 1, seq, 1
    row["type"], row["kind"], row["flags"], row["side"] = 3, 1, 1, 2
    row["instrument"], row["account"], row["session"] = 1, 1, 1
    row["price_ticks"], row["qty_lots"], row["leaves_lots"], row["cum_lots"] = 10_005, 30, 0, 30
    set_text(row[0], "cl", b"ORDER-1")
    return row


def test_a_line_looks_like_this() -> None:
    """The bytes of a line are part of the interface."""
    assert OutcomeLines(DIRECTORY, SESSIONS).encode(fill()) == (
        b'{"seq":1234567,"index":1,"type":"filled","cl_ord_id":"ORDER-1","orig_cl_ord_id":null,'
        b'"order_id":1234567,"exec_id":"1234567-1","trade_id":"1234567-1","instrument":"AAPL","side":"sell",'
        b'"price":"100.05","qty":30,"leaves_qty":0,"cum_qty":30,"account":"alice","session":"FIRM1",'
        b'"liquidity":"taker","reason":null,"unsolicited":false,"kind":"new"}\n'
    )


@pytest.mark.parametrize(
    ("instrument", "expected"), [(1, 30), (2, 3000), (3, "0.030"), (9, "45.0"), (0, 30), (77, 30)]
)
def test_quantities_are_of_one_type_for_each_instrument(instrument: int, expected: object) -> None:
    """Lots of whole units give integers, others decimal strings, also where a value happens to be whole."""
    row = fill()
    row["instrument"] = instrument
    (line,) = decoded(OutcomeLines(DIRECTORY, SESSIONS).encode(row))
    assert line["qty"] == line["cum_qty"] == expected


def test_administration_makes_no_line() -> None:
    """Answers are written of requests about orders; what else a command causes is about orders, whatever its kind."""
    rows = np.repeat(fill(), len(Kind))
    rows["kind"] = [int(kind) for kind in Kind]
    rows["flags"] |= np.uint8(OutcomeFlag.ANSWER)
    lines = decoded(OutcomeLines(DIRECTORY, SESSIONS).encode(rows))
    asked = ["new", "cancel", "replace", "reduce", "mass_cancel", "status"]
    assert [line["kind"] for line in lines] == asked
    rows["flags"] &= ~np.uint8(OutcomeFlag.ANSWER)
    lines = decoded(OutcomeLines(DIRECTORY, SESSIONS).encode(rows))
    assert [line["kind"] for line in lines] == [kind.name.lower() for kind in Kind]


def test_a_mass_cancel_counts_orders() -> None:
    """Its quantity is no quantity of its instrument, whatever the lot."""
    row = fill()
    row["type"], row["kind"], row["instrument"], row["qty_lots"] = 9, 5, 2, 3
    (line,) = decoded(OutcomeLines(DIRECTORY, SESSIONS).encode(row))
    assert (line["type"], line["kind"], line["qty"]) == ("mass_cancelled", "mass_cancel", 3)


def test_names_that_come_later_are_used() -> None:
    """After an update, ids that were unknown have their names and units."""
    lines = OutcomeLines(Directory([], []), {})
    (before,) = decoded(lines.encode(fill()))
    assert [before[name] for name in ("instrument", "account", "session")] == [None, None, None]
    lines.update(DIRECTORY, SESSIONS)
    assert lines.encode(fill()) == OutcomeLines(DIRECTORY, SESSIONS).encode(fill())


def test_large_batches_and_full_caches() -> None:
    """More outcomes than are laid out at a time, and more prices than are kept, are encoded as few are."""
    rows = np.repeat(fill(), CACHE_ENTRIES + 3)
    rows["input_seq"] = np.arange(len(rows))
    rows["price_ticks"] = np.arange(len(rows)) + 1
    assert len(rows) > 2 * CHUNK
    lines = decoded(OutcomeLines(DIRECTORY, SESSIONS).encode(rows))
    assert [line["seq"] for line in lines] == list(range(len(rows)))
    for place in (0, CHUNK - 1, CHUNK, len(rows) - 1):
        assert lines[place] == naive_line(rows[place], DIRECTORY, SESSIONS)
