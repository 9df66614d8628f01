"""Limits as text: keys, units, bounds, words; what is written is read as the same number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.codes import LIMIT_UNLIMITED, LIMIT_UNSET, Limit, OrdType, Switch, Tif
from protocols.risk_terms import (
    ALL_TIFS,
    ALL_TYPES,
    LIMIT_TERMS,
    bits_of,
    key_of,
    keys_of,
    limit_text,
    money_text,
    parse_limit,
    parse_share,
    share_text,
    switch_text,
    term_of,
    warned_keys_of,
)
from tests.structure.tree import ROOT

pytestmark = pytest.mark.jitoff


def test_the_table_is_that_of_the_page() -> None:
    """docs/risk-controls.md has a row for each limit: code, unit, the most, who has it, who is warned."""
    rows = {}
    for line in (ROOT / "docs" / "risk-controls.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 9 and cells[0].isdigit() and cells[1] in Limit.__members__:
            rows[int(cells[0])] = cells
    assert sorted(rows) == [int(limit) for limit in Limit]
    mosts = {"2^60": 1 << 60, "2^20": 1 << 20, "10^9": 10**9}
    warned = {"": (), "account": ("account",), "both": ("account", "firm")}
    for code, (_, name, unit, most, account, firm, instrument, position, warns) in rows.items():
        term = term_of(code)
        holders = ("account", account), ("firm", firm), ("instrument", instrument), ("position", position)
        assert (term.limit.name, term.most) == (name, mosts[most])
        assert set(term.holders) == {holder for holder, has in holders if has}
        assert term.warned == warned[warns]
        assert (term.unit == "money", term.unit == "ns") == (unit == "money", unit == "ns")


@pytest.mark.parametrize("key", LIMIT_TERMS)
def test_values_are_read_up_to_the_most(key: str) -> None:
    """Zero, the most, the words; one more than the most, a minus, and half a lot are refused."""
    term = LIMIT_TERMS[key]
    unit = 10**6 if term.unit == "money" else 1
    assert parse_limit(key, "unlimited") == LIMIT_UNLIMITED
    assert parse_limit(key, "unset", may_be_unset=True) == LIMIT_UNSET
    if term.unit == "ns":
        assert parse_limit(key, "500ms") == 500_000_000
        with pytest.raises(
            ValueError, match="expected a number with one of ns, us, ms, s, min, h, or unlimited"
        ):
            parse_limit(key, "5")
        return
    assert (parse_limit(key, 0), parse_limit(key, str(term.most // unit))) == (0, term.most // unit * unit)
    for text in (str(term.most // unit + 1), "-1", "1.0000001", "many", "unset", ""):
        with pytest.raises(ValueError, match=f"from 0 to {term.most // unit}, or unlimited"):
            parse_limit(key, text)


@given(st.sampled_from(sorted(LIMIT_TERMS)), st.integers(0, 1 << 59))
def test_what_is_written_is_read_as_the_same(key: str, value: int) -> None:
    """A value as the configuration has it, and as a report shows it, is one number."""
    term = LIMIT_TERMS[key]
    value %= min(term.most, 10**17) + 1
    text = limit_text(term.limit, value)
    assert parse_limit(key, text, may_be_unset=True) == value
    assert (
        limit_text(term.limit, LIMIT_UNSET) == "not set"
        and limit_text(term.limit, LIMIT_UNLIMITED) == "unlimited"
    )


@given(st.integers(-(10**6), 10**6))
def test_shares_are_exact(millionths: int) -> None:
    """A percentage of at most four decimals is a whole number of millionths."""
    assert parse_share(share_text(millionths)) == millionths


@pytest.mark.parametrize("text", ["0.00005%", "5", "%", "5%%", "a%", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    """Five decimals, no sign, no number."""
    with pytest.raises(ValueError, match="expected a percentage of at most 4 decimals"):
        parse_share(text)


def test_money_has_two_decimals_or_more() -> None:
    """As many as there are, up to six; minus before the whole."""
    assert [money_text(n) for n in (0, 1, -1_500_000, 12_340_000, 1_234_567)] == [
        "0.00", "0.000001", "-1.50", "12.34", "1.234567",
    ]  # fmt: skip


def test_words_and_bits() -> None:
    """Keys by code and by holder; types and times in force as bits; groups from 63 on are one bit."""
    assert key_of(Limit.MAX_LONG) == "max_long" and len(keys_of("account")) == 18
    assert keys_of("firm") == ("credit", "gross_notional", "order_rate", "order_burst")
    assert keys_of("instrument") == ("max_order_qty", "max_order_notional")
    assert warned_keys_of("firm") == ("credit", "gross_notional")
    assert sum(1 << kind for kind in OrdType) == ALL_TYPES and sum(1 << tif for tif in Tif) == ALL_TIFS
    assert (bits_of([0, 2, 2]), bits_of([63]), bits_of([100, 0])) == (5, -(1 << 63), 1 - (1 << 63))
    assert (switch_text(0), switch_text(Switch.KILLED | Switch.THROTTLED)) == ("-", "killed throttled")
