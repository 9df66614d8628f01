"""Nasdaq ITCH files as order flow: after the last message the books are those that the feed describes."""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from protocols.itch_book import build_book
from stages.observe import Observer
from stages.replay import Replayer
from stages.venue import directory_of
from tests.e2e.harness import PLANS, SAMPLES, Lab, assert_contains, decoded, lines_of

SIDES = {1: "B", 2: "S"}


def replayed_books(data: Path, session: str, lab: Lab) -> dict[str, dict[str, list[Any]]]:
    """Return the books after a replay as build_book shows them, with ClOrdIDs for reference numbers."""
    names = {
        line["order_id"]: line["cl_ord_id"]
        for line in decoded(lab.replayed_lines())
        if line["type"] == "accepted" and line["session"] == session
    }
    replayer = Replayer(data)
    replayer.run()
    assert replayer.core is not None
    directory = directory_of(replayer.core.state.risk)
    books: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"B": [], "S": []})
    for (instrument, side), levels in replayer.core.dump_books().items():
        entry = directory.instruments[instrument]
        assert (entry.tick_e8, entry.lot_e8) == (10_000, 100_000_000)
        books[entry.symbol][SIDES[side]] = [
            (price, [(int(names[order[0]]), order[1]) for order in orders]) for price, orders in levels
        ]
    return dict(sorted(books.items()))


def message(kind: bytes, symbol: str, body: bytes) -> bytes:
    """Return a message with its length, a locate code of the symbol's own, and no times."""
    text = kind + struct.pack(">HH6s", ord(symbol[0]), 0, bytes(6)) + body
    return struct.pack(">H", len(text)) + text


def add(ref: int, side: bytes, shares: int, symbol: str, price_e4: int) -> bytes:
    """Return a message that adds a displayed order."""
    return message(
        b"A", symbol, struct.pack(">QcI8sI", ref, side, shares, symbol.ljust(8).encode(), price_e4)
    )


@pytest.mark.parametrize("plan", PLANS)
def test_the_sample_feed_rebuilds_its_book(plan: str, lab: Lab) -> None:
    """Order by order, level by level, in time priority: the replayed books are those of the feed."""
    pipeline = lab.pipeline(workers=PLANS[plan], max_instruments=1024)
    listed = {row.symbol for row in Observer(pipeline.data).description.instruments}
    sample, out = SAMPLES / "sample.itch", lab.directory / "itch.jsonl"
    injector = lab.inject("itch", sample, "--out", out)
    assert injector.wait() == 0, injector.text
    assert injector.json["types"]["rejected"] == 0
    pipeline.stop()
    expected = build_book(sample)
    assert expected and not set(expected) & listed, "its instruments are defined by the injector"
    assert replayed_books(lab.data, "ITCH", lab) == expected
    assert_contains(lab.replayed_lines(), lines_of(out))


def test_the_book_survives_a_restart_in_the_middle(lab: Lab) -> None:
    """A feed cut into two files, with a crash-like restart between them, gives the book of the whole."""
    whole = [
        add(1, b"B", 100, "AAA", 10_0000),
        add(2, b"B", 50, "AAA", 10_0000),
        add(3, b"S", 70, "BBB", 11_0000),
        message(b"E", "AAA", struct.pack(">QIQ", 1, 30, 77)),
        add(4, b"B", 10, "BBB", 9_0000),
    ]
    rest = [message(b"D", "AAA", struct.pack(">Q", 2)), message(b"X", "BBB", struct.pack(">QI", 3, 20))]
    paths = [lab.directory / name for name in ("first.itch", "whole.itch")]
    paths[0].write_bytes(b"".join(whole))
    paths[1].write_bytes(b"".join([*whole, *rest]))
    first = lab.pipeline()
    assert lab.inject("itch", paths[0]).wait() == 0
    first.stop()
    assert replayed_books(lab.data, "ITCH", lab) == build_book(paths[0])
    second = lab.start().ready()
    assert lab.inject("itch", paths[1]).wait() == 0, (
        "what was done is a duplicate or too late, the rest is new"
    )
    second.stop()
    assert replayed_books(lab.data, "ITCH", lab) == build_book(paths[1])


def test_a_second_feed_finds_the_instruments_of_the_first(lab: Lab) -> None:
    """Two files with other symbols in another order, one after the other: each symbol has one id, all rest."""
    pipeline = lab.pipeline()
    feeds = {
        "one": [add(1, b"B", 100, "AAA", 10_0000), add(2, b"B", 100, "BBB", 11_0000)],
        "two": [
            add(11, b"S", 100, "CCC", 12_0000),
            add(12, b"S", 100, "BBB", 13_0000),
            add(13, b"S", 100, "AAA", 14_0000),
        ],
    }
    for name, messages in feeds.items():
        path = lab.directory / f"{name}.itch"
        path.write_bytes(b"".join(messages))
        injector = lab.inject("itch", path, "--session", name)
        assert injector.wait() == 0, injector.text
        assert injector.json["types"]["accepted"] == len(messages)
    pipeline.stop()
    replayer = Replayer(lab.data)
    replayer.run()
    assert replayer.core is not None
    symbols = [entry.symbol for entry in directory_of(replayer.core.state.risk).instruments.values()]
    assert sorted(symbols[-3:]) == ["AAA", "BBB", "CCC"] and len(set(symbols)) == len(symbols)
