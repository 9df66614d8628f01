"""Configuration of trading days: states, bands, tick tables, schedules, firms, in units of the core; each mistake."""

from __future__ import annotations

import re

import pytest

from protocols.codes import BandMode, TradingState
from stages.config import ConfigError, VenueConfig, decode_config, example_toml
from stages.config_trading import Bands
from tests.structure.tree import ROOT

pytestmark = pytest.mark.jitoff

CORES = {0, 1}


def example(old: str = "", new: str = "") -> VenueConfig:
    """Return the example with one text replaced."""
    text = example_toml()
    assert old in text
    return decode_config(text.replace(old, new, 1), "venue.toml", CORES)


def test_units_of_the_core() -> None:
    """Widths and references come in ticks, spans in nanoseconds, names as numbers."""
    config = example()
    apple, euro = config.instruments
    assert apple.bands == Bands(BandMode.HALT, 1000, 200, 120_000_000_000, 500_000_000)
    assert (apple.reference_ticks, apple.initial_state_code) == (15_000, TradingState.CONTINUOUS)
    assert (euro.bands, euro.reference_ticks, euro.market_data) == (Bands(), 0, True)
    assert (config.groups, config.table_numbers) == ({"": 0, "equities": 1}, {"": 0, "liquid": 1})
    assert config.tick_tables[0].rows_in_ticks(apple.tick_e8) == ((10_000, 5), (50_000, 10))
    assert [row.at_ns // 1_000_000_000 for row in config.schedules] == [7 * 3600 + 50 * 60, 8 * 3600]
    assert [account.firm for account in config.accounts] == [1, 0]


def test_bands_without_a_width_are_none() -> None:
    """A mode alone makes no band; spans hold all the same."""
    config = example('static_band = "10.00" ', 'static_band = "0.01"\n#')
    assert config.instruments[0].bands.static_ticks == 1
    text = example_toml()
    for line in ("static_band", "dynamic_band", "reference_price", "band_mode"):
        text = text.replace(f"\n{line} =", "\n#", 1)
    assert decode_config(text, "", CORES).instruments[0].bands == Bands(0, 0, 0, 120_000_000_000, 500_000_000)


ROW = '["100.00", "0.05"]'
MISTAKES = [
    (
        'group = "equities"  ',
        'group = "two words" #',
        "instrument[0].group: expected 1 to 16 visible ASCII characters",
    ),
    (
        'tick_table = "liquid"',
        'tick_table = "other"',
        "instrument[0].tick_table: expected a [[tick_table]] (liquid), was 'other'",
    ),
    (
        'initial_state = "continuous"',
        'initial_state = "open"',
        "instrument[0].initial_state: expected one of continuous, pre-open",
    ),
    (
        'band_mode = "halt"',
        'band_mode = "stop"',
        "instrument[0].band_mode: expected one of reject, halt, was 'stop'",
    ),
    (
        'static_band = "10.00"',
        'static_band = "0.001"',
        "instrument[0].static_band: expected a whole number of ticks of 0.01",
    ),
    (
        'dynamic_band = "2.00"',
        "dynamic_band = 0",
        "instrument[0].dynamic_band: expected a number above 0, was 0",
    ),
    (
        'static_band = "10.00"',
        "",
        "instrument[0].static_band: expected one around reference_price, was missing",
    ),
    (
        'volatility_auction = "2min"',
        'volatility_auction = "2"',
        "instrument[0].volatility_auction: expected a number with one of ns, us",
    ),
    (
        'indication_interval = "500ms"',
        'indication_interval = "9999999h"',
        "instrument[0].indication_interval: expected at most ten years",
    ),
    ("firm = 1 ", "firm = -1 ", "account[0].firm: expected 0 to capacity.max_accounts = 4096, was -1"),
    (
        'name = "liquid"',
        'name = "liq uid"',
        "instrument[0].tick_table: expected a [[tick_table]] (liq uid), was 'liquid'",
    ),
    (ROW, '["100.00"]', "tick_table[0].rows[0]: expected a row [from, tick size], was ['100.00']"),
    (
        ROW,
        '["100.02", "0.05"]',
        "tick_table[0].rows[0][0]: expected a multiple of its tick size and of that of the row before",
    ),
    (ROW, '["500.00", "0.05"]', "tick_table[0].rows[1][0]: expected a price above that of the row before"),
    (ROW, '["100.00", "0.015"]', "tick_table[0].rows[0][1]: expected a whole number of ticks of 0.01"),
    (ROW, '["0", "0.05"]', "tick_table[0].rows[0][0]: expected a number above 0"),
    (f'{ROW}, ["500.00", "0.10"]', "", "tick_table[0].rows: expected 1 to 16 rows, was 0"),
    (
        'tick_table = "liquid"',
        "",
        "tick_table[0].name: expected an instrument with this tick_table, was 'liquid'",
    ),
    (
        'currency = "USD"\n\n#',
        'currency = "USD"\ntick_table = "liquid"\n\n#',
        "tick_table[0].name: expected one tick_size of all its instruments (AAPL: 0.01), was",
    ),
    (
        'group = "equities"\nstate',
        'group = "bonds"\nstate',
        "schedule[0].group: expected the group of an instrument (equities), was 'bonds'",
    ),
    (
        'state = "opening-auction"',
        'state = "opening"',
        "schedule[0].state: expected one of continuous, pre-open",
    ),
    ('at = "07:50:00"', 'at = "7:50"', "schedule[0].at: expected a time of day such as 09:00:00, was '7:50'"),
    (
        'at = "08:00:00"',
        'at = "07:50"',
        "schedule[1].at: expected a time of its own in the group, but schedule[0] has it too",
    ),
    ('at = "08:00:00"', "at = 08:00:00", "schedule[1].at: expected a text"),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES, ids=[row[2].partition(":")[0] for row in MISTAKES])
def test_mistakes_are_named(old: str, new: str, said: str) -> None:
    """Each mistake is answered with key, what was expected and what was there."""
    with pytest.raises(ConfigError) as caught:
        example(old, new)
    assert f"venue.toml: {said}" in str(caught.value)


@pytest.mark.parametrize(("rows", "fits"), [(16, True), (17, False)])
def test_a_table_has_at_most_sixteen_rows(rows: int, fits: bool) -> None:
    """The sixteenth row fits, the seventeenth does not."""
    text = ", ".join(f'["{100 + number}.00", "0.05"]' for number in range(rows))
    if fits:
        assert len(example(f'{ROW}, ["500.00", "0.10"]', text).tick_tables[0].rows) == rows
    else:
        with pytest.raises(ConfigError, match="expected 1 to 16 rows, was 17"):
            example(f'{ROW}, ["500.00", "0.10"]', text)


def test_the_day_of_the_page_is_a_venue() -> None:
    """The trading day of docs/operations.md can be used as it stands."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    day = page[page.index("## A trading day") :]
    [text] = re.findall(r"^```toml\n(.*?)^```$", day, re.MULTILINE | re.DOTALL)
    config = decode_config(text, "operations.md", CORES)
    assert len(config.schedules) == 5 and config.instruments[0].initial_state_code == TradingState.CLOSED
