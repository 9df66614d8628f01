"""Compile the kernels that injectors use, or load them from the cache: the pump and the decoders of all sources."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.layouts import COMMAND

__all__ = ["STEPS"]

DIRECTORY = Directory([InstrumentEntry(1, "WARM", 1_000_000, 100_000_000)], [AccountEntry(1, "WARM")])


def _warm_pump() -> None:
    from gateway.pump import PUMP_WORDS, pump
    from ringbuffer.ring_words import store_word, take_word
    from stages.control import CONTROL_WORDS

    control = np.zeros(CONTROL_WORDS, dtype=np.int64)
    store_word(control, 0, 0)
    take_word(control, 0, 0, 0)
    words, slots = np.zeros(256, dtype=np.int64), np.zeros((16, 16), dtype=np.int64)
    none, rows = np.zeros(0, dtype=np.int64), np.zeros((0, 16), dtype=np.int64)
    out = np.zeros((4, 16), dtype=np.int64)
    state = np.zeros(PUMP_WORDS, dtype=np.int64)
    pump(control, 1, words, slots, words, slots, rows, 0, 0, none, none, 1, out, 0, 0, state)


def _warm_fix() -> None:
    from protocols.fix import FixScanner

    out = np.zeros(4, dtype=COMMAND)
    text = bytearray(b"\n8=FIX.4.4|9=5|35=0|10=161|\n")
    data = np.frombuffer(
        text, dtype=np.uint8
    )  # writable, as a source's buffer is: another type for the compiler
    FixScanner(DIRECTORY).scan(data, 1, len(data), True, out)


def _warm_binary() -> None:
    from protocols.binary import BinarySource, BinaryWriter

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "warm.rmb"
        with BinaryWriter(str(path)) as writer:
            writer.write_commands(np.zeros(0, dtype=COMMAND), DIRECTORY, [])
        with BinarySource(str(path), DIRECTORY) as source:
            source.read(np.zeros(4, dtype=COMMAND))


def _warm_itch() -> None:
    from protocols.itch import ItchSource, scan_symbols

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "warm.itch"
        path.write_bytes(b"\x00\x0cS" + b"\0" * 10 + b"O" + b"\0\0")
        scan_symbols(str(path))
        with ItchSource(str(path), DIRECTORY, account="WARM") as source:
            source.read(np.zeros(4, dtype=COMMAND))


def _warm_flow() -> None:
    from protocols.flow import SyntheticSource

    SyntheticSource(DIRECTORY, 4, 1).read(np.zeros(4, dtype=COMMAND))


STEPS: dict[str, Callable[[], None]] = {
    "pump": _warm_pump,
    "FIX": _warm_fix,
    "binary": _warm_binary,
    "ITCH": _warm_itch,
    "synthetic flow": _warm_flow,
}
