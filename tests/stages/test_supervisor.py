"""The supervisor: one a data directory, workers where the plan says, what a crash left is put in order."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringbuffer.shm import SHM_DIRECTORY
from stages.config import load_config, overridden
from stages.control import State, WorkerPlan
from stages.host import available_cores, fifo_permitted
from stages.instance import AlreadyRunning, InstanceLock
from stages.last_run import read_last_run
from stages.memory import SEGMENTS, pipeline_id, segment_name
from stages.observe import Observer
from stages.plan import make_plan
from stages.replay import Replayer
from stages.state_words import RW_SESSIONS
from stages.supervisor import Supervisor, WorkerDied
from tests.e2e.harness import PLANS, Lab, Process, laboratory, segments_of, until
from tests.e2e.kernels import load_all_kernels


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Provide a laboratory with the kernels loaded."""
    load_all_kernels()
    with laboratory(tmp_path) as made:
        yield made


@pytest.fixture
def identity() -> Iterator[str]:
    """Provide the id of a pipeline that nobody else has, and leave no semaphore of it."""
    made = uuid.uuid4().hex[:10]
    yield made
    try:
        InstanceLock(made, "").release()
    except AlreadyRunning:
        pass  # a test has failed: its holder is being killed


# The lock


def holder(identity: str, tmp_path: Path) -> Process:
    """Begin a process that holds the lock until it is killed, and wait until it does."""

    def body() -> int:
        lock = InstanceLock(identity, "DIR")
        print("held", flush=True)
        signal.pause()
        lock.release()
        return 0

    process = Process(tmp_path, "holder", body)
    until(lambda: "held" in process.stdout, "the lock to be held")
    return process


def test_the_second_is_refused_with_the_first_ones_pid(identity: str, tmp_path: Path) -> None:
    """Who holds the lock is told to who wants it, at once, as often as it is asked."""
    process = holder(identity, tmp_path)
    try:
        for _ in range(3):
            with pytest.raises(
                AlreadyRunning, match=f"DIR: expected no running pipeline, but process {process.pid}"
            ) as e:
                InstanceLock(identity, "DIR")
            assert e.value.pid == process.pid
    finally:
        process.end()


def test_the_kernel_releases_what_a_killed_holder_had(identity: str, tmp_path: Path) -> None:
    """After SIGKILL of the holder the lock is free, without anybody cleaning up."""
    for _ in range(3):
        process = holder(identity, tmp_path)
        process.kill()
        lock = InstanceLock(identity, "DIR")
        lock.release()


def test_a_child_neither_holds_nor_releases(identity: str, tmp_path: Path) -> None:
    """The end of a process that the holder forked, as it forks workers, leaves the lock where it is."""
    lock = InstanceLock(identity, "DIR")
    child = Process(tmp_path, "child", lambda: 0)
    assert child.wait() == 0
    with pytest.raises(AlreadyRunning) as caught:
        InstanceLock(identity, "DIR")
    assert caught.value.pid == os.getpid()
    lock.release()
    InstanceLock(identity, "DIR").release()


def test_a_released_lock_leaves_nothing(identity: str) -> None:
    """Releasing removes the semaphore; releasing again, or a semaphore removed by hand, is no error."""
    lock = InstanceLock(identity, "DIR")
    other = InstanceLock(uuid.uuid4().hex[:10], "OTHER")
    lock.release()
    lock.release()
    other.release()


def test_the_id_of_a_directory_is_that_of_the_place(tmp_path: Path) -> None:
    """Each spelling of a path gives one id, each place its own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    spellings = [tmp_path / "a", f"{tmp_path}/a/", f"{tmp_path}/./x/../a", tmp_path / "link"]
    assert len({pipeline_id(spelling) for spelling in spellings}) == 1
    assert pipeline_id(tmp_path / "b") != pipeline_id(tmp_path / "a")


# Life


def supervisor_of(lab: Lab, **changes: object) -> Supervisor:
    """Return a supervisor of a small venue in this process."""
    config = overridden(load_config(lab.config(**changes)), data_dir=str(lab.data))
    return Supervisor(config, make_plan(config, available_cores()))


def test_a_supervisor_can_be_used_as_a_library(lab: Lab) -> None:
    """Start, look, ask to stop, serve: it ends with the digest of its state, its workers, segments and lock gone."""
    supervisor = supervisor_of(lab, workers=PLANS["two"])
    supervisor.start()
    try:
        observer = Observer(lab.data)
        snapshot = observer.snapshot()
        assert (snapshot.state, snapshot.supervisor_pid) == ("ready", os.getpid())
        assert [worker.pid for worker in snapshot.workers] == list(supervisor.pids.values())
        assert all(worker.alive for worker in snapshot.workers)
        assert snapshot.cursors["durable"] == snapshot.cursors["matching"] == snapshot.cursors["input"] > 100
        assert segments_of(lab.data) == list(SEGMENTS)
        assert (
            os.stat(SHM_DIRECTORY / segment_name(pipeline_id(lab.data), "control")).st_mode & 0o777 == 0o600
        )
    finally:
        supervisor.ask_to_stop()
        supervisor.serve()
    assert observer.state is State.STOPPED and supervisor.pids == {}
    assert supervisor.last_run == read_last_run(lab.data)
    assert supervisor.last_run is not None and supervisor.last_run.last_seq == snapshot.cursors["input"] + 1
    assert segments_of(lab.data) == []
    InstanceLock(pipeline_id(lab.data), "").release()


def test_a_worker_that_dies_before_ready_ends_the_start(lab: Lab) -> None:
    """A worker that cannot run, here because its core is not there, is named with what it said; nothing is left."""
    supervisor = supervisor_of(lab)
    stages = ("ingest", "journal", "risk", "matching", "publish")
    supervisor.plan = (WorkerPlan(stages=stages, core=1023),)
    with pytest.raises(
        WorkerDied, match=r"worker 1 \(ingest\+.*\) ended with code 20: OSError: .*Invalid argument"
    ):
        supervisor.start()
    assert supervisor.last_run is not None and supervisor.last_run.state == "failed"
    assert segments_of(lab.data) == [] and supervisor.pids == {}
    InstanceLock(pipeline_id(lab.data), "").release()


def test_workers_run_where_the_plan_says(lab: Lab) -> None:
    """Workers are pinned to their cores, named after their stages, and real-time only if asked for and permitted."""
    core = available_cores()[-1]
    stages = '["ingest", "journal", "risk", "matching", "publish"]'
    path = lab.config(workers=f"[{{ stages = {stages}, core = {core} }}]")
    path.write_text(path.read_text().replace("[plan]", "[plan]\nsched_fifo = true\nmlock = true"))
    pipeline = lab.start(config=path).ready()
    (worker,) = pipeline.snapshot().workers
    assert worker.core == core and os.sched_getaffinity(worker.pid) == {core}
    policy = os.SCHED_FIFO if fifo_permitted() else os.SCHED_OTHER
    assert os.sched_getscheduler(worker.pid) == policy
    assert Path(f"/proc/{worker.pid}/comm").read_text().startswith("rm-inge+jour")
    assert os.sched_getscheduler(pipeline.pid) == os.SCHED_OTHER
    assert lab.inject("synthetic", "--orders", 1000).wait() == 0
    pipeline.stop()


def test_sessions_that_a_crash_left_open_are_closed(lab: Lab) -> None:
    """The start after a crash journals the close of each session that was open, before anybody can open one."""
    pipeline = lab.pipeline()
    acked = pipeline.snapshot().counters["acked"]  # of what the venue was defined by
    injector = lab.inject("synthetic", "--orders", 100_000, "--rate", 1000)
    until(lambda: pipeline.snapshot().counters["acked"] > acked + 300, "a flow of orders")
    pipeline.kill()
    injector.wait()
    lab.start().ready()
    snapshot = Observer(lab.data).snapshot()
    assert snapshot.cursors["input"] == snapshot.recovered_seq + 1
    lab.processes[-1].send(signal.SIGTERM)
    assert lab.processes[-1].wait() == 0
    replayer = Replayer(lab.data)
    replayer.run()
    assert replayer.core is not None
    risk = replayer.core.state.risk
    assert risk.words[RW_SESSIONS] == 1 and not risk.sessions["is_open"].any()


def test_leftovers_that_are_no_segments_are_removed(lab: Lab) -> None:
    """A segment whose maker was killed while it made it has no header; the next start takes it away all the same."""
    lab.data.mkdir()
    for part in SEGMENTS:
        (SHM_DIRECTORY / segment_name(pipeline_id(lab.data), part)).write_bytes(b"\0" * 100)
    pipeline = lab.pipeline()
    assert pipeline.snapshot().ports_open == 0
    pipeline.stop()
    assert segments_of(lab.data) == []


def test_a_stop_during_the_start_is_not_forgotten(lab: Lab) -> None:
    """SIGTERM that comes before the pipeline is ready stops it as soon as it is."""
    supervisor = supervisor_of(lab)
    supervisor.ask_to_stop()
    supervisor.start()
    supervisor.serve()
    assert supervisor.last_run is not None and supervisor.last_run.state == "stopped"
