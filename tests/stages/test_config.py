"""venue.toml: what is read, what it means in units of the protocol, and how each mistake is answered."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import LIMIT_UNLIMITED, Limit
from protocols.directory import decimal_text
from stages import config_model
from stages.config import (
    STAGES,
    Account,
    ConfigError,
    Instrument,
    VenueConfig,
    Worker,
    check_workers,
    decode_config,
    default_config,
    example_toml,
    load_config,
    overridden,
)
from stages.config_checks import BOUNDS, check_config

TWO_CORES = (0, 1)
INSTRUMENTS = '[{ symbol = "A", tick_size = "0.01", lot_size = 1, currency = "USD" }]'
ACCOUNTS = (
    '[{ name = "A", currency = "USD", max_order_qty = 1, max_order_notional = 1, max_open_orders = 1, '
    "max_long = 1, max_short = 1, credit = 1 }]"
)
EVERYTHING = '["ingest", "journal", "risk", "matching", "publish"]'


def changed(old: str, new: str) -> str:
    """Return the example with one place changed."""
    text = example_toml()
    assert old in text, old
    return text.replace(old, new, 1)


def error_of(text: str) -> str:
    """Return what is said about a text that must be refused."""
    with pytest.raises(ConfigError) as caught:
        decode_config(text, "venue.toml", TWO_CORES)
    assert caught.value.file == "venue.toml"
    return str(caught.value)


def test_example_passes_and_repeats_the_defaults() -> None:
    """The printed example is valid, and its tables say what leaving them out would mean."""
    example, default = decode_config(example_toml(), cores=TWO_CORES), default_config()
    for table in ("venue", "rings", "capacity", "plan", "journal"):
        assert getattr(example, table) == getattr(default, table)


def test_example_names_every_key() -> None:
    """No key of any table is missing from the example, comments included."""
    text = example_toml()
    tables = ("Venue", "Rings", "Capacity", "Worker", "Plan", "Journal", "Instrument", "Account")
    more = ("TickTable", "Schedule", "Risk", "Firm", "AccountInstrument", "Session")
    for table in (*tables, *more):
        for item in msgspec.structs.fields(getattr(config_model, table)):
            named = rf"\b{item.encode_name} = |^\[\[{table.lower()}\.{item.encode_name}\]\]"
            assert re.search(named, text, re.MULTILINE), f"{table}.{item.encode_name}"


def test_default_venue_passes_its_own_checks() -> None:
    """The embedded venue holds five instruments and the accounts of all injectors, and is valid."""
    config = default_config()
    check_config(config, TWO_CORES)
    assert [entry.symbol for entry in config.instruments] == ["AAPL", "MSFT", "NVDA", "TSLA", "AMZN"]
    assert [entry.name for entry in config.accounts] == [
        *(f"ACC{number}" for number in range(1, 9)),
        *(f"SYN{number}" for number in range(1, 17)),
        "ITCH",
    ]


def test_directory_numbers_by_place_in_the_file() -> None:
    """Ids of instruments and accounts count from 1 in file order, with ticks and lots in 1e-8."""
    directory = decode_config(example_toml(), cores=TWO_CORES).directory()
    assert directory.instrument_ids == {"AAPL": 1, "EURUSD": 2}
    assert directory.account_ids == {"ACC1": 1, "ACC2": 2}
    assert directory.instruments[2].tick_e8 == 1000
    assert directory.instruments[2].lot_e8 == 1000 * 10**8


def test_units_of_the_protocol() -> None:
    """Bands come in ticks, the money of one tick and lot in millionths, limits in lots and millionths."""
    config = decode_config(example_toml(), cores=TWO_CORES)
    assert config.instruments[0].tick_value == 10_000
    assert config.instruments[0].band_ticks == (100, 500_000)
    assert config.instruments[1].tick_value == 10_000
    assert config.instruments[1].band_ticks == (0, 0)
    rest = [limit for limit in Limit if limit > Limit.CREDIT]
    assert dict(config.accounts[1].limits) == dict.fromkeys(rest, LIMIT_UNLIMITED) | {
        Limit.MAX_ORDER_QTY: 100,
        Limit.MAX_ORDER_NOTIONAL: 25_000_500_000,
        Limit.MAX_OPEN_ORDERS: 10,
        Limit.MAX_LONG: 1000,
        Limit.MAX_SHORT: 0,
        Limit.CREDIT: 100_000_000_000,
    }


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_tick_value_is_exact_or_refused(tick_e8: int, lot_e8: int) -> None:
    """The money of one tick and lot is exactly their product, or the configuration is refused."""
    instrument = Instrument(
        symbol="X", tick_size=decimal_text(tick_e8, 1), lot_size=decimal_text(lot_e8, 1), currency="USD"
    )
    config = VenueConfig(instruments=(instrument,), accounts=default_config().accounts)
    exact = Decimal(tick_e8) * Decimal(lot_e8) / Decimal(10**16) * 10**6
    if exact == int(exact) and 1 <= exact <= 1 << 40:
        check_config(config, TWO_CORES)
        assert instrument.tick_value == exact
    else:
        with pytest.raises(ConfigError, match=r"instrument\[0\].tick_size: expected tick_size \* lot_size"):
            check_config(config, TWO_CORES)


@given(st.decimals(min_value=0, max_value=10**12, places=6))
def test_money_limits_are_exact(amount: Decimal) -> None:
    """A notional limit in the file is the same number of millionths in the core."""
    names = ("max_order_qty", "max_open_orders", "max_long", "max_short")
    limits: dict[str, int | str] = dict.fromkeys(names, 1)
    account = Account(name="A", currency="USD", max_order_notional=f"{amount:f}", credit=0, **limits)
    assert dict(account.limits)[Limit.MAX_ORDER_NOTIONAL] == amount * 10**6


@pytest.mark.parametrize(("key", "low", "high", "power_of_two"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_bounds_hold_at_the_limit_and_one_past_it(key: str, low: int, high: int, power_of_two: bool) -> None:
    """Each number is accepted at both ends of its range, refused past them, and between powers of two."""
    table, name = key.split(".")
    needed = {"capacity.max_instruments": 2, "capacity.max_accounts": 2}.get(key, low)

    def text(value: int) -> str:
        return re.sub(rf"^{name} = \d+", f"{name} = {value}", example_toml(), flags=re.MULTILINE)

    for value in (needed, high):
        config = decode_config(text(value), cores=TWO_CORES)
        assert getattr(getattr(config, table), name) == value
    kind = "a power of two" if power_of_two else "a number"
    for value in (low - 1, high + 1, *([3 << 20] if power_of_two and low <= 3 << 20 <= high else [])):
        expected = f"venue.toml: {key}: expected {kind} from {low} to {high}, was {value}"
        assert error_of(text(value)) == expected


MISTAKES = [
    ("ports = 8", "prots = 8", "rings.prots: expected a known key, did you mean ports?, was 8"),
    ("[venue]\n", "[venue]\nzzz = 1\n", "venue.zzz: expected one of name, data_dir, durability, was 1"),
    ("ports = 8", 'ports = "8"', "rings.ports: expected a whole number, was '8'"),
    ("ports = 8", "ports = true", "rings.ports: expected a whole number, was True"),
    (
        '"0.01"',
        "0.01",
        "instrument[0].tick_size: expected a decimal in quotes (a float is not exact), was 0.01",
    ),
    (
        '"0.01"',
        '"0.0000000001"',
        "instrument[0].tick_size: expected a decimal number with at most 8 decimals, was '0.0000000001'",
    ),
    (
        '"0.00001"',
        '"NaN"',
        "instrument[1].tick_size: expected a decimal number with at most 8 decimals, was 'NaN'",
    ),
    ('"0.00001"', '"-1"', "instrument[1].tick_size: expected a number above 0, was '-1'"),
    ('lot_size = "1000"', "lot_size = 0", "instrument[1].lot_size: expected a number above 0, was 0"),
    ('symbol = "EURUSD"\n', "", "instrument[1].symbol: expected a value, was missing"),
    (
        '"EURUSD"',
        '"AAPL"',
        "instrument[1].symbol: expected a name of its own, but instrument[0] has it too, was 'AAPL'",
    ),
    (
        'name = "ACC2"',
        'name = "SEVENTEENLETTERSX"',
        "account[1].name: expected 1 to 16 visible ASCII characters other than |, was 'SEVENTEENLETTERSX'",
    ),
    (
        'name = "ACC2"',
        'name = "A|B"',
        "account[1].name: expected 1 to 16 visible ASCII characters other than |, was 'A|B'",
    ),
    (
        'name = "ACC2"',
        'name = "ACC1"',
        "account[1].name: expected a name of its own, but account[0] has it too, was 'ACC1'",
    ),
    (
        'currency = "USD"',
        'currency = "usd"',
        "instrument[0].currency: expected three capital letters, was 'usd'",
    ),
    (
        '["1.00", "5000.00"]',
        '["1.00"]',
        "instrument[0].price_band: expected two prices, [lowest, highest], was ['1.00']",
    ),
    (
        '["1.00", "5000.00"]',
        '["1.00", "1.005"]',
        "instrument[0].price_band[1]: expected a whole number of ticks of 0.01, was '1.005'",
    ),
    (
        '["1.00", "5000.00"]',
        '["2", "1"]',
        "instrument[0].price_band: expected [lowest, highest] with 0 <= lowest <= highest and highest "
        "above 0, was ['2', '1']",
    ),
    (
        'protection_points = "5.00"',
        'protection_points = "0.015"',
        "instrument[0].protection_points: expected a whole number of ticks of 0.01, was '0.015'",
    ),
    (
        'protection_points = "5.00"',
        "protection_points = 0",
        "instrument[0].protection_points: expected a number above 0, was 0",
    ),
    (
        '"25000.50"',
        '"25000.5000001"',
        "account[1].max_order_notional: expected an amount of at most 6 decimals from 0 to 1152921504606, "
        "or unlimited, was '25000.5000001'",
    ),
    (
        "max_open_orders = 10\n",
        'max_open_orders = "1.5"\n',
        "account[1].max_open_orders: expected a whole number from 0 to 1152921504606846976, or unlimited, was '1.5'",
    ),
    (
        "max_long = 1000\n",
        "max_long = -1\n",
        "account[1].max_long: expected a whole number from 0 to 1152921504606846976, or unlimited, was -1",
    ),
    (
        'durability = "fsync"',
        'durability = "disk"',
        "venue.durability: expected one of fsync, os, none, was 'disk'",
    ),
    (
        'wait = "blocking"',
        'wait = "nap"',
        "plan.wait: expected one of spin, yield, backoff, blocking, was 'nap'",
    ),
    ('workers = "auto"', 'workers = "best"', "plan.workers: expected one of auto, auto-latency, was 'best'"),
    ("sched_fifo = false", "sched_fifo = 1", "plan.sched_fifo: expected true or false, was 1"),
    ('data_dir = "ringmatch-data"', 'data_dir = ""', "venue.data_dir: expected a directory, was ''"),
    ("max_accounts = 4096", "max_accounts = 1", "account: expected at most capacity.max_accounts = 1, was 2"),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES, ids=[row[2].partition(":")[0] for row in MISTAKES])
def test_mistakes_are_named_with_file_key_and_value(old: str, new: str, said: str) -> None:
    """Each mistake is answered with one line: file, key, what was expected and what was there."""
    assert error_of(changed(old, new)) == f"venue.toml: {said}"


@pytest.mark.parametrize(("old", "new"), [("ports = 8", "ports = 8\nports = 4"), ('"default"', '"default')])
def test_mistakes_of_syntax_name_the_line(old: str, new: str) -> None:
    """What is no TOML, keys given twice included, is told with its line."""
    assert re.match(r"venue\.toml: expected TOML: .*line \d+", error_of(changed(old, new)))


def test_a_venue_needs_instruments_and_accounts() -> None:
    """Tables that make a venue cannot be left out or empty."""
    assert error_of("") == "venue.toml: instrument: expected a value, was missing"
    assert (
        error_of("instrument = []\naccount = []")
        == "venue.toml: instrument: expected at least one [[instrument]], was []"
    )


PLANS = [
    (
        f"[{{ stages = {EVERYTHING}, core = 7 }}]",
        "plan.workers[0].core: expected an available core (0,1), was 7",
    ),
    (
        '[{ stages = ["ingest", "journal"] }]',
        "plan.workers: expected all of ingest, journal, risk, matching, publish; "
        "missing: risk, matching, publish",
    ),
    (
        f'[{{ stages = {EVERYTHING} }}, {{ stages = ["risk"] }}]',
        "plan.workers[1].stages: expected each stage once, but worker 0 has it too, was 'risk'",
    ),
    (
        f"[{{ stages = {EVERYTHING} }}, {{ stages = [] }}]",
        "plan.workers[1].stages: expected at least one stage, was []",
    ),
    (
        '[{ stages = ["ingest", "routing"] }]',
        "plan.workers[0].stages[1]: expected one of ingest, journal, risk, matching, publish, "
        "matching-1, matching-2, matching-3, matching-4, matching-5, matching-6, matching-7, matching-8, was 'routing'",
    ),
    (
        '[{ stages = ["ingest", "journal"], core = 0 }, { stages = ["risk"], core = 1 }, '
        '{ stages = ["matching", "publish"], core = 2 }]',
        "plan.workers: expected at most 2 pinned workers, one for each available core (0,1), was 3",
    ),
    (
        '[{ stages = ["ingest", "journal"], core = 1 }, '
        '{ stages = ["risk", "matching", "publish"], core = 1 }]',
        "plan.workers[1].core: expected a core of its own, but worker 0 is pinned there too, was 1",
    ),
    (f"[{{ stages = {EVERYTHING}, cpu = 1 }}]", "plan.workers[0].cpu: expected one of stages, core, was 1"),
]


@pytest.mark.parametrize(("workers", "said"), PLANS)
def test_impossible_plans_are_refused(workers: str, said: str) -> None:
    """A plan that lacks a stage, has one twice, or pins workers where they cannot run is refused."""
    assert error_of(changed('workers = "auto"', f"workers = {workers}")) == f"venue.toml: {said}"


def test_explicit_plans_are_decoded() -> None:
    """A plan with each stage once, pinned or not, comes out as it was written."""
    text = '[{ stages = ["ingest", "journal"], core = 1 }, { stages = ["risk", "matching", "publish"] }]'
    config = decode_config(changed('workers = "auto"', f"workers = {text}"), cores=TWO_CORES)
    assert config.plan.workers == (
        Worker(stages=("ingest", "journal"), core=1),
        Worker(stages=("risk", "matching", "publish")),
    )


@given(st.permutations(STAGES), st.lists(st.integers(1, 4), max_size=4), st.data())
def test_every_partition_of_the_stages_is_a_plan(
    order: list[str], cuts: list[int], data: st.DataObject
) -> None:
    """Any way to lay the five stages onto workers is accepted if the pinned ones have distinct cores."""
    places = [0, *sorted(set(cuts)), len(STAGES)]
    groups = [tuple(order[start:stop]) for start, stop in pairwise(places)]
    cores = data.draw(st.permutations(range(8)))
    pinned = data.draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups)))
    workers = tuple(
        msgspec.convert({"stages": group, "core": core if is_pinned else None}, Worker)
        for group, core, is_pinned in zip(groups, cores, pinned, strict=False)
    )
    check_workers(workers, range(8))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_an_error_with_a_message(text: bytes) -> None:
    """Whatever a file holds, it is a configuration or a ConfigError, never another exception."""
    with pytest.raises(ConfigError, match=r"^venue\.toml: "):
        decode_config(text, "venue.toml", TWO_CORES)


@given(
    st.sampled_from(["venue", "rings", "capacity", "plan", "journal", "instrument", "account"]),
    st.recursive(
        st.booleans() | st.integers(-5, 1 << 70) | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_wrong_types_are_an_error_with_a_message(table: str, value: object) -> None:
    """Whatever stands where a table is expected is valid, or a ConfigError that names the table."""
    tables = {"instrument": INSTRUMENTS, "account": ACCOUNTS, table: _toml(value)}
    text = "\n".join(f"{name} = {content}" for name, content in tables.items())
    try:
        assert isinstance(decode_config(text, "venue.toml", TWO_CORES), VenueConfig)
    except ConfigError as error:
        assert str(error).startswith(f"venue.toml: {table}")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    return repr(value)


def test_unreadable_files_are_config_errors(tmp_path: Path) -> None:
    """A missing file, a directory and bytes that are not UTF-8 are told apart, each with its path."""
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=re.escape(f"{missing}: cannot be read: No such file or directory")):
        load_config(missing)
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}: cannot be read: Is a directory")):
        load_config(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[venue]\nname = "\xe9"\n')
    with pytest.raises(
        ConfigError, match=re.escape(f"{latin}: expected UTF-8, was another byte at offset 16")
    ):
        load_config(latin)


def test_loading_reads_a_file(tmp_path: Path) -> None:
    """A file is read from disk and decoded as its text is."""
    path = tmp_path / "venue.toml"
    path.write_text(example_toml())
    assert load_config(path, TWO_CORES) == decode_config(example_toml(), cores=TWO_CORES)


def test_the_command_line_overrides_and_is_checked() -> None:
    """Overrides replace what they name, leave the rest, and are checked like a file."""
    config = overridden(
        default_config(), data_dir="elsewhere", durability="none", wait="spin", cores=TWO_CORES
    )
    assert (config.venue.data_dir, config.venue.durability, config.plan.wait) == ("elsewhere", "none", "spin")
    assert config.instruments == default_config().instruments
    assert overridden(config, cores=TWO_CORES) == config
    with pytest.raises(ConfigError, match=r"venue.durability: expected one of fsync, os, none, was 'maybe'"):
        overridden(config, durability="maybe", cores=TWO_CORES)
    whole = (msgspec.convert({"stages": STAGES, "core": 2}, Worker),)
    with pytest.raises(ConfigError, match=r"workers\[0\].core: expected an available core \(0,1\), was 2"):
        overridden(config, workers=whole, cores=TWO_CORES)


def test_configurations_are_frozen() -> None:
    """A configuration cannot be changed after it was checked."""
    with pytest.raises(AttributeError):
        default_config().venue.name = "other"  # type: ignore[misc]


def test_long_values_are_cut_in_messages() -> None:
    """A huge value does not flood the message."""
    assert len(error_of(changed('name = "ACC2"', f'name = "{"x" * 10_000}"'))) < 300


def test_shared_memory_is_what_the_slots_take() -> None:
    """The size of all rings follows from their slots of 128 bytes and the ports."""
    rings = default_config().rings
    assert rings.shm_bytes == 128 * (16384 + 65536 + 8 * (16384 + 131072))


def test_partitions_are_named_within_their_number() -> None:
    """A plan may name the partitions that there are, an instrument one of them; others are refused with the number."""
    plan = '[{ stages = ["ingest", "journal", "risk", "matching", "publish"] }, { stages = ["matching-2"] }]'
    text = changed('workers = "auto"', f"workers = {plan}")
    said = "venue.toml: plan.workers[1].stages: expected one of capacity.partitions = 1, was 'matching-2'"
    assert error_of(text) == said
    two = text.replace("partitions = 1", "partitions = 2").replace("partition = 1", "partition = 2")
    config = decode_config(two, cores=TWO_CORES)
    assert config.capacity.partitions == 2 and config.instruments[0].partition == 2
    too_high = "venue.toml: instrument[0].partition: expected 1 to capacity.partitions = 2, was 3"
    assert error_of(two.replace("partition = 2 ", "partition = 3 ")) == too_high
