"""A real process is killed, or stopped and continued, at the n-th line that it executes inside the protocol.

The kernels run as plain Python here (``NUMBA_DISABLE_JIT=1``, in an interpreter of its own), so that a trace function
can count their lines. That interpreter forks a participant for each n; the participant sends itself the signal;
the parent then is the other side: it reads, heals, succeeds, and compares. The quick tests take every n-th line,
the slow ones all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

from ringbuffer.errors import ParticipantBusy, ParticipantError
from ringbuffer.layout import cursor_index
from ringbuffer.ring import Ring
from ringbuffer.shm import list_segments

ROOT: Final = Path(__file__).resolve().parents[2]
WORD: Final = np.dtype("<i8")
CAPACITY: Final = 4
TIMEOUT_S: Final = 20.0
FILES: Final = frozenset(
    str(ROOT / "ringbuffer" / f"{name}.py")
    for name in ("sequence", "multi", "participant", "membership", "producer", "consumer")
)


# -- the one that is struck -----------------------------------------------------------------------------------


def strike_at(line: int, number: int) -> None:
    """Send ourselves a signal at the n-th line that is executed in the protocol's modules."""
    count = 0

    def each_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == line:
                os.kill(os.getpid(), number)
        return each_line

    def each_call(frame: FrameType, event: str, argument: Any) -> Any:
        return each_line if frame.f_code.co_filename in FILES else None

    sys.settrace(each_call)


def write(ring: Ring, confirm: Callable[[], None]) -> None:
    """Publish 1, then 2 and 3 in one claim."""
    with ring.producer(keep_open=True) as producer:
        producer.publish(1)
        confirm()
        producer.publish(np.array([2, 3]))
        confirm()
        confirm()


def read(ring: Ring, confirm: Callable[[], None]) -> None:
    """Read and release 1, then the rest up to 3."""
    with ring.consumer("reader") as consumer:
        consumer.poll(1)
        consumer.release()
        confirm()
        while consumer.position < 3:
            consumer.poll()
        consumer.release()
        confirm()
        confirm()


def come_and_go(ring: Ring, confirm: Callable[[], None]) -> None:
    """Join, read what there is, leave."""
    with ring.join("late", at_seq=0) as consumer:
        consumer.poll(1)
        consumer.release()
        consumer.poll()


def child_of(
    ring: Ring, body: Callable[[Ring, Callable[[], None]], None], line: int, number: int
) -> tuple[int, int]:
    """Fork a process that runs ``body`` and is struck; return its pid and the pipe of its confirmations."""
    out, into = os.pipe()
    pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    code = 3
    try:
        with Ring.attach(ring.name, WORD) as attached:
            strike_at(line, number)
            body(attached, lambda: (os.write(into, b"."), None)[1])
            sys.settrace(None)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
    raise AssertionError


# -- the other side -------------------------------------------------------------------------------------------


def take(consumer: Any, count: int) -> list[int]:
    """Read until ``count`` records came."""
    got: list[int] = []
    while len(got) < count:
        consumer.wait(TIMEOUT_S)
        got += consumer.poll(count - len(got)).tolist()
    consumer.release()
    return got


def after_writer(ring: Ring, confirmed: int) -> None:
    """Everything published is read; a successor goes on where the dead one was."""
    published = ring.cursor
    assert confirmed <= published <= 3 and published != 2, f"confirmed {confirmed}, was {published}"
    with ring.consumer("reader") as consumer, ring.producer() as successor:
        assert take(consumer, published) == list(range(1, published + 1))
        for value in range(11, 17):
            successor.publish(value, TIMEOUT_S)
            assert take(consumer, 1) == [value]
        assert ring.cursor == published + 6, "what was claimed and not published is nothing"


def after_sharer(ring: Ring, confirmed: int) -> None:
    """The reader gets everything published and skips what was claimed; another and a successor go on."""
    with ring.consumer("reader") as consumer, ring.producer(keep_open=True) as other:
        other.publish(11, TIMEOUT_S)
        got = take(consumer, 1)
        while got[-1] != 11:
            got += take(consumer, 1)
        assert got[:-1] == list(range(1, len(got))) and confirmed < len(got), f"confirmed {confirmed}: {got}"
        with ring.producer(keep_open=True) as successor:
            for value in range(12, 18):
                (successor, other)[value % 2].publish(value, TIMEOUT_S)
                assert take(consumer, 1) == [value]
        assert consumer.seq == ring.cursor == len(got) + 6 + consumer.padded
        assert ring.open_claims() == []


def after_reader(ring: Ring, confirmed: int) -> None:
    """A successor gets all that was not released, and the writer is not held up."""
    released = int(ring.words[cursor_index(1)])
    assert confirmed <= released <= 3, f"confirmed {confirmed}, was {released}"
    with ring.consumer("reader") as successor, ring.producer() as producer:
        assert take(successor, 3 - released) == list(range(released + 1, 4))
        for value in range(11, 17):
            producer.publish(value, TIMEOUT_S)
            assert take(successor, 1) == [value]


def after_newcomer(ring: Ring, confirmed: int) -> None:
    """The writer goes on, laps included; the next one finds a place and reads."""
    with ring.consumer("reader") as consumer, ring.producer(full=TIMEOUT_S) as producer:
        take(consumer, 3)
        for value in range(11, 20):
            producer.publish(value)
            assert take(consumer, 1) == [value]
        try:
            newcomer = ring.join("next")
        except ParticipantError:
            ring.remove("late")
            newcomer = ring.join("next")
        with newcomer:
            producer.publish(20)
            assert take(newcomer, 1) == [20]


class Role(NamedTuple):
    """One that is struck: what it does, on which ring, and what must hold after."""

    body: Callable[[Ring, Callable[[], None]], None]
    after: Callable[[Ring, int], None]
    producers: int
    is_filled: bool  # three records are there before it begins


ROLES: Final = {
    "writer": Role(write, after_writer, 1, False),
    "producer": Role(write, after_sharer, 2, False),
    "reader": Role(read, after_reader, 1, True),
    "reader of producers": Role(read, after_reader, 2, True),
    "newcomer": Role(come_and_go, after_newcomer, 1, True),
    "newcomer of producers": Role(come_and_go, after_newcomer, 2, True),
}


@contextmanager
def ring_of(role: Role) -> Iterator[Ring]:
    """Make the ring that a participant is struck on."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    options: dict[str, Any] = {"vacant_readers": 1, "dead_readers": "remove"}
    with Ring.create(name, CAPACITY, WORD, {"reader": ()}, producers=role.producers, **options) as ring:
        if role.is_filled:
            with ring.producer(keep_open=True) as producer:
                producer.publish(1)
                producer.publish(np.array([2, 3]))
        yield ring
    assert name not in [segment.name for segment in list_segments()]


def kill_at(role: Role, line: int) -> bool:
    """Kill at that line and let the other side go on; return whether there was such a line."""
    with ring_of(role) as ring:
        pid, confirmations = child_of(ring, role.body, line, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        confirmed = len(os.read(confirmations, 16))
        os.close(confirmations)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"expected exit code 0, was {os.WEXITSTATUS(status)}"
            return False
        role.after(ring, confirmed)
        return True


def stop_at(role: Role, line: int) -> bool:
    """Stop at that line: its place is not given away. Continue it, and it ends well, with the same result."""
    with ring_of(role) as ring:
        pid, confirmations = child_of(ring, role.body, line, signal.SIGSTOP)
        _, status = os.waitpid(pid, os.WUNTRACED)
        was_stopped = os.WIFSTOPPED(status)
        if was_stopped:
            stand_by(ring, role, pid)
            os.kill(pid, signal.SIGCONT)
            _, status = os.waitpid(pid, 0)
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, f"expected a good end, was {status}"
        confirmed = len(os.read(confirmations, 16))
        os.close(confirmations)
        role.after(ring, confirmed)
        return was_stopped


def stand_by(ring: Ring, role: Role, pid: int) -> None:
    """Do what others may do while it is stopped: its place is refused, what it published is read, no more."""
    if role.body is write:
        with ring.consumer("reader") as consumer:
            batch = consumer.poll().tolist()
            assert batch == list(range(1, len(batch) + 1))
            consumer.rewind()
            consumer.detach()
        holders = [each.pid for each in ring.status()]
        if pid in holders and role.producers == 1:
            with pytest.raises(ParticipantBusy):
                ring.producer()
    elif role.body is read and int(ring.status()[1].pid) == pid:
        with pytest.raises(ParticipantBusy):
            ring.consumer("reader")


def main(role: str, strike: str, stride: int) -> None:
    """Strike at lines 1, 1 + stride, ... until there is no such line; say how many there were."""
    act = kill_at if strike == "kill" else stop_at
    line = 1
    while True:
        try:
            struck = act(ROLES[role], line)
        except BaseException:
            print(f"{role}: {strike} at line {line} of its own", file=sys.stderr)
            raise
        if not struck:
            break
        line += stride
    print((line - 1) // stride)


def run(role: str, strike: str, stride: int) -> None:
    """Run :func:`main` in an interpreter without compiled kernels."""
    code = f"from tests.ringbuffer.test_kill_steps import main; main({role!r}, {strike!r}, {stride})"
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-4000:]
    assert int(child.stdout.split()[-1]) >= 100 // stride, f"expected more lines, was {child.stdout}"


@pytest.mark.chaos
@pytest.mark.parametrize("role", ROLES)
def test_killed_anywhere_the_others_go_on(role: str) -> None:
    """After a SIGKILL at a spread of lines nothing published is lost, claims are padded, a successor continues."""
    run(role, "kill", 3)


@pytest.mark.chaos
@pytest.mark.parametrize("role", ROLES)
def test_stopped_anywhere_it_is_not_taken_for_dead(role: str) -> None:
    """After a SIGSTOP its place is refused to others, and after SIGCONT it ends as if nothing had been."""
    run(role, "stop", 7)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("strike", ["kill", "stop"])
@pytest.mark.parametrize("role", ROLES)
def test_struck_at_each_line_the_others_go_on(role: str, strike: str) -> None:
    """The same at every single line that each participant executes in the protocol."""
    run(role, strike, 1)
