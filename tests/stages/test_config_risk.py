"""Configuration of risk controls: in units of the core; each mistake is named with file, key and value."""

from __future__ import annotations

import pytest

from protocols.codes import LIMIT_UNLIMITED, LIMIT_UNSET, Access, CollarUnit, Limit
from stages.config import ConfigError, decode_config, default_config, example_toml
from stages.config_risk import Collar, Fees

pytestmark = pytest.mark.jitoff


def changed(old: str, new: str) -> str:
    """Return the example with one place changed."""
    text = example_toml()
    assert old in text, old
    return text.replace(old, new, 1)


def error_of(text: str) -> str:
    """Return what is said about a text that must be refused."""
    with pytest.raises(ConfigError) as caught:
        decode_config(text, "venue.toml", cores={0, 1})
    return str(caught.value)


def test_units_of_the_core() -> None:
    """Limits in lots, millionths, nanoseconds; collars in millionths and ticks; rates in millionths; words as bits."""
    config = decode_config(example_toml(), cores={0, 1})
    aapl, eurusd = config.instruments
    first, second = config.accounts
    assert config.risk.day_begin_ns == 0 and default_config().risk.day_begin_ns is None
    assert [(firm.id, firm.name) for firm in config.all_firms] == [(1, "ALPHA")]
    assert dict(config.firms[0].limits)[Limit.ORDER_RATE] == 2000
    assert dict(first.limits)[Limit.DUPLICATE_WINDOW] == 10**9
    assert dict(first.percents) | {Limit.CREDIT: 0} == dict.fromkeys(
        (Limit.MAX_OPEN_ORDERS, Limit.MAX_SHORT, Limit.CREDIT, Limit.GROSS_NOTIONAL, Limit.MAX_LOSS), 0
    ) | {Limit.MAX_LONG: 90}
    assert first.permits(config.groups) == (2 | 4, 2 | 4 | 8, 1 | 2)
    assert second.permits(config.groups) == (0x1003E, 0xFE, -1)
    assert aapl.collar == Collar(CollarUnit.MILLIONTHS, 100_000, 50_000, 600 * 10**9)
    assert aapl.collar_reference_ticks == 15_000 and not eurusd.collar.is_on
    assert aapl.fees == Fees(-100, 500, 200, "ACC2") and eurusd.fees == Fees()
    assert dict(aapl.limits) == {Limit.MAX_ORDER_QTY: 50_000, Limit.MAX_ORDER_NOTIONAL: 10**13}
    assert set(dict(eurusd.limits).values()) == {LIMIT_UNSET}
    [row] = first.instruments
    assert row.access_code is Access.PERMITTED and dict(row.limits)[Limit.MAX_SHORT] == 2000
    ticks = decode_config(
        changed('static_collar = "10%"', 'static_collar = "15.00"').replace('"5%"', '"0.05"'), cores={0, 1}
    )
    assert ticks.instruments[0].collar[:3] == (CollarUnit.TICKS, 1500, 5)


def test_defaults_are_generous() -> None:
    """The venue without a file: six limits as ever, all others unlimited, no firm, collar or fee."""
    config = default_config()
    for account in config.accounts:
        assert {value for limit, value in account.limits if limit > Limit.CREDIT} == {LIMIT_UNLIMITED}
        assert account.permits(config.groups) == (0x1003E, 0xFE, -1) and not account.prefunded
    assert config.all_firms == config.sessions == ()
    assert not any(entry.collar.is_on or any(entry.fees.rates) for entry in config.instruments)


def test_unlimited_is_a_word_of_each_limit() -> None:
    """Also of those that must be given."""
    text = changed("max_long = 10000000 ", 'max_long = "unlimited" ')
    assert dict(decode_config(text, cores={0, 1}).accounts[0].limits)[Limit.MAX_LONG] == LIMIT_UNLIMITED


MISTAKES = [
    (
        'day_begin = "00:00:00"',
        'day_begin = "24:00"',
        "risk.day_begin: expected a time of day such as 09:00:00, was '24:00'",
    ),
    (
        "[[firm]]\nid = 1",
        "[[firm]]\nid = 0",
        "firm[0].id: expected 1 to capacity.max_accounts = 4096, was 0",
    ),
    (
        "[[firm]]\nid = 1",
        "[[firm]]\nid = 4097",
        "firm[0].id: expected 1 to capacity.max_accounts = 4096, was 4097",
    ),
    (
        "[[firm]]\nid = 1",
        '[[firm]]\nid = 1\nname = "X"\ncurrency = "USD"\n[[firm]]\nid = 1',
        "firm[1].id: expected one of its own, but firm[0] has it too, was 1",
    ),
    (
        'name = "ALPHA"',
        'name = "A|"',
        "firm[0].name: expected 1 to 16 visible ASCII characters other than |, was 'A|'",
    ),
    (
        'currency = "USD"                # that',
        'currency = "usd" #',
        "firm[0].currency: expected three capital letters, was 'usd'",
    ),
    (
        'currency = "USD"                # that',
        'currency = "EUR" #',
        "account[0].currency: expected EUR, the currency of its firm ALPHA, was 'USD'",
    ),
    (
        "warn = { credit = 80, gross",
        "warn = { credits = 80, gross",
        "firm[0].warn.credits: expected one of credit, gross_notional, was 80",
    ),
    (
        "warn = { credit = 80, max",
        "warn = { credit = 101, max",
        "account[0].warn.credit: expected 0 to 100 percent, was 101",
    ),
    (
        "order_rate = 1000 ",
        "order_rate = 1000000001 ",
        "account[0].order_rate: expected a whole number from 0 to 1000000000, or unlimited, was 1000000001",
    ),
    (
        'duplicate_window = "1s"',
        "duplicate_window = 1",
        "account[0].duplicate_window: expected a number with one of ns, us, ms, s, min, h, or "
        "unlimited, was 1",
    ),
    (
        "execution_count = 10000 ",
        "execution_count = 1048577 ",
        "account[0].execution_count: expected a whole number from 0 to 1048576, or unlimited, was 1048577",
    ),
    (
        'order_types = ["market", "limit"]',
        'order_types = ["markets"]',
        "account[0].order_types[0]: expected one of market, limit, stop, stop-limit, trailing-stop, "
        "directed, was 'markets'",
    ),
    (
        'tifs = ["gtc", "day", "ioc"]',
        'tifs = ["open"]',
        "account[0].tifs[0]: expected one of gtc, day, ioc, fok, gtd, at-open, at-close, was 'open'",
    ),
    (
        'groups = ["equities", "-"]',
        'groups = ["bonds"]',
        "account[0].groups[0]: expected the group of an instrument (equities, -), was 'bonds'",
    ),
    (
        'symbol = "EURUSD"\naccess',
        'symbol = "EUR"\naccess',
        "account[0].instrument[0].symbol: expected the symbol of an [[instrument]], was 'EUR'",
    ),
    (
        'access = "permitted"',
        'access = "free"',
        "account[0].instrument[0].access: expected one of by-group, permitted, denied, reducing, was 'free'",
    ),
    (
        "max_order_qty = 200",
        "max_order_qty = -1",
        "account[0].instrument[0].max_order_qty: expected a whole number from 0 to "
        "1152921504606846976, or unlimited, was -1",
    ),
    (
        "max_order_qty = 200",
        "credit = 1",
        "account[0].instrument[0].credit: expected one of symbol, access, max_order_qty, "
        "max_order_notional, max_open_orders, max_long, max_short, was 1",
    ),
    (
        'short_sales = "allowed"',
        'short_sales = "no"',
        "instrument[0].short_sales: expected one of allowed, restricted, was 'no'",
    ),
    (
        'static_collar = "10%"',
        'static_collar = "10.00"',
        "instrument[0].dynamic_collar: expected both collars in percent, or both as prices, was "
        "['10.00', '5%']",
    ),
    (
        'static_collar = "10%"',
        'static_collar = "100.01%"',
        "instrument[0].static_collar: expected more than 0% and at most 100%, was '100.01%'",
    ),
    (
        'dynamic_collar = "5%"',
        'dynamic_collar = "0%"',
        "instrument[0].dynamic_collar: expected more than 0% and at most 100%, was '0%'",
    ),
    (
        'collar_reference = "150.00"',
        'collar_reference = "150.005"',
        "instrument[0].collar_reference: expected a whole number of ticks of 0.01, was '150.005'",
    ),
    (
        'collar_age = "10min"',
        'collar_age = "10"',
        "instrument[0].collar_age: expected a number with one of ns, us, ms, s, min, h, was '10'",
    ),
    (
        'dynamic_collar = "5%"',
        "# ",
        "instrument[0].dynamic_collar: expected one with collar_age, was missing",
    ),
    (
        'maker_fee = "-0.01%"',
        'maker_fee = "-100.01%"',
        "instrument[0].maker_fee: expected -100% to 100%, was '-100.01%'",
    ),
    (
        'taker_fee = "0.05%"',
        'taker_fee = "0.00005%"',
        "instrument[0].taker_fee: expected a percentage of at most 4 decimals, such as 0.05%, was '0.00005%'",
    ),
    (
        'fee_account = "ACC2"',
        'fee_account = "NOPE"',
        "instrument[0].fee_account: expected the name of an [[account]], was 'NOPE'",
    ),
    (
        'fee_account = "ACC2"',
        "# ",
        "instrument[0].fee_account: expected an account that gets the fees, was missing",
    ),
    (
        'name = "ACC2"\ncurrency = "USD"',
        'name = "ACC2"\ncurrency = "EUR"',
        "instrument[0].fee_account: expected an account in USD, the currency of AAPL, was 'ACC2 in EUR'",
    ),
    (
        'name = "ACC2"\n',
        'name = "ACC2"\nprefunded = true\n',
        "instrument[0].fee_account: expected an account that is not pre-funded, was 'ACC2'",
    ),
    (
        'accounts = ["ACC1"]',
        'accounts = ["ACC3"]',
        "session[0].accounts[0]: expected the name of an [[account]], was 'ACC3'",
    ),
    (
        '[[session]]\nname = "DESK1"',
        '[[session]]\nname = "TWENTYONECHARACTERSXX"',
        "session[0].name: expected 1 to 20 visible ASCII characters other than |, was "
        "'TWENTYONECHARACTERSXX'",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "said"), MISTAKES, ids=[said.partition(": ")[0] for _, _, said in MISTAKES]
)
def test_mistakes_are_named(old: str, new: str, said: str) -> None:
    """Names that lead nowhere, words, bounds at the limit and one past it, what must go together."""
    assert error_of(changed(old, new)) == f"venue.toml: {said}"
