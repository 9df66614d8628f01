"""The life of an order: everything that concerns it is found, by its id or by a name, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocols.codes import Kind, OrdType, Side, Tif, TradingState
from stages.order_life import NoSuchOrder, OrderTrace, trace_name, trace_order
from stages.order_story import OrderCommand, OrderOutcome, OrderStory, story_of
from stages.venue import new_command, set_name
from tests.cli.recorded import START_NS, Recorder

pytestmark = pytest.mark.jitoff


class Desk(Recorder):
    """Sends what clients send, by name."""

    def send(self, kind: Kind, session: int, name: str, of: str = "", **fields: Any) -> int:
        """Sequence a command; ``of`` is the ClOrdID that it names. Return its sequence."""
        command = new_command(kind, session=session, **fields)
        set_name(command, name)
        if of:
            named = new_command(kind)
            set_name(named, of)
            command["orig0"], command["orig1"], command["orig2"] = named["cl0"], named["cl1"], named["cl2"]
        self.add(command)
        return self.last_seq

    def new(self, session: int, name: str, side: Side, price: int, qty: int, **fields: Any) -> int:
        """Sequence a limit order; return its id."""
        terms = {"ord_type": int(OrdType.LIMIT), "tif": int(Tif.GTC), "account": 1, "instrument": 1} | fields
        return self.send(Kind.NEW, session, name, side=int(side), price_ticks=price, qty_lots=qty, **terms)


class Told:
    """A recorded day around one order that is replaced twice, traded with, and cancelled."""

    def __init__(self, directory: Path) -> None:
        desk = self.desk = Desk()
        desk.define()
        mine, theirs = desk.open("MINE"), desk.open("THEIRS")
        desk.new(theirs, "other", Side.BUY, 990, 5)
        self.order = desk.new(mine, "A", Side.BUY, 1000, 10)
        self.duplicate = desk.new(mine, "A", Side.BUY, 1000, 10)
        self.same_name_elsewhere = desk.new(theirs, "A", Side.BUY, 900, 1)
        self.hit = desk.new(theirs, "hit", Side.SELL, 1000, 3)
        self.replace = desk.send(Kind.REPLACE, mine, "B", "A", price_ticks=1001, qty_lots=12, account=1)
        self.second = desk.send(Kind.REPLACE, mine, "C", "B", price_ticks=1002, qty_lots=12, account=1)
        self.by_old_name = desk.send(Kind.STATUS, mine, "S", "A")
        self.by_id = desk.send(Kind.REDUCE, mine, "R", order_id=self.order, qty_lots=1)
        self.of_stranger = desk.send(Kind.CANCEL, theirs, "X", order_id=self.order)
        self.unknown = desk.send(Kind.CANCEL, mine, "Y", "nothing")
        self.sweep = desk.send(Kind.MASS_CANCEL, mine, "M", account=1, side=int(Side.BUY))
        self.too_late = desk.send(Kind.CANCEL, mine, "Z", "B")
        self.never = desk.new(mine, "N", Side.BUY, 1000, 0)
        self.never_again = desk.new(mine, "N", Side.BUY, 1000, -1)
        self.directory = directory
        desk.write(directory)

    def rows(self, trace: OrderTrace) -> list[int]:
        """Return the sequences of the commands of a trace."""
        return [int(seq) for seq in trace.commands["seq"]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return the day."""
    return Told(tmp_path_factory.mktemp("life"))


def story(told: Told, trace: OrderTrace) -> OrderStory:
    """Return a trace in names and decimals."""
    return story_of(trace, str(told.directory))


def test_every_command_that_concerns_an_order_is_found(told: Told) -> None:
    """Its own, those that name it by id or by any of its names, those that hit it; of others nothing."""
    trace = trace_order(told.directory, told.order)
    assert told.rows(trace) == [
        told.order, told.duplicate, told.hit, told.replace, told.second, told.by_old_name, told.by_id,
        told.of_stranger, told.sweep, told.too_late,
    ]  # fmt: skip
    causes = [int(seq) for seq in trace.commands["seq"][trace.causes]]
    assert causes == [told.hit, told.sweep]


def test_every_outcome_about_an_order_is_found(told: Told) -> None:
    """All outcomes with its id, and the answers to commands that name it: as a plain search finds them."""
    trace = trace_order(told.directory, told.order)
    named = set(told.rows(trace)) - {told.hit, told.sweep}
    everything = told.desk.all_outcomes()
    expected = [
        (int(row["input_seq"]), int(row["index"]))
        for row in everything
        if row["order_id"] == told.order or (row["input_seq"] in named and row["flags"] & 64)
    ]
    assert [(int(row["input_seq"]), int(row["index"])) for row in trace.outcomes] == expected
    assert len(expected) >= len(named) + 2


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_any_name_of_an_order_finds_all_of_its_life(name: str, told: Told) -> None:
    """The first ClOrdID and those of its replacements lead to the same trace as the id."""
    by_id, by_name = trace_order(told.directory, told.order), trace_name(told.directory, "MINE", name)
    assert by_name.order_id == told.order
    assert (by_name.commands == by_id.commands).all() and (by_name.outcomes == by_id.outcomes).all()
    assert (by_name.causes == by_id.causes).all() and (by_name.against == by_id.against).all()


def test_names_are_of_sessions(told: Told) -> None:
    """The same ClOrdID in another session is another order."""
    assert trace_name(told.directory, "THEIRS", "A").order_id == told.same_name_elsewhere


def test_the_story_tells_the_end(told: Told) -> None:
    """Terms, names in order, what was done at which average, why it ended."""
    found = story(told, trace_order(told.directory, told.order))
    assert (found.session, found.account, found.instrument, found.side) == ("MINE", "ACC1", "SYM1", "buy")
    assert (found.ord_type, found.tif, found.cl_ord_ids[:3]) == ("limit", "gtc", ["A", "B", "C"])
    assert (found.status, found.reason, found.leaves_qty, found.cum_qty) == ("cancelled", "mass_cancel", 0, 3)
    assert (found.price, found.average_price, found.last_seq) == ("10.02", "10", told.desk.last_seq)
    trades = [event for event in found.events if isinstance(event, OrderOutcome) and event.trade_id]
    assert [(event.against_order_id, event.liquidity, event.qty) for event in trades] == [
        (told.hit, "maker", 3)
    ]
    requests = [event for event in found.events if isinstance(event, OrderCommand)]
    assert [event.kind for event in requests if event.is_cause] == ["new", "mass_cancel"]
    reasons = [
        event.reason for event in found.events if isinstance(event, OrderOutcome) and event.type == "rejected"
    ]
    assert reasons[0] == "duplicate_cl_ord_id" and reasons[-1] == "too_late"


@pytest.mark.parametrize(
    ("until", "status", "leaves", "cum", "price"),
    [("order", "open", 10, 0, "10.00"), ("hit", "open", 7, 3, "10.00"), ("second", "open", 9, 3, "10.02"),
     ("by_id", "open", 8, 3, "10.02")],
)  # fmt: skip
def test_a_life_up_to_a_moment(
    until: str, status: str, leaves: int, cum: int, price: str, told: Told
) -> None:
    """Bounded by a sequence, the story is that of the order as it was then."""
    seq = getattr(told, until)
    found = story(told, trace_order(told.directory, told.order, seq))
    assert (found.status, found.leaves_qty, found.cum_qty, found.price) == (status, leaves, cum, price)
    assert found.last_seq == seq >= max(event.seq for event in found.events)


def test_an_order_that_risk_rejected_has_a_life(told: Told) -> None:
    """By id it is the command and its answer; by its name all attempts, of which the last one is the order."""
    by_id = story(told, trace_order(told.directory, told.never))
    assert (by_id.status, by_id.reason, len(by_id.events)) == ("rejected", "invalid_qty", 2)
    by_name = trace_name(told.directory, "MINE", "N")
    assert (by_name.order_id, told.rows(by_name)) == (told.never_again, [told.never, told.never_again])
    assert story(told, by_name).status == "rejected"


def test_every_order_of_a_day_fills_up(told: Told) -> None:
    """Of each order what is done and what is left is what the core holds of it at the end."""
    resting = {
        order[0]: (order[1], order[2])
        for levels in told.desk.core.dump_books().values()
        for _, orders in levels
        for order in orders
    }
    for command in told.desk.commands:
        if command["kind"] == Kind.NEW:
            found = story(told, trace_order(told.directory, int(command["seq"])))
            assert (found.status == "open") == (found.order_id in resting)
            if found.status == "open":
                assert (found.leaves_qty, found.cum_qty) == resting[found.order_id]


@pytest.mark.parametrize(
    ("order_id", "said"),
    [
        (0, "expected the id of an order, a sequence from 1 to"),
        (1 << 40, "expected the id of an order, a sequence from 1 to"),
        (1, "1 is that of a command venue"),
    ],
)
def test_what_is_no_order_is_said(order_id: int, said: str, told: Told) -> None:
    """Ids beyond the journal, and sequences of other commands, are told apart."""
    with pytest.raises(NoSuchOrder, match=said):
        trace_order(told.directory, order_id)


def test_requests_point_to_what_they_name(told: Told) -> None:
    """The sequence of a request is no order, and the error says which one was meant."""
    with pytest.raises(NoSuchOrder, match=f"of a command cancel, which names order {told.order}"):
        trace_order(told.directory, told.of_stranger)
    with pytest.raises(NoSuchOrder, match="of a command cancel, which names ClOrdID 'B'"):
        trace_order(told.directory, told.too_late)


def test_names_that_lead_nowhere(told: Told) -> None:
    """An unknown session is told from an unknown ClOrdID, and from a text that can be none."""
    with pytest.raises(NoSuchOrder, match="expected one of the sessions MINE, THEIRS, was 'OURS'"):
        trace_name(told.directory, "OURS", "A")
    with pytest.raises(
        NoSuchOrder, match="expected a ClOrdID that session 'MINE' has given an order, was 'nothing'"
    ):
        trace_name(told.directory, "MINE", "nothing")
    with pytest.raises(NoSuchOrder, match="no ClOrdID: expected at most 20"):
        trace_name(told.directory, "MINE", "x" * 21)


def test_an_order_that_is_replaced_all_day(tmp_path: Path) -> None:
    """Each of its many names leads to all of it, however many there are."""
    desk = Desk()
    desk.define()
    session = desk.open("MAKER")
    order = desk.new(session, "Q0", Side.BUY, 1000, 10)
    for number in range(60):
        desk.send(
            Kind.REPLACE, session, f"Q{number + 1}", f"Q{number}", price_ticks=900 + number, qty_lots=10
        )
    desk.write(tmp_path)
    for name in ("Q0", "Q30", "Q60"):
        trace = trace_name(tmp_path, "MAKER", name)
        assert (trace.order_id, len(trace.commands), len(trace.outcomes)) == (order, 61, 61)
        assert story_of(trace, "").cl_ord_ids == [f"Q{number}" for number in range(61)]


def test_time_and_auctions_are_causes(tmp_path: Path) -> None:
    """An order that expires shows the command that brought the time; one that an uncross fills, the change of state."""
    desk = Desk()
    desk.define()
    session = desk.open("FIRM1")
    expires = START_NS + desk.last_seq + 2
    timed = desk.new(session, "T", Side.BUY, 900, 5, tif=int(Tif.GTD), aux1=expires)
    desk.add(new_command(Kind.TICK))
    desk.add(new_command(Kind.TICK))
    desk.add(new_command(Kind.STATE, instrument=1, ord_type=int(TradingState.OPENING_AUCTION)))
    market = desk.new(session, "M", Side.BUY, 0, 5, ord_type=int(OrdType.MARKET))
    limit = desk.new(session, "L", Side.SELL, 1000, 8)
    desk.add(new_command(Kind.STATE, instrument=1, ord_type=int(TradingState.CONTINUOUS)))
    uncross = desk.last_seq
    desk.write(tmp_path)
    found = story_of(trace_order(tmp_path, timed), "")
    assert (found.status, found.reason, found.leaves_qty) == ("expired", "gtd_expired", 0)
    assert [(event.kind, event.is_cause) for event in found.events if isinstance(event, OrderCommand)] == [
        ("new", False), ("tick", True),
    ]  # fmt: skip
    for order, other, status in ((market, limit, "filled"), (limit, market, "open")):
        found = story_of(trace_order(tmp_path, order), "")
        (fill,) = [event for event in found.events if isinstance(event, OrderOutcome) and event.trade_id]
        assert (fill.seq, fill.liquidity, fill.against_order_id, fill.price) == (
            uncross,
            "auction",
            other,
            "10.00",
        )
        assert (found.status, found.cum_qty, found.average_price) == (status, 5, "10")
    assert story_of(trace_order(tmp_path, market), "").price is None
