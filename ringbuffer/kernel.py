"""The one place that configures Numba: decorators for compiled kernels.

Numba must learn the directory of its cache (see :mod:`ringbuffer.cache`) before it is imported, therefore
no other module imports Numba first. A process that has Numba already (a test of something else, a
notebook) keeps the directory that it has.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ringbuffer.cache import cache_dir

__all__ = ["JIT_DISABLED", "inlined", "is_warm", "kernel"]

if "numba" not in sys.modules:
    os.environ["NUMBA_CACHE_DIR"] = str(cache_dir())

import numba

_CONFIG: Any = numba.config  # Numba types this module as having no attributes
JIT_DISABLED: bool = bool(_CONFIG.DISABLE_JIT)

_OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": False,
    "_nrt": False,
}


def kernel(function: Any) -> Any:
    """Compile a free function over arrays and ints: no allocation, no exceptions, int results."""
    return numba.njit(**_OPTIONS)(function)


def inlined(function: Any) -> Any:
    """Compile like :func:`kernel`, and let LLVM always inline it into its callers."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


def is_warm() -> bool:
    """Tell whether the cache directory already holds compiled code; does not load it."""
    directory = Path(os.environ.get("NUMBA_CACHE_DIR", ""))
    return directory.is_dir() and any(directory.rglob("*.nbc"))
