"""A live feed: market data of a running pipeline through a port, with the books that it tells of.

Subscribes first, then asks for the books, so that nothing falls between; what comes before a book is there is held
back by :class:`protocols.market_data.FeedBook`. Should a book lose its feed (its instrument's market data were turned
off and on again), it asks anew.

Failure modes: those of :class:`gateway.port.Port`; who does not read is cut off (CutOff). A session is needed to
ask, one of the port's own, so that no two feeds take each other's away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.port import SLICE_NS, GatewayError, Port
from protocols.codes import KIND_BOOK_REQUEST, OUT_REJECTED, Reason
from protocols.market_data import Event, FeedBook, MarketData

__all__ = ["LiveFeed"]

SESSION: Final = "FEED-{port}"


class LiveFeed:
    """Market data of some instruments, from a port that does nothing else."""

    def __init__(self, port: Port, instruments: Iterable[int]) -> None:
        self.port = port
        self.data = MarketData(from_start=False)
        wanted = list(instruments)
        self._asked: set[int] = set()
        self._came: list[Any] = []  # outcomes that nobody has looked at
        port.subscribe(wanted)
        self._session = port.open_session(SESSION.format(port=port.number), self._came)
        for instrument in wanted:
            self._ask(self.data.book(instrument))

    def receive(self, slice_ns: int = SLICE_NS) -> Iterator[Event]:
        """Yield the events that came within a time slice; at each, its book stands as it was after it."""
        came, self._came = [*self._came, self.port.receive(slice_ns)], []
        for outcomes in came:
            yield from self.data.take(outcomes)
            self._check(outcomes)
        for book in self.data.books.values():
            if book.is_joined:
                self._asked.discard(book.instrument)
            elif book.instrument not in self._asked:
                self._ask(book)

    def _ask(self, book: FeedBook) -> None:
        self._asked.add(book.instrument)
        self._came.append(self.port.request_book(self._session, book.instrument))

    def _check(self, outcomes: Any) -> None:
        refused = (outcomes["kind"] == KIND_BOOK_REQUEST) & (outcomes["type"] == OUT_REJECTED)
        if refused.any():
            reason = Reason(int(outcomes["reason"][refused][0])).name.lower()
            raise GatewayError(f"{self.port.data_dir}: expected a book, was {reason}")

    def close(self) -> None:
        """Take no more, and close the session."""
        self.port.unsubscribe()
        self.port.close_sessions()
