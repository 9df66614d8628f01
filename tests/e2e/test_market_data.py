"""Market data from end to end: who follows it live has the book of a replay, and the replay tells the same feed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.feed import LiveFeed
from gateway.inject import Injector
from gateway.port import CutOff, Port
from protocols.codes import Kind, Side
from protocols.flow import SyntheticSource
from protocols.layouts import COMMAND
from protocols.market_data import FeedBook, MarketData
from protocols.text import pack_text
from stages.control import MOST_FEED_IDS, PortState
from stages.replay import Replayer
from tests.cli.terminal import in_terminal, read_terminal
from tests.e2e.harness import DEADLINE_S, PLANS, Lab, until

SLICE_NS = 5_000_000


def inject(data: Path, orders: int, seed: int, on_turn: Callable[[], Any], session: str = "FLOW") -> None:
    """Inject a generated flow; ``on_turn`` is called between its slices."""
    with Port(data, 64) as port, SyntheticSource(port.directory, orders, seed, session=session) as source:
        Injector(port, source, on_progress=lambda injector: on_turn()).run()


def follow(live: LiveFeed) -> None:
    """Take what has come."""
    for _ in live.receive(100_000):
        pass


def orders_of(book: FeedBook) -> dict[int, list[tuple[int, ...]]]:
    """Return the orders of both sides."""
    return {int(side): [tuple(order) for order in book.orders(side)] for side in Side}


def replayed(data: Path) -> tuple[dict[int, dict[int, list[tuple[int, ...]]]], MarketData]:
    """Return the books after a replay, and those that its market data tell of."""
    told = MarketData()
    replayer = Replayer(data)
    assert replayer.run(lambda outcomes: list(told.take(outcomes))).verified
    assert replayer.core is not None
    books: dict[int, dict[int, list[tuple[int, ...]]]] = {}
    for (instrument, side), levels in replayer.core.dump_books().items():
        orders = [(order[0], price, order[5]) for price, orders in levels for order in orders]
        books.setdefault(instrument, {1: [], 2: []})[side] = orders
    return books, told


@pytest.mark.parametrize("plan", PLANS)
def test_the_live_book_is_the_replayed_one(plan: str, lab: Lab) -> None:
    """One view from the beginning, one that joins in the middle, and the replay end with the same books."""
    pipeline = lab.pipeline(workers=PLANS[plan])
    with Port(pipeline.data) as first, Port(pipeline.data) as second:
        early = LiveFeed(first, range(1, 6))
        inject(pipeline.data, 3000, 1, lambda: follow(early))
        late = LiveFeed(second, range(1, 6))
        inject(pipeline.data, 3000, 2, lambda: (follow(early), follow(late)), session="MORE")

        def are_level() -> bool:
            follow(early)
            follow(late)
            pairs = [(early.data.book(i), late.data.book(i)) for i in range(1, 6)]
            return all(one.is_joined and two.is_joined and one.seq == two.seq for one, two in pairs)

        until(are_level, "both views to be level")
        views = [{i: orders_of(view.data.book(i)) for i in range(1, 6)} for view in (early, late)]
        seqs = {i: early.data.book(i).seq for i in range(1, 6)}
        early.close()
        late.close()
    pipeline.stop()
    books, told = replayed(lab.data)
    assert views[0] == views[1] == {i: books.get(i, {1: [], 2: []}) for i in range(1, 6)}
    assert {i: orders_of(told.book(i)) for i in range(1, 6)} == views[0]
    assert {i: told.book(i).seq for i in range(1, 6)} == seqs and min(seqs.values()) > 500


def test_the_command_prints_what_the_replay_writes(lab: Lab) -> None:
    """Lines of ``feed --json`` behind the snapshot are those of ``replay --feed``, as are those of another replay."""
    pipeline = lab.pipeline()
    inject(pipeline.data, 500, 1, lambda: None)
    viewer = lab.run("feed", "MSFT", "--json", "--data", pipeline.data)
    until(lambda: viewer.stdout.count("\n") or not viewer.running, "the snapshot")
    inject(pipeline.data, 1000, 2, lambda: None, session="MORE")
    until(lambda: viewer.stdout.count("\n") > 100 or not viewer.running, "a hundred changes")
    viewer.send(signal.SIGINT)
    assert viewer.wait() == 0, viewer.text
    pipeline.stop()
    snapshot, *lines = viewer.stdout.splitlines()
    first = json.loads(snapshot)
    assert (first["type"], first["instrument"], first["state"]) == ("snapshot", "MSFT", "continuous")
    seqs = [json.loads(line)["seq"] for line in lines]
    assert seqs == list(range(first["seq"] + 1, first["seq"] + 1 + len(lines)))
    paths = [lab.directory / name for name in ("one.jsonl", "two.jsonl")]
    for path in paths:
        report = lab.replay("--feed", path)
        assert report["feed_lines"] == len(path.read_bytes().splitlines()) > 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    whole = [line for line in paths[0].read_text().splitlines() if '"MSFT"' in line]
    start = first["seq"]
    assert whole[start : start + len(lines)] == lines


def test_depths_of_the_command(lab: Lab) -> None:
    """Best prices, levels, and the drawing of a terminal that is none; symbols that nobody lists, and no pipeline."""
    pipeline = lab.pipeline()
    inject(pipeline.data, 2000, 1, lambda: None)
    best = lab.run("feed", "AAPL", "--json", "--best", "--data", pipeline.data)
    levels = lab.run("feed", "AAPL", "--json", "--levels", "--data", pipeline.data)
    for viewer in (best, levels):
        until(lambda viewer=viewer: viewer.stdout.count("\n"), "its first line")
    inject(pipeline.data, 2000, 2, lambda: None, session="MORE")
    for viewer in (best, levels):
        until(lambda viewer=viewer: viewer.stdout.count("\n") > 10, "more lines")
        viewer.send(signal.SIGINT)
        assert viewer.wait() == 0, viewer.text
    told = [json.loads(line) for line in best.stdout.splitlines()]
    assert {line["type"] for line in told} == {"best"}
    changed = [[value for name, value in line.items() if name[:3] in ("bid", "ask")] for line in told]
    assert all(one != two for one, two in pairwise(changed)), "only what changed is told"
    told = [json.loads(line) for line in levels.stdout.splitlines()]
    assert {line["type"] for line in told[1:]} == {"level"} and len(told[0]["bids"][0]) == 3
    drawn = lab.run("feed", "AAPL", "--depth", 2, "--data", pipeline.data)
    assert drawn.wait() == 0 and drawn.stdout.splitlines()[0].startswith("AAPL  continuous")
    assert len(drawn.stdout.splitlines()) <= 2 + 1 + 4
    once = lab.run("feed", "AAPL", "--json", "--once", "--data", pipeline.data)
    assert once.wait() == 0 and len(once.stdout.splitlines()) == 1
    assert lab.run("feed", "NONE", "--data", pipeline.data).wait() == 2
    assert lab.run("feed", "AAPL", "--best", "--data", pipeline.data).wait() == 2
    viewer = lab.run("feed", "AAPL", "--json", "--data", pipeline.data)
    until(lambda: viewer.stdout.count("\n"), "its first line")
    pipeline.stop()
    assert viewer.wait() == 4, viewer.text
    assert lab.run("feed", "AAPL", "--data", pipeline.data).wait() == 4


def test_a_slow_subscriber_is_cut_off_and_the_others_are_not(lab: Lab) -> None:
    """Its ring fills with what it subscribed to; the injector and the other subscriber get all of theirs."""
    pipeline = lab.pipeline(egress_slots=1024)
    with Port(pipeline.data) as slow, Port(pipeline.data) as quick:
        slow.subscribe()
        live = LiveFeed(quick, range(1, 6))
        injector = lab.inject("synthetic", "--orders", 3000, "--rate", 10_000)
        until(lambda: follow(live) or not injector.running, "the injector to end")
        assert injector.wait() == 0 and injector.json["unanswered"] == 0, injector.text
        until(lambda: pipeline.snapshot().ports_cut == 1, "the slow one to be cut off")
        got = 0
        with pytest.raises(CutOff):
            while True:
                got += len(slow.receive(SLICE_NS))
        assert got == 1024, "what is in its ring stays readable"
        follow(live)
        assert all(book.is_joined and not book.gap_count for book in live.data.books.values())
        live.close()
    until(lambda: pipeline.snapshot().ports_cut == 0, "its port to be free")
    pipeline.stop()


def test_a_port_subscribes_to_what_it_wants(lab: Lab) -> None:
    """Some instruments, all, none; one that is taken anew has no subscription; too many instruments are refused."""
    pipeline = lab.pipeline()
    with Port(pipeline.data) as port:
        block = port.number
        with pytest.raises(ValueError, match=f"at most {MOST_FEED_IDS}"):
            port.subscribe(range(1, MOST_FEED_IDS + 2))
        port.subscribe([2])
        inject(pipeline.data, 500, 1, lambda: None)
        told = port.receive(SLICE_NS).copy()
        assert set(told["instrument"].tolist()) == {2}
        port.subscribe()
        inject(pipeline.data, 500, 2, lambda: None, session="MORE")
        assert len(set(port.receive(SLICE_NS)["instrument"].tolist())) == 5
        port.unsubscribe()
        inject(pipeline.data, 500, 3, lambda: None, session="THIRD")
        until(lambda: not len(port.receive(SLICE_NS)), "the rest of it")
        port.subscribe()
    with Port(pipeline.data) as port:
        assert port.number == block
        inject(pipeline.data, 500, 4, lambda: None, session="FOURTH")
        assert not len(port.receive(SLICE_NS))
        assert pipeline.snapshot().ports_open == PortState.OPEN
    pipeline.stop()


def test_a_feed_that_was_turned_off_is_joined_anew(lab: Lab) -> None:
    """A gap in the numbers makes the view ask for the book again."""
    pipeline = lab.pipeline()
    with Port(pipeline.data) as port, Port(pipeline.data) as other:
        live = LiveFeed(port, [1])
        session = other.open_session("OTHER")
        inject(pipeline.data, 500, 1, lambda: follow(live))
        row = other.directory.instruments[1]
        for flags in (0, 1024):
            command = np.zeros(1, dtype=COMMAND)
            command["kind"], command["instrument"], command["session"] = Kind.INSTRUMENT, 1, session
            command["price_ticks"], command["qty_lots"], command["aux0"] = row.tick_e8, row.lot_e8, 10_000
            command["cl0"], command["cl1"] = pack_text(row.symbol)[:2]
            command["orig2"], command["flags"] = pack_text("USD")[0], flags
            command["order_id"], command["aux1"] = 100, 500_000
            assert other.request(command)["type"] == 1
            inject(pipeline.data, 500, 2 + flags, lambda: follow(live), session=f"MORE-{flags}")
        until(lambda: follow(live) or live.data.book(1).is_joined, "the book")
        assert live.data.book(1).gap_count == 1
        seen = orders_of(live.data.book(1))
        live.close()
        other.close_sessions()
    pipeline.stop()
    books, _ = replayed_without_feed(lab.data)
    assert seen == books[1]


def replayed_without_feed(data: Path) -> tuple[dict[int, dict[int, list[tuple[int, ...]]]], None]:
    """Return the books after a replay whose market data have a gap."""
    replayer = Replayer(data)
    assert replayer.run().verified and replayer.core is not None
    books: dict[int, dict[int, list[tuple[int, ...]]]] = {}
    for (instrument, side), levels in replayer.core.dump_books().items():
        orders = [(order[0], price, order[5]) for price, orders in levels for order in orders]
        books.setdefault(instrument, {1: [], 2: []})[side] = orders
    return books, None


@pytest.mark.parametrize("how", ["q", "Ctrl-C"])
def test_in_a_terminal_it_is_drawn_until_somebody_leaves(how: str, lab: Lab) -> None:
    """The levels of the book, again and again; the port is given back, the session closed."""
    pipeline = lab.pipeline()
    inject(pipeline.data, 500, 1, lambda: None)
    process, terminal = in_terminal("feed", "AAPL", "--data", str(pipeline.data))
    try:
        read_terminal(terminal, b"change")
        if how == "q":
            os.write(terminal, b"q")
        else:
            process.send_signal(signal.SIGINT)
        read_terminal(terminal)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        os.close(terminal)
    until(lambda: pipeline.snapshot().ports_open == 0, "the port to be free")
    pipeline.stop()
