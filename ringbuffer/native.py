"""What kernels need of system and processor: clocks, sleeping, futexes, CRC32C, bit scans, prefetching.

C library functions are declared as external symbols and resolved in the running process, so that kernels
which call them can still be cached (a ctypes pointer would be frozen into the code and forbid it). No
function here touches a ring; ordering between processes is the business of :mod:`ringbuffer.atomics`.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ringbuffer.kernel import JIT_DISABLED, inlined, kernel

__all__ = [
    "clock_ns",
    "clz64",
    "crc32c",
    "ctz64",
    "futex_wait",
    "futex_wake",
    "mul64",
    "prefetch",
    "prefetch_line",
    "prefetch_to_write",
    "sleep_ns",
    "yield_cpu",
]

CLOCK_MONOTONIC = 1
SYS_FUTEX = 202 if os.uname().machine == "x86_64" else 98
FUTEX_WAIT = 0
FUTEX_WAKE = 1
CRC32C_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def _crc_table() -> Any:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (CRC32C_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return np.array(table, dtype=np.int64)


CRC_TABLE = _crc_table()


def _has_crc_instruction() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            return os.uname().machine == "x86_64" and any("sse4_2" in line for line in lines)
    except OSError:
        return False


if JIT_DISABLED:

    def clock_ns() -> int:
        """Return the monotonic clock in nanoseconds."""
        return time.monotonic_ns()

    def yield_cpu() -> None:
        """Let another runnable process have the core."""
        os.sched_yield()

    def sleep_ns(duration_ns: Any) -> None:
        """Sleep for about ``duration_ns``."""
        time.sleep(duration_ns / 1e9)

    def futex_wait(array: Any, index: int, expected: int, timeout_ns: int) -> None:
        """Sleep while the low 32 bits of ``array[index]`` are ``expected``, at most ``timeout_ns``."""
        if (int(array[index]) ^ expected) & 0xFFFFFFFF == 0:
            time.sleep(min(timeout_ns, 100_000) / 1e9)

    def futex_wake(array: Any, index: int) -> None:
        """Wake all that wait on ``array[index]``; the twin's waiters poll."""

    def ctz64(value: Any) -> int:
        """Count the trailing zero bits of ``value``; 64 for 0."""
        bits = int(value) & 0xFFFFFFFFFFFFFFFF
        return (bits & -bits).bit_length() - 1 if bits else 64

    def prefetch(array: Any, index: Any) -> None:
        """Ask for the cache line of ``array[index]``; does nothing here."""

    def prefetch_to_write(array: Any, index: Any) -> None:
        """Ask for the cache line of ``array[index]``, to be written soon; does nothing here."""

    def prefetch_line(array: Any, index: Any, line: int) -> None:
        """Ask for the cache line that begins ``line`` lines behind ``array[index]``; does nothing here."""

    def clz64(value: Any) -> int:
        """Count the leading zero bits of ``value`` as 64 bits; 64 for 0."""
        return 64 - (int(value) & 0xFFFFFFFFFFFFFFFF).bit_length()

    def mul64(left: int, right: int) -> int:
        """Multiply modulo 2**64 and return the product as a signed number."""
        product = (int(left) * int(right)) & 0xFFFFFFFFFFFFFFFF
        return product - (1 << 64) if product >> 63 else product

    def crc32c(data: Any, start: int, stop: int, seed: int) -> int:
        """Return the CRC32C (RFC 3720) of ``data[start:stop]`` (uint8), continuing from ``seed``."""
        value = seed ^ 0xFFFFFFFF
        for byte in bytes(data[start:stop]):
            value = int(CRC_TABLE[(value ^ byte) & 0xFF]) ^ (value >> 8)
        return value ^ 0xFFFFFFFF

else:
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.core.typing import signature
    from numba.extending import intrinsic

    LINE_BYTES = 64
    _I32 = ir.IntType(32)
    _I64 = ir.IntType(64)

    def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
        view = context.make_array(array_type)(context, builder, array)
        return cgutils.get_item_pointer(context, builder, array_type, view, [index], wraparound=False)

    def _syscall(builder: Any, arguments: list[Any]) -> Any:
        function_type = ir.FunctionType(_I64, [_I64], var_arg=True)
        function = cgutils.get_or_insert_function(builder.module, function_type, "syscall")
        return builder.call(function, arguments)

    def _timespec(builder: Any, duration_ns: Any) -> Any:
        billion = ir.Constant(_I64, 1_000_000_000)
        spec = cgutils.alloca_once(builder, ir.LiteralStructType([_I64, _I64]))
        builder.store(builder.sdiv(duration_ns, billion), cgutils.gep_inbounds(builder, spec, 0, 0))
        builder.store(builder.srem(duration_ns, billion), cgutils.gep_inbounds(builder, spec, 0, 1))
        return spec

    @intrinsic  # type: ignore[untyped-decorator]
    def clock_ns(typing_context: Any) -> Any:
        """Return the monotonic clock (CLOCK_MONOTONIC) in nanoseconds."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            spec = cgutils.alloca_once(builder, ir.LiteralStructType([_I64, _I64]))
            function_type = ir.FunctionType(_I32, [_I32, spec.type])
            function = cgutils.get_or_insert_function(builder.module, function_type, "clock_gettime")
            builder.call(function, [ir.Constant(_I32, CLOCK_MONOTONIC), spec])
            seconds = builder.load(cgutils.gep_inbounds(builder, spec, 0, 0))
            nanoseconds = builder.load(cgutils.gep_inbounds(builder, spec, 0, 1))
            return builder.add(builder.mul(seconds, ir.Constant(_I64, 1_000_000_000)), nanoseconds)

        return signature(types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def yield_cpu(typing_context: Any) -> Any:
        """Let another runnable process have the core (sched_yield)."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function_type = ir.FunctionType(_I32, [])
            builder.call(cgutils.get_or_insert_function(builder.module, function_type, "sched_yield"), [])
            return context.get_dummy_value()

        return signature(types.none), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def sleep_ns(typing_context: Any, duration_ns: Any) -> Any:
        """Sleep for ``duration_ns`` (nanosleep; the kernel adds its timer slack)."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            spec = _timespec(builder, args[0])
            function_type = ir.FunctionType(_I32, [spec.type, spec.type])
            function = cgutils.get_or_insert_function(builder.module, function_type, "nanosleep")
            builder.call(function, [spec, ir.Constant(spec.type, None)])
            return context.get_dummy_value()

        return signature(types.none, types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def futex_wait(typing_context: Any, array: Any, index: Any, expected: Any, timeout_ns: Any) -> Any:
        """Sleep while the low 32 bits of ``array[index]`` are ``expected``, at most ``timeout_ns``.

        A futex has no owner: a process that dies asleep or about to wake others wedges nobody.
        """

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = _address(context, builder, sig.args[0], args[0], args[1])
            word = builder.ptrtoint(pointer, _I64)
            spec = builder.ptrtoint(_timespec(builder, args[3]), _I64)
            zero = ir.Constant(_I64, 0)
            low = builder.and_(args[2], ir.Constant(_I64, 0xFFFFFFFF))
            number = ir.Constant(_I64, SYS_FUTEX)
            _syscall(builder, [number, word, ir.Constant(_I64, FUTEX_WAIT), low, spec, zero, zero])
            return context.get_dummy_value()

        return signature(types.none, array, types.intp, types.int64, types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def futex_wake(typing_context: Any, array: Any, index: Any) -> Any:
        """Wake all processes that wait on the low 32 bits of ``array[index]``."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = _address(context, builder, sig.args[0], args[0], args[1])
            word = builder.ptrtoint(pointer, _I64)
            zero = ir.Constant(_I64, 0)
            number = ir.Constant(_I64, SYS_FUTEX)
            many = ir.Constant(_I64, 0x7FFFFFFF)
            _syscall(builder, [number, word, ir.Constant(_I64, FUTEX_WAKE), many, zero, zero, zero])
            return context.get_dummy_value()

        return signature(types.none, array, types.intp), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def ctz64(typing_context: Any, value: Any) -> Any:
        """Count the trailing zero bits of ``value``; 64 for 0."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

        return signature(types.int64, types.int64), codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def clz64(typing_context: Any, value: Any) -> Any:
        """Count the leading zero bits of ``value``; 64 for 0."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

        return signature(types.int64, types.int64), codegen

    def _prefetching(to_write: int) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            element = _address(context, builder, sig.args[0], args[0], args[1])
            pointer = builder.bitcast(element, ir.IntType(8).as_pointer())
            if len(args) > 2:
                offset = builder.mul(args[2], ir.Constant(args[2].type, LINE_BYTES))
                pointer = builder.gep(pointer, [offset])
            function_type = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
            function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
            mode, keep_in_all_caches, data = (ir.Constant(_I32, number) for number in (to_write, 3, 1))
            builder.call(function, [pointer, mode, keep_in_all_caches, data])
            return context.get_dummy_value()

        return codegen

    @intrinsic  # type: ignore[untyped-decorator]
    def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
        """Ask for the cache line of ``array[index]``, to be read soon; never faults, changes nothing."""
        return signature(types.none, array, types.intp), _prefetching(0)

    @intrinsic  # type: ignore[untyped-decorator]
    def prefetch_line(typing_context: Any, array: Any, index: Any, line: Any) -> Any:
        """Ask for the cache line that begins ``line`` lines behind ``array[index]``, to be read soon."""
        return signature(types.none, array, types.intp, types.intp), _prefetching(0)

    @intrinsic  # type: ignore[untyped-decorator]
    def prefetch_to_write(typing_context: Any, array: Any, index: Any) -> Any:
        """Ask for the cache line of ``array[index]`` for this core alone, to be written soon."""
        return signature(types.none, array, types.intp), _prefetching(1)

    @intrinsic  # type: ignore[untyped-decorator]
    def _crc_step(typing_context: Any, value: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function_type = ir.FunctionType(_I64, [_I64, _I64])
            name = "llvm.x86.sse42.crc32.64.64"
            return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), args)

        return signature(types.int64, types.int64, types.int64), codegen

    @inlined
    def mul64(left, right):  # type: ignore[no-untyped-def]
        """Multiply modulo 2**64 and return the product as a signed number."""
        return left * right

    HAS_CRC_INSTRUCTION = _has_crc_instruction()

    if HAS_CRC_INSTRUCTION:

        @kernel
        def crc32c(data, start, stop, seed):  # type: ignore[no-untyped-def]
            """Return the CRC32C (RFC 3720) of ``data[start:stop]`` (uint8), continuing from ``seed``."""
            value = np.int64(seed) ^ np.int64(0xFFFFFFFF)
            words_stop = start + ((stop - start) & ~7)
            words = data[start:words_stop].view(np.int64)
            for index in range(words.shape[0]):
                value = _crc_step(value, words[index])
            for index in range(words_stop, stop):
                value = CRC_TABLE[(value ^ np.int64(data[index])) & 0xFF] ^ (value >> 8)
            return value ^ np.int64(0xFFFFFFFF)

    else:

        @kernel
        def crc32c(data, start, stop, seed):  # type: ignore[no-untyped-def]
            """Return the CRC32C (RFC 3720) of ``data[start:stop]`` (uint8), continuing from ``seed``."""
            value = np.int64(seed) ^ np.int64(0xFFFFFFFF)
            for index in range(start, stop):
                value = CRC_TABLE[(value ^ np.int64(data[index])) & 0xFF] ^ (value >> 8)
            return value ^ np.int64(0xFFFFFFFF)
