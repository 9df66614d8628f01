"""The directories of compiled kernels: what their names stand for, and where they lie."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ringbuffer import cache
from ringbuffer.cache import (
    cache_root,
    complete_mark,
    kernel_directories,
    kernel_directory,
    kernel_sources,
)

TREE = {
    "ringbuffer/kernel.py": "import numba\n",
    "ringbuffer/cache.py": '"""ringbuffer.kernel"""\n',
    "protocols/codes.py": "KIND = 1\n",
    "protocols/text.py": "def pack(): pass\n",
    "stages/book.py": "from ringbuffer.kernel import kernel\nfrom protocols import (\n    codes,\n)\n",
    "stages/fees.py": "from ringbuffer.kernel import kernel\n",
    "stages/config.py": "import tomllib\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small repository with two kernels, what they import, and what they do not."""
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(tree: Path, name: str) -> None:
    """Change a file as the next process would see it."""
    (tree / name).write_text(TREE[name] + "# edited\n")
    forget()


def forget() -> None:
    """Read the sources anew, as another process would."""
    cache._texts.cache_clear()
    cache._imports.cache_clear()


def test_sources_are_kernels_and_what_they_import(tree: Path) -> None:
    """A kernel counts, and a module of constants that it imports; configuration does not."""
    expected = ["protocols/codes.py", "ringbuffer/kernel.py", "stages/book.py", "stages/fees.py"]
    assert kernel_sources(tree) == expected


def test_sources_of_this_repository_hold_the_constants() -> None:
    """Codes and layouts are frozen into machine code, so they are part of its name."""
    names = set(kernel_sources())
    assert {"protocols/codes.py", "protocols/layouts.py", "ringbuffer/atomics.py", "stages/risk.py"} <= names
    assert not {"stages/config.py", "stages/host.py", "ringbuffer/cache.py"} & names


@pytest.mark.parametrize(
    ("name", "book", "fees", "mark"),
    [
        ("stages/book.py", True, False, True),
        ("protocols/codes.py", True, False, True),
        ("stages/fees.py", False, True, True),
        ("ringbuffer/kernel.py", True, True, True),
        ("stages/config.py", False, False, False),
        ("protocols/text.py", False, False, False),
    ],
)
def test_names_follow_the_sources(tree: Path, name: str, book: bool, fees: bool, mark: bool) -> None:
    """Editing what a kernel is made of gives it another directory; what does not depend on it keeps its own."""
    kernels = (tree / "stages/book.py", tree / "stages/fees.py")
    before = [kernel_directory(kernel, tree) for kernel in kernels] + [complete_mark(tree)]
    edit(tree, name)
    after = [kernel_directory(kernel, tree) for kernel in kernels] + [complete_mark(tree)]
    assert [old != new for old, new in zip(before, after, strict=True)] == [book, fees, mark]


def test_a_kernel_of_somebody_else_follows_its_text_and_what_it_imports(tree: Path, tmp_path: Path) -> None:
    """A kernel in a user's own file depends on that file and on what it takes from these packages."""
    own = tmp_path / "mine" / "flow.py"
    own.parent.mkdir()
    own.write_text("from ringbuffer.kernel import kernel\nfrom protocols.codes import KIND\n")
    before = kernel_directory(own, tree)
    assert before.startswith("mine.flow-")
    edit(tree, "stages/fees.py")
    assert kernel_directory(own, tree) == before
    edit(tree, "protocols/codes.py")
    changed = kernel_directory(own, tree)
    assert changed != before
    own.write_text(own.read_text() + "# edited\n")
    assert kernel_directory(own, tree) != changed


def test_directories_are_those_of_all_kernels(tree: Path) -> None:
    """One directory for each module that kernels stand in, named after it."""
    assert {name.split("-")[0] for name in kernel_directories(tree)} == {"stages.book", "stages.fees"}


def test_names_follow_the_switches(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds-checked code lies apart from code without checks."""
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)
    before = complete_mark(tree)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert complete_mark(tree) != before
    assert re.fullmatch(r"complete-[0-9a-f]{16}", before)


def test_root_is_the_first_writable_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our variable wins, then that of the desktop, then home; what cannot be made is passed over."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("RINGMATCH_CACHE_DIR", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("RINGMATCH_CACHE_DIR")
    assert cache_root() == tmp_path / "xdg" / "ringmatch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == tmp_path / "home" / ".cache" / "ringmatch"
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_root() == tmp_path / f"ringmatch-{os.getuid()}"


USE = """
import sys
from pathlib import Path
import numpy as np
from flow import total
assert total(np.arange(4)) == {expected}, total(np.arange(4))
print(sum(total.stats.cache_hits.values()), sum(total.stats.cache_misses.values()))
"""


def test_code_is_kept_and_never_stale(tmp_path: Path) -> None:
    """The second process loads what the first compiled; after an edit of what it imports it compiles anew."""
    flow = tmp_path / "flow.py"
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "RINGMATCH_CACHE_DIR": str(tmp_path / "kernels"),
        "PYTHONPATH": f"{tmp_path}:{root}",
    }
    environment.pop("NUMBA_DISABLE_JIT", None)

    def use(factor: int) -> str:
        flow.write_text(
            "from ringbuffer.kernel import kernel\n"
            f"@kernel\ndef total(values):\n    return values.sum() * {factor}\n"
        )
        command = [sys.executable, "-c", USE.format(expected=6 * factor)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert not done.returncode, done.stderr
        return done.stdout.strip()

    assert [use(1), use(1), use(2), use(2)] == ["0 1", "1 0", "0 1", "1 0"]
    names = {path.name.split("-")[0] for path in (tmp_path / "kernels").iterdir()}
    assert names == {f"{tmp_path.name}.flow"}
