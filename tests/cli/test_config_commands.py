"""``ringmatch config``: what it prints, on which stream, with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.app import main
from cli.exit_codes import ExitCode
from stages.config import decode_config, example_toml

PINNED = """workers = [
  { stages = ["ingest", "journal"], core = 3 },
  { stages = ["risk", "matching", "publish"] },
]"""


@pytest.fixture
def venue(tmp_path: Path) -> Path:
    """Return a valid venue.toml."""
    path = tmp_path / "venue.toml"
    path.write_text(example_toml())
    return path


def test_example_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """What ``config example`` prints is a configuration."""
    assert main(["config", "example"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    assert decode_config(out).venue.name == "default"


def test_check_says_what_it_understood(venue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file is summed up on stdout."""
    assert main(["config", "check", str(venue)]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        f"{venue}: ok",
        "venue: default, durability fsync, data in ringmatch-data",
        "instruments: 2 (AAPL, EURUSD)",
        "accounts: 2 (ACC1, ACC2)",
        "groups: 1 (equities), rows of schedules: 2, tick tables: 1",
        "firms: 1 (1 ALPHA)",
        "risk: collars 1 (AAPL), fees 1 (AAPL), sessions 1 (DESK1), a day begins at 00:00:00",
        "rings: 154 MiB of /dev/shm, 8 ports",
        "plan: auto, wait blocking",
    ]


def test_check_prints_all_values_as_json(venue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints what will be used, defaults included, under the names of the file."""
    assert main(["config", "check", "--json", str(venue)]) == ExitCode.OK
    values = json.loads(capsys.readouterr().out)
    assert values["rings"]["input_slots"] == 16384
    assert [entry["symbol"] for entry in values["instrument"]] == ["AAPL", "EURUSD"]


def test_mistakes_are_one_line_and_exit_code_3(venue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is named on stderr with file, key and value, and stdout stays empty."""
    venue.write_text(example_toml().replace("ports = 8", "ports = 7"))
    assert main(["config", "check", str(venue)]) == ExitCode.CONFIG
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"ringmatch: {venue}: rings.ports: expected a power of two from 1 to 32, was 7\n"


def test_plans_can_be_checked_for_another_host(venue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--cores says which cores the plan's host has; without them the plan is refused."""
    venue.write_text(example_toml().replace('workers = "auto"', PINNED))
    assert main(["config", "check", "--cores", "0-3", str(venue)]) == ExitCode.OK
    assert (
        "plan: ingest+journal on core 3 | risk+matching+publish on any core, wait" in capsys.readouterr().out
    )
    assert main(["config", "check", "--cores", "0,1", str(venue)]) == ExitCode.CONFIG
    err = capsys.readouterr().err
    assert err.endswith("plan.workers[0].core: expected an available core (0,1), was 3\n")
    assert main(["config", "check", "--cores", "two", str(venue)]) == ExitCode.USAGE
    assert capsys.readouterr().err == "ringmatch: --cores: expected cores such as 0,1 or 0-2,5, was 'two'\n"


def test_rings_that_cannot_fit_are_warned_of(venue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file whose rings are larger than this host's /dev/shm is told so on stderr."""
    text = example_toml().replace("ports = 8", "ports = 32")
    for name in ("ingress_slots = 16384", "egress_slots = 131072"):
        assert name in text
        text = text.replace(name, f"{name.split(' ')[0]} = {1 << (22 if name.startswith('in') else 24)}")
    venue.write_text(text)
    assert main(["config", "check", str(venue)]) == ExitCode.OK
    assert capsys.readouterr().err.startswith("ringmatch: warning: the rings need 819")
