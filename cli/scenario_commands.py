"""``ringmatch scenario``: run files of commands and expected outcomes on the core, without a pipeline.

The format stands in docs/scenarios.md; ``tests/scenarios/`` holds one file for each rule of docs/matching-rules.md.

Exit codes: 1 something did not happen as expected, 9 a file cannot be read or written, 11 one is malformed (the others
are run all the same).
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cli.exit_codes import ExitCode
from cli.render import Json, print_json

if TYPE_CHECKING:
    from stages.scenario import FileResult, Mismatch

__all__ = ["ScenarioReport", "app", "run"]

app = typer.Typer(
    help="Run scenario files: commands and expected outcomes, readable by traders.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

EXAMPLE = """
A scenario file is commands, and below each what is expected of it:

\b
    # An order that trades in part stays in front of its level.
    instrument ACME tick 0.01
    account ALICE BOB
    session S1
    ALICE buy 100 ACME @ 10.00 as A1
    ALICE buy 100 ACME @ 10.00 as A2
    BOB sell 30 ACME @ 10.00 ioc as B1
    > accepted B1 30 @ 10.00
    > filled B1 30 @ 10.00 leaves 0 taker
    > filled A1 30 @ 10.00 leaves 70 maker
    book ACME
    |          buy | price | sell |
    | A1:70 A2:100 | 10.00 |      |

\b
Fields that an expected line does not name are not compared. A command
without expectations is not checked, unless the file says "strict".
To write a file: write the commands, put "> ?" and "| ? |" below them,
let --update fill in what happens, and read it.
docs/scenarios.md has the whole format, tests/scenarios/ the rules.
"""


class MalformedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that could not be read, and why."""

    path: str
    error: str


class ScenarioReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``scenario run --json`` prints."""

    ok: bool
    files: list[FileResult]
    malformed: list[MalformedFile]
    scenarios: int
    failed: int
    commands: int
    checks: int
    updated: list[str]


@app.callback()
def _scenario() -> None:
    """Do nothing: there are only commands."""


@app.command(epilog=EXAMPLE)
def run(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Scenario files, or directories of *.txt.", show_default=False
        ),
    ],
    update: Annotated[
        bool, typer.Option("--update", help="Write what happened into the files, and show what changes.")
    ] = False,
    json: Json = False,
) -> int:
    """Run scenario files on the compiled core and compare outcomes and books with what they expect."""
    from cli.warm import compile_with_bar
    from ringbuffer.kernel import JIT_DISABLED
    from stages.scenario import ScenarioError, find_files, run_file

    if not JIT_DISABLED:
        compile_with_bar(lambda text: print(text, file=sys.stderr))
    results: list[FileResult] = []
    malformed: list[MalformedFile] = []
    try:
        files = find_files(paths)
    except ScenarioError as error:
        files, malformed = [], [MalformedFile(path=str(paths[0]), error=str(error))]
    updated = []
    for path in files:
        try:
            result = run_file(path)
        except ScenarioError as error:
            malformed.append(MalformedFile(path=str(path), error=str(error)))
            continue
        if update and not result.ok:
            changes = _write(path, result)
            if changes:
                updated.append(str(path))
                result = run_file(
                    path
                )  # what cannot be updated still differs: a declaration, an expected error
                if not json:
                    print(changes, end="")
        results.append(result)
    report = _report(results, malformed, updated)
    if json:
        print_json(report)
    else:
        _print(report)
    if malformed:
        return int(ExitCode.INPUT)
    return int(ExitCode.OK if report.ok else ExitCode.FAILED)


def _write(path: Path, result: FileResult) -> str:
    """Write a file with what happened as its expectations; return the changes as a diff."""
    before = path.read_text("utf-8")
    path.write_text(result.updated, "utf-8")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), result.updated.splitlines(keepends=True), str(path), str(path)
    )
    return "".join(lines)


def _report(results: list[FileResult], malformed: list[MalformedFile], updated: list[str]) -> ScenarioReport:
    scenarios = [scenario for result in results for scenario in result.scenarios]
    failed = sum(bool(scenario.mismatches) for scenario in scenarios)
    return ScenarioReport(
        ok=not failed and not malformed,
        files=[msgspec.structs.replace(result, updated="") for result in results],
        malformed=malformed,
        scenarios=len(scenarios),
        failed=failed,
        commands=sum(scenario.commands for scenario in scenarios),
        checks=sum(scenario.checks for scenario in scenarios),
        updated=updated,
    )


def _print(report: ScenarioReport) -> None:
    """Print what differs, and a summary; what is malformed goes to stderr."""
    for result in report.files:
        for scenario in result.scenarios:
            for mismatch in scenario.mismatches:
                print("\n".join(_lines(result.path, scenario.title, mismatch)))
    for each in report.malformed:
        print(f"ringmatch: {each.error}", file=sys.stderr)
    ends = [f"{report.failed:,} of them differ"] if report.failed else []
    ends += [f"{_count(len(report.updated), 'file')} updated"] if report.updated else []
    ends += [f"{_count(len(report.malformed), 'file')} malformed"] if report.malformed else []
    print(
        f"{_count(report.scenarios, 'scenario')} in {_count(len(report.files), 'file')}, "
        f"{_count(report.commands, 'command')}, {_count(report.checks, 'check')}: "
        f"{', '.join(ends) or 'all as expected'}"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _lines(path: str, title: str, mismatch: Mismatch) -> list[str]:
    """Return a mismatch for people: where, the statement, the diff."""
    return [
        f"{path}:{mismatch.line}: {title}",
        f"    {mismatch.statement}",
        *(f"  {row}" for row in mismatch.diff),
        "",
    ]
