"""How ``ringmatch feed`` draws a book; that it ends as it should is among the tests from end to end."""

from __future__ import annotations

from rich.console import Console

from cli.feed import frame
from protocols.codes import OutcomeType, Side, TradingState
from protocols.market_data import FeedBook
from tests.protocols.test_market_data import DIRECTORY, add, take


def drawn(book: FeedBook, depth: int = 10) -> list[str]:
    """Return the lines of a drawing."""
    console = Console(width=100, highlight=False)
    with console.capture() as captured:
        console.print(frame(DIRECTORY, book, depth))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_book_is_drawn_with_its_best_prices_in_the_middle() -> None:
    """Sells above, worst first; buys below, best first; as many levels as asked for; bars in parts of the largest."""
    book = FeedBook(1)
    take(book, *(add(n, n, n, (n, 1), price_ticks=8 + n) for n in (1, 2)))
    take(book, *(add(n, n, n, (n, 1), side=Side.SELL, price_ticks=8 + n) for n in (3, 4)))
    lines = drawn(book)
    assert lines[0] == "ACME    last none  change 4"
    assert [line.split()[:3] for line in lines[3:]] == [
        ["0.12", "4", "1"],
        ["0.11", "3", "1"],
        ["1", "2", "0.10"],
        ["1", "1", "0.09"],
    ]
    assert lines[3].count("█") == 20 and lines[5].count("█") == 10
    assert [line.split()[:3] for line in drawn(book, 1)[3:]] == [["0.11", "3", "1"], ["1", "2", "0.10"]]


def test_an_auction_is_drawn_with_its_indication() -> None:
    """State and indicative price stand above; market orders are a level of their own."""
    book = FeedBook(1)
    told = {
        "instrument": 1,
        "type": OutcomeType.STATE_CHANGED,
        "orig0": 1,
        "qty_lots": TradingState.CLOSING_AUCTION,
    }
    take(book, told, add(2, 7, 5, (5, 1), price_ticks=2**63 - 1))
    indication = {"instrument": 1, "type": OutcomeType.INDICATION, "orig0": 3, "price_ticks": 10}
    take(book, {**indication, "qty_lots": 1000, "leaves_lots": 5, "side": Side.BUY})
    lines = drawn(book)
    assert lines[0] == "ACME  closing_auction  last none  change 3"
    assert lines[1] == "indicative price 0.10, volume 1,000, surplus 5"
    assert lines[-1].split()[:3] == ["1", "5", "market"]
    assert "joining" in drawn(FeedBook(1, from_start=False))[0]
