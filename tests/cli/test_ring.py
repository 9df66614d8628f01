"""``ringmatch ring``: rings on their own and of a pipeline, listed, one in detail, one live."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from cli.app import main
from cli.exit_codes import ExitCode
from cli.ring import frame, look
from ringbuffer import inspect
from ringbuffer.ring import Ring
from ringbuffer.shm import PREFIX, Segment, SysvSegment, clean_stale
from ringbuffer.topology import diamond, handle
from stages.memory import PipelineMemory, Sizes
from tests.cli.terminal import in_terminal, read_terminal
from tests.structure.tree import ROOT

TICK = np.dtype([("price", "<i8"), ("qty", "<i8")])
PATIENCE_S = 120.0
KILLED_OWNER = """
import os, signal, sys
from ringbuffer.ring import Ring
ring = Ring.create(sys.argv[1], 8, "<i8", {"reader": ()})
ring.producer().publish(5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def name() -> Iterator[str]:
    """A name that nobody else uses; what a dead process leaves of it is removed afterwards."""
    name = f"{PREFIX}test-{uuid.uuid4().hex[:12]}"
    yield name
    clean_stale(name)


def listed(capsys: pytest.CaptureFixture[str], name: str) -> list[dict[str, Any]]:
    """Return the rows of ``ls --json`` whose name begins so."""
    assert main(["ring", "ls", "--json"]) == ExitCode.OK
    return [row for row in json.loads(capsys.readouterr().out) if row["name"].startswith(name)]


@pytest.mark.parametrize("kind", [Segment, SysvSegment])
def test_a_ring_is_listed(name: str, kind: type[Segment], capsys: pytest.CaptureFixture[str]) -> None:
    """A ring of either memory is a line, and an object of the JSON, with its figures and its owner."""
    with Ring.create(name, 8, TICK, diamond("l", "r", "j"), producers=2, kind=kind) as ring:
        with ring.producer() as producer:
            producer.publish(np.zeros(2, TICK))
        memory = "posix" if kind is Segment else "sysv"
        (row,) = listed(capsys, name)
        assert (row["producers"], row["readers"], row["fill"], row["capacity"]) == (2, ["l", "r", "j"], 2, 8)
        assert (row["memory"], row["stale"], row["owner_pid"]) == (memory, False, os.getpid())
        assert main(["ring", "ls"]) == ExitCode.OK
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(name)]
        assert line.split() == [
            name, "2", memory, "8", "128", "B", "25.0%", "closed", "l", "r", "j", "pid", str(os.getpid()),
        ]  # fmt: skip
    assert listed(capsys, name) == []


def test_the_rings_of_a_pipeline_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Rings inside the segments of a pipeline are found, one by one, and answer to their numbers."""
    identity = f"test-{uuid.uuid4().hex[:8]}"
    memory = PipelineMemory(identity, Sizes(64, 128, 32, 16, 3), epoch=4, input_seq=0)
    try:
        rows = listed(capsys, f"{PREFIX}{identity}")
        assert [(row["name"].removeprefix(f"{PREFIX}{identity}-"), row["capacity"]) for row in rows] == [
            ("core:0", 64), ("core:1", 128), *((f"egress:{port}", 16) for port in range(3)),
            *((f"ingress:{port}", 32) for port in range(3)),
        ]  # fmt: skip
        assert main(["ring", "stat", f"{identity}-core:1"]) == ExitCode.OK
        assert f"{identity}-core:1: open, one producer, 128 slots of 128 bytes" in capsys.readouterr().out
        assert main(["ring", "stat", f"{identity}-core"]) == ExitCode.NO_RING
        assert f"expected one of {PREFIX}{identity}-core:0, " in capsys.readouterr().err
    finally:
        memory.unlink()


def test_a_ring_in_detail(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each participant with cursor, lag, rate, pid, heartbeat and whom it waits for; open claims; the policy."""
    with (
        Ring.create(name, 8, TICK, handle("risk").then("match"), producers=2, dead_readers="remove") as ring,
        ring.producer() as first,
        ring.producer() as second,
        ring.consumer("risk") as risk,
    ):
        first.publish(np.zeros(3, TICK))
        risk.poll(2)
        risk.release()
        claim = second.claim(2)
        assert main(["ring", "stat", name.removeprefix(PREFIX), "--json"]) == ExitCode.OK
        report = json.loads(capsys.readouterr().out)
        found = {each["name"]: each for each in report["participants"]}
        assert list(found) == ["writer", "risk", "match", "producer-1", "producer-2"]
        assert (found["risk"]["seq"], found["risk"]["lag"], found["risk"]["rate"]) == (2, 3, 0.0)
        assert (found["risk"]["pid"], found["risk"]["alive"]) == (os.getpid(), True)
        assert 0 <= found["risk"]["heartbeat_age_s"] < PATIENCE_S
        assert (found["match"]["heartbeat_age_s"], found["match"]["waits_for"]) == (None, ["risk"])
        assert report["open_claims"] == [{"first_seq": 4, "size": 2, "producer": "producer-2"}]
        assert report["ring"]["dead_readers"] == "remove"
        assert main(["ring", "stat", name]) == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{name}: open, 2 producers, 8 slots of 16 bytes, 62.5% full (5)"
        assert "dead readers: remove, observable" in lines[1]
        assert lines[-1] == "open claims: 4..5 of producer-2"
        assert [line.split()[:6] for line in lines if line.startswith("match")] == [
            ["match", "reader", "0", "5", "0/s", "-"]
        ]
        claim.abandon()


def test_a_stale_ring_is_called_so(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a killed process has left is stale in the list and in detail, and its participants are dead."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_OWNER, name], cwd=ROOT, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == -signal.SIGKILL
    (row,) = listed(capsys, name)
    assert (row["stale"], row["seq"]) == (True, 1)
    main(["ring", "ls"])
    assert f"pid {row['owner_pid']}, dead: stale" in capsys.readouterr().out
    main(["ring", "stat", name])
    out = capsys.readouterr().out
    assert f"owner pid {row['owner_pid']} is dead: the ring is stale" in out
    assert "DEAD" in out


@pytest.mark.parametrize("command", ["stat", "watch"])
def test_no_such_ring_is_an_error(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name without a ring is one line and its exit code; a name that cannot be one is wrong usage."""
    assert main(["ring", command, name]) == ExitCode.NO_RING
    said = f"ringmatch: {name}: expected a ring of that name, was none (ringmatch ring ls)\n"
    assert capsys.readouterr() == ("", said)
    assert main(["ring", command, "no/name"]) == ExitCode.USAGE
    assert "segment name: expected" in capsys.readouterr().err


def test_no_rings_are_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty list prints nothing on stdout; other rings of this host do not matter to the test."""
    monkeypatch.setattr(inspect, "find_rings", lambda: [])
    assert main(["ring", "ls"]) == ExitCode.OK
    assert capsys.readouterr() == ("", "there are no rings\n")


def test_a_frame_shows_rates_and_bars(name: str) -> None:
    """Rates are differences of two looks over the time between them; bars show how far readers are behind."""
    with Ring.create(name, 64, TICK, {"reader": ()}) as ring, ring.producer() as producer:
        with inspect.open_ring(name) as opened:
            before = look(opened)
            producer.publish(np.zeros(32, TICK))
            now = look(opened)._replace(taken_s=before.taken_s + 2.0)
        console = Console(width=130, highlight=False, color_system=None)
        with console.capture() as capture:
            console.print(frame(before, now))
        lines = {line.split()[0]: line for line in capture.get().splitlines() if line.strip()}
        assert lines["writer"].split()[:4] == ["writer", "writer", "32", "16/s"]
        assert lines["reader"].count("█") == 12  # half of 24 cells
        assert "50.0% full (32)" in lines[f"{name}:"]


def test_a_frame_is_printed_where_there_is_no_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--once, and a stdout that is no terminal, give one frame and an end."""
    with Ring.create(name, 64, TICK, {"reader": ()}):
        for options in (["--once"], []):
            assert main(["ring", "watch", name, "--interval", "0.05", *options]) == ExitCode.OK
            assert capsys.readouterr().out.count("open claims: none") == 1


@pytest.mark.parametrize("how", ["q", "Ctrl-C", "gone"])
def test_watch_ends_when_asked_and_when_the_ring_is_gone(how: str, name: str) -> None:
    """In a terminal watch draws until q or Ctrl-C, or until nobody has a ring of that name any more."""
    with Ring.create(name, 64, TICK, {"reader": ()}) as ring:
        process, terminal = in_terminal("ring", "watch", name, "--interval", "0.05")
        try:
            read_terminal(terminal, b"open claims")
            if how == "q":
                os.write(terminal, b"q")
            elif how == "Ctrl-C":
                process.send_signal(signal.SIGINT)
            else:
                ring.unlink()
            rest = read_terminal(terminal)
            assert (b"is gone" in rest) is (how == "gone")
            assert b"Traceback" not in rest
            assert process.wait(PATIENCE_S) == ExitCode.OK
        finally:
            process.kill()
            process.wait()
            os.close(terminal)
