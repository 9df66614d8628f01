"""Pipelines for tests: real processes on small rings, each ended by its pid when its test is over.

A command line (``start``, ``inject``, ``replay`` …) runs as in a shell, through ``cli.app.main``, in a process of
its own; it is forked from the test, which has the kernels loaded, so that it begins within milliseconds. What it
prints goes to files. Nothing here sleeps: every wait is for a condition, with a deadline.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from ringbuffer.errors import SegmentMissing
from ringbuffer.liveness import is_alive, process_start_time
from ringbuffer.shm import Segment
from stages.config import default_config
from stages.instance import AlreadyRunning, InstanceLock
from stages.last_run import LastRun, read_last_run
from stages.memory import SEGMENTS, pipeline_id, segment_name
from stages.observe import Snapshot, look

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
DEADLINE_S = 120.0
POLL_S = 0.002

ALL_IN_ONE = '[{ stages = ["ingest", "journal", "risk", "matching", "publish"] }]'
TWO_WORKERS = '[{ stages = ["ingest", "journal"] }, { stages = ["risk", "matching", "publish"] }]'
PLANS = {"one": ALL_IN_ONE, "two": TWO_WORKERS}

VENUE = """\
[venue]
name = "{name}"
durability = "{durability}"
[rings]
input_slots = {input_slots}
output_slots = {output_slots}
ingress_slots = {ingress_slots}
egress_slots = {egress_slots}
ports = {ports}
[capacity]
max_orders = 65536
max_levels = 8192
max_cl_ord_ids = {max_cl_ord_ids}
max_positions = 1024
max_accounts = {max_accounts}
max_instruments = {max_instruments}
max_sessions = 64
max_specials = 4096
partitions = {partitions}
[plan]
workers = {workers}
wait = "{wait}"
[journal]
segment_bytes = {segment_bytes}
checkpoint_every = {checkpoint_every}
tick_ms = {tick_ms}
[snapshots]
every_commands = {snapshot_every}
every_bytes = 0
every = "0s"
"""
DEFAULTS: dict[str, Any] = {
    "name": "e2e",
    "durability": "fsync",
    "input_slots": 1024,
    "output_slots": 4096,
    "ingress_slots": 1024,
    "egress_slots": 8192,
    "ports": 4,
    "max_cl_ord_ids": 262144,
    "max_accounts": 64,
    "max_instruments": 64,
    "partitions": 1,
    "workers": ALL_IN_ONE,
    "wait": "backoff",
    "segment_bytes": 1 << 20,
    "checkpoint_every": 1000,
    "tick_ms": 10,
    "snapshot_every": 0,
}


def venue_toml(**changes: Any) -> str:
    """Return the text of a small venue: instruments and accounts of the default one, small rings."""
    unknown = set(changes) - set(DEFAULTS)
    assert not unknown, unknown
    parts = [VENUE.format(**{**DEFAULTS, **changes})]
    config = default_config()
    for entry in config.instruments:
        low, high = entry.price_band or ("0", "0")
        parts.append(
            f'[[instrument]]\nsymbol = "{entry.symbol}"\ntick_size = "{entry.tick_size}"\n'
            f'lot_size = "{entry.lot_size}"\ncurrency = "{entry.currency}"\nprice_band = ["{low}", "{high}"]\n'
        )
    for account in config.accounts:
        parts.append(
            f'[[account]]\nname = "{account.name}"\ncurrency = "{account.currency}"\n'
            f'max_order_qty = {account.max_order_qty}\nmax_order_notional = "{account.max_order_notional}"\n'
            f"max_open_orders = {account.max_open_orders}\nmax_long = {account.max_long}\n"
            f'max_short = {account.max_short}\ncredit = "{account.credit}"\n'
        )
    return "\n".join(parts)


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
    """Wait until a condition holds and return its value; fail with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"expected within {seconds:g} s: {what}"
        select.select([], [], [], POLL_S)
    return value


def in_child(body: Callable[[], int | None], out: Path, err: Path) -> int:
    """Fork a process that runs ``body`` with its output in files and ends with the code returned; its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns if a test before this one has left a thread; what is forked here uses none of its locks
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (as long as the process)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        warnings.resetwarnings()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = int(body() or 0)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


class Process:
    """A child process with its output in files; ended by :meth:`end` whatever happens."""

    def __init__(self, directory: Path, name: str, body: Callable[[], int | None]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out, self.err = directory / f"{name}.out", directory / f"{name}.err"
        self.pid = in_child(body, self.out, self.err)
        self.code: int | None = None
        self._pidfd = os.pidfd_open(self.pid)

    def wait(self, seconds: float = DEADLINE_S) -> int:
        """Return the exit code, negative for the signal that killed it; fail at the deadline."""
        if self.code is None:
            ended, _, _ = select.select([self._pidfd], [], [], seconds)
            assert ended, f"expected {self.name} to end within {seconds:g} s; it said:\n{self.text}"
            self._reap()
        assert self.code is not None
        return self.code

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        if self.code is None and select.select([self._pidfd], [], [], 0)[0]:
            self._reap()
        return self.code is None

    def _reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self.code = os.waitstatus_to_exitcode(status)

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self.running, f"{self.name} has ended with {self.code}; it said:\n{self.text}"
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.send(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    @property
    def stdout(self) -> str:
        """What it has written to stdout."""
        return self.out.read_text() if self.out.exists() else ""

    @property
    def stderr(self) -> str:
        """What it has written to stderr."""
        return self.err.read_text() if self.err.exists() else ""

    @property
    def text(self) -> str:
        """Both."""
        return f"{self.stdout}{self.stderr}"

    @property
    def json(self) -> Any:
        """What it has written to stdout, decoded."""
        return json.loads(self.stdout)

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)
                os.kill(self.pid, signal.SIGKILL)
            self.wait()


def command(*arguments: object) -> Callable[[], int]:
    """Return a body that runs one command line."""

    def body() -> int:
        from cli.app import main

        return main([str(argument) for argument in arguments])

    return body


class Pipeline(Process):
    """``ringmatch start`` in the foreground."""

    def __init__(self, directory: Path, name: str, body: Callable[[], int | None], data: Path) -> None:
        self.data = data
        self.workers: list[tuple[int, int]] = []
        super().__init__(directory, name, body)

    def ready(self) -> Self:
        """Wait until it says so; remember the workers."""
        until(lambda: "\nready\n" in self.stdout or not self.running, f"{self.name} to be ready")
        assert self.running, f"expected a pipeline, it ended with {self.code}: {self.text}"
        pids = [int(pid) for pid in re.findall(r"^worker \d+: .* \(pid (\d+)\)$", self.stdout, re.MULTILINE)]
        self.workers = [(pid, process_start_time(pid)) for pid in pids]
        assert self.workers
        return self

    def snapshot(self) -> Snapshot:
        """Return what can be seen of it now."""
        return look(self.data)

    def stop(self, number: int = signal.SIGTERM) -> LastRun:
        """Stop it in order; return what it left."""
        self.send(number)
        assert self.wait() == 0, self.text
        last = self.last_run()
        assert last.state == "stopped"
        return last

    def last_run(self) -> LastRun:
        """Return what this run has left in last-run.json."""
        last = read_last_run(self.data)
        assert last is not None and last.pid == self.pid
        return last

    def workers_alive(self) -> list[int]:
        """Return the pids of workers that run."""
        return [pid for pid, start in self.workers if is_alive(pid, start)]

    def end(self) -> None:
        """Kill supervisor and workers, and remove what only the next start would."""
        super().end()
        for pid in self.workers_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.workers_alive(), "the workers to be gone")


def segments_of(data: Path) -> list[str]:
    """Return the parts of a data directory's pipeline that are in /dev/shm."""
    identity = pipeline_id(data)
    return [part for part in SEGMENTS if Path("/dev/shm", segment_name(identity, part)).exists()]


def forget(data: Path) -> None:
    """Remove segments and semaphore that a pipeline which was killed has left."""
    identity = pipeline_id(data)
    for part in SEGMENTS:
        with contextlib.suppress(SegmentMissing):
            Segment.attach(segment_name(identity, part)).unlink()
    with contextlib.suppress(AlreadyRunning):
        InstanceLock(identity, str(data)).release()


class Lab:
    """Starts pipelines and commands of one test, and ends all of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.processes: list[Process] = []
        self._count = 0

    def config(self, **changes: Any) -> Path:
        """Write a small venue and return its file."""
        path = self.directory / "venue.toml"
        path.write_text(venue_toml(**changes))
        return path

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{self._count:02d}-{what}"

    def run(self, *arguments: object) -> Process:
        """Begin a command line."""
        process = Process(self.directory, self._name(str(arguments[0])), command(*arguments))
        self.processes.append(process)
        return process

    def start(self, *options: object, config: Path | None = None, data: Path | None = None) -> Pipeline:
        """Begin ``start`` with a small venue."""
        data = data or self.data
        path = config or self.directory / "venue.toml"
        if not path.exists():
            self.config()
        body = command("start", "--config", path, "--data", data, *options)
        pipeline = Pipeline(self.directory, self._name("start"), body, data)
        self.processes.append(pipeline)
        return pipeline

    def standby(self, *options: object) -> Pipeline:
        """Begin ``standby`` for the small venue."""
        body = command("standby", "--follow", self.data, "--config", self.directory / "venue.toml", *options)
        pipeline = Pipeline(self.directory, self._name("standby"), body, self.data)
        self.processes.append(pipeline)
        return pipeline

    def pipeline(self, **changes: Any) -> Pipeline:
        """Start a small venue and wait until it is ready."""
        return self.start(config=self.config(**changes)).ready()

    def inject(self, *arguments: object, data: Path | None = None) -> Process:
        """Begin ``inject`` with a JSON summary."""
        return self.run("inject", *arguments, "--data", data or self.data, "--json")

    def replay(self, *options: object, code: int = 0) -> dict[str, Any]:
        """Replay and verify the journal; return the report."""
        process = self.run("replay", self.data, "--verify", "--json", *options)
        assert process.wait() == code, process.text
        report: dict[str, Any] = process.json
        return report

    def replayed_lines(self) -> dict[tuple[int, int], bytes]:
        """Replay and verify the journal; return the outcome lines by sequence and index."""
        path = self.directory / "replayed.jsonl"
        self.replay("--out", path)
        return lines_of(path)

    def close(self) -> None:
        """End everything, the last first."""
        for process in reversed(self.processes):
            process.end()
        for data in {process.data for process in self.processes if isinstance(process, Pipeline)}:
            forget(data)


@contextlib.contextmanager
def laboratory(directory: Path) -> Iterator[Lab]:
    """Provide a lab and close it."""
    lab = Lab(directory)
    try:
        yield lab
    finally:
        lab.close()


def lines_of(*paths: Path) -> dict[tuple[int, int], bytes]:
    """Return the outcome lines of files by (seq, index); a last line that is torn does not count."""
    found: dict[tuple[int, int], bytes] = {}
    for path in paths:
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                outcome = json.loads(line)
                key = outcome["seq"], outcome["index"]
                assert key not in found, f"{path}: {key} twice"
                found[key] = line
    return found


def assert_contains(replayed: dict[tuple[int, int], bytes], live: dict[tuple[int, int], bytes]) -> None:
    """Assert that each live line is in the replay, byte for byte."""
    assert live, "expected live outcomes"
    missing = [key for key in live if replayed.get(key) != live[key]]
    assert not missing, (
        f"{len(missing)} of {len(live)} lines differ, first {missing[0]}: {live[missing[0]]!r}"
    )


def decoded(lines: dict[tuple[int, int], bytes]) -> list[dict[str, Any]]:
    """Return outcome lines as objects, in order."""
    return [json.loads(lines[key]) for key in sorted(lines)]
