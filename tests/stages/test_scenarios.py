"""The files below tests/scenarios/ hold, on the compiled core and on the twin, and each is told of by the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.scenario import MakeEngine, compiled_engine, find_files, run_file
from tests.structure.tree import ROOT
from tests.twin.engine import TwinEngine

pytestmark = pytest.mark.jitoff

SCENARIOS = ROOT / "tests" / "scenarios"
FILES = find_files([SCENARIOS])
NAMES = [path.relative_to(SCENARIOS).with_suffix("").as_posix() for path in FILES]
ENGINES = {"compiled": compiled_engine, "twin": TwinEngine}


@pytest.mark.parametrize("make_engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_scenarios_hold(path: Path, make_engine: MakeEngine) -> None:
    """Each scenario goes as its file expects, and leaves nothing in the file to update."""
    result = run_file(path, make_engine)
    differing = [mismatch for scenario in result.scenarios for mismatch in scenario.mismatches]
    assert differing == []
    assert result.updated == path.read_text("utf-8")
    assert all(scenario.checks for scenario in result.scenarios)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_scenarios_say_what_they_show(path: Path) -> None:
    """A file begins with a sentence that says which rule it shows."""
    first = path.read_text("utf-8").splitlines()[0]
    assert first.startswith("# ") and first[2].isupper()


def test_the_rules_name_every_scenario() -> None:
    """The pages of the rules link to each scenario, those of risk to its own, but for those of the format."""
    names = ("matching-rules", "trading-states", "risk-controls")
    pages = [(ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in names]
    wanted = [name for name in NAMES if not name.startswith("format/")]
    told = "".join(pages)
    assert [name for name in wanted if f"(../tests/scenarios/{name}.txt)" not in told] == []


def test_there_are_a_few_dozen() -> None:
    """The rules are shown by at least seven dozen files, the traps by thirteen or more."""
    assert len(FILES) >= 84
    assert sum(name.startswith("traps/") for name in NAMES) >= 13
