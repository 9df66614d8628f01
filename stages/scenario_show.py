"""Outcomes as lines and books as tables: what scenarios expect, and how what was is held against it.

A line names an outcome's type, its ClOrdID (``-`` for none) and then fields in any order::

    filled A1 40 @ 10.00 leaves 60 cum 40 taker trade 1 was A0 side buy account ALICE instrument ACME session S1

A word in capitals is the reason; ``repriced``, ``unsolicited`` and ``by-risk`` are flags. An expected line matches when
each field that it names is as it was. Numbers are compared as numbers: 10 is 10.00.

Outcomes of an instrument have its symbol in the place of a ClOrdID, those of its book the order's::

    state-changed ACME to continuous from opening-auction
    uncrossed ACME 40 @ 10.00 surplus 20 side buy
    book-add A1 40 @ 10.00 leaves 40 level 60 orders 2 seq 7 top
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from protocols.codes import LIMIT_COUNT, BookAction, BookFlag, Kind, OutcomeFlag, OutcomeType, Reason, Side
from protocols.directory import decimal_text, parse_e8
from protocols.risk_terms import key_of
from protocols.text import unpack_text
from protocols.trading_day import STATES, state_word
from stages.scenario_commands import Translator
from stages.scenario_text import UNKNOWN, ScenarioError, Words
from stages.scenario_units import LARGEST, Instrument, one_of, parse_number

__all__ = ["Told", "align", "draw_table", "parse_expected", "same_table", "tell"]

Told = dict[str, str]  # field: value; flags have the value of their name

TYPES: Final = {kind.name.lower().replace("_", "-"): kind for kind in OutcomeType if kind != OutcomeType.BOOK}
TELLING: Final = (Kind.LIMIT, Kind.KILL, Kind.PERMIT, Kind.TRANSFER, Kind.DAY_BEGIN)  # answers with amounts
OF_FIRM: Final = 32  # more than the code of a limit, where a warning is about that of a firm
OF_INSTRUMENT: Final = (OutcomeType.STATE_CHANGED, OutcomeType.UNCROSSED, OutcomeType.INDICATION)
NUMBERS: Final = ("qty", "price", "leaves", "cum", "trade", "surplus", "level", "orders", "seq")
NAMED: Final = (
    "to", "from", "limit", "leaves", "cum", "surplus", "level", "orders", "trade", "seq", "was", "side", "account",
    "instrument", "session",
)  # fmt: skip
FLAGS: Final = {
    "taker": OutcomeFlag.TAKER,
    "maker": OutcomeFlag.MAKER,
    "repriced": OutcomeFlag.REPRICED,
    "unsolicited": OutcomeFlag.UNSOLICITED,
    "by-risk": OutcomeFlag.RISK,
    "auction": OutcomeFlag.AUCTION,
}
BOOK_FLAGS: Final = {flag.name.lower(): flag for flag in BookFlag if flag.name}
ACTIONS: Final = {f"book-{action.name.lower()}": action for action in BookAction}
ALL_FLAGS: Final = (*FLAGS, *BOOK_FLAGS)
REASONS: Final = {reason.name for reason in Reason}
# What a line shows of an outcome when nobody has said what to show.
SHOWN: Final = {
    "accepted": ("qty", "price", "repriced", "limit", "reason"),
    "rejected": ("reason", "by-risk"),
    "filled": ("qty", "price", "leaves", "taker", "maker", "auction"),
    "cancelled": ("qty", "was", "reason"),
    "replaced": ("qty", "price", "leaves", "was", "limit", "reason"),
    "expired": ("qty", "reason"),
    "triggered": ("qty",),
    "status": ("qty", "price", "leaves", "cum", "was"),
    "mass-cancelled": ("qty",),
    "state-changed": ("to", "from"),
    "uncrossed": ("qty", "price", "surplus", "side"),
    "indication": ("qty", "price", "surplus", "side"),
} | dict.fromkeys(ACTIONS, ("qty", "price", "leaves", "level", "orders", "top", "hidden"))
MARKET: Final = "market"  # in the place of a price
MARKET_LEVELS: Final = (LARGEST, 0)
PRICED_SIDES: Final = (1, 5)  # where those are the levels of market orders: not where stop orders stand
HEADER: Final = ("buy", "price", "sell")
EMPTY: Final = ("empty",)


def tell(outcome: Any, names: Translator, orders: Mapping[int, str]) -> Told:
    """Return all fields of an outcome as texts; what it does not have is missing. ``orders`` has names by id."""
    by_id = {each.identity: each for each in names.instruments.values()}
    instrument = by_id.get(int(outcome["instrument"]))
    kind, flags = OutcomeType(int(outcome["type"])), int(outcome["flags"])
    if kind in OF_INSTRUMENT and instrument:
        return _tell_of_instrument(outcome, kind, instrument)
    if kind == OutcomeType.BOOK and instrument:
        return _tell_of_book(outcome, instrument, orders)
    told: Told = {
        "type": kind.name.lower().replace("_", "-"),
        "name": _text(outcome, "cl") or "-",
        "leaves": _lots(instrument, int(outcome["leaves_lots"])),
        "cum": _lots(instrument, int(outcome["cum_lots"])),
        "reason": Reason(int(outcome["reason"])).name if outcome["reason"] else "",
        "was": _text(outcome, "orig"),
        "trade": str(outcome["trade_index"]) if outcome["trade_index"] else "",
        "side": Side(int(outcome["side"])).name.lower() if outcome["side"] in (1, 2) else "",
        "account": _named(names.accounts, int(outcome["account"])),
        "instrument": instrument.symbol if instrument else "",
        "session": _named(names.sessions, int(outcome["session"])),
    }
    if int(outcome["kind"]) in TELLING and kind == OutcomeType.ACCEPTED:
        told["qty"], told["leaves"] = str(outcome["qty_lots"]), str(outcome["leaves_lots"])
    elif int(outcome["reason"]) == Reason.LIMIT_WARNING:
        told["qty"] = _lots(instrument, int(outcome["qty_lots"]))
        told["trade"], told["limit"] = "", _limit(int(outcome["trade_index"]))
    elif kind == OutcomeType.MASS_CANCELLED:
        told["qty"] = str(outcome["qty_lots"])
    elif int(outcome["kind"]) < Kind.SESSION_OPEN or int(outcome["order_id"]):
        told["qty"] = _lots(instrument, int(outcome["qty_lots"]))
    if outcome["price_ticks"] and instrument:
        told["price"] = decimal_text(int(outcome["price_ticks"]), instrument.tick_e8)
    for name, flag in FLAGS.items():
        told[name] = name if flags & flag else ""
    return {name: value for name, value in told.items() if value}


def _limit(code: int) -> str:
    """Return the limit that a warning is about; of a firm's with that word before it."""
    name = key_of(code % OF_FIRM).replace("_", "-") if 0 < code % OF_FIRM < LIMIT_COUNT else str(code)
    return f"firm-{name}" if code > OF_FIRM else name


def _tell_of_instrument(outcome: Any, kind: OutcomeType, instrument: Instrument) -> Told:
    """Return what everybody is told of an instrument."""
    told: Told = {"type": kind.name.lower().replace("_", "-"), "name": instrument.symbol}
    if kind == OutcomeType.STATE_CHANGED:
        told["to"], told["from"] = state_word(outcome["qty_lots"]), state_word(outcome["leaves_lots"])
    else:
        told["qty"] = _lots(instrument, int(outcome["qty_lots"]))
        told["surplus"] = _lots(instrument, int(outcome["leaves_lots"]))
        if outcome["price_ticks"]:
            told["price"] = decimal_text(int(outcome["price_ticks"]), instrument.tick_e8)
        if outcome["side"]:
            told["side"] = Side(int(outcome["side"])).name.lower()
    if outcome["orig0"]:
        told["seq"] = str(outcome["orig0"])
    return told


def _tell_of_book(outcome: Any, instrument: Instrument, orders: Mapping[int, str]) -> Told:
    """Return what everybody is told of a change of a book."""
    told: Told = {
        "type": f"book-{BookAction(int(outcome['reason'])).name.lower()}",
        "name": orders.get(int(outcome["order_id"]), f"#{outcome['order_id']}"),
        "qty": _lots(instrument, int(outcome["qty_lots"])),
        "leaves": _lots(instrument, int(outcome["leaves_lots"])),
        "level": _lots(instrument, int(outcome["cum_lots"])),
        "orders": str(outcome["account"]),
        "seq": str(outcome["orig0"]),
        "trade": str(outcome["trade_index"]) if outcome["trade_index"] else "",
        "side": Side(int(outcome["side"])).name.lower(),
        "instrument": instrument.symbol,
    }
    if int(outcome["price_ticks"]) not in MARKET_LEVELS:
        told["price"] = decimal_text(int(outcome["price_ticks"]), instrument.tick_e8)
    for name, flag in BOOK_FLAGS.items():
        told[name] = name if int(outcome["flags"]) & flag else ""
    return {name: value for name, value in told.items() if value}


def _text(outcome: Any, name: str) -> str:
    return unpack_text(int(outcome[f"{name}0"]), int(outcome[f"{name}1"]), int(outcome[f"{name}2"]))


def _lots(instrument: Instrument | None, lots: int) -> str:
    return decimal_text(lots, instrument.lot_e8) if instrument else str(lots)


def _named(known: Mapping[str, int], identity: int) -> str:
    return next((name for name, each in known.items() if each == identity), "")


def line_of(told: Told, fields: Sequence[str] | None = None) -> str:
    """Return an outcome as a line, with these fields or those that its type shows."""
    shown = set(SHOWN[told["type"]] if fields is None else fields)
    words = [told["type"], told["name"]]
    if "qty" in shown and "qty" in told:
        words.append(told["qty"])
    if "price" in shown and "price" in told:
        words += ["@", told["price"]]
    for name in NAMED:
        if name in shown and name in told:
            words += [name, told[name]]
    words += [name for name in ALL_FLAGS if name in shown and name in told]
    if "reason" in shown and "reason" in told:
        words.append(told["reason"])
    return " ".join(words)


def parse_expected(text: str) -> Told:
    """Return the fields that an expected line names; ``?`` names none and matches nothing."""
    words = Words(text)
    kind = words.take("outcome")
    if kind == UNKNOWN:
        words.end()
        return {"type": UNKNOWN}
    if kind not in TYPES and kind not in ACTIONS:
        known = ", ".join([*TYPES, *ACTIONS, "nothing", UNKNOWN])
        raise ScenarioError(f"outcome: expected one of {known}, was {kind!r}")
    told: Told = {"type": kind, "name": words.take("ClOrdID")}
    for word in words:
        if word in NAMED:
            value = words.take(word)
            if word in ("to", "from"):
                one_of(word, value, STATES)
            told[word] = _number(word, value) if word in NUMBERS else value
        elif word == "@":
            told["price"] = _number("price", words.take("price"))
        elif word in ALL_FLAGS:
            told[word] = word
        elif word in REASONS:
            told["reason"] = word
        elif word.isupper():
            raise ScenarioError(f"reason: expected one of protocols/codes.py, was {word!r}")
        elif "qty" not in told and word.lstrip("-")[:1].isdigit():
            told["qty"] = _number("quantity", word)
        else:
            raise ScenarioError(
                f"expected a quantity, @, {', '.join([*NAMED, *ALL_FLAGS])} or a reason, was {word!r}"
            )
    return told


def _number(name: str, text: str) -> str:
    parse_number(name, text)
    return text


def matches(expected: Told, told: Told) -> bool:
    """Tell whether each field that is expected is as it was."""
    for name, value in expected.items():
        was = told.get(name, "")
        if name in NUMBERS:
            if not was or parse_e8(value) != parse_e8(was):
                return False
        elif value != was:
            return False
    return True


def align(expected: Sequence[Told], told: Sequence[Told]) -> list[tuple[int, int]]:
    """Return which expected line is which outcome, as many as match in order; -1 for those without one."""
    rows, columns = len(expected), len(told)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in reversed(range(rows)):
        for column in reversed(range(columns)):
            if matches(expected[row], told[column]):
                best[row][column] = 1 + best[row + 1][column + 1]
            else:
                best[row][column] = max(best[row + 1][column], best[row][column + 1])
    pairs, row, column = [], 0, 0
    while row < rows or column < columns:
        if row < rows and column < columns and matches(expected[row], told[column]):
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif row < rows and (column == columns or best[row + 1][column] >= best[row][column + 1]):
            pairs.append((row, -1))
            row += 1
        else:
            pairs.append((-1, column))
            column += 1
    return pairs


# Books


def draw_table(
    levels: Mapping[int, Any], names: Mapping[int, str], instrument: Instrument, sides: tuple[int, int]
) -> list[str]:
    """Return the rows of a book, highest price first: name:shown+hidden, of a stop order its limit behind it."""
    rows: dict[int, list[list[str]]] = {}
    for column, side in enumerate(sides):
        for price, orders in levels.get(side, []):
            for order_id, leaves, _cum, _account, _session, shown, limit in orders:
                text = f"{names.get(order_id, f'#{order_id}')}:{_lots(instrument, shown)}"
                if shown != leaves:
                    text += f"+{_lots(instrument, leaves - shown)}"
                if limit:
                    text += f"@{decimal_text(limit, instrument.tick_e8)}"
                rows.setdefault(price, [[], []])[column].append(text)
    if not rows:
        return ["| empty |"]
    has_markets = sides[0] in PRICED_SIDES
    cells = [HEADER]
    for price, (buys, sells) in sorted(rows.items(), reverse=True):
        is_market = has_markets and price in MARKET_LEVELS
        text = MARKET if is_market else decimal_text(price, instrument.tick_e8)
        cells.append((" ".join(buys), text, " ".join(sells)))
    wide = [max(len(row[column]) for row in cells) for column in range(3)]
    return [f"| {b:>{wide[0]}} | {p:>{wide[1]}} | {s:<{wide[2]}} |" for b, p, s in cells]


def same_table(expected: Sequence[str], drawn: Sequence[str]) -> bool:
    """Tell whether two tables say the same; spaces and the row of titles do not count."""
    return _cells(expected) == _cells(drawn)


def _cells(rows: Sequence[str]) -> list[tuple[str, ...]]:
    cells = [
        tuple(" ".join(cell.split()) for cell in row.strip().removeprefix("|").removesuffix("|").split("|"))
        for row in rows
    ]
    return [row for row in cells if row != HEADER]
