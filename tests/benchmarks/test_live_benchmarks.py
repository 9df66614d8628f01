"""The benchmarks that start real pipelines: small runs are complete, verified, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks import journal, pipeline, replay, start
from benchmarks.live import ALL_IN_ONE, LivePipeline, check_run, is_memory, scratch, venue_toml
from benchmarks.machine import two_cores
from benchmarks.measure import NotVerified
from benchmarks.workload import SESSION
from gateway.inject import Injector, InjectSummary
from gateway.port import Port
from protocols.flow import SyntheticSource
from stages.config import decode_config, default_config, example_toml

pytestmark = pytest.mark.slow
SMALL = pipeline.Scale(orders={"none": 2_000}, compared=2_000, runs=1, seconds=0.1)


@pytest.mark.jitoff
def test_a_venue_is_written_as_it_is() -> None:
    """The venue.toml of a benchmark decodes to the instruments and accounts that it was made from."""
    for config in (default_config(), decode_config(example_toml())):
        text = venue_toml(config, Path("data"), "os", ALL_IN_ONE(0), "spin")
        decoded = decode_config(text, cores=[0])
        assert decoded.directory().instruments == config.directory().instruments
        assert [account.limits for account in decoded.accounts] == [
            account.limits for account in config.accounts
        ]
        assert [entry.band_ticks for entry in decoded.instruments] == [
            entry.band_ticks for entry in config.instruments
        ]
        assert (decoded.venue.durability, decoded.plan.wait) == ("os", "spin")


@pytest.mark.jitoff
def test_scratch_is_on_a_disk_and_goes_away() -> None:
    """A directory for journals is not in memory, unless there is nothing else, and is gone afterwards."""
    with scratch() as place:
        (place / "file").write_text("x")
        assert not is_memory(place) or is_memory(Path.cwd())
    assert not place.exists()
    assert is_memory(Path("/dev/shm"))


def test_throughput_and_latency_are_measured(tmp_path: Path) -> None:
    """A run flat out counts and replays, and a run at a rate has a latency for each of its commands."""
    cores = two_cores()
    for setting in (pipeline.one_worker(cores, "fsync"), pipeline.two_workers(cores, "none")):
        row = pipeline.flat_out(tmp_path, cores, setting, 2_000, SMALL)
        assert row.per_second.low > 0
        assert 5 < row.journal_bytes < 200
        assert (row.syncs > 0) == (setting.durability == "fsync")
        latency = pipeline.at_rate(tmp_path, cores, setting, 10_000, SMALL)
        assert latency.release_ns["count"] == latency.answer_ns["count"] == latency.orders == 1_000
        assert 0 < latency.release_ns["p50"] <= latency.release_ns["p99"] <= latency.release_ns["max"]
    assert not list(tmp_path.iterdir())


def test_a_run_that_lost_something_is_refused(tmp_path: Path) -> None:
    """A summary that does not agree with what the pipeline counted gives no figure."""
    cores = two_cores()
    setting = pipeline.one_worker(cores, "os")
    with LivePipeline(tmp_path, setting.durability, setting.layout) as live:
        with Port(live.data_dir) as port:
            summary = Injector(port, SyntheticSource(port.directory, 500, 1, session=SESSION)).run()
        last = live.stop()
    check_run(live, last, summary, 500)

    def refused(match: str, summary: InjectSummary, expected: int = 500) -> None:
        with pytest.raises(NotVerified, match=match):
            check_run(live, last, summary, expected)

    replace = msgspec.structs.replace
    refused("without an answer", replace(summary, unanswered=1))
    refused("answered", replace(summary, answered=summary.sent - 1))
    refused("commands sent", summary, 501)
    refused("outcomes cancelled", replace(summary, types={**summary.types, "cancelled": 0}))
    with pytest.raises(NotVerified, match="state digest"):
        check_run(live, replace(last, state_digest="0" * 16), summary, 500)


def test_replay_is_measured(tmp_path: Path) -> None:
    """A journal that a pipeline wrote is replayed to the digests of the live run, and its halves are timed."""
    cores = two_cores()
    data_dir, last = replay.write_journal(tmp_path, cores, 2_000)
    row = replay.measure(cores, data_dir, last, 2)
    assert row.commands == last.last_seq > 2_000
    assert min(row.replay.low, row.read_only.low, row.core_only.low) > 0
    with pytest.raises(NotVerified, match="outcome digest"):
        replay._replay(data_dir, msgspec.structs.replace(last, outcome_digest="0" * 16))


def test_start_is_measured(tmp_path: Path) -> None:
    """A start is timed as a whole, and its parts cover the way from nothing to ready."""
    cores = two_cores()
    assert 0 < start._start(tmp_path, cores) < start.DEADLINE_S
    parts = start._parts([start._probe(tmp_path, cores)])
    assert list(parts) == list(start.PARTS)
    assert 0 < sum(part.median for part in parts.values()) < start.DEADLINE_S


def test_the_journal_is_measured(tmp_path: Path) -> None:
    """Coding, appending and syncing are timed, and what was written is read back word by word."""
    row = journal.code("normal", 20_000, 2)
    assert 5 < row.bytes_a_command < 60
    assert min(row.encode.low, row.decode.low) > 0
    rows = journal.make_workload("normal", 10_000).commands.view("<i8").reshape(-1, 16)
    for durability in journal.DURABILITIES:
        assert journal.append(tmp_path, rows, durability, 1).append.low > 0
    share = journal.measure_bandwidth(tmp_path, rows, 8192, 20, turns=2)
    assert share.writer.low > 0 and 0 < share.share_of_reserved < 10 and share.share_of_written > 0
    found = journal.sync(tmp_path, 4096, 5)
    assert 0 < found.p50_ns <= found.p99_ns <= found.max_ns
