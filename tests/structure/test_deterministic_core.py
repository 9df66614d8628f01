"""The deterministic core decides from its input alone: no clock, chance, environment, or hash order.

Walked are the roots below and whatever they import from this repository, except the machine floor: atomics,
native calls, the choice of the kernels' cache, and journal and snapshots, whose business is the disk.
``# det-ok: why`` on the line excuses a finding.
"""

from __future__ import annotations

import ast
import re

from tests.structure.tree import Module, imports, modules, snippet

ROOTS = ("stages.risk", "stages.matching", "stages.core", "stages.digest", "stages.replay")
# As is the business of a snapshot, whose digest is compared with that of the state which was loaded from it.
SNAPSHOTS = {"stages.snapshots", "stages.snapshot_file"}
JOURNAL = "journal."  # brings bytes from a disk, or an error; what it brings is checked, not trusted
MACHINE_FLOOR = {
    "ringbuffer.atomics",
    "ringbuffer.bundle",
    "ringbuffer.cache",
    "ringbuffer.kernel",
    "ringbuffer.native",
}

FORBIDDEN_MODULES = {"time", "random", "secrets", "uuid", "datetime", "threading", "numpy.random"}
FORBIDDEN_NAMES = {
    "os.environ",
    "os.getenv",
    "os.getpid",
    "os.urandom",
    "np.random",
    "numpy.random",
    "ringbuffer.native.clock_ns",
}
FORBIDDEN_CALLS = {"hash", "id"}  # of texts and objects they differ from process to process
UNORDERED_CALLS = {"set", "frozenset", "dict", "globals", "locals", "vars"}
UNORDERED_METHODS = {"items", "keys", "values"}
# What gives the same for any order of its argument.
ORDERLESS = {"sorted", "len", "min", "max", "any", "all", "set", "frozenset"}
EXCUSE = re.compile(r"#\s*det-ok:\s*\S")


def core_modules() -> list[Module]:
    """Return the modules that must be deterministic."""
    by_name = {module.name: module for module in modules()}
    pending = [name for name in ROOTS if name in by_name]
    chosen: dict[str, Module] = {}
    while pending:
        name = pending.pop()
        if (
            name in by_name
            and name not in chosen
            and name not in MACHINE_FLOOR | SNAPSHOTS
            and not name.startswith(JOURNAL)
        ):
            chosen[name] = by_name[name]
            pending += [imported for _, imported in imports(by_name[name])]
    return list(chosen.values())


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_unordered(node: ast.expr, names: set[str]) -> bool:
    """Tell whether an expression is, or views, a set or a dict."""
    if isinstance(node, ast.Set | ast.SetComp | ast.Dict | ast.DictComp):
        return True
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name) and called.id in ("list", "tuple", "iter", "enumerate", "reversed"):
            return any(_is_unordered(argument, names) for argument in node.args)
        return (isinstance(called, ast.Name) and called.id in UNORDERED_CALLS) or (
            isinstance(called, ast.Attribute) and called.attr in UNORDERED_METHODS and not node.args
        )
    return _dotted(node) in names


def _unordered_names(tree: ast.Module) -> set[str]:
    """Return the names and attributes that are assigned or annotated as a set or dict anywhere."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_unordered(node.value, set()):
            names.update(_dotted(target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            hint = ast.unparse(node.annotation)
            if re.match(r"(Final\[)?(dict|set|frozenset|Mapping|MutableMapping|Set)\b", hint):
                names.add(node.arg if isinstance(node, ast.arg) else _dotted(node.target))
    return names - {""}


def _iterations(tree: ast.Module) -> list[ast.expr]:
    """Return what is iterated over where the order matters."""
    excused = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ORDERLESS
        for argument in node.args
    }
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            found.append(node.iter)
        elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp) and id(node) not in excused:
            found += [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Starred):
            found.append(node.value)
    return found


def nondeterminism(module: Module) -> list[str]:
    """Return what in a module may differ between two runs over the same input."""
    found: list[tuple[ast.AST, str]] = []
    for statement, name in imports(module):
        if name in FORBIDDEN_MODULES | FORBIDDEN_NAMES:
            found.append((statement, f"imports {name}"))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and _dotted(node) in FORBIDDEN_NAMES:
            found.append((node, f"uses {_dotted(node)}"))
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS
        ):
            found.append((node, f"calls {node.func.id}"))
    names = _unordered_names(module.tree)
    for iterated in _iterations(module.tree):
        if _is_unordered(iterated, names):
            found.append((iterated, f"iterates over a set or dict: {ast.unparse(iterated)}"))
    return sorted({module.at(node, what) for node, what in found if not EXCUSE.search(module.line(node))})


def test_the_core_is_deterministic() -> None:
    """Risk, matching, replay and what they import use no clock, chance, environment or hash order."""
    assert [line for module in core_modules() for line in nondeterminism(module)] == []


def test_the_walk_covers_the_core() -> None:
    """The walk reaches what risk and matching are made of, and stops at the machine floor."""
    names = {module.name for module in core_modules()}
    assert {"stages.risk", "stages.matching", "stages.book", "stages.state", "protocols.codes"} <= names
    assert not names & MACHINE_FLOOR


def test_rules_see_what_they_forbid() -> None:
    """Clocks, chance, environment and hash order are found, and sorted or excused ones are not."""
    bad = {
        "import time": "imports time",
        "from os import environ": "imports os.environ",
        "import os\nx = os.environ": "uses os.environ",
        "import numpy as np\nnp.random.seed()": "uses np.random",
        "from ringbuffer.native import clock_ns": "imports ringbuffer.native.clock_ns",
        "for x in {1, 2}: pass": "iterates over a set or dict: {1, 2}",
        "a = {}\nfor x in a.items(): pass": "iterates over a set or dict: a.items()",
        "a: dict[int, int] = f()\nb = [x for x in a]": "iterates over a set or dict: a",
        "def f(a: set[int]):\n    return [x for x in list(a)]": "iterates over a set or dict: list(a)",
        "x = hash('a')": "calls hash",
    }
    for source, what in bad.items():
        assert [line.partition(": ")[2] for line in nondeterminism(snippet(source))] == [what], source
    for source in (
        "import time  # det-ok: a label",
        "for x in sorted({1, 2}): pass",
        "a = {}\nn = sum(1 for x in sorted(a.items()))",
        "a = {}\nb = sorted(x for x in a)",
        "for x in range(3): pass",
        "from ringbuffer.native import mul64",
    ):
        assert nondeterminism(snippet(source)) == [], source
