"""A worker process: pins itself, then runs the compiled loop over the stages of its plan until told to stop.

Workers are forked from the supervisor, which has the kernels loaded and the state rebuilt. A worker that
fails writes one line into its pipe and exits with a code of its own; a worker whose supervisor is gone stops.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from typing import Any, Final

from journal.errors import JournalError
from journal.writer import JournalWriter
from ringbuffer.liveness import process_start_time
from ringbuffer.pages import populate
from ringbuffer.ring_words import store_word
from stages.control import (
    CW_DIGEST_SEQ,
    CW_STOP,
    CW_WORKER_BLOCKS,
    WORKER_WORDS,
    WW_BOOKS_DIGESTS,
    WW_CORE,
    WW_DIGEST_SEQ,
    WW_PID,
    WW_READY,
    WW_RISK_DIGEST,
    WW_STAGES,
    WW_START,
    WorkerPlan,
)
from stages.digest import books_digest, risk_digest
from stages.journaling import BlockBuffers, CommitThread
from stages.loop import (
    FEEDBACK_OVERFLOW,
    SLICE_OVER,
    STAGE_BITS,
    STAGE_JOURNAL,
    STAGE_MATCHING,
    STAGE_PARTITIONS,
    STAGE_RISK,
    STOPPED,
    WAIT_CODES,
    Context,
    worker_loop,
)

__all__ = ["EXIT_DISK", "EXIT_FAILED", "EXIT_ORPHANED", "run_worker"]

EXIT_FAILED: Final = 20
EXIT_DISK: Final = 21
EXIT_ORPHANED: Final = 22

SLICE_NS: Final = 100_000_000
PR_SET_NAME: Final = 15
PR_SET_TIMERSLACK: Final = 29
MCL_CURRENT_FUTURE: Final = 3
SLAB_BYTES: Final = 8 << 20  # of a slab or queue, made resident at the start


def settle(plan: WorkerPlan, name: str, sched_fifo: bool, mlock: bool) -> list[str]:
    """Pin and name this process; return what was asked for but not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    refused = []
    if plan.core >= 0:
        os.sched_setaffinity(0, {plan.core})
    libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    if sched_fifo:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError as error:
            refused.append(f"SCHED_FIFO: {error.strerror}")
    if mlock and libc.mlockall(MCL_CURRENT_FUTURE) != 0:
        refused.append(f"mlockall: {os.strerror(ctypes.get_errno())}")
    return refused


def run_worker(
    index: int,
    plan: WorkerPlan,
    context: Context,
    buffers: BlockBuffers,
    writer: JournalWriter | None,
    wait: str,
    report_fd: int,
    sched_fifo: bool = False,
    mlock: bool = False,
) -> int:
    """Run one worker to its end; return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        return _serve(index, plan, context, buffers, writer, wait, report_fd, sched_fifo, mlock)
    except JournalError as error:
        _report(report_fd, f"journal: {error}")
        return EXIT_DISK
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        _report(
            report_fd, f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})"
        )
        return EXIT_FAILED


def owned_partitions(context: Context, mask: int) -> list[int]:
    """Return the partitions of matching whose books a worker owns."""
    count = context.partitions.total
    if count == 1:
        return [0] if mask & STAGE_MATCHING else []
    return [index for index in range(count) if mask & STAGE_PARTITIONS << index]


def populate_state(context: Context, mask: int) -> None:
    """Make resident what the first commands would otherwise have to wait for, page by page.

    Hash maps are hit anywhere, so all of them; slabs, queues and rings are used from their start.
    """
    owned: list[Any] = []
    if mask & STAGE_RISK:
        owned.append(context.risk)
    owned += [context.partitions.books[index] for index in owned_partitions(context, mask)]
    for state in owned:
        for name, array in state._asdict().items():
            if array.flags.c_contiguous:  # the others are columns of one that is
                populate(array, 0, array.nbytes if name.endswith("_map") else SLAB_BYTES)
    if mask & STAGE_JOURNAL:
        populate(context.blocks)
    for array in (context.in_slots, context.out_slots, context.verdicts):
        populate(array)


def give_digests(context: Context, mask: int, block: Any) -> None:
    """Tell the supervisor the digests of what this worker owns, if it asks; all rests then.

    Books and risk lie in memory of their worker alone, for the sake of huge pages: nobody else could take them.
    """
    asked = int(context.control[CW_DIGEST_SEQ])
    if asked == block[WW_DIGEST_SEQ]:
        return
    for index in owned_partitions(context, mask):
        block[WW_BOOKS_DIGESTS + index] = books_digest(context.partitions.books[index])
    if mask & STAGE_RISK:
        block[WW_RISK_DIGEST] = risk_digest(context.risk)
    store_word(block, WW_DIGEST_SEQ, asked)  # pairs with the supervisor's look at it: the digests are there


def _report(fd: int, line: str) -> None:
    os.write(fd, (line.replace("\n", " ")[:4000] + "\n").encode())


def _serve(
    index: int,
    plan: WorkerPlan,
    context: Context,
    buffers: BlockBuffers,
    writer: JournalWriter | None,
    wait: str,
    report_fd: int,
    sched_fifo: bool,
    mlock: bool,
) -> int:
    parent = os.getppid()
    for refusal in settle(plan, f"rm-{'+'.join(stage[:4] for stage in plan.stages)}", sched_fifo, mlock):
        _report(report_fd, f"warning: {refusal}")
    control = context.control
    mask = sum(STAGE_BITS[stage] for stage in plan.stages)
    block = control[CW_WORKER_BLOCKS + index * WORKER_WORDS :]
    block[WW_PID] = os.getpid()
    block[WW_START] = process_start_time(os.getpid())
    block[WW_CORE] = plan.core
    block[WW_STAGES] = mask
    commits = None
    if mask & STAGE_JOURNAL and writer is not None:
        commits = CommitThread(buffers, writer, control)
        commits.start()
    populate_state(context, mask)
    block[WW_READY] = 1
    try:
        while True:
            code = int(worker_loop(context, index, mask, WAIT_CODES[wait], SLICE_NS))
            if commits is not None and commits.failure is not None:
                raise commits.failure
            if code == STOPPED:
                break
            if code != SLICE_OVER:
                what = (
                    "feedback queue overflowed"
                    if code == FEEDBACK_OVERFLOW
                    else f"input ring is corrupt ({code})"
                )
                raise AssertionError(what)
            give_digests(context, mask, block)
            if os.getppid() != parent:
                return EXIT_ORPHANED
    finally:
        if commits is not None:
            commits.stop()
            assert writer is not None
            if commits.failure is None:
                writer.close(clean=bool(control[CW_STOP]))
    if commits is not None and commits.failure is not None:
        raise commits.failure
    return 0
