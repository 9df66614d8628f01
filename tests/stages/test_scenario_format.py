"""The scenario format: what matches, what differs and how that is shown, what is malformed, what an update writes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import BookAction, BookFlag, Kind, OutcomeFlag, OutcomeType, TradingState
from protocols.layouts import OUTCOME
from stages.scenario import FileResult, Mismatch, ScenarioError, find_files, run_file
from stages.scenario_commands import Translator
from stages.scenario_days import span_ns_of
from stages.scenario_show import align, draw_table, line_of, matches, parse_expected, tell
from stages.scenario_units import Instrument
from tests.structure.tree import ROOT
from tests.twin.engine import TwinEngine

pytestmark = pytest.mark.jitoff

HEAD = "instrument ACME tick 0.01 high 100\naccount ALICE BOB\nsession S1\n"
TRADE = "ALICE buy 10 ACME @ 10.00 as A1\nBOB sell 4 ACME @ 10.00 as B1\n"
TOLD = "> accepted B1 4 @ 10.00\n> filled B1 4 @ 10.00 leaves 0 taker\n> filled A1 4 @ 10.00 leaves 6 maker\n"


@pytest.fixture(name="ran")
def ran_fixture(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Return a function that runs a text behind the usual head, on the twin."""

    def ran(text: str, head: str = HEAD) -> FileResult:
        path = tmp_path / "case.txt"
        path.write_text(head + text, "utf-8")
        return run_file(path, TwinEngine)

    return ran


def differing(result: FileResult) -> list[Mismatch]:
    """Return all mismatches of a file."""
    return [mismatch for scenario in result.scenarios for mismatch in scenario.mismatches]


def test_all_outcomes_must_match_in_order(ran) -> None:  # type: ignore[no-untyped-def]
    """Outcomes as expected match; one too few, one too many and two exchanged are differences."""
    assert differing(ran(TRADE + TOLD)) == []
    lines = TOLD.splitlines(keepends=True)
    for wrong in (lines[:2], [*lines, lines[2]], [lines[0], lines[2], lines[1]]):
        assert len(differing(ran(TRADE + "".join(wrong)))) == 1


def test_only_named_fields_are_compared(ran) -> None:  # type: ignore[no-untyped-def]
    """A line may name as little as type and ClOrdID, or every field; each that it names must be right."""
    few = "> accepted B1\n> filled B1\n> filled A1\n"
    assert differing(ran(TRADE + few)) == []
    most = "> filled A1 4 @ 10 leaves 6.0 cum 4 trade 1 side buy account ALICE instrument ACME session S1 maker\n"
    assert differing(ran(TRADE + few.replace("> filled A1\n", most))) == []
    for wrong in (
        "5",
        "@ 10.01",
        "leaves 5",
        "cum 5",
        "trade 2",
        "side sell",
        "account BOB",
        "taker",
        "TOO_LATE",
    ):
        assert len(differing(ran(TRADE + few + f"> filled A1 {wrong}\n"))) == 1


def test_a_mismatch_is_a_diff(ran) -> None:  # type: ignore[no-untyped-def]
    """A mismatch names file line, statement, what was expected and what was, with the fields that were named."""
    [mismatch] = differing(ran(TRADE + TOLD.replace("leaves 6", "leaves 7 cum 4")))
    assert (mismatch.line, mismatch.statement) == (5, "BOB sell 4 ACME @ 10.00 as B1")
    assert mismatch.diff == [
        "  accepted B1 4 @ 10.00",
        "  filled B1 4 @ 10.00 leaves 0 taker",
        "- filled A1 4 @ 10.00 leaves 7 cum 4 maker",
        "+ filled A1 4 @ 10.00 leaves 6 cum 4 maker",
    ]


def test_what_is_not_expected_is_not_checked_unless_strict(ran) -> None:  # type: ignore[no-untyped-def]
    """A command without expectations may do anything; in a strict file it must do nothing."""
    assert differing(ran(TRADE)) == []
    assert [each.line for each in differing(ran(TRADE, "strict\n" + HEAD))] == [5, 6]


def test_nothing_is_an_expectation(ran) -> None:  # type: ignore[no-untyped-def]
    """``> nothing`` holds where there is no outcome, and nowhere else."""
    assert differing(ran("wait 5s\n> nothing\n")) == []
    [mismatch] = differing(ran(TRADE + "> nothing\n"))
    assert mismatch.diff[0] == "- nothing"
    [mismatch] = differing(ran("wait 5s\n> expired A1\n"))
    assert mismatch.diff == ["- expired A1", "+ nothing"]


def test_declarations_must_be_accepted(ran) -> None:  # type: ignore[no-untyped-def]
    """A declaration that the core rejects is a difference, unless the rejection is expected."""
    bad = "instrument ACME tick 0.01 low 5.00 high 4.00\n"
    [mismatch] = differing(ran(bad))
    assert mismatch.diff == ["- accepted ACME", "+ rejected ACME by-risk INVALID_COMMAND"]
    assert differing(ran(bad + "> rejected ACME INVALID_COMMAND\n")) == []


def test_books_are_compared_exactly(ran) -> None:  # type: ignore[no-untyped-def]
    """A table must have each level and each order in its place; spaces and the titles do not count."""
    assert differing(ran(TRADE + "book ACME\n| A1:6|10.00||\n")) == []
    for wrong in ("| A1:5 | 10.00 | |", "| A1:6 | 10.01 | |", "| | 10.00 | A1:6 |", "| empty |"):
        [mismatch] = differing(ran(TRADE + f"book ACME\n{wrong}\n"))
        assert mismatch.diff[-1] == "+ | A1:6 | 10.00 |      |"


def test_scenarios_have_books_of_their_own(ran) -> None:  # type: ignore[no-untyped-def]
    """Each scenario of a file starts with what stands before the first, and with nothing of the others."""
    result = ran(
        "BOB sell 5 ACME @ 10.00 as B1\n"
        "scenario One\nALICE buy 5 ACME @ 10.00 as A1\nbook ACME\n| empty |\n"
        "scenario Two\nbook ACME\n| | 10.00 | B1:5 |\n"
    )
    assert differing(result) == []
    assert [each.title for each in result.scenarios] == ["One", "Two"]


def test_time_stands_still_but_for_waits(ran) -> None:  # type: ignore[no-untyped-def]
    """An order with five seconds to live is there after 4.999 and gone after 5, however many commands come between."""
    text = "ALICE buy 1 ACME @ 10.00 gtd +5s as A1\n" + "status A1\n" * 20
    assert differing(ran(text + "wait 4999ms\n> nothing\nwait 1ms\n> expired A1 GTD_EXPIRED\n")) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ALICE buy x ACME @ 1 as A1", "quantity: expected a decimal number, was 'x'"),
        ("ALICE buy 1 ACME @ 1.123456789 as A1", "price: expected at most 8 decimals, was '1.123456789'"),
        ("DAVE buy 1 ACME @ 1", "statement: expected one of instrument, account,"),
        ("S1 DAVE buy 1 ACME @ 1", "account: expected one that is declared (ALICE, BOB), was 'DAVE'"),
        ("ALICE hold 1 ACME @ 1", "side: expected one of buy, sell, was 'hold'"),
        ("ALICE buy 1 NONE @ 1", "instrument: expected one that is declared (ACME), was 'NONE'"),
        ("ALICE buy 1 ACME as A1", "expected @ PRICE, market, stop PRICE"),
        ("ALICE buy 1 ACME @ 1 market", "was @ and market"),
        ("ALICE buy 1 ACME @ 1 ioc fok", "tif: expected once in a line, was there twice"),
        ("ALICE buy 1 ACME @ 1 gtd 5s", "gtd: expected a span such as +5s, was '5s'"),
        ("ALICE buy 1 ACME @ 1 gtd +5d", "gtd: expected a number with one of ns, us, ms, s, min, h, was '5d'"),
        ("ALICE buy 1 ACME @ 1 group 7 never", "group: expected one of cancel-newest"),
        ("ALICE buy 1 ACME @ 1 display 0.5", "display: expected a whole number of lots, was '0.5'"),
        ("ALICE buy 1 ACME @ 1 soon", "expected one of @, market, as"),
        ("ALICE buy 1 ACME @ 1 as " + "A" * 21, "as: expected at most 20 printable ASCII characters"),
        ("cancel #A9", "order: expected one that is declared (none), was 'A9'"),
        ("reduce A1 to 5", "expected 'by', was 'to'"),
        ("wait soon", "wait: expected a number with one of ns, us, ms, s, min, h, was 'soon'"),
        ("wait 5s more", "expected the end of the line, was 'more'"),
        ("room orders 5", "room: expected it before the first command, was behind one"),
        ("instrument XYZ tick 0", "tick: expected more than 0, was 0"),
        ("instrument XYZ tock 1", "expected one of tick, lot, value, currency, group, table, state, market-data, low,"),
        ("session all", "session: expected a name that is no word of the format, was 'all'"),
        ("limit ALICE height 5", "limit: expected one of max-order-qty"),
        ("instrument XYZ state open", "state: expected one of continuous, pre-open"),
        ("instrument XYZ market-data yes", "market-data: expected one of on, off, was 'yes'"),
        ("account CAROL firm x", "firm: expected a whole number up to"),
        ("state ACME", "state: expected a value, was the end of the line"),
        ("state NONE halt", "instrument: expected one of ACME, was 'NONE'"),
        ("state ACME open", "state: expected one of continuous, pre-open, opening-auction"),
        ("state group G open", "state: expected one of continuous"),
        ("schedule G halt 5s", "schedule: expected a span such as +5s, was '5s'"),
        ("schedule G halt +5s every day", "every: expected a number with one of ns, us, ms, s, min, h, was 'day'"),
        ("schedule G halt +5s daily", "expected the end of the line, was 'daily'"),
        ("bands ACME static 0.005", "static: expected a whole number of ticks, was '0.005'"),
        ("bands ACME wide", "expected one of static, dynamic, reference, none, reject, halt, for, indications"),
        ("tick-table T", "tick-table: expected from PRICE step PRICE, or clear, was neither"),
        ("tick-table T from 1", "expected 'step', was 'the end of the line'"),
        ("tick-table T tick 0 from 1 step 1", "tick: expected more than 0, was '0'"),
        ("wait 5s\n> state-changed ACME to open", "to: expected one of continuous"),
        ("all mass-cancel firm x", "firm: expected a whole number"),
        ("book NONE", "instrument: expected one that is declared (ACME), was 'NONE'"),
        ("book ACME\n> accepted", "expected '|' below book, was '>'"),
        ("wait 5s\n| empty |", "expected '>' below a command, was '|'"),
        ("wait 5s\n> eaten A1", "outcome: expected one of accepted, rejected"),
        ("wait 5s\n> expired A1 NOT_A_REASON", "reason: expected one of protocols/codes.py, was 'NOT_A_REASON'"),
        ("wait 5s\n> expired A1 leaves many", "leaves: expected a decimal number, was 'many'"),
        ("wait 5s\n> expired", "ClOrdID: expected a value, was the end of the line"),
        ("expect error", "expect error: expected a statement below, was the end"),
        ("scenario", "scenario: expected a title, was none"),
    ],
)  # fmt: skip
def test_malformed_lines_are_told_by_field_and_value(ran, line: str, problem: str) -> None:  # type: ignore[no-untyped-def]
    """What cannot be read names file, line, field and value."""
    with pytest.raises(ScenarioError) as caught:
        ran("wait 1s\n" + line + "\n")
    assert problem in str(caught.value)
    assert ":5: " in str(caught.value) or ":6: " in str(caught.value)


def test_an_expected_error_is_a_check(ran) -> None:  # type: ignore[no-untyped-def]
    """``expect error`` holds where the next line is malformed in that way, and is a difference elsewhere."""
    assert differing(ran("expect error side: expected\nALICE hold 1 ACME @ 1\n")) == []
    [mismatch] = differing(ran("expect error side\nALICE buy 1 ACME @ 1 as A1\n"))
    assert mismatch.diff == ["- side", "+ no error"]


def test_expectations_need_a_statement(ran) -> None:  # type: ignore[no-untyped-def]
    """A file cannot begin with an expectation."""
    with pytest.raises(
        ScenarioError, match=r"case\.txt:1: expected a statement above the first '>', was none"
    ):
        ran("", "> accepted A1\n")


def test_an_update_writes_what_happened(ran) -> None:  # type: ignore[no-untyped-def]
    """An update fills in what is unknown or wrong, keeps lines that match and comments, and is then in order."""
    text = (
        TRADE
        + "> accepted B1  # as it was written\n> filled B1 5\n# between\n> filled A1 maker\n> expired B1\n"
        "cancel A1 as X1\n> ?\nbook ACME\n| ? |\nwait 1s\n> expired A1\n"
    )
    updated = ran(text).updated
    assert updated == HEAD + TRADE + (
        "> accepted B1  # as it was written\n> filled B1 4\n> filled A1 maker\n# between\n"
        "cancel A1 as X1\n> cancelled X1 6 was A1 CLIENT_REQUEST\nbook ACME\n| empty |\nwait 1s\n> nothing\n"
    )
    again = ran(updated, "")
    assert (differing(again), again.updated) == ([], updated)


def test_directories_are_searched_in_order(tmp_path: Path) -> None:
    """A directory stands for the files below it, by name; one without any is an error."""
    for name in ("b/2.txt", "a/1.txt", "b/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(HEAD)
    assert find_files([tmp_path]) == [tmp_path / "a/1.txt", tmp_path / "b/2.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScenarioError, match=r"expected files \*\.txt below this directory, was none"):
        find_files([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("text", "span_ns"),
    [("1ns", 1), ("1.5ms", 1_500_000), ("2min", 120_000_000_000), ("1h", 3_600_000_000_000)],
)
def test_spans_have_units(text: str, span_ns: int) -> None:
    """A span is a decimal number with its unit."""
    assert span_ns_of("wait", text) == span_ns


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_an_alignment_goes_through_both(expected: list[int], told: list[int]) -> None:
    """Each line and each outcome is in an alignment once and in order, and pairs match."""
    wanted = [parse_expected(f"filled A{number}") for number in expected]
    was = [parse_expected(f"filled A{number} maker") for number in told]
    pairs = align(wanted, was)
    assert [row for row, _ in pairs if row >= 0] == list(range(len(expected)))
    assert [column for _, column in pairs if column >= 0] == list(range(len(told)))
    assert all(matches(wanted[row], was[column]) for row, column in pairs if min(row, column) >= 0)


def lines_of(*outcomes) -> list[str]:  # type: ignore[no-untyped-def]
    """Return outcomes as lines, for an instrument ACME, id 1, and an order A1, id 7."""
    names = Translator()
    names.commands("instrument ACME tick 0.01", 1, 0)
    told = []
    for fields in outcomes:
        outcome = np.zeros((), dtype=OUTCOME)
        for name, value in fields.items():
            outcome[name] = value
        told.append(tell(outcome, names, {7: "A1"}))
    lines = [line_of(each) for each in told]
    assert all(matches(parse_expected(line), each) for line, each in zip(lines, told, strict=True))
    return lines


def test_what_everybody_is_told_has_lines() -> None:
    """Outcomes of an instrument name it, and what they say of states, auctions and the book."""
    acme = {"instrument": 1}
    auction = {**acme, "qty_lots": 40, "price_ticks": 1000, "leaves_lots": 20, "side": 1}
    states = {"qty_lots": TradingState.CONTINUOUS, "leaves_lots": TradingState.OPENING_AUCTION}
    book = {
        **acme,
        "order_id": 7,
        "side": 2,
        "qty_lots": 5,
        "leaves_lots": 3,
        "cum_lots": 8,
        "account": 2,
        "orig0": 9,
    }
    fill = {
        **acme,
        "qty_lots": 5,
        "price_ticks": 1000,
        "flags": OutcomeFlag.AUCTION,
        "kind": Kind.STATE,
        "order_id": 7,
    }
    assert lines_of(
        {"type": OutcomeType.STATE_CHANGED, **acme, **states},
        {"type": OutcomeType.UNCROSSED, **auction},
        {"type": OutcomeType.INDICATION, **acme},
        {"type": OutcomeType.FILLED, **fill},
        {"type": OutcomeType.BOOK, **book, "reason": BookAction.EXECUTE, "price_ticks": 1000, "flags": BookFlag.TOP},
        {"type": OutcomeType.BOOK, **book, "reason": BookAction.ADD},
    ) == [
        "state-changed ACME to continuous from opening-auction",
        "uncrossed ACME 40 @ 10.00 surplus 20 side buy",
        "indication ACME 0 surplus 0",
        "filled - 5 @ 10.00 leaves 0 auction",
        "book-execute A1 5 @ 10.00 leaves 3 level 8 orders 2 top",
        "book-add A1 5 leaves 3 level 8 orders 2",
    ]  # fmt: skip


def test_market_orders_have_rows_of_their_own() -> None:
    """Market orders that rest stand above all buys and below all sells; a stop price of 0 is a price."""
    acme = Instrument(1, "ACME", {"price_ticks": 10**6, "qty_lots": 10**8})
    row = (7, 5, 0, 1, 1, 5, 0)
    levels = {1: [(2**63 - 1, [row]), (1000, [row])], 2: [(0, [row]), (1001, [row])], 4: [(0, [row])]}
    assert draw_table(levels, {7: "A1"}, acme, (1, 2)) == [
        "|  buy |  price | sell |",
        "| A1:5 | market |      |",
        "|      |  10.01 | A1:5 |",
        "| A1:5 |  10.00 |      |",
        "|      | market | A1:5 |",
    ]
    assert draw_table(levels, {7: "A1"}, acme, (3, 4))[1:] == ["|     |  0.00 | A1:5 |"]


def commands_of(*lines: str) -> list[dict[str, int]]:
    """Return what is not 0 of the commands of the last line."""
    translator = Translator()
    for line in ("instrument ACME tick 0.01 group EQ", "session S1", "account ALICE firm 3", *lines):
        commands = translator.commands(line, 1, 1000)
    return [{name: int(row[name][0]) for name in row.dtype.names if row[name][0]} for row in commands]


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("state ACME halt", [{"kind": 25, "instrument": 1, "ord_type": 6}]),
        ("state group EQ closed", [{"kind": 25, "account": 1, "ord_type": 7}]),
        ("state group - closed", [{"kind": 25, "ord_type": 7}]),
        ("schedule EQ halt +5s", [{"kind": 26, "side": 1, "account": 1, "ord_type": 6, "aux1": 5_000_001_000}]),
        ("schedule XX halt +0s every 1h", [
            {"kind": 26, "side": 1, "account": 2, "ord_type": 6, "aux1": 1000, "aux0": 3_600_000_000_000}
        ]),
        ("schedule EQ clear", [{"kind": 26, "side": 2, "account": 1}]),
        ("bands ACME static 0.50 dynamic 0.10 reference 10.00 halt for 30s indications 1ms", [
            {"kind": 27, "instrument": 1, "ord_type": 2, "order_id": 50, "orig0": 10, "price_ticks": 1000,
             "aux0": 30_000_000_000, "qty_lots": 1_000_000}
        ]),
        ("bands ACME static 0.50", [{"kind": 27, "instrument": 1, "ord_type": 1, "order_id": 50}]),
        ("bands ACME none for 1ns", [{"kind": 27, "instrument": 1, "aux0": 1}]),
        ("tick-table T from 1.00 step 0.05 from 5 step 0.1", [
            {"kind": 28, "account": 1, "side": 1, "price_ticks": 100, "qty_lots": 5},
            {"kind": 28, "account": 1, "side": 1, "price_ticks": 500, "qty_lots": 10},
        ]),
        ("tick-table T tick 0.1 from 1 step 0.5", [
            {"kind": 28, "account": 1, "side": 1, "price_ticks": 10, "qty_lots": 5}
        ]),
        ("tick-table T clear", [{"kind": 28, "account": 1, "side": 2}]),
        ("all mass-cancel firm 3 side buy", [{"kind": 5, "aux0": 3, "side": 1}]),
    ],
)  # fmt: skip
def test_statements_of_trading_days(line: str, commands: list[dict[str, int]]) -> None:
    """Each statement is the command that docs/trading-states.md tells of."""
    assert commands_of(line) == commands


def test_instruments_have_groups_tables_and_states() -> None:
    """Options of an instrument stay until they are given anew; firms belong to accounts."""
    line = "instrument XYZ group EQ table T state closed market-data on"
    [whole] = commands_of(line)
    assert [whole[name] for name in ("account", "orig1", "ord_type", "flags")] == [1, 1, 7, 1024]
    [again] = commands_of(line, "instrument XYZ market-data off group -")
    assert (again.get("account"), again["orig1"], again.get("flags")) == (None, 1, None)
    firm, *limits, account = commands_of("account BOB firm 9 without-limits")
    assert (firm["kind"], firm["aux0"], account["kind"], account["instrument"]) == (29, 9, 19, 9)
    assert [limit["ord_type"] for limit in limits] == [6, 7, 15, 16]


def test_orders_at_the_open_and_the_close() -> None:
    """They are times in force."""
    for word, tif in (("at-open", 6), ("at-close", 7)):
        [order] = commands_of(f"ALICE buy 5 ACME market {word} as A1")
        assert (order["ord_type"], order["tif"]) == (1, tif)


WORDS = """
instrument ACME XYZ tick lot low 0.01 account ALICE BOB S1 session limit kill release room orders strict
scenario expect error disconnect wait 5s 5 -5 0 1e9 10.00 99999999999999999999 9999999999999999999
0.000000001 NaN #1 #A1 A1 A2 - --5 buy sell @ market stop trail as gtd +5s +9999h ioc fok post-only
reprice display min group 7 cancel-newest decrement against cancel reduce by replace with status mass-
cancel side all book stops waiting state
halt pre-open schedule bands static tick-table from step firm
at-open > | ? nothing accepted filled leaves was taker TOO_LATE # empty ² é
"""
LINES = st.lists(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=9).map(" ".join), max_size=12)


@given(LINES, st.booleans())
def test_whatever_is_written_runs_or_is_malformed(lines: list[str], has_head: bool) -> None:
    """A file of any words runs, or is told to be malformed in a line; an update of what runs can be read again."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "any.txt"
        path.write_text((HEAD + TRADE if has_head else "") + "\n".join(lines), "utf-8")
        try:
            result = run_file(path, TwinEngine)
        except ScenarioError as error:
            assert str(error).startswith(f"{path}:")
            return
        path.write_text(result.updated, "utf-8")
        assert run_file(path, TwinEngine).updated == result.updated


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    """The example of docs/scenarios.md holds, and its wrong sister differs as the page shows."""
    page = (ROOT / "docs" / "scenarios.md").read_text("utf-8")
    text = page.split("```\n")[1]
    path = tmp_path / "wrong.txt"
    path.write_text(text)
    assert differing(run_file(path, TwinEngine)) == []
    path.write_text(text.replace("leaves 70", "leaves 60"))
    result = run_file(path, TwinEngine)
    [mismatch] = differing(result)
    shown = [f"wrong.txt:{mismatch.line}: {result.title}", f"    {mismatch.statement}"]
    assert "\n".join([*shown, *(f"  {row}" for row in mismatch.diff)]) in page
