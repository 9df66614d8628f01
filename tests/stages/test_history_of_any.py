"""What is told of the past of any sequence of commands is what the core holds and told: books, lives, tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import Kind, OrdType, OutcomeFlag, OutcomeType
from protocols.layouts import COMMAND
from stages.core import Core
from stages.definitions import capacities_of
from stages.export import export_journal
from stages.history import book_then, qty_of, replay_to
from stages.journaling import open_writer
from stages.order_life import trace_order
from stages.order_story import story_of
from stages.state import Capacities
from tests.stages.steps import Sequence
from tests.stages.strategies import SPECIAL, STATES, TIGHT, sequences
from tests.stages.test_export import read_json_lines, read_parquet
from tests.twin.records import to_array

pytestmark = pytest.mark.jitoff

ANY = st.sampled_from([TIGHT, SPECIAL, STATES]).flatmap(sequences)
REQUESTS = (Kind.CANCEL, Kind.REDUCE, Kind.REPLACE, Kind.STATUS)
SILENT = ("venue", "checkpoint", "tick")


class Past:
    """A sequence that was carried out and journaled."""

    def __init__(self, directory: Path, sequence: Sequence) -> None:
        self.directory = directory
        self.commands = to_array(sequence.commands).astype(COMMAND)
        self.commands["orig1"][0] = sequence.capacities.get("partitions", 1)  # a replay has the journal alone
        assert capacities_of(self.commands[0]) == Capacities(**sequence.capacities)
        self.core = Core(Capacities(**sequence.capacities), input_slots=64, output_slots=256)
        self.outcomes = self.core.process(self.commands)
        with open_writer(directory / "journal", "none", 64 << 10) as writer:
            writer.append(self.commands)

    def answers(self) -> dict[int, Any]:
        """Return the outcome that answers each command, by sequence."""
        answers = self.outcomes[self.outcomes["flags"] & OutcomeFlag.ANSWER != 0]
        return {int(row["input_seq"]): row for row in answers if row["type"] < OutcomeType.STATE_CHANGED}

    def names(self) -> dict[tuple[int, ...], tuple[int, int]]:
        """Return which order has which name, and since when: (session, ClOrdID) to (order, sequence)."""
        answers, names = self.answers(), {}
        for command in self.commands:
            if command["kind"] in (Kind.NEW, Kind.REPLACE):
                seq, answer = int(command["seq"]), answers[int(command["seq"])]
                by_risk = answer["type"] == OutcomeType.REJECTED and answer["flags"] & OutcomeFlag.RISK
                if not by_risk:
                    names[name_of(command, "cl")] = (int(answer["order_id"]), seq)
        return names

    def concerned(self, order_id: int) -> tuple[list[int], list[int]]:
        """Return the commands that made or named an order, and the causes of the other outcomes about it."""
        names = self.names()

        def means(name: tuple[int, ...], seq: int) -> bool:
            order, since = names.get(name, (0, 0))
            return order == order_id and since <= seq

        own = []
        for command in self.commands:
            kind, seq = int(command["kind"]), int(command["seq"])
            directed = kind == Kind.NEW and command["ord_type"] == OrdType.DIRECTED
            named = kind in REQUESTS or directed
            by_id = named and command["order_id"] == order_id and seq > order_id
            by_name = named and command["order_id"] == 0 and means(name_of(command, "orig"), seq)
            again = kind in (Kind.NEW, Kind.REPLACE) and means(name_of(command, "cl"), seq)
            if seq == order_id or by_id or by_name or again:
                own.append(seq)
        causes = {int(row["input_seq"]) for row in self.about(order_id)} - set(own)
        return own, sorted(causes)

    def about(self, order_id: int) -> list[Any]:
        """Return the outcomes about an order."""
        rows = self.outcomes[self.outcomes["order_id"] == order_id]
        return [row for row in rows if row["type"] < OutcomeType.STATE_CHANGED]


def name_of(row: Any, field: str) -> tuple[int, ...]:
    """Return session and ClOrdID of a record."""
    return tuple(int(row[name]) for name in ("session", f"{field}0", f"{field}1", f"{field}2"))


@contextmanager
def past(sequence: Sequence) -> Iterator[Past]:
    """Carry a sequence out and journal it for a while."""
    with TemporaryDirectory() as directory:
        yield Past(Path(directory), sequence)


@given(sequence=ANY, part=st.integers(0, 7))
def test_lives_are_complete(sequence: Sequence, part: int) -> None:
    """Of any order exactly the commands and outcomes that concern it are found, and its end is the core's."""
    with past(sequence) as told:
        resting = {
            order[0]: (order[1], order[2])
            for levels in told.core.dump_books().values()
            for _, orders in levels
            for order in orders
        }
        for command in told.commands[told.commands["kind"] == Kind.NEW][part::8]:
            order_id = int(command["seq"])
            trace = trace_order(told.directory, order_id)
            own, causes = told.concerned(order_id)
            assert trace.commands["seq"][~trace.causes].tolist() == own
            assert trace.commands["seq"][trace.causes].tolist() == causes
            found = {(int(row["input_seq"]), int(row["index"])) for row in trace.outcomes}
            answers = {(seq, int(told.answers()[seq]["index"])) for seq in own}
            assert found == answers | {
                (int(row["input_seq"]), int(row["index"])) for row in told.about(order_id)
            }
            story = story_of(trace, "")
            assert (story.status == "open") == (order_id in resting)
            if order_id in resting:
                held = [
                    qty_of(trace.directory, int(command["instrument"]), lots) for lots in resting[order_id]
                ]
                assert [story.leaves_qty, story.cum_qty] == held


@given(sequence=ANY)
def test_books_are_those_of_the_core(sequence: Sequence) -> None:
    """At the end of any sequence all books, queue by queue, hold the orders that the core holds."""
    with past(sequence) as told:
        replayer = replay_to(told.directory)
        expected: dict[int, list[int]] = {}
        for (instrument, _), levels in sorted(told.core.dump_books().items()):
            expected.setdefault(instrument, []).extend(order[0] for _, orders in levels for order in orders)
        for instrument in told.core.dump_markets():
            book = book_then(replayer, instrument, with_orders=True)
            rows = [*(book.orders or []), *(book.stops or []), *(book.waiting or [])]
            assert [row.order_id for row in rows] == expected.get(instrument, [])
            assert book.open_orders == len(rows)


@given(sequence=ANY)
def test_tables_are_whole(sequence: Sequence) -> None:
    """Any journal is exported, the same in both formats: each command once, each with one answer, all outcomes."""
    with past(sequence) as told:
        names = ("commands", "outcomes")
        for ending in ("parquet", "jsonl"):
            export_journal(told.directory, *(told.directory / f"{name}.{ending}" for name in names))
        for name in names:
            columnar = read_parquet(told.directory / f"{name}.parquet")
            lines = read_json_lines(told.directory / f"{name}.jsonl")
            decimals = {"price", "qty", "stop_price", "leaves_qty", "cum_qty"}
            for ours, theirs in zip(columnar, lines, strict=True):
                assert {key: value for key, value in ours.items() if key not in decimals} == {
                    key: value for key, value in theirs.items() if key not in decimals
                }
                for key in decimals & ours.keys():
                    assert (ours[key] is None) == (theirs[key] is None)
                    assert ours[key] is None or ours[key] == type(ours[key])(theirs[key])
        commands, outcomes = (read_json_lines(told.directory / f"{name}.jsonl") for name in names)
        assert [row["seq"] for row in commands] == told.commands["seq"].tolist()
        asked = [row["seq"] for row in commands if row["kind"] not in SILENT or row["seq"] in told.answers()]
        assert [row["seq"] for row in outcomes if row["answer"]] == asked
        kept = told.outcomes[told.outcomes["type"] < OutcomeType.STATE_CHANGED]
        assert [(row["seq"], row["index"]) for row in outcomes] == [
            (int(row["input_seq"]), int(row["index"])) for row in kept
        ]
        assert all(json.loads(row["details"]) is not None for row in commands if row["details"])
