"""``ringmatch inject``: feed a running pipeline from a file or a generator, and account for every outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.exit_codes import CommandError, ExitCode, explain

app = typer.Typer(
    help="Feed a running pipeline: FIX logs, binary order files, Nasdaq ITCH files, generated flow.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

Data = Annotated[Path, typer.Option(help="Data directory of the running pipeline.")]
Rate = Annotated[float, typer.Option(min=0, help="Commands a second on a fixed schedule; 0 sends flat out.")]
Speed = Annotated[
    float, typer.Option(min=0, help="Times the recorded timestamps: 1 as recorded, 10 ten times as fast.")
]
Out = Annotated[
    Path | None, typer.Option(help="Write each outcome released for these sessions as a JSON line.")
]
Reply = Annotated[
    Path | None, typer.Option(help="Write the FIX messages (8, 9, r, 3, j) that answer these sessions.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout.")]
OnErrorOption = Annotated[
    str, typer.Option(help="A malformed record: stop (say what was sent), or skip, count and go on.")
]
Window = Annotated[
    int, typer.Option(min=0, help="Most commands unanswered at a time; 0 lets the injector choose.")
]
CancelOnClose = Annotated[
    bool,
    typer.Option(
        "--cancel-on-close", help="The sessions' orders end with them: at the end, or if this dies."
    ),
]
DEFAULT_DATA = Path("ringmatch-data")


@app.command()
def fix(
    file: Path,
    data: Data = DEFAULT_DATA,
    rate: Rate = 0.0,
    speed: Speed = 0.0,
    out: Out = None,
    reply: Reply = None,
    on_error: OnErrorOption = "stop",
    window: Window = 0,
    cancel_on_close: CancelOnClose = False,
    as_json: Json = False,
) -> int:
    """Inject a FIX 4.2 or 4.4 log (D, F, G, H, q), fields separated by SOH or |; SenderCompID names the session."""

    def open_source(port: Any) -> Any:
        from protocols.fix import FixSource

        return FixSource(str(file), port.directory, on_error=_policy(on_error))

    return _inject(
        open_source, data, rate, speed, out, on_error, window, as_json, reply, cancel_on_close=cancel_on_close
    )


@app.command()
def binary(
    file: Path,
    data: Data = DEFAULT_DATA,
    rate: Rate = 0.0,
    speed: Speed = 0.0,
    out: Out = None,
    on_error: OnErrorOption = "stop",
    window: Window = 0,
    cancel_on_close: CancelOnClose = False,
    as_json: Json = False,
) -> int:
    """Inject a binary order file (docs/binary-format.md)."""

    def open_source(port: Any) -> Any:
        from protocols.binary import BinarySource

        return BinarySource(str(file), port.directory, on_error=_policy(on_error))

    return _inject(
        open_source, data, rate, speed, out, on_error, window, as_json, cancel_on_close=cancel_on_close
    )


@app.command()
def itch(
    file: Path,
    data: Data = DEFAULT_DATA,
    rate: Rate = 0.0,
    speed: Speed = 0.0,
    out: Out = None,
    on_error: OnErrorOption = "stop",
    window: Window = 0,
    cancel_on_close: CancelOnClose = False,
    as_json: Json = False,
    account: Annotated[str, typer.Option(help="Account that owns the feed's orders.")] = "ITCH",
    session: Annotated[str, typer.Option(help="Session that sends them.")] = "ITCH",
) -> int:
    """Inject a Nasdaq ITCH 5.0 file as order flow; symbols that the venue does not list are added first.

    Displayed orders rest without matching, executions are orders that take exactly those shares of exactly
    that order: after the last message the books are those that the feed describes, order by order.
    """

    def open_source(port: Any) -> Any:
        from gateway.define import define_symbols
        from protocols.itch import ItchSource, scan_symbols

        define_symbols(port, scan_symbols(str(file)), session)
        return ItchSource(
            str(file), port.directory, on_error=_policy(on_error), account=account, session=session
        )

    return _inject(
        open_source, data, rate, speed, out, on_error, window, as_json, cancel_on_close=cancel_on_close
    )


@app.command()
def synthetic(
    orders: Annotated[int, typer.Option(min=1, help="How many commands to send.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes. ClOrdIDs differ between seeds.")] = 1,
    profile: Annotated[str, typer.Option(help="normal, deep, swing, swing-wide, crash or moves.")] = "normal",
    session: Annotated[str, typer.Option(help="Session that sends them.")] = "SYN",
    data: Data = DEFAULT_DATA,
    rate: Rate = 0.0,
    out: Out = None,
    window: Window = 0,
    cancel_on_close: CancelOnClose = False,
    as_json: Json = False,
) -> int:
    """Inject a generated flow: half new orders (15% IOC), 41% cancels, 9% replaces around a random walk."""

    def open_source(port: Any) -> Any:
        from protocols.flow import PROFILES, SyntheticSource

        if profile not in PROFILES:
            raise CommandError(
                f"--profile: expected one of {', '.join(PROFILES)}, was {profile!r}", ExitCode.USAGE
            )
        return SyntheticSource(port.directory, orders, seed, profile=profile, session=session)

    return _inject(
        open_source, data, rate, 0.0, out, "stop", window, as_json, cancel_on_close=cancel_on_close
    )


def _policy(on_error: str) -> Literal["stop", "skip"]:
    """Check what to do about malformed records."""
    if on_error == "stop":
        return "stop"
    if on_error == "skip":
        return "skip"
    raise CommandError(f"--on-error: expected stop or skip, was {on_error!r}", ExitCode.USAGE)


def _inject(
    open_source: Callable[[Any], Any],
    data: Path,
    rate: float,
    speed: float,
    out: Path | None,
    on_error: str,
    window: int,
    as_json: bool,
    reply: Path | None = None,
    *,
    cancel_on_close: bool = False,
) -> int:
    """Inject, print the summary, return the exit code."""
    if rate and speed:
        raise CommandError("expected --rate or --speed, were both", ExitCode.USAGE)
    _policy(on_error)
    from cli.warm import compile_with_bar

    compile_with_bar(lambda line: print(line, file=sys.stderr))
    summary, code = run_injection(
        open_source, data, rate, speed, out, window, reply, cancel_on_close=cancel_on_close
    )
    _report(summary, as_json)
    return code


def run_injection(
    open_source: Callable[[Any], Any],
    data: Path,
    rate: float = 0.0,
    speed: float = 0.0,
    out: Path | None = None,
    window: int = 0,
    reply: Path | None = None,
    *,
    cancel_on_close: bool = False,
) -> tuple[Any, int]:
    """Attach, send, write what comes back; return the summary and the exit code."""
    from gateway.inject import Injector
    from gateway.port import CutOff, GatewayError, NotRunning, Port

    with ExitStack() as stack:
        port = stack.enter_context(Port(data, window, cancel_on_close=cancel_on_close))
        source = stack.enter_context(open_source(port))
        sinks: list[Any] = []
        if out is not None:
            from gateway.sinks import LinesSink

            sinks.append(stack.enter_context(LinesSink(out, port)))
        if reply is not None:
            from gateway.sinks import FixSink

            sinks.append(stack.enter_context(FixSink(reply, port, source)))
        bar = stack.enter_context(_Bar(source))

        def take(outcomes: Any) -> None:
            for sink in sinks:
                sink.write(outcomes)

        injector = Injector(port, source, rate=rate, speed=speed, on_outcomes=take, on_progress=bar.update)
        code = ExitCode.OK
        try:
            summary = injector.run()
            if summary.error:
                code = ExitCode.INPUT
        except (CutOff, NotRunning, KeyboardInterrupt) as problem:
            code = explain(problem)[0] if isinstance(problem, GatewayError) else ExitCode.INTERRUPTED
            summary = injector.summary(str(problem) or "interrupted")
    for error in source.errors if not summary.error else []:
        print(f"ringmatch: skipped: {error}", file=sys.stderr)
    return summary, int(code)


def _report(summary: Any, as_json: bool) -> None:
    import msgspec

    if as_json:
        print(msgspec.json.encode(summary).decode())
    else:
        print(f"{summary.source}: {summary.sent:,} sent, {summary.answered:,} answered, {summary.unanswered:,} not, "
              f"in {summary.seconds:.3f} s ({summary.per_second:,.0f}/s)")  # fmt: skip
        shown = ", ".join(f"{count:,} {kind}" for kind, count in summary.types.items() if count)
        print(f"outcomes: {shown or 'none'}")
        if summary.rejects:
            print(
                "rejects: "
                + ", ".join(f"{count:,} {reason}" for reason, count in sorted(summary.rejects.items()))
            )
        latency = summary.latency_ns
        if latency.get("count"):
            parts = [f"{name} {latency[name] / 1000:,.1f}" for name in ("p50", "p90", "p99", "p99.9", "max")]
            print("latency from scheduled send to answer, µs: " + ", ".join(parts))
        if summary.skipped:
            print(f"skipped: {summary.skipped:,} malformed records")
    if summary.error:
        print(f"ringmatch: {summary.error}", file=sys.stderr)
        print(f"ringmatch: {summary.answered:,} commands were sent and answered, "
              f"{summary.unanswered:,} sent unanswered, the rest not sent", file=sys.stderr)  # fmt: skip


class _Bar:
    """Progress on stderr, if it is a terminal: share of the file, rate, lag, fills."""

    REFRESH_S = 0.1

    def __init__(self, source: Any) -> None:
        self._source = source
        self._progress: Any = None
        self._next = 0.0

    def __enter__(self) -> _Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[rate]:>9,.0f}/s  lag {task.fields[lag]:>6,}  fills {task.fields[fills]:>7,}"),
            )  # fmt: skip
            self._progress = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
            self._progress.start()
            total = getattr(self._source, "total_commands", 0) or self._source.total_bytes
            name = Path(self._source.path).name
            self._task = self._progress.add_task(name, total=total or None, rate=0.0, lag=0, fills=0)
        return self

    def update(self, injector: Any) -> None:
        if self._progress is None:
            return
        import time

        now = time.monotonic()
        if now < self._next and not injector.ended:
            return
        self._next = now + self.REFRESH_S
        done = injector.sent if getattr(self._source, "total_commands", 0) else self._source.position
        elapsed = max((injector.ended or now) - injector.started, 1e-9)
        self._progress.update(
            self._task, completed=done, rate=injector.sent / elapsed, lag=injector.port.unanswered,
            fills=injector.fills, refresh=True,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
