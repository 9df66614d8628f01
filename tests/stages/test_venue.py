"""A venue as commands: all of it at the first start, only what changed later, and nothing that cannot change."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from protocols.codes import Kind, Limit, OutcomeType, TradingState
from protocols.layouts import COMMAND
from protocols.trading_day import DAY_NS
from stages.config import (
    Account,
    Capacity,
    ConfigError,
    Instrument,
    Risk,
    VenueConfig,
    decode_config,
    default_config,
    example_toml,
)
from stages.core import Core
from stages.definitions import (
    Traits,
    bands_of,
    capacities_of,
    directory_of,
    firm_of,
    schedules_of,
    tables_of,
    traits_of,
)
from stages.venue import config_commands, currency_code, new_command, venue_command

pytestmark = pytest.mark.jitoff

NOW_NS = 20_000 * DAY_NS
CAPACITY = Capacity(
    max_orders=64, max_levels=64, max_cl_ord_ids=64, max_positions=64, max_accounts=30, max_instruments=8,
    max_sessions=8, max_specials=32,
)  # fmt: skip


def small(**changes: Any) -> VenueConfig:
    """Return the default venue with little room."""
    return msgspec.structs.replace(default_config(), capacity=CAPACITY, **changes)


def first_start(config: VenueConfig) -> Core:
    """Return a core in which a venue was defined."""
    core = Core(capacities_of(venue_command(config.capacity)), input_slots=256, output_slots=256)
    send(core, np.array([venue_command(config.capacity)], dtype=COMMAND))
    send(core, config_commands(config, core.state.risk))
    return core


def send(core: Core, commands: Any) -> Any:
    """Process commands, all of which must be accepted."""
    outcomes = core.process(core.stamp(commands))
    assert not len(outcomes) or set(outcomes["type"].tolist()) == {OutcomeType.ACCEPTED}
    return outcomes


def kinds(commands: Any) -> list[Kind]:
    """Return the kinds of commands."""
    return [Kind(kind) for kind in commands["kind"].tolist()]


def with_account(config: VenueConfig, index: int, **changes: Any) -> VenueConfig:
    """Return a venue with one account changed."""
    accounts = list(config.accounts)
    accounts[index] = msgspec.structs.replace(accounts[index], **changes)
    return msgspec.structs.replace(config, accounts=tuple(accounts))


def with_instrument(config: VenueConfig, index: int, **changes: Any) -> VenueConfig:
    """Return a venue with one instrument changed."""
    instruments = list(config.instruments)
    instruments[index] = msgspec.structs.replace(instruments[index], **changes)
    return msgspec.structs.replace(config, instruments=tuple(instruments))


def test_capacities_travel_in_the_venue_command() -> None:
    """What the configuration says of room is what the journal's first command says."""
    command = venue_command(CAPACITY)
    assert command["kind"] == Kind.VENUE
    assert capacities_of(command)._asdict() == msgspec.structs.asdict(CAPACITY)


def test_a_first_start_defines_everything() -> None:
    """Instruments, accounts and their limits are commands that the core accepts, with ids in the file's order."""
    config = small()
    core = first_start(config)
    directory, expected = directory_of(core.state.risk), config.directory()
    assert directory.instruments == expected.instruments and directory.accounts == expected.accounts
    for identity, account in enumerate(config.accounts, start=1):
        limits = core.state.risk.limits[identity].tolist()
        assert [(limit, limits[limit]) for limit, _ in account.limits] == list(account.limits)
    first = core.state.risk.instruments[1]
    assert (int(first["low_ticks"]), int(first["high_ticks"])) == config.instruments[0].band_ticks
    assert int(first["currency"]) == currency_code("USD")


def test_an_unchanged_venue_needs_no_command() -> None:
    """A restart with the same configuration sequences nothing."""
    config = small()
    assert len(config_commands(config, first_start(config).state.risk)) == 0


def test_only_what_changed_is_sequenced() -> None:
    """A limit, a band, a new account and a new instrument: one command for each value that differs."""
    config = small()
    core = first_start(config)
    changed = with_account(config, 2, max_order_qty=77, credit="12.5")
    changed = with_instrument(changed, 1, price_band=("2.00", "3.00"))
    commands = config_commands(changed, core.state.risk)
    assert kinds(commands) == [Kind.INSTRUMENT, Kind.LIMIT, Kind.LIMIT]
    assert commands["instrument"].tolist() == [2, 0, 0] and commands["account"].tolist() == [0, 3, 3]
    assert (int(commands["order_id"][0]), int(commands["aux1"][0])) == (200, 300)
    by_limit = dict(zip(commands["ord_type"].tolist(), commands["qty_lots"].tolist(), strict=True))
    assert (by_limit[Limit.MAX_ORDER_QTY], by_limit[Limit.CREDIT]) == (77, 12_500_000)
    send(core, commands)
    assert len(config_commands(changed, core.state.risk)) == 0


def test_protection_points_can_change() -> None:
    """They are journaled in ticks with the instrument; risk remembers them, so that only a change is sequenced."""
    config = with_instrument(small(), 0, protection_points="0.25")
    core = first_start(config)
    assert int(core.state.risk.instruments[1]["protection_ticks"]) == 25
    assert int(core.state.books[0].markets[1]["protection_ticks"]) == 25
    assert len(config_commands(config, core.state.risk)) == 0
    changed = with_instrument(config, 0, protection_points=None)
    commands = config_commands(changed, core.state.risk)
    assert kinds(commands) == [Kind.INSTRUMENT] and commands["orig0"].tolist() == [0]
    send(core, commands)
    assert int(core.state.books[0].markets[1]["protection_ticks"]) == 0
    assert len(config_commands(changed, core.state.risk)) == 0


def test_ids_belong_to_the_journal() -> None:
    """Whatever the file's order later: what has an id keeps it, what is new gets the next one."""
    config = small()
    core = first_start(config)
    new = Instrument(symbol="NEW", tick_size="1", lot_size="1", currency="USD")
    newcomer = msgspec.structs.replace(config.accounts[0], name="NEWCOMER")
    turned = msgspec.structs.replace(
        config,
        instruments=(new, *reversed(config.instruments)),
        accounts=(newcomer, *reversed(config.accounts)),
    )
    commands = config_commands(turned, core.state.risk)
    assert kinds(commands)[:2] == [Kind.INSTRUMENT, Kind.ACCOUNT]
    assert commands["instrument"][0] == len(config.instruments) + 1
    assert commands["account"][1] == len(config.accounts) + 1
    send(core, commands)
    directory = directory_of(core.state.risk)
    assert directory.instrument_ids["NEW"] == 6 and directory.instrument_ids["AAPL"] == 1
    assert directory.account_ids["NEWCOMER"] == 26 and directory.account_ids["ACC1"] == 1


def test_what_a_file_no_longer_lists_stays() -> None:
    """An instrument or account that was taken out of the file is left as it is: nothing says that it must go."""
    config = small()
    core = first_start(config)
    less = msgspec.structs.replace(config, instruments=config.instruments[:1], accounts=config.accounts[:1])
    assert len(config_commands(less, core.state.risk)) == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda config: with_instrument(config, 0, tick_size="0.02"),
            "instrument[0]: expected tick, lot and",
        ),
        (lambda config: with_instrument(config, 3, lot_size="10"), "instrument[3]: expected tick, lot and"),
        (lambda config: with_instrument(config, 1, currency="EUR"), "instrument[1]: expected tick, lot and"),
        (lambda config: with_account(config, 4, currency="EUR"), "account[4].currency: expected that of"),
    ],
)
def test_what_cannot_change(change: Any, problem: str) -> None:
    """Units and currencies are in the journal for good; the error names the place in the file."""
    config = small()
    risk = first_start(config).state.risk
    with pytest.raises(ConfigError) as caught:
        config_commands(change(config), risk)
    assert str(caught.value).startswith(problem)


def test_room_is_that_of_the_journal() -> None:
    """More instruments or accounts than the journal has room for are refused, whatever the file's capacity says."""
    config = small()
    risk = first_start(config).state.risk
    one = Instrument(symbol="X", tick_size="1", lot_size="1", currency="USD")
    many = tuple(msgspec.structs.replace(one, symbol=f"X{number}") for number in range(4))
    with pytest.raises(ConfigError, match=r"instrument\[8\]: expected at most 8 instruments"):
        config_commands(msgspec.structs.replace(config, instruments=(*config.instruments, *many)), risk)
    account: Account = config.accounts[0]
    crowd = tuple(msgspec.structs.replace(account, name=f"X{number}") for number in range(6))
    with pytest.raises(ConfigError, match=r"account\[30\]: expected at most 30 accounts"):
        config_commands(msgspec.structs.replace(config, accounts=(*config.accounts, *crowd)), risk)


def test_a_definition_that_a_crash_cut_short_is_completed() -> None:
    """Whatever part of the first definition was journaled, the next start sequences exactly the rest."""
    config = small()
    whole = config_commands(config, Core(capacities_of(venue_command(CAPACITY)), input_slots=64).state.risk)
    for kept in (0, 1, 4, 6, 40, len(whole)):
        core = Core(capacities_of(venue_command(CAPACITY)), input_slots=256, output_slots=256)
        send(core, np.array([venue_command(CAPACITY)], dtype=COMMAND))
        send(core, whole[:kept].copy())
        rest = config_commands(config, core.state.risk)
        assert rest.tobytes() == whole[kept:].tobytes()


def test_new_commands_are_empty_but_for_what_is_given() -> None:
    """A command has its kind and the fields that were named, all others 0."""
    command = new_command(Kind.LIMIT, account=3, qty_lots=9)
    filled = {name for name in COMMAND.names or () if command[name] != 0}
    assert filled == {"kind", "account", "qty_lots"}


def day_venue(**changes: Any) -> VenueConfig:
    """Return the example, which has a group, bands, a tick table and a schedule, with little room, without days."""
    without_days = {"capacity": CAPACITY, "risk": Risk()} | changes
    return msgspec.structs.replace(decode_config(example_toml(), cores={0, 1}), **without_days)


def rest_of(config: VenueConfig, core: Core, references: dict[str, int] | None = None) -> Any:
    """Return what a core does not hold yet of a configuration that has given these references to collars before."""
    return config_commands(config, core.state.risk, core.state.books, NOW_NS, references)


def test_trading_days_are_defined_once() -> None:
    """Tick tables, groups, bands, firms and schedules are sequenced at the first start, and not at the next."""
    config = day_venue()
    core = Core(capacities_of(venue_command(CAPACITY)), input_slots=256, output_slots=256)
    send(core, np.array([venue_command(CAPACITY)], dtype=COMMAND))
    commands = rest_of(config, core)
    definitions = [Kind.INSTRUMENT, Kind.BANDS, Kind.COLLAR, Kind.INSTRUMENT]
    told = [kind for kind in kinds(commands) if kind in (*definitions, Kind.TICK_TABLE, Kind.FIRM)]
    assert told == [Kind.TICK_TABLE, Kind.TICK_TABLE, Kind.FIRM, *definitions] and kinds(commands)[-2:] == [
        Kind.SCHEDULE,
        Kind.SCHEDULE,
    ]
    send(core, commands)
    assert len(rest_of(config, core, {"AAPL": 15_000})) == 0
    risk, books = core.state.risk, core.state.books
    assert traits_of(risk, 1) == Traits(100, 500_000, 500, 1, 1, 1)
    assert bands_of(risk, books, 1) == (config.instruments[0].bands, 15_000)
    assert tables_of(risk) == {1: ((10_000, 5), (50_000, 10))}
    assert [(row.group, row.state) for row in schedules_of(books)] == [(1, 3), (1, 1)]
    assert (firm_of(risk, 1), firm_of(risk, 2)) == (1, 0)


def test_only_what_changed_of_trading_days_is_sequenced() -> None:
    """A group, a band, a firm, market data and a schedule each need one command more."""
    config = day_venue()
    core = Core(capacities_of(venue_command(CAPACITY)), input_slots=256, output_slots=256)
    send(core, np.array([venue_command(CAPACITY)], dtype=COMMAND))
    send(core, rest_of(config, core))
    changed = with_instrument(config, 1, group="bonds", market_data=False)
    changed = with_instrument(changed, 0, dynamic_band="3.00", initial_state="closed")
    changed = with_account(changed, 1, firm=2)
    changed = msgspec.structs.replace(changed, schedules=config.schedules[:1])
    commands = rest_of(changed, core, {"AAPL": 15_000})
    firm = [Kind.FIRM, Kind.LIMIT, Kind.LIMIT, Kind.LIMIT, Kind.LIMIT]
    expected = [*firm, Kind.BANDS, Kind.INSTRUMENT, Kind.ACCOUNT, Kind.SCHEDULE, Kind.SCHEDULE]
    assert kinds(commands) == expected and commands["side"][-2:].tolist() == [2, 1]
    send(core, commands)
    assert len(rest_of(changed, core, {"AAPL": 15_000})) == 0
    assert int(core.state.books[0].markets[1]["state"]) == TradingState.CONTINUOUS


def test_a_new_instrument_begins_in_its_state() -> None:
    """The state of a definition is that of a new instrument."""
    config = with_instrument(day_venue(), 0, initial_state="pre-open")
    core = first_start(config)
    states = core.state.books[0].markets["state"].tolist()
    assert states[:3] == [0, TradingState.PRE_OPEN, TradingState.CONTINUOUS]
