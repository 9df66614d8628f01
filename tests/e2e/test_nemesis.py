"""Real processes under load, killed and stopped at random moments and at every call of the disk, round after round.

One data directory lives through all rounds. In each a client sends the same flow again under the same session and
ClOrdIDs, as who got no answer does, and something is done to it: a worker or the supervisor is killed, stopped and
continued, the disk's nth call is the last thing that a process does, a standby takes over. In the end all that was ever
told is in the replay, byte for byte, and no ClOrdID has made two orders.

A round is a function of its seed. More of them: ``NEMESIS_ROUNDS=300 PYTEST="tests/e2e/test_nemesis.py" make test``; a
failure names the seed: ``NEMESIS_SEED=17 NEMESIS_ROUNDS=1``.
"""

from __future__ import annotations

import os
import random
import select
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from journal.disk import Disk
from tests.e2e.harness import Lab, Pipeline, Process, assert_contains, decoded, lines_of, until
from tests.e2e.test_disk import start_on

pytestmark = pytest.mark.chaos

ROUNDS: Final = int(os.environ.get("NEMESIS_ROUNDS", "6"))
FIRST_SEED: Final = int(os.environ.get("NEMESIS_SEED", "1"))
ORDERS: Final = 60_000
LONGEST_S: Final = 0.4  # from the first outcomes to the blow
OPERATIONS: Final = ("open", "pwrite", "fdatasync", "fsync", "fallocate", "rename", "fsync_dir")
VENUE: Final[dict[str, Any]] = {"segment_bytes": 1 << 19, "checkpoint_every": 500, "snapshot_every": 20_000}


class DeadlyDisk(Disk):
    """A disk one of whose calls is the last thing that the calling process does: before the call, or after it."""

    def __init__(self, operation: str, nth: int, *, after: bool) -> None:
        self.operation, self.nth, self.after = operation, nth, after
        self.calls = 0
        for name in OPERATIONS:
            setattr(self, name, self._deadly(name, getattr(super(), name)))

    def _deadly(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            self.calls += name == self.operation
            is_last = name == self.operation and self.calls == self.nth
            if is_last and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped


class Nemesis:
    """One data directory, and what is done to it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.outs: list[Path] = []
        self.done: Counter[str] = Counter()

    def client(self, seed: int) -> Process:
        """Begin to send the round's flow; a seed in three is that of the round before, sent again."""
        out = self.lab.directory / f"told-{len(self.outs)}.jsonl"
        self.outs.append(out)
        flow_seed = seed - seed % 3
        return self.lab.inject("synthetic", "--orders", ORDERS, "--seed", flow_seed, "--out", out)

    def round(self, seed: int) -> None:
        """Start, send, strike."""
        chance = random.Random(seed)
        strike = chance.choice(
            [self.kill, self.kill, self.stop_and_continue, self.disk, self.disk, self.take_over]
        )
        self.done[strike.__name__] += 1
        strike(chance, seed)

    def pipeline(self) -> Pipeline:
        """Start on what the round before left."""
        return self.lab.start(config=self.lab.config(**VENUE)).ready()

    def wait_a_while(self, chance: random.Random) -> None:
        """Let some of the flow pass."""
        select.select([], [], [], chance.random() * LONGEST_S)

    def victims(self, pipeline: Pipeline) -> list[int]:
        """Return the pids of supervisor and workers."""
        return [pipeline.pid, *(pid for pid, _ in pipeline.workers)]

    def kill(self, chance: random.Random, seed: int) -> None:
        """Kill one of the pipeline's processes under load."""
        pipeline = self.pipeline()
        client = self.client(seed)
        self.wait_a_while(chance)
        os.kill(chance.choice(self.victims(pipeline)), signal.SIGKILL)
        self.over(pipeline, client)

    def stop_and_continue(self, chance: random.Random, seed: int) -> None:
        """Stop a process for a moment: nothing is lost, nothing ends; then stop the pipeline in order."""
        pipeline = self.pipeline()
        client = self.client(seed)
        for _ in range(3):
            self.wait_a_while(chance)
            victim = chance.choice(self.victims(pipeline))
            os.kill(victim, signal.SIGSTOP)
            self.wait_a_while(chance)
            os.kill(victim, signal.SIGCONT)
        assert client.wait() == 0, client.text
        pipeline.stop()

    def disk(self, chance: random.Random, seed: int) -> None:
        """Let a process die at a call of the disk: of recovery, of a commit, of a roll."""
        operation = chance.choice(OPERATIONS)
        nth = chance.choice([1, 2, 3, 5, 8]) if operation != "pwrite" else chance.randrange(1, 300)
        disk = DeadlyDisk(operation, nth, after=chance.random() < 0.5)
        pipeline = start_on(disk, self.lab, **VENUE)
        until(lambda: "\nready\n" in pipeline.stdout or not pipeline.running, "the pipeline, or its end")
        if pipeline.running:
            pipeline.ready()
            client = self.client(seed)
            client.wait()
            if pipeline.running:
                pipeline.send(signal.SIGTERM)
        pipeline.wait()
        self.gone(pipeline)

    def take_over(self, chance: random.Random, seed: int) -> None:
        """Kill the supervisor while a standby follows; the client sends on to whoever serves."""
        pipeline = self.pipeline()
        standby = self.lab.standby()
        until(lambda: "following" in standby.stdout, "the standby to follow")
        client = self.client(seed)
        self.wait_a_while(chance)
        os.kill(pipeline.pid, signal.SIGKILL)
        self.over(pipeline, client)
        standby.ready()
        assert self.client(seed).wait() == 0
        standby.stop()

    def over(self, pipeline: Pipeline, client: Process) -> None:
        """Wait until the pipeline and its client have ended."""
        pipeline.wait()
        client.wait()
        self.gone(pipeline)

    def gone(self, pipeline: Pipeline) -> None:
        """Wait until the workers have left."""
        until(lambda: not pipeline.workers_alive(), "the workers to leave")


def test_nothing_that_was_told_is_lost_or_doubled(lab: Lab) -> None:
    """Whatever dies: all that was told is in the replay, and a flow that is sent again makes no second order."""
    nemesis = Nemesis(lab)
    for seed in range(FIRST_SEED, FIRST_SEED + ROUNDS):
        try:
            nemesis.round(seed)
        except BaseException as error:
            error.add_note(f"round of seed {seed}; before it {dict(nemesis.done)}")
            raise
    pipeline = nemesis.pipeline()
    last = pipeline.stop()
    report = lab.replay("--out", lab.directory / "replayed.jsonl")
    assert report["verified"] is True and report["state_digest"] == last.state_digest
    replayed = lines_of(lab.directory / "replayed.jsonl")
    assert_contains(replayed, lines_of(*[out for out in nemesis.outs if out.exists()]))
    accepted = Counter(
        (line["session"], line["cl_ord_id"])
        for line in decoded(replayed)
        if line["type"] == "accepted" and line["kind"] == "new" and line["index"] == 0
    )
    assert accepted and max(accepted.values()) == 1, "a ClOrdID made two orders"
