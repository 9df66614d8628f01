"""Outcomes as FIX replies, field by field, in both versions; parsed with simplefix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import (
    KIND_CANCEL,
    KIND_KILL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_SESSION_CLOSE,
    KIND_STATE,
    KIND_STATUS,
    KIND_TICK,
    OUT_ACCEPTED,
    OUT_CANCELLED,
    OUT_EXPIRED,
    OUT_FILLED,
    OUT_MASS_CANCELLED,
    OUT_REJECTED,
    OUT_REPLACED,
    OUT_STATUS,
    OUT_TRIGGERED,
    OUTFLAG_ANSWER,
    OUTFLAG_AUCTION,
    OUTFLAG_MAKER,
    OUTFLAG_NEW,
    OUTFLAG_RISK,
    OUTFLAG_TAKER,
    OUTFLAG_UNSOLICITED,
    OutcomeType,
    Reason,
)
from protocols.fix_encode import ReplyEncoder, business_reject, encode, reject
from protocols.layouts import OUTCOME
from protocols.text import pack_text
from tests.protocols.fix_helpers import NEW, TIME_NS, TIME_TEXT, VENUE, decode, message, only_error

VERSIONS = pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])

# Required fields of the specification (QuickFIX's FIX42.xml and FIX44.xml), beside the header.
REQUIRED = {
    ("8", "FIX.4.2"): {37, 17, 20, 150, 39, 55, 54, 151, 14, 6},
    ("8", "FIX.4.4"): {37, 17, 150, 39, 55, 54, 151, 14, 6},
    ("9", "FIX.4.2"): {37, 11, 41, 39, 434},
    ("9", "FIX.4.4"): {37, 11, 41, 39, 434},
    ("3", "FIX.4.2"): {45},
    ("3", "FIX.4.4"): {45},
    ("r", "FIX.4.2"): {37, 530, 531},  # the message came with FIX 4.3
    ("r", "FIX.4.4"): {37, 530, 531},
    ("j", "FIX.4.2"): {372, 380},
    ("j", "FIX.4.4"): {372, 380},
}
HEADER = [8, 9, 35, 34, 49, 52, 56]


def outcome(what: int, kind: int = KIND_NEW, cl_ord_id: str = "A-1", orig: str = "", **fields: int) -> Any:
    """Return an outcome of order 7 (AAPL, buy, ACC7) of command 9."""
    record = np.zeros(1, OUTCOME)[0]
    values = {"input_seq": 9, "time_ns": TIME_NS, "order_id": 7, "account": 7, "instrument": 1, "side": 1}
    for name, value in {**values, "type": what, "kind": kind, **fields}.items():
        record[name] = value
    record["cl0"], record["cl1"], record["cl2"] = pack_text(cl_ord_id)
    record["orig0"], record["orig1"], record["orig2"] = pack_text(orig)
    return record


def parsed(raw: bytes) -> dict[int, str]:
    """Return the fields of a reply, after checks that hold for all: envelope, header, order, required fields."""
    parser = simplefix.FixParser()
    parser.append_buffer(raw)
    reply = parser.get_message()
    assert reply is not None and parser.get_buffer() == b""
    pairs = [(int(tag), value.decode()) for tag, value in reply.pairs]
    tags = [tag for tag, _ in pairs]
    fields = dict(pairs)
    assert tags[:7] == HEADER and tags[7:-1] == sorted(set(tags[7:-1])) and tags[-1] == 10
    assert int(fields[9]) == raw.rindex(b"10=") - raw.index(b"35=")
    assert int(fields[10]) == sum(raw[: raw.rindex(b"10=")]) % 256
    assert REQUIRED[fields[35], fields[8]] <= fields.keys()
    return fields


def reply(record: Any, version: str = "FIX.4.4", **options: Any) -> dict[int, str]:
    """Return the fields of the reply to an outcome."""
    return parsed(encode(record, VENUE, "FIRM1", version, 3, **options))


def body(fields: dict[int, str], *tags: int) -> dict[int, str | None]:
    """Return some fields, None for those that are absent."""
    return {tag: fields.get(tag) for tag in tags}


class TestExecutionReports:
    def test_an_accepted_order_in_full(self) -> None:
        """Every byte of the report of an accepted order."""
        record = outcome(OUT_ACCEPTED, price_ticks=19025, qty_lots=100, leaves_lots=100)
        assert encode(record, VENUE, "FIRM1", "FIX.4.4", 3).replace(b"\x01", b"|") == (
            b"8=FIX.4.4|9=166|35=8|34=3|49=RINGMATCH|52=20260105-09:30:00.123|56=FIRM1|1=ACC7|6=0|11=A-1|14=0|"
            b"17=9-0|37=7|38=100|39=0|44=190.25|54=1|55=AAPL|60=20260105-09:30:00.123|150=0|151=100|10=245|"
        )

    @VERSIONS
    @pytest.mark.parametrize(
        ("record", "expected"),
        [
            (
                outcome(OUT_ACCEPTED, price_ticks=19025, qty_lots=100, leaves_lots=100),
                {39: "0", 38: "100", 14: "0", 151: "100", 44: "190.25", 31: None, 58: None, 103: None},
            ),
            (
                outcome(OUT_ACCEPTED, qty_lots=100, leaves_lots=100),
                {39: "0", 38: "100", 14: "0", 151: "100", 44: None},
            ),
            (
                outcome(OUT_FILLED, price_ticks=19020, qty_lots=40, leaves_lots=60, cum_lots=40),
                {39: "1", 38: "100", 14: "40", 151: "60", 31: "190.20", 32: "40", 44: None},
            ),
            (
                outcome(OUT_FILLED, price_ticks=19020, qty_lots=60, leaves_lots=0, cum_lots=100),
                {39: "2", 38: "100", 14: "100", 151: "0", 31: "190.20", 32: "60"},
            ),
            (
                outcome(OUT_CANCELLED, KIND_CANCEL, "A-2", "A-1", qty_lots=60, cum_lots=40, reason=30),
                {39: "4", 38: "100", 14: "40", 151: "0", 11: "A-2", 41: "A-1", 58: "client_request"},
            ),
            (
                outcome(OUT_EXPIRED, qty_lots=60, cum_lots=40, reason=Reason.IOC_REMAINDER),
                {39: "C", 38: "100", 14: "40", 151: "0", 58: "ioc_remainder", 103: None},
            ),
            (
                outcome(OUT_REPLACED, KIND_REPLACE, "A-3", "A-1", price_ticks=1, leaves_lots=50, cum_lots=30),
                {39: "1", 38: "80", 14: "30", 151: "50", 44: "0.01", 11: "A-3", 41: "A-1"},
            ),
            (
                outcome(OUT_REJECTED, qty_lots=5, order_id=0, reason=Reason.UNKNOWN_ACCOUNT, account=0),
                {39: "8", 38: "5", 14: "0", 151: "0", 37: "NONE", 58: "unknown_account", 1: None},
            ),
            (
                outcome(OUT_REJECTED, order_id=0, instrument=0, side=0, cl_ord_id="", reason=Reason.MISSING_CL_ORD_ID),
                {39: "8", 55: "[N/A]", 54: "7", 11: None, 37: "NONE"},
            ),
            (
                outcome(OUT_TRIGGERED, KIND_NEW, qty_lots=60, leaves_lots=60, flags=OUTFLAG_UNSOLICITED),
                {39: "0", 38: "60", 14: "0", 151: "60", 58: None, 11: "A-1"},
            ),
            (
                outcome(OUT_EXPIRED, KIND_TICK, qty_lots=60, cum_lots=40, reason=Reason.GTD_EXPIRED),
                {39: "C", 38: "100", 151: "0", 58: "gtd_expired"},
            ),
            (
                outcome(OUT_CANCELLED, KIND_SESSION_CLOSE, qty_lots=60, reason=Reason.DISCONNECTED),
                {39: "4", 38: "60", 151: "0", 11: "A-1", 41: None, 58: "disconnected"},
            ),
            (
                outcome(OUT_STATUS, KIND_STATUS, "Q-1", "A-1", qty_lots=100, leaves_lots=60, cum_lots=40),
                {39: "1", 38: "100", 14: "40", 151: "60", 11: "A-1", 41: None, 790: "Q-1"},
            ),
            (
                outcome(OUT_STATUS, KIND_STATUS, "", "A-1", qty_lots=100, leaves_lots=100, price_ticks=19025),
                {39: "0", 38: "100", 151: "100", 44: "190.25", 11: "A-1", 790: None},
            ),
            (
                outcome(OUT_REJECTED, KIND_STATUS, "Q-1", "A-1", order_id=0, reason=Reason.UNKNOWN_ORDER),
                {39: "8", 37: "NONE", 11: "A-1", 790: "Q-1", 103: "5", 58: "unknown_order"},
            ),
        ],
    )  # fmt: skip
    def test_what_each_outcome_says(self, record: Any, expected: dict[int, str | None], version: str) -> None:
        """Status, quantities, prices, names and text of each type of outcome."""
        fields = reply(record, version)
        assert fields[35] == "8" and body(fields, *expected) == expected
        assert (fields[17], fields[49], fields[56], fields[34], fields[60]) == (
            "9-0",
            "RINGMATCH",
            "FIRM1",
            "3",
            TIME_TEXT,
        )
        if fields[39] in "01":
            assert int(fields[38]) == int(fields[14]) + int(fields[151])

    @pytest.mark.parametrize(
        ("what", "leaves", "cum", "in_44", "in_42"),
        [
            (OUT_ACCEPTED, 9, 0, "00", "00"),
            (OUT_FILLED, 5, 4, "F1", "11"),
            (OUT_FILLED, 0, 9, "F2", "22"),
            (OUT_CANCELLED, 0, 0, "44", "44"),
            (OUT_REPLACED, 9, 0, "50", "55"),
            (OUT_REPLACED, 5, 4, "51", "51"),
            (OUT_EXPIRED, 0, 0, "CC", "CC"),
            (OUT_REJECTED, 0, 0, "88", "88"),
            (OUT_TRIGGERED, 9, 0, "L0", "D0"),
            (OUT_TRIGGERED, 5, 4, "L1", "D1"),
        ],
    )
    def test_exec_type_and_status_by_version(
        self, what: int, leaves: int, cum: int, in_44: str, in_42: str
    ) -> None:
        """ExecType and OrdStatus follow each version's table; ExecTransType is there in 4.2 only."""
        record = outcome(what, leaves_lots=leaves, cum_lots=cum)
        for version, expected in (("FIX.4.4", in_44), ("FIX.4.2", in_42)):
            fields = reply(record, version)
            assert fields[150] + fields[39] == expected
            assert fields.get(20) == ("0" if version == "FIX.4.2" else None)

    def test_status_by_version(self) -> None:
        """A status report is ExecType I in 4.4; in 4.2 ExecTransType 3, with the status as ExecType."""
        for what, leaves, cum, status in (
            (OUT_STATUS, 9, 0, "0"),
            (OUT_STATUS, 5, 4, "1"),
            (OUT_REJECTED, 0, 0, "8"),
        ):
            record = outcome(what, KIND_STATUS, leaves_lots=leaves, cum_lots=cum)
            assert body(reply(record), 20, 150, 39) == {20: None, 150: "I", 39: status}
            assert body(reply(record, "FIX.4.2"), 20, 150, 39) == {20: "3", 150: status, 39: status}

    @VERSIONS
    @pytest.mark.parametrize(("cum", "status"), [(0, "0"), (3, "1")])
    def test_what_the_venue_takes_away_is_restated(self, cum: int, status: str, version: str) -> None:
        """A decrement by self-trade prevention answers no replace: ExecType D, partial decline of the quantity."""
        record = outcome(
            OUT_REPLACED, leaves_lots=5, cum_lots=cum, qty_lots=5 + cum, flags=OUTFLAG_UNSOLICITED,
            reason=Reason.SELF_TRADE,
        )  # fmt: skip
        assert body(reply(record, version), 150, 39, 378, 38, 58, 41) == {
            150: "D", 39: status, 378: "5", 38: str(5 + cum), 58: "self_trade", 41: None,
        }  # fmt: skip

    def test_a_fill_tells_its_liquidity(self) -> None:
        """The maker added, the taker removed; FIX 4.2 has no field for it."""
        for flag, expected in ((OUTFLAG_MAKER, "1"), (OUTFLAG_TAKER, "2"), (OUTFLAG_AUCTION, "4"), (0, None)):
            record = outcome(OUT_FILLED, flags=flag, qty_lots=1, cum_lots=1)
            assert reply(record).get(851) == expected and 851 not in reply(record, "FIX.4.2")

    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_has_codes_that_its_version_knows(self, reason: Reason) -> None:
        """OrdRejReason and CxlRejReason stay within the values that the version defines."""
        new = outcome(OUT_REJECTED, reason=reason, flags=OUTFLAG_NEW | OUTFLAG_RISK)
        cancel = outcome(OUT_REJECTED, KIND_CANCEL, "A-2", "A-1", reason=reason)
        assert int(reply(new)[103]) in {*range(16), 99} and int(reply(new, "FIX.4.2")[103]) in range(9)
        assert int(reply(cancel)[102]) in {*range(7), 99} and int(reply(cancel, "FIX.4.2")[102]) in range(4)
        assert reply(new).get(58) == (reason.name.lower() if reason else None)

    @pytest.mark.parametrize(
        ("reason", "code"),
        [
            (Reason.UNKNOWN_INSTRUMENT, "1"),
            (Reason.CREDIT_LIMIT, "3"),
            (Reason.UNKNOWN_ORDER, "5"),
            (Reason.DUPLICATE_CL_ORD_ID, "6"),
            (Reason.UNSUPPORTED_TIF, "11"),
            (Reason.INVALID_QTY, "13"),
            (Reason.UNKNOWN_ACCOUNT, "15"),
            (Reason.TRADING_HALTED, "2"),
            (Reason.MARKET_CLOSED, "2"),
            (Reason.WRONG_TRADING_STATE, "11"),
            (Reason.ACCOUNT_KILLED, "99"),
        ],
    )
    def test_reject_reasons(self, reason: Reason, code: str) -> None:
        """The reasons that FIX has a number for get it, the others are 99."""
        assert reply(outcome(OUT_REJECTED, reason=reason))[103] == code

    def test_times_of_a_monotonic_clock_are_moved_to_the_epoch(self) -> None:
        """The offset turns the core's time into UTC; SendingTime may be given."""
        record = outcome(OUT_ACCEPTED, time_ns=1_000_000)
        fields = reply(record, epoch_offset_ns=TIME_NS - 1_000_000, sending_time_ns=TIME_NS + 10**9)
        assert (fields[60], fields[52]) == (TIME_TEXT, "20260105-09:30:01.123")

    @pytest.mark.parametrize("kind", [KIND_STATE, KIND_TICK, KIND_NEW])
    def test_what_a_state_does_to_orders_is_reported(self, kind: int) -> None:
        """Whatever command ends an auction: fills, elections and remainders of it are reports like any other."""
        fill = outcome(OUT_FILLED, kind, flags=OUTFLAG_AUCTION, qty_lots=3, cum_lots=3, price_ticks=10)
        assert body(reply(fill), 150, 39, 851) == {150: "F", 39: "2", 851: "4"}
        rest = outcome(
            OUT_EXPIRED, kind, flags=OUTFLAG_UNSOLICITED, qty_lots=3, reason=Reason.AUCTION_REMAINDER
        )
        assert body(reply(rest), 150, 39, 58) == {150: "C", 39: "C", 58: "auction_remainder"}
        assert body(reply(outcome(OUT_TRIGGERED, kind, leaves_lots=3)), 150) == {150: "L"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": KIND_KILL, "flags": OUTFLAG_ANSWER},
            {"type": 0},
            *({"type": what} for what in range(10, 14)),
        ],
    )
    def test_other_outcomes_are_refused(self, changes: dict[str, int]) -> None:
        """Administrative answers and market data have no FIX reply."""
        record = outcome(OUT_ACCEPTED)
        for name, value in changes.items():
            record[name] = value
        with pytest.raises(ValueError, match="expected "):
            encode(record, VENUE, "FIRM1")


class TestCancelRejects:
    @VERSIONS
    @pytest.mark.parametrize(
        ("record", "expected"),
        [
            (
                outcome(OUT_REJECTED, KIND_CANCEL, "A-2", "A-1", order_id=0, reason=Reason.UNKNOWN_ORDER),
                {11: "A-2", 41: "A-1", 37: "NONE", 39: "8", 102: "1", 434: "1", 58: "unknown_order"},
            ),
            (
                outcome(OUT_REJECTED, KIND_REPLACE, "A-2", "A-1", reason=Reason.TOO_LATE),
                {37: "7", 39: "8", 102: "0", 434: "2", 58: "too_late"},
            ),
            (
                outcome(OUT_REJECTED, KIND_REPLACE, "A-2", "A-1", leaves_lots=5, reason=Reason.TOO_LATE),
                {39: "0", 434: "2"},
            ),
            (
                outcome(OUT_REJECTED, KIND_REDUCE, "A-2", "", leaves_lots=5, cum_lots=5, reason=Reason.INVALID_QTY),
                {39: "1", 41: "NONE", 434: "2", 1: "ACC7"},
            ),
            (
                outcome(OUT_REJECTED, KIND_CANCEL, "", "", account=0, reason=Reason.MISSING_CL_ORD_ID),
                {11: "NONE", 41: "NONE", 1: None, 102: "1"},
            ),
        ],
    )  # fmt: skip
    def test_what_a_cancel_reject_says(
        self, record: Any, expected: dict[int, str | None], version: str
    ) -> None:
        """A rejected cancel, reduce or replace names both orders, the order's status and the reason."""
        fields = reply(record, version)
        assert fields[35] == "9" and body(fields, *expected) == expected

    def test_a_duplicate_is_told_in_44_only(self) -> None:
        """FIX 4.2 has no CxlRejReason for a duplicate ClOrdID: it is a broker option there."""
        record = outcome(OUT_REJECTED, KIND_REPLACE, "A-2", "A-1", reason=Reason.DUPLICATE_CL_ORD_ID)
        assert (reply(record)[102], reply(record, "FIX.4.2")[102]) == ("6", "2")


class TestMassCancelReports:
    @VERSIONS
    def test_all_orders(self, version: str) -> None:
        """The report counts the orders, each of which had its own ExecutionReport."""
        record = outcome(
            OUT_MASS_CANCELLED,
            KIND_MASS_CANCEL,
            "M-1",
            order_id=0,
            instrument=0,
            side=0,
            account=0,
            qty_lots=12,
        )
        fields = reply(record, version)
        assert fields[35] == "r" and body(fields, 11, 37, 530, 531, 533, 532, 55, 54, 1, 58) == {
            11: "M-1", 37: "9", 530: "7", 531: "7", 533: "12", 532: None, 55: None, 54: None, 1: None, 58: None,
        }  # fmt: skip

    def test_orders_of_a_symbol(self) -> None:
        """What narrowed the request is repeated."""
        fields = reply(outcome(OUT_MASS_CANCELLED, KIND_MASS_CANCEL, "M-1", order_id=0))
        assert body(fields, 530, 531, 533, 55, 54, 1) == {
            530: "1",
            531: "1",
            533: "0",
            55: "AAPL",
            54: "1",
            1: "ACC7",
        }

    @pytest.mark.parametrize(
        ("changes", "reason", "code"),
        [
            ({"instrument": -1}, Reason.UNKNOWN_INSTRUMENT, "1"),
            ({"account": -1, "instrument": 0}, Reason.UNKNOWN_ACCOUNT, "99"),
            ({"side": 255}, Reason.INVALID_SIDE, "99"),
        ],
    )
    def test_a_refusal(self, changes: dict[str, int], reason: Reason, code: str) -> None:
        """Response 0, with the reason as a number and in words."""
        fields = reply(outcome(OUT_REJECTED, KIND_MASS_CANCEL, "M-1", order_id=0, reason=reason, **changes))
        assert body(fields, 35, 531, 532, 533, 58) == {
            35: "r",
            531: "0",
            532: code,
            533: None,
            58: reason.name.lower(),
        }


class TestReplyEncoder:
    def test_the_average_price_of_fills(self) -> None:
        """AvgPx is the sum of fills so far over their quantity, rounded to eight decimals, for each order."""
        encoder = ReplyEncoder(VENUE)

        def average(what: int, **fields: int) -> str:
            return parsed(encoder.encode(outcome(what, **fields), "FIRM1", 1))[6]

        assert average(OUT_ACCEPTED, qty_lots=100, leaves_lots=100) == "0"
        assert average(OUT_FILLED, price_ticks=19000, qty_lots=1, cum_lots=1, leaves_lots=99) == "190"
        assert average(OUT_FILLED, price_ticks=100, qty_lots=5, cum_lots=5, leaves_lots=5, order_id=8) == "1"
        assert (
            average(OUT_FILLED, price_ticks=19001, qty_lots=2, cum_lots=3, leaves_lots=97) == "190.00666667"
        )
        assert average(OUT_REPLACED, qty_lots=50, cum_lots=3, leaves_lots=47) == "190.00666667"
        assert encoder.open_count == 2
        assert average(OUT_CANCELLED, qty_lots=47, cum_lots=3) == "190.00666667"
        assert encoder.open_count == 1

    @pytest.mark.parametrize("last", [OUT_CANCELLED, OUT_EXPIRED, OUT_FILLED])
    def test_an_order_that_ended_is_forgotten(self, last: int) -> None:
        """Memory is one small entry per open order with fills."""
        encoder = ReplyEncoder(VENUE, "FIX.4.2")
        for order_id in range(1, 50):
            first = outcome(OUT_FILLED, order_id=order_id, qty_lots=1, cum_lots=1, leaves_lots=1)
            encoder.encode(first, "FIRM1", 1)
            encoder.encode(outcome(last, order_id=order_id, qty_lots=1, cum_lots=1), "FIRM1", 2)
        assert encoder.open_count == 0

    @given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=8))
    def test_the_average_is_exact(self, fills: list[tuple[int, int]]) -> None:
        """AvgPx is within half of 1e-8 of the true average, whatever the fills."""
        encoder = ReplyEncoder(VENUE)
        lots = notional = 0
        for price, qty in fills:
            lots, notional = lots + qty, notional + price * qty
            record = outcome(OUT_FILLED, price_ticks=price, qty_lots=qty, cum_lots=lots, leaves_lots=1)
            text = parsed(encoder.encode(record, "FIRM1", 1))[6]
        whole, _, decimals = text.partition(".")
        average_e8 = int(whole + decimals.ljust(8, "0"))
        assert abs(2 * average_e8 * lots - 2 * notional * 1_000_000) <= lots


class TestRejects:
    @VERSIONS
    def test_a_malformed_message_is_rejected_with_its_field(self, version: str) -> None:
        """The Reject names message, field, type and reason of a DecodeError."""
        error = only_error(message(NEW, t44="abc", version=version))
        fields = parsed(reject(error, TIME_NS, version, 5))
        assert body(fields, 35, 34, 45, 56, 58, 371, 372, 373) == {
            35: "3", 34: "5", 45: "2", 56: "FIRM1", 58: "expected a decimal number", 371: "44", 372: "D", 373: "6",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [({"t55": None}, "1"), ({"t44": "1e5"}, "6"), ({"t11": "x" * 21}, "5"), ({"t60": "now"}, "6")],
    )
    def test_session_reject_reasons(self, changes: dict[str, str | None], reason: str) -> None:
        """Each problem has its SessionRejectReason."""
        assert parsed(reject(only_error(message(NEW, **changes)), TIME_NS))[373] == reason

    def test_reasons_that_42_does_not_know_are_left_out(self) -> None:
        """FIX 4.2 ends at 11: a field that came twice has no number there."""
        twice = message(NEW, t58="x").replace(b"\x0158=", b"\x0155=")
        total = sum(twice[: twice.rindex(b"10=")]) % 256
        error = only_error(twice[:-4] + b"%03d\x01" % total)
        assert parsed(reject(error, TIME_NS))[373] == "13"
        assert 373 not in parsed(reject(error, TIME_NS, "FIX.4.2"))

    @VERSIONS
    def test_an_unsupported_type_is_a_business_reject(self, version: str) -> None:
        """A message that FIX knows and the venue does not is answered with j, reason 3."""
        error = only_error(message(NEW, t35="AE", version=version))
        fields = parsed(business_reject(error, TIME_NS, version, session_name="OTHER"))
        assert body(fields, 35, 45, 56, 58, 372, 380) == {
            35: "j", 45: "2", 56: "OTHER", 58: "unsupported message type", 372: "AE", 380: "3",
        }  # fmt: skip

    @given(st.binary(max_size=60))
    def test_any_error_can_be_rejected(self, damage: bytes) -> None:
        """Whatever was wrong, the Reject is a well-formed message."""
        _, errors, _ = decode(message(NEW)[:60] + damage + message(NEW)[70:])
        for error in errors:
            parsed(reject(error, TIME_NS))  # type: ignore[arg-type]
            parsed(business_reject(error, TIME_NS))  # type: ignore[arg-type]


def test_replies_in_a_log_are_passed_over() -> None:
    """What the encoder writes, the scanner accepts as well-formed and no command."""
    replies = [
        encode(outcome(what, leaves_lots=1), VENUE, "FIRM1")
        for what in OutcomeType
        if what <= OUT_MASS_CANCELLED
    ]
    replies.append(encode(outcome(OUT_REJECTED, KIND_CANCEL), VENUE, "FIRM1"))
    commands, errors, source = decode(b"".join(replies))
    assert (len(commands), errors, source.passed_over) == (0, [], len(replies))
