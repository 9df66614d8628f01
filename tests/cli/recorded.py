"""Small journals as a pipeline would have written them, recorded from the core in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from protocols.codes import E8, FLAG_FINAL, LIMIT_UNLIMITED, Kind, Limit, OrdType, Side, Tif
from protocols.layouts import COMMAND, OUTCOME
from protocols.text import pack_text
from stages.config import Capacity
from stages.core import Core
from stages.definitions import capacities_of
from stages.digest import state_digest
from stages.journaling import open_writer
from stages.replay import hex_digest, journal_directory
from stages.venue import instrument_command, new_command, set_name, venue_command

CAPACITY = Capacity(
    max_orders=64,
    max_cl_ord_ids=256,
    max_positions=16,
    max_levels=64,
    max_accounts=4,
    max_instruments=4,
    max_sessions=4,
    max_specials=16,
)
SEGMENT_BYTES = 64 << 10
MANY = LIMIT_UNLIMITED
START_NS = 1_800_000_000_000_000_000


class Recorder:
    """Takes commands one by one, keeps their outcomes and digests, and writes the journal at the end."""

    def __init__(self, capacity: Capacity = CAPACITY) -> None:
        venue = venue_command(capacity)
        self.core = Core(capacities_of(venue), input_slots=64, output_slots=256)
        self.commands: list[Any] = []
        self.outcomes: list[Any] = []
        self.outcome_digests: list[int] = [0]
        self.state_digests: list[int] = [0]
        self.add(venue)

    def add(self, command: Any) -> Any:
        """Sequence one command and return its outcomes."""
        row = np.array([command], dtype=COMMAND)
        self.core.stamp(row, START_NS + len(self.commands))
        outcomes = self.core.process(row)
        self.commands.append(row[0])
        self.outcomes.append(outcomes)
        self.outcome_digests.append(self.core.outcome_digest)
        self.state_digests.append(state_digest(self.core.state.risk, self.core.state.books))
        return outcomes

    @property
    def last_seq(self) -> int:
        """The last sequence so far."""
        return len(self.commands)

    def define(self, instrument: int = 1, account: int = 1) -> None:
        """Add an instrument and an account without limits to speak of."""
        self.add(instrument_command(instrument, f"SYM{instrument}", E8 // 100, E8, 10_000, "USD", 1, 100_000))
        self.add(
            set_name(new_command(Kind.ACCOUNT, account=account, orig2=pack_text("USD")[0]), f"ACC{account}")
        )
        for which in Limit:
            self.add(new_command(Kind.LIMIT, account=account, ord_type=int(which), qty_lots=MANY))

    def open(self, name: str) -> int:
        """Open a session and return its id."""
        return int(self.add(set_name(new_command(Kind.SESSION_OPEN, orig0=1), name))["session"][0])

    def order(self, session: int, side: Side, price_ticks: int, qty_lots: int, instrument: int = 1) -> None:
        """Add a limit order."""
        fields = {"session": session, "side": int(side), "price_ticks": price_ticks, "qty_lots": qty_lots}
        command = new_command(
            Kind.NEW, instrument=instrument, account=1, ord_type=int(OrdType.LIMIT), **fields
        )
        command["tif"] = int(Tif.GTC)
        self.add(set_name(command, f"C{self.last_seq}"))

    def trade(self, session: int, count: int, instrument: int = 1) -> None:
        """Add orders of both sides around one price, some of which trade."""
        for number in range(count):
            side = Side.BUY if number % 3 else Side.SELL
            self.order(session, side, 1000 + number % 5, 1 + number % 7, instrument)

    def checkpoint(self, *, wrong_by: int = 0) -> int:
        """Add a checkpoint of the outcomes so far; return the sequence that it is about."""
        return self._checkpoint(0, wrong_by, 0)

    def final(self, *, wrong_by: int = 0) -> int:
        """Add the checkpoint of a clean stop; return the sequence that it is about."""
        return self._checkpoint(FLAG_FINAL, 0, wrong_by)

    def _checkpoint(self, flags: int, wrong_outcomes: int, wrong_state: int) -> int:
        seq = self.last_seq
        self.add(
            new_command(
                Kind.CHECKPOINT,
                flags=flags,
                aux0=seq,
                aux1=self.outcome_digests[seq] ^ wrong_outcomes,
                order_id=self.state_digests[seq] ^ wrong_state if flags else 0,
            )
        )
        return seq

    def write(self, data_dir: Path, commands_a_block: int = 16) -> Path:
        """Write the journal of a data directory in blocks of a few commands; return its directory."""
        directory = journal_directory(data_dir)
        rows = np.array(self.commands, dtype=COMMAND)
        with open_writer(directory, "none", SEGMENT_BYTES) as writer:
            for start in range(0, len(rows), commands_a_block):
                writer.append(rows[start : start + commands_a_block])
        return directory

    def all_outcomes(self) -> Any:
        """Return the outcomes of all commands."""
        return np.concatenate([np.zeros(0, dtype=OUTCOME), *self.outcomes])

    def outcome_digest(self, seq: int) -> str:
        """Return the outcome digest after a sequence."""
        return hex_digest(self.outcome_digests[seq])

    def state_digest(self, seq: int) -> str:
        """Return the state digest after a sequence, or before it if it is the checkpoint of a clean stop."""
        last = self.commands[seq - 1]
        stopped = last["kind"] == Kind.CHECKPOINT and last["flags"] & FLAG_FINAL
        return hex_digest(self.state_digests[seq - 1 if stopped else seq])


def trading_day() -> Recorder:
    """Return a recording with two checkpoints and a clean stop."""
    recorder = Recorder()
    recorder.define()
    session = recorder.open("FIRM1")
    recorder.trade(session, 20)
    recorder.checkpoint()
    recorder.trade(session, 15)
    recorder.checkpoint()
    recorder.trade(session, 5)
    recorder.final()
    return recorder
