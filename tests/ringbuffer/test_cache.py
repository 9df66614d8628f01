"""The directory of compiled kernels: which sources its name stands for, and where it lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ringbuffer.cache import cache_dir, cache_root, kernel_fingerprint, kernel_sources

TREE = {
    "ringbuffer/kernel.py": "import numba\n",
    "ringbuffer/cache.py": '"""ringbuffer.kernel"""\n',
    "protocols/codes.py": "KIND = 1\n",
    "protocols/text.py": "def pack(): pass\n",
    "stages/book.py": "from ringbuffer.kernel import kernel\nfrom protocols import (\n    codes,\n)\n",
    "stages/config.py": "import tomllib\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small repository with one kernel, what it imports, and what it does not."""
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_sources_are_kernels_and_what_they_import(tree: Path) -> None:
    """A kernel counts, and a module of constants that it imports; configuration does not."""
    assert list(kernel_sources(tree)) == ["protocols/codes.py", "ringbuffer/kernel.py", "stages/book.py"]


def test_sources_of_this_repository_hold_the_constants() -> None:
    """Codes and layouts are frozen into machine code, so they are part of its name."""
    names = kernel_sources(Path(__file__).resolve().parents[2])
    assert {"protocols/codes.py", "protocols/layouts.py", "ringbuffer/atomics.py", "stages/risk.py"} <= set(
        names
    )
    assert not {"stages/config.py", "stages/host.py", "ringbuffer/cache.py"} & set(names)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("stages/book.py", True),
        ("protocols/codes.py", True),
        ("stages/config.py", False),
        ("protocols/text.py", False),
    ],
)
def test_fingerprint_follows_the_sources(tree: Path, name: str, changes: bool) -> None:
    """Editing what kernels are made of gives another directory, editing the rest does not."""
    before = kernel_fingerprint(tree)
    (tree / name).write_text(TREE[name] + "# edited\n")
    assert (kernel_fingerprint(tree) != before) is changes


def test_fingerprint_follows_the_switches(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds-checked code lies apart from code without checks."""
    monkeypatch.delenv("NUMBA_BOUNDSCHECK", raising=False)
    before = kernel_fingerprint(tree)
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert kernel_fingerprint(tree) != before
    assert re.fullmatch(r"[0-9a-f]{16}", before)


def test_root_is_the_first_writable_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our variable wins, then that of the desktop, then home; what cannot be made is passed over."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("RINGMATCH_CACHE_DIR", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    assert cache_dir() == tmp_path / "own" / kernel_fingerprint()
    monkeypatch.delenv("RINGMATCH_CACHE_DIR")
    assert cache_root() == tmp_path / "xdg" / "ringmatch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == tmp_path / "home" / ".cache" / "ringmatch"
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_root() == tmp_path / f"ringmatch-{os.getuid()}"
