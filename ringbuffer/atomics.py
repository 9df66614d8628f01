"""Atomic operations on one element of an int64 array, for kernels and, through a twin, for plain Python.

Every shared cursor is touched through this module alone. A plain load of shared memory in a compiled spin
loop is hoisted out of the loop by LLVM and the loop hangs; a plain store may sink below the one that
publishes it. Together with :mod:`ringbuffer.native` this is the only file that emits LLVM instructions.

Orderings (C11 names):

- :func:`load_acquire`   nothing that follows moves above it; pairs with a ``store_release`` of the writer
- :func:`store_release`  nothing that precedes moves below it
- :func:`compare_exchange`, :func:`fetch_add`  sequentially consistent read-modify-write
- :func:`fence`          full fence, store-to-load included (``mfence``/locked op on x86)
- :func:`fence_release`  no earlier load or store moves below a later store; on x86 it only binds the compiler
- :func:`fence_acquire`  no later load or store moves above an earlier load; on x86 likewise
- :func:`pause`          a hint for spin loops, no ordering

Under ``NUMBA_DISABLE_JIT=1`` the twins run plain NumPy accesses. They are for coverage, debuggers and
single-process tests: an aligned 8-byte access is one instruction there too, but Python gives no ordering
promise beyond that of the machine.
"""

from __future__ import annotations

from typing import Any

from ringbuffer.kernel import JIT_DISABLED

__all__ = [
    "compare_exchange",
    "fence",
    "fence_acquire",
    "fence_release",
    "fetch_add",
    "load_acquire",
    "pause",
    "store_release",
]

if JIT_DISABLED:

    def load_acquire(array: Any, index: int) -> Any:
        """Load ``array[index]``."""
        return array[index]

    def store_release(array: Any, index: int, value: int) -> None:
        """Store ``value`` in ``array[index]``."""
        array[index] = value

    def compare_exchange(array: Any, index: int, expected: int, desired: int) -> bool:
        """Set ``array[index]`` to ``desired`` if it is ``expected``; tell whether it was."""
        if array[index] != expected:
            return False
        array[index] = desired
        return True

    def fetch_add(array: Any, index: int, delta: int) -> Any:
        """Add ``delta`` to ``array[index]`` and return the value before."""
        before = array[index]
        array[index] = before + delta
        return before

    def fence() -> None:
        """Do nothing: one process, one thread."""

    def fence_release() -> None:
        """Do nothing."""

    def fence_acquire() -> None:
        """Do nothing."""

    def pause() -> None:
        """Do nothing."""

else:
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.core.typing import signature
    from numba.extending import intrinsic

    def _element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
        view = context.make_array(array_type)(context, builder, array)
        return cgutils.get_item_pointer(context, builder, array_type, view, [index], wraparound=False)

    def _is_cursor_array(array: Any) -> bool:
        return isinstance(array, types.Array) and array.ndim == 1 and array.dtype == types.int64

    @intrinsic  # type: ignore[untyped-decorator]
    def load_acquire(typing_context: Any, array: Any, index: Any) -> Any:
        """Load ``array[index]`` (int64) with acquire ordering."""
        if not _is_cursor_array(array):
            return None

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = _element(context, builder, sig.args[0], args[0], args[1])
            return builder.load_atomic(pointer, "acquire", 8)

        return signature(types.int64, array, types.intp), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def store_release(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
        """Store ``value`` in ``array[index]`` (int64) with release ordering."""
        if not _is_cursor_array(array):
            return None

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = _element(context, builder, sig.args[0], args[0], args[1])
            builder.store_atomic(args[2], pointer, "release", 8)
            return context.get_dummy_value()

        return signature(types.none, array, types.intp, types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def compare_exchange(typing_context: Any, array: Any, index: Any, expected: Any, desired: Any) -> Any:
        """Set ``array[index]`` to ``desired`` if it is ``expected``; tell whether it was."""
        if not _is_cursor_array(array):
            return None

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = _element(context, builder, sig.args[0], args[0], args[1])
            pair = builder.cmpxchg(pointer, args[2], args[3], "seq_cst", "seq_cst")
            return builder.extract_value(pair, 1)

        return signature(types.boolean, array, types.intp, types.int64, types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def fetch_add(typing_context: Any, array: Any, index: Any, delta: Any) -> Any:
        """Add ``delta`` to ``array[index]`` and return the value before."""
        if not _is_cursor_array(array):
            return None

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = _element(context, builder, sig.args[0], args[0], args[1])
            return builder.atomic_rmw("add", pointer, args[2], "seq_cst")

        return signature(types.int64, array, types.intp, types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def fence(typing_context: Any) -> Any:
        """Order all earlier loads and stores before all later ones."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return signature(types.none), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def fence_release(typing_context: Any) -> Any:
        """Order all earlier loads and stores before all later stores."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            builder.fence("release")
            return context.get_dummy_value()

        return signature(types.none), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def fence_acquire(typing_context: Any) -> Any:
        """Order all earlier loads before all later loads and stores."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            builder.fence("acquire")
            return context.get_dummy_value()

        return signature(types.none), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def pause(typing_context: Any) -> Any:
        """Tell the processor that this is a spin loop."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            import platform

            module = builder.module
            if platform.machine() in ("x86_64", "AMD64"):
                function_type = ir.FunctionType(ir.VoidType(), [])
                builder.call(cgutils.get_or_insert_function(module, function_type, "llvm.x86.sse2.pause"), [])
            elif platform.machine() in ("aarch64", "arm64"):
                function_type = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
                hint = cgutils.get_or_insert_function(module, function_type, "llvm.aarch64.hint")
                builder.call(hint, [ir.Constant(ir.IntType(32), 1)])
            return context.get_dummy_value()

        return signature(types.none), codegen
