"""The repository as syntax trees: what the structure tests walk.

Each rule is a function of one :class:`Module` that returns what offends as lines ``path:line: what``, so that
a rule can be tried on a snippet too (:func:`snippet`), and a test shows all offenders at once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("ringbuffer", "protocols", "journal", "stages", "gateway", "cli")
BESIDE = ("tests", "benchmarks", "tools")


class Module(NamedTuple):
    """One source file, parsed."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """Return the top-level package."""
        return self.name.partition(".")[0]

    def at(self, node: ast.AST, what: str) -> str:
        """Describe an offence."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"

    def line(self, node: ast.AST) -> str:
        """Return the source line at which a node begins."""
        return self.text.splitlines()[getattr(node, "lineno", 1) - 1]


def snippet(text: str, name: str = "stages.snippet") -> Module:
    """Return source text as a module, for tests of the rules themselves."""
    return Module(name, f"{name.replace('.', '/')}.py", text, ast.parse(text))


@cache
def modules(packages: tuple[str, ...] = FLOORS) -> tuple[Module, ...]:
    """Return all modules of these packages."""
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT)
            parts = relative.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, relative.as_posix(), text := path.read_text("utf-8"), ast.parse(text)))
    return tuple(found)


def imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield (statement, dotted name) of all imports, those inside functions too.

    ``from a.b import c`` yields ``a.b`` and ``a.b.c``, because c may be a module.
    """
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative: count up from this module's package
                parts = module.name.split(".")
                up = node.level - (1 if module.path.endswith("__init__.py") else 0)
                base = ".".join([*parts[: len(parts) - up], *([base] if base else [])])
            yield node, base
            for alias in node.names:
                yield node, f"{base}.{alias.name}"


def kernels(module: Module) -> Iterator[ast.FunctionDef]:
    """Yield the functions that are decorated as compiled code."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef):
            names = {decorator.id for decorator in node.decorator_list if isinstance(decorator, ast.Name)}
            if names & {"kernel", "inlined"}:
                yield node
