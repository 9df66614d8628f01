"""The log that is a directory of segments: the first implementation of :class:`journal.log.Log`.

Appenders shut each other out by the lock on the meta file: while one lives, opening another one is refused with
JournalLocked. Readers are tails (:mod:`journal.tail`): they need nothing but the files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from journal.disk import Disk
from journal.log import LogPosition
from journal.segment import SEGMENT_BYTES_DEFAULT, RecordLayout
from journal.tail import JournalTail
from journal.writer import Durability, JournalWriter

__all__ = ["FileLog"]


class FileLog:
    """The journal in ``directory``; ``options`` are further ones of :class:`journal.writer.JournalWriter`."""

    def __init__(
        self,
        directory: str | Path,
        layout: RecordLayout,
        durability: Durability = "fsync",
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        disk: Disk | None = None,
        **options: Any,
    ) -> None:
        self.directory, self.layout = Path(directory), layout
        self.durability, self.segment_bytes = durability, segment_bytes
        self._disk, self._options = disk, options

    def open_appender(self) -> JournalWriter:
        """Lock the journal, recover it, and stand at its end."""
        return JournalWriter(
            self.directory, *self.layout, self.durability, self.segment_bytes, self._disk, **self._options
        )

    def open_reader(
        self, from_seq: int | None = None, vouched: Callable[[], int] | None = None
    ) -> JournalTail:
        """Stand at a durable sequence; ``vouched`` as for :class:`journal.tail.JournalTail`."""
        return JournalTail(self.directory, self.layout.layout_hash, from_seq=from_seq, vouched=vouched)

    def position(self) -> LogPosition:
        """Look how far the journal reaches."""
        with self.open_reader() as reader:
            return reader.position()
