"""What is said of failures last: for each its own message, shortened, below the reports and above pytest's summary.

A report of Hypothesis holds the whole falsifying sequence and may be hundreds of lines long; where a log shows only its
end, this is what is left of it. The blob that repeats the example stands in the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["MAX_FAILURES", "MAX_LINES", "gist"]

MAX_FAILURES = 20
MAX_LINES = 12
MAX_WIDTH = 600
FROM_HYPOTHESIS = (
    "Falsifying example",
    "Failing test case",
    "Explanation:",
    "You can reproduce this example",
)


def gist(message: str) -> str:
    """Return the message of a failure without what Hypothesis adds to it, no longer than some lines."""
    lines: list[str] = []
    for line in message.splitlines():
        if line.strip().startswith(FROM_HYPOTHESIS):
            break
        lines.append(line if len(line) <= MAX_WIDTH else line[: MAX_WIDTH - 2] + " …")
    if len(lines) > MAX_LINES:
        lines[MAX_LINES - 1 :] = [f"… and {len(lines) - MAX_LINES + 1} more lines"]
    return "\n".join(lines)


def message_of(report: Any) -> str:
    """Return the message of a failed report: that of its exception, or all there is."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash is not None else str(report.longrepr)


def write_gists(reporter: Any, reports: Iterable[Any]) -> None:
    """Write the gist of each failure, the first of many."""
    reports = list(reports)
    if not reports:
        return
    reporter.section("what failed, shortened")
    for report in reports[:MAX_FAILURES]:
        reporter.write_line(f"{report.nodeid} ({report.when})", bold=True)
        reporter.write_line(gist(message_of(report)))
    if len(reports) > MAX_FAILURES:
        reporter.write_line(f"… and {len(reports) - MAX_FAILURES} more failures")
