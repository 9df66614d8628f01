"""``ringmatch bench``: run the benchmarks of a checkout, print what came of them, keep it, write the page.

The benchmarks are no part of the installed packages: they are found beside them, in a checkout (or an
installation that points to one, ``pip install --editable``).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.warm import compile_with_bar

NAMES = ("ring", "matching", "scale", "risk", "pipeline", "replay", "recovery", "start", "journal")
ALL = "all"


def bench(
    what: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}, or {ALL}.")] = ALL,
    quick: Annotated[
        bool, typer.Option("--quick", help="Less of everything: minutes instead of a quarter of an hour.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the sections as JSON.")] = False,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the results, and write the page that shows all kept."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where results are kept. Default: benchmarks/results/."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Where journals are written: chooses the disk."),
    ] = None,
    render: Annotated[
        bool, typer.Option("--render", help="Run nothing: show, or write, what is kept.")
    ] = False,
) -> int:
    """Measure ring, kernels, pipeline, replay, recovery, start and journal; every result is verified.

    A figure holds for the machine, its load and the distance of its cores at that moment: the tables say all
    three. Goals that are missed are shown, and do not fail the command; a run that lost something does.
    """
    if what != ALL and what not in NAMES:
        raise CommandError(f"expected one of {', '.join(NAMES)}, {ALL}, was {what!r}", ExitCode.USAGE)
    if directory is not None and not directory.is_dir():
        raise CommandError(f"--dir: expected a directory, was {str(directory)!r}", ExitCode.USAGE)
    suite, report, measure = find_benchmarks()
    kept = results or suite.results_file()
    names = list(NAMES) if what == ALL else [what]
    if not render:
        compile_with_bar(_say)
    try:
        sections = suite.load_results(kept).sections if render else {}
        if not render:
            keep = _Keep(suite, kept if write is not None else None)
            sections = suite.run_all(names, "quick" if quick else "full", directory, _say, keep)
    except measure.NotVerified as error:
        raise CommandError(f"benchmark not verified: {error}", ExitCode.FAILED) from error
    shown = {name: section for name, section in sections.items() if name in names}
    if write is not None:
        stored = suite.load_results(kept)
        write.parent.mkdir(parents=True, exist_ok=True)
        write.write_text(report.document(stored), encoding="utf-8")
        _say(f"results in {kept}, page in {write}")
    _print(shown, as_json, report)
    for goal in [goal for section in shown.values() for goal in section.goals if not goal.met]:
        _say(report.goal_text(goal).replace("**", ""))
    return int(ExitCode.OK)


class _Keep:
    """Stores each section when it is there: a benchmark that fails later takes none with it."""

    def __init__(self, suite: Any, path: Path | None) -> None:
        self._suite = suite
        self._path = path

    def __call__(self, section: Any) -> None:
        if self._path is not None:
            self._suite.save_results(self._path, {section.bench: section})


def _print(sections: dict[str, Any], as_json: bool, report: Any) -> None:
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(sections), indent=1).decode())
    else:
        print("\n".join(report.section_text(section) + "\n" for section in sections.values()), end="")


def _say(line: str) -> None:
    print(f"ringmatch: {line}", file=sys.stderr, flush=True)


def find_benchmarks(root: Path | None = None) -> tuple[Any, Any, Any]:
    """Return the modules suite, report and measure of ``benchmarks``, which lies beside the packages of a checkout."""
    checkout = root or Path(__file__).resolve().parent.parent
    if not (checkout / "benchmarks" / "suite.py").is_file():
        raise CommandError(
            f"bench: expected the benchmarks in {checkout / 'benchmarks'}, was nothing; they are not installed: "
            "run it from a checkout of the sources (make bench)",
            ExitCode.USAGE,
        )
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
        importlib.invalidate_caches()
    suite, report, measure = (
        importlib.import_module(f"benchmarks.{name}") for name in ("suite", "report", "measure")
    )
    return suite, report, measure
