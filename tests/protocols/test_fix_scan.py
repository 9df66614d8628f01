"""What one FIX message becomes: a command, nothing, or an error that names the field and its value."""

from __future__ import annotations

from typing import Any

import pytest
import simplefix

from protocols.codes import (
    FLAG_OFF_LOT,
    FLAG_OFF_TICK,
    KIND_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    TIF_CLOSE,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TIF_IOC,
    TIF_OPEN,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from protocols.text import unpack_text
from tests.protocols.fix_helpers import (
    CANCEL,
    NEW,
    REPLACE,
    TIME_NS,
    decode,
    message,
    only,
    only_error,
    seal,
)

pytestmark = pytest.mark.jitoff

# Fixed bytes, not built: the scanner and build_message cannot agree on the same mistake.
GOLDEN_42 = (
    b"8=FIX.4.2\x019=128\x0135=D\x0134=2\x0149=FIRM1\x0152=20260105-09:30:00\x0156=RINGMATCH\x011=ACC7\x0111=A-1\x01"
    b"21=1\x0155=AAPL\x0154=1\x0160=20260105-09:30:00\x0138=100\x0140=2\x0144=190.25\x0110=068\x01"
)
GOLDEN_44 = (
    b"8=FIX.4.4|9=108|35=F|34=3|49=FIRM1|52=20260105-09:30:00|56=RINGMATCH|11=A-2|41=A-1|55=AAPL|54=1|"
    b"60=20260105-09:30:00|38=100|10=162|"
)


def named(command: Any, *names: str) -> tuple[int, ...]:
    """Return some fields of a command."""
    return tuple(int(command[name]) for name in names)


def cl_ord_id(command: Any) -> str:
    """Return the ClOrdID of a command."""
    return unpack_text(command["cl0"], command["cl1"], command["cl2"])


def orig_cl_ord_id(command: Any) -> str:
    """Return the OrigClOrdID of a command."""
    return unpack_text(command["orig0"], command["orig1"], command["orig2"])


class TestCommands:
    def test_a_new_order_single_fills_every_field(self) -> None:
        """All of a NewOrderSingle arrives in the slot, and what a file cannot know is 0."""
        command = only(message(NEW))
        assert {name: int(command[name]) for name in command.dtype.names if int(command[name])} == {
            "time_ns": TIME_NS,
            "price_ticks": 19025,
            "qty_lots": 100,
            "account": 7,
            "instrument": 1,
            "session": 1,
            "kind": KIND_NEW,
            "side": 1,
            "ord_type": TYPE_LIMIT,
            "tif": TIF_DAY,
            "cl0": int.from_bytes(b"A-1", "little"),
        }

    def test_a_cancel_names_its_order(self) -> None:
        """A Cancel carries both ClOrdIDs, no price, and the quantity it was sent with."""
        command = only(message(CANCEL))
        assert named(command, "kind", "price_ticks", "qty_lots", "order_id", "side") == (
            KIND_CANCEL,
            0,
            100,
            0,
            1,
        )
        assert (cl_ord_id(command), orig_cl_ord_id(command)) == ("A-2", "A-1")

    def test_a_replace_carries_the_new_total(self) -> None:
        """A Cancel/Replace carries the new quantity and price."""
        command = only(message(REPLACE))
        assert named(command, "kind", "price_ticks", "qty_lots", "ord_type") == (
            KIND_REPLACE,
            19020,
            80,
            TYPE_LIMIT,
        )
        assert (cl_ord_id(command), orig_cl_ord_id(command)) == ("A-3", "A-1")

    def test_golden_messages_are_read(self) -> None:
        """FIX 4.2 with SOH and FIX 4.4 with bars, as bytes that stand in this file."""
        commands, errors, _ = decode(GOLDEN_42 + GOLDEN_44)
        assert errors == [] and [int(command["kind"]) for command in commands] == [KIND_NEW, KIND_CANCEL]

    def test_messages_of_another_library_are_read(self) -> None:
        """The library simplefix and this scanner agree on the envelope."""
        other = simplefix.FixMessage()
        for tag, value in {8: "FIX.4.4", **NEW}.items():
            other.append_pair(tag, value)
        assert only(other.encode()) == only(message(NEW))

    @pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
    @pytest.mark.parametrize("fields", [NEW, CANCEL, REPLACE])
    def test_separators_and_versions_make_no_difference(self, fields: dict[int, str], version: str) -> None:
        """SOH or bar, 4.2 or 4.4: the same message is the same command."""
        assert only(message(fields, version=version)) == only(message(fields))
        assert only(message(fields, version=version, log=True)) == only(message(fields))

    def test_an_order_id_is_used_when_there_is_no_orig_cl_ord_id(self) -> None:
        """A Cancel with OrderID only names the order by id; with both, the ClOrdID decides."""
        assert named(only(message(CANCEL, t41=None, t37="77")), "order_id", "orig0") == (77, 0)
        both = only(message(CANCEL, t37="no number"))
        assert int(both["order_id"]) == 0 and orig_cl_ord_id(both) == "A-1"

    def test_sending_time_serves_where_transact_time_is_missing(self) -> None:
        """The time is TransactTime, else SendingTime, else none."""
        assert int(only(message(NEW, t60=None))["time_ns"]) == TIME_NS - 1_123_000_000
        assert int(only(message(NEW, t60=None, t52=None))["time_ns"]) == 0

    @pytest.mark.parametrize(
        ("value", "tif"),
        [
            (None, TIF_DAY),
            ("0", TIF_DAY),
            ("1", TIF_GTC),
            ("3", TIF_IOC),
            ("4", TIF_FOK),
            ("2", TIF_OPEN),
            ("7", TIF_CLOSE),
            ("5", 0),
            ("00", 0),
        ],
    )
    def test_time_in_force(self, value: str | None, tif: int) -> None:
        """Absent means day; what the venue has not is 0, which risk rejects."""
        assert int(only(message(NEW, t59=value))["tif"]) == tif

    @pytest.mark.parametrize(("value", "side"), [("1", 1), ("2", 2), ("5", 0), ("12", 0)])
    def test_side(self, value: str, side: int) -> None:
        """Sides other than buy and sell are 0, which risk rejects."""
        assert int(only(message(NEW, t54=value))["side"]) == side

    def test_a_market_order_needs_and_keeps_no_price(self) -> None:
        """Price is neither required nor passed on with a market order."""
        assert named(only(message(NEW, t40="1", t44=None)), "ord_type", "price_ticks") == (TYPE_MARKET, 0)
        assert named(only(message(NEW, t40="1", t44="190.001")), "price_ticks", "flags") == (0, 0)

    def test_an_unsupported_order_type_is_left_to_risk(self) -> None:
        """A type that the venue has not becomes type 0: the client gets a business rejection."""
        assert int(only(message(NEW, t40="5", t44=None))["ord_type"]) == 0

    @pytest.mark.parametrize("value", ["ZZZZ", "AAP", "AAPLX", "A" * 17, "A" * 40])
    def test_unknown_symbols_and_accounts_are_left_to_risk(self, value: str) -> None:
        """A symbol or account that is not in the directory is id 0; then price and quantity have no unit."""
        command = only(message(NEW, t55=value))
        assert named(command, "instrument", "price_ticks", "qty_lots", "flags") == (0, 0, 0, 0)
        assert int(only(message(NEW, t1=value))["account"]) == 0
        assert int(only(message(NEW, t1=None))["account"]) == 0

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"t44": "190.255"}, (19025, 100, FLAG_OFF_TICK)),
            ({"t44": "-0.019"}, (-1, 100, FLAG_OFF_TICK)),
            ({"t38": "1.5"}, (19025, 1, FLAG_OFF_LOT)),
            ({"t44": "0.00000001", "t38": "0.5"}, (0, 0, FLAG_OFF_TICK | FLAG_OFF_LOT)),
            ({"t44": "-190.25", "t38": "-7"}, (-19025, -7, 0)),
            ({"t55": "BTC/USD", "t44": "61000.5", "t38": "0.00123"}, (122001, 123, 0)),
            (
                {"t55": "BTC/USD", "t44": "61000.75", "t38": "0.000001"},
                (122001, 0, FLAG_OFF_TICK | FLAG_OFF_LOT),
            ),
            (
                {"t44": "92233720368.54775807", "t38": "92233720368"},
                (9223372036854, 92233720368, FLAG_OFF_TICK),
            ),
        ],
    )
    def test_prices_and_quantities_are_whole_ticks_and_lots(
        self, changes: dict[str, str], expected: tuple[int, int, int]
    ) -> None:
        """What is no whole number of ticks or lots is cut towards zero and flagged."""
        assert named(only(message(NEW, **changes)), "price_ticks", "qty_lots", "flags") == expected

    def test_fields_may_come_in_any_order(self) -> None:
        """Behind 8, 9 and 35 the order of fields does not matter."""
        turned = {35: "D"} | {tag: NEW[tag] for tag in reversed(NEW) if tag != 35}
        assert only(message(turned)) == only(message(NEW))

    def test_unknown_fields_are_of_no_concern(self) -> None:
        """Fields that a command does not need are passed over, with tags up to nine digits."""
        assert only(message(NEW, t58="a=b", t100="XNAS", t999999999="x", t2="y")) == only(message(NEW))

    def test_data_fields_may_hold_separators(self) -> None:
        """A data field is as long as the field before it says, whatever is in it."""
        body = b"".join(b"%d=%s\x01" % (tag, value.encode()) for tag, value in NEW.items())
        assert only(seal(body + b"354=9\x01355=a\x0144=1\x01|b\x01")) == only(message(NEW))

    def test_a_zero_padded_body_length_is_accepted(self) -> None:
        """Some engines write BodyLength with leading zeros."""
        plain = message(NEW)
        padded = plain.replace(b"\x019=", b"\x019=0000", 1)
        total = sum(padded[: padded.rindex(b"10=")]) % 256
        assert only(padded[: padded.rindex(b"10=")] + b"10=%03d\x01" % total) == only(plain)


class TestLogs:
    @pytest.mark.parametrize(
        "prefix",
        [
            b"",
            b"2026-01-05 09:30:00,123 INFO  in  > ",
            b"20260105-09:30:00.123456789: ",
            b"[FIX.4.4:FIRM1->RINGMATCH] ",
            b"a line without a message, 8=nothing\n",
            b"58=FIX is no beginning ",
            b"\x00\xff\xfe|~|",
        ],
    )
    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\n"])
    def test_log_prefixes_and_line_ends_are_passed_over(self, prefix: bytes, end: bytes) -> None:
        """What stands between messages does not matter."""
        content = b"".join(prefix + message(fields, log=True) + end for fields in (NEW, CANCEL))
        commands, errors, source = decode(content)
        assert (len(commands), errors, source.position) == (2, [], len(content))

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
    def test_a_bar_log_may_end_a_message_with_its_line(self, end: bytes) -> None:
        """Loggers that join fields with bars write none after the checksum."""
        commands, errors, _ = decode(
            (message(NEW, log=True)[:-1] + b"\n") + message(CANCEL, log=True)[:-1] + end
        )
        assert (len(commands), errors) == (2, [])

    def test_session_messages_and_replies_are_passed_over_and_counted(self) -> None:
        """A log holds both directions; only orders become commands, but the rest must be well-formed, too."""
        others = [message({35: kind, 34: "1", 49: "X"}) for kind in "012345A89jr"]
        commands, errors, source = decode(b"".join([*others, message(NEW)]))
        assert (len(commands), errors, source.passed_over, source.record_count) == (1, [], 11, 12)
        damaged = others[0][:-2] + b"x\x01"
        assert only_error(damaged).field == "CheckSum(10)"

    def test_separators_may_change_within_a_file(self) -> None:
        """Each message is read with the separator that it uses itself."""
        commands, errors, _ = decode(message(NEW) + message(CANCEL, log=True) + message(REPLACE))
        assert (len(commands), errors) == (3, [])


# Changes to NEW, the field at fault, its value, and words of the problem.
BAD_FIELDS = [
    ({"t44": "abc"}, "Price(44)", "abc", "expected a decimal number"),
    ({"t44": "1e5"}, "Price(44)", "1e5", "expected a decimal number"),
    ({"t44": "1.123456789"}, "Price(44)", "1.123456789", "at most 8 decimals"),
    ({"t44": "92233720368.6"}, "Price(44)", "92233720368.6", "fits 64 bits"),
    ({"t40": "1", "t44": "abc"}, "Price(44)", "abc", "expected a decimal number"),
    ({"t38": "12x"}, "OrderQty(38)", "12x", "expected a decimal number"),
    ({"t38": "99999999999999999999"}, "OrderQty(38)", "99999999999999999999", "fits 64 bits"),
    ({"t11": "123456789012345678901"}, "ClOrdID(11)", "123456789012345678901", "at most 20 bytes"),
    ({"t11": "a\tb"}, "ClOrdID(11)", "a\tb", "printable ASCII"),
    ({"t49": "S" * 21}, "SenderCompID(49)", "S" * 21, "at most 20 bytes"),
    ({"t49": "F\x00"}, "SenderCompID(49)", "F\x00", "printable ASCII"),
    ({"t55": "AAPL\x00"}, "Symbol(55)", "AAPL\x00", "printable ASCII"),
    ({"t1": "ACC\x7f"}, "Account(1)", "ACC\x7f", "printable ASCII"),
    ({"t60": "yesterday"}, "TransactTime(60)", "yesterday", "expected a UTC time"),
    ({"t52": "20260105-25:00:00"}, "SendingTime(52)", "20260105-25:00:00", "expected a UTC time"),
    ({"t11": None}, "ClOrdID(11)", "", "required field is missing"),
    ({"t55": None}, "Symbol(55)", "", "required field is missing"),
    ({"t54": None}, "Side(54)", "", "required field is missing"),
    ({"t38": None}, "OrderQty(38)", "", "required field is missing"),
    ({"t40": None}, "OrdType(40)", "", "required field is missing"),
    ({"t44": None}, "Price(44)", "", "required field is missing"),
    ({"t49": None}, "SenderCompID(49)", "", "required field is missing"),
    ({"t35": "V"}, "MsgType(35)", "V", "unsupported message type"),
    ({"t35": "AE"}, "MsgType(35)", "AE", "unsupported message type"),
    ({"t35": "D\x00"}, "MsgType(35)", "D\x00", "unsupported message type"),
]  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize(("changes", "field", "value", "problem"), BAD_FIELDS)
    @pytest.mark.parametrize("log", [False, True])
    def test_an_error_names_field_value_and_place(
        self, changes: dict[str, str | None], field: str, value: str, problem: str, log: bool
    ) -> None:
        """The error of a bad field says where it is in the file, which record, line and value it is."""
        before = message(CANCEL, log=log) + b"\n"
        bad = message(NEW, log=log, **changes)
        commands, errors, _ = decode(before + bad + b"\n" + message(REPLACE, log=log))
        assert [int(command["kind"]) for command in commands] == [KIND_CANCEL, KIND_REPLACE]
        (error,) = errors
        place = bad.index(value.encode()) if value else 0
        assert (error.field, error.value, error.record, error.line) == (field, value, 2, 2)
        assert error.offset == len(before) + place
        assert problem in error.problem
        assert "\n" not in str(error) and str(error).startswith(f"{error.path}: record 2, line 2, offset ")

    @pytest.mark.parametrize("fields", [CANCEL, REPLACE])
    def test_cancel_and_replace_must_name_an_order(self, fields: dict[int, str]) -> None:
        """Without OrigClOrdID and OrderID there is nothing to cancel."""
        error = only_error(message(fields, t41=None))
        assert (error.field, error.tag, error.offset) == ("OrigClOrdID(41)", 41, 0)

    @pytest.mark.parametrize("value", ["ABC", "0", "-1", "9223372036854775808"])
    def test_an_order_id_that_no_order_has_is_an_error(self, value: str) -> None:
        """OrderID must be a number that this venue can have given, where it alone names the order."""
        error = only_error(message(CANCEL, t41=None, t37=value))
        assert (error.field, error.value) == ("OrderID(37)", value)

    def test_a_cancel_needs_neither_quantity_nor_type(self) -> None:
        """FIX 4.2 cancels come without OrderQty."""
        assert int(only(message(CANCEL, t38=None))["qty_lots"]) == 0

    def test_a_wrong_checksum_is_told_with_the_right_one(self) -> None:
        """The message of a checksum error holds both numbers."""
        good = message(NEW)
        right = int(good[-4:-1])
        error = only_error(good[:-4] + b"%03d\x01" % ((right + 1) % 256))
        assert (error.field, error.value) == ("CheckSum(10)", f"{(right + 1) % 256:03d}")
        assert error.problem == f"expected checksum {right:03d}" and error.offset == len(good) - 4

    @pytest.mark.parametrize("digits", [b"1x3", b"12", b"1234", b" 12"])
    def test_a_checksum_is_three_digits(self, digits: bytes) -> None:
        """Anything but three digits and the separator is an error of field 10."""
        good = message(NEW)
        assert only_error(good[:-4] + digits + b"\x01\n").field == "CheckSum(10)"

    @pytest.mark.parametrize("change", [-1, 1, 5, 50])
    def test_a_wrong_body_length_is_told_with_the_right_one(self, change: int) -> None:
        """A length that leads elsewhere than to field 10 is an error of field 9; the next message is found."""
        good = message(NEW)
        length = int(good[12 : good.index(b"\x01", 12)])
        bad = good.replace(b"9=%d" % length, b"9=%d" % (length + change), 1)
        commands, errors, _ = decode(bad + message(CANCEL))
        assert len(commands) == 1 and len(errors) == 1
        assert (errors[0].field, errors[0].value) == ("BodyLength(9)", str(length + change))
        assert errors[0].problem == f"expected BodyLength {length}" and errors[0].offset == 12

    @pytest.mark.parametrize("value", [b"", b"x", b"-5", b"1 2", b"12345678901"])
    def test_a_body_length_is_a_number(self, value: bytes) -> None:
        """A BodyLength that is none, or has more than nine digits, is an error of field 9."""
        error = only_error(b"8=FIX.4.4\x019=" + value + b"\x0135=D\x0110=000\x01")
        assert error.field == "BodyLength(9)"

    @pytest.mark.parametrize("size", [4096, 4097])
    def test_a_message_has_at_most_4096_bytes(self, size: int) -> None:
        """A message of the largest size is read, one byte more is an error."""
        padding = "x" * (size - len(message(NEW, t58="x" * 1000)) + 1000)
        content = message(NEW, t58=padding)
        assert len(content) == size
        if size == 4096:
            assert only(content) == only(message(NEW))
        else:
            error = only_error(content)
            assert error.field == "BodyLength(9)" and "4096" in error.problem

    def test_a_message_cut_off_by_the_end_is_truncated(self) -> None:
        """Each proper beginning of a message is truncated (or, up to 8=FI, no message at all)."""
        good = message(NEW)
        for size in range(5, len(good)):
            error = only_error(good[:size])
            assert error.problem.startswith(("message is truncated", "expected BeginString")), (size, error)
            assert error.offset in (0, 2)

    @pytest.mark.parametrize(
        "version", [b"FIX.4.3", b"FIX.5.0", b"FIXT.1.1", b"FIX", b"FIX.4.40", b"FIX.4.4 "]
    )
    def test_other_versions_are_errors(self, version: bytes) -> None:
        """BeginString must be FIX.4.2 or FIX.4.4."""
        error = only_error(seal(b"35=D\x01", version=version))
        assert (error.field, error.value, error.offset) == ("BeginString(8)", version.decode(), 2)

    def test_the_first_three_fields_are_8_9_35(self) -> None:
        """A message that begins otherwise is an error of the header."""
        assert only_error(seal(b"49=FIRM1\x0135=D\x01")).field == "MsgType(35)"
        assert only_error(b"8=FIX.4.4\x0135=D\x019=5\x0110=000\x01").field == "BodyLength(9)"
        assert only_error(seal(b"")).field == "MsgType(35)"

    def test_a_damaged_beginning_does_not_swallow_a_message(self) -> None:
        """A message whose 8=FIX is damaged is an error, not something between messages."""
        commands, errors, _ = decode(message(NEW) + b"8=FXI" + message(CANCEL)[5:] + message(REPLACE))
        assert len(commands) == 2 and [error.field for error in errors] == ["BeginString(8)"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (b"no field", "no field"),
            (b"=1", "=1"),
            (b"0=1", "0=1"),
            (b"038=1", "038=1"),
            (b"3 8=1", "3 8=1"),
            (b"-38=1", "-38=1"),
            (b"1234567890=1", "1234567890=1"),
            (b"38", "38"),
            (b"", ""),
        ],
    )
    def test_every_field_is_tag_equals_value(self, field: bytes, value: str) -> None:
        """Whatever is no field is an error with the text that stands there."""
        content = seal(b"35=D\x01" + field + b"\x0111=A\x01")
        error = only_error(content)
        assert (error.value, error.offset) == (value, content.index(b"35=D") + 5)
        assert "tag=value" in error.problem

    @pytest.mark.parametrize("tag", [1, 8, 9, 10, 11, 35, 44, 58, 1000])
    def test_a_field_must_have_a_value(self, tag: int) -> None:
        """An empty field is an error, also one that nobody would read."""
        assert only_error(seal(b"35=D\x01%d=\x01" % tag)).problem == "expected a value, was empty"
        assert only_error(seal(b"35=\x01")).field == "MsgType(35)"

    @pytest.mark.parametrize("tag", [1, 8, 9, 10, 11, 35, 38, 41, 44, 49, 52, 54, 55, 59, 60])
    def test_a_field_must_not_come_twice(self, tag: int) -> None:
        """Two values for one field would leave open which one counts."""
        error = only_error(seal(b"35=D\x01" + b"%d=1\x01" % tag + b"%d=2\x01" % tag))
        assert error.tag == tag and error.problem == "field appears more than once"

    @pytest.mark.parametrize(
        "fields",
        [b"354=5\x0158=hello\x01", b"354=x\x01355=a\x01", b"354=9\x01355=a\x01", b"354=999999\x01355=a\x01"],
    )
    def test_a_data_field_follows_its_length(self, fields: bytes) -> None:
        """A length without its data field, or one that leads out of the message, is an error."""
        error = only_error(seal(b"35=D\x01" + fields))
        assert error.problem == "expected a data field right behind the field that gives its length"

    def test_an_error_carries_what_a_reject_needs(self) -> None:
        """MsgType, MsgSeqNum and SenderCompID of the bad message are at hand."""
        error = only_error(message(NEW, t44="abc"))
        assert (error.tag, error.msg_type, error.ref_seq_num, error.session) == (44, "D", 2, "FIRM1")
