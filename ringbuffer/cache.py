"""The home of compiled kernels: which directory holds the machine code of exactly these sources.

Numba's own on-disk cache goes stale when an *imported* kernel or constant changes, so the directory is
named after a hash of everything that the machine code depends on: the text of all kernel modules and of
what they import from this repository, the Numba, llvmlite, NumPy and Python versions, the processor, and
the switches that change code generation.

Written by: :mod:`ringbuffer.kernel`, which points Numba to :func:`cache_dir`. Read by ``ringmatch doctor``,
which must not import Numba; so this module imports the standard library only.

Order of places: ``RINGMATCH_CACHE_DIR``, else ``$XDG_CACHE_HOME/ringmatch``, else ``~/.cache/ringmatch``,
else a per-user directory under the temporary directory (read-only installs, no home).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

__all__ = ["FINGERPRINT_DIGITS", "cache_dir", "cache_root", "kernel_fingerprint", "kernel_sources"]

FINGERPRINT_DIGITS = 16
KERNEL_PACKAGES = ("ringbuffer", "protocols", "journal", "stages", "gateway")

_SWITCHES = ("NUMBA_BOUNDSCHECK", "NUMBA_OPT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DEBUGINFO")
_NEVER_KERNELS = ("ringbuffer/cache.py",)  # names the markers below without being a kernel
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


def kernel_sources(root: Path) -> dict[str, bytes]:
    """Return path and text of all that kernels are compiled from, sorted by path."""
    texts: dict[str, bytes] = {}
    for package in KERNEL_PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            texts[f"{package}/{path.name}"] = path.read_bytes()
    pending = [name for name, text in texts.items() if any(marker in text for marker in _MARKERS)]
    pending.append("ringbuffer/kernel.py")
    chosen: dict[str, bytes] = {}
    while pending:
        name = pending.pop()
        if name in texts and name not in chosen and name not in _NEVER_KERNELS:
            chosen[name] = texts[name]
            pending += _imported(texts[name])
    return dict(sorted(chosen.items()))


def kernel_fingerprint(root: Path | None = None) -> str:
    """Hash all that the compiled code depends on; 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=FINGERPRINT_DIGITS // 2)
    for name, text in kernel_sources(root or Path(__file__).resolve().parent.parent).items():
        digest.update(name.encode() + b"\0" + text)
    facts = [sys.version, platform.machine(), _cpu_model()]
    facts += [version(package) for package in ("numba", "llvmlite", "numpy")]
    facts += [f"{name}={os.environ.get(name, '')}" for name in _SWITCHES]
    digest.update("\n".join(facts).encode())
    return digest.hexdigest()


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


def cache_dir() -> Path:
    """Return the directory that holds the machine code of exactly these sources on this machine."""
    return cache_root() / kernel_fingerprint()
