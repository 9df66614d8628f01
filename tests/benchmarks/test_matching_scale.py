"""The benchmark of growing books measures what it says, and refuses a book that is not as it must be."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks import matching_scale, report
from benchmarks.machine import two_cores
from benchmarks.matching_scale import Scale, ScaleRow, SweepRow
from benchmarks.measure import NotVerified, Runs
from benchmarks.suite import Results
from stages.state_words import MW_LEVELS, MW_OPEN
from tests.benchmarks.test_report import a_section

CORES = two_cores()


@pytest.mark.parametrize(("orders", "instruments"), [(1_000, 1), (2_000, 50)])
def test_a_size_is_measured_on_books_that_keep_it(orders: int, instruments: int) -> None:
    """A row says how long a command took; the books hold about as many orders as before, and each outcome was right."""
    row = matching_scale.measure(CORES, orders, instruments, 4_000, 2)
    assert (row.orders, row.instruments, len(row.command_ns.values)) == (orders, instruments, 2)
    assert row.levels > instruments and row.command_ns.low > 0


def test_books_are_filled_as_asked() -> None:
    """Before the clock starts as many orders rest as the row says, spread over instruments and prices."""
    scale = Scale(3_000, 10)
    assert int(scale.books.words[MW_OPEN]) == 3_000
    assert int(scale.books.words[MW_LEVELS]) <= 2 * 10 * scale.width
    scale.verify()


@pytest.mark.parametrize("levels", [1, 50])
def test_a_sweep_takes_every_order(levels: int) -> None:
    """A sweep fills all orders of the book and leaves it empty."""
    row = matching_scale.measure_sweep(CORES, 50, levels, 2, times=3)
    assert (row.orders, row.levels) == (50, levels) and row.fill_ns.low > 0


def test_a_book_that_lost_an_order_gives_no_figure() -> None:
    """What the generator knows to rest must rest."""
    scale = Scale(1_000, 1)
    scale.state[matching_scale.kernels.G_OPEN] += 1
    with pytest.raises(NotVerified, match="resting orders: expected 1001, was 1000"):
        scale.verify()


def test_the_page_compares_with_the_smallest_book() -> None:
    """Each size stands in the table with its time, and how many times that is as long as the first."""
    rows = [
        ScaleRow(orders=orders, instruments=1, levels=7, command_ns=Runs(values=(ns, ns / 2, ns * 2)))
        for orders, ns in ((1_000, 100.0), (1_000_000, 150.0))
    ]
    sweeps = [SweepRow(orders=1_000, levels=1, fill_ns=Runs(values=(40.0,)))]
    results = msgspec.to_builtins({"rows": rows, "sweeps": sweeps})
    section = msgspec.structs.replace(a_section(), bench="scale", results=results, goals=())
    page = report.document(Results(sections={"scale": section}))
    assert "## Matching as books grow" in page
    assert "| 1,000,000 | 1 | 7 | 150 ns (75 to 300) | 1.50 x |" in page
    assert "| 1,000 | 1 | 40 ns (40 to 40) |" in page
