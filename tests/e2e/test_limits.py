"""The smallest of everything, and more than one of everything: rings that wrap all the time, many injectors at once."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from cli.exit_codes import ExitCode
from stages.config_checks import BOUNDS
from tests.e2e.harness import PLANS, Lab, assert_contains, decoded, lines_of, until
from tests.e2e.orders import BUY, IOC, SELL, Order, write_log

SMALLEST: dict[str, Any] = {
    key.partition(".")[2]: low for key, low, _, _ in BOUNDS if key.startswith(("rings.", "journal."))
}
SMALLEST["ports"] = 2


@pytest.mark.parametrize(
    ("plan", "wait"),
    [("one", "spin"), ("two", "yield"), ("two", "backoff"), ("one", "blocking"), ("two", "blocking")],
)
def test_the_smallest_rings_lose_nothing(plan: str, wait: str, lab: Lab) -> None:
    """With rings of 64 slots, a checkpoint each 16 commands and each wait strategy, all is answered and replays."""
    pipeline = lab.pipeline(workers=PLANS[plan], wait=wait, durability="os", **SMALLEST)
    out = lab.directory / "out.jsonl"
    injector = lab.inject("synthetic", "--orders", 3000, "--out", out)
    assert injector.wait() == 0, injector.text
    assert injector.json["unanswered"] == 0
    last = pipeline.stop()
    assert last.counters["cut_off"] == 0
    replayed = lab.directory / "replayed.jsonl"
    report = lab.replay("--out", replayed)
    assert report["checkpoints"] > 100 and report["outcome_digest"] == last.outcome_digest
    assert_contains(lines_of(replayed), lines_of(out))


def test_a_sweep_of_more_fills_than_a_ring_holds(lab: Lab) -> None:
    """An order that trades with a thousand others at once gives its outcomes to a reader that keeps up."""
    pipeline = lab.pipeline(input_slots=64, output_slots=64, egress_slots=4096)
    resting = [Order(f"R{number:04d}", SELL, qty=1) for number in range(1000)]
    sweep = Order("SWEEP", BUY, qty=1001, tif=IOC, account="ACC2")
    out = lab.directory / "out.jsonl"
    injector = lab.inject("fix", write_log(lab.directory / "sweep.fix", [*resting, sweep]), "--out", out)
    assert injector.wait() == 0, injector.text
    assert injector.json["fills"] == 2000
    pipeline.stop()
    live = lines_of(out)
    last_seq = max(seq for seq, _ in live)
    lines = [line for line in decoded(live) if line["seq"] == last_seq]
    places = [1 + 3 * trade + turn for trade in range(1000) for turn in (0, 1)]
    assert [line["index"] for line in lines] == [0, *places, 3001], (
        "behind each maker's fill its change of the book"
    )
    makers = [line["cl_ord_id"] for line in lines if line["liquidity"] == "maker"]
    assert makers == [order.cl_ord_id for order in resting], "oldest first"
    assert lines[-1]["type"] == "expired" and lines[-1]["qty"] == 1
    assert_contains(lab.replayed_lines(), live)


def test_injectors_side_by_side(lab: Lab) -> None:
    """Three injectors at once: their orders trade with each other, and each hears of all of its own, once."""
    pipeline = lab.pipeline(workers=PLANS["two"])
    outs = {name: lab.directory / f"{name}.jsonl" for name in ("S1", "S2", "S3")}
    running = [
        lab.inject("synthetic", "--orders", 5000, "--seed", seed, "--session", name, "--out", out)
        for seed, (name, out) in enumerate(outs.items(), start=1)
    ]
    for injector in running:
        assert injector.wait() == 0, injector.text
        assert injector.json["sent"] == injector.json["answered"] == 5002
    pipeline.stop()
    replayed = lab.replayed_lines()
    answers: dict[str, int] = defaultdict(int)
    for name, out in outs.items():
        live = decoded(lines_of(out))
        assert {line["session"] for line in live} == {name}
        answers[name] = sum(line["index"] == 0 for line in live)
    assert set(answers.values()) == {5000}
    assert_contains(replayed, lines_of(*outs.values()))


def test_a_session_that_is_opened_elsewhere(lab: Lab) -> None:
    """The gateway that opened a session last has it; the one before is told that it was cut off, and ends."""
    pipeline = lab.pipeline()
    outs = [lab.directory / "first.jsonl", lab.directory / "second.jsonl"]
    first = lab.inject("synthetic", "--orders", 1_000_000, "--rate", 5000, "--out", outs[0])
    until(lambda: pipeline.snapshot().counters["acked"] > 1000, "a flow of orders")
    second = lab.inject("synthetic", "--orders", 2000, "--seed", 2, "--out", outs[1])
    assert second.wait() == 0, second.text
    assert second.json["unanswered"] == 0 and second.json["answered"] >= 2000
    assert first.wait() == ExitCode.CUT_OFF
    assert "or its session was opened or closed elsewhere" in first.stderr
    until(lambda: pipeline.snapshot().ports_cut == 0, "the port to be freed")
    pipeline.stop()
    assert_contains(lab.replayed_lines(), lines_of(*outs))


def test_a_schedule_is_kept(lab: Lab) -> None:
    """Commands leave at the rate asked for, or at a multiple of the recorded times, on average over the run."""
    pipeline = lab.pipeline()
    spread = [Order(f"S{number}", at_s=number * 10) for number in range(11)]
    log = write_log(lab.directory / "spread.fix", spread)
    for flow in (("synthetic", "--orders", 2000, "--rate", 2000), ("fix", log, "--speed", 100)):
        for last_try in (
            False,
            False,
            True,
        ):  # a machine that has other work to do is late once, but not always
            injector = lab.inject(*flow)
            assert injector.wait() == 0
            assert injector.json["seconds"] >= 0.95
            if injector.json["seconds"] <= 3:
                break
            assert not last_try, f"expected a second, was {injector.json['seconds']}"
    pipeline.stop()
