"""Define instruments on a running pipeline: what a feed lists and the venue does not."""

from __future__ import annotations

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


def define_symbols(port: Port, symbols: Iterable[str], session: str) -> list[str]:
    """Add the symbols that the venue does not list: tick 0.0001, lot 1, no price band; return them."""
    missing = [symbol for symbol in symbols if symbol not in port.directory.instrument_ids]
    identity = max(port.directory.instruments, default=0)
    entries = list(port.directory.instruments.values())
    most = port.description.max_instruments
    if identity + len(missing) > most:
        raise GatewayError(
            f"instruments: expected at most {most}, {identity} are listed, {len(missing)} would be added"
        )
    if missing:
        number = port.open_session(session)
    for symbol in missing:
        identity += 1
        command = np.zeros(1, dtype=COMMAND)
        command[0] = instrument_command(identity, symbol, TICK_E8, LOT_E8, TICK_VALUE, CURRENCY)
        command["session"] = number
        answer = port.request(command)
        if answer["type"] != OUT_ACCEPTED:
            raise GatewayError(f"instrument {symbol}: rejected: {Reason(int(answer['reason'])).name.lower()}")
        entries.append(InstrumentEntry(identity, symbol, TICK_E8, LOT_E8, CURRENCY))
    port.directory = Directory(entries, port.directory.accounts.values())
    return missing
