"""The commands of ``ringmatch``, each loaded when it is called.

A command is a row of :data:`COMMANDS`: its name, the module and object that implement it, and one line of
help. ``ringmatch --help`` shows the rows and imports none of the modules, so that it stays fast and never
loads Numba; calling a command imports its module alone. The object is a function, which Typer turns into a
command, or a ``typer.Typer`` with commands of its own.

Failure modes: whatever a command raises becomes one line on stderr and an exit code of
:mod:`cli.exit_codes`; ``RINGMATCH_TRACEBACK=1`` adds the traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from cli.exit_codes import ExitCode, explain

__all__ = ["COMMANDS", "Row", "main"]


class Row(NamedTuple):
    """Where a command is implemented, and its line in ``ringmatch --help``."""

    target: str  # module:object
    help: str


COMMANDS: Final[dict[str, Row]] = {
    "start": Row("cli.start:start", "Start the pipeline: recover, pin the workers, serve."),
    "inject": Row("cli.inject:app", "Feed a running pipeline: FIX, binary, ITCH, synthetic."),
    "status": Row(
        "cli.status:status", "Show the pipeline: state, cursors, lag, latency, workers; or its last run."
    ),
    "top": Row("cli.top:top", "Watch the pipeline live: rates, lag, latency, workers."),
    "feed": Row("cli.feed:feed", "Show a book live, or print its changes as JSON lines."),
    "state": Row("cli.state_commands:app", "Show trading states, or bring instruments into others."),
    "schedule": Row("cli.schedule_commands:app", "List, add or clear what is scheduled for groups."),
    "bands": Row("cli.bands_commands:app", "Show or set price bands."),
    "mass-cancel": Row("cli.mass_cancel:mass_cancel", "Cancel orders, of whatever session, as the operator."),
    "limits": Row("cli.limits_commands:app", "Show, set or import limits of accounts, firms, instruments."),
    "kill": Row(
        "cli.kill:kill", "Kill the venue, a firm, an account, a session, an instrument; or release it."
    ),
    "risk": Row("cli.risk_commands:app", "Report positions, money, use of limits, switches; and reconcile."),
    "standby": Row(
        "cli.standby:standby", "Follow a pipeline with the same kernels, and take its place when it is gone."
    ),
    "promote": Row("cli.standby:promote", "Let the standby of a data directory take over now."),
    "stop": Row("cli.stop:stop", "Drain and stop the pipeline."),
    "replay": Row("cli.replay:replay", "Rebuild the state from the journal and verify its digests."),
    "book": Row("cli.book:book", "Show a book as it was: at a sequence, or at a time."),
    "order": Row("cli.order:order", "Show the whole life of an order, from the journal."),
    "diff": Row("cli.diff:diff", "Find where two journals part."),
    "export": Row("cli.export:export", "Write commands and outcomes as tables: Parquet, CSV, JSON lines."),
    "scenario": Row("cli.scenario_commands:app", "Run scenario files: commands and expected outcomes."),
    "snapshot": Row(
        "cli.snapshot_commands:app", "Take, list and check snapshots, from which a start replays the rest."
    ),
    "journal": Row("cli.journal_commands:app", "Look into a journal: facts, records, verification; keep it."),
    "ring": Row("cli.ring:app", "Look at rings in shared memory: list, state of one, live."),
    "demo": Row("cli.demo:demo", "Start, inject, stop and replay once, and show that the digests agree."),
    "bench": Row(
        "cli.bench:bench", "Measure ring, kernels, pipeline, replay and start; write docs/benchmarks.md."
    ),
    "config": Row("cli.config_commands:app", "Check a venue's configuration, or print an example."),
    "doctor": Row("cli.doctor:doctor", "Show what this host means for latency; remove what dead runs left."),
}


def load_command(name: str) -> Any:
    """Import the module of a command and return the command."""
    row = COMMANDS[name]
    module, _, attribute = row.target.partition(":")
    imported = importlib.import_module(module)
    target = getattr(imported, attribute)
    if not isinstance(target, typer.Typer):
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        examples = getattr(imported, "EXAMPLE", None)  # of calls, below the options
        single.command(name, help=target.__doc__ or row.help, epilog=examples)(target)
        target = single
    command = typer.main.get_command(target)
    command.name = name
    return command


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, row in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=row.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Load the command that is called."""
        name, stub, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else stub, rest


app = typer.Typer(
    name="ringmatch",
    cls=LazyGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"ringmatch {version('ringmatch')}")
        except PackageNotFoundError:
            print("ringmatch, not installed: run from its sources")
        raise typer.Exit


@app.callback(
    help="An LMAX-style trading pipeline: pinned workers over lock-free rings, a journal, bit-exact replay.",
    epilog=f"Exit codes: {'; '.join(f'{code.value} {code.meaning}' for code in ExitCode)}.",
)
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Do nothing: there are only commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: what the command returned, if that is a number, or 0."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = typer.main.get_command(app).main(
            arguments or ["--help"], prog_name="ringmatch", standalone_mode=False
        )
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # whoever read our stdout has left; give the interpreter something to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    except Exception as error:
        return _report(error)
    return int(result) if isinstance(result, int) else int(ExitCode.OK)


def _report(error: Exception) -> int:
    """Print one line about an error and return its exit code."""
    if os.environ.get("RINGMATCH_TRACEBACK", "0") not in ("", "0"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, typer.TyperException):  # wrong usage, found by Typer
        context = getattr(error, "ctx", None)
        hint = f" (try '{context.command_path} --help')" if context else ""
        code, line = ExitCode.USAGE, f"{error.format_message().rstrip('.')}{hint}"
    else:
        code, line = explain(error)
    print(f"ringmatch: {line}", file=sys.stderr)
    return int(code)
