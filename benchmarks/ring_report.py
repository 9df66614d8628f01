"""The tables of the ring benchmark, made of its stored results and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from benchmarks.ring_results import Comparison, Figure, Latency, Peer, Rate, Trips, comparisons, judged
from benchmarks.ring_waits import WaitRow
from benchmarks.ring_workloads import THROUGHPUT

__all__ = ["lines"]

TITLES: Final = {workload.key: workload.title for workload in THROUGHPUT}


def lines(results: dict[str, Any]) -> list[str]:
    """Return the section's text, of the results as they were stored."""
    peers = msgspec.convert(results["peers"], dict[str, Peer])
    rates = msgspec.convert(results["rates"], list[Rate])
    latencies = msgspec.convert(results["latencies"], list[Latency])
    waits = msgspec.convert(results["waits"], list[WaitRow])
    found = comparisons(rates)
    return [
        *_peers(peers),
        "",
        "Each side with the wait strategy that was best at that distance; in bold the distance with most slices, by",
        "which a goal is judged. Ours writes and reads all bytes of a record; an event of the Disruptor is one long,",
        "one of multiprocessing.Queue 64 bytes. More participants than cores: they share both, on both sides. The",
        "bound hands over lines of 64 bytes with one flag for many and nothing else: 1.00 of it is all the cores give.",
        "",
        *_comparison_table(found, peers),
        "",
        "Round trips, one record under way, medians of the slices' percentiles:",
        "",
        *_latency_table(latencies, peers),
        "",
        "### Wait strategies of the ring",
        "",
        "A reader that waits for records which come half a millisecond to a millisecond apart: the time from before",
        "the publication until it sees one, and the share of a core that it takes while nothing comes.",
        "",
        *_wait_table(waits),
        "",
        "### Every side, every strategy",
        "",
        *_rate_table(rates, peers),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _peers(peers: dict[str, Peer]) -> list[str]:
    """Say who takes part, and who is left out for which reason."""
    there = [peer.title for peer in peers.values() if not peer.missing]
    absent = [f"{peer.title} ({peer.missing})" for peer in peers.values() if peer.missing]
    said = [f"Measured: {'; '.join(there)}."]
    return said + ([f"Left out: {'; '.join(absent)}."] if absent else [])


def _millions(per_second: float) -> str:
    millions = per_second / 1e6
    digits = 0 if millions >= 100 else 1 if millions >= 1 else 3
    return f"{millions:.{digits}f}"


def _figure(figure: Figure) -> str:
    return f"{_millions(figure.median)} ({_millions(figure.low)} to {_millions(figure.high)})"


def _readings(figure: Figure | Trips) -> str:
    low, high = figure.round_trips_ns
    return f"{low}-{high} ns"


def _comparison_table(found: Sequence[Comparison], peers: dict[str, Peer]) -> list[str]:
    chosen = judged(found)
    rows = []
    for each in found:
        is_judged = each in chosen and each.goal is not None
        verdict = (
            "-" if not is_judged or each.goal is None else "yes" if each.ratio >= each.goal else "**no**"
        )
        rows.append(
            (TITLES[each.workload], f"{each.slot_bytes} B",
             f"**{each.distance}**" if each in chosen else each.distance,
             f"{_millions(each.ours.median)}, {each.our_strategy}",
             f"{_millions(each.peers.median)}, {each.peer_strategy}", peers[each.peer].title,
             f"{each.ratio:.2f}" if each.ratio < 100 else f"{each.ratio:.0f}",
             "-" if each.goal is None else f"{each.goal:g}", verdict, f"{each.ours.slices}, {each.peers.slices}")
        )  # fmt: skip
    head = (
        "workload", "ours writes", "distance", "ours, M/s", "peer, M/s", "peer", "ratio", "goal", "met", "slices",
    )  # fmt: skip
    return _table(head, rows)


def _latency_table(latencies: Sequence[Latency], peers: dict[str, Peer]) -> list[str]:
    rows = [
        (peers[row.peer].title, row.strategy, f"{row.slot_bytes} B", f"{name} ({_readings(trips)})",
         *(f"{time_ns:,.0f}" for time_ns in (trips.p50_ns, trips.p99_ns, trips.p999_ns, trips.max_ns)),
         str(trips.slices))
        for row in latencies
        for name, trips in row.by_distance.items()
    ]  # fmt: skip
    head = ("side", "wait", "each way", "distance", "p50 ns", "p99 ns", "p99.9 ns", "max ns", "slices")
    return _table(head, rows)


def _wait_table(waits: Sequence[WaitRow]) -> list[str]:
    rows = [
        (f"`{row.strategy}`", *(f"{time_ns / 1e3:,.1f}" for time_ns in (row.p50_ns, row.p99_ns, row.max_ns)),
         f"{row.idle_percent:.1f}%", str(row.records))
        for row in waits
    ]  # fmt: skip
    return _table(("strategy", "p50 µs", "p99 µs", "max µs", "core while idle", "records"), rows)


def _rate_table(rates: Sequence[Rate], peers: dict[str, Peer]) -> list[str]:
    rows = [
        (TITLES[rate.workload], peers[rate.peer].title, rate.strategy, f"{rate.slot_bytes} B",
         f"{name} ({_readings(figure)})", _figure(figure), str(figure.slices))
        for rate in rates
        for name, figure in rate.by_distance.items()
    ]  # fmt: skip
    return _table(("workload", "side", "wait", "written", "distance", "M/s", "slices"), rows)
