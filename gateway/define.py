"""Define instruments on a running pipeline: what a feed lists and the venue does not."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from gateway.port import GatewayError, Port
from protocols.codes import E8, OUT_ACCEPTED, Reason
from protocols.directory import Directory, InstrumentEntry
from protocols.layouts import COMMAND
from stages.venue import instrument_command

__all__ = ["define_symbols"]

TICK_E8 = 10_000  # 0.0001, the price unit of ITCH
LOT_E8 = E8
TICK_VALUE = 100  # of one share, in millionths
CURRENCY = "USD"
TIMEOUT_S = 5.0
POLL_S = 0.02


def define_symbols(port: Port, symbols: Iterable[str], session: str) -> list[str]:
    """Add the symbols that the venue does not list: tick 0.0001, lot 1, no price band, market data; return them."""
    missing = [symbol for symbol in symbols if symbol not in port.directory.instrument_ids]
    listed, most = max(port.directory.instruments, default=0), port.description.max_instruments
    if listed + len(missing) > most:
        raise GatewayError(
            f"instruments: expected at most {most}, {listed} are listed, {len(missing)} would be added"
        )
    number = port.open_session(session) if missing else 0
    entries = dict(port.directory.instruments)
    added = []
    for symbol in missing:
        if symbol in port.directory.instrument_ids:
            continue  # somebody else has added it meanwhile
        entry = _define(port, symbol, number, entries)
        if entry is not None:
            entries[entry.id] = entry
            added.append(symbol)
    port.directory = Directory(entries.values(), port.directory.accounts.values())
    return added


def _define(
    port: Port, symbol: str, session: int, entries: dict[int, InstrumentEntry]
) -> InstrumentEntry | None:
    """Add one symbol under the next id; None if it turns out that somebody has added it before."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        identity = max(entries, default=0) + 1
        command = np.zeros(1, dtype=COMMAND)
        command[0] = instrument_command(
            identity, symbol, TICK_E8, LOT_E8, TICK_VALUE, CURRENCY, market_data=True
        )
        command["session"] = session
        answer = port.request(command)
        if answer["type"] == OUT_ACCEPTED:
            return InstrumentEntry(identity, symbol, TICK_E8, LOT_E8, CURRENCY)
        # an id that the pipeline has not told of: another injector's, or one added a moment ago
        while identity not in port.directory.instruments:
            if int(answer["reason"]) != Reason.INVALID_COMMAND or time.monotonic() > deadline:
                reason = Reason(int(answer["reason"])).name.lower()
                raise GatewayError(f"instrument {symbol}: rejected: {reason}")
            time.sleep(POLL_S)
            port.refresh_directory()
        entries.update(port.directory.instruments)
        if symbol in port.directory.instrument_ids:
            return None
