"""Messages that are written are the messages that are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_SHIFT,
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_STATUS,
    TIF_GTD,
    TYPE_LIMIT,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from protocols.fix_text import build_message, encode_command, to_log, utc_text
from protocols.layouts import COMMAND
from protocols.text import pack_text
from tests.protocols.fix_helpers import TIME_NS, TIME_TEXT, VENUE, decode, texts

NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="|"), min_size=1, max_size=20
)
MAX_E8 = (1 << 63) - 1


@st.composite
def commands(draw: st.DrawFn) -> Any:
    """Draw a command that FIX can say."""
    command = np.zeros(1, COMMAND)[0]
    kind = draw(st.sampled_from([KIND_NEW, KIND_CANCEL, KIND_REPLACE, KIND_STATUS, KIND_MASS_CANCEL]))
    command["kind"] = kind
    command["side"] = draw(st.integers(1, 2))
    command["instrument"] = draw(st.sampled_from([1, 2, 5]))
    command["account"] = draw(st.sampled_from([0, 1, 7]))
    command["time_ns"] = draw(st.integers(0, 9_000_000_000_000_000_000))
    entry = VENUE.instruments[int(command["instrument"])]
    prices = st.integers(-(MAX_E8 // entry.tick_e8), MAX_E8 // entry.tick_e8)
    lots = st.integers(1, MAX_E8 // entry.lot_e8)
    command["cl0"], command["cl1"], command["cl2"] = pack_text(draw(NAMES))
    command["session"] = 1
    command["tif"] = 2  # day, as for any message without a TimeInForce
    if kind in (KIND_NEW, KIND_CANCEL, KIND_REPLACE):
        command["qty_lots"] = draw(st.integers(-(MAX_E8 // entry.lot_e8), MAX_E8 // entry.lot_e8))
    if kind in (KIND_NEW, KIND_REPLACE):
        command["tif"] = draw(st.integers(1, 5))
        command["ord_type"] = draw(st.integers(1, 5))
        if command["ord_type"] in (TYPE_LIMIT, TYPE_STOP_LIMIT):
            command["price_ticks"] = draw(prices)
        if command["ord_type"] in (TYPE_STOP, TYPE_STOP_LIMIT):
            command["aux0"] = draw(prices.filter(bool))
        elif command["ord_type"] == TYPE_TRAILING_STOP:
            command["aux0"] = draw(prices.filter(lambda ticks: ticks > 0))
    if kind == KIND_NEW:
        command["order_id"], command["orig0"] = draw(st.just(0) | lots), draw(st.just(0) | lots)
        post = draw(st.sampled_from([0, FLAG_POST_ONLY, FLAG_POST_REPRICE]))
        if draw(st.booleans()):
            command["orig2"], mode = draw(st.integers(1, 2**31 - 1)), draw(st.integers(1, 4))
            post |= mode << FLAG_STP_SHIFT
        command["flags"] = post
        if command["tif"] == TIF_GTD:
            command["aux1"] = draw(st.integers(0, 9_000_000_000_000_000_000))
    elif kind == KIND_MASS_CANCEL:
        command["side"] = draw(st.integers(0, 2))
        command["instrument"] = draw(st.sampled_from([0, int(command["instrument"])]))
    else:
        if draw(st.booleans()):
            command["order_id"] = draw(st.integers(1, MAX_E8))
        else:
            command["orig0"], command["orig1"], command["orig2"] = pack_text(draw(NAMES))
    return command


@given(st.lists(commands(), max_size=5), st.sampled_from(["FIX.4.2", "FIX.4.4"]), st.booleans(), NAMES)
def test_a_command_comes_back_as_it_was(sent: list[Any], version: str, log: bool, session: str) -> None:
    """Any command that FIX can say, written and read again, is the same 128 bytes."""
    messages = [encode_command(command, VENUE, session, version, i) for i, command in enumerate(sent, 1)]
    received, errors, source = decode(b"".join(to_log(each) if log else each for each in messages))
    assert errors == []
    assert texts(received) == texts(sent)
    assert source.sessions == ([session] if sent else [])


@given(st.lists(st.tuples(st.integers(36, 999), NAMES), max_size=8), st.sampled_from(["FIX.4.2", "FIX.4.4"]))
def test_the_envelope_is_that_of_another_library(fields: list[tuple[int, str]], version: str) -> None:
    """Length and checksum are those that simplefix computes."""
    other = simplefix.FixMessage()
    for tag, value in [(8, version), (35, "D"), *fields]:
        other.append_pair(tag, value)
    assert build_message(version, [(35, "D"), *fields]) == other.encode()


@pytest.mark.parametrize("value", ["", "a\x01b", "é"])
def test_what_no_field_can_hold_is_refused(value: str) -> None:
    """Empty values, separators and other than ASCII."""
    with pytest.raises(ValueError, match="field 58: expected ASCII text without SOH, was"):
        build_message("FIX.4.4", [(35, "D"), (58, value)])


def test_other_versions_are_refused() -> None:
    """Only versions that the scanner reads are written."""
    with pytest.raises(ValueError, match=r"expected one of FIX\.4\.2, FIX\.4\.4, was 'FIX\.5\.0'"):
        build_message("FIX.5.0", [(35, "D")])


@pytest.mark.parametrize(
    "changes", [{"kind": KIND_REDUCE}, {"side": 3}, {"instrument": 9}, {"ord_type": 16}, {"tif": 0}]
)
def test_what_fix_cannot_say_is_refused(changes: dict[str, int]) -> None:
    """A reduce, a directed order, and values that stand for nothing have no FIX message."""
    command = np.zeros(1, COMMAND)[0]
    good = {"kind": KIND_NEW, "side": 1, "instrument": 1, "ord_type": 2, "tif": 1, "cl0": 65}
    for name, value in {**good, **changes}.items():
        command[name] = value
    with pytest.raises(ValueError, match="expected a"):
        encode_command(command, VENUE, "FIRM1")


def test_times_are_cut_not_rounded() -> None:
    """A time is shown with three, six or nine decimals, never later than it was."""
    assert utc_text(TIME_NS) == TIME_TEXT
    assert utc_text(TIME_NS + 999_999, 6) == TIME_TEXT + "999"
    assert utc_text(TIME_NS + 999_999, 9) == TIME_TEXT + "999999"
