"""``ringmatch standby`` and ``ringmatch promote``: a core that follows a running pipeline, and takes its place.

Exit codes: of a standby that was not promoted 0 after Ctrl-C, 7 a digest differs or the journal is damaged, 8 there is
no journal; of one that was, those of ``start``. Of ``promote``: 4 no standby follows this directory, 1 it was not ready
in time.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import ProgressBar

if TYPE_CHECKING:
    from stages.standby import Standby

__all__ = ["promote", "standby"]

STATUS_FILE: Final = "standby.json"
IDLE_S: Final = 0.002
LOOK_S: Final = 0.02
TELL_S: Final = 1.0
PROMOTE_TIMEOUT_S: Final = 30.0


def standby(
    follow: Annotated[
        Path,
        typer.Option("--follow", metavar="DIR", help="Data directory of the pipeline.", show_default=False),
    ],
    config: Annotated[Path | None, typer.Option(help="venue.toml, as the pipeline was started with.")] = None,
    cores: Annotated[
        str | None, typer.Option(help="Cores for the workers once promoted, as for `start`.")
    ] = None,
    durability: Annotated[str | None, typer.Option(help="Once promoted, as for `start`.")] = None,
    snapshot_every: Annotated[
        int, typer.Option(min=0, metavar="N", help="Take a snapshot every N commands; 0 for never.")
    ] = 0,
    manual: Annotated[
        bool, typer.Option("--manual", help="Wait for `ringmatch promote` also when the pipeline is gone.")
    ] = False,
) -> int:
    """Follow a pipeline's journal with the same kernels, compare its digests, and take its place when it is gone.

    A pipeline that was stopped in order is waited for. One that hangs is ended by `ringmatch promote DIR`.
    """
    from stages.config import default_config, load_config, overridden
    from stages.host import available_cores, parse_cores
    from stages.plan import make_plan

    venue = load_config(config) if config is not None else default_config()
    venue = overridden(venue, data_dir=str(follow), durability=durability)
    try:
        pinned = parse_cores(cores) if cores else None
    except ValueError as error:
        raise CommandError(f"--cores: {error}", ExitCode.USAGE) from error
    plan = make_plan(venue, available_cores(), pinned)

    from cli.warm import compile_with_bar, load_pipeline

    compile_with_bar(lambda line: print(line, flush=True))
    load_pipeline()
    from stages.replay import IN_FLIGHT
    from stages.standby import Standby

    follower = Standby(
        follow, in_flight=max(IN_FLIGHT, venue.rings.input_slots), snapshot_every=snapshot_every,
        keep=venue.snapshots.keep,
    )  # fmt: skip
    if not _Follow(follower, manual).run():
        return int(ExitCode.OK)
    from cli.start import serve

    return serve(venue, plan, standby=follower.release())


class _Follow:
    """The loop of a standby, until it is promoted or asked to leave."""

    def __init__(self, follower: Standby, manual: bool) -> None:
        self._standby, self._manual = follower, manual
        self._path = follower.data_dir / STATUS_FILE
        self._asked_to_promote = self._asked_to_leave = False
        self._said = ""

    def run(self) -> bool:
        """Follow; return True to be promoted, False to leave."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._leave)
        signal.signal(signal.SIGUSR1, self._promote)
        try:
            with ProgressBar("catching up") as bar:
                self._standby.catch_up(bar.update)
            self._say(f"standby: at sequence {self._standby.last_seq:,}, following (pid {os.getpid()})")
            return self._follow()
        finally:
            self._path.unlink(missing_ok=True)

    def _follow(self) -> bool:
        from stages.fencing import fence
        from stages.standby import Primary

        next_look = next_word = 0.0
        while not self._asked_to_leave:
            count = self._standby.step()
            now = time.monotonic()
            if now >= next_word:
                next_word = now + TELL_S
                self._tell()
            if self._asked_to_promote:
                if killed := fence(self._standby.data_dir):
                    self._say(f"standby: ended {len(killed)} processes of the pipeline that hung")
                return True
            if now >= next_look:
                next_look = now + LOOK_S
                primary = self._standby.primary()
                if primary is Primary.GONE and not self._manual:
                    self._say(f"standby: the pipeline is gone, taking over at {self._standby.last_seq:,}")
                    return True
                if primary is not Primary.RUNNING:
                    self._say(f"standby: the pipeline is {primary.value}, waiting")
                elif self._said.endswith("waiting"):
                    self._say("standby: the pipeline runs again, following")
            if not count:
                select.select([], [], [], IDLE_S)
        return False

    def _tell(self) -> None:
        """Say in a file who and where this standby is, for `promote` and `status`."""
        from ringbuffer.liveness import process_start_time

        facts = {
            "pid": os.getpid(),
            "start": process_start_time(os.getpid()),
            "seq": self._standby.last_seq,
            "snapshots": self._standby.snapshots_taken,
            "updated_ns": time.time_ns(),
        }
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(facts))
        temporary.replace(self._path)

    def _say(self, line: str) -> None:
        if line != self._said:
            self._said = line
            print(line, flush=True)

    def _leave(self, *_: Any) -> None:
        self._asked_to_leave = True

    def _promote(self, *_: Any) -> None:
        self._asked_to_promote = True


def promote(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Data directory that a standby follows.")],
    timeout: Annotated[float, typer.Option(min=0, metavar="S", help="Seconds to wait until it serves.")] = (
        PROMOTE_TIMEOUT_S
    ),
) -> int:
    """Let the standby of a data directory take over now; a pipeline that still runs, or hangs, is killed first.

    What that pipeline had acknowledged is in the journal, and the standby has it. It publishes nothing afterwards.
    """
    from ringbuffer.liveness import is_alive
    from stages.instance import holder_of
    from stages.memory import pipeline_id
    from stages.observe import look

    try:
        facts = json.loads((data / STATUS_FILE).read_text())
        pid, start = int(facts["pid"]), int(facts["start"])
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(
            f"{data}: expected a standby that follows it, was none", ExitCode.NOT_RUNNING
        ) from error
    if not is_alive(pid, start):
        raise CommandError(f"{data}: the standby (pid {pid}) is dead", ExitCode.NOT_RUNNING)
    begun_s = time.monotonic()
    os.kill(pid, signal.SIGUSR1)
    while time.monotonic() < begun_s + timeout:
        if holder_of(pipeline_id(data)) == pid and _is_ready(look, data, pid):
            print(f"promoted: pid {pid} serves {data} after {time.monotonic() - begun_s:.3f} s")
            return int(ExitCode.OK)
        if not is_alive(pid, start):
            break
        select.select([], [], [], IDLE_S)
    print(f"ringmatch: {data}: the standby (pid {pid}) does not serve after {timeout:g} s", file=sys.stderr)
    return int(ExitCode.FAILED)


def _is_ready(look: Any, data: Path, pid: int) -> bool:
    from ringbuffer.errors import RingbufferError

    try:
        snapshot = look(data)
    except RingbufferError:
        return False
    return bool(snapshot.state == "ready" and snapshot.supervisor_pid == pid)
