"""A loop around a consumer for those who know the LMAX Disruptor's BatchEventProcessor.

::

    def on_event(tick, seq, end_of_batch): ...

    with ring.consumer("book") as ticks:
        process(ticks, on_event)                                    until the stream ends
        process(ticks, Book(), max_batch=64, timeout=1.0,           an object with hooks
                on_error=skip, rewind=Attempts(3, pause_s=0.01))
        process(ticks, in_batches(lambda ticks, first_seq: ...))    whole arrays: the fast way

A handler is a callable, or an object with ``on_event(record, seq, end_of_batch)`` or ``on_batch(records, first_seq)``,
and, if it likes, ``on_start(consumer)``, ``on_batch_start(size, depth)``, ``on_timeout(seq)`` and ``on_shutdown()``.
A batch is all that can be read, or ``max_batch`` of it; it is released when all of it was handled. A handler that
knows earlier that it is done with a part may call ``consumer.release(seq)`` amid the batch.

What a handler raises:

============== ==================================================================================================
:class:`Rewind`  the batch, or what of it is not released, is handled again, as often as ``rewind`` says, then
                 it is an error like any other
:class:`Halt`    the loop ends well; the record counts as handled
anything else    ``on_error="raise"``: what was handled before it is released (nothing of the batch where
                 batches may be rewound), and the error goes on, through the ``with`` block of the consumer, which
                 thereby leaves as failed; its successor begins with that record. ``on_error=f``: ``f(seq, record,
                 error)``, and the record counts as handled
============== ==================================================================================================

A record is a view of the ring: copy what you keep. Invariants: sequences rise; ``end_of_batch`` is true once a batch;
padding of several producers is never seen. Nothing is compiled here: a record-wise handler costs what Python
costs, about a microsecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from ringbuffer.consumer import Consumer
from ringbuffer.errors import RingClosed, RingTimeout

__all__ = ["Attempts", "Halt", "Rewind", "in_batches", "process"]

HOOKS: Final = ("on_start", "on_batch_start", "on_timeout", "on_shutdown")
OnError = Callable[[int, Any, Exception], None]


class Rewind(Exception):
    """Raised by a handler: handle this batch again."""


class Halt(Exception):
    """Raised by a handler: end the loop after this record."""


class Attempts(NamedTuple):
    """How often a batch may be rewound before it is an error (None: always), and the pause before each."""

    most: int | None
    pause_s: float = 0.0


class _Batches:
    """A batch-wise handler without hooks."""

    def __init__(self, function: Callable[[Any, int], None]) -> None:
        self.on_batch = function


def in_batches(function: Callable[[Any, int], None]) -> Any:
    """Return a handler that calls ``function(records, first_seq)`` with whole arrays on the ring."""
    return _Batches(function)


def process(
    consumer: Consumer,
    handler: Any,
    *,
    max_batch: int | None = None,
    timeout: float | None = None,
    on_error: str | OnError = "raise",
    rewind: int | Attempts = 0,
) -> int:
    """Handle what comes until the stream ends or the handler halts; return how many records were handled.

    ``timeout`` seconds without a record call ``on_timeout`` with the last sequence, or raise RingTimeout if the
    handler has none. WriterFailed passes. Skipped records count as handled.
    """
    if max_batch is not None and max_batch < 1:
        raise ValueError(f"max_batch: expected at least 1, was {max_batch}")
    if on_error != "raise" and not callable(on_error):
        raise ValueError(f"on_error: expected 'raise' or a function (seq, record, error), was {on_error!r}")
    attempts = rewind if isinstance(rewind, Attempts) else Attempts(rewind)
    processor = _Processor(consumer, handler, max_batch, timeout, on_error, attempts)
    processor.call("on_start", consumer)
    try:
        return processor.run()
    finally:
        processor.call("on_shutdown")


class _Piece(NamedTuple):
    """Records side by side; a batch has two such pieces where it crosses the end of the ring."""

    first_seq: int
    records: Any

    def count_to(self, seq: int) -> int:
        """Return how many of these have a sequence of at most ``seq``."""
        return max(0, min(seq - self.first_seq + 1, len(self.records)))


class _Processor:
    def __init__(
        self,
        consumer: Consumer,
        handler: Any,
        max_batch: int | None,
        timeout: float | None,
        on_error: str | OnError,
        attempts: Attempts,
    ) -> None:
        self._consumer = consumer
        self._hooks = {name: getattr(handler, name) for name in HOOKS if hasattr(handler, name)}
        self._on_batch = getattr(handler, "on_batch", None)
        self._on_event = getattr(handler, "on_event", handler)
        if self._on_batch is None and not callable(self._on_event):
            raise TypeError(f"handler: expected a callable, on_event or on_batch, was {handler!r}")
        self._max_batch = max_batch
        self._timeout = timeout
        self._on_error = on_error
        self._attempts = attempts
        self._rewound = 0  # times, since anything was released
        self._again: int | None = None  # the size of the batch that is handled again
        self._handled = 0

    def call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of the handler if it has it."""
        if hook in self._hooks:
            self._hooks[hook](*arguments)

    def run(self) -> int:
        """Handle batches until the end."""
        consumer = self._consumer
        while True:
            try:
                consumer.wait(self._timeout)
            except RingClosed:
                return self._handled
            except RingTimeout:
                if "on_timeout" not in self._hooks:
                    raise
                try:
                    self.call("on_timeout", consumer.position)
                except Halt:
                    return self._handled
                continue
            try:
                self._handle(self._take())
            except BaseException as error:
                consumer.rewind()  # what was polled and not handled is for whoever comes next
                if isinstance(error, Halt):
                    return self._handled
                raise

    def _take(self) -> list[_Piece]:
        """Poll a batch: what lies before the end of the ring, and what lies behind it."""
        consumer = self._consumer
        limit = self._max_batch if self._again is None else self._again
        pieces = []
        for _ in range(2):
            records = consumer.poll(limit)
            if not len(records):
                break
            pieces.append(_Piece(consumer.position - len(records) + 1, records))
            limit = None if limit is None else limit - len(records)
        return pieces

    def _handle(self, batch: list[_Piece]) -> None:
        consumer = self._consumer
        size = sum(len(piece.records) for piece in batch)
        if not size:
            return  # nothing but padding
        self.call("on_batch_start", size, size + consumer.lag)
        before = self._handled
        for last_seq, subject, arguments in self._events(batch):
            try:
                if self._on_batch is not None:
                    self._on_batch(*arguments)
                else:
                    self._on_event(*arguments)
            except Rewind as error:
                if self._attempts.most is None or self._rewound < self._attempts.most:
                    self._handled = before + sum(piece.count_to(consumer.seq) for piece in batch)
                    self._rewind()
                    return
                self._fail(arguments[1], last_seq, subject, error)
            except Halt:
                self._handled += self._count(subject)
                self._release(last_seq)
                raise
            except Exception as error:
                self._fail(arguments[1], last_seq, subject, error)
            self._handled += self._count(subject)
        consumer.release()
        self._rewound, self._again = 0, None

    def _events(self, batch: list[_Piece]) -> Iterator[tuple[int, Any, tuple[Any, ...]]]:
        """Yield (last sequence, what is handled, arguments of the handler) of each call."""
        end_seq = batch[-1].first_seq + len(batch[-1].records) - 1
        for first_seq, records in batch:
            if self._on_batch is not None:
                yield first_seq + len(records) - 1, records, (records, first_seq)
            else:
                for seq, record in enumerate(records, first_seq):
                    yield seq, record, (record, seq, seq == end_seq)

    def _count(self, subject: Any) -> int:
        return len(subject) if self._on_batch is not None else 1

    def _release(self, seq: int) -> None:
        """Release up to ``seq``, unless the handler has done so."""
        if seq > self._consumer.seq:
            self._consumer.release(seq)

    def _rewind(self) -> None:
        consumer = self._consumer
        self._rewound += 1
        self._again = consumer.position - consumer.seq
        consumer.rewind()
        if self._attempts.pause_s:
            time.sleep(self._attempts.pause_s)
            consumer.heartbeat()

    def _fail(self, first_seq: int, last_seq: int, subject: Any, error: Exception) -> None:
        """Do as the policy says about what the handler could not handle."""
        if not callable(self._on_error):
            if self._attempts.most == 0:
                self._release(first_seq - 1)
            raise error
        self._on_error(first_seq, subject, error)
        if isinstance(error, Rewind):  # it was given up: another record may be rewound, this one not again
            self._release(last_seq)
            self._rewound = 0
