"""What can go wrong with a journal.

::

    JournalError                the root; also raised by a writer that has failed before
    ├── JournalCorrupt          bytes are not what was written, or durable records are gone
    ├── JournalMissing          a segment, or a sequence that was asked for, is not there
    ├── JournalLayout           written by another format version or for other records
    ├── JournalLocked           another process writes this journal, or seals, prunes or archives it
    └── JournalIOError          the operating system refused; carries errno, path and operation
        └── JournalFull         no space left (ENOSPC, EDQUOT)

Every message names the file, and where they are known the offset, the sequence, what was expected and what
was found. A writer raises each of them once and is unusable afterwards; nothing is retried.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalIOError",
    "JournalLayout",
    "JournalLocked",
    "JournalMissing",
    "io_errors",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)


class JournalError(Exception):
    """Anything that a journal refuses to do."""


class JournalCorrupt(JournalError):
    """Bytes are not what was written, or durable records are gone; never repaired silently."""

    def __init__(
        self,
        path: str | Path,
        problem: str,
        *,
        offset: int = -1,
        seq: int = -1,
        expected: object = None,
        was: object = None,
    ) -> None:
        self.path, self.problem, self.offset, self.seq = str(path), problem, offset, seq
        self.expected, self.was = expected, was
        self._arguments = (str(path), problem, offset, seq, expected, was)
        place = f", offset {offset}" if offset >= 0 else ""
        place += f", sequence {seq}" if seq >= 0 else ""
        values = f": expected {expected}, was {was}" if expected is not None else ""
        super().__init__(f"{path}{place}: {problem}{values}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it go from one process to another."""
        return _corrupt, self._arguments


def _corrupt(path: str, problem: str, offset: int, seq: int, expected: object, was: object) -> JournalCorrupt:
    return JournalCorrupt(path, problem, offset=offset, seq=seq, expected=expected, was=was)


class JournalMissing(JournalError):
    """A segment, or a sequence that was asked for, is not there."""


class JournalLayout(JournalError):
    """The journal was written by another format version, or holds records of another layout."""


class JournalLocked(JournalError):
    """Another process writes this journal, or keeps it; ``pid`` is 0 where it is not known."""

    def __init__(self, path: str | Path, pid: int, wanted: str = "without a writer") -> None:
        self.path, self.pid = str(path), pid
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"{path}: expected a journal {wanted}, was locked by {owner}")


class JournalIOError(JournalError):
    """The operating system refused an operation."""

    def __init__(self, path: str | Path, operation: str, number: int) -> None:
        self.path, self.operation, self.errno = str(path), operation, number
        super().__init__(f"{path}: {operation}: expected success, was {os.strerror(number)} (errno {number})")


class JournalFull(JournalIOError):
    """There is no space left for the journal."""


@contextmanager
def io_errors(operation: str, path: str | Path) -> Iterator[None]:
    """Turn an OSError of the block into the JournalIOError that names the operation and the file."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        kind = JournalFull if number in _FULL else JournalIOError
        raise kind(path, operation, number) from error
