"""What ``limits show`` shows, files of limits, and the file of references: names, rows, what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocols.codes import Access, Limit, Permit
from protocols.risk_commands import permit, permit_session, set_limits, set_warnings
from stages.config import AccountInstrument, ConfigError, Firm, example_toml
from stages.configured import CONFIGURED, read_references, write_references
from stages.definitions import directory_of
from stages.limit_rows import Holder
from stages.limits_file import parse_holder, read_limits
from stages.limits_show import limits_shown
from stages.permissions_view import permissions_of
from tests.stages.risk_venues import NOW_NS, Venue, account, venue

pytestmark = pytest.mark.jitoff


def small() -> Venue:
    """Return a venue with a firm, two accounts and two instruments, one of which narrows one account."""
    rows = (AccountInstrument(symbol="MSFT", max_long=7),)
    firm = Firm(id=2, name="ALPHA", currency="USD", credit="10")
    return Venue(venue(account(firm=2, instruments=rows), account("ACC2"), firms=(firm,)))


def shown(made: Venue, *named: Any) -> list[tuple[str, str, str]]:
    """Return holder, key and value of the limits that are shown."""
    risk = made.core.state.risk
    return [(row.holder, row.key, row.text) for row in limits_shown(risk, directory_of(risk), NOW_NS, *named)]


def test_everybody_is_shown() -> None:
    """Firms, instruments and positions where they have limits, accounts with all of theirs."""
    made = small()
    made.send(set_limits(Limit.MAX_ORDER_QTY, 5, instrument=1))
    rows = shown(made)
    assert [row[0] for row in rows] == (
        ["firm:2"] * 4 + ["instrument:AAPL"] + ["ACC1"] * 18 + ["ACC2"] * 18 + ["ACC1@MSFT"]
    )
    assert rows[0] == ("firm:2", "credit", "10.00") and rows[-1] == ("ACC1@MSFT", "max_long", "7")


def test_one_holder_is_shown() -> None:
    """An account with its positions, a firm, an instrument, an account in an instrument; a name that there is not."""
    made = small()
    assert {row[0] for row in shown(made, "ACC1")} == {"ACC1", "ACC1@MSFT"}
    assert [row[1] for row in shown(made, None, 2)] == [
        "credit",
        "gross_notional",
        "order_rate",
        "order_burst",
    ]
    assert shown(made, None, None, "MSFT") == [
        ("instrument:MSFT", "max_order_qty", "not set"), ("instrument:MSFT", "max_order_notional", "not set"),
    ]  # fmt: skip
    assert [row[1:] for row in shown(made, "ACC2", None, "MSFT")][3] == ("max_long", "not set")
    for named, said in (
        (("NOPE",), "ACCOUNT: expected one of ACC1, ACC2, was 'NOPE'"),
        ((None, 3), "--firm: expected one of 2, was 3"),
        ((None, None, "NOPE"), "--instrument: expected one of AAPL, MSFT, was 'NOPE'"),
    ):
        with pytest.raises(ValueError, match=said):
            shown(made, *named)


def test_permissions_that_differ_are_shown() -> None:
    """None at first; then each that was changed, by name."""
    made = small()
    risk = made.core.state.risk
    assert permissions_of(risk, directory_of(risk)) == []
    for command in (
        permit(Permit.ORDER_TYPES, 6, account=1), permit(Permit.TIFS, 0, account=1),
        permit(Permit.GROUPS, 5, account=2),
        permit(Permit.SHORT_SALES, 1, account=2), permit(Permit.SHORT_SALES, 0, instrument=1),
        permit(Permit.INSTRUMENT, Access.DENIED, account=1, instrument=1), permit_session("DESK", 1, account=2),
        permit_session("DESK", 0), permit_session("AWAY", 0),
    ):  # fmt: skip
        made.send(command)
    told = [(row.holder, row.what, row.value) for row in permissions_of(risk, directory_of(risk))]
    assert told == [
        ("ACC1", "order_types", "market limit"), ("ACC1", "tifs", "none"), ("ACC2", "groups", "0 2"),
        ("ACC2", "short_exempt", "true"), ("instrument:AAPL", "short_sales", "restricted"),
        ("ACC1@AAPL", "access", "denied"), ("session:DESK", "accounts", "ACC2"), ("session:AWAY", "accounts", "none"),
    ]  # fmt: skip


def test_thresholds_show_with_their_limit() -> None:
    """Percent, threshold and adjustment stand beside the limit."""
    made = small()
    made.send(set_warnings(Limit.MAX_LONG, 50, account=2))
    risk = made.core.state.risk
    [row] = [row for row in limits_shown(risk, directory_of(risk), NOW_NS, "ACC2") if row.key == "max_long"]
    assert (row.warn_percent, row.threshold, row.use, row.above, row.adjusted) == (50, 25, 0, False, True)


def test_holders_have_names() -> None:
    """An account goes first, whatever its name looks like."""
    ids = directory_of(small().core.state.risk)
    assert parse_holder("ACC1", ids) == Holder(account=1) and parse_holder("firm:77", ids) == Holder(firm=77)
    assert parse_holder("ACC2@MSFT", ids) == Holder(account=2, instrument=2)
    assert parse_holder("instrument:AAPL", ids) == Holder(instrument=1)
    for text in ("firm:0", "firm:x", f"firm:{1 << 31}", "instrument:NOPE", "ACC2@NOPE", "NOPE@AAPL", "", "@"):
        with pytest.raises(ValueError, match="expected"):
            parse_holder(text, ids)


def test_files_of_limits(tmp_path: Path) -> None:
    """A table says what it says and no more; a venue's file all; titles and names that lead nowhere are mistakes."""
    ids = directory_of(small().core.state.risk)
    path = tmp_path / "limits.csv"
    path.write_text("key,holder,warn,value\nmax_long,ACC1,80,\nmax_long,ACC2,,5\n")
    first, second = read_limits(path, ids)
    assert (first.holder, first.values, first.percents) == (Holder(account=1), {}, {Limit.MAX_LONG: 80})
    assert (second.values, second.percents) == ({Limit.MAX_LONG: 5}, {})
    for text in ("", "holder,value\n", "holder,key,limit\n", "holder,key,key\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="line 1: expected the titles holder,key,value,warn"):
            read_limits(path, ids)
    path.write_bytes(b"holder,key\n\xff")
    with pytest.raises(ConfigError, match="expected UTF-8, was another byte at offset 11"):
        read_limits(path, ids)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_limits(tmp_path / "none.csv", ids)
    example = tmp_path / "venue.toml"
    example.write_text(example_toml())
    with pytest.raises(ConfigError, match=r"instrument\[1\].symbol: expected an instrument of the venue"):
        read_limits(example, ids)


def test_references_are_kept(tmp_path: Path) -> None:
    """What was written is read; what is lost or torn is nothing; a directory that is gone is no error."""
    assert read_references(tmp_path) == {}
    write_references(tmp_path, {"AAPL": 15_000, "MSFT": 0})
    assert read_references(tmp_path) == {"AAPL": 15_000, "MSFT": 0}
    (tmp_path / CONFIGURED).write_text('{"collar_refer')
    assert read_references(tmp_path) == {}
    write_references(tmp_path / "gone", {})
