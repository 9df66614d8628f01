"""What holds for every source file: docstrings, sorted exports, cursors behind atomics, no machine paths."""

from __future__ import annotations

import ast
import re

import pytest

from tests.structure.tree import BESIDE, FLOORS, ROOT, Module, kernels, modules, snippet

TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cfg", ".json", ".sh", ""}
TOOL_DIRECTORIES = {"build", "dist", "__pycache__", "ringmatch-data"}
MAX_TEXT_BYTES = 1 << 20
# Where somebody happened to work. Put together here, so that this file is not an offender itself.
MACHINE_DIRECTORIES = [f"/{name}/" for name in ("work", "tmp", "root", "home")]
MACHINE_PATHS = re.compile(rf"(?<![\w.~}}])(?:{'|'.join(MACHINE_DIRECTORIES)})")
CURSOR_ARRAYS = {"cur", "cursor", "cursors"}
CURSOR_INDEX = re.compile(r"\bCUR_|\bP_CURSOR\b|\bcursor_(index|word)\(")


def undocumented(module: Module) -> list[str]:
    """Return the module if it has no docstring."""
    return [] if ast.get_docstring(module.tree) else [module.at(module.tree, "has no docstring")]


def _sort_key(name: str) -> tuple[int, str]:
    """Order as ruff's RUF022: constants, then classes, then functions."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


def unsorted_exports(module: Module) -> list[str]:
    """Return ``__all__`` if it is not sorted, has a name twice, or one that the module does not define."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            names = list(ast.literal_eval(node.value))
            expected = sorted(set(names), key=_sort_key)
            if names != expected:
                return [module.at(node, f"__all__: expected {expected}")]
            missing = [name for name in names if not _defines(module, name)]
            return [module.at(node, f"__all__: {name} is not defined") for name in missing]
    return []


def _defines(module: Module, name: str) -> bool:
    """Tell whether a module binds a name anywhere, or finds names lazily."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in (name, "__getattr__"):
            return True
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == name:
            return True
    return False


def plain_cursors(module: Module) -> list[str]:
    """Return the places of kernels that touch a shared cursor past ringbuffer.atomics."""
    found = []
    for function in kernels(module):
        for node in ast.walk(function):
            if not isinstance(node, ast.Subscript):
                continue
            array = ast.unparse(node.value).rpartition(".")[2]
            if array in CURSOR_ARRAYS or CURSOR_INDEX.search(ast.unparse(node.slice)):
                found.append(module.at(node, f"touches a cursor directly: {ast.unparse(node)}"))
    return found


def machine_paths(path: str, text: str) -> list[str]:
    """Return the lines of a text that name a place on somebody's machine."""
    return [
        f"{path}:{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), start=1)
        if MACHINE_PATHS.search(line)
    ]


def test_every_module_has_a_docstring() -> None:
    """A module says what it is for."""
    assert [line for module in modules((*FLOORS, *BESIDE)) for line in undocumented(module)] == []


def test_exports_are_sorted_and_exist() -> None:
    """Where a module has ``__all__``, it is sorted, without duplicates, and each name is defined."""
    assert [line for module in modules((*FLOORS, *BESIDE)) for line in unsorted_exports(module)] == []


def test_cursors_are_touched_through_atomics() -> None:
    """No kernel loads or stores a shared cursor as a plain array element."""
    assert [line for module in modules() for line in plain_cursors(module)] == []


def _is_foreign(part: str) -> bool:
    """Tell whether a directory or file of that name is a tool's, and not ours."""
    hidden = part.startswith(".") and part not in (".ci", ".github", ".gitignore")
    return hidden or part in TOOL_DIRECTORIES or part.endswith(".egg-info")


def test_no_machine_path_is_committed() -> None:
    """No text of the repository names a directory of the machine that it was written on."""
    offenders = []
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        if any(_is_foreign(part) for part in relative.parts) or path.suffix not in TEXT_SUFFIXES:
            continue
        if not path.is_file() or path.is_symlink():
            continue
        if path.stat().st_size <= MAX_TEXT_BYTES:
            offenders += machine_paths(relative.as_posix(), path.read_text("utf-8", errors="replace"))
    assert offenders == []


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (undocumented, "x = 1", '"""A purpose."""'),
        (unsorted_exports, "__all__ = ['b', 'a']\na = b = 1", "__all__ = ['A', 'B', 'a']\nA = B = a = 1"),
        (unsorted_exports, "__all__ = ['a']", "def a(): pass\n__all__ = ['a']"),
        (
            plain_cursors,
            "@kernel\ndef f(w):\n    return w[CUR_WRITER]",
            "@kernel\ndef f(w):\n    return w[0]",
        ),
        (plain_cursors, "@inlined\ndef f(r):\n    r.cursors[0] = 1", "def f(r):\n    return r.cursors[0]"),
    ],
)
def test_rules_see_what_they_forbid(rule, bad: str, good: str) -> None:  # type: ignore[no-untyped-def]
    """Each rule finds an offender, and leaves its correction alone."""
    assert len(rule(snippet(bad))) == 1
    assert rule(snippet(good)) == []


def test_machine_paths_are_told_from_other_paths() -> None:
    """A directory of a machine is found in text; a relative path and a path in a variable are none."""
    place = "/" + "tmp" + "/x"
    assert machine_paths("a.py", f"open('{place}')")
    assert not machine_paths("a.py", f"tests{place} ~{place} {{home}}{place}")
