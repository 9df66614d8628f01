"""``ringmatch replay``: rebuild the state from the journal alone, with the kernels that ran live.

Reads the journal of a data directory, also beside a pipeline that writes it; writes the file of ``--out`` only.
What the live pipeline journaled about itself (digests at checkpoints and at each clean stop) is compared on the
way, always: ``--verify`` makes the verdict the result of the command.

Exit codes: 1 a journaled digest differs (with ``--verify``), 2 ``--to`` lies beyond the journal, 7 the journal is
corrupt or of another layout, 8 there is none.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from cli.exit_codes import CommandError, ExitCode
from cli.history import WHEN_HELP, DataDirectory, data_directory, load_kernels, moment_of
from cli.render import Json, ProgressBar, print_json, rate_text

if TYPE_CHECKING:
    from stages.replay import Replayer, ReplayResult

__all__ = ["ReplayReport", "replay"]

EXAMPLE: Final = """
\b
    ringmatch replay ringmatch-data --verify
    ringmatch replay ringmatch-data --to 14:30:00 --out outcomes.jsonl
"""


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``replay --json`` prints."""

    directory: str
    first_seq: int
    last_seq: int
    commands: int
    state_digest: str
    outcome_digest: str
    checkpoints: int
    state_checks: int
    verified: bool | None  # none: there was nothing to compare
    agreed_seq: int
    diverged_seq: int
    diverged_what: str
    outcome_lines: int
    feed_lines: int
    seconds: float
    commands_per_second: float


def replay(
    directory: DataDirectory,
    to: Annotated[
        str | None, typer.Option("--to", metavar="SEQ|TIME", help=f"Where to stop: {WHEN_HELP}.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write each outcome of an order as a JSON line.")] = None,
    feed: Annotated[
        Path | None, typer.Option(help="Write market data, order by order, as JSON lines.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Fail (exit code 1) if a journaled digest differs.")
    ] = False,
    json: Json = False,
) -> int:
    """Rebuild the state from the journal alone, and hold it against the digests that the journal carries."""
    from stages.replay import Replayer

    directory = data_directory(directory)
    replayer = Replayer(directory, to_seq=moment_of(directory, "--to", to).seq if to is not None else 0)
    last_seq = replayer.to_seq or _durable_seq(replayer.directory)
    load_kernels()
    with ExitStack() as stack:
        writers = {
            path: kind(stack.enter_context(open(path, "wb")), replayer)
            for path, kind in ((out, _LineWriter), (feed, _FeedWriter))
            if path is not None
        }

        def write(outcomes: Any) -> None:
            for writer in writers.values():
                writer(outcomes)

        bar = stack.enter_context(ProgressBar("replaying", last_seq))
        started_ns = time.perf_counter_ns()
        result = replayer.run(write if writers else None, bar.update)
        seconds = (time.perf_counter_ns() - started_ns) / 1e9
    lines = {
        kind: sum(w.lines for w in writers.values() if type(w) is kind) for kind in (_LineWriter, _FeedWriter)
    }
    report = _report(replayer, result, seconds, lines[_LineWriter], lines[_FeedWriter])
    if json:
        print_json(report)
    else:
        print("\n".join(_describe(report)))
    if result.verified:
        return int(ExitCode.OK)
    if not verify:
        print(f"ringmatch: warning: {_parting(report)}", file=sys.stderr)
        return int(ExitCode.OK)
    raise CommandError(_parting(report), ExitCode.FAILED)


class _Writer:
    """Writes what a replay tells into a file."""

    def __init__(self, file: Any, replayer: Replayer) -> None:
        self._file = file
        self._replayer = replayer
        self.lines = 0

    def __call__(self, outcomes: Any) -> None:
        """Take outcomes as they come."""
        raise AssertionError("a writer implements this")


class _FeedWriter(_Writer):
    """Writes market data as lines."""

    def __call__(self, outcomes: Any) -> None:
        """Write the outcomes that everybody may know."""
        from protocols.feed_lines import FeedLines
        from protocols.market_data import events_of
        from protocols.outcomes import is_public
        from stages.definitions import directory_of

        assert self._replayer.core is not None
        lines = FeedLines(directory_of(self._replayer.core.state.risk))
        for event in events_of(outcomes[is_public(outcomes)]):
            if event.seq:
                self._file.write(lines.encode(event))
                self.lines += 1


class _LineWriter(_Writer):
    """Writes outcomes as lines, with the names that the core has learned so far."""

    def __init__(self, file: Any, replayer: Replayer) -> None:
        super().__init__(file, replayer)
        self._encoder: Any = None
        self._known = (0, 0, 0)

    def __call__(self, outcomes: Any) -> None:
        """Write the outcomes that are about orders."""
        from protocols.outcome_lines import OutcomeLines
        from stages.definitions import directory_of
        from stages.history import session_names_of
        from stages.state_words import RW_SESSIONS

        core = self._replayer.core
        assert core is not None
        risk = core.state.risk
        # names are only ever added, so that counts tell whether there are new ones
        known = (
            int(risk.words[RW_SESSIONS]),
            int((risk.instruments["known"] != 0).sum()),
            int((risk.accounts["known"] != 0).sum()),
        )
        if self._encoder is None:
            self._encoder = OutcomeLines(directory_of(risk), session_names_of(core))
        elif known != self._known:
            self._encoder.update(directory_of(risk), session_names_of(core))
        self._known = known
        lines = self._encoder.encode(outcomes)
        self.lines += lines.count(b"\n")
        self._file.write(lines)


def _durable_seq(directory: Path) -> int | None:
    """Return where a replay to the end will end, as far as the meta file knows."""
    from journal.meta import read_meta

    meta = read_meta(directory)
    return meta.durable_seq if meta else None


def _report(
    replayer: Replayer, result: ReplayResult, seconds: float, lines: int, feed_lines: int
) -> ReplayReport:
    compared = result.checkpoints + result.state_checks
    return ReplayReport(
        directory=str(replayer.directory),
        first_seq=result.first_seq,
        last_seq=result.last_seq,
        commands=result.commands,
        state_digest=result.state_digest,
        outcome_digest=result.outcome_digest,
        checkpoints=result.checkpoints,
        state_checks=result.state_checks,
        verified=result.verified if compared else None,
        agreed_seq=result.last_checkpoint_seq if result.verified else result.diverged_after_seq,
        diverged_seq=result.diverged_seq,
        diverged_what=result.diverged_what,
        outcome_lines=lines,
        feed_lines=feed_lines,
        seconds=round(seconds, 6),
        commands_per_second=round(result.commands / seconds, 1) if seconds else 0.0,
    )


def _parting(report: ReplayReport) -> str:
    """Say where the replay and the live run part."""
    agreed = f"they agreed last at {report.agreed_seq:,}" if report.agreed_seq else "they never agreed before"
    return (
        f"{report.directory}: the digest of {report.diverged_what} at sequence {report.diverged_seq:,} is not the "
        f"journaled one; {agreed}"
    )


def _describe(report: ReplayReport) -> list[str]:
    """Describe a replay in lines of `what: value`."""
    lines = [
        f"journal: {report.directory}, sequences {report.first_seq:,} to {report.last_seq:,}",
        f"replayed: {report.commands:,} commands in {report.seconds:.3f} s, "
        f"{rate_text(report.commands_per_second)}",
        f"state digest: {report.state_digest or 'none'}",
        f"outcome digest: {report.outcome_digest or 'none'}",
    ]
    if report.outcome_lines:
        lines.append(f"outcomes written: {report.outcome_lines:,}")
    if report.feed_lines:
        lines.append(f"market data written: {report.feed_lines:,}")
    digests = (
        f"{_count(report.checkpoints, 'checkpoint')} and {_count(report.state_checks, 'final state digest')}"
    )
    if report.verified is None:
        lines.append("digests: nothing to compare, the journal has no checkpoint up to here")
    elif report.verified:
        lines.append(
            f"digests: equal to those journaled ({digests}), the last at sequence {report.agreed_seq:,}"
        )
    else:
        lines.append(f"digests: DIFFERENT from those journaled ({digests})")
    return lines


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
