"""``ringmatch start``: the supervisor of one pipeline, in the foreground or detached."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import ProgressBar

LOG = "pipeline.log"


def start(
    config: Annotated[
        Path | None, typer.Option(help="venue.toml; without it a small default venue serves.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data directory: journal and status. Default: ringmatch-data.")
    ] = None,
    cores: Annotated[
        str | None, typer.Option(help="Cores for the workers, such as 0,1 or 2-5; all are used.")
    ] = None,
    durability: Annotated[
        str | None,
        typer.Option(help="When an outcome may leave: fsync (on disk), os (in the page cache), none."),
    ] = None,
    detach: Annotated[
        bool, typer.Option(help="Return as soon as the pipeline is ready; it runs on.")
    ] = False,
) -> int:
    """Start the pipeline: recover from the journal if there is one, pin the workers, print the plan and `ready`.

    Ctrl-C and SIGTERM drain and stop: what was sequenced is matched, journaled and released, what was not is
    not acknowledged. A second start on the same data directory is refused.
    """
    from stages.config import default_config, load_config, overridden
    from stages.host import available_cores, parse_cores
    from stages.plan import make_plan

    venue = load_config(config) if config is not None else default_config()
    venue = overridden(venue, data_dir=str(data) if data else None, durability=durability)
    try:
        pinned = parse_cores(cores) if cores else None
    except ValueError as error:
        raise CommandError(f"--cores: {error}", ExitCode.USAGE) from error
    plan = make_plan(venue, available_cores(), pinned)
    if detach:
        return _detached(venue, plan)
    return serve(venue, plan)


def serve(venue: Any, plan: Any, ready_fd: int | None = None, disk: Any = None, standby: Any = None) -> int:
    """Run a supervisor to its end; tell a detaching parent through ``ready_fd``. ``disk`` is for tests.

    ``standby`` is the replay of a standby that is promoted.
    """
    say = _Say(ready_fd)
    _warm(say)
    from stages.supervisor import Supervisor, WorkerDied

    supervisor = Supervisor(venue, plan, disk, standby)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, supervisor.ask_to_stop)
    try:
        return _serve(venue, supervisor, say)
    except WorkerDied as error:
        say.line(f"error: {error}; nothing was released after it. Start again to recover.")
        raise CommandError(str(error), ExitCode.DISK if error.disk else ExitCode.WORKER_DIED) from error


def _serve(venue: Any, supervisor: Any, say: _Say) -> int:
    with ProgressBar("recovering", shown=say.is_terminal) as bar:
        supervisor.start(bar.update)
    if supervisor.recovered_torn is not None:
        say.line(f"journal: a torn tail was cut off and kept in {supervisor.recovered_torn}")
    if supervisor.recovered_seq:
        behind = supervisor.recovered_snapshot_seq
        replayed = supervisor.recovered_seq - behind
        source = f"a snapshot at {behind:,} and {replayed:,} commands of " if behind else ""
        say.line(f"recovered {supervisor.recovered_seq:,} commands from {source}the journal")
    for warning in supervisor.warnings:
        say.line(f"warning: {warning}")
    say.line(f"venue {venue.venue.name}, durability {venue.venue.durability}, wait {venue.plan.wait}, "
             f"data {venue.venue.data_dir}")  # fmt: skip
    for index, worker in enumerate(supervisor.plan):
        where = f"core {worker.core}" if worker.core >= 0 else "not pinned"
        say.line(f"worker {index + 1}: {' + '.join(worker.stages)} → {where} (pid {supervisor.pids[index]})")
    say.line("ready")
    say.ready()
    supervisor.serve()
    last = supervisor.last_run
    assert last is not None
    say.line(
        f"stopped at sequence {last.last_seq:,}, state {last.state_digest}, outcomes {last.outcome_digest}"
    )
    return int(ExitCode.OK)


class _Say:
    """Lines to stdout, and the word that the pipeline is ready to whoever detached it."""

    def __init__(self, ready_fd: int | None) -> None:
        self._ready_fd = ready_fd

    def line(self, text: str) -> None:
        print(text, flush=True)
        if self._ready_fd is not None:
            os.write(self._ready_fd, (text + "\n").encode())

    def ready(self) -> None:
        if self._ready_fd is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._ready_fd)  # not closed: the number must not become another file's
            os.close(null)
            self._ready_fd = None

    @property
    def is_terminal(self) -> bool:
        return self._ready_fd is None and sys.stderr.isatty()


def _warm(say: _Say) -> None:
    """Compile the kernels if that was never done, then load those of the pipeline."""
    from cli.warm import compile_with_bar, load_pipeline

    compile_with_bar(say.line, say.is_terminal)
    load_pipeline()


def _detached(venue: Any, plan: Any) -> int:
    """Fork a session leader that serves; repeat what it says until it is ready or has failed."""
    data_dir = Path(venue.venue.data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = int(ExitCode.INTERNAL)
        try:
            os.close(read_fd)
            os.setsid()
            _redirect(data_dir / LOG)
            from cli.exit_codes import explain

            try:
                code = serve(venue, plan, write_fd)
            except BaseException as error:
                number, line = explain(error)
                code = int(number)
                print(f"ringmatch: {line}", flush=True)
                if not isinstance(error, CommandError) or "worker" not in str(error):
                    _tell(write_fd, f"ringmatch: {line}")
        finally:
            os._exit(code)
    os.close(write_fd)
    said = ""
    with os.fdopen(read_fd, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            said = line.rstrip("\n")
            print(said, file=sys.stderr if said.startswith("ringmatch: ") else sys.stdout, flush=True)
            if said == "ready":
                break  # the workers hold the pipe too: its end would never come
    if said == "ready":
        print(f"detached, pid {pid}, log {data_dir / LOG}")
        return int(ExitCode.OK)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _tell(fd: int, line: str) -> None:
    try:
        os.write(fd, (line + "\n").encode())
    except OSError:
        pass  # the parent has seen `ready` and left


def _redirect(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDONLY)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
