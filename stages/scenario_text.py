"""Scenario files as text: statements with what is expected of them. The format is described in docs/scenarios.md.

A file is lines. ``#`` begins a comment. A line that begins with ``>`` is an expected outcome of the statement above it,
one that begins with ``|`` a row of the book above it; any other line is a statement. ``scenario TITLE`` begins a
scenario with books of its own; what stands before the first one is done at the beginning of each.

Nothing here knows what a statement means (:mod:`stages.scenario_commands` does). No Numba, no NumPy.

Failure modes: what cannot be read is a :class:`ScenarioError` that names file, line, field and value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["ScenarioError", "Section", "SourceFile", "Statement", "Words", "find_files", "read_source"]

SUFFIX: Final = ".txt"  # of the files in a directory of scenarios
MAX_FILE_BYTES: Final = 1 << 20
OUTCOME_MARK: Final = ">"
TABLE_MARK: Final = "|"
UNKNOWN: Final = "?"  # stands for an expectation that --update is to fill in


class ScenarioError(Exception):
    """A scenario file cannot be read: the text names file, line, field and value."""

    def __init__(self, problem: str, path: str = "", line: int = 0) -> None:
        super().__init__(f"{path}:{line}: {problem}" if path else problem)
        self.problem, self.path, self.line = problem, path, line


@dataclass
class Statement:
    """A statement, where it stands, and the lines of ``>`` or ``|`` below it (number, text without the mark)."""

    line: int
    text: str
    outcomes: list[tuple[int, str]] = field(default_factory=list)
    table: list[tuple[int, str]] = field(default_factory=list)

    @property
    def last_line(self) -> int:
        """The last line that belongs to it."""
        return max([self.line, *(number for number, _ in [*self.outcomes, *self.table])])


@dataclass
class Section:
    """One scenario of a file."""

    title: str
    line: int
    statements: list[Statement]


@dataclass
class SourceFile:
    """A file of scenarios: its lines, what all scenarios begin with, and the scenarios."""

    path: str
    lines: list[str]
    preamble: list[Statement]
    sections: list[Section]

    @property
    def title(self) -> str:
        """The first comment of the file."""
        return next((line.lstrip("# ").rstrip(". ") for line in self.lines if line.startswith("#")), "")


def find_files(paths: list[Path]) -> list[Path]:
    """Return files, and those below directories, in a fixed order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(each for each in path.rglob(f"*{SUFFIX}") if each.is_file())
            if not below:
                raise ScenarioError(f"{path}: expected files *{SUFFIX} below this directory, was none")
            found += below
        else:
            found.append(path)
    return found


def read_source(path: str, text: str) -> SourceFile:
    """Return the statements of a file."""
    source = SourceFile(path, text.splitlines(), [], [])
    statements = source.preamble
    last: Statement | None = None
    for number, raw in enumerate(source.lines, start=1):
        line = strip_comment(raw)
        if not line:
            continue
        mark = line[0]
        if mark in (OUTCOME_MARK, TABLE_MARK):
            if last is None:
                raise ScenarioError(f"expected a statement above the first {mark!r}, was none", path, number)
            (last.outcomes if mark == OUTCOME_MARK else last.table).append((number, line[1:].strip()))
            continue
        if line.split()[0] == "scenario":
            statements, last = [], None
            title = line[len("scenario") :].strip()
            if not title:
                raise ScenarioError("scenario: expected a title, was none", path, number)
            source.sections.append(Section(title, number, statements))
            continue
        last = Statement(number, line)
        statements.append(last)
    if not source.sections:  # the whole file is one scenario
        source.sections.append(Section(source.title or Path(path).stem, 1, source.preamble))
        source.preamble = []
    return source


def strip_comment(line: str) -> str:
    """Return a line without its comment: from a ``#`` at its beginning or behind a space."""
    text = line.strip()
    if text.startswith("#"):
        return ""
    at = text.find(" # ")
    return text[:at].rstrip() if at >= 0 else text


class Words:
    """The words of one line, taken one by one; what is missing or left over is told by its field."""

    def __init__(self, text: str) -> None:
        self._words = text.split()
        self._at = 0

    def __iter__(self) -> Iterator[str]:
        while self._at < len(self._words):
            self._at += 1
            yield self._words[self._at - 1]

    def peek(self, ahead: int = 0) -> str:
        """Return a word that comes, "" behind the last."""
        return self._words[self._at + ahead] if self._at + ahead < len(self._words) else ""

    def take(self, name: str) -> str:
        """Return the next word, which is the field ``name``."""
        if self._at == len(self._words):
            raise ScenarioError(f"{name}: expected a value, was the end of the line")
        self._at += 1
        return self._words[self._at - 1]

    def skip(self, *words: str) -> bool:
        """Skip the next words if they are these."""
        if tuple(self._words[self._at : self._at + len(words)]) == words:
            self._at += len(words)
            return True
        return False

    def expect(self, word: str) -> None:
        """Skip a word that must stand here."""
        if not self.skip(word):
            raise ScenarioError(f"expected {word!r}, was {self.peek() or 'the end of the line'!r}")

    def rest(self) -> str:
        """Return all words that are left as one text."""
        words, self._at = self._words[self._at :], len(self._words)
        return " ".join(words)

    def end(self) -> None:
        """Check that no word is left."""
        if self._at < len(self._words):
            raise ScenarioError(f"expected the end of the line, was {self.peek()!r}")
