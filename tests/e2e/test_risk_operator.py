"""An operator and risk: limits, kill switches and reports of a pipeline that runs, under load, and after a crash."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.exit_codes import ExitCode
from gateway.desk import ask
from gateway.port import Port
from protocols.codes import Kind, OrdType, OutcomeType, Reason, Tif
from protocols.commands import make_commands
from protocols.risk_commands import deposit
from stages.configured import read_references
from tests.cli.terminal import in_terminal, read_terminal
from tests.e2e.harness import DEADLINE_S, Lab, Pipeline, until

FIRM = '[[firm]]\nid = 7\nname = "SEVEN"\ncurrency = "USD"\ncredit = "1000000"\nwarn = { credit = 50 }\n'


def risk_venue(lab: Lab, more: str = "", **changes: Any) -> Path:
    """Write a venue in which ACC2 belongs to a firm."""
    path = lab.config(**changes)
    text = path.read_text().replace('name = "ACC2"\n', 'name = "ACC2"\nfirm = 7\n')
    path.write_text(text + FIRM + more)
    return path


def operate(lab: Lab, *words: object, code: int = 0, json_too: bool = True) -> Any:
    """Run a command; return what it printed, decoded, or what it said if it is to fail."""
    process = lab.run(*words, "--data", lab.data, *(["--json"] if json_too else []))
    assert process.wait() == code, process.text
    if code:
        return process.stderr
    return process.json if json_too else process.stdout


def order(session: int, account: int, cl: str, side: int = 1, qty: int = 7) -> Any:
    """Return a limit order that rests."""
    return make_commands(
        Kind.NEW, cl=cl, session=session, instrument=1, account=account, side=side, ord_type=OrdType.LIMIT,
        tif=Tif.GTC, price_ticks=10_000 if side == 1 else 20_000, qty_lots=qty,
    )  # fmt: skip


def exchange(port: Port, commands: Any) -> Any:
    """Send commands and return all that answers them."""
    row, told = 0, []
    while row < len(commands):
        row, outcomes = port.send(commands, row)
        told += list(outcomes.copy())

    def answered() -> bool:
        told.extend(port.receive(1_000_000).copy())
        return sum(bool(each["flags"] & 64) for each in told) >= len(commands)

    until(answered, "all answers")
    return told


def row_of(rows: list[Any], **wanted: Any) -> Any:
    """Return the one row with these fields."""
    [found] = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return found


def open_orders(pipeline: Pipeline) -> int:
    """Return how many orders rest."""
    return pipeline.snapshot().counters["open_orders"]


def test_kill_under_load_cancels_everything_and_rejects(lab: Lab) -> None:
    """In the midst of a flow the venue is killed: all that rests is cancelled, what follows has the reason."""
    pipeline = lab.start(config=risk_venue(lab)).ready()
    flow = lab.inject("synthetic", "--orders", 200_000, "--rate", 10_000)
    until(lambda: open_orders(pipeline) > 200, "orders that rest")
    killed = operate(lab, "kill", "venue", "--yes", "--by", "night desk")
    assert killed["cancelled"] > 0 and killed["switches"] == ["killed"] and killed["by"] == "night desk"
    until(
        lambda: pipeline.snapshot().counters.get("reason.venue_killed", 0) > 100, "orders that are rejected"
    )
    assert flow.running and open_orders(pipeline) == 0
    flow.kill()
    report = operate(lab, "risk", "report")
    assert all(account["reserved_buy"] == account["open_orders"] == 0 for account in report["accounts"])
    [engaged] = report["venue"]["engaged"]
    assert (engaged["level"], engaged["switch"], engaged["by"]) == ("venue", "killed", "night desk")
    assert (engaged["seq"], engaged["time_ns"]) == (killed["seq"], killed["time_ns"])
    assert report["reconciliation"]["ok"] and report["venue"]["rejects"]["venue_killed"] > 0
    assert operate(lab, "kill", "venue", "--release", "--yes")["switches"] == []
    pipeline.stop()
    lab.replay()


def test_levels_of_a_kill(lab: Lab) -> None:
    """Firm, account, session and instrument; releases are asked for; what does not exist is refused."""
    pipeline = lab.start(config=risk_venue(lab)).ready()
    with Port(lab.data) as port:
        session = port.open_session("ONE")
        exchange(port, np.concatenate([order(session, 1, "A1"), order(session, 2, "B1")]))
        assert operate(lab, "kill", "firm", 7)["cancelled"] == 1
        assert operate(lab, "kill", "account", "ACC1", "--reducing")["switches"] == ["reducing"]
        assert operate(lab, "kill", "session", "ONE")["cancelled"] == 1
        assert operate(lab, "kill", "instrument", "MSFT")["cancelled"] == 0
        [told] = exchange(port, order(session, 2, "B2"))[-1:]
        assert told["reason"] == Reason.FIRM_KILLED
        [told] = exchange(port, order(session, 3, "C1"))[-1:]
        assert told["reason"] == Reason.SESSION_KILLED
    said = operate(lab, "kill", "firm", 7, "--release", code=ExitCode.USAGE)
    assert "Release killed of firm 7" in said and "expected --yes" in said
    assert operate(lab, "kill", "firm", 7, "--release", "--yes")["engaged"] is False
    for words, code, wanted in (
        (("venue", "X", "--yes"), ExitCode.USAGE, "kill venue: expected no name"),
        (("firm",), ExitCode.USAGE, "kill firm: expected a name"),
        (("firm", "SEVEN"), ExitCode.USAGE, "firm: expected its number, was 'SEVEN'"),
        (("account", "NOPE"), ExitCode.USAGE, "account: expected one of ACC1"),
        (("instrument", "NOPE"), ExitCode.USAGE, "instrument: expected one of AAPL"),
        (
            ("planet", "EARTH"),
            ExitCode.USAGE,
            "level: expected one of venue, firm, account, session, instrument",
        ),
        (
            ("account", "ACC1", "--throttled"),
            ExitCode.USAGE,
            "--throttled: expected it with account and --release",
        ),
        (("venue",), ExitCode.USAGE, "Engage killed of venue"),
        (("session", "NOPE"), ExitCode.FAILED, "rejected: unknown_session"),
        (("firm", "8"), ExitCode.FAILED, "rejected: unknown_firm"),
        (("account", "ACC1", "--by", "venue.toml"), ExitCode.USAGE, "--by: expected a name other than"),
        (("account", "ACC1", "--by", "x" * 21), ExitCode.USAGE, "--by: expected 1 to 20"),
    ):
        assert wanted in operate(lab, "kill", *words, code=code)
    pipeline.stop()
    lab.replay()


def test_a_kill_of_the_venue_is_asked_for(lab: Lab) -> None:
    """In a terminal: no answer but yes does it; then it is done at once."""
    lab.start(config=risk_venue(lab)).ready()
    for answer, code in ((b"\n", ExitCode.FAILED), (b"n\n", ExitCode.FAILED), (b"yes\n", ExitCode.OK)):
        process, terminal = in_terminal("kill", "venue", "--data", str(lab.data))
        read_terminal(terminal, until=b"[y/N]")
        os.write(terminal, answer)
        told = read_terminal(terminal)
        os.close(terminal)
        assert process.wait(DEADLINE_S) == code
        assert (b"not confirmed, nothing was done" if code else b"switches engaged now: killed") in told


def test_limits_that_were_set_survive_kill_9_and_the_next_start(lab: Lab) -> None:
    """A restart after a crash keeps what an operator adjusted, and names it; an import takes it back."""
    pipeline = lab.start(config=risk_venue(lab)).ready()
    changes = operate(lab, "limits", "set", "ACC1", "max_long=5", "max_loss=12.5", "--by", "me")
    assert [(each["key"], each["old_text"], each["new_text"], each["by"]) for each in changes] == [
        ("max_long", "10000000", "5", "me"),
        ("max_loss", "unlimited", "12.50", "me"),
    ]
    operate(lab, "limits", "set", "firm:7", "credit", "--warn", 90)
    operate(lab, "limits", "set", "instrument:AAPL", "max_order_qty=3")
    operate(lab, "limits", "set", "ACC2@AAPL", "max_open_orders=1")
    operate(lab, "kill", "account", "ACC3")
    pipeline.kill()
    until(lambda: not pipeline.workers_alive(), "the workers to end")
    pipeline = lab.start().ready()
    assert (
        "warning: limits stay as an operator has set them: firm:7 credit warn: 90%, the configuration has 50%; "
        in pipeline.stdout
    )
    shown = operate(lab, "limits", "show")["limits"]
    assert row_of(shown, holder="ACC1", key="max_long")["value"] == 5
    assert row_of(shown, holder="ACC1", key="max_loss")["value"] == 12_500_000
    assert row_of(shown, holder="firm:7", key="credit")["warn_percent"] == 90
    assert row_of(shown, holder="instrument:AAPL", key="max_order_qty")["adjusted"]
    assert row_of(shown, holder="ACC2@AAPL", key="max_open_orders")["value"] == 1
    with Port(lab.data) as port:
        session = port.open_session("ONE")
        told = exchange(port, np.concatenate([order(session, 1, "A1", qty=4), order(session, 3, "C1")]))
        assert [each["reason"] for each in told[-2:]] == [Reason.MAX_ORDER_QTY, Reason.ACCOUNT_KILLED]
        [told] = exchange(port, order(session, 4, "D1", qty=3))
        assert told["type"] == OutcomeType.ACCEPTED
    config = lab.directory / "venue.toml"
    plan = operate(lab, "limits", "import", config, "--dry-run")
    assert plan["dry_run"] and {(each["holder"], each["key"]) for each in plan["changes"]} == {
        ("firm:7", "credit"), ("instrument:AAPL", "max_order_qty"), ("ACC1", "max_long"), ("ACC1", "max_loss"),
    }  # fmt: skip
    assert operate(lab, "limits", "import", config)["changes"][0]["seq"] > 0
    assert "nothing differs" in operate(lab, "limits", "import", config, json_too=False)
    pipeline.stop()
    lab.start().ready().stop()
    lab.replay()


def test_limits_of_a_table_are_imported_whole_or_not_at_all(lab: Lab) -> None:
    """All lines are checked before the first is sent; a dry run sends nothing."""
    pipeline = lab.start(config=risk_venue(lab)).ready()
    path = lab.directory / "limits.csv"
    lines = [
        "holder,key,value,warn",
        "ACC1,max_long,70,80",
        "firm:7,credit,unset,",
        "ACC2@MSFT,max_short,unlimited,",
    ]
    bad = {
        "ACC1,max_long,-1,": "limits.csv: line 5: key: expected it once, but line 2 has it too, was 'ACC1 max_long'",
        "ACC3,max_long,-1,": "limits.csv: line 5: value: expected a whole number from 0 to",
        "ACC3,max_longs,1,": "limits.csv: line 5: key: expected one of max_order_qty",
        "NOPE,max_long,1,": "limits.csv: line 5: holder: expected the name of an account, firm:N",
        "ACC3,max_order_qty,1,5": "limits.csv: line 5: warn: expected it with",
        "ACC3,max_long,1,101": "limits.csv: line 5: warn: expected 0 to 100 percent, was '101'",
        "ACC3,max_long,1,5,6": "limits.csv: line 5: expected at most 4 columns",
    }
    for line, said in bad.items():
        path.write_text("\n".join([*lines, line]))
        assert said in operate(lab, "limits", "import", path, code=ExitCode.CONFIG)
    before = pipeline.snapshot().counters["accepted"]
    path.write_text("\n".join(lines))
    plan = operate(lab, "limits", "import", path, "--dry-run")["changes"]
    assert [(each["holder"], each["key"], each["old_text"], each["new_text"]) for each in plan] == [
        ("ACC1", "max_long", "10000000", "70"),
        ("ACC1", "max_long", "0%", "80%"),
        ("firm:7", "credit", "1000000.00", "not set"),
        ("ACC2@MSFT", "max_short", "not set", "unlimited"),
    ]
    assert pipeline.snapshot().counters["accepted"] == before
    operate(lab, "limits", "import", path)
    assert pipeline.snapshot().counters["accepted"] == before + 4
    for words, said in (
        (("ACC1", "max_longs=1"), "max_longs: expected one of max_order_qty"),
        (("ACC1", "max_long=x"), "max_long: expected a whole number from 0 to"),
        (("ACC1", "max_long"), "max_long: expected KEY=VALUE, was no value"),
        (("ACC1", "max_order_qty=1", "--warn", "5"), "--warn: expected it with"),
        (("NOPE", "max_long=1"), "HOLDER: expected the name of an account, firm:N"),
    ):
        assert said in operate(lab, "limits", "set", *words, code=ExitCode.USAGE)
    assert "unknown_firm" in operate(lab, "limits", "set", "firm:9", "credit=1", code=ExitCode.FAILED)
    pipeline.stop()
    lab.replay()


def test_a_live_report_is_that_of_the_journal(lab: Lab) -> None:
    """Beside the pipeline and after it, for the same sequence the report is the same; what is unknown is said."""
    pipeline = lab.start(config=risk_venue(lab)).ready()
    assert lab.inject("synthetic", "--orders", 3000).wait() == 0
    ask(lab.data, deposit(5, 1_000_000_000, "D1", by="me"))
    live = operate(lab, "risk", "report")
    seq = live["seq"]
    assert live["reconciliation"]["ok"] and live["since_seq"] == 0
    [dollars] = [row for row in live["reconciliation"]["money"] if row["what"] == "USD"]
    assert dollars["held"] == dollars["transferred"] == 1_000_000_000
    assert live["reconciliation"]["orders"]["accepted"] > 1000
    assert sum(account["open_orders"] for account in live["accounts"]) == open_orders(pipeline)
    operate(lab, "kill", "venue", "--yes")
    assert operate(lab, "risk", "report", "--at", seq) == live
    pipeline.stop()
    assert operate(lab, "risk", "report", "--at", seq) == live
    told = operate(lab, "risk", "report", json_too=False)
    assert "switch: venue killed, by " in told and "equal" in told and "DIFFERENT" not in told
    taken = lab.run("snapshot", "take", lab.data)
    assert taken.wait() == 0, taken.text
    quick = operate(lab, "risk", "report", "--quick")
    assert quick["since_seq"] > seq and quick["reconciliation"]["ok"]
    whole = operate(lab, "risk", "report")
    assert quick["accounts"] == whole["accounts"] and quick["venue"]["rejects"] == whole["venue"]["rejects"]
    assert "expected at most" in operate(lab, "risk", "report", "--at", 10**9, code=ExitCode.USAGE)
    assert operate(lab, "limits", "show", "ACC1", "--instrument", "AAPL")["limits"][3]["use"] is not None
    assert "--firm: expected one of 7, was 8" in operate(
        lab, "limits", "show", "--firm", 8, code=ExitCode.USAGE
    )


def test_a_day_begins_at_its_time(lab: Lab) -> None:
    """The supervisor begins a day at a start if its time has passed, and while it runs when it comes; once each."""
    second_ns = 1_000_000_000
    for lead_s in (4, 20, 60):  # until the start takes less than that
        soon_s = time.time_ns() // second_ns + lead_s
        soon = time.gmtime(soon_s)
        at = f"{soon.tm_hour:02}:{soon.tm_min:02}:{soon.tm_sec:02}"
        pipeline = lab.start(config=risk_venue(lab, f'[risk]\nday_begin = "{at}"\n')).ready()
        if time.time_ns() < soon_s * second_ns:
            break
        pipeline.stop()
        shutil.rmtree(lab.data)

    def days() -> int:
        return int(operate(lab, "risk", "report")["venue"]["day"])

    assert days() in (1, 2)
    until(lambda: days() == 2, "the day to begin")
    pipeline.stop()
    pipeline = lab.start().ready()
    assert days() == 2
    pipeline.stop()
    process = lab.run("journal", "dump", lab.data)
    assert process.wait() == 0
    begins = [json.loads(line) for line in process.stdout.splitlines() if '"kind":"day_begin"' in line]
    assert [row["by"] for row in begins] == ["venue.toml", "venue.toml"]
    assert begins[0]["time_ns"] < soon_s * second_ns <= begins[1]["time_ns"]
    lab.replay()


def test_a_reference_of_the_file_is_given_once(lab: Lab) -> None:
    """After a crash a collar keeps the reference that it has; a start with another in the file gives that."""
    collar = 'symbol = "AAPL"\nstatic_collar = "10%"\ncollar_reference = "{}"\n'

    def config(reference: str) -> Path:
        path = risk_venue(lab)
        path.write_text(path.read_text().replace('symbol = "AAPL"\n', collar.format(reference)))
        return path

    pipeline = lab.start(config=config("100.00")).ready()
    assert read_references(lab.data)["AAPL"] == 10_000
    pipeline.kill()
    until(lambda: not pipeline.workers_alive(), "the workers to end")
    lab.start(config=config("100.00")).ready().stop()
    lab.start(config=config("120.00")).ready().stop()
    (lab.data / "configured.json").unlink()
    lab.start(config=config("130.00")).ready().stop()
    process = lab.run("journal", "dump", lab.data)
    assert process.wait() == 0
    rows = [json.loads(line) for line in process.stdout.splitlines() if '"kind":"collar"' in line]
    assert [row["reference_ticks"] for row in rows] == [10_000, 12_000]


@pytest.mark.parametrize("words", [("limits", "show"), ("risk", "report")], ids=" ".join)
def test_without_a_journal(lab: Lab, words: tuple[str, str]) -> None:
    """Commands that look at a journal say that there is none; those that ask a pipeline that none runs."""
    lab.data.mkdir()
    operate(lab, *words, code=ExitCode.NO_JOURNAL)
    operate(lab, "kill", "account", "ACC1", code=ExitCode.NOT_RUNNING)
    operate(lab, "limits", "set", "ACC1", "max_long=1", code=ExitCode.NOT_RUNNING)
