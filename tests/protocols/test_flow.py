"""The synthetic flow: the same bytes for a seed, and the statistics that its profiles promise."""

from __future__ import annotations

import hashlib
from collections import Counter
from heapq import heappop, heappush
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import E8, KIND_CANCEL, KIND_NEW, KIND_REPLACE, SIDE_BUY, TIF_GTC, TIF_IOC, TYPE_LIMIT
from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.flow import MAX_ID, PROFILES, FlowConfig, SyntheticSource, flow_config
from protocols.layouts import COMMAND
from protocols.text import unpack_text

SYMBOLS = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN")
DIRECTORY = Directory(
    [InstrumentEntry(number, symbol, E8 // 100, E8) for number, symbol in enumerate(SYMBOLS, 1)],
    [AccountEntry(number, f"ACC{number}") for number in range(1, 9)],
)
STATISTICS_COMMANDS = 200_000
GOLDEN_COMMANDS = 2_000
GOLDEN_DIGESTS = {
    "normal": "f3a10d6d1319c607",
    "deep": "a951f327650fd463",
    "swing": "edd962bdd75650dc",
    "crash": "5c4eaf5e19409c14",
    "moves": "9f282f5bd2b0cdcc",
    "swing-wide": "ddc8208bfbd1f6f4",
}


def generate(orders: int, seed: int = 7, profile: str = "normal", **options: Any) -> Any:
    """Return a whole flow."""
    source = SyntheticSource(DIRECTORY, orders, seed, profile, **options)
    out = np.full(orders, 0xFF, np.uint8).repeat(COMMAND.itemsize).view(COMMAND)
    assert source.read(out) == source.sent == orders
    assert source.read(np.zeros(1, COMMAND)) == 0
    return out


class Market:
    """A plain book per instrument: enough of price-time priority to count trades and late cancels."""

    def __init__(self) -> None:
        self.levels: dict[tuple[int, int, int], dict[tuple[int, int], int]] = {}
        self.prices: dict[tuple[int, int], list[int]] = {}
        self.place: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.trades = 0
        self.named = 0
        self.late = 0

    def best(self, instrument: int, side: int) -> tuple[int, int, int] | None:
        """Return the key of the best level of a side."""
        prices = self.prices.setdefault((instrument, side), [])
        while prices:
            key = (instrument, side, abs(prices[0]))
            if self.levels.get(key):
                return key
            self.levels.pop(key, None)
            heappop(prices)
        return None

    def new(
        self, instrument: int, side: int, price: int, qty: int, name: tuple[int, int], rests: bool
    ) -> None:
        """Match an order and rest what is left."""
        while qty:
            key = self.best(instrument, 3 - side)
            if key is None or (key[2] > price if side == SIDE_BUY else key[2] < price):
                break
            level = self.levels[key]
            maker = next(iter(level))
            traded = min(qty, level[maker])
            qty -= traded
            level[maker] -= traded
            self.trades += 1
            if level[maker] == 0:
                del level[maker], self.place[maker]
        if qty and rests:
            key = (instrument, side, price)
            if key not in self.levels:
                self.levels[key] = {}
                heappush(
                    self.prices.setdefault((instrument, side), []), -price if side == SIDE_BUY else price
                )
            self.levels[key][name] = qty
            self.place[name] = key

    def remove(self, name: tuple[int, int]) -> bool:
        """Take an order out of its book; False if it is there no more."""
        self.named += 1
        key = self.place.pop(name, None)
        if key is None:
            self.late += 1
            return False
        del self.levels[key][name]
        return True

    def run(self, commands: Any) -> None:
        """Apply commands."""
        fields = [
            "kind",
            "instrument",
            "side",
            "price_ticks",
            "qty_lots",
            "tif",
            "cl0",
            "cl1",
            "orig0",
            "orig1",
        ]
        columns = (commands[field].tolist() for field in fields)
        for kind, instrument, side, price, qty, tif, cl0, cl1, orig0, orig1 in zip(*columns, strict=True):
            if kind == KIND_NEW:
                self.new(instrument, side, price, qty, (cl0, cl1), tif == TIF_GTC)
            elif self.remove((orig0, orig1)) and kind == KIND_REPLACE:
                self.new(instrument, side, price, qty, (cl0, cl1), True)


@pytest.mark.jitoff
@pytest.mark.parametrize("profile", PROFILES)
def test_golden_digest(profile: str) -> None:
    """A seed gives the same bytes on every machine, compiled or not."""
    commands = generate(GOLDEN_COMMANDS, 20261122, profile)
    digest = hashlib.blake2b(commands.tobytes(), digest_size=8).hexdigest()
    assert digest == GOLDEN_DIGESTS[profile]


@pytest.mark.jitoff
@given(
    seed=st.integers(0, 1 << 64),
    chunks=st.lists(st.integers(1, 90), min_size=1),
    profile=st.sampled_from(PROFILES),
)
def test_batches_do_not_change_the_flow(seed: int, chunks: list[int], profile: str) -> None:
    """The same seed gives the same bytes, whatever the sizes of the batches."""
    whole = generate(500, seed, profile)
    source = SyntheticSource(DIRECTORY, 500, seed, profile)
    parts = []
    while count := source.read(buffer := np.zeros(chunks[len(parts) % len(chunks)], COMMAND)):
        parts.append(buffer[:count])
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert (source.sent, source.total_commands, source.total_bytes, source.position) == (500, 500, 0, 0)


@pytest.mark.jitoff
def test_seeds_differ() -> None:
    """Another seed gives another flow, with ClOrdIDs of its own."""
    one, two = generate(1000, 1), generate(1000, 2)
    assert one["price_ticks"].tolist() != two["price_ticks"].tolist()
    assert not set(one["cl0"].tolist()) & set(two["cl0"].tolist())


@pytest.mark.jitoff
def test_ids_are_unique_and_count_on() -> None:
    """ClOrdIDs are 12 characters that count up in base 36; a later start continues them."""
    commands = generate(3000, 36, start_id=36**4 - 1000)
    ids = [unpack_text(row["cl0"], row["cl1"], row["cl2"]) for row in commands]
    assert ids == sorted(set(ids))
    assert (ids[0], ids[999], ids[1000]) == ("S0100000ZZ88", "S0100000ZZZZ", "S01000010000")
    assert {len(text) for text in ids} == {12}
    assert [int(text[4:], 36) for text in ids] == list(range(36**4 - 1000, 36**4 + 2000))


@pytest.mark.bounds
@pytest.mark.parametrize("profile", PROFILES)
def test_commands_are_well_formed(profile: str) -> None:
    """Each cancel and replace names an order sent before, by its latest ClOrdID, and not cancelled since."""
    commands = generate(20_000, 3, profile, config=flow_config(profile, DIRECTORY, 20_000, 3, sessions=3))
    alive: dict[tuple[int, int], tuple[int, ...]] = {}
    for row in commands:
        identity = tuple(int(row[name]) for name in ("instrument", "account", "session", "side"))
        name, orig = (int(row["cl0"]), int(row["cl1"])), (int(row["orig0"]), int(row["orig1"]))
        if row["kind"] == KIND_NEW:
            assert orig == (0, 0)
        else:
            assert alive.pop(orig) == identity
        if row["kind"] == KIND_CANCEL:
            assert (row["price_ticks"], row["qty_lots"], row["ord_type"], row["tif"]) == (0, 0, 0, 0)
        else:
            assert row["price_ticks"] > 0
            assert 1 <= row["qty_lots"] <= 100
            assert row["ord_type"] == TYPE_LIMIT
            if row["tif"] == TIF_GTC:
                alive[name] = identity
    assert set(commands["instrument"].tolist()) == {1, 2, 3, 4, 5}
    assert set(commands["account"].tolist()) == set(range(1, 9))
    assert set(commands["session"].tolist()) == {1, 2, 3}
    assert set(commands["side"].tolist()) == {1, 2}
    assert (np.diff(commands["time_ns"]) > 0).all()
    zeros = ("seq", "seen_seq", "order_id", "flags", "cl2", "orig2", "aux0", "aux1", "sent_ns")
    assert not any(commands[name].any() for name in zeros)


def measured(profile: str) -> tuple[Any, Market]:
    """Return a profile's flow and the market after it."""
    commands = generate(STATISTICS_COMMANDS, 11, profile)
    market = Market()
    market.run(commands)
    return commands, market


@pytest.mark.parametrize("profile", [each for each in PROFILES if each != "moves"])
def test_mix(profile: str) -> None:
    """Half is new and 15% of that IOC; cancels 41%, replaces 9%, but while a deep book builds up."""
    commands = generate(STATISTICS_COMMANDS, 11, profile)
    counts = Counter(commands["kind"].tolist())
    share = {kind: count / STATISTICS_COMMANDS for kind, count in counts.items()}
    tolerance = 0.12 if profile == "deep" else 0.04
    assert set(share) == {KIND_NEW, KIND_CANCEL, KIND_REPLACE}
    assert abs(share[KIND_NEW] - 0.50) < tolerance
    assert abs(share[KIND_CANCEL] - 0.41) < tolerance
    assert abs(share[KIND_REPLACE] - 0.09) < 0.01
    assert abs((commands["tif"] == TIF_IOC).sum() / counts[KIND_NEW] - 0.15) < 0.03


def test_normal_flow() -> None:
    """The normal flow trades some 30,000 times (60,000 fills) per two million commands, and hardly comes late."""
    commands, market = measured("normal")
    assert 20_000 < market.trades * 2_000_000 // STATISTICS_COMMANDS < 45_000
    assert 0 < market.late < 0.05 * market.named
    assert 500 < len(market.place) < 5 * 400
    prices = commands["price_ticks"][(commands["instrument"] == 1) & (commands["kind"] != KIND_CANCEL)]
    assert 17_500 < prices.min() < prices.max() < 20_500


def test_deep_flow() -> None:
    """The deep flow builds a book of tens of thousands of orders on thousands of levels, and trades little."""
    _, market = measured("deep")
    assert len(market.place) > 10_000
    assert sum(1 for level in market.levels.values() if level) > 5_000
    assert market.trades < 2_000
    assert market.late < 0.01 * market.named


def test_swinging_flow() -> None:
    """In the swing markets of odd and even instruments move against each other, and sweep the books."""
    commands, market = measured("swing")
    assert market.trades > 5 * STATISTICS_COMMANDS * 30_000 // 2_000_000
    assert market.late < 0.15 * market.named
    quarter = commands[40_000:60_000]  # about the first peak
    start = commands[:4_000]
    moved = {}
    for instrument in (1, 2):
        level = [
            int(np.median(part["price_ticks"][(part["instrument"] == instrument) & (part["tif"] == TIF_GTC)]))
            for part in (start, quarter)
        ]
        moved[instrument] = level[1] - level[0]
    assert moved[1] > 60
    assert moved[2] < -60


def test_wide_swings() -> None:
    """In the wide swings markets move against each other by a thousand ticks, over books that stay small."""
    commands, market = measured("swing-wide")
    assert market.trades > 10 * STATISTICS_COMMANDS * 30_000 // 2_000_000
    assert market.late < 0.25 * market.named
    peak = commands[STATISTICS_COMMANDS * 99 // 100 :]  # a quarter of a swing is the whole of this flow
    for instrument, sign in ((1, 1), (2, -1)):
        prices = [
            int(np.median(part["price_ticks"][(part["instrument"] == instrument) & (part["tif"] == TIF_GTC)]))
            for part in (commands[:4_000], peak)
        ]
        assert 800 < sign * (prices[1] - prices[0]) < 1_200


def test_flow_of_moves() -> None:
    """Moves change the price alone; the mix is exchange-core's, after orders that fill most of the window."""
    commands = generate(STATISTICS_COMMANDS, 11, "moves")
    config = flow_config("moves", DIRECTORY, STATISTICS_COMMANDS, 11)
    assert config.prefill == 5 * config.depth * 2 // 3 == 5_000
    market = Market()
    market.run(commands[: config.prefill])
    assert len(market.place) > 0.97 * config.prefill
    body = commands[config.prefill :]
    market.trades = market.named = market.late = 0
    market.run(body)
    counts = Counter(body["kind"].tolist())
    iocs = int((body["tif"] == TIF_IOC).sum())
    shares = [(counts[KIND_NEW] - iocs), iocs, counts[KIND_CANCEL], counts[KIND_REPLACE]]
    assert [share / len(body) for share in shares] == pytest.approx([0.09, 0.03, 0.06, 0.82], abs=0.01)
    assert 0.03 < market.trades / len(body) < 0.08
    assert market.late < 0.1 * market.named
    assert 4_000 < len(market.place) < 10_000
    quantities: dict[tuple[int, int], int] = {}
    for row in commands[commands["kind"] != KIND_CANCEL]:
        qty = quantities[(int(row["cl0"]), int(row["cl1"]))] = int(row["qty_lots"])
        assert row["kind"] == KIND_NEW or quantities[(int(row["orig0"]), int(row["orig1"]))] == qty


def test_crash_flow() -> None:
    """In the crash prices fall while sellers take what is there; afterwards they recover slowly."""
    commands, market = measured("crash")
    assert market.late < 0.15 * market.named
    at = [STATISTICS_COMMANDS * permille // 1000 for permille in (490, 500, 548, 552, 990, 1000)]
    of_one = commands["instrument"] == 2
    gtc = of_one & (commands["tif"] == TIF_GTC)

    def median(start: int, stop: int) -> float:
        return float(np.median(commands["price_ticks"][start:stop][gtc[start:stop]]))

    before, bottom, after = median(at[0], at[1]), median(at[2], at[3]), median(at[4], at[5])
    assert before - bottom > 300
    assert bottom + 50 < after < before - 100
    falling = commands[at[1] + 10 : at[2]]
    assert set(falling["side"][falling["tif"] == TIF_IOC].tolist()) == {2}


@pytest.mark.parametrize("orders", [0, 1, 2, 3, 10, 100])
def test_short_flows(orders: int) -> None:
    """A flow of any length works, down to none, in all profiles."""
    for profile in PROFILES:
        commands = generate(orders, 1, profile)
        assert orders == 0 or commands["kind"][0] == KIND_NEW


def test_other_directories() -> None:
    """Unknown symbols, coarse and fine ticks get a price of their own; ids need not be dense."""
    directory = Directory(
        [InstrumentEntry(3, "COARSE", 5 * E8, E8), InstrumentEntry(8, "FINE", 1, E8)], [AccountEntry(5, "X")]
    )
    source = SyntheticSource(directory, 400, 1, session="ME")
    out = np.zeros(400, COMMAND)
    assert source.read(out) == 400
    assert (source.sessions, source.config.base_ticks) == (["ME"], (1000, 100 * E8))
    assert set(out["instrument"].tolist()) == {3, 8}
    assert set(out["account"].tolist()) == {5}


def test_sessions_are_numbered() -> None:
    """Several sessions get numbers behind the name."""
    config = flow_config("normal", DIRECTORY, 10, 1, sessions=2)
    assert SyntheticSource(DIRECTORY, 10, 1, session="S", config=config).sessions == ["S1", "S2"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"orders": -1}, "orders"),
        ({"start_id": MAX_ID - 99}, "start_id"),
        ({"new_permille": 501}, "new . cancel . replace permille"),
        ({"new_permille": 0, "cancel_permille": 910}, "new_permille"),
        ({"cancel_permille": -90, "new_permille": 1000}, "cancel_permille"),
        ({"ioc_permille": 1000}, "ioc_permille"),
        ({"max_qty_lots": 0}, "max_qty_lots"),
        ({"depth": 0}, "depth"),
        ({"accounts": ()}, "accounts"),
        ({"base_ticks": (1,)}, "base_ticks"),
        ({"sessions": 0}, "sessions"),
        ({"spread_ticks": 0}, "spread_ticks"),
        ({"swing_commands": 7}, "swing_commands"),
        ({"crash_permille": 901}, "crash_permille"),
        ({"prefill": 101}, "prefill"),
        ({"prefill": 61, "depth": 12}, "prefill"),
        ({"move_permille": 1001}, "move_permille"),
    ],
)
def test_impossible_configurations(changes: dict[str, Any], name: str) -> None:
    """A configuration that the generator cannot hold is refused by field, with what was expected."""
    fields = msgspec.structs.asdict(flow_config("normal", DIRECTORY, 100, 1))
    with pytest.raises(ValueError, match=rf"^{name}: expected -?\d+ to \d+, was -?\d+$"):
        FlowConfig(**(fields | changes))


def test_unknown_profile() -> None:
    """An unknown profile is refused by name."""
    with pytest.raises(
        ValueError, match="profile: expected one of normal, deep, swing, swing-wide, crash, moves, was 'calm'"
    ):
        SyntheticSource(DIRECTORY, 1, 1, "calm")
