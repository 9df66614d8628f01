"""Special orders, status and mass cancel requests in FIX: which field becomes what, and what is told of mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.codes import (
    CommandFlag,
    Kind,
    OrdType,
    SelfTradeMode,
    Side,
    Tif,
)
from protocols.text import pack_text, unpack_text
from tests.protocols.fix_helpers import CANCEL, NEW, REPLACE, TIME_NS, TIME_TEXT, message, only, only_error

pytestmark = pytest.mark.jitoff

STATUS = {
    35: "H", 34: "5", 49: "FIRM1", 52: TIME_TEXT, 56: "RINGMATCH", 11: "A-1", 55: "AAPL", 54: "1", 790: "Q-1",
}  # fmt: skip
MASS_CANCEL = {
    35: "q",
    34: "6",
    49: "FIRM1",
    52: TIME_TEXT,
    56: "RINGMATCH",
    11: "M-1",
    530: "7",
    60: TIME_TEXT,
}
OFF_TICK, OFF_LOT = CommandFlag.OFF_TICK, CommandFlag.OFF_LOT


def named(command: Any, *names: str) -> tuple[int, ...]:
    """Return some fields of a command."""
    return tuple(int(command[name]) for name in names)


def terms(**changes: str | None) -> dict[str, int]:
    """Return those fields of a NEW that hold terms, where they are not 0."""
    command = only(message(NEW, **changes))
    names = ("order_id", "orig0", "orig1", "orig2", "aux0", "aux1", "flags")
    return {name: int(command[name]) for name in names if command[name]}


def mode_of(command: Any) -> int:
    """Return the self-trade mode of a command."""
    return int(command["flags"]) >> 6 & 7


class TestStops:
    def test_a_stop_has_a_stop_price_and_no_price(self) -> None:
        """40=3 with 99; a price is checked and not passed on."""
        command = only(message(NEW, t40="3", t44=None, t99="191.00"))
        assert named(command, "ord_type", "aux0", "price_ticks") == (OrdType.STOP, 19100, 0)
        assert named(only(message(NEW, t40="3", t99="191.00")), "price_ticks") == (0,)

    def test_a_stop_limit_has_both_prices(self) -> None:
        """40=4 with 99 and 44; either off its tick flags the order."""
        command = only(message(NEW, t40="4", t99="191.00"))
        assert named(command, "ord_type", "aux0", "price_ticks", "flags") == (
            OrdType.STOP_LIMIT,
            19100,
            19025,
            0,
        )
        for changes in ({"t99": "191.005"}, {"t99": "191.00", "t44": "190.001"}):
            assert only(message(NEW, t40="4", **changes))["flags"] == OFF_TICK

    @pytest.mark.parametrize("ord_type", ["P", "3"])
    @pytest.mark.parametrize("offset", ["0.25", "-0.25"])
    def test_a_trailing_stop_has_a_distance(self, ord_type: str, offset: str) -> None:
        """40=P or 3 with ExecInst a: the size of PegOffsetValue is its distance, whichever sign a sell writes."""
        command = only(message(NEW, t40=ord_type, t44=None, t18="a", t211=offset))
        assert named(command, "ord_type", "aux0", "flags") == (OrdType.TRAILING_STOP, 25, 0)
        assert only(message(NEW, t40=ord_type, t18="1 a", t211=offset, t836="0")) == only(
            message(NEW, t40=ord_type, t18="a", t211=offset)
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"t40": "P", "t211": "0.25"},
            {"t40": "P", "t18": "R", "t211": "0.25"},
            {"t40": "P", "t18": "a", "t211": "0.25", "t836": "1"},
            {"t40": "4", "t18": "a", "t99": "191", "t211": "0.25"},
            {"t40": "2", "t18": "a", "t211": "0.25"},
            {"t40": "2", "t18": "G"},
            {"t40": "2", "t18": "6", "t9479": "S"},
            {"t40": "J"},
        ],
    )
    def test_what_is_no_order_of_ours_is_left_to_risk(self, changes: dict[str, str]) -> None:
        """Other pegs, trailing limits, offsets in other units, all-or-none: type 0, which risk rejects."""
        assert int(only(message(NEW, **changes))["ord_type"]) == 0

    def test_a_replace_moves_the_stop(self) -> None:
        """99 or 211 of a Cancel/Replace is the new trigger; without it the old one stays."""
        stop = {"t40": "3", "t44": None}
        assert named(only(message(REPLACE, **stop, t99="189.50")), "aux0", "aux1", "order_id") == (
            18950,
            0,
            0,
        )
        assert named(only(message(REPLACE, **stop)), "aux0") == (0,)
        assert named(only(message(REPLACE, t40="P", t44=None, t18="a", t211="1")), "aux0") == (100,)
        assert named(only(message(REPLACE, t99="189.50")), "aux0") == (0,), "a limit order has none"

    def test_a_replace_changes_no_terms(self) -> None:
        """Display, minimum, expiry, group and post-only stay what they were; repeated, they are checked and dropped."""
        repeated = only(
            message(
                REPLACE, t18="6", t111="10", t110="5", t59="6", t126="20300101-00:00:00", t2362="9", t2964="2"
            )
        )
        assert named(repeated, "order_id", "orig2", "aux0", "aux1", "flags") == (0, 0, 0, 0, 0)
        assert unpack_text(repeated["orig0"], repeated["orig1"], repeated["orig2"]) == "A-1"


class TestTerms:
    def test_display_and_minimum_quantity(self) -> None:
        """MaxFloor, or DisplayQty before it, and MinQty are lots; a fraction of a lot is flagged."""
        assert terms(t111="10", t110="20") == {"order_id": 10, "orig0": 20}
        assert terms(t111="10", t1138="30") == {"order_id": 30}
        assert terms(t111="10.5") == {"order_id": 10, "flags": OFF_LOT}
        assert terms(t110="0") == {}

    @pytest.mark.parametrize("changes", [{"t111": "0"}, {"t1138": "0"}, {"t111": "0.3"}])
    def test_an_order_that_shows_nothing_is_not_shown_in_full(self, changes: dict[str, str]) -> None:
        """A display quantity of 0 means hidden in FIX: it becomes -1, which risk rejects."""
        assert terms(**changes)["order_id"] == -1

    def test_good_till_date(self) -> None:
        """59=6 takes ExpireTime as nanoseconds of UTC; with another time in force it is checked and dropped."""
        command = only(message(NEW, t59="6", t126=TIME_TEXT))
        assert named(command, "tif", "aux1") == (Tif.GTD, TIME_NS)
        assert terms(t126=TIME_TEXT) == {}

    def test_post_only(self) -> None:
        """ExecInst 6 rejects what would trade, with DisplayIndicator P it is repriced."""
        assert terms(t18="6") == {"flags": CommandFlag.POST_ONLY}
        assert terms(t18="1 6", t9479="R") == {"flags": CommandFlag.POST_ONLY}
        assert terms(t18="6", t9479="P") == {"flags": CommandFlag.POST_REPRICE}
        assert terms(t9479="P") == {} == terms(t18="1 5")

    @pytest.mark.parametrize(
        ("value", "mode"),
        [
            ("1", SelfTradeMode.NEWEST),
            ("N", SelfTradeMode.NEWEST),
            ("2", SelfTradeMode.OLDEST),
            ("O", SelfTradeMode.OLDEST),
            ("3", SelfTradeMode.BOTH),
            ("4", SelfTradeMode.DECREMENT),
            ("9", 7),
            ("12", 7),
        ],
    )
    @pytest.mark.parametrize(("group_tag", "mode_tag"), [("t2362", "t2964"), ("t7928", "t8000")])
    def test_self_trade_prevention(self, group_tag: str, mode_tag: str, value: str, mode: int) -> None:
        """Group and instruction under the standard's tags or CME's; what is no instruction is 7, which risk rejects."""
        command = only(message(NEW, **{group_tag: "77", mode_tag: value}))
        assert (int(command["orig2"]), mode_of(command)) == (77, mode)

    def test_a_group_alone_cancels_the_newest(self) -> None:
        """Without an instruction the taker goes; an instruction without a group is left to risk."""
        assert mode_of(only(message(NEW, t2362="2147483647"))) == SelfTradeMode.NEWEST
        command = only(message(NEW, t2964="2"))
        assert (int(command["orig2"]), mode_of(command)) == (0, SelfTradeMode.OLDEST)

    def test_terms_of_an_unknown_symbol_have_no_unit(self) -> None:
        """Prices and quantities are 0, as those of plain orders are."""
        command = only(message(NEW, t55="ZZZZ", t40="3", t99="1.005", t111="1", t110="0.5"))
        assert named(command, "instrument", "aux0", "order_id", "orig0", "flags") == (0, 0, 0, 0, 0)


class TestRequests:
    def test_a_status_request_names_its_order_by_cl_ord_id(self) -> None:
        """ClOrdID is the order's, OrdStatusReqID the request's own."""
        command = only(message(STATUS))
        assert named(command, "kind", "order_id", "instrument", "side", "qty_lots") == (
            Kind.STATUS,
            0,
            1,
            1,
            0,
        )
        assert unpack_text(command["orig0"], command["orig1"], command["orig2"]) == "A-1"
        assert unpack_text(command["cl0"], command["cl1"], command["cl2"]) == "Q-1"
        by_id = only(message(STATUS, t11=None, t37="77", t790=None))
        assert named(by_id, "order_id", "orig0", "cl0") == (77, 0, 0)

    def test_a_mass_cancel_says_whose_orders(self) -> None:
        """530=7 is all orders of the session, 1 those of a symbol; account and side narrow it."""
        command = only(message(MASS_CANCEL))
        assert named(command, "kind", "session", "account", "instrument", "side") == (
            Kind.MASS_CANCEL,
            1,
            0,
            0,
            0,
        )
        assert int(command["cl0"]) == pack_text("M-1")[0] and int(command["orig0"]) == 0
        narrow = only(message(MASS_CANCEL, t530="1", t55="MSFT", t54="2", t1="ACC7"))
        assert named(narrow, "account", "instrument", "side") == (7, 2, Side.SELL)
        assert named(only(message(MASS_CANCEL, t55="MSFT")), "instrument") == (0,)

    def test_what_a_mass_cancel_gives_wrongly_is_not_everything(self) -> None:
        """An unknown symbol, account or side becomes what nobody has: risk rejects it, instead of cancelling all."""
        assert named(only(message(MASS_CANCEL, t530="1", t55="ZZZZ")), "instrument") == (-1,)
        assert named(only(message(MASS_CANCEL, t1="ZZZZ")), "account") == (-1,)
        assert named(only(message(MASS_CANCEL, t54="5")), "side") == (255,)

    @pytest.mark.parametrize(
        ("fields", "changes", "field", "value", "problem"),
        [
            (NEW, {"t40": "3", "t44": None}, "StopPx(99)", "", "required field is missing"),
            (NEW, {"t40": "4", "t99": "1", "t44": None}, "Price(44)", "", "required field is missing"),
            (NEW, {"t40": "P", "t18": "a"}, "PegOffsetValue(211)", "", "required field is missing"),
            (NEW, {"t59": "6"}, "ExpireTime(126)", "", "required field is missing"),
            (NEW, {"t59": "6", "t126": "soon"}, "ExpireTime(126)", "soon", "expected a UTC time"),
            (NEW, {"t99": "1e5"}, "StopPx(99)", "1e5", "expected a decimal number"),
            (NEW, {"t211": "x"}, "PegOffsetValue(211)", "x", "expected a decimal number"),
            (NEW, {"t110": "x"}, "MinQty(110)", "x", "expected a decimal number"),
            (NEW, {"t111": "x"}, "MaxFloor(111)", "x", "expected a decimal number"),
            (NEW, {"t1138": "0.000000001"}, "DisplayQty(1138)", "0.000000001", "at most 8 decimals"),
            (NEW, {"t2362": "DESK"}, "SelfMatchPreventionID(2362)", "DESK", "in digits, from 1 to 2^31 - 1"),
            (NEW, {"t2362": "0"}, "SelfMatchPreventionID(2362)", "0", "in digits, from 1 to 2^31 - 1"),
            (NEW, {"t7928": "2147483648"}, "SelfMatchPreventionID(7928)", "2147483648", "from 1 to 2^31 - 1"),
            (
                NEW,
                {"t7928": "00000000001"},
                "SelfMatchPreventionID(7928)",
                "00000000001",
                "from 1 to 2^31 - 1",
            ),
            (STATUS, {"t11": None}, "ClOrdID(11)", "", "required field is missing"),
            (STATUS, {"t11": None, "t37": "A7"}, "OrderID(37)", "A7", "expected an order id"),
            (STATUS, {"t54": None}, "Side(54)", "", "required field is missing"),
            (STATUS, {"t790": "Q" * 21}, "OrdStatusReqID(790)", "Q" * 21, "at most 20 bytes"),
            (MASS_CANCEL, {"t530": None}, "MassCancelRequestType(530)", "", "required field is missing"),
            (
                MASS_CANCEL,
                {"t530": "3"},
                "MassCancelRequestType(530)",
                "3",
                "expected 1 (orders of a security)",
            ),
            (MASS_CANCEL, {"t530": "77"}, "MassCancelRequestType(530)", "77", "or 7 (all orders)"),
            (MASS_CANCEL, {"t530": "1"}, "Symbol(55)", "", "required field is missing"),
            (MASS_CANCEL, {"t11": None}, "ClOrdID(11)", "", "required field is missing"),
        ],
    )
    def test_mistakes_name_field_and_value(
        self, fields: dict[int, str], changes: dict[str, str | None], field: str, value: str, problem: str
    ) -> None:
        """Each mistake of the message is told with the field at fault, its value, and what was expected."""
        error = only_error(message(fields, **changes))
        assert (error.field, error.value) == (field, value) and problem in error.problem

    @pytest.mark.parametrize("tag", [18, 99, 110, 111, 126, 211, 1138, 2362, 2964, 7928, 8000, 9479])
    def test_terms_must_not_come_twice(self, tag: int) -> None:
        """Two values would leave open which one counts."""
        one = message(NEW, **{f"t{tag}": "1"})
        body = one[one.index(b"35=") : one.rindex(b"10=")] + b"%d=1\x01" % tag
        from tests.protocols.fix_helpers import seal

        assert only_error(seal(body)).tag == tag

    def test_a_cancel_reads_no_terms(self) -> None:
        """Fields of special orders are of no concern to a cancel."""
        assert only(message(CANCEL, t99="x", t126="soon", t2362="DESK")) == only(message(CANCEL))
