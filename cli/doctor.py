"""``ringmatch doctor``: what this host means for latency, and what dead runs have left behind.

Reads facts of :mod:`stages.host` and the segments in shared memory; writes only with ``--clean``, which
unlinks segments of dead owners and removes compiled kernels of other versions. Never imports Numba.

What is good and what is not, and why, is said in :mod:`cli.doctor_checks`. The exit code is 0 whatever the
findings are: they are advice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cli.doctor_checks import Finding, findings, size_text
from stages.host import clean_cache, host_facts

if TYPE_CHECKING:
    from ringbuffer.shm import SegmentInfo

__all__ = ["Report", "Stale", "doctor"]


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """A segment in shared memory whose owner is dead."""

    name: str
    bytes: int
    owner_pid: int
    purpose: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``doctor --json`` prints."""

    findings: list[Finding]
    stale_segments: list[Stale]
    live_segments: int
    cleaned_segments: list[str]
    cleaned_caches: list[str]


def doctor(
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove segments of dead owners and kernels of other versions.")
    ] = False,
    prefix: Annotated[
        str, typer.Option(help="Look only at segments whose name starts with this.")
    ] = "ringmatch-",
    json: Annotated[bool, typer.Option("--json", help="Print it all as JSON.")] = False,
) -> None:
    """Show what this host means for latency, and what dead runs have left in shared memory."""
    from ringbuffer.shm import clean_stale, list_segments

    segments = list_segments(prefix)
    removed = clean_stale(prefix) if clean else []
    gone = {info.name for info in removed}
    caches = clean_cache() if clean else []
    report = Report(
        findings=findings(host_facts()),
        stale_segments=[_stale(info) for info in segments if not info.alive and info.name not in gone],
        live_segments=sum(info.alive for info in segments),
        cleaned_segments=sorted(gone),
        cleaned_caches=caches,
    )
    if json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        _print(report)


def _stale(info: SegmentInfo) -> Stale:
    return Stale(name=info.name, bytes=info.size, owner_pid=info.owner_pid, purpose=info.purpose)


def _print(report: Report) -> None:
    """Print the report for people: a block of lines for each finding."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    colours = {"good": "green", "fair": "yellow", "poor": "red"}
    width = max(len(finding.what) for finding in report.findings)
    indent = " " * (width + 8)
    for finding in report.findings:
        line = Text.assemble((f"{finding.state:<6}", colours[finding.state]), f"{finding.what:<{width}}  ")
        console.print(line.append(finding.value, "bold"))
        console.print(f"{indent}{finding.meaning}", markup=False)
        if finding.advice:
            console.print(f"{indent}-> {finding.advice}", markup=False)
    console.print(f"\nshared memory: {report.live_segments} segments in use", markup=False)
    for stale in report.stale_segments:
        owner = f"pid {stale.owner_pid} is dead" if stale.owner_pid else "no owner"
        console.print(
            f"stale: {stale.name}, {size_text(stale.bytes)}, {stale.purpose or '-'}: {owner}", markup=False
        )
    if report.stale_segments:
        console.print("-> ringmatch doctor --clean", markup=False)
    for name in report.cleaned_segments:
        console.print(f"removed segment {name}", markup=False)
    for name in report.cleaned_caches:
        console.print(f"removed kernels of another version: {name}", markup=False)
