"""``docs/benchmarks.md`` is what the stored results give, and says which goals were missed and by how much."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks import report, suite
from benchmarks.machine import Load, RoundTrip, machine
from benchmarks.matching import BookEntry, BookRate, MatchingRow
from benchmarks.measure import Goal, Runs, Section
from benchmarks.suite import Results
from tests.structure.tree import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
COMMITTED = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def a_section(median: float = 4e6, mode: str = "full") -> Section:
    """Return a section of the matching benchmark whose runs lie around ``median``."""
    runs = Runs(values=(median, median / 2, median * 2), round_trips_ns=((50, 55), (300, 310), (60, 300)))
    row = MatchingRow(
        profile="normal", commands=1000, outcomes=1100, fills=10, rejects=2, handed_over=runs,
        nobody_reads=Runs(values=(9e6,)), mean_batch=12.0,
    )  # fmt: skip
    trip = RoundTrip(median_ns=51, min_ns=50, max_ns=70)
    return Section(
        bench="matching",
        mode=mode,
        began="2025-01-01 12:00 UTC",
        seconds=3.0,
        machine=machine(),
        cores=(0, 1),
        load_before=Load(average=(0.1, 0.2, 0.3), busy_cores=0.02, stolen_cores=0.0),
        load_after=Load(average=(1.1, 0.2, 0.3), busy_cores=1.5, stolen_cores=0.25),
        round_trip_before=trip,
        round_trip_after=RoundTrip(median_ns=310, min_ns=300, max_ns=330),
        setup={"output ring": "65,536 slots"},
        results=msgspec.to_builtins({"rows": [row]}),
        goals=(Goal(what="matching", goal=6e6, value=median, unit="/s"),),
    )


def test_a_page_has_every_condition_and_figure() -> None:
    """Machine, load, core distance, ring sizes, median, least and largest stand beside the figure."""
    page = report.document(Results(sections={"matching": a_section()}))
    assert machine().model in page
    for wanted in (
        "51 ns (50-70) before, 310 ns (300-330) after",
        "0.02 cores busy with others, 0.00 stolen, load average 0.10 before",
        "1.50 cores busy with others, 0.25 stolen, load average 1.10 after",
        "output ring: 65,536 slots",
        "4.00 M/s (2.00 M to 8.00 M)",
        "50-310 ns",
        "| normal | changed | 1 | 4.00 M/s",
        "1.100",
    ):
        assert wanted in page or wanted.replace("4.00", "8.00") in page, wanted


def test_a_page_says_what_was_missed() -> None:
    """A missed goal is said with the share that is missing; one that was met, too."""
    page = report.document(Results(sections={"matching": a_section(4.5e6)}))
    assert "| matching | 6.00 M/s | 4.50 M/s | **no**, missed by 25% |" in page
    page = report.document(Results(sections={"matching": a_section(7e6)}))
    assert "| matching | 6.00 M/s | 7.00 M/s | yes |" in page


def test_quick_results_are_marked() -> None:
    """Whoever reads the page sees which sections were measured with less of everything."""
    assert "quick mode, with less of everything: matching." in report.document(
        Results(sections={"matching": a_section(mode="quick")})
    )
    assert "quick mode" not in report.document(Results(sections={"matching": a_section()}))


def test_results_are_kept_by_section(tmp_path: Path) -> None:
    """A run replaces its own sections and keeps the others; what was stored comes back as it was."""
    path = tmp_path / "results" / "host.json"
    suite.save_results(path, {"matching": a_section(1e6)})
    other = msgspec.structs.replace(a_section(2e6), bench="risk", results={"rows": []}, goals=())
    results = suite.save_results(path, {"risk": other})
    assert list(results.sections) == ["matching", "risk"]
    assert suite.load_results(path) == results
    again = suite.save_results(path, {"matching": a_section(3e6)})
    assert again.sections["matching"] == a_section(3e6)
    assert again.sections["risk"] == other


def test_there_is_a_renderer_for_every_benchmark() -> None:
    """Each benchmark of the suite has its part of the page, in the same order."""
    assert list(report.RENDERERS) == list(suite.BENCHES)


def test_committed_results_decode() -> None:
    """Stored results are of the layout that this code writes, and each of their sections has its heading."""
    for path in COMMITTED:
        results = suite.load_results(path)
        assert results.sections
        assert report.document(results).count("\n## ") == len(results.sections) + 2


def test_the_committed_page_was_generated() -> None:
    """The page is, byte for byte, what one of the committed files of results gives: nobody typed a figure."""
    if PAGE.exists():
        pages = [report.document(suite.load_results(path)) for path in COMMITTED]
        assert PAGE.read_text("utf-8") in pages, "run: ringmatch bench --render --write docs/benchmarks.md"


def test_peers_of_matching_stand_beside_ours() -> None:
    """Each flow has a row with ours, each peer's rate and its ratio, and the least ratio; who is missing is named."""
    section = a_section()
    rates = tuple(
        BookRate(peer=name, commands=1000, per_second=Runs(values=(rate,)), times=Runs(values=(4e6 / rate,)))
        for name, rate in (("one", 2e6), ("other", 1e6))
    )
    row = msgspec.structs.replace(
        section.convert("rows", list[MatchingRow])[0], title="calm", resting=7, peers=rates
    )
    missing = BookEntry(title="third 1.0", missing="cargo: not found")
    peers = {"one": BookEntry(title="one 1.0"), "other": BookEntry(title="other 2.0"), "third": missing}
    section.results = msgspec.to_builtins({"rows": [row], "peers": peers})
    page = report.document(Results(sections={"matching": section}))
    assert "| flow | orders at the start | ours | one | other | ours to the fastest peer |" in page
    assert "| calm | 7 | 4.00 M/s (2.00 M to 8.00 M) | 2.00 M/s (2.00 M to 2.00 M), 2.00 x |" in page
    assert "| 2.00 x (one) |" in page
    assert "- third: third 1.0; **missing**: cargo: not found." in page
    assert "- one: one 1.0." in page
