"""What the statements of a scenario mean: names become ids, decimals ticks and lots, a line a command.

A :class:`Translator` knows what a scenario has declared so far and which ClOrdID names which order. Commands are arrays
of ``layouts.COMMAND`` with one row; sequence, time and feedback stamp are left to the runner.

A price or quantity that is no whole number of ticks or lots is sent as gateways send it: truncated, with the flag that
tells so, and gets its rejection. What cannot be a price at all is a :class:`stages.scenario_text.ScenarioError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocols.codes import (
    E8,
    FLAG_STP_SHIFT,
    CommandFlag,
    Kind,
    OrdType,
    SelfTradeMode,
    Side,
    Tif,
)
from protocols.commands import make_commands
from protocols.text import pack_text, unpack_text
from protocols.trading_day import STATES
from stages.scenario_days import DayStatements, span_ns_of
from stages.scenario_risk import RiskStatements
from stages.scenario_text import ScenarioError, Words
from stages.scenario_units import WHOLE, Instrument, fits, name_of, one_of, parse_number, whole

__all__ = ["Translator"]

LARGEST_GROUP: Final = (1 << 31) - 1
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
TIFS: Final = {tif.name.lower(): tif for tif in Tif if tif not in (Tif.OPEN, Tif.CLOSE)} | {
    "at-open": Tif.OPEN,
    "at-close": Tif.CLOSE,
}
MODES: Final = {
    "cancel-newest": SelfTradeMode.NEWEST,
    "cancel-oldest": SelfTradeMode.OLDEST,
    "cancel-both": SelfTradeMode.BOTH,
    "decrement": SelfTradeMode.DECREMENT,
}
SWITCHES: Final = {
    "post-only": CommandFlag.POST_ONLY,
    "reprice": CommandFlag.POST_REPRICE,
    "book-only": CommandFlag.BOOK_ONLY,
}
MARKET_DATA: Final = {"on": int(CommandFlag.MARKET_DATA), "off": 0}
REQUESTS: Final = ("cancel", "reduce", "replace", "status", "mass-cancel")
ALL_SESSIONS: Final = "all"


class Translator(DayStatements, RiskStatements):
    """What a scenario has declared, and how its lines become commands."""

    def __init__(self) -> None:
        DayStatements.__init__(self)
        RiskStatements.__init__(self)
        self.instruments: dict[str, Instrument] = {}
        self.sessions: dict[str, int] = {}
        self.orders: dict[str, tuple[int, Instrument]] = {}  # by ClOrdID: order id and what it trades
        self._declarations: dict[str, Callable[[Words], list[Any]]] = {
            "instrument": self._instrument,
            "account": self.read_account,
            "firm": self.read_firm,
            "session": self._session,
            "limit": self.read_limit,
            "kill": self.read_kill,
            "release": self.read_release,
            "permit": self.read_permit,
            "collar": self.read_collar,
            "fees": self.read_fees,
            "deposit": self.read_deposit,
            "withdraw": self.read_withdraw,
            "day": self.read_day,
            "disconnect": self._disconnect,
            "state": self.read_state,
            "schedule": self.read_schedule,
            "bands": self.read_bands,
            "tick-table": self.read_tick_table,
        }

    def is_declaration(self, text: str) -> bool:
        """Tell whether a statement sets the scene: it must be accepted unless something else is expected."""
        first = text.split()[0]
        return first in self._declarations and first != "disconnect"

    def commands(self, text: str, next_seq: int, now_ns: int) -> list[Any]:
        """Return the commands of a statement, the first of which will be ``next_seq``."""
        words = Words(text)
        first = words.peek()
        self.now_ns = now_ns
        if first in self._declarations:
            words.take("statement")
            built = self._declarations[first](words)
        elif first == "wait":
            built = [make_commands(Kind.TICK)]
            words.rest()
        else:
            built = [self._of_session(words, next_seq, now_ns)]
        words.end()
        return built

    # Declarations

    def _instrument(self, words: Words) -> list[Any]:
        """Read: instrument SYMBOL and then options, each a word and a value: tick, lot, low, high, ...

        Those that are not given stay as they were.
        """
        symbol = name_of("instrument", words.take("instrument"), 16)
        known = self.instruments.get(symbol)
        fields: dict[str, Any] = dict(known.fields) if known else {
            "instrument": len(self.instruments) + 1, "price_ticks": E8 // 100, "qty_lots": E8, "aux0": 1,
            "orig2": pack_text("USD")[0],
        }  # fmt: skip
        given = [(word, words.take(word)) for word in words]
        readers: dict[str, Any] = {
            "tick": ("price_ticks", parse_number),
            "lot": ("qty_lots", parse_number),
            "value": ("aux0", whole),
            "currency": ("orig2", lambda name, value: pack_text(name_of(name, value, 3))[0]),
            "group": ("account", lambda _, value: self.group(value)),
            "table": ("orig1", lambda _, value: self.table(value)),
            "state": ("ord_type", lambda name, value: one_of(name, value, STATES)),
            "market-data": ("flags", lambda name, value: one_of(name, value, MARKET_DATA)),
        }
        for option, value in given:
            if option in readers:
                name, read = readers[option]
                fields[name] = fits(option, value, read(option, value))
        for option in ("price_ticks", "qty_lots"):
            if fields[option] <= 0:
                name = "tick" if option == "price_ticks" else "lot"
                raise ScenarioError(f"{name}: expected more than 0, was {fields[option] / E8:g}")
        made = Instrument(fields["instrument"], symbol, fields)
        places = {"low": "order_id", "high": "aux1", "protection": "orig0"}
        for option, value in given:
            if option in places:
                fields[places[option]] = made.whole_ticks(option, value)
            elif option not in readers:
                raise ScenarioError(f"expected one of {', '.join([*readers, *places])}, was {option!r}")
        self.instruments[symbol] = made
        return [make_commands(Kind.INSTRUMENT, cl=symbol, **fields)]

    def _session(self, words: Words) -> list[Any]:
        """Read: session NAME... [cancel-on-disconnect]."""
        names = [words.take("session")]
        while words.peek() and words.peek() != "cancel-on-disconnect":
            names.append(words.take("session"))
        flags = int(CommandFlag.CANCEL_ON_CLOSE) if words.skip("cancel-on-disconnect") else 0
        for name in names:
            if name == ALL_SESSIONS or name in self._declarations or name in REQUESTS:
                raise ScenarioError(f"session: expected a name that is no word of the format, was {name!r}")
            self.sessions.setdefault(name_of("session", name), len(self.sessions) + 1)
        return [make_commands(Kind.SESSION_OPEN, cl=name, flags=flags) for name in names]

    def _disconnect(self, words: Words) -> list[Any]:
        """Read: disconnect SESSION."""
        name = words.take("session")
        session = self._known("session", name, self.sessions)
        return [make_commands(Kind.SESSION_CLOSE, cl=name, session=session)]

    def _known(self, name: str, text: str, known: dict[str, Any]) -> Any:
        if text not in known:
            listed = ", ".join(known) or "none"
            raise ScenarioError(f"{name}: expected one that is declared ({listed}), was {text!r}")
        return known[text]

    # Orders and requests

    def _of_session(self, words: Words, next_seq: int, now_ns: int) -> Any:
        """Read what a session sends; its name may be left out where there is one only."""
        first = words.peek()
        if first == ALL_SESSIONS and words.peek(1) == "mass-cancel":
            words.take("session")
            session = 0
        elif first in self.sessions:
            session = self.sessions[words.take("session")]
        elif (first in self.accounts or first in REQUESTS) and len(self.sessions) == 1:
            session = 1
        else:
            known = ", ".join([*self._declarations, "wait", "book", "stops", "waiting", *self.sessions])
            raise ScenarioError(f"statement: expected one of {known}, was {first!r}")
        verb = words.peek()
        if verb in REQUESTS:
            words.take("request")
            return getattr(self, f"_{verb.replace('-', '_')}")(words, session)
        return self._new(words, session, next_seq, now_ns)

    def _new(self, words: Words, session: int, next_seq: int, now_ns: int) -> Any:
        """Read: ACCOUNT buy|sell QTY SYMBOL [@ PRICE | market] [as ID] [terms]."""
        account = self._known("account", words.take("account"), self.accounts)
        side = one_of("side", words.take("side"), SIDES)
        qty = words.take("quantity")
        instrument = self._known("instrument", words.take("instrument"), self.instruments)
        lots, flags = instrument.lots("quantity", qty)
        fields: dict[str, Any] = {"qty_lots": lots, "tif": Tif.GTC}
        seen: set[str] = set()
        cl = ""
        for word in words:
            if word in TIFS:
                fields["tif"] = TIFS[word]
                if word == "gtd":
                    text = words.take("gtd")
                    if not text.startswith("+"):
                        raise ScenarioError(f"gtd: expected a span such as +5s, was {text!r}")
                    fields["aux1"] = now_ns + span_ns_of("gtd", text[1:])
            elif word in SWITCHES:
                flags |= SWITCHES[word]
            elif word == "as":
                cl = name_of("as", words.take("as"))
            elif word == "@":
                fields["price_ticks"], off = instrument.ticks("price", words.take("price"))
                flags |= off
            elif word in ("stop", "trail"):
                fields["aux0"], off = instrument.ticks(word, words.take(word))
                flags |= off
            elif word == "display":
                fields["order_id"] = instrument.whole_lots(word, words.take(word))
            elif word == "min":
                fields["orig0"] = instrument.whole_lots(word, words.take(word))
            elif word == "group":
                fields["orig2"] = whole(word, words.take(word), LARGEST_GROUP)
                flags |= one_of(word, words.take("self-trade mode"), MODES) << FLAG_STP_SHIFT
            elif word == "against":
                fields["order_id"] = self._order_id(words.take(word))
            elif word != "market":
                raise ScenarioError(
                    "expected one of @, market, as, stop, trail, display, min, group, against, "
                    f"{', '.join([*TIFS, *SWITCHES])}, was {word!r}"
                )
            key = "tif" if word in TIFS else word
            if key in seen:
                raise ScenarioError(f"{key}: expected once in a line, was there twice")
            seen.add(key)
        if cl:
            self.orders.setdefault(cl, (next_seq, instrument))
        return make_commands(
            Kind.NEW, cl=cl, session=session, account=account, instrument=instrument.identity, side=side,
            ord_type=_order_type(seen), flags=flags, **fields,
        )  # fmt: skip

    def _order_id(self, text: str) -> int:
        """Return the id of an order that is named by a ClOrdID, or an id that is written as #17."""
        if text.startswith("#") and WHOLE.fullmatch(text[1:]):
            return whole("order", text[1:])
        return int(self._known("order", text.removeprefix("#"), self.orders)[0])

    def _target(self, words: Words) -> tuple[dict[str, Any], Instrument]:
        """Read which order is meant: A1 by its ClOrdID, #A1 by its order id, #17 by that id."""
        text = words.take("order")
        by_id = text.startswith("#")
        known = self.orders.get(text.removeprefix("#"))
        instrument = known[1] if known else next(iter(self.instruments.values()), None)
        if instrument is None:
            raise ScenarioError("order: expected an instrument to be declared before, was none")
        return ({"order_id": self._order_id(text)} if by_id else {"orig": name_of("order", text)}), instrument

    def _request(self, kind: Kind, words: Words, session: int, fields: dict[str, Any]) -> Any:
        """Read what any request may end with: [as ID] and a side, account, instrument that must be the order's."""
        cl = ""
        for word in words:
            if word == "as":
                cl = name_of("as", words.take("as"))
            elif word == "side":
                fields["side"] = one_of("side", words.take("side"), SIDES)
            elif word == "account":
                fields["account"] = self._known("account", words.take("account"), self.accounts)
            elif word == "instrument":
                symbol = words.take("instrument")
                fields["instrument"] = self._known("instrument", symbol, self.instruments).identity
            else:
                raise ScenarioError(f"expected one of as, side, account, instrument, was {word!r}")
        return make_commands(kind, cl=cl, session=session, **fields)

    def _cancel(self, words: Words, session: int) -> Any:
        """Read: cancel ORDER."""
        return self._request(Kind.CANCEL, words, session, self._target(words)[0])

    def _status(self, words: Words, session: int) -> Any:
        """Read: status ORDER."""
        return self._request(Kind.STATUS, words, session, self._target(words)[0])

    def _reduce(self, words: Words, session: int) -> Any:
        """Read: reduce ORDER by QTY."""
        fields, instrument = self._target(words)
        words.expect("by")
        fields["qty_lots"], fields["flags"] = instrument.lots("quantity", words.take("quantity"))
        return self._request(Kind.REDUCE, words, session, fields)

    def _replace(self, words: Words, session: int) -> Any:
        """Read: replace ORDER with QTY [@ PRICE] [stop PRICE] [trail DISTANCE]."""
        fields, instrument = self._target(words)
        words.expect("with")
        fields["qty_lots"], flags = instrument.lots("quantity", words.take("quantity"))
        for word, name in (("@", "price_ticks"), ("stop", "aux0"), ("trail", "aux0")):
            if words.skip(word):
                fields[name], off = instrument.ticks("price" if word == "@" else word, words.take(word))
                flags |= off
        fields["flags"] = flags
        replaced = self.orders.get(str(fields.get("orig", "")))
        command = self._request(Kind.REPLACE, words, session, fields)
        self._note_replace(command, replaced)
        return command

    def _note_replace(self, command: Any, replaced: tuple[int, Instrument] | None) -> None:
        """Let the new ClOrdID name the order, too."""
        cl = unpack_text(int(command["cl0"][0]), int(command["cl1"][0]), int(command["cl2"][0]))
        if replaced and cl:
            self.orders.setdefault(cl, replaced)

    def _mass_cancel(self, words: Words, session: int) -> Any:
        """Read: mass-cancel [firm N] [account NAME] [instrument SYMBOL] [side buy|sell]."""
        firm = whole("firm", words.take("firm")) if words.skip("firm") else 0
        return self._request(Kind.MASS_CANCEL, words, session, {"aux0": firm})


def _order_type(words: set[str]) -> OrdType:
    """Return the order type that the words of a line make."""
    rows: tuple[tuple[set[str], set[str], OrdType], ...] = (
        ({"against"}, {"@"}, OrdType.DIRECTED),
        ({"trail"}, set(), OrdType.TRAILING_STOP),
        ({"stop", "@"}, set(), OrdType.STOP_LIMIT),
        ({"stop"}, set(), OrdType.STOP),
        ({"market"}, set(), OrdType.MARKET),
        ({"@"}, set(), OrdType.LIMIT),
    )
    types = {"@", "market", "stop", "trail", "against"} & words
    for needed, more, ord_type in rows:
        if needed <= types <= needed | more:
            return ord_type
    raise ScenarioError(
        "expected @ PRICE, market, stop PRICE, @ PRICE stop PRICE, trail DISTANCE, or @ PRICE against ORDER, was "
        + (" and ".join(sorted(types)) or "none of them")
    )
