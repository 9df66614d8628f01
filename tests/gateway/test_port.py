"""Ports of a running pipeline: taken and given back, sessions opened and closed, ends that are told apart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.define import define_symbols
from gateway.inject import Injector
from gateway.port import CutOff, NoPort, NotRunning, Port, SessionRefused
from protocols.codes import SIDE_BUY, SIDE_SELL, TIF_GTC, TYPE_LIMIT, Kind, OutcomeType, Reason
from protocols.directory import Directory
from protocols.flow import SyntheticSource
from protocols.layouts import COMMAND
from protocols.text import pack_text, unpack_text
from ringbuffer.ring_words import store_word
from stages.control import CW_PORT_BLOCKS, PORT_WORDS, PW_STATE, PortState
from stages.topology import CUR_WRITER
from tests.e2e.harness import Lab, Pipeline, laboratory, until
from tests.e2e.kernels import load_all_kernels

SLICE_NS = 5_000_000


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Pipeline]]:
    """Run one pipeline for the tests of this module; each leaves all ports free."""
    load_all_kernels()
    with laboratory(tmp_path_factory.mktemp("venue")) as lab:
        pipeline = lab.pipeline(ports=4, egress_slots=256, durability="os")
        yield lab, pipeline
        pipeline.stop()


@pytest.fixture
def data(venue: tuple[Lab, Pipeline]) -> Iterator[Path]:
    """Provide the data directory, and see to it that the test leaves all ports free."""
    lab, pipeline = venue
    yield lab.data

    def free() -> bool:
        snapshot = pipeline.snapshot()
        return snapshot.ports_open == snapshot.ports_cut == 0

    until(free, "all ports to be free")


def order(cl_ord_id: str, session: int, side: int = SIDE_SELL, qty: int = 1, price: int = 19_000) -> Any:
    """Return a limit order in AAPL of account 1 or 2."""
    made = np.zeros(1, dtype=COMMAND)
    made["kind"], made["side"], made["ord_type"], made["tif"] = Kind.NEW, side, TYPE_LIMIT, TIF_GTC
    made["account"], made["instrument"], made["session"] = side, 1, session
    made["qty_lots"], made["price_ticks"] = qty, price
    made["cl0"], made["cl1"], made["cl2"] = (np.array([part]) for part in pack_text(cl_ord_id))
    return made


def receive(port: Port, count: int) -> list[Any]:
    """Return the next outcomes of a port, as many as asked for."""
    got: list[Any] = []
    until(lambda: got.extend(port.receive(SLICE_NS).copy()) or len(got) >= count, f"{count} outcomes")
    assert len(got) == count
    return got


def test_ports_are_taken_and_given_back(data: Path) -> None:
    """Each gateway gets a port of its own; when all are taken the next is refused; what is closed is free again."""
    ports = [Port(data) for _ in range(3)]
    try:
        assert sorted(port.number for port in ports) == [1, 2, 3]
        with pytest.raises(NoPort, match="expected a free port, all 3 are taken"):
            Port(data)
        second = ports.pop(1)
        second.close()
        with Port(data) as again:
            assert again.number == second.number
    finally:
        for port in ports:
            port.close()


def test_a_session_is_opened_once(data: Path) -> None:
    """The same name gives the same id, in this port and in the next; closing answers after all that came before."""
    with Port(data) as port:
        first = port.open_session("ONCE")
        assert port.open_session("ONCE") == first and port.open_session("TWICE") != first
        assert port.sessions == {"ONCE": first, "TWICE": first + 1}
        port.close_sessions()
        assert port.sessions == {} and port.unanswered == 0
    with Port(data) as port:
        assert port.open_session("ONCE") == first
        port.close_sessions()


def test_a_session_needs_a_name(data: Path) -> None:
    """What the core refuses is an error with its reason; what no session can be called does not get that far."""
    with Port(data) as port:
        with pytest.raises(SessionRefused, match="session '': invalid_command"):
            port.open_session("")
        with pytest.raises(ValueError, match="at most 20 printable ASCII"):
            port.open_session("x" * 21)


def test_an_order_is_answered_where_it_came_from(data: Path) -> None:
    """Two gateways trade: each hears of its own orders alone, and what it hears names what it sent."""
    with Port(data) as seller, Port(data) as buyer:
        seller.send(order("SELL-1", seller.open_session("SELLER")), 0)
        (accepted,) = receive(seller, 1)
        assert (accepted["type"], accepted["kind"]) == (OutcomeType.ACCEPTED, Kind.NEW)
        assert unpack_text(accepted["cl0"], accepted["cl1"], accepted["cl2"]) == "SELL-1"
        buyer.send(order("BUY-1", buyer.open_session("BUYER"), SIDE_BUY), 0)
        types = [outcome["type"] for outcome in receive(buyer, 2)]
        assert types == [OutcomeType.ACCEPTED, OutcomeType.FILLED]
        (fill,) = receive(seller, 1)
        assert (fill["type"], fill["order_id"], fill["leaves_lots"]) == (
            OutcomeType.FILLED, accepted["order_id"], 0,
        )  # fmt: skip
        assert seller.unanswered == buyer.unanswered == 0
        seller.close_sessions()
        buyer.close_sessions()


def test_what_was_told_risk_has_applied(data: Path) -> None:
    """A client that has been told of a fill is judged with it: its next order meets the position it knows of."""
    with Port(data) as port:
        session = port.open_session("FEEDBACK")
        for number in range(200):
            port.send(order(f"S{number}", session), 0)
            receive(port, 1)
            port.send(order(f"B{number}", session, SIDE_BUY), 0)
            *_, maker = receive(port, 3)
            # a replace of what is known to be filled is too late for risk already, not for matching alone
            late = order(f"R{number}", session)
            late["kind"], late["qty_lots"] = Kind.REPLACE, 2
            late["orig0"], late["orig1"], late["orig2"] = (np.array([x]) for x in pack_text(f"S{number}"))
            port.send(late, 0)
            (rejected,) = receive(port, 1)
            assert maker["type"] == OutcomeType.FILLED
            assert (rejected["reason"], rejected["flags"] & 8) == (Reason.TOO_LATE, 8)
        port.close_sessions()


def test_kinds_of_the_venue_are_refused(data: Path) -> None:
    """A gateway that sends what only the venue may send gets a rejection."""
    with Port(data) as port:
        session = port.open_session("CHEAT")
        for kind in (Kind.VENUE, Kind.CHECKPOINT, Kind.TICK, 99):
            command = np.zeros(1, dtype=COMMAND)
            command["kind"], command["session"] = kind, session
            port.send(command, 0)
            (rejected,) = receive(port, 1)
            assert (rejected["type"], rejected["reason"]) == (OutcomeType.REJECTED, Reason.INVALID_COMMAND)
        port.close_sessions()


def test_a_port_that_does_not_read_is_told(data: Path) -> None:
    """Outcomes beyond the ring cut the port off: what is in the ring is handed out first, then comes CutOff."""
    with Port(data, window=10_000) as idle, Port(data) as other:
        session = idle.open_session("IDLE")
        commands = np.concatenate([order(f"I{number}", session, price=30_000) for number in range(300)])
        words, slots = idle._ingress, idle._ingress_slots
        for row in commands.view(np.int64).reshape(-1, 16):  # send without reading
            seq = int(words[CUR_WRITER]) + 1
            slots[seq & (len(slots) - 1)] = row
            store_word(words, CUR_WRITER, seq)
        state = CW_PORT_BLOCKS + idle.number * PORT_WORDS + PW_STATE
        until(lambda: idle.control[state] == PortState.CUT, "the port to be cut off")
        got = 0
        with pytest.raises(CutOff, match=f"port {idle.number} was cut off: its egress ring was full"):
            while True:
                got += len(idle.receive(SLICE_NS))
        assert got == 256
        assert other.open_session("OTHER") != session, "nobody else was kept from anything"
        other.close_sessions()


def test_an_injector_accounts_for_everything(data: Path) -> None:
    """Its summary holds what was sent, what came back by type and reason, and the latencies of all of it."""
    with Port(data) as port, SyntheticSource(port.directory, 3000, 9, session="FLOW") as source:
        told: list[Any] = []
        injector = Injector(port, source, on_outcomes=lambda outcomes: told.append(outcomes.copy()))
        summary = injector.run()
        outcomes = np.concatenate(told)
        assert summary.sent == summary.answered == 3002 and summary.unanswered == 0
        kinds = outcomes[outcomes["kind"] < Kind.SESSION_OPEN]
        assert sum(summary.types.values()) == len(kinds)
        for kind in OutcomeType:
            assert summary.types[kind.name.lower()] == np.count_nonzero(kinds["type"] == kind)
        rejected = kinds[kinds["type"] == OutcomeType.REJECTED]
        assert sum(summary.rejects.values()) == len(rejected)
        assert (
            summary.latency_ns["count"] == 3002 and 0 < summary.latency_ns["p50"] <= summary.latency_ns["max"]
        )
        assert injector.fills == summary.fills == summary.types["filled"]


def test_an_injector_has_one_pace(data: Path) -> None:
    """A rate and a speed at once make no sense."""
    with (
        Port(data) as port,
        SyntheticSource(port.directory, 1, 1) as source,
        pytest.raises(ValueError, match="a rate or a speed, were both"),
    ):
        Injector(port, source, rate=1, speed=1)


def test_schedules_do_not_drift(data: Path) -> None:
    """A rate gives evenly spaced times over any number of chunks; a speed divides the recorded distances."""
    with Port(data) as port, SyntheticSource(port.directory, 1, 1) as source:
        rated = Injector(port, source, rate=3)
        rated._start_ns = 10**18
        chunks = [rated._schedule(np.zeros(size, dtype=COMMAND)) for size in (5, 70_000, 1)]
        times = np.concatenate(chunks) - 10**18
        assert times.tolist() == [number * 10**9 // 3 for number in range(70_006)]
        speedy = Injector(port, source, speed=4)
        speedy._start_ns = 7
        recorded = np.zeros(3, dtype=COMMAND)
        recorded["time_ns"] = 1_700_000_000_000_000_000 + np.array([0, 4_000, 400_000_000_000])
        assert speedy._schedule(recorded).tolist() == [7, 1_007, 100_000_000_007]
        later = recorded[2:].copy()
        later["time_ns"] += 8
        assert speedy._schedule(later).tolist() == [100_000_000_009]
        flat_out = Injector(port, source)
        assert len(flat_out._schedule(recorded)) == 0


def test_instruments_are_defined_for_all(data: Path) -> None:
    """What one gateway adds, another one that was attached before finds, under the same id; nothing is added twice."""
    with Port(data) as first, Port(data) as second:
        known = set(first.directory.instrument_ids)
        assert define_symbols(first, ["XAA", "XBB"], "DEFINE-1") == ["XAA", "XBB"]
        assert define_symbols(first, ["XBB", "AAPL"], "DEFINE-1") == []
        assert define_symbols(second, ["XCC", "XBB", "XDD"], "DEFINE-2") == ["XCC", "XDD"]
        assert set(second.directory.instrument_ids) == known | {"XAA", "XBB", "XCC", "XDD"}
        for symbol, identity in first.directory.instrument_ids.items():
            assert second.directory.instrument_ids[symbol] == identity
        first.close_sessions()
        second.close_sessions()
        everything = second.directory

    def told() -> Directory | None:
        with Port(data) as port:
            return port.directory if port.directory.instruments == everything.instruments else None

    until(told, "the pipeline to tell of all instruments")


def test_ends_are_told_apart(tmp_path: Path) -> None:
    """No pipeline, one that drains, one that has stopped and one whose supervisor was killed: NotRunning says which."""
    load_all_kernels()
    with pytest.raises(NotRunning, match="expected a running pipeline, was none"):
        Port(tmp_path)
    with laboratory(tmp_path) as lab:
        pipeline = lab.pipeline()
        with Port(lab.data) as port:
            port.open_session("LAST")
            pipeline.stop()
            with pytest.raises(NotRunning, match="the pipeline is stopped"):
                port.receive()
        pipeline = lab.start().ready()
        with Port(lab.data) as port:
            pipeline.send(signal.SIGKILL)
            pipeline.wait()
            with pytest.raises(NotRunning, match="the pipeline is failed"):
                until(lambda: len(port.receive(1_000_000)), "the end")
        with pytest.raises(NotRunning, match="expected a pipeline that is ready, was failed"):
            Port(lab.data)
