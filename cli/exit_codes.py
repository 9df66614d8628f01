"""What the exit code of ``ringmatch`` means, and which error leads to which code.

Scripts read the numbers: never renumber, only append. Commands raise :class:`CommandError`, or let an error
of a lower floor pass; :func:`explain` finds its row here. Rows name errors as text, so that a cold command
such as ``--help`` need not import what it does not use.

Failure modes: an error without a row is a defect of ringmatch itself, and says so (INTERNAL).
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import Final

__all__ = ["CommandError", "ExitCode", "exit_code", "explain"]


class ExitCode(IntEnum):
    """Exit codes of all commands; each with what it means."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> ExitCode:
        """Make a member that is its number and knows its meaning."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    OK = 0, "done"
    FAILED = 1, "a check failed: digests differ, a verification, a scenario or a benchmark did not hold"
    USAGE = 2, "the command line is wrong"
    CONFIG = 3, "the configuration cannot be used"
    NOT_RUNNING = 4, "no pipeline runs on this data directory"
    ALREADY_RUNNING = 5, "a pipeline runs on this data directory already"
    WORKER_DIED = 6, "a worker of the pipeline died, and the pipeline stopped"
    JOURNAL = 7, "the journal is corrupt, or it or a ring is of another layout"
    NO_JOURNAL = 8, "the directory holds no journal"
    DISK = 9, "the disk is full, or reading or writing failed"
    SHM_FULL = 10, "there is no room in /dev/shm"
    INPUT = 11, "a record of the input is malformed"
    CUT_OFF = 12, "the session was cut off, because it did not read"
    NO_RING = 13, "there is no ring of that name"
    INTERNAL = 70, "a defect of ringmatch"
    INTERRUPTED = 130, "interrupted by Ctrl-C"


def exit_code(number: int) -> ExitCode:
    """Return the code of a number; INTERNAL for one that no command ends with."""
    return next((code for code in ExitCode if code == number), ExitCode.INTERNAL)


class CommandError(Exception):
    """A command cannot go on; its text is the one line that the user gets."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


# Errors of the lower floors, by module and name; a row holds for subclasses that have none of their own.
ERRORS: Final[dict[str, ExitCode]] = {
    "ringbuffer.errors.EpochMismatch": ExitCode.NOT_RUNNING,
    "ringbuffer.errors.LayoutMismatch": ExitCode.JOURNAL,
    "ringbuffer.errors.PeerDied": ExitCode.WORKER_DIED,
    "ringbuffer.errors.SegmentExists": ExitCode.ALREADY_RUNNING,
    "ringbuffer.errors.SegmentMissing": ExitCode.NOT_RUNNING,
    "ringbuffer.errors.SharedMemoryFull": ExitCode.SHM_FULL,
    "journal.errors.JournalCorrupt": ExitCode.JOURNAL,
    "journal.errors.JournalError": ExitCode.JOURNAL,
    "journal.errors.JournalIOError": ExitCode.DISK,
    "journal.errors.JournalLayout": ExitCode.JOURNAL,
    "journal.errors.JournalLocked": ExitCode.ALREADY_RUNNING,
    "journal.errors.JournalMissing": ExitCode.NO_JOURNAL,
    "protocols.source.DecodeError": ExitCode.INPUT,
    "stages.config_model.ConfigError": ExitCode.CONFIG,
    "stages.scenario_text.ScenarioError": ExitCode.INPUT,
    "stages.instance.AlreadyRunning": ExitCode.ALREADY_RUNNING,
    "stages.supervisor.WorkerDied": ExitCode.WORKER_DIED,
    "gateway.port.NotRunning": ExitCode.NOT_RUNNING,
    "gateway.port.CutOff": ExitCode.CUT_OFF,
    "gateway.port.GatewayError": ExitCode.FAILED,
    "builtins.OSError": ExitCode.DISK,
}


def explain(error: BaseException) -> tuple[ExitCode, str]:
    """Return the exit code of an error and its one line for stderr."""
    if isinstance(error, CommandError):
        return error.code, _one_line(str(error))
    for kind in type(error).__mro__:
        code = ERRORS.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return code, _one_line(_describe(error))
    return ExitCode.INTERNAL, _one_line(
        f"internal error: {type(error).__name__}: {error} (RINGMATCH_TRACEBACK=1 shows where)"
    )


def _describe(error: BaseException) -> str:
    """Return the text of an error; of a bare system error its file and what the system said."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    hint = "; free some space, then start again: it recovers" if error.errno == errno.ENOSPC else ""
    return f"{place}{error.strerror}{hint}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
