"""What recovery, replay and a standby need of a log: four operations, whoever keeps it.

::

    open_appender()      the one who writes; a newer one shuts out all older ones, and has a higher epoch
        append           records, or sealed blocks: written, then durable with ``sync``
    position()           the oldest sequence there is, and the last one that is durable
    open_reader(seq)     from a sequence on, never beyond what is durable; goes on as the log grows

:class:`journal.file_log.FileLog` is the first implementation: segments in a directory. Another one, such as a log that
is replicated by somebody else, has to pass ``tests/journal/conformance.py``, which says in tests what is said here:

1. A sequence that ``sync`` or ``append`` has returned is read by every reader, now and after any crash, as it was.
2. A reader never returns a record that is not durable. What it has returned is never another record later.
3. Sequences rise by 1; a reader passes over none.
4. Epochs rise. After an appender has been opened no older one adds anything: it is refused, or its calls fail.
5. An appender whose call has failed refuses all further use; nothing is retried.

How soon a reader learns that a record is durable is up to the implementation; that it does, once the appender calls
``maintain`` now and then or closes, is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

__all__ = ["Log", "LogAppender", "LogPosition", "LogReader"]


class LogPosition(NamedTuple):
    """How far a log reaches."""

    first_seq: int  # the oldest that can be read
    durable_seq: int  # the last that may be read; first_seq - 1 for none
    epoch: int  # of the newest appender
    closed: bool  # that appender has ended in order, and all it wrote is durable


class LogAppender(Protocol):
    """The writer of a log; used by one thread."""

    epoch: int
    next_seq: int
    durable_seq: int

    def write_block(self, buffer: Any, length: int) -> None:
        """Write a sealed block (:func:`journal.blocks.seal_block`) that continues the log; not durable yet."""

    def sync(self) -> int:
        """Make durable what was written; return the last durable sequence."""

    def append(self, records: Any) -> int:
        """Write records (int64 rows, word 0 the sequence) and sync; return the last durable sequence."""

    def maintain(self) -> None:
        """Do what is due beside; to be called after each sync, and now and then when idle."""

    def close(self) -> None:
        """Make all durable and end in order."""

    def abort(self) -> None:
        """End as a crash would."""


class LogReader(Protocol):
    """A place in a log."""

    @property
    def next_seq(self) -> int:
        """The sequence that :meth:`read` returns next."""

    def position(self) -> LogPosition:
        """Look how far the log reaches by now."""

    def seek(self, seq: int) -> None:
        """Go to a sequence that is durable, or to the one behind the last; JournalMissing for any other."""

    def read(self, out: Any, limit: int | None = None) -> int:
        """Fill rows of ``out`` (int64) with the next durable records; return how many, 0 for none by now."""

    def close(self) -> None:
        """Let go of what was opened."""


class Log(Protocol):
    """A durable order of records."""

    def open_appender(self) -> LogAppender:
        """Shut out older appenders, recover what they left, and stand at the end."""

    def open_reader(self, from_seq: int | None = None) -> LogReader:
        """Stand at a sequence, the oldest unless given; JournalMissing if there is no log, or no such sequence."""

    def position(self) -> LogPosition:
        """Tell how far the log reaches; JournalMissing if there is none."""
