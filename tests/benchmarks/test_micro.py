"""Micro-benchmarks of the hot kernels, for whoever changes one: ``pytest -m bench tests/benchmarks``.

They compare two versions on one machine within minutes (``--benchmark-autosave``, ``--benchmark-compare``); the
figures of the project come from ``ringmatch bench``. Each call does ``BATCH`` commands, checks what it did, and
works in memory that was touched before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import core_kernels as kernels
from benchmarks.journal import Coded
from benchmarks.workload import Bench, Reference, generate_flow, make_workload, reference
from journal.blocks import BLOCK_HEADER_BYTES
from protocols.layouts import DETERMINED_WORDS, SLOT_WORDS
from ringbuffer.kernel import kernel
from ringbuffer.native import crc32c
from stages.core import Core
from stages.publish import latency_bucket
from stages.state_words import MW_DIGEST
from stages.topology import CUR_OUTPUT_PUBLISH

pytestmark = pytest.mark.bench

BATCH = 100_000
NOBODY = 1 << 60


@pytest.fixture(scope="module")
def prepared() -> tuple[Bench, Reference]:
    """Return a workload in its rings, with the results that it must give."""
    bench = Bench(make_workload("normal", BATCH))
    return bench, reference(bench)


def test_matching(benchmark: Any, prepared: tuple[Bench, Reference]) -> None:
    """Match a flow whose verdicts are there; nobody reads."""
    bench, wanted = prepared

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        bench.rewind(judged=True, feedback=False)
        bench.out_words[CUR_OUTPUT_PUBLISH] = NOBODY
        return (bench.new_books(),), {}

    def run(books: Any) -> int:
        kernels.drive_matching(
            bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slot_words, books,
            bench.last_seq,
        )  # fmt: skip
        return int(books.words[MW_DIGEST])

    assert benchmark.pedantic(run, setup=fresh, rounds=10, warmup_rounds=1) == wanted.digest


def test_risk(benchmark: Any, prepared: tuple[Bench, Reference]) -> None:
    """Judge a flow whose outcomes are recorded."""
    bench, wanted = prepared

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        bench.rewind(judged=False, feedback=True)
        return (bench.new_risk(),), {}

    def run(risk: Any) -> int:
        return int(
            kernels.drive_risk(
                bench.in_words, bench.in_slots, bench.verdicts, bench.out_words, bench.out_slots,
                bench.out_slot_words, risk, wanted.outcomes, wanted.ends, bench.workload.setup, bench.last_seq,
            )
        )  # fmt: skip

    assert benchmark.pedantic(run, setup=fresh, rounds=10, warmup_rounds=1) > 0
    assert np.array_equal(np.asarray(bench.verdicts), np.asarray(wanted.verdicts))


def test_core(benchmark: Any, prepared: tuple[Bench, Reference]) -> None:
    """Run risk and matching in turn, as replay does."""
    bench, wanted = prepared
    commands = bench.workload.commands

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (Core(bench.workload.capacities),), {}

    assert benchmark.pedantic(lambda core: core.digest(commands), setup=fresh, rounds=10) == wanted.digest


def test_journal_encode(benchmark: Any) -> None:
    """Encode a flow into sealed blocks."""
    coded = Coded(make_workload("normal", BATCH).commands.view(np.int64).reshape(-1, SLOT_WORDS))
    benchmark(coded.encode)
    assert sum(count for _, count, _ in coded.blocks) == len(coded.rows)


def test_journal_decode(benchmark: Any) -> None:
    """Decode the blocks of a flow."""
    coded = Coded(make_workload("normal", BATCH).commands.view(np.int64).reshape(-1, SLOT_WORDS))
    out = np.zeros_like(coded.rows)
    benchmark(coded.decode, out)
    assert np.array_equal(out[:, :DETERMINED_WORDS], coded.rows[:, :DETERMINED_WORDS])


def test_checksum(benchmark: Any) -> None:
    """Take the CRC32C of a block."""
    data = np.arange(1 << 18, dtype=np.int64).view(np.uint8)[: 1 << 18]
    assert benchmark(crc32c, data, BLOCK_HEADER_BYTES, len(data), 0) == crc32c(
        data, BLOCK_HEADER_BYTES, len(data), 0
    )


def test_generated_flow(benchmark: Any) -> None:
    """Generate a flow."""
    assert len(benchmark(generate_flow, "normal", BATCH, 1)) == BATCH


@kernel
def _buckets(latencies):  # type: ignore[no-untyped-def]
    """Add up the buckets of many latencies."""
    total = np.int64(0)
    for index in range(latencies.shape[0]):
        total += latency_bucket(latencies[index])
    return total


def test_latency_bucket(benchmark: Any) -> None:
    """Sort latencies into the histogram's buckets."""
    latencies = np.random.default_rng(1).integers(0, 10**9, BATCH)
    assert benchmark(_buckets, latencies) > 0
