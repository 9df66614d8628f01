"""Commands and outcomes as plain dataclasses: what the twin reads and writes.

The fields are those of ``protocols.layouts``, one by one, as Python ints; a text (ClOrdID, name) is the tuple
of its three ints and can be given as a ``str``. Only :func:`to_array` and :func:`from_row` know NumPy: they
translate for the compiled core. ``sent_ns`` is a measuring stamp and takes no part in equality.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from protocols.codes import Kind, OutcomeFlag, OutcomeType, Reason
from protocols.layouts import COMMAND
from protocols.text import pack_text, unpack_text

Text = tuple[int, int, int]
NO_TEXT: Text = (0, 0, 0)


@dataclass(slots=True)
class Command:
    """One command, with the fields of ``layouts.COMMAND``."""

    seq: int = 0
    time_ns: int = 0
    seen_seq: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    order_id: int = 0
    account: int = 0
    instrument: int = 0
    session: int = 0
    kind: int = 0
    side: int = 0
    ord_type: int = 0
    tif: int = 0
    flags: int = 0
    cl0: int = 0
    cl1: int = 0
    cl2: int = 0
    orig2: int = 0
    orig0: int = 0
    orig1: int = 0
    aux0: int = 0
    aux1: int = 0
    sent_ns: int = field(default=0, compare=False)

    @property
    def cl(self) -> Text:
        """Return the ClOrdID, or the name in an administrative command."""
        return (self.cl0, self.cl1, self.cl2)

    @property
    def orig(self) -> Text:
        """Return the OrigClOrdID."""
        return (self.orig0, self.orig1, self.orig2)

    def __str__(self) -> str:
        """Show what is not 0, texts as texts, for the report of a failing example."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name[:-1] not in ("cl", "orig")}
        shown["cl"], shown["orig"] = show(self.cl), show(self.orig)
        shown["kind"] = Kind(self.kind).name if self.kind in set(Kind) else self.kind
        return "command " + " ".join(f"{name}={value}" for name, value in shown.items() if value)


@dataclass(slots=True)
class Outcome:
    """One outcome, with the fields of ``layouts.OUTCOME``."""

    input_seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    leaves_lots: int = 0
    cum_lots: int = 0
    account: int = 0
    instrument: int = 0
    cl0: int = 0
    cl1: int = 0
    cl2: int = 0
    orig2: int = 0
    orig0: int = 0
    orig1: int = 0
    index: int = 0
    reason: int = 0
    session: int = 0
    type: int = 0
    side: int = 0
    flags: int = 0
    kind: int = 0
    trade_index: int = 0
    sent_ns: int = field(default=0, compare=False)

    @property
    def cl(self) -> Text:
        """Return the ClOrdID."""
        return (self.cl0, self.cl1, self.cl2)

    @property
    def orig(self) -> Text:
        """Return the OrigClOrdID."""
        return (self.orig0, self.orig1, self.orig2)

    def __str__(self) -> str:
        """Show every field that is not 0, texts as texts."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name[:-1] not in ("cl", "orig")}
        shown["cl"], shown["orig"] = show(self.cl), show(self.orig)
        shown["type"], shown["reason"] = OutcomeType(self.type).name, Reason(self.reason).name
        shown["kind"] = Kind(self.kind).name if self.kind in set(Kind) else self.kind
        shown["flags"] = OutcomeFlag(self.flags).name if self.flags else 0
        return "outcome " + " ".join(f"{name}={value}" for name, value in shown.items() if value)


def show(text: Text) -> str:
    """Return a text as a string."""
    return unpack_text(*text)


def text_of(text: str | Text) -> Text:
    """Return the three ints of a text that is given either way."""
    return pack_text(text) if isinstance(text, str) else text


def make_command(kind: int, *, cl: str | Text = "", orig: str | Text = "", **values: int) -> Command:
    """Build a command from its fields, with the texts as strings or ints."""
    texts = dict(
        zip(("cl0", "cl1", "cl2", "orig0", "orig1", "orig2"), text_of(cl) + text_of(orig), strict=True)
    )
    return Command(kind=kind, **{**texts, **values})  # a single int of a text may be given: currency, port


def to_array(commands: Iterable[Command]) -> Any:
    """Return the commands as a structured array of ``layouts.COMMAND``."""
    names = COMMAND.names or ()
    return np.array([tuple(getattr(command, name) for name in names) for command in commands], dtype=COMMAND)


def from_row(row: Any) -> Outcome:
    """Return one row of an array of ``layouts.OUTCOME`` as a dataclass of Python ints."""
    return Outcome(**{name: int(row[name]) for name in row.dtype.names})
