"""How commands show numbers, tables, JSON and progress: the same everywhere. No Numba, and Rich only when used.

Data goes to stdout, talk and progress to stderr. A bar is drawn only where stderr is a terminal, so that logs
and pipes stay clean. Nothing here is part of an interface for scripts: they read ``--json``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Self

import msgspec
import typer

__all__ = [
    "DEFAULT_DATA",
    "Data",
    "Json",
    "ProgressBar",
    "latency_text",
    "latency_texts",
    "print_json",
    "rate_text",
    "share_bar",
    "size_text",
    "span_text",
    "table",
]

DEFAULT_DATA: Final = Path("ringmatch-data")
Data = Annotated[Path, typer.Option(metavar="DIR", help="Data directory of the pipeline.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

BAR_INTERVAL_S: Final = 0.1
PARTS_OF_A_CELL: Final = " ▏▎▍▌▋▊▉█"


def print_json(value: Any) -> None:
    """Print a struct as indented JSON on stdout."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def rate_text(per_second: float) -> str:
    """Return a rate for people: 3.21 M/s, 45.6 k/s, 12/s."""
    if per_second >= 1e6:
        return f"{per_second / 1e6:.2f} M/s"
    return f"{per_second / 1e3:.1f} k/s" if per_second >= 1e4 else f"{per_second:.0f}/s"


def latency_text(latency_ns: float) -> str:
    """Return a short time for people: 850 ns, 12.3 µs, 4.56 ms, 1.20 s."""
    for unit, size, below in (("ns", 1, 1_000), ("µs", 1_000, 1_000_000), ("ms", 1_000_000, 1_000_000_000)):
        if latency_ns < below:
            return f"{latency_ns:.0f} ns" if size == 1 else f"{latency_ns / size:.3g} {unit}"
    return f"{latency_ns / 1e9:.2f} s"


def latency_texts(latency_ns: dict[str, int]) -> list[str]:
    """Return the percentiles of a latency histogram, each with its name; none if nothing was measured."""
    if not latency_ns.get("count"):
        return []
    return [f"{name} {latency_text(value)}" for name, value in latency_ns.items() if name != "count"]


def size_text(size_bytes: int) -> str:
    """Return a size for people: 512 B, 12.0 MiB."""
    size, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.0f} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def span_text(span_ns: int) -> str:
    """Return how long something took or has lasted: 0.4 s, 12 s, 3 min 04 s, 2 h 05 min, 3 d 2 h."""
    seconds = max(0, span_ns) // 1_000_000_000
    if seconds < 10:
        return f"{max(0, span_ns) / 1e9:.1f} s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds // 60 % 60:02d} min"
    return f"{seconds // 86400} d {seconds // 3600 % 24} h"


def share_bar(share: float, cells: int) -> str:
    """Return a bar of ``cells`` characters, filled for a share of 0 to 1; what is not zero shows."""
    parts = len(PARTS_OF_A_CELL) - 1
    filled = round(min(max(share, 0.0), 1.0) * cells * parts)
    if share > 0:
        filled = max(filled, 1)
    whole, part = divmod(filled, parts)
    return ("█" * whole + (PARTS_OF_A_CELL[part] if part else "")).ljust(cells)


def table(rows: Sequence[Sequence[object]], right: str = "") -> list[str]:
    """Return rows as aligned lines; ``right`` holds one letter a column, ``r`` for aligned to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts if column < len(row)) for column in range(len(texts[0]))]
    return [
        "  ".join(
            cell.rjust(widths[column]) if right[column : column + 1] == "r" else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ).rstrip()
        for row in texts
    ]


class ProgressBar:
    """A bar on stderr with a count, a rate and the time left; silent where stderr is no terminal.

    It appears with the first :meth:`update`, and starts no thread, so that its owner may fork.
    """

    def __init__(self, what: str, total: int | None = None, shown: bool | None = None) -> None:
        self._what = what
        self._total = total
        self._is_shown = sys.stderr.isatty() if shown is None else shown
        self._bar: Any = None
        self._task: Any = None
        self._started_s = self._next_s = 0.0

    def update(self, done: int, total: int | None = None) -> None:
        """Show that ``done`` of the total are done; cheap enough to be called often."""
        if not self._is_shown or (now_s := time.monotonic()) < self._next_s:
            return
        self._next_s = now_s + BAR_INTERVAL_S
        self._total = total if total is not None else self._total
        if self._bar is None:
            self._begin()
            self._started_s = now_s
        rate = rate_text(done / (now_s - self._started_s)) if now_s > self._started_s else ""
        most = None if self._total is None else max(self._total, done)
        self._bar.update(self._task, completed=done, total=most, rate=rate, refresh=True)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(self._what, total=self._total, rate="")
        self._bar.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
