"""What the demo shows at the end: the run in figures, and the replay that must agree with it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cli.exit_codes import CommandError, ExitCode

__all__ = ["summarise"]


def summarise(
    directory: Path, about: Any, summaries: list[Any], as_json: bool, say: Callable[[str], None]
) -> int:
    """Print the summary, replay the journal, compare the digests; return the exit code."""
    from stages.last_run import LAST_RUN, LastRun
    from stages.replay import Replayer

    last = msgspec.json.decode((directory / LAST_RUN).read_bytes(), type=LastRun)
    if last.state != "stopped":
        raise CommandError(f"the pipeline failed: {last.error}", ExitCode.WORKER_DIED)
    facts = _facts(about, last, summaries)
    if not as_json:
        _print_facts(facts)
    say("4. replay the journal with the same kernels")
    started = time.monotonic()
    result = Replayer(directory).run()
    seconds = time.monotonic() - started
    replayed = {
        "last_seq": result.last_seq,
        "commands_per_second": round(result.commands / max(seconds, 1e-9)),
        "outcome_digest": result.outcome_digest,
        "state_digest": result.state_digest,
        "checkpoints": result.checkpoints,
        "equal": result.verified
        and result.last_seq == last.last_seq
        and (result.outcome_digest, result.state_digest) == (last.outcome_digest, last.state_digest),
    }
    if as_json:
        print(json.dumps({**facts, "replay": replayed}))
    else:
        for name, digest in (("outcomes", "outcome_digest"), ("state", "state_digest")):
            same = "equal" if facts[digest] == replayed[digest] else "DIFFERENT"
            print(f"{name:>10}  live {facts[digest]}  replay {replayed[digest]}  {same}")
        print(f"  replayed  {result.commands:,} commands at {replayed['commands_per_second']:,}/s, "
              f"{result.checkpoints} journaled checkpoints agree" if replayed["equal"] else
              f"  replay differs: {result.diverged_what} after sequence {result.diverged_after_seq}")  # fmt: skip
    return int(ExitCode.OK if replayed["equal"] else ExitCode.FAILED)


def _facts(about: Any, last: Any, summaries: list[Any]) -> dict[str, Any]:
    rejects: Counter[str] = Counter()
    for summary in summaries:
        rejects.update(summary.rejects)
    counters = last.counters
    commands = max(1, counters["commands"])
    return {
        "orders": sum(summary.sent for summary in summaries),
        "trades": counters["trades"],
        "fills": counters["filled"],
        "rejects": dict(sorted(rejects.items())),
        "throughput_per_second": summaries[-1].per_second,
        "latency_ns": summaries[-1].latency_ns,
        "durability": about.durability,
        "plan": [{"stages": list(worker.stages), "core": worker.core} for worker in about.plan],
        "journal_bytes_per_command": round(counters["journal.bytes"] / commands, 1),
        "syncs": counters["journal.syncs"],
        "last_seq": last.last_seq,
        "outcome_digest": last.outcome_digest,
        "state_digest": last.state_digest,
    }


def _print_facts(facts: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    latency = facts["latency_ns"]
    plan = "; ".join(
        f"{' + '.join(worker['stages'])} → {'core ' + str(worker['core']) if worker['core'] >= 0 else 'not pinned'}"
        for worker in facts["plan"]
    )
    rows = {
        "orders": f"{facts['orders']:,}",
        "fills": f"{facts['fills']:,} ({facts['trades']:,} trades)",
        "rejects": ", ".join(f"{count:,} {reason}" for reason, count in facts["rejects"].items()) or "none",
        "throughput": f"{facts['throughput_per_second']:,.0f} orders/s (generated flow, flat out)",
        "latency, flat out": ", ".join(
            f"{name} {latency[name] / 1e6:,.2f} ms" for name in ("p50", "p90", "p99", "p99.9", "max")
        ),
        "durability": f"{facts['durability']} ({facts['syncs']:,} syncs, "
        f"{facts['journal_bytes_per_command']} bytes a command)",
        "plan": plan,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
