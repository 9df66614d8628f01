"""Scenario statements about risk: accounts, firms, limits, switches, permissions, collars, fees, transfers, days.

Mixed into :class:`stages.scenario_commands.Translator`; docs/scenarios.md has the statements, docs/risk-controls.md
what they mean. Limits and switches are named as everywhere, with a dash between words. A firm that an account names
and that nobody has declared is declared by that, with limits that nobody reaches.
"""

from __future__ import annotations

from typing import Any, Final

from protocols.codes import (
    LIMIT_UNLIMITED,
    LIMIT_UNSET,
    MONEY_UNIT_PER_CURRENCY_UNIT,
    CollarUnit,
    KillLevel,
    Limit,
    Permit,
    Switch,
)
from protocols.directory import parse_e8
from protocols.risk_commands import (
    collar,
    day_begin,
    define_account,
    define_firm,
    deposit,
    fees,
    kill,
    permit,
    permit_session,
    release,
    set_limits,
    set_warnings,
    withdraw,
)
from protocols.risk_terms import (
    ACCESS_WORDS,
    ALL_GROUPS,
    ALL_TIFS,
    ALL_TYPES,
    KILL_LEVELS,
    LIMIT_TERMS,
    ORDER_TYPE_WORDS,
    SWITCH_WORDS,
    TIF_WORDS,
    UNLIMITED,
    UNSET,
    bits_of,
    keys_of,
    parse_share,
)
from stages.scenario_days import span_ns_of
from stages.scenario_text import ScenarioError, Words
from stages.scenario_units import Instrument, name_of, one_of, whole

__all__ = ["LIMITS", "RiskStatements"]

LARGEST_FIRM: Final = (1 << 31) - 1
E8_OF_A_MILLIONTH: Final = 100
LIMITS: Final = {key.replace("_", "-"): term.limit for key, term in LIMIT_TERMS.items()}
OF_FIRMS: Final = [LIMIT_TERMS[key].limit for key in keys_of("firm")]
VALUES: Final = {UNLIMITED: LIMIT_UNLIMITED, UNSET: LIMIT_UNSET}
SHORT_SALES: Final = {"allowed": 1, "restricted": 0}
EXEMPT: Final = {"exempt": 1, "not-exempt": 0}
YES_NO: Final = {"yes": 1, "no": 0}
ALL: Final = "all"


class RiskStatements:
    """What a scenario has named of accounts and firms, and the statements about risk controls."""

    instruments: dict[str, Instrument]
    sessions: dict[str, int]

    def __init__(self) -> None:
        self.accounts: dict[str, int] = {}
        self.firms: dict[int, str] = {}

    def group(self, name: str) -> int:
        """Return the number of a group."""
        raise AssertionError("the translator knows groups")

    def read_account(self, words: Words) -> list[Any]:
        """Read: account NAME... [currency CCY] [firm N] [prefunded] [without-limits]."""
        names = [words.take("account")]
        while words.peek() and words.peek() not in ("currency", "firm", "prefunded", "without-limits"):
            names.append(words.take("account"))
        currency = name_of("currency", words.take("currency"), 3) if words.skip("currency") else "USD"
        firm = whole("firm", words.take("firm"), LARGEST_FIRM) if words.skip("firm") else 0
        prefunded, bare = words.skip("prefunded"), words.skip("without-limits")
        built = self._firm(firm, f"FIRM{firm}", currency) if firm > 0 and firm not in self.firms else []
        for name in names:
            fresh = name not in self.accounts
            identity = self.accounts.setdefault(name_of("account", name, 16), len(self.accounts) + 1)
            built.append(define_account(identity, name, currency, firm=firm, prefunded=prefunded))
            if fresh and not bare:
                built += [set_limits(which, LIMIT_UNLIMITED, account=identity) for which in Limit]
        return built

    def read_firm(self, words: Words) -> list[Any]:
        """Read: firm N NAME [currency CCY] [without-limits]."""
        number = whole("firm", words.take("firm"), LARGEST_FIRM)
        name = name_of("firm", words.take("name"), 16)
        currency = name_of("currency", words.take("currency"), 3) if words.skip("currency") else "USD"
        return self._firm(number, name, currency, bare=words.skip("without-limits"))

    def _firm(self, number: int, name: str, currency: str, bare: bool = False) -> list[Any]:
        fresh = number not in self.firms
        self.firms[number] = name
        limits = [set_limits(which, LIMIT_UNLIMITED, firm=number) for which in OF_FIRMS]
        return [define_firm(number, name, currency), *(limits if fresh and not bare else [])]

    def read_limit(self, words: Words) -> list[Any]:
        """Read: limit HOLDER WHICH [VALUE] [warn PERCENT]; HOLDER is ACCOUNT [in SYMBOL], firm N, instrument SYMBOL."""
        holder = self._holder(words)
        which = one_of("limit", words.take("limit"), LIMITS)
        built = []
        if words.peek() and words.peek() != "warn":
            built.append(set_limits(which, _limit_value(which, words.take("value")), **holder))
        if words.skip("warn"):
            built.append(set_warnings(which, whole("warn", words.take("warn")), **holder))
        if not built:
            raise ScenarioError("limit: expected a value, or warn and a percentage, was neither")
        return built

    def _holder(self, words: Words) -> dict[str, Any]:
        if words.skip("firm"):
            return {"firm": whole("firm", words.take("firm"), LARGEST_FIRM)}
        if words.skip("instrument"):
            return {"instrument": self._instrument_named(words)}
        account = self._account_named(words)
        return {"account": account} | (
            {"instrument": self._instrument_named(words)} if words.skip("in") else {}
        )

    def read_kill(self, words: Words, make: Any = kill) -> list[Any]:
        """Read: kill [LEVEL] NAME [SWITCH]; venue has no name, an account needs no level."""
        word = words.peek()
        level = KILL_LEVELS[words.take("level")] if word in KILL_LEVELS else KillLevel.ACCOUNT
        whom: dict[str, Any] = {}
        if level is KillLevel.FIRM:
            whom = {"firm": whole("firm", words.take("firm"), LARGEST_FIRM)}
        elif level is KillLevel.ACCOUNT:
            whom = {"account": self._account_named(words)}
        elif level is KillLevel.SESSION:
            whom = {"session": name_of("session", words.take("session"))}
        elif level is KillLevel.INSTRUMENT:
            whom = {"instrument": self._instrument_named(words)}
        switch = (
            one_of("switch", words.take("switch"), SWITCH_WORDS)
            if words.peek() in SWITCH_WORDS
            else Switch.KILLED
        )
        return [make(int(level), switch=int(switch), **whom)]

    def read_release(self, words: Words) -> list[Any]:
        """Read: release [LEVEL] NAME [SWITCH]."""
        return self.read_kill(words, release)

    def read_permit(self, words: Words) -> list[Any]:
        """Read: permit ACCOUNT ..., permit instrument SYMBOL short-sales WORD, permit session NAME ...."""
        if words.skip("instrument"):
            instrument = self._instrument_named(words)
            words.expect("short-sales")
            value = one_of("short-sales", words.take("short-sales"), SHORT_SALES)
            return [permit(Permit.SHORT_SALES, value, instrument=instrument)]
        if words.skip("session"):
            return [self._permit_session(words)]
        account = self._account_named(words)
        if words.skip("in"):
            instrument = self._instrument_named(words)
            access = one_of("access", words.take("access"), ACCESS_WORDS)
            return [permit(Permit.INSTRUMENT, int(access), account=account, instrument=instrument)]
        if words.skip("short-sales"):
            value = one_of("short-sales", words.take("short-sales"), EXEMPT)
            return [permit(Permit.SHORT_SALES, value, account=account)]
        what, value = self._permitted(words)
        return [permit(what, value, account=account)]

    def _permitted(self, words: Words) -> tuple[Permit, int]:
        """Return what an account is permitted: types, tifs or groups, each a list of words, or all."""
        what = one_of(
            "permit",
            words.take("permit"),
            {"types": Permit.ORDER_TYPES, "tifs": Permit.TIFS, "groups": Permit.GROUPS},
        )
        named = list(words)
        if named == [ALL]:
            return what, {Permit.ORDER_TYPES: ALL_TYPES, Permit.TIFS: ALL_TIFS}.get(what, ALL_GROUPS)
        if what is Permit.GROUPS:
            return what, bits_of([self.group(word) for word in named])
        known: dict[str, Any] = dict(ORDER_TYPE_WORDS if what is Permit.ORDER_TYPES else TIF_WORDS)
        return what, bits_of([int(one_of("permit", word, known)) for word in named])

    def _permit_session(self, words: Words) -> Any:
        name = name_of("session", words.take("session"))
        if words.skip("for", ALL):
            return permit_session(name, 1)
        if words.skip("for", "granted"):
            return permit_session(name, 0)
        account = self._account_named(words)
        return permit_session(name, one_of("grant", words.take("grant"), YES_NO), account=account)

    def read_collar(self, words: Words) -> list[Any]:
        """Read: collar SYMBOL [static WIDTH] [dynamic WIDTH] [reference P] [age SPAN]; WIDTH is P, or a percentage."""
        instrument = one_of("instrument", words.take("instrument"), self.instruments)
        fields: dict[str, Any] = {}
        shares = []
        for word in words:
            text = words.take(word)
            if word == "age":
                fields["age_ns"] = span_ns_of("age", text)
            elif word == "reference":
                fields["reference"] = instrument.whole_ticks(word, text)
            elif word in ("static", "dynamic"):
                shares.append(text.endswith("%"))
                fields[word] = _share(word, text) if shares[-1] else instrument.whole_ticks(word, text)
            else:
                raise ScenarioError(f"expected one of static, dynamic, reference, age, was {word!r}")
        if len(set(shares)) > 1:
            raise ScenarioError("collar: expected both widths as prices, or both in percent")
        unit = CollarUnit.MILLIONTHS if any(shares) else CollarUnit.TICKS
        return [collar(instrument.identity, unit=int(unit), **fields)]

    def read_fees(self, words: Words) -> list[Any]:
        """Read: fees SYMBOL [maker R%] [taker R%] [auction R%] [to ACCOUNT]."""
        instrument = self._instrument_named(words)
        fields: dict[str, Any] = {}
        for word in words:
            if word == "to":
                fields["account"] = self._account_named(words)
            elif word in ("maker", "taker", "auction"):
                fields[word] = _share(word, words.take(word))
            else:
                raise ScenarioError(f"expected one of maker, taker, auction, to, was {word!r}")
        return [fees(instrument, **fields)]

    def read_deposit(self, words: Words, make: Any = deposit) -> list[Any]:
        """Read: deposit ACCOUNT AMOUNT [SYMBOL] [as REFERENCE]; money in the currency, or lots."""
        account, amount = self._account_named(words), words.take("amount")
        fields: dict[str, Any] = {}
        if words.peek() in self.instruments:
            instrument = self.instruments[words.take("instrument")]
            fields["instrument"], units = instrument.identity, instrument.whole_lots("amount", amount)
        else:
            units = _money("amount", amount)
        reference = name_of("as", words.take("as")) if words.skip("as") else ""
        return [make(account, units, reference, **fields)]

    def read_withdraw(self, words: Words) -> list[Any]:
        """Read: withdraw ACCOUNT AMOUNT [SYMBOL] [as REFERENCE]."""
        return self.read_deposit(words, withdraw)

    def read_day(self, words: Words) -> list[Any]:
        """Read: day."""
        return [day_begin()]

    def _account_named(self, words: Words) -> int:
        text = words.take("account")
        if text not in self.accounts:
            known = ", ".join(self.accounts) or "none"
            raise ScenarioError(f"account: expected one that is declared ({known}), was {text!r}")
        return self.accounts[text]

    def _instrument_named(self, words: Words) -> int:
        return int(one_of("instrument", words.take("instrument"), self.instruments).identity)


def _limit_value(which: Limit, text: str) -> int:
    """Return a limit: a whole number of lots, millionths or whatever it counts, a span, unlimited or unset."""
    if text in VALUES:
        return VALUES[text]
    if which in (Limit.DUPLICATE_WINDOW, Limit.EXECUTION_WINDOW) and not text.lstrip("-").isdecimal():
        return span_ns_of("value", text)
    return whole("value", text)


def _share(name: str, text: str) -> int:
    try:
        return parse_share(text)
    except ValueError as error:
        raise ScenarioError(f"{name}: {error}, was {text!r}") from error


def _money(name: str, text: str) -> int:
    """Return money in millionths."""
    try:
        units, rest = divmod(parse_e8(text), E8_OF_A_MILLIONTH)
    except ValueError as error:
        raise ScenarioError(f"{name}: {error}") from error
    if rest:
        raise ScenarioError(f"{name}: expected at most 6 decimals, was {text!r}")
    return units


assert E8_OF_A_MILLIONTH * MONEY_UNIT_PER_CURRENCY_UNIT == 10**8
