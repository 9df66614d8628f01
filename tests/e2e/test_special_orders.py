"""Special orders from end to end: a FIX log with all of them, and an order that expires while nobody sends anything."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.port import Port
from protocols.binary import BinaryWriter
from protocols.codes import CommandFlag, Kind, OrdType, OutcomeFlag, OutcomeType, Reason, Tif
from protocols.layouts import COMMAND
from protocols.text import pack_text
from tests.e2e.harness import SAMPLES, Lab, assert_contains, lines_of, until
from tools.make_special_sample import make

SAMPLE = SAMPLES / "special.fix"


def fields_of(message: str) -> dict[int, str]:
    """Return the fields of a message of a log."""
    return {int(tag): value for tag, _, value in (field.partition("=") for field in message.split("|")[:-1])}


def test_the_sample_is_reproducible(tmp_path: Path) -> None:
    """The committed sample is what its generator writes, byte for byte."""
    make(str(tmp_path / "again.fix"))
    assert (tmp_path / "again.fix").read_bytes() == SAMPLE.read_bytes()


def test_a_log_of_special_orders(lab: Lab) -> None:
    """Each order and request of the sample is answered in FIX and as lines as its rule says; the replay agrees."""
    pipeline = lab.pipeline()
    replies, lines = lab.directory / "reply.fix", lab.directory / "out.jsonl"
    injected = lab.inject("fix", SAMPLE, "--reply", replies, "--out", lines)
    assert injected.wait() == 0, injected.text
    summary = injected.json
    assert (summary["sent"], summary["answered"], summary["unanswered"]) == (27, 27, 0)
    assert summary["rejects"] == {
        "invalid_expire_time": 1,
        "post_only_would_trade": 1,
        "unknown_instrument": 1,
    }
    assert summary["types"]["triggered"] == summary["types"]["status"] == 1
    pipeline.stop()

    reports = [fields_of(line) for line in replies.read_text().splitlines()]
    told: dict[str, list[tuple[str, str]]] = {}
    for report in reports:
        if report[35] == "8":
            told.setdefault(f"{report[56]} {report[11]}", []).append((report[150], report.get(58, "")))
    assert told["FIRM2 STOP"] == [("0", ""), ("I", "")]
    assert told["FIRM2 STOP-2"] == [("5", ""), ("L", ""), ("F", "")]
    assert told["FIRM2 STOPLIM"] == told["FIRM2 TRAIL"] == [("0", ""), ("4", "mass_cancel")]
    assert [kind for kind, _ in told["FIRM1 ICE"]] == ["0", *"FFFFFF"]
    assert told["FIRM2 POST-1"] == [("8", "post_only_would_trade")]
    assert told["FIRM2 MIN"] == [("0", ""), ("C", "min_qty_not_met")]
    assert told["FIRM1 OWN-1"] == [("0", ""), ("4", "self_trade")]
    assert told["FIRM1 OWN-3"] == [("0", ""), ("4", "self_trade")]
    assert told["FIRM1 OWN-2"] == [("0", ""), ("D", "self_trade"), ("4", "mass_cancel")]
    assert told["FIRM1 GTD-2"] == [("8", "invalid_expire_time")]
    (repriced,) = [report[44] for report in reports if report.get(11) == "POST-2" and report[150] == "0"]
    assert repriced == "190.14"
    (status,) = [report for report in reports if report.get(790)]
    assert (status[790], status[11], status[39], status[151]) == ("ASK-1", "STOP", "0", "5")
    cancels = [(r[56], r[11], r[530], r[531], r.get(533)) for r in reports if r[35] == "r"]
    assert cancels == [
        ("FIRM1", "M-1", "1", "0", None),
        ("FIRM1", "M-2", "1", "1", "1"),
        ("FIRM1", "M-3", "7", "7", "2"),
        ("FIRM2", "M-1", "7", "7", "3"),
    ]

    live = lines_of(lines)
    decoded = [json.loads(line) for line in live.values()]
    assert Counter(line["type"] for line in decoded) == {
        name: count for name, count in summary["types"].items() if count
    }
    assert {line["type"] for line in decoded if line["unsolicited"]} == {"triggered", "cancelled", "replaced"}
    assert_contains(lab.replayed_lines(), live)


def test_a_binary_file_of_special_orders(lab: Lab) -> None:
    """A stop, an iceberg, a post-only order, an order with GTD, a status request and mass cancels, from records."""
    path = lab.directory / "special.rmb"
    plain: dict[str, Any] = {"session": "BIN", "symbol": "AAPL", "account": "ACC1", "tif": Tif.GTC}
    with BinaryWriter(path) as writer:
        limit = {**plain, "kind": Kind.NEW, "ord_type": OrdType.LIMIT, "price": "190.00"}
        writer.write(**limit, side=2, qty="100", display="20", cl_ord_id="ICE")
        stop = {**plain, "kind": Kind.NEW, "ord_type": OrdType.STOP, "side": 2}
        writer.write(**stop, qty="5", stop="190.00", cl_ord_id="STOP")
        writer.write(**limit, side=1, qty="30", minimum="30", cl_ord_id="B")
        writer.write(**limit, side=1, qty="1", flags=CommandFlag.POST_ONLY, cl_ord_id="POST")
        expires = {**limit, "tif": Tif.GTD, "price": "180.00", "expiry_ns": 1 << 62}
        writer.write(**expires, side=1, qty="7", cl_ord_id="GTD", group=3, mode=2)
        writer.write(
            kind=Kind.STATUS, session="BIN", symbol="AAPL", side=2, cl_ord_id="?", orig_cl_ord_id="ICE"
        )
        for cl_ord_id, symbol in (("M1", "NOPE"), ("M2", "AAPL")):
            writer.write(kind=Kind.MASS_CANCEL, session="BIN", symbol=symbol, cl_ord_id=cl_ord_id)
    pipeline = lab.pipeline()
    lines = lab.directory / "out.jsonl"
    injected = lab.inject("binary", path, "--out", lines)
    assert injected.wait() == 0, injected.text
    told: dict[str, list[str]] = {}
    for line in map(json.loads, lines.read_text().splitlines()):
        told.setdefault(line["cl_ord_id"], []).append(line["reason"] or line["type"])
    assert told == {
        "ICE": ["accepted", "filled", "filled", "mass_cancel"],
        "STOP": ["accepted", "triggered", "no_liquidity"],
        "B": ["accepted", "filled", "filled"],
        "POST": ["post_only_would_trade"],
        "GTD": ["accepted", "mass_cancel"],
        "?": ["status"],
        "M1": ["unknown_instrument"],
        "M2": ["mass_cancelled"],
    }
    pipeline.stop()
    assert_contains(lab.replayed_lines(), lines_of(lines))


def order(session: int, cl_ord_id: str, expiry_ns: int) -> Any:
    """Return a limit order with GTD that rests."""
    command = np.zeros(1, dtype=COMMAND)
    command["kind"], command["session"], command["tif"] = Kind.NEW, session, Tif.GTD
    command["instrument"] = command["account"] = command["side"] = 1
    command["ord_type"], command["price_ticks"], command["qty_lots"] = 2, 10_000, 7
    command["aux1"] = expiry_ns
    for name, word in zip(("cl0", "cl1", "cl2"), pack_text(cl_ord_id), strict=True):
        command[name] = word
    return command


@pytest.mark.parametrize("wait", ["backoff", "blocking"])
def test_an_order_expires_in_an_idle_venue(lab: Lab, wait: str) -> None:
    """Time goes on by itself: the order ends soon after its time, by one TICK, which the journal repeats exactly."""
    pipeline = lab.pipeline(wait=wait)
    with Port(lab.data) as port:
        session = port.open_session("IDLE")
        expiry_ns = time.time_ns() + 100_000_000
        told: list[Any] = []
        row = 0
        while row == 0:
            row, outcomes = port.send(order(session, "GTD", expiry_ns), 0)
            told += list(outcomes.copy())

        def expired() -> bool:
            told.extend(port.receive(1_000_000).copy())
            return len(told) >= 2

        until(expired, "the order to expire")
        accepted, ended = told
        assert (accepted["type"], ended["type"]) == (OutcomeType.ACCEPTED, OutcomeType.EXPIRED)
        assert (ended["kind"], ended["reason"], ended["index"]) == (Kind.TICK, Reason.GTD_EXPIRED, 0)
        assert ended["flags"] == OutcomeFlag.UNSOLICITED and ended["order_id"] == accepted["input_seq"]
        assert ended["time_ns"] >= expiry_ns and port.unanswered == 0
        port.close_sessions()
    counters = pipeline.snapshot().counters
    assert (counters["ticks"], counters["open_orders"]) == (1, 0)
    last = pipeline.stop()
    report = lab.replay()
    assert report["verified"] is True and report["state_digest"] == last.state_digest


def test_orders_end_with_their_session(lab: Lab) -> None:
    """With --cancel-on-close nothing of an injection stays in the book; without it what rests stays."""
    pipeline = lab.pipeline()
    orders, lines_file = SAMPLES / "orders.fix", lab.directory / "out.jsonl"
    assert lab.inject("fix", orders, "--cancel-on-close", "--out", lines_file).wait() == 0
    counters = pipeline.snapshot().counters
    assert counters["open_orders"] == 0 and counters["reason.disconnected"] > 0
    ended = [
        line
        for line in map(json.loads, lines_file.read_text().splitlines())
        if line["kind"] == "session_close"
    ]
    assert len(ended) == counters["reason.disconnected"]
    assert {(line["type"], line["reason"], line["unsolicited"]) for line in ended} == {
        ("cancelled", "disconnected", True)
    }
    pipeline.stop()
    assert lab.replay()["verified"] is True


def test_orders_of_a_gateway_that_dies_end(lab: Lab) -> None:
    """The supervisor closes the sessions of a port whose owner is gone, and their orders end with them."""
    pipeline = lab.pipeline()
    with Port(lab.data, cancel_on_close=True) as port:
        session = port.open_session("GONE")
        command = order(session, "X", time.time_ns() + 10**15)
        row = 0
        while row == 0:
            row, _ = port.send(command, 0)
        until(lambda: pipeline.snapshot().counters["open_orders"] == 1, "the order to rest")
    until(lambda: pipeline.snapshot().counters["open_orders"] == 0, "the order to be cancelled")
    assert pipeline.snapshot().counters["reason.disconnected"] == 1
    pipeline.stop()


def test_a_venue_without_expiries_does_not_tick(lab: Lab) -> None:
    """Nothing is journaled while nothing happens, not even with an order that expires some day."""
    pipeline = lab.pipeline()
    with Port(lab.data) as port:
        session = port.open_session("IDLE")
        command = order(session, "GTD", time.time_ns() + 10**15)
        row = 0
        while row == 0:
            row, _ = port.send(command, 0)
        until(lambda: len(port.receive(1_000_000)) or not port.unanswered, "the answer")
        seq = pipeline.snapshot().cursors["input"]
        beat = pipeline.snapshot().uptime_ns
        until(lambda: pipeline.snapshot().uptime_ns > beat + 100_000_000, "ten times tick_ms to go by")
        assert pipeline.snapshot().cursors["input"] == seq
        port.close_sessions()
    pipeline.stop()
