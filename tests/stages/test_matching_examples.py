"""The examples of matching from Python run, and say what the page says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from protocols import commands, market_commands, risk_commands
from stages.book_view import BookView
from tests.structure.tree import ROOT

PAGE = ROOT / "docs" / "python-api.md"
MOST_LINES = 75
PATIENCE_S = 300.0
COMPARED = re.compile(r"\d+ trades, the same: True\n\d+ bids, the same: True\n\d+ asks, the same: True\n")
FOLLOWED = re.compile(
    r"\d+ changes of the book, \d+ of the best prices\njoined: False\njoined: True, the same: True\n"
    r"(?: +\d+ +\d+ lots of \d+ orders\n){2,6}as in the core: True\n"
)
UNCROSSED = re.compile(
    r"(\d+ orders: \d+ lots at \d+, \d+ left over\n){5}uncrossed: \d+ trades, \d+ lots at \d+\n"
    r"then: VOLATILITY_AUCTION, last \d+\nafter 29 s: VOLATILITY_AUCTION\nafter 30 s: CONTINUOUS, last \d+\n"
)
SIMULATED = re.compile(
    r"30000 commands, \d+ trades of \d+ lots, \d+ orders open\n"
    r"bid Best\(price_ticks=\d+, qty_lots=\d+\), ask Best\(price_ticks=\d+, qty_lots=\d+\), last \d+\n"
    r"digest [0-9a-f]{16}\n"
)


def test_the_page_says_what_comes_out() -> None:
    """Each line of the page that ends with a comment as its value has that value, in the order of the page."""
    names: dict[str, Any] = {}
    checked = 0
    for text in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        lines = text.splitlines()
        for node in ast.parse(text).body:
            comment = lines[(node.end_lineno or 1) - 1].partition("  # ")[2]
            if isinstance(node, ast.Expr) and comment and not re.match(r"[a-z]", comment):
                value = eval(compile(ast.Expression(node.value), str(PAGE), "eval"), names)
                assert repr(value) == comment, ast.unparse(node)
                checked += 1
            else:
                exec(compile(ast.Module([node], []), str(PAGE), "exec"), names)
    assert checked >= 10


def test_the_page_lists_all_there_is() -> None:
    """The tables of the page name each function that makes commands, each question to the books, and each term."""
    text = PAGE.read_text("utf-8")
    rows = " ".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))
    named = set(re.findall(r"`(\w+)", rows))
    made = {*commands.__all__, *market_commands.__all__, *risk_commands.__all__}
    functions = {name for name in made if not name.isupper() and name != "make_commands"}
    questions = {name for name in vars(BookView) if not name.startswith("_")}
    assert named == functions | questions
    terms = {*commands.TERMS, *commands.SWITCHES, "cl", "self_trade"}
    assert [term for term in sorted(terms) if f"`{term}`" not in text] == []


@pytest.mark.parametrize(
    ("name", "arguments", "printed"),
    [
        ("matching_simulation", ["30000"], SIMULATED),
        ("matching_comparison", [], COMPARED),
        ("market_data", ["3000"], FOLLOWED),
        ("auction", [], UNCROSSED),
    ],
)
def test_examples_print_what_they_must(name: str, arguments: list[str], printed: re.Pattern[str]) -> None:
    """Each example ends well, prints what it promises, is at most a screen, and the page names it."""
    path = ROOT / "examples" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert printed.fullmatch(done.stdout), done.stdout
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES
    assert f"`examples/{name}.py`" in PAGE.read_text("utf-8")


def test_commands_can_be_made_without_numba() -> None:
    """Making commands loads NumPy, but not Numba; the core does that when it is imported."""
    code = "import sys, protocols.commands; print('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.stdout == "False\n"
