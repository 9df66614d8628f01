"""The tail of a journal: records as another process makes them durable, and none before.

A tail needs the files only. What is durable it learns from three places, and believes the furthest::

    journal.meta          written at opening, at each roll, at close, and at most each 200 ms in between
    a later segment       a segment is synced before the next one begins
    a later valid block   each block says what was durable when it was written

So under load a tail is one block behind the writer, and a lone record waits for the meta file: 200 ms after the one
before, if the writer calls ``maintain`` when idle. Who knows better, from a word in shared memory for instance, passes
``vouched``: a function that returns a sequence which the *living* writer has called durable.

Blocks beyond that are looked at, but never returned and never kept: after a power cut, or an I/O error, the next writer
may put other records in their place. Its higher epoch in the meta file is what a tail notices; it then looks anew.

Failure modes: JournalCorrupt for damage, and if a new writer begins before what was read (an operator who accepted a
loss); JournalMissing if the segments that would come next were pruned. Takes no lock, writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from journal.blockwalk import DURABLE_SEQ
from journal.errors import JournalCorrupt, JournalMissing
from journal.log import LogPosition
from journal.manifest import read_kept_seq
from journal.meta import META_NAME, Meta, read_meta
from journal.reader import JournalReader
from journal.scan import CHECK_ONLY, NO_ROWS, SegmentWalk
from journal.segment import find_segment, list_segments, read_header

__all__ = ["JournalTail"]


class JournalTail:
    """Follows the journal in ``directory`` from ``from_seq`` on, from the oldest record unless given."""

    def __init__(
        self,
        directory: str | Path,
        layout_hash: int | None = None,
        *,
        from_seq: int | None = None,
        vouched: Callable[[], int] | None = None,
    ) -> None:
        self.directory = Path(directory)
        self._vouched = vouched
        self._scout: SegmentWalk | None = None
        self._durable_seq = -1
        self._epoch = 0
        self._reader = JournalReader(self.directory, layout_hash)
        try:
            self.position()
            if from_seq is not None:
                self.seek(from_seq)
        except BaseException:
            self.close()
            raise

    @property
    def next_seq(self) -> int:
        """The sequence that :meth:`read` returns next."""
        return self._reader.next_seq

    @property
    def record_epoch(self) -> int:
        """The epoch of the writer of the last block that was reached."""
        return self._reader.epoch

    def position(self) -> LogPosition:
        """Look at the files how far the journal is durable by now."""
        meta = self._read_meta()
        if meta.epoch != self._epoch:
            self._begin_epoch(meta)
        durable_seq = max(self._durable_seq, meta.durable_seq, self._scout_ahead())
        if self._vouched is not None:
            durable_seq = max(durable_seq, self._vouched())
        self._durable_seq = durable_seq
        first_seq = max(self._reader.first_seq, read_kept_seq(self.directory))
        return LogPosition(first_seq, durable_seq, meta.epoch, meta.clean)

    def _read_meta(self) -> Meta:
        meta = read_meta(self.directory)
        if meta is None:
            raise JournalCorrupt(
                self.directory / META_NAME, "no valid slot", expected="one or two", was="none"
            )
        return meta

    def _begin_epoch(self, meta: Meta) -> None:
        """Forget what was seen of an older writer beyond what its successor found durable."""
        if self._epoch and meta.durable_seq < self.next_seq - 1:
            raise JournalCorrupt(
                self.directory / META_NAME, f"writer {meta.epoch} begins before what was read",
                seq=meta.durable_seq + 1,
                expected=f"records up to {self.next_seq - 1}", was=f"up to {meta.durable_seq}",
            )  # fmt: skip
        self._epoch, self._durable_seq = meta.epoch, meta.durable_seq
        self._drop_scout()

    def _scout_ahead(self) -> int:
        """Return what the last segment, and the valid blocks in it, say is durable."""
        if self._scout is None:
            self._enter_last()
        while True:
            scout = self._scout
            assert scout is not None
            scout.walk(NO_ROWS, 0, CHECK_ONLY)
            if find_segment(self.directory, scout.expected_seq) in (None, scout.path):
                return int(scout.walker[DURABLE_SEQ])
            self._enter_last()

    def _enter_last(self) -> None:
        """Go to the last segment; all before it are durable."""
        first_seq, path = list_segments(self.directory)[-1]
        scout = SegmentWalk(path, read_header(path, first_seq))
        self._drop_scout()
        self._scout = scout

    def _drop_scout(self) -> None:
        if self._scout is not None:
            self._scout.close()
            self._scout = None

    def seek(self, seq: int) -> None:
        """Go to ``seq``: one that is durable, or the one after the last that is."""
        durable_seq = self.position().durable_seq
        if seq > durable_seq + 1:
            raise JournalMissing(
                f"{self.directory}: expected a durable sequence, up to {durable_seq}, was {seq}"
            )
        self._reader.seek(seq)

    def read(self, out: Any, limit: int | None = None) -> int:
        """Fill rows of ``out`` (int64, W words each) with the next durable records; return how many.

        0 says that no more is known to be durable, for now. Looks at the files when what it knew is used up.
        """
        if self.next_seq > self._durable_seq:
            self.position()
        wanted = min(
            len(out) if limit is None else min(limit, len(out)), self._durable_seq + 1 - self.next_seq
        )
        count = self._reader.read(out, max(wanted, 0), last_seq=self._durable_seq)
        if wanted > 0 and count == 0:
            raise JournalCorrupt(
                self.directory, "durable records are lost", seq=self.next_seq,
                expected=f"records up to {self._durable_seq}", was=f"up to {self.next_seq - 1}",
            )  # fmt: skip
        return count

    def close(self) -> None:
        """Close the files."""
        self._drop_scout()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
