"""The one place that configures Numba: decorators for compiled kernels, and where their machine code is kept.

Numba's own on-disk cache looks at the file of a kernel only, and goes stale when a kernel or constant that it
imports changes. Here each kernel's code lies in the directory that :mod:`ringbuffer.cache` names after all that
it depends on. Several processes may compile at once: what one saves is saved under a lock, because Numba's
index of a kernel's signatures is read, changed and written back.

Failure modes: a directory that cannot be written is an ``OSError`` from the first compilation.
"""

from __future__ import annotations

import fcntl
import os
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numba
from numba import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering
from numba.np import arrayobj

from ringbuffer.cache import cache_root, kernel_directory

__all__ = ["JIT_DISABLED", "inlined", "kernel"]

_CONFIG: Any = numba.config  # Numba types this module as having no attributes
JIT_DISABLED: bool = bool(_CONFIG.DISABLE_JIT)


def _index_as_it_is(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    """Take an index for an address as it is: without the three instructions that let -1 stand for the last element."""
    return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)


class _Lower(Lower):  # type: ignore[misc]
    """Numba's lowering, but that inlining is ours and not LLVM's, and that no index counts from the end (ADR 0016)."""

    def lower_normal_function(self, function: Any) -> None:
        numbas = arrayobj.fix_integer_index
        arrayobj.fix_integer_index = _index_as_it_is  # for the kernel that is lowered now, and nobody else's
        try:
            super().lower_normal_function(function)
        finally:
            arrayobj.fix_integer_index = numbas

    def pre_lower(self) -> None:
        super().pre_lower()
        if not self.flags.forceinline:
            self.builder.function.attributes.add("noinline")


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):  # type: ignore[misc]
    _name = "kernel_lowering"

    @property
    def lowering_class(self) -> type:
        return _Lower


class _KernelCompiler(CompilerBase):  # type: ignore[misc]
    def define_pipelines(self) -> list[Any]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (_KernelLowering, why) if step is NativeLowering else (step, why) for step, why in manager.passes
        ]
        manager.finalize()
        return [manager]


_OPTIONS: dict[str, Any] = {
    "pipeline_class": _KernelCompiler,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": False,
    "_nrt": False,
    "no_cfunc_wrapper": True,  # nobody takes the address of a kernel
}


def kernel(function: Any) -> Any:
    """Compile a free function over arrays and ints: no allocation, no exceptions, int results.

    It is called where it is used, never inlined: LLVM would copy large ones into all of their callers, and theirs.
    """
    # said although it is the default: what is compiled on behalf of a caller takes over the caller's options
    return _cached(numba.njit(forceinline=False, **_OPTIONS)(function))


def inlined(function: Any) -> Any:
    """Compile like :func:`kernel`, and let LLVM always inline it into its callers."""
    return _cached(numba.njit(forceinline=True, **_OPTIONS)(function))


def _cached(dispatcher: Any) -> Any:
    if not JIT_DISABLED:
        dispatcher._cache = _KernelCache(dispatcher.py_func)  # what enable_caching does, with our locator
    return dispatcher


@cache
def _directory(file: str) -> str:
    return str(cache_root() / kernel_directory(Path(file).resolve()))


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Tells Numba where the machine code of a function lies; the directory's name is the stamp of its sources."""

    def __init__(self, function: Any, file: str) -> None:
        self._path = _directory(file)
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Any, file: str) -> Self:
        """Return the locator of a function; its directory is made when something is saved."""
        return cls(function, file)

    def get_cache_path(self) -> str:
        """Return the directory."""
        return self._path

    def get_source_stamp(self) -> str:
        """Return what the directory stands for."""
        return os.path.basename(self._path)

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._line)


class _KernelImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes: ClassVar = [_Locator]


class _KernelCache(FunctionCache):  # type: ignore[misc]
    _impl_class = _KernelImpl

    def _save_overload(self, signature: Any, data: Any) -> None:
        os.makedirs(self._cache_path, exist_ok=True)
        descriptor = os.open(self._cache_path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            super()._save_overload(signature, data)
        finally:
            os.close(descriptor)
