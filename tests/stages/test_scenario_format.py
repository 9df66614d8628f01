"""The scenario format: what matches, what differs and how that is shown, what is malformed, what an update writes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scenario import FileResult, Mismatch, ScenarioError, find_files, run_file
from stages.scenario_commands import parse_span_ns
from stages.scenario_show import align, matches, parse_expected
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
        ("instrument XYZ tock 1", "expected one of tick, lot, value, currency, low, high, protection, was 'tock'"),
        ("session all", "session: expected a name that is no word of the format, was 'all'"),
        ("limit ALICE height 5", "limit: expected one of max-order-qty"),
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
    assert parse_span_ns("wait", text) == span_ns


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_an_alignment_goes_through_both(expected: list[int], told: list[int]) -> None:
    """Each line and each outcome is in an alignment once and in order, and pairs match."""
    wanted = [parse_expected(f"filled A{number}") for number in expected]
    was = [parse_expected(f"filled A{number} maker") for number in told]
    pairs = align(wanted, was)
    assert [row for row, _ in pairs if row >= 0] == list(range(len(expected)))
    assert [column for _, column in pairs if column >= 0] == list(range(len(told)))
    assert all(matches(wanted[row], was[column]) for row, column in pairs if min(row, column) >= 0)


WORDS = """
instrument ACME XYZ tick lot low 0.01 account ALICE BOB S1 session limit kill release room orders strict
scenario expect error disconnect wait 5s 5 -5 0 1e9 10.00 99999999999999999999 9999999999999999999
0.000000001 NaN #1 #A1 A1 A2 - --5 buy sell @ market stop trail as gtd +5s +9999h ioc fok post-only
reprice display min group 7 cancel-newest decrement against cancel reduce by replace with status mass-
cancel side all book stops > | ? nothing accepted filled leaves was taker TOO_LATE # empty ² é
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
