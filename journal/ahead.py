"""Reading ahead: a thread reads and decodes the next records of a journal while its owner works on those before.

Both sides spend their time in kernels, which hold no lock of Python's, so on two cores reading costs a replay
nothing. The thread takes an empty buffer, fills it with :meth:`JournalReader.read`, hands it over, and takes the
next one: at most :data:`BUFFERS` are underway, and records come in their order. What the reader raises is raised
where the records would have come. The thread ends with its owner's ``with``, also if that leaves early, so that
nothing is left for a fork to copy.

While a ReadAhead is open the reader belongs to it; afterwards it stands behind the last records that were read,
which need not have been taken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from journal.reader import JournalReader

__all__ = ["BUFFERS", "ReadAhead"]

BUFFERS: Final = 3  # one is taken, one is full, one is being filled


class ReadAhead:
    """Iterates over arrays of records, (n, W) int64, up to ``last_seq`` (0: to the end); each holds until the next."""

    def __init__(self, reader: JournalReader, rows: int, last_seq: int = 0) -> None:
        self._reader = reader
        self._rows = rows
        self._last_seq = last_seq
        self._empty: SimpleQueue[Any] = SimpleQueue()
        self._full: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="journal read-ahead", daemon=True)

    def _read(self) -> None:
        try:
            while (buffer := self._empty.get()) is not None:
                limit = self._rows
                if self._last_seq:
                    limit = max(min(limit, self._last_seq + 1 - self._reader.next_seq), 0)
                count = self._reader.read(buffer, limit) if limit else 0
                self._full.put((buffer, count))
                if not count:
                    return
        except BaseException as error:
            self._full.put((error, -1))

    def __iter__(self) -> Iterator[Any]:
        """Yield the records."""
        while True:
            taken, count = self._full.get()
            if count < 0:
                raise taken
            if not count:
                return
            yield taken[:count]
            self._empty.put(taken)

    def __enter__(self) -> Self:
        for _ in range(BUFFERS):
            self._empty.put(np.zeros((self._rows, self._reader.layout.record_words), dtype=np.int64))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._empty.put(None)
        self._thread.join()
