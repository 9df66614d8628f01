"""Runs scenario files: commands and what is expected of them, against any core. See docs/scenarios.md.

:mod:`stages.scenario_text` reads the lines, :mod:`stages.scenario_commands` makes commands of them,
:mod:`stages.scenario_show` holds outcomes and books against what is expected; here they meet a core. Each scenario has
a core of its own. The clock stands still between the statements; ``wait`` alone moves it, by a TICK.

A core is whatever has the two methods of :class:`Engine`: :class:`stages.core.Core`, or the twin of the tests behind
an adapter. This module loads no Numba; :func:`compiled_engine` does.

Failure modes: a file that cannot be read is a :class:`ScenarioError`; what does not happen as expected is a
:class:`Mismatch` in the result, and the scenario goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from protocols.codes import Kind, OutcomeType
from protocols.text import unpack_text
from stages.scenario_commands import Translator
from stages.scenario_days import span_ns_of
from stages.scenario_show import Told, align, draw_table, line_of, parse_expected, same_table, tell
from stages.scenario_text import (
    MAX_FILE_BYTES,
    UNKNOWN,
    ScenarioError,
    Section,
    SourceFile,
    Statement,
    Words,
    find_files,
    read_source,
)

__all__ = [
    "ROOM",
    "Engine",
    "FileResult",
    "Mismatch",
    "ScenarioError",
    "ScenarioResult",
    "compiled_engine",
    "find_files",
    "run_file",
]

START_NS: Final = 9 * 3_600_000_000_000  # nine o'clock of the first day
LATEST_NS: Final = START_NS + 100 * 366 * 86_400 * 1_000_000_000
ROOM: Final = {
    "max_orders": 1024,
    "max_levels": 1024,
    "max_accounts": 64,
    "max_instruments": 64,
    "max_positions": 1024,
    "max_cl_ord_ids": 1 << 13,
    "max_sessions": 64,
    "max_specials": 1024,
}
NOTHING: Final = "nothing"
BOOK_SIDES: Final = {"book": (1, 2), "stops": (3, 4), "waiting": (5, 6)}


class Engine(Protocol):
    """What a scenario needs of a core."""

    def process(self, commands: Any) -> Any:
        """Carry out stamped commands (``layouts.COMMAND``); return their outcomes (``layouts.OUTCOME``)."""

    def dump_books(self) -> Any:
        """Return {(instrument, side): [(price, [(id, leaves, cum, account, session, shown, limit), ...]), ...]}."""


MakeEngine = Callable[[dict[str, int]], Engine]


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """What did not happen as expected: lines of a diff, ``-`` expected, ``+`` what was."""

    line: int
    statement: str
    diff: list[str]


class ScenarioResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one scenario went."""

    title: str
    line: int
    commands: int
    checks: int
    mismatches: list[Mismatch]


class FileResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the scenarios of one file went; ``updated`` is its text with the expectations of what happened."""

    path: str
    title: str
    scenarios: list[ScenarioResult]
    updated: str = ""

    @property
    def ok(self) -> bool:
        """Whether all went as expected."""
        return not any(each.mismatches for each in self.scenarios)


def compiled_engine(capacities: dict[str, int]) -> Engine:
    """Return the core that runs in the pipeline."""
    from stages.core import Core
    from stages.state import Capacities

    return Core(Capacities(**capacities), input_slots=16, output_slots=1024)


def run_file(path: Path, make_engine: MakeEngine = compiled_engine) -> FileResult:
    """Run all scenarios of a file."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ScenarioError(f"{path}: expected at most {MAX_FILE_BYTES} bytes, was {path.stat().st_size}")
    try:
        source = read_source(str(path), path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: expected UTF-8, was a byte {error.object[error.start]:#04x}") from error
    update = Update(source)
    results = [_Run(source, section, make_engine, update).result() for section in source.sections]
    return FileResult(path=str(path), title=source.title, scenarios=results, updated=update.text())


class Update:
    """The lines of a file with expectations that changed; the first scenario that runs a statement decides."""

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._changed: dict[int, tuple[Statement, list[str]]] = {}
        self._seen: set[int] = set()

    def expect(self, statement: Statement, lines: list[str] | None) -> None:
        """Put lines below a statement in the place of those that it has; None leaves them."""
        if statement.line not in self._seen:
            self._seen.add(statement.line)
            if lines is not None:
                self._changed[statement.line] = (statement, lines)

    def text(self) -> str:
        """Return the file."""
        dropped = {
            number
            for statement, _ in self._changed.values()
            for number, _ in [*statement.outcomes, *statement.table]
        }
        out = []
        for number, line in enumerate(self._source.lines, start=1):
            if number not in dropped:
                out.append(line)
            if number in self._changed:
                out += self._changed[number][1]
        return "\n".join(out) + ("\n" if out else "")


class _Run:
    """One scenario on a core of its own."""

    def __init__(self, source: SourceFile, section: Section, make_engine: MakeEngine, update: Update) -> None:
        self._source, self._section, self._make_engine, self._update = source, section, make_engine, update
        self._translator = Translator()
        self._engine: Engine | None = None
        self._capacities = dict(ROOM)
        self._order_names: dict[int, str] = {}
        self._seq = 0
        self._now_ns = START_NS
        self._strict = False
        self._checks = 0
        self._mismatches: list[Mismatch] = []

    def result(self) -> ScenarioResult:
        """Run it."""
        statements = iter([*self._source.preamble, *self._section.statements])
        for statement in statements:
            try:
                self._step(statement, statements)
            except ScenarioError as error:
                if error.path:
                    raise
                raise ScenarioError(error.problem, self._source.path, error.line or statement.line) from error
        return ScenarioResult(
            title=self._section.title,
            line=self._section.line,
            commands=self._seq,
            checks=self._checks,
            mismatches=self._mismatches,
        )

    def _step(self, statement: Statement, following: Iterator[Statement]) -> None:
        words = Words(statement.text)
        first = words.take("statement")
        if first == "strict":
            words.end()
            self._strict = True
        elif first == "room":
            self._room(words)
        elif first == "expect":
            words.expect("error")
            self._expect_error(statement, words.rest(), next(following, None))
        elif first in BOOK_SIDES:
            self._book(statement, words, first)
        else:
            self._command(statement, words, first)

    def _room(self, words: Words) -> None:
        if self._engine is not None:
            raise ScenarioError("room: expected it before the first command, was behind one")
        for word in words:
            name, text = f"max_{word}", words.take(word)
            if name not in self._capacities:
                known = ", ".join(each.removeprefix("max_") for each in ROOM)
                raise ScenarioError(f"room: expected one of {known}, was {word!r}")
            if not text.isdecimal() or not 0 < int(text) <= ROOM[name]:
                raise ScenarioError(f"{word}: expected 1 to {ROOM[name]}, was {text!r}")
            self._capacities[name] = int(text)

    def _expect_error(self, statement: Statement, wanted: str, bad: Statement | None) -> None:
        if bad is None:
            raise ScenarioError("expect error: expected a statement below, was the end")
        self._checks += 1
        try:
            self._step(bad, iter(()))
        except ScenarioError as error:
            if wanted in error.problem:
                return
            was = error.problem
        else:
            was = "no error"
        self._mismatches.append(
            Mismatch(line=statement.line, statement=bad.text, diff=[f"- {wanted}", f"+ {was}"])
        )

    def _command(self, statement: Statement, words: Words, first: str) -> None:
        if statement.table:
            raise ScenarioError("expected '>' below a command, was '|'", line=statement.table[0][0])
        if first == "wait":
            span_ns = span_ns_of("wait", words.take("wait"))
            words.end()
            self._now_ns += span_ns
            if self._now_ns > LATEST_NS:
                raise ScenarioError(f"wait: expected a century at most in all, was {self._now_ns} ns")
        expected = self._expected(statement)
        commands = self._translator.commands(statement.text, self._seq + 1, self._now_ns)
        told = [each for command in commands for each in self._send(command)]
        is_declaration = self._translator.is_declaration(statement.text)
        if expected is None and (is_declaration or not self._strict):
            if is_declaration:
                self._must_be_accepted(statement, told)
            return
        self._checks += 1
        self._compare(statement, expected or [], told)

    def _expected(self, statement: Statement) -> list[Told] | None:
        """Return what is expected, None if nothing is said of it."""
        if not statement.outcomes:
            return None
        if [text for _, text in statement.outcomes] == [NOTHING]:
            return []
        expected = []
        for number, text in statement.outcomes:
            try:
                expected.append(parse_expected(text))
            except ScenarioError as error:
                raise ScenarioError(error.problem, line=number) from error
        return expected

    def _send(self, command: Any) -> list[Told]:
        if self._engine is None:
            self._engine = self._make_engine(self._capacities)
        self._seq += 1
        command["seq"], command["seen_seq"], command["time_ns"] = self._seq, self._seq - 1, self._now_ns
        outcomes = self._engine.process(command)
        for outcome in outcomes:
            new = outcome["type"] == OutcomeType.ACCEPTED and outcome["kind"] == Kind.NEW
            renamed = outcome["type"] == OutcomeType.REPLACED and outcome["kind"] == Kind.REPLACE
            if new or (renamed and not outcome["reason"]):
                words = (int(outcome[f"cl{word}"]) for word in range(3))
                self._order_names[int(outcome["order_id"])] = unpack_text(*words) or f"#{outcome['order_id']}"
        return [tell(outcome, self._translator, self._order_names) for outcome in outcomes]

    def _must_be_accepted(self, statement: Statement, told: list[Told]) -> None:
        refused = [each for each in told if each["type"] == "rejected"]
        if refused:
            diff = [f"- accepted {refused[0]['name']}", *(f"+ {line_of(each)}" for each in refused)]
            self._mismatches.append(Mismatch(line=statement.line, statement=statement.text, diff=diff))

    def _compare(self, statement: Statement, expected: list[Told], told: list[Told]) -> None:
        pairs = align(expected, told)
        if all(row >= 0 and column >= 0 for row, column in pairs):
            self._update.expect(statement, None)
            return
        diff, lines = [], []
        for row, column in pairs:
            if row >= 0 and column >= 0:
                diff.append(f"  {statement.outcomes[row][1]}")
                lines.append(self._source.lines[statement.outcomes[row][0] - 1])
            elif row >= 0:
                diff.append(f"- {statement.outcomes[row][1]}")
            else:
                line = line_of(told[column], _fields_for(expected, column, told))
                diff.append(f"+ {line}")
                lines.append(f"> {line}")
        if not told:
            diff.append(f"+ {NOTHING}")
        if not expected:
            diff.insert(0, f"- {NOTHING}")
        self._mismatches.append(Mismatch(line=statement.line, statement=statement.text, diff=diff))
        self._update.expect(statement, lines or [f"> {NOTHING}"])

    def _book(self, statement: Statement, words: Words, which: str) -> None:
        if statement.outcomes:
            raise ScenarioError(f"expected '|' below {which}, was '>'", line=statement.outcomes[0][0])
        symbol = words.take("instrument")
        words.end()
        instrument = self._translator.instruments.get(symbol)
        if instrument is None:
            known = ", ".join(self._translator.instruments) or "none"
            raise ScenarioError(f"instrument: expected one that is declared ({known}), was {symbol!r}")
        dump = self._engine.dump_books() if self._engine else {}
        levels = {
            side: levels
            for (identity, side), levels in sorted(dump.items())
            if identity == instrument.identity
        }
        drawn = draw_table(levels, self._order_names, instrument, BOOK_SIDES[which])
        expected = [f"| {text}" for _, text in statement.table]
        self._checks += 1
        if expected and same_table(expected, drawn):
            self._update.expect(statement, None)
            return
        diff = [*(f"- {row}" for row in expected or [f"| {UNKNOWN} |"]), *(f"+ {row}" for row in drawn)]
        self._mismatches.append(Mismatch(line=statement.line, statement=statement.text, diff=diff))
        self._update.expect(statement, drawn)


def _fields_for(expected: list[Told], column: int, told: list[Told]) -> list[str] | None:
    """Return the fields to show of an outcome: those of the line in its place if that is of the same type."""
    beside = expected[column] if column < len(expected) else None
    if beside is None or beside["type"] != told[column]["type"]:
        return None
    named = [name for name in beside if name not in ("type", "name")]
    return list(dict.fromkeys([*named, *(["reason"] if "reason" in told[column] else [])]))
