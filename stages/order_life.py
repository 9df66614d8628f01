"""The life of one order: every command and every outcome of a journal that concerns it, found by a replay. Reads only.

A command concerns an order if it made it, if it names it (by its id, or by its session and one of the ClOrdIDs that
it has had), if it used such a ClOrdID again, or if one of its outcomes is about the order: then it is a *cause*, an
order of somebody else for instance, and of its outcomes only those about the order are shown. Market data is left
out.

An order is an id, the sequence of its command NEW, or a session's name and a ClOrdID; by name, commands that used or
named the ClOrdID before it was given are shown too. A ClOrdID is used up by the
first command that risk lets through; where none came through, the last attempt is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from protocols.codes import (
    KIND_CANCEL,
    KIND_NEW,
    KIND_REDUCE,
    KIND_REPLACE,
    KIND_STATUS,
    OUT_FILLED,
    OUT_REJECTED,
    OUT_STATE_CHANGED,
    OUTFLAG_ANSWER,
    OUTFLAG_RISK,
    TYPE_DIRECTED,
    Kind,
)
from protocols.directory import Directory
from protocols.layouts import COMMAND, OUTCOME, SLOT_WORDS, layout_hash
from protocols.text import pack_text, unpack_text
from stages.definitions import directory_of
from stages.history import session_names_of, skip_to
from stages.moments import end_of
from stages.replay import Replayer, journal_directory

__all__ = ["NoSuchOrder", "OrderTrace", "trace_name", "trace_order"]

MAX_SHOWN: Final = 16  # sessions that an error names
REQUESTS: Final = (KIND_CANCEL, KIND_REDUCE, KIND_REPLACE, KIND_STATUS)

Name = tuple[int, int, int, int]  # session, ClOrdID in three words
Progress = Callable[[int], None]


class NoSuchOrder(Exception):
    """The journal has no such order."""


class OrderTrace(NamedTuple):
    """What a journal holds of an order: records as in :mod:`protocols.layouts`, in their order."""

    order_id: int
    last_seq: int  # up to where was looked
    commands: Any
    causes: Any  # of each command, whether it concerns the order by its outcomes only
    outcomes: Any
    against: Any  # of each outcome that is a trade the order on the other side, else 0
    directory: Directory
    session_names: dict[int, str]


class _Shown(msgspec.Struct):
    """What was found so far."""

    commands: list[Any] = []
    causes: list[Any] = []
    outcomes: list[Any] = []
    against: list[Any] = []


def trace_order(
    data_dir: str | Path, order_id: int, to_seq: int = 0, on_progress: Progress | None = None
) -> OrderTrace:
    """Return what a journal holds of an order up to a sequence (0: to its end); raise NoSuchOrder if it has none."""
    _check_order(data_dir, order_id, to_seq)
    return _Tracer(data_dir, to_seq, order_id, None).run(on_progress)


def trace_name(
    data_dir: str | Path, session: str, cl_ord_id: str, to_seq: int = 0, on_progress: Progress | None = None
) -> OrderTrace:
    """As :func:`trace_order`, of the order that a session has given a ClOrdID."""
    try:
        packed = pack_text(cl_ord_id)
    except ValueError as error:
        raise NoSuchOrder(f"no ClOrdID: {error}") from error
    tracer = _Tracer(data_dir, to_seq, 0, (session, packed))
    trace = tracer.run(on_progress)
    if tracer.is_later_name:  # what came before it had that name was not looked for
        return _Tracer(data_dir, to_seq, trace.order_id, None).run(on_progress)
    return trace


def _check_order(data_dir: str | Path, order_id: int, to_seq: int) -> None:
    """Raise NoSuchOrder unless the command of that sequence is a NEW."""
    from journal.reader import JournalReader

    directory = journal_directory(data_dir)
    last_seq = end_of(directory).seq
    last_seq = min(to_seq or last_seq, last_seq)
    if not 0 < order_id <= last_seq:
        raise NoSuchOrder(f"expected the id of an order, a sequence from 1 to {last_seq}, was {order_id}")
    rows = np.zeros((1, SLOT_WORDS), dtype=np.int64)
    with JournalReader(directory, layout_hash(COMMAND)) as reader:
        reader.seek(order_id)
        reader.read(rows)
    command = rows.reshape(-1).view(COMMAND)[0]
    kind = int(command["kind"])
    if kind == KIND_NEW:
        return
    name = Kind(kind).name.lower() if kind in list(Kind) else str(kind)
    hint = ""
    if kind in REQUESTS:
        original = unpack_text(int(command["orig0"]), int(command["orig1"]), int(command["orig2"]))
        named = f"order {int(command['order_id'])}" if command["order_id"] else f"ClOrdID {original!r}"
        hint = f", which names {named}"
    raise NoSuchOrder(f"expected the sequence of a new order, {order_id} is that of a command {name}{hint}")


class _Tracer:
    """Collects what concerns an order from a replay, batch by batch."""

    def __init__(
        self,
        data_dir: str | Path,
        to_seq: int,
        order_id: int,
        wanted: tuple[str, tuple[int, int, int]] | None,
    ) -> None:
        self._replayer = Replayer(data_dir, to_seq=to_seq, snapshots=wanted is None)
        self._order_id = order_id
        self._wanted = wanted
        self._session_names: dict[int, str] = {}
        self._names: list[Name] = []
        self._given_seq: dict[Name, int] = {}  # since which sequence it is a name of the order
        self._attempt = 0  # the last NEW of that name that was rejected
        self.is_later_name = False
        self._found = _Shown()

    def run(self, on_progress: Progress | None) -> OrderTrace:
        """Replay, and return what was found."""
        skip_to(self._replayer, self._order_id, on_progress)
        self._replayer.run(self._take, on_progress)
        core = self._replayer.core
        self._order_id = self._order_id or self._attempt
        if core is None or not self._order_id:
            raise NoSuchOrder(self._missing())
        return OrderTrace(
            self._order_id,
            core.last_seq,
            np.concatenate([np.zeros(0, COMMAND), *self._found.commands]),
            np.concatenate([np.zeros(0, np.bool_), *self._found.causes]),
            np.concatenate([np.zeros(0, OUTCOME), *self._found.outcomes]),
            np.concatenate([np.zeros(0, np.int64), *self._found.against]),
            directory_of(core.state.risk),
            session_names_of(core),
        )

    def _missing(self) -> str:
        assert self._wanted is not None
        session, packed = self._wanted
        names = self._session_names.values()
        if session not in names:
            shown = [*sorted(names)[:MAX_SHOWN], *(["…"] if len(names) > MAX_SHOWN else [])]
            return f"expected one of the sessions {', '.join(shown) or '(there are none)'}, was {session!r}"
        return f"expected a ClOrdID that session {session!r} has given an order, was {unpack_text(*packed)!r}"

    def _take(self, outcomes: Any) -> None:
        """Keep what concerns the order of a batch of commands and their outcomes."""
        commands = self._replayer.fed
        if self._wanted is not None and not self._names:
            self._learn_session()
        if not self._order_id and self._names:
            self._look_for_name(outcomes)
        told = outcomes[outcomes["type"] < OUT_STATE_CHANGED]
        own = self._own(commands, told)
        about = told["order_id"] == self._order_id if self._order_id else np.zeros(len(told), np.bool_)
        own_seqs = commands["seq"][own]
        shown = about | ((told["flags"] & OUTFLAG_ANSWER != 0) & np.isin(told["input_seq"], own_seqs))
        caused = np.isin(commands["seq"], told["input_seq"][shown])
        kept = own | caused
        if kept.any():
            self._found.commands.append(commands[kept].copy())
            self._found.causes.append(~own[kept])
            self._found.outcomes.append(told[shown])
            self._found.against.append(self._against(told, shown))

    def _learn_session(self) -> None:
        core, wanted = self._replayer.core, self._wanted
        assert core is not None and wanted is not None
        self._session_names = session_names_of(core)
        ids = [identity for identity, name in self._session_names.items() if name == wanted[0]]
        for identity in ids:
            self._add_name((identity, *wanted[1]), 0)

    def _look_for_name(self, outcomes: Any) -> None:
        """Find the order that the wanted name was given to, in this batch perhaps."""
        of_name = self._has_name(outcomes, self._names, "cl", "input_seq") & (
            outcomes["type"] < OUT_STATE_CHANGED
        )
        is_risk = (outcomes["type"] == OUT_REJECTED) & (outcomes["flags"] & OUTFLAG_RISK != 0)
        takes = of_name & ~is_risk & np.isin(outcomes["kind"], (KIND_NEW, KIND_REPLACE))
        takes &= outcomes["flags"] & OUTFLAG_ANSWER != 0
        if takes.any():
            first = outcomes[takes][0]
            self._order_id = int(first["order_id"])
            self.is_later_name = int(first["kind"]) != KIND_NEW
        else:
            attempts = of_name & is_risk & (outcomes["kind"] == KIND_NEW)
            if attempts.any():
                self._attempt = int(outcomes["input_seq"][attempts][-1])

    def _own(self, commands: Any, outcomes: Any) -> Any:
        """Return a mask of the commands that made or named the order; learn the names that they gave it."""
        kinds = commands["kind"]
        gives_name = (kinds == KIND_NEW) | (kinds == KIND_REPLACE)
        names_one = np.isin(kinds, REQUESTS) | ((kinds == KIND_NEW) & (commands["ord_type"] == TYPE_DIRECTED))
        own = np.zeros(len(commands), np.bool_)
        if self._order_id:
            own |= commands["seq"] == self._order_id
            own |= names_one & (commands["order_id"] == self._order_id)
        by_name = names_one & (commands["order_id"] == 0)
        looked_for = 0
        while True:
            new = self._names[looked_for:]
            own |= by_name & self._has_name(commands, new, "orig", "seq")
            own |= gives_name & self._has_name(commands, new, "cl", "seq")
            looked_for = len(self._names)
            self._learn_names(commands[own & gives_name], outcomes)
            if looked_for == len(self._names):
                return own

    def _learn_names(self, commands: Any, outcomes: Any) -> None:
        """Add the ClOrdIDs that risk took as names of the order."""
        if not len(commands) or not self._order_id:
            return
        answers = outcomes[np.isin(outcomes["input_seq"], commands["seq"])]
        answers = answers[answers["flags"] & OUTFLAG_ANSWER != 0]
        by_risk = (answers["type"] == OUT_REJECTED) & (answers["flags"] & OUTFLAG_RISK != 0)
        for answer in answers[~by_risk & (answers["order_id"] == self._order_id)]:
            self._add_name(_name_of(answer, "cl"), int(answer["input_seq"]))

    def _add_name(self, name: Name, given_seq: int) -> None:
        if name not in self._given_seq:
            self._given_seq[name] = given_seq
            self._names.append(name)

    def _has_name(self, rows: Any, names: list[Name], field: str, seq_field: str) -> Any:
        """Return a mask of rows with one of some names, since it is one; an order replaced all day has thousands."""
        found = np.zeros(len(rows), np.bool_)
        if names:
            found |= np.isin(rows[f"{field}0"], [name[1] for name in names])
            found &= np.isin(rows[f"{field}1"], [name[2] for name in names])
            given_seq = {name: self._given_seq[name] for name in names}
            for row in np.nonzero(found)[0]:  # few: the words of a text differ from those of most others
                since = given_seq.get(_name_of(rows[row], field))
                found[row] = since is not None and since <= rows[seq_field][row]
        return found

    def _against(self, told: Any, shown: Any) -> Any:
        """Return the order on the other side of each trade that is shown."""
        result = np.zeros(int(np.count_nonzero(shown)), dtype=np.int64)
        trades = told[told["type"] == OUT_FILLED]
        others = {
            (int(row["input_seq"]), int(row["trade_index"])): int(row["order_id"])
            for row in trades[np.isin(trades["input_seq"], told["input_seq"][shown])]
            if row["order_id"] != self._order_id
        }
        for place, row in enumerate(told[shown]):
            if row["type"] == OUT_FILLED:
                result[place] = others.get((int(row["input_seq"]), int(row["trade_index"])), 0)
        return result


def _name_of(row: Any, field: str) -> Name:
    """Return session and ClOrdID of a record."""
    return int(row["session"]), int(row[f"{field}0"]), int(row[f"{field}1"]), int(row[f"{field}2"])
