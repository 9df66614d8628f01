"""The home of compiled kernels: which directory holds the machine code of exactly these sources.

Machine code depends on more than the file that a kernel stands in: on all that the file imports, inlined
functions and constants alike, on the Numba, llvmlite, NumPy and Python versions, the processor, and the
switches that change code generation. So each module's kernels lie in a directory that is named after the
module and a hash of all this::

    <root>/stages.risk-0123456789abcdef/          kernels of stages/risk.py
    <root>/complete-0123456789abcdef              all kernels of these sources were compiled once

An edit compiles again what depends on it, and nothing else; two checkouts of the same sources share their code.

Written by: Numba, which :mod:`ringbuffer.kernel` points here, and :mod:`cli.warm` (the mark). Read by
``ringmatch doctor``, which must not import Numba; so this module imports the standard library only.

Order of places for the root: ``RINGMATCH_CACHE_DIR``, else ``$XDG_CACHE_HOME/ringmatch``, else
``~/.cache/ringmatch``, else a per-user directory under the temporary directory (read-only installs, no home).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = [
    "FINGERPRINT_DIGITS",
    "cache_root",
    "complete_mark",
    "kernel_directories",
    "kernel_directory",
    "kernel_sources",
]

FINGERPRINT_DIGITS = 16
KERNEL_PACKAGES = ("ringbuffer", "protocols", "journal", "stages", "gateway")

_SWITCHES = ("NUMBA_BOUNDSCHECK", "NUMBA_OPT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DEBUGINFO")
_NEVER_KERNELS = ("ringbuffer/cache.py",)  # names the markers below without being a kernel
_EVERYWHERE = "ringbuffer/kernel.py"  # its options shape all machine code
_MARKERS = (b"ringbuffer.kernel", b"llvmlite")
_IMPORT = re.compile(
    rb"^[ \t]*(?:from|import)[ \t]+(ringbuffer|protocols|journal|stages|gateway)((?:\.\w+)*)"
    rb"(?:[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*))?",
    re.MULTILINE,
)


def _imported(text: bytes) -> list[str]:
    """Return the files, relative to the root, that a module's text may import from these packages."""
    found = []
    for package, dotted, names in _IMPORT.findall(text):
        base = (package + dotted).decode().replace(".", "/")
        found.append(f"{base}.py")
        found += [f"{base}/{name}.py" for name in re.findall(r"\w+", names.decode())]
    return found


@cache
def _texts(root: Path) -> dict[str, bytes]:
    """Return path and text of all modules that kernels may stand in or import."""
    paths = [path for package in KERNEL_PACKAGES for path in sorted((root / package).glob("*.py"))]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@cache
def _imports(root: Path, name: str) -> list[str]:
    return _imported(_texts(root)[name])


def _closure(root: Path, names: Iterable[str]) -> list[str]:
    """Return these modules and all that they import, directly or not, sorted."""
    texts = _texts(root)
    pending = list(names)
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name in texts and name not in found and name not in _NEVER_KERNELS:
            found.add(name)
            pending += _imports(root, name)
    return sorted(found)


def _kernel_modules(root: Path) -> list[str]:
    """Return the modules that kernels stand in."""
    found = [name for name, text in _texts(root).items() if any(marker in text for marker in _MARKERS)]
    return [name for name in found if name not in _NEVER_KERNELS]


def kernel_sources(root: Path | None = None) -> list[str]:
    """Return the paths of all that kernels are compiled from, sorted."""
    root = _ROOT if root is None else root
    return _closure(root, [*_kernel_modules(root), _EVERYWHERE])


def _fingerprint(root: Path, names: Iterable[str], extra: bytes = b"") -> str:
    digest = hashlib.blake2b(extra, digest_size=FINGERPRINT_DIGITS // 2)
    for name in names:
        digest.update(name.encode() + b"\0" + _texts(root)[name])
    digest.update("\n".join((*_facts(), *_switches())).encode())
    return digest.hexdigest()


@cache
def _facts() -> tuple[str, ...]:
    packages = [version(package) for package in ("numba", "llvmlite", "numpy")]
    return (sys.version, platform.machine(), _cpu_model(), *packages)


def _switches() -> list[str]:
    return [f"{name}={os.environ.get(name, '')}" for name in _SWITCHES]


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            wanted = [line for line in lines if line.startswith(("model name", "flags", "CPU part"))]
            return "".join(dict.fromkeys(wanted))
    except OSError:
        return platform.processor()


def cache_root() -> Path:
    """Return the first writable place for compiled kernels, created if missing."""
    candidates = []
    if os.environ.get("RINGMATCH_CACHE_DIR"):
        candidates.append(Path(os.environ["RINGMATCH_CACHE_DIR"]))
    if os.environ.get("XDG_CACHE_HOME"):
        candidates.append(Path(os.environ["XDG_CACHE_HOME"]) / "ringmatch")
    candidates.append(Path(os.path.expanduser("~")) / ".cache" / "ringmatch")
    for candidate in candidates:
        try:
            candidate.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    fallback = Path(tempfile.gettempdir()) / f"ringmatch-{os.getuid()}"
    fallback.mkdir(mode=0o700, parents=True, exist_ok=True)
    if fallback.stat().st_uid != os.getuid():
        raise PermissionError(
            f"{fallback}: expected a directory of user {os.getuid()}, was another's; set RINGMATCH_CACHE_DIR"
        )
    return fallback


def kernel_directory(file: Path, root: Path | None = None) -> str:
    """Return the name of the directory for the kernels of a source file, ours or another's that imports ours."""
    root = _ROOT if root is None else root
    if file.is_relative_to(root) and file.relative_to(root).as_posix() in _texts(root):
        name = file.relative_to(root).as_posix()
        module = name.removesuffix(".py").replace("/", ".")
        return f"{module}-{_fingerprint(root, _closure(root, [name, _EVERYWHERE]))}"
    text = file.read_bytes()
    print_of = _fingerprint(root, _closure(root, [*_imported(text), _EVERYWHERE]), text)
    return f"{file.parent.name}.{file.stem}-{print_of}"


def kernel_directories(root: Path | None = None) -> set[str]:
    """Return the names of the directories for all kernels of these sources."""
    root = _ROOT if root is None else root
    return {kernel_directory(root / name, root) for name in _kernel_modules(root)}


def complete_mark(root: Path | None = None) -> str:
    """Return the name of the file that says that all kernels of these sources were compiled."""
    root = _ROOT if root is None else root
    return f"complete-{_fingerprint(root, kernel_sources(root))}"


_ROOT = Path(__file__).resolve().parent.parent
