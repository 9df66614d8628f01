"""The FIX log that the repository ships: generated, valid, and decoded to the same commands for ever."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from protocols.directory import AccountEntry, Directory, InstrumentEntry
from protocols.fix import FixSource
from tests.protocols.fix_helpers import read_all
from tools.make_fix_sample import render

SAMPLE = Path(__file__).parents[2] / "samples" / "orders.fix"
SYMBOLS = ["AAPL", "MSFT", "NVDA", "TSLA", "AMZN"]
DIRECTORY = Directory(
    [InstrumentEntry(i, symbol, 1_000_000, 100_000_000) for i, symbol in enumerate(SYMBOLS, 1)],
    [AccountEntry(i, f"ACC{i}") for i in range(1, 9)],
)
GOLDEN_COMMANDS = "1b7e7db25badffdb"


def test_the_sample_is_what_its_generator_writes() -> None:
    """Anybody can make the sample again, byte for byte."""
    assert SAMPLE.read_bytes() == render()


def test_the_sample_decodes_to_known_commands() -> None:
    """The commands of the sample, all their bytes, are those of the version that was committed."""
    with FixSource(SAMPLE, DIRECTORY) as source:
        commands = read_all(source)
    assert hashlib.blake2b(commands.tobytes(), digest_size=8).hexdigest() == GOLDEN_COMMANDS
    assert (len(commands), source.passed_over, source.skipped) == (2000, 8, 0)
    assert source.position == source.total_bytes
    assert sorted(source.sessions) == ["FIRM1", "FIRM2", "FIRM3", "FIRM4"]


def test_the_sample_has_something_of_everything() -> None:
    """All kinds, types and times in force occur, and so do the business errors that risk must find."""
    with FixSource(SAMPLE, DIRECTORY) as source:
        commands = read_all(source)
    assert min(Counter(commands["kind"].tolist())[kind] for kind in (1, 2, 3)) > 200
    new = commands[commands["kind"] == 1]
    assert min(Counter(new["tif"].tolist())[tif] for tif in (1, 2, 3, 4)) > 30
    assert min(Counter(new["ord_type"].tolist())[ord_type] for ord_type in (1, 2)) > 30
    assert Counter(new["instrument"].tolist())[0] > 5 and int((new["flags"] != 0).sum()) > 5
    names = Counter(zip(new["session"], new["cl0"], new["cl1"], new["cl2"], strict=True))
    assert sum(count > 1 for count in names.values()) > 5
    assert (commands["time_ns"][1:] >= commands["time_ns"][:-1]).all()
