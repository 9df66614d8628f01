"""The pages tell the truth where a machine can tell: commands, options, tests, files, links, exit codes, sizes.

Checked are README.md, CHANGELOG.md and all of docs/. Code blocks are checked by what their fence says:
``python`` compiles, ``sh`` and ``console`` are shell, ``toml`` and ``json`` decode; a fence without a word is a
picture or an output. A file in :data:`GENERATED` may be missing: a command writes it.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.app import COMMANDS, load_command
from cli.exit_codes import ExitCode
from protocols.layouts import COMMAND_BYTES
from ringbuffer.layout import ring_bytes
from stages.config import default_config
from stages.control import CONTROL_WORDS, DESCRIPTION_BYTES
from stages.topology import EGRESS_READERS, INGRESS_READERS, INPUT_READERS, OUTPUT_READERS
from tests.structure.tree import BESIDE, FLOORS, ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
GENERATED = {"docs/benchmarks.md"}  # by `ringmatch bench`
CLI_PAGE = ROOT / "docs" / "cli.md"

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\[]*\]\(([^()\s]+)\)")
NODE_ID = re.compile(r"\btests/[\w/]+\.py(?:::\w+)*")
SOURCE = re.compile(r"(?:\.ci|[a-z_]+)(?:/[\w.-]+)+")
DEFINED_IN = re.compile(r"`(\w+)`(?: of| in|,)? \(?`([\w/]+\.py)`")
CALL = re.compile(r"^(?:\$ )?ringmatch((?: +\S+)*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


class Block(NamedTuple):
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Return the fenced blocks of all pages in these languages."""
    found = []
    for name, page in zip(NAMES, PAGES, strict=True):
        text = page.read_text("utf-8")
        for match in FENCE.finditer(text):
            if match[1] in languages:
                found.append(Block(name, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    return found


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in headings]
    return {slug.strip().replace(" ", "-") for slug in slugs}


# Commands


@cache
def tree() -> dict[str, Any]:
    """Return every command of the command line by its words: ``inject fix`` is one of them."""
    found: dict[str, Any] = {}
    for name in COMMANDS:
        found[name] = command = load_command(name)
        for below, subcommand in getattr(command, "commands", {}).items():
            found[f"{name} {below}"] = subcommand
    return found


def options(command: Any) -> set[str]:
    """Return the long options of a command, without those that switch one off."""
    return {
        option
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    }


def command_of(words: list[str]) -> str:
    """Return the longest command that some words begin with, "" for none."""
    for count in (2, 1):
        if " ".join(words[:count]) in tree():
            return " ".join(words[:count])
    return ""


def calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (text, words) of each call of ringmatch on a page: in spans, and in blocks of shell."""
    shell = "\n".join(
        match[2] for match in FENCE.finditer(page.read_text("utf-8")) if match[1] in ("sh", "console")
    )
    spans = "\n".join(SPAN.findall(prose(page)))
    for match in CALL.finditer(f"{shell}\n{spans}"):
        words = match[1].partition("#")[0].split()
        if words and re.match(r"[a-z-]", words[0]):
            yield match[0].strip(), words


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist(page: Path) -> None:
    """Each call of ringmatch on a page names a command, and options that it has."""
    wrong = []
    for text, words in calls(page):
        command = command_of(words)
        if words[0].startswith("-"):
            continue
        if not command:
            wrong.append(f"{text}: no such command")
        elif (
            unknown := {word for word in words if OPTION.fullmatch(word)}
            - options(tree()[command])
            - {"--help"}
        ):
            wrong.append(f"{text}: {command} has no {', '.join(sorted(unknown))}")
    assert wrong == []


def sections() -> dict[str, str]:
    """Return the text under each heading of docs/cli.md that names a command."""
    parts = re.split(r"^#+ +`?([^`\n]+)`?$", prose(CLI_PAGE), flags=re.MULTILINE)
    return {
        name.removeprefix("ringmatch ").strip(): text
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_command_has_its_section() -> None:
    """docs/cli.md describes all commands and no others: a heading for each one that can be called."""
    described = {name for name in sections() if name.split()[0] in COMMANDS}
    groups = {name for name in tree() if hasattr(tree()[name], "commands")}
    assert described - groups == set(tree()) - groups


def test_every_option_is_described() -> None:
    """The section of a command names all of its options, and none that it does not have."""
    wrong = []
    common = {
        option for name, text in sections().items() if name not in tree() for option in OPTION.findall(text)
    }
    for name, text in sections().items():
        if name in tree() and not hasattr(tree()[name], "commands"):
            named, real = set(OPTION.findall(text)), options(tree()[name])
            wrong += [f"{name}: {option} is not described" for option in sorted(real - named - common)]
            wrong += [f"{name}: has no {option}" for option in sorted(named - real)]
    assert wrong == []


def test_exit_codes_are_those_of_the_code() -> None:
    """The table of exit codes in docs/cli.md is cli/exit_codes.py: all numbers, names and meanings."""
    rows = re.findall(r"^\| (\d+) \| `?(\w+)`? \| ([^|]+?) \|$", CLI_PAGE.read_text("utf-8"), re.MULTILINE)
    assert [(int(number), name, meaning) for number, name, meaning in rows] == [
        (int(code), code.name, code.meaning) for code in ExitCode
    ]


# Tests, files, links


@cache
def names_of_tests(path: str) -> set[str]:
    """Return the tests of a file, with their class where they have one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tests_exist(page: Path) -> None:
    """Each test that a page names by its node id can be run."""
    wrong = []
    for node_id in NODE_ID.findall(page.read_text("utf-8")):
        path, _, test = node_id.partition("::")
        if not (ROOT / path).is_file() or (test and test not in names_of_tests(path)):
            wrong.append(node_id)
    assert wrong == []


def test_every_promise_names_a_test() -> None:
    """Each row of docs/guarantees.md has at least one test that would falsify it."""
    rows = re.findall(r"^\| \*\*.*$", (ROOT / "docs" / "guarantees.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+", row)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_bare_test_names_exist(page: Path) -> None:
    """A test that a page names without its file is somewhere."""
    known = set().union(
        *(names_of_tests(path.relative_to(ROOT).as_posix()) for path in ROOT.glob("tests/**/test_*.py"))
    )
    named = {span for span in SPAN.findall(prose(page)) if re.fullmatch(r"test_\w+", span)}
    assert named - {name.rpartition("::")[2] for name in known} == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_exist(page: Path) -> None:
    """Each file or folder of the repository that a page names in code is there."""
    roots = {*FLOORS, "tests", "docs", "benchmarks", "tools", "samples", "examples", ".ci"}
    named = {
        span.partition("::")[0]
        for span in SPAN.findall(prose(page))
        if SOURCE.fullmatch(span.partition("::")[0])
    }
    wanted = {name for name in named if name.partition("/")[0] in roots} - GENERATED
    assert sorted(name for name in wanted if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_names_are_in_their_files(page: Path) -> None:
    """A name that a page gives with the file that defines it stands in that file."""
    found = DEFINED_IN.findall(prose(page))
    assert [
        pair for pair in found if not re.search(rf"\b{pair[0]}\b", (ROOT / pair[1]).read_text("utf-8"))
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_resolve(page: Path) -> None:
    """Each link within the repository leads to a file, and to a heading if it names one."""
    wrong = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if (
            place.is_relative_to(ROOT)
            and place.relative_to(ROOT).as_posix() in GENERATED
            and not place.exists()
        ):
            continue
        if not place.exists() or (anchor and anchor not in anchors(place)):
            wrong.append(target)
    assert wrong == []


def test_make_targets_exist() -> None:
    """Each make target that a page names is one of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        spans = "\n".join(SPAN.findall(prose(page)))
        shell = "\n".join(re.findall(r"^(?:\$ )?(make .*)$", page.read_text("utf-8"), re.MULTILINE))
        assert set(re.findall(r"\bmake ([a-z][a-z-]*)", f"{spans}\n{shell}")) <= targets, page


def test_decisions_are_numbered_and_listed() -> None:
    """The pages of docs/adr/ count from 0001 without a gap, and the first one lists all others."""
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    first = pages[0].read_text("utf-8")
    for page in pages:
        assert page.read_text("utf-8").startswith(f"# {page.name[:4]} ")
        assert page is pages[0] or f"({page.name})" in first


def test_the_readme_names_every_folder() -> None:
    """The table of folders in the README has a row for each package and for what stands beside them."""
    table = set(re.findall(r"^\| \[?`([\w.]+)/`", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {*FLOORS, *BESIDE, *packages, "docs", "examples", "samples"} <= table
    assert [name for name in table if not (ROOT / name).is_dir()] == []


def test_sizes_of_shared_memory_are_those_of_the_code() -> None:
    """Segments in docs/ARCHITECTURE.md, and their sum in docs/operations.md, are those of the default rings."""
    rings = default_config().rings
    wanted = {
        "control": CONTROL_WORDS * 8 + DESCRIPTION_BYTES,
        "core": ring_bytes(rings.input_slots, COMMAND_BYTES, 1 + len(INPUT_READERS))
        + ring_bytes(rings.output_slots, COMMAND_BYTES, 1 + len(OUTPUT_READERS)),
        "ingress": rings.ports * ring_bytes(rings.ingress_slots, COMMAND_BYTES, 1 + len(INGRESS_READERS)),
        "egress": rings.ports * ring_bytes(rings.egress_slots, COMMAND_BYTES, 1 + len(EGRESS_READERS)),
    }
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `/dev/shm/ringmatch-<id>-(\w+)` \| ([\d.]+) MiB", text, re.MULTILINE))
    assert rows == {name: f"{size / (1 << 20):.1f}" for name, size in wanted.items()}
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert re.findall(r"(\d+) MiB of /dev/shm;", text) == [f"{sum(wanted.values()) / (1 << 20):.0f}"]


# Examples


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: f"{block.page}:{block.line}")
def test_python_examples_compile(block: Block) -> None:
    """Examples in Python are Python."""
    compile(block.text, f"{block.page}:{block.line}", "exec")


def shell_of(block: Block) -> str:
    """Return what is typed in a block: all of ``sh``, the lines after ``$`` of ``console``."""
    if block.language == "sh":
        return block.text
    return "\n".join(re.findall(r"^\$ (.*)$", block.text, re.MULTILINE))


@pytest.mark.parametrize("block", blocks("sh", "console"), ids=lambda block: f"{block.page}:{block.line}")
def test_shell_examples_parse(block: Block) -> None:
    """Examples for the shell are shell, and a session shows at least one command."""
    text = shell_of(block)
    assert text.strip()
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", blocks("toml", "json"), ids=lambda block: f"{block.page}:{block.line}")
def test_data_examples_decode(block: Block) -> None:
    """Examples of configuration and of JSON lines decode."""
    if block.language == "toml":
        tomllib.loads(block.text)
    else:
        for line in block.text.splitlines():
            json.loads(line)


def test_every_fence_says_what_it_holds() -> None:
    """Blocks are in a language that is checked here, or in none; every fence that opens closes."""
    for name, page in zip(NAMES, PAGES, strict=True):
        text = page.read_text("utf-8")
        assert {match[1] for match in FENCE.finditer(text)} <= {
            "",
            "python",
            "sh",
            "console",
            "toml",
            "json",
        }, name
        assert text.count("\n```") % 2 == 0, name
