"""Market data on the way out: every port that subscribes gets what is public, when it is durable, and nobody else."""

from __future__ import annotations

import pytest

from protocols.codes import BookFlag, Kind, OutcomeType
from stages.control import (
    CO_CUT_OFF,
    CO_RELEASED,
    CO_UNROUTED,
    CW_FEED_EPOCH,
    CW_PORT_BLOCKS,
    FEED_ALL,
    MOST_FEED_IDS,
    PORT_WORDS,
    PW_DROPPED,
    PW_FEED,
    PW_FEED_IDS,
    PW_SENT,
    PW_STATE,
    PortState,
)
from tests.stages.test_publish import Publish, fill

pytestmark = pytest.mark.jitoff

SNAPSHOT = int(BookFlag.SNAPSHOT)


def subscribe(stage: Publish, port: int, *instruments: int, announced: bool = True) -> None:
    """Let a port subscribe to instruments, or to all."""
    block = CW_PORT_BLOCKS + port * PORT_WORDS
    stage.control[block + PW_FEED_IDS : block + PW_FEED_IDS + len(instruments)] = instruments
    stage.control[block + PW_FEED] = len(instruments) or FEED_ALL
    stage.control[CW_FEED_EPOCH] += announced


def change(seq: int, instrument: int = 1, kind: int = OutcomeType.BOOK, **fields: int) -> dict[str, int]:
    """Return an outcome of market data."""
    return {"input_seq": seq, "instrument": instrument, "type": kind, "kind": Kind.NEW, **fields}


def came(stage: Publish, port: int) -> list[tuple[int, int]]:
    """Return (sequence, instrument) of what came to a port."""
    return [(int(row["input_seq"]), int(row["instrument"])) for row in stage.received(port)]


def test_subscribers_get_what_they_subscribe_to() -> None:
    """All instruments or some; a port that does not subscribe gets nothing, and nothing counts as unrouted."""
    stage = Publish()
    subscribe(stage, 1)
    subscribe(stage, 2, 3, 5)
    stage.emit(*(change(seq, instrument) for seq, instrument in enumerate((1, 3, 4, 5), start=1)))
    assert stage.step() == 4
    assert came(stage, 1) == [(1, 1), (2, 3), (3, 4), (4, 5)]
    assert came(stage, 2) == [(2, 3), (4, 5)]
    assert came(stage, 3) == came(stage, 0) == []
    assert stage.counter(CO_RELEASED) == 4 and stage.counter(CO_UNROUTED) == 0
    assert (stage.port_word(1, PW_SENT), stage.port_word(2, PW_SENT), stage.port_word(3, PW_SENT)) == (
        4,
        2,
        0,
    )


@pytest.mark.parametrize("kind", [kind for kind in OutcomeType if kind >= OutcomeType.STATE_CHANGED])
def test_all_that_instruments_tell_is_public(kind: OutcomeType) -> None:
    """Changes of books and of states go to subscribers, not to the supervisor as other outcomes of nobody."""
    stage = Publish()
    subscribe(stage, 2, 1)
    stage.emit(change(1, kind=kind))
    stage.step()
    assert came(stage, 2) == [(1, 1)] and came(stage, 0) == []


def test_as_many_instruments_as_there_is_room_for() -> None:
    """The last place of a subscription counts as the first does."""
    stage = Publish()
    subscribe(stage, 1, *range(1, MOST_FEED_IDS + 1))
    stage.emit(*(change(seq, seq) for seq in range(1, MOST_FEED_IDS + 2)))
    stage.step()
    assert came(stage, 1) == [(seq, seq) for seq in range(1, MOST_FEED_IDS + 1)]


def test_market_data_waits_for_the_disk() -> None:
    """Nobody hears of a change before the command that made it is durable and wholly matched."""
    stage = Publish()
    subscribe(stage, 1)
    stage.emit(change(1), fill(1, 2), change(2), change(3))
    stage.allow(durable=1, matched=9)
    assert stage.step() == 2 and came(stage, 1) == [(1, 1)]
    stage.allow(durable=9, matched=2)
    assert stage.step() == 1 and came(stage, 1) == [(2, 1)]
    stage.allow(durable=3, matched=3)
    assert stage.step() == 1 and came(stage, 1) == [(3, 1)]


def test_it_comes_in_order_with_what_is_told_of_orders() -> None:
    """A port that trades and subscribes gets one stream, in the order of the output ring."""
    stage = Publish()
    subscribe(stage, 1)
    stage.emit(fill(1, 1), change(1), fill(1, 2), change(1), fill(1, 1, index=4))
    stage.step()
    types = stage.received(1)["type"].tolist()
    assert types == [OutcomeType.FILLED, OutcomeType.BOOK, OutcomeType.BOOK, OutcomeType.FILLED]


def test_a_snapshot_goes_to_the_session_that_asked() -> None:
    """Subscribed or not; other subscribers do not hear of it."""
    stage = Publish()
    subscribe(stage, 1)
    stage.emit(change(1, session=3, flags=SNAPSHOT), change(1, session=15, flags=SNAPSHOT))
    stage.step()
    assert came(stage, 3) == [(1, 1)] and came(stage, 1) == []
    assert stage.counter(CO_UNROUTED) == 1, "a session that nobody has open"


def test_a_subscriber_that_does_not_read_is_cut_off() -> None:
    """It is CUT at the first outcome too many, others get all of theirs, and the pipeline does not wait."""
    stage = Publish(port_slots=16)
    subscribe(stage, 1)
    subscribe(stage, 2)
    for seq in range(40):
        stage.emit(change(seq))
        assert stage.step() == 1
        assert came(stage, 2) == [(seq, 1)]
    assert stage.port_word(1, PW_STATE) == PortState.CUT and stage.port_word(2, PW_STATE) == PortState.OPEN
    assert came(stage, 1) == [(seq, 1) for seq in range(16)], "what is in the ring stays readable"
    assert stage.port_word(1, PW_DROPPED) == 1 and stage.counter(CO_CUT_OFF) == 1


def test_a_port_that_is_not_open_gets_nothing() -> None:
    """A subscription outlives its owner in the words of the port; it counts for nobody until it is the new owner's."""
    stage = Publish()
    subscribe(stage, 1)
    stage.set_state(1, PortState.FREE)
    stage.emit(change(1))
    stage.step()
    stage.control[CW_PORT_BLOCKS + PORT_WORDS + PW_FEED] = 0  # the next owner, before it opens the port
    stage.set_state(1, PortState.OPEN)
    stage.emit(change(2))
    stage.step()
    assert came(stage, 1) == []


def test_a_subscription_counts_from_the_next_step_on() -> None:
    """Publish looks again when the epoch has risen; then everything that it releases is subscribed to."""
    stage = Publish()
    stage.emit(change(1))
    stage.step()
    subscribe(stage, 1, announced=False)
    stage.emit(change(2))
    stage.step()
    stage.control[CW_FEED_EPOCH] += 1
    stage.emit(change(3), change(4))
    stage.step()
    assert came(stage, 1) == [(3, 1), (4, 1)]


def test_words_of_all_ports() -> None:
    """The last of many ports is a subscriber like the first."""
    stage = Publish(ports=16, port_slots=16)
    for port in (1, 15):
        subscribe(stage, port)
    stage.emit(change(1))
    stage.step()
    received = {port: len(stage.received(port)) for port in range(16)}
    assert received == {port: int(port in (1, 15)) for port in range(16)}
