"""Bad input, wrong use, wrong configurations: one clear line, a documented exit code, and nothing left behind."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from cli.exit_codes import ExitCode
from journal.assess import assess
from journal.segment import RecordLayout, list_segments
from journal.writer import JournalWriter
from protocols.binary import HEADER_BYTES, RECORD_BYTES
from protocols.codes import FLAG_FINAL, KIND_CHECKPOINT
from protocols.layouts import COMMAND, DETERMINED_WORDS, SLOT_WORDS, layout_hash
from stages.replay import journal_directory
from tests.e2e.harness import (
    SAMPLES,
    Lab,
    Pipeline,
    Process,
    command,
    decoded,
    lines_of,
    segments_of,
    until,
    venue_toml,
)
from tests.e2e.orders import Order, write_log


def refused(process: Process, code: ExitCode, *parts: str) -> str:
    """Assert that a command ended with a code and one line on stderr that holds the parts; return the line."""
    assert process.wait() == code, process.text
    (line,) = process.stderr.splitlines()
    assert line.startswith("ringmatch: ")
    assert all(part in line for part in parts), line
    return line


def assert_refused(process: Process, code: ExitCode, *parts: str) -> None:
    """Assert that a start was refused, and left nothing in /dev/shm."""
    refused(process, code, *parts)
    assert isinstance(process, Pipeline)
    assert segments_of(process.data) == []


# Malformed records


@pytest.fixture
def bad_fix(tmp_path: Path) -> Path:
    """Return a FIX log of six orders whose fourth has a quantity that is no number, with a right checksum."""
    from protocols.fix_text import build_message

    path = write_log(tmp_path / "bad.fix", [Order(f"A{number}", session="BAD") for number in range(6)])
    lines = path.read_bytes().splitlines()
    fields = [field.split(b"=", 1) for field in lines[3].strip(b"|").split(b"|")[2:-1]]
    wrong = [(int(tag), "1O" if tag == b"38" else value.decode()) for tag, value in fields]
    lines[3] = build_message("FIX.4.4", wrong).replace(b"\x01", b"|")
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture
def bad_binary(tmp_path: Path) -> tuple[Path, int]:
    """Return a binary file of 100 records whose 51st is of an unknown kind, and the offset of that."""
    path = tmp_path / "bad.rmb"
    with open(SAMPLES / "orders.rmb", "rb") as sample:
        raw = bytearray(sample.read())
    offset = HEADER_BYTES + 50 * RECORD_BYTES
    raw[offset] = 200
    path.write_bytes(raw)
    return path, offset


def test_a_malformed_message_stops_an_injection(bad_fix: Path, lab: Lab) -> None:
    """By default it ends before the bad message, names file, line, offset, field and value, and what was sent."""
    pipeline = lab.pipeline()
    out = lab.directory / "out.jsonl"
    injector = lab.inject("fix", bad_fix, "--out", out)
    assert injector.wait() == ExitCode.INPUT
    where = bad_fix.read_bytes().index(b"1O|")
    for part in (str(bad_fix), "record 4", "line 4", f"offset {where}", "38", "'1O'"):
        assert part in injector.stderr and part in injector.json["error"], part
    summary = injector.json
    assert (summary["types"]["accepted"], summary["unanswered"], summary["skipped"]) == (3, 0, 0)
    assert f"{summary['answered']} commands were sent and answered" in injector.stderr
    assert [line["cl_ord_id"] for line in decoded(lines_of(out))] == ["A0", "A1", "A2"]
    assert pipeline.snapshot().state == "ready" and pipeline.snapshot().ports_open == 0
    pipeline.stop()


def test_a_malformed_message_is_skipped_when_asked(bad_fix: Path, lab: Lab) -> None:
    """With `--on-error skip` it is counted and named, the rest is sent, and its session gets a reject."""
    pipeline = lab.pipeline()
    reply = lab.directory / "reply.fix"
    injector = lab.inject("fix", bad_fix, "--on-error", "skip", "--reply", reply)
    assert injector.wait() == 0, injector.text
    assert injector.json["types"]["accepted"] == 5 and injector.json["skipped"] == 1
    assert "skipped: " in injector.stderr and "line 4" in injector.stderr
    kinds = [line.split(b"|35=")[1][:1] for line in reply.read_bytes().splitlines()]
    assert kinds == [b"8"] * 5 + [b"3"]
    pipeline.stop()


def test_a_malformed_record_of_a_binary_file(bad_binary: tuple[Path, int], lab: Lab) -> None:
    """Stop and skip, as for FIX: record, offset, field and value are named, all before the record is sent."""
    path, offset = bad_binary
    pipeline = lab.pipeline()
    stopped = lab.inject("binary", path)
    assert stopped.wait() == ExitCode.INPUT
    for part in (str(path), "record 51", f"offset {offset}", "field kind", "200"):
        assert part in stopped.json["error"] and part in stopped.stderr, part
    sent = stopped.json["sent"]
    skipped = lab.inject("binary", path, "--on-error", "skip")
    assert skipped.wait() == 0
    assert skipped.json["skipped"] == 1 and skipped.json["sent"] > sent >= 50
    assert pipeline.snapshot().state == "ready"
    pipeline.stop()


def test_files_that_are_none_of_ours(lab: Lab) -> None:
    """A file of another format, an empty one, a directory and a missing one: refused with the file's name."""
    pipeline = lab.pipeline()
    other = lab.directory / "other"
    other.write_bytes(b"PK\x03\x04" * 100)
    line = refused(lab.inject("binary", other, "--on-error", "skip"), ExitCode.INPUT, str(other))
    assert "magic" in line
    missing = lab.directory / "missing.fix"
    for kind in ("fix", "binary", "itch"):
        refused(lab.inject(kind, missing), ExitCode.DISK, str(missing), "No such file")
        refused(lab.inject(kind, lab.directory), ExitCode.DISK, str(lab.directory))
    empty = lab.directory / "empty.fix"
    empty.touch()
    nothing = lab.inject("fix", empty)
    assert nothing.wait() == 0 and nothing.json["sent"] == 0
    assert pipeline.snapshot().ports_open == 0
    pipeline.stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rate", 10, "--speed", 2), "expected --rate or --speed, were both"),
        (("--on-error", "ignore"), "expected stop or skip, was 'ignore'"),
        (("--rate", -1), "--rate"),
        (("--no-such-option",), "--no-such-option"),
    ],
)
def test_wrong_use_of_inject(options: tuple[object, ...], said: str, lab: Lab) -> None:
    """A command line that makes no sense is refused before anything is looked at."""
    refused(lab.inject("fix", SAMPLES / "orders.fix", *options), ExitCode.USAGE, said)


def test_without_a_pipeline(lab: Lab) -> None:
    """Commands that need a pipeline say that none runs, and how to start one."""
    for arguments in (("inject", "synthetic", "--orders", 5), ("stop",), ("status",)):
        process = lab.run(*arguments, "--data", lab.data)
        refused(process, ExitCode.NOT_RUNNING, str(lab.data), "ringmatch start")


# Configurations


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("ports = 4", "prots = 4", ("rings.prots", "did you mean ports?", "was 4")),
        ('wait = "backoff"', 'wait = "never"', ("plan.wait", "'never'")),
        ('"publish"] }]', '"publish"], core = 8000 }]', ("plan.workers[0].core", "8000")),
        ("input_slots = 1024", "input_slots = 1000", ("rings.input_slots", "a power of two", "1000")),
        ('tick_size = "0.01"', 'tick_size = "0"', ("instrument[0].tick_size", "above 0", "'0'")),
        ("ports = 4", "ports = 64", ("rings.ports", "to 32", "64")),
    ],
)
def test_configurations_that_cannot_be(old: str, new: str, parts: tuple[str, ...], lab: Lab) -> None:
    """An unknown key, an impossible plan, a wrong value: file, key and value are named, nothing is created."""
    text = venue_toml()
    assert old in text
    path = lab.directory / "venue.toml"
    path.write_text(text.replace(old, new, 1))
    assert_refused(lab.start(), ExitCode.CONFIG, str(path), *parts)
    assert not lab.data.exists()


def test_more_pinned_workers_than_cores(lab: Lab) -> None:
    """A plan that pins more workers than there are cores is refused, as are cores that are not there."""
    stages = ("ingest", "journal", "risk", "matching", "publish")
    workers = ", ".join(f'{{ stages = ["{stage}"], core = {core} }}' for core, stage in enumerate(stages))
    lab.config(workers=f"[{workers}]")
    if len(os.sched_getaffinity(0)) < len(stages):
        assert_refused(lab.start(), ExitCode.CONFIG, "plan.workers")
    lab.config()
    assert_refused(lab.start("--cores", "8000"), ExitCode.CONFIG, "cores", "8000")
    assert_refused(lab.start("--cores", "0,x"), ExitCode.USAGE, "--cores", "'0,x'")


def test_what_a_journal_holds_cannot_be_reconfigured(lab: Lab) -> None:
    """Another tick for an instrument of the journal is refused; another limit is journaled as a command."""
    lab.pipeline().stop()
    text = venue_toml()
    path = lab.directory / "venue.toml"
    path.write_text(text.replace('tick_size = "0.01"', 'tick_size = "0.02"', 1))
    assert_refused(lab.start(), ExitCode.CONFIG, "instrument[0]", "units cannot change", "'AAPL'")
    path.write_text(text.replace("max_order_qty = 100000", "max_order_qty = 5", 1))
    pipeline = lab.start().ready()
    assert pipeline.snapshot().cursors["input"] == pipeline.snapshot().recovered_seq + 1
    orders = [Order("SMALL", qty=5), Order("LARGE", qty=6)]
    injector = lab.inject("fix", write_log(lab.directory / "two.fix", orders))
    assert injector.wait() == 0
    assert injector.json["rejects"] == {"max_order_qty": 1}
    pipeline.stop()
    lab.replay()


# Places


def test_no_room_in_dev_shm(lab: Lab) -> None:
    """Rings that do not fit are refused with both sizes, before anything runs; the journal goes on later."""
    lab.pipeline().stop()
    huge = venue_toml(output_slots=1 << 24, egress_slots=1 << 24, ports=32)
    path = lab.directory / "huge.toml"
    path.write_text(huge)
    body = command("start", "--config", path, "--data", lab.data)

    def limited() -> int:
        # where /dev/shm has room for it all the same, reserving it must fail
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 21, 1 << 21))
        return body()

    process = Pipeline(lab.directory, "huge", limited, lab.data)
    lab.processes.append(process)
    assert_refused(process, ExitCode.SHM_FULL, "free")
    lab.start(config=lab.config()).ready().stop()


def test_a_data_directory_that_is_none(lab: Lab) -> None:
    """A file in the place of the data directory is an error of the disk that names it."""
    lab.data.write_text("")
    assert_refused(lab.start(), ExitCode.DISK, str(lab.data), "File exists")


# Journals


def a_journal(lab: Lab) -> Path:
    """Let a pipeline write a journal of some blocks; return its segment."""
    pipeline = lab.pipeline(segment_bytes=1 << 20)
    for seed in (1, 2, 3):
        assert lab.inject("synthetic", "--orders", 500, "--seed", seed).wait() == 0
    pipeline.stop()
    (segment,) = [path for _, path in list_segments(journal_directory(lab.data))]
    return segment


def test_a_journal_that_is_corrupt_in_the_middle(lab: Lab) -> None:
    """A flipped bit before what was durable is never repaired: start, replay and verify refuse, bytes stay."""
    segment = a_journal(lab)
    raw = bytearray(segment.read_bytes())
    raw[6000] ^= 4
    segment.write_bytes(raw)
    assert_refused(lab.start(), ExitCode.JOURNAL, str(segment), "offset")
    assert segment.read_bytes() == raw
    refused(lab.run("replay", lab.data), ExitCode.JOURNAL, str(segment))
    raw[6000] ^= 4
    segment.write_bytes(raw)
    lab.start().ready().stop()


def test_a_journal_without_its_segments(lab: Lab) -> None:
    """A meta file whose segments are gone is no empty journal."""
    a_journal(lab).unlink()
    process = lab.start()
    assert process.wait() in (ExitCode.JOURNAL, ExitCode.NO_JOURNAL), process.text
    assert segments_of(lab.data) == []


def test_no_journal_to_replay(lab: Lab) -> None:
    """A directory without a journal, or that does not exist, is said to be so."""
    refused(lab.run("replay", lab.data), ExitCode.NO_JOURNAL, str(lab.data))
    lab.data.mkdir()
    refused(lab.run("replay", lab.data, "--verify"), ExitCode.NO_JOURNAL, str(lab.data))


def test_a_journal_of_another_layout(lab: Lab) -> None:
    """Records of another layout are not read as commands."""
    directory = journal_directory(lab.data)
    rows = np.zeros((3, SLOT_WORDS), dtype=np.int64)
    rows[:, 0] = (1, 2, 3)
    with JournalWriter(directory, SLOT_WORDS, DETERMINED_WORDS, layout_hash(COMMAND) ^ 1) as writer:
        writer.append(rows)
    assert_refused(lab.start(), ExitCode.JOURNAL, str(directory), "layout")
    refused(lab.run("replay", lab.data), ExitCode.JOURNAL, str(directory), "layout")


def test_a_journal_whose_digest_is_not_that_of_its_replay(lab: Lab) -> None:
    """A final digest that a replay does not reproduce: verify names the first sequence, start refuses."""
    a_journal(lab)
    directory = journal_directory(lab.data)
    with JournalWriter(directory, SLOT_WORDS, DETERMINED_WORDS, layout_hash(COMMAND)) as writer:
        seq = writer.next_seq
        wrong = np.zeros(1, dtype=COMMAND)
        wrong["seq"], wrong["seen_seq"], wrong["kind"], wrong["flags"] = (
            seq,
            seq - 1,
            KIND_CHECKPOINT,
            FLAG_FINAL,
        )
        wrong["aux0"], wrong["order_id"] = 0, 1
        writer.append(wrong)
    refused(
        lab.run("replay", lab.data, "--verify"), ExitCode.FAILED, "digest of state", f"sequence {seq - 1:,}"
    )
    assert_refused(lab.start(), ExitCode.JOURNAL, str(directory), "the journaled digests")


def test_a_torn_tail_is_cut_off_and_kept(lab: Lab) -> None:
    """What a crash left half-written behind the last durable block is cut off, kept in a file, and told."""
    pipeline = lab.pipeline(durability="os")
    assert lab.inject("synthetic", "--orders", 2000).wait() == 0
    pipeline.kill()
    until(lambda: not pipeline.workers_alive(), "the workers to end")
    layout = RecordLayout(SLOT_WORDS, DETERMINED_WORDS, layout_hash(COMMAND))
    (scan,) = assess(journal_directory(lab.data), layout).scans
    with open(scan.path, "r+b") as segment:
        segment.seek(scan.end_offset)
        segment.write(b"\x5a" * 100)
    again = lab.start().ready()
    assert "a torn tail was cut off and kept in" in again.stdout
    again.stop()
    lab.replay()


def test_a_copied_data_directory_is_a_venue_of_its_own(lab: Lab) -> None:
    """A copy of the journal, taken while nothing runs, starts elsewhere with the same state."""
    a_journal(lab)
    copy = lab.directory / "copy"
    shutil.copytree(lab.data, copy)
    first, second = lab.start(), lab.start(data=copy)
    first.ready()
    second.ready()
    seqs = [pipeline.snapshot().recovered_seq for pipeline in (first, second)]
    assert seqs[0] == seqs[1] > 1000
    assert first.stop().state_digest == second.stop(signal.SIGINT).state_digest
