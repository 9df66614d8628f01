"""``ringmatch ring``: the rings in shared memory: which there are, how one stands, one live.

Reads through :mod:`ringbuffer.inspect`: mapped for reading only, no place taken, nothing written. A rate is the
difference of two looks. Never imports Numba.

Exit codes: 0, also when there are no rings to list; 2 a name that cannot be one; 13 there is no such ring.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from cli.exit_codes import CommandError, ExitCode
from cli.render import Json, latency_text, print_json, rate_text, share_bar, size_text, table
from ringbuffer import inspect
from ringbuffer.errors import SegmentMissing
from ringbuffer.inspect import FoundRing, OpenClaimStatus, OpenedRing, ParticipantStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Look", "app", "look"]

LOOKS_APART_S: Final = 0.2
MIN_INTERVAL_S: Final = 0.05
BAR_CELLS: Final = 24
PIPED_COLUMNS: Final = 120
MOST_CLAIMS: Final = 8

app = typer.Typer(
    help="Look at rings in shared memory: list, state of one, live.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A ring, as `ls` names it; the prefix may be left out.")
]


class Look(NamedTuple):
    """A ring at one moment."""

    taken_s: float
    ring: FoundRing
    participants: list[ParticipantStatus]
    claims: list[OpenClaimStatus]


@app.command()
def ls(as_json: Json = False) -> int:
    """List every ring: name, kind, memory, slots, fill, readers, owner, stale or not."""
    rings = inspect.find_rings()
    if as_json:
        print_json([ring._asdict() for ring in rings])
    elif rings:
        rows = [("ring", "producers", "memory", "slots", "size", "fill", "stream", "readers", "owner")]
        print("\n".join(table([*rows, *map(_row, rings)], right=" r rrr")))
    else:
        print("there are no rings", file=sys.stderr)
    return int(ExitCode.OK)


@app.command()
def stat(name: Name, as_json: Json = False) -> int:
    """Show how a ring stands: each participant with cursor, lag, rate, pid and heartbeat; open claims."""
    with _open(name) as ring:
        before = look(ring)
        time.sleep(LOOKS_APART_S)
        now = look(ring)
    if as_json:
        print_json(_as_data(before, now))
        return int(ExitCode.OK)
    print("\n".join(_headlines(now.ring)))
    print()
    print("\n".join(table([_COLUMNS, *_rows(before, now)], right="  rrrr r")))
    print()
    print(_claims_text(now.claims))
    return int(ExitCode.OK)


@app.command()
def watch(
    name: Name,
    interval: Annotated[
        float, typer.Option(min=MIN_INTERVAL_S, metavar="S", help="Seconds between frames.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and leave.")] = False,
) -> int:
    """Watch a ring live. Leave with q."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_COLUMNS)
    with _open(name) as ring:
        if once or not console.is_terminal:
            before = look(ring)
            time.sleep(interval)
            console.print(frame(before, look(ring)))
        elif not _watch(console, ring, interval):
            print(f"{ring.name}: is gone")
    return int(ExitCode.OK)


def _open(name: str) -> OpenedRing:
    try:
        return inspect.open_ring(name)
    except SegmentMissing as error:
        raise CommandError(f"{error} (ringmatch ring ls)", ExitCode.NO_RING) from error
    except ValueError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def look(ring: OpenedRing) -> Look:
    """Look at a ring now."""
    return Look(time.monotonic(), ring.summary(), inspect.status(ring.words), inspect.open_claims(ring.words))


def _watch(console: Any, ring: OpenedRing, interval_s: float) -> bool:
    """Draw a frame each interval, until somebody leaves (True) or the ring is gone (False)."""
    from rich.live import Live

    from cli.keyboard import single_keys

    before = now = look(ring)
    with (
        suppress(KeyboardInterrupt),  # the other way to leave
        single_keys() as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while ring.exists:
            live.update(frame(before, now), refresh=True)
            if keys.quit_within(interval_s):
                return True
            before, now = now, look(ring)
        return False
    return True


# What people read

_COLUMNS: Final = (
    "participant", "role", "cursor", "lag", "rate", "pid", "state", "heartbeat", "waits for",
)  # fmt: skip


def _row(ring: FoundRing) -> tuple[str, ...]:
    owner = f"pid {ring.owner_pid}" if ring.owner_pid else "unknown"
    return (
        ring.name,
        str(ring.producers),
        ring.memory + (", huge pages" if ring.huge_pages else ""),
        f"{ring.capacity:,}",
        size_text(ring.capacity * ring.slot_bytes),
        f"{100 * ring.fill / ring.capacity:.1f}%",
        ring.state,
        " ".join(ring.readers) or "none",
        f"{owner}, dead: stale" if ring.stale else owner,
    )


def _headlines(ring: FoundRing) -> list[str]:
    """Return what holds for the ring as a whole."""
    kind = "one producer" if ring.producers == 1 else f"{ring.producers} producers"
    share = f"{100 * ring.fill / ring.capacity:.1f}% full ({ring.fill:,})"
    owner = f"pid {ring.owner_pid}{' is dead: the ring is stale' if ring.stale else ''}"
    memory = f"{ring.memory}{', huge pages' if ring.huge_pages else ''}"
    return [
        f"{ring.name}: {ring.state}, {kind}, {ring.capacity:,} slots of {ring.slot_bytes} bytes, {share}",
        f"epoch {ring.epoch}, owner {owner}, memory {memory}, dead readers: {ring.dead_readers}, "
        f"{'observable' if ring.observable else 'not observable'}",
    ]


def _rates(before: Look, now: Look) -> dict[str, float]:
    """Return how many sequences a second each participant has gone on between two looks."""
    seconds = max(now.taken_s - before.taken_s, 1e-9)
    earlier = {each.name: each.seq for each in before.participants}
    return {each.name: (each.seq - earlier.get(each.name, each.seq)) / seconds for each in now.participants}


def _rows(before: Look, now: Look) -> list[tuple[str, ...]]:
    rates = _rates(before, now)
    return [
        (
            each.name,
            each.role,
            f"{each.seq:,}",
            f"{each.lag:,}" if each.role == "reader" else "",
            rate_text(rates[each.name]),
            str(each.pid) if each.pid else "-",
            _state_text(each),
            _heartbeat_text(each),
            ", ".join(each.waits_for) or "nobody",
        )
        for each in now.participants
    ]


def _state_text(participant: ParticipantStatus) -> str:
    if participant.role == "claims":
        return "-"
    return "DEAD" if participant.pid and not participant.alive else participant.state


def _heartbeat_text(participant: ParticipantStatus) -> str:
    age_s = participant.heartbeat_age_s
    return "never" if age_s == float("inf") else f"{latency_text(max(0.0, age_s) * 1e9)} ago"


def _claims_text(claims: list[OpenClaimStatus]) -> str:
    shown = [
        f"{claim.first_seq:,}..{claim.first_seq + claim.size - 1:,} of {claim.producer}"
        for claim in claims[:MOST_CLAIMS]
    ]
    more = [f"{len(claims) - MOST_CLAIMS} more"] if len(claims) > MOST_CLAIMS else []
    return f"open claims: {', '.join([*shown, *more]) or 'none'}"


def _as_data(before: Look, now: Look) -> dict[str, Any]:
    rates = _rates(before, now)
    return {
        "ring": now.ring._asdict(),
        "seconds": now.taken_s - before.taken_s,
        "participants": [{**each._asdict(), "rate": rates[each.name]} for each in now.participants],
        "open_claims": [each._asdict() for each in now.claims],
    }


def frame(before: Look, now: Look) -> RenderableType:
    """Return one frame of ``watch``."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    first, *rest = _headlines(now.ring)
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in (*_COLUMNS, "of the ring"):
        grid.add_column(
            name, justify="right" if name in ("cursor", "lag", "rate", "pid") else "left", no_wrap=True
        )
    for each, row in zip(now.participants, _rows(before, now), strict=True):
        share = each.lag / now.ring.capacity
        colour = "green" if share < 0.5 else "yellow" if share < 0.9 else "red"
        bar = Text(share_bar(share, BAR_CELLS), colour) if each.role == "reader" else Text()
        grid.add_row(*row, bar, style="red" if _state_text(each) in ("DEAD", "failed") else "")
    style = "bold red" if now.ring.stale or now.ring.state == "failed" else "bold"
    return Group(Text(first, style), *map(Text, rest), Text(), grid, Text(), Text(_claims_text(now.claims)))
