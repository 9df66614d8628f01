"""An operator at the command line: states, schedules, bands and mass cancels of a pipeline that runs; and a restart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.exit_codes import ExitCode
from gateway.desk import ask
from gateway.port import NotRunning, Port
from protocols.codes import Kind, OrdType, OutcomeType, Reason, Tif, TradingState
from protocols.commands import make_commands
from protocols.fix_encode import ReplyEncoder
from protocols.layouts import OUTCOME
from protocols.market_commands import set_state
from protocols.outcome_lines import OutcomeLines
from protocols.outcomes import tell_of_orders
from tests.e2e.harness import Lab, until

GROUPED = {"AAPL": "EQ", "MSFT": "EQ", "NVDA": "FX"}
DAYS = """
[[schedule]]
group = "EQ"
state = "{state}"
at = "{at}"
"""


def day_venue(lab: Lab, *schedules: tuple[str, str]) -> Path:
    """Write a venue with two groups, and an account of a firm."""
    path = lab.config()
    text = path.read_text()
    for symbol, group in GROUPED.items():
        text = text.replace(f'symbol = "{symbol}"\n', f'symbol = "{symbol}"\ngroup = "{group}"\n')
    text = text.replace('name = "ACC2"\n', 'name = "ACC2"\nfirm = 7\n')
    path.write_text(text + "".join(DAYS.format(state=state, at=at) for state, at in schedules))
    return path


def operate(lab: Lab, *words: object, code: int = 0) -> Any:
    """Run a command with JSON; return what it printed, or what it said if it is to fail."""
    process = lab.run(*words, "--data", lab.data, "--json")
    assert process.wait() == code, process.text
    return process.json if code == 0 else process.stderr


def states(lab: Lab) -> dict[str, str]:
    """Return the state of each instrument that is not in continuous trading, as ``state show`` has it."""
    rows = operate(lab, "state", "show")
    return {row["instrument"]: row["state"] for row in rows if row["state"] != "continuous"}


def test_trading_states(lab: Lab) -> None:
    """An instrument, a group and all enter a state; status and state show tell of it at once."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    assert states(lab) == {}
    assert operate(lab, "state", "set", "halt", "--instrument", "TSLA")["instruments"] == ["TSLA"]
    assert operate(lab, "state", "set", "pre-open", "--group", "EQ")["instruments"] == ["AAPL", "MSFT"]
    assert states(lab) == {"AAPL": "pre-open", "MSFT": "pre-open", "TSLA": "halt"}
    assert pipeline.snapshot().states == states(lab)
    assert "states: pre-open AAPL, MSFT; halt TSLA" in lab_status(lab)
    for words, said in (
        (("halt", "--instrument", "NOPE"), "expected one of AAPL, MSFT, NVDA, TSLA, AMZN, was 'NOPE'"),
        (("halt", "--group", "NOPE"), "--group: expected one of EQ, FX, was 'NOPE'"),
        (("open", "--all"), "state: expected one of continuous, pre-open"),
        (("halt",), "expected one of --instrument, --group, --all"),
    ):
        assert said in operate(lab, "state", "set", *words, code=ExitCode.USAGE)
    assert len(operate(lab, "state", "set", "continuous", "--all")["instruments"]) == 5
    assert states(lab) == {}
    operate(lab, "state", "set", "closed", "--group", "FX")
    pipeline.stop()
    pipeline = lab.start().ready()
    assert states(lab) == {"NVDA": "closed"}
    pipeline.stop()
    assert operate(lab, "state", "show", code=ExitCode.NOT_RUNNING)
    with pytest.raises(NotRunning):
        ask(lab.data, set_state(1, TradingState.HALT))
    lab.replay()


def lab_status(lab: Lab) -> str:
    """Return what status prints for people."""
    process = lab.run("status", "--data", lab.data)
    assert process.wait() == 0, process.text
    return process.stdout


def order(session: int, account: int, cl: str, side: int = 1) -> Any:
    """Return a limit order that rests."""
    return make_commands(
        Kind.NEW, cl=cl, session=session, instrument=1, account=account, side=side, ord_type=OrdType.LIMIT,
        tif=Tif.GTC, price_ticks=10_000 if side == 1 else 20_000, qty_lots=7,
    )  # fmt: skip


def test_mass_cancels_of_all_sessions(lab: Lab) -> None:
    """Orders of any session are cancelled, by account, firm, side or all of them; a gateway's port may not do that."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    told: list[Any] = []
    with Port(lab.data) as port:
        first, second = port.open_session("ONE"), port.open_session("TWO")
        orders = [
            order(first, 1, "A1"),
            order(second, 1, "A2", 2),
            order(first, 2, "B1"),
            order(second, 2, "B2"),
            order(second, 3, "C1"),
        ]
        send(port, np.concatenate(orders), told)
        assert operate(lab, "mass-cancel", "--account", "ACC1", "--side", "sell") == {"cancelled": 1}
        assert operate(lab, "mass-cancel", "--firm", 7) == {"cancelled": 2}
        assert operate(lab, "mass-cancel", "--instrument", "MSFT") == {"cancelled": 0}
        send(port, make_commands(Kind.MASS_CANCEL, instrument=1), told)
        assert operate(lab, "mass-cancel", "--all") == {"cancelled": 2}

        def all_told() -> bool:
            told.extend(port.receive(1_000_000).copy())
            return sum(each["type"] == OutcomeType.CANCELLED for each in told) == 5

        until(all_told, "five cancels")
    assert "expected --account, --firm or --instrument, or --all" in operate(
        lab, "mass-cancel", code=ExitCode.USAGE
    )
    assert "--side: expected one of buy, sell" in operate(
        lab, "mass-cancel", "--all", "--side", "x", code=ExitCode.USAGE
    )
    assert pipeline.snapshot().counters["invalid"] == 1
    pipeline.stop()


def test_a_replay_shows_the_digests_of_the_stop(lab: Lab) -> None:
    """Also where the last command ended orders, which risk sees only with the checkpoint of the stop."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    with Port(lab.data) as port:
        send(port, order(port.open_session("ONE"), 1, "A1"), [])
        assert operate(lab, "mass-cancel", "--all") == {"cancelled": 1}
        last = pipeline.stop()
    report = lab.replay()
    assert (report["state_digest"], report["outcome_digest"]) == (last.state_digest, last.outcome_digest)


def test_an_auction_is_told_to_its_owners(lab: Lab) -> None:
    """Fills and remainders that a state brings about go to the sessions of the orders, in FIX and as lines, too."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    operate(lab, "state", "set", "opening-auction", "--instrument", "AAPL")
    told: list[Any] = []
    with Port(lab.data) as port:
        first, second = port.open_session("ONE"), port.open_session("TWO")
        buy, sell = order(first, 1, "A1"), order(second, 2, "B1", 2)
        buy["tif"], sell["price_ticks"], sell["qty_lots"] = Tif.OPEN, 10_000, 4
        send(port, np.concatenate([buy, sell]), told)
        operate(lab, "state", "set", "continuous", "--instrument", "AAPL")

        def ended() -> bool:
            told.extend(port.receive(1_000_000).copy())
            return any(each["type"] == OutcomeType.EXPIRED for each in told)

        until(ended, "the remainder to end")
        outcomes = np.array(
            [each for each in told if each["kind"] == Kind.STATE and each["session"]], dtype=OUTCOME
        )
        assert [OutcomeType(each["type"]).name for each in outcomes] == ["FILLED", "FILLED", "EXPIRED"]
        assert outcomes["session"].tolist() == [first, second, first] and tell_of_orders(outcomes).all()
        replies = ReplyEncoder(port.directory)
        fields = [replies.encode(each, "ONE", 1).decode().split("\x01") for each in outcomes]
        assert all({"150=F", "851=4", "31=100.00"} <= set(each) for each in fields[:2])
        assert {"150=C", "58=auction_remainder", "14=4", "6=100"} <= set(fields[2])
        lines = OutcomeLines(port.directory, {first: "ONE", second: "TWO"}).encode(outcomes)
    pipeline.stop()
    replayed = lab.replayed_lines()
    assert set(lines.splitlines(keepends=True)) <= set(replayed.values())


def send(port: Port, commands: Any, told: list[Any]) -> None:
    """Send commands and keep what came meanwhile."""
    row = 0
    while row < len(commands):
        row, outcomes = port.send(commands, row)
        told += list(outcomes.copy())


def test_schedules(lab: Lab) -> None:
    """What an operator schedules happens in an idle venue, is listed until then, and can be cleared."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    assert operate(lab, "schedule", "list") == []
    added = operate(lab, "schedule", "add", "EQ", "halt", "--in", "300ms")
    assert (added["group"], added["state"], added["every_ns"]) == ("EQ", "halt", 0)
    assert abs(added["due_ns"] - time.time_ns()) < 60_000_000_000
    until(lambda: pipeline.snapshot().states == {"AAPL": "halt", "MSFT": "halt"}, "the halt")
    operate(lab, "schedule", "add", "FX", "closed", "--at", "23:59:59", "--daily")
    operate(lab, "schedule", "add", "-", "closed", "--in", "1h")
    assert sorted(row["group"] for row in operate(lab, "schedule", "list")) == ["-", "FX"]
    assert operate(lab, "schedule", "clear", "FX") == {"group": "FX", "removed": 1}
    assert [row["group"] for row in operate(lab, "schedule", "list")] == ["-"]
    for words in (
        ("EQ", "halt"),
        ("EQ", "halt", "--at", "25:00"),
        ("EQ", "halt", "--in", "5"),
        ("EQ", "no", "--in", "5s"),
    ):
        operate(lab, "schedule", "add", *words, code=ExitCode.USAGE)
    assert "invalid_expire_time" in operate(
        lab, "schedule", "add", "EQ", "halt", "--in", "0s", code=ExitCode.FAILED
    )
    pipeline.stop()
    lab.replay()


def test_what_fell_due_meanwhile_happens_at_the_next_start(lab: Lab) -> None:
    """A state that was due while nothing ran is entered at once by the next start, also after a crash."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    added = operate(lab, "schedule", "add", "FX", "halt", "--in", "3s")
    operate(lab, "schedule", "add", "EQ", "closed", "--in", "1h")
    pipeline.kill()
    until(lambda: not pipeline.workers_alive(), "the workers to end")
    until(lambda: time.time_ns() > added["due_ns"], "the time to come")
    pipeline = lab.start().ready()
    until(lambda: pipeline.snapshot().states == {"NVDA": "halt"}, "the halt")
    assert [row["group"] for row in operate(lab, "schedule", "list")] == ["EQ"]
    pipeline.stop()
    lab.replay()


def test_a_restart_adds_nothing(lab: Lab) -> None:
    """A schedule of the configuration is sequenced at the first start; a changed one at the start that reads it."""
    lab.start(config=day_venue(lab, ("pre-open", "07:00:00"), ("closed", "22:00"))).ready().stop()
    pipeline = lab.start().ready()
    rows = operate(lab, "schedule", "list")
    assert sorted((row["state"], row["due"][-8:]) for row in rows) == [
        ("closed", "22:00:00"),
        ("pre-open", "07:00:00"),
    ]
    pipeline.stop()
    lab.start(config=day_venue(lab, ("pre-open", "07:00:00"))).ready().stop()
    process = lab.run("journal", "dump", lab.data)
    assert process.wait() == 0, process.text
    assert process.stdout.count('"kind":"schedule"') == 2 + 2
    lab.replay()


def test_bands(lab: Lab) -> None:
    """Bands are set value by value, and shown; a distance that is no whole number of ticks is a mistake."""
    pipeline = lab.start(config=day_venue(lab)).ready()
    operate(lab, "bands", "set", "AAPL", "--dynamic", "0.50")
    row = operate(
        lab, "bands", "set", "AAPL", "--mode", "halt", "--volatility-auction", "30s", "--reference", "99.00"
    )
    assert row == operate(lab, "bands", "show")[0]
    assert row == {
        "instrument": "AAPL", "mode": "halt", "static_band": None, "reference_price": "99.00",
        "dynamic_band": "0.50", "volatility_auction_ns": 30_000_000_000, "indication_interval_ns": 0,
    }  # fmt: skip
    for words in (
        ("AAPL",),
        ("NOPE", "--static", "1"),
        ("AAPL", "--static", "0.005"),
        ("AAPL", "--mode", "x"),
    ):
        operate(lab, "bands", "set", *words, code=ExitCode.USAGE)
    pipeline.stop()
    lab.replay()


def test_what_is_no_operators_is_refused(lab: Lab) -> None:
    """An order that is put on the desk reaches no core."""
    lab.start(config=day_venue(lab)).ready()
    answer = ask(lab.data, order(1, 1, "A1"))
    assert (answer["type"], answer["reason"]) == (OutcomeType.REJECTED, Reason.INVALID_COMMAND)
