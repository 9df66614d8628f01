"""The machine code of publish and consume holds the atomic operations that it must, and in the right order.

The kernels are compiled for this test, into a cache of its own, by an interpreter of its own: code that comes
from a cache is not shown by Numba. Each claim has a canary: the same kernel with the operation dropped is
compiled as well, and the check must refuse it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from ringbuffer import layout, multi, sequence
from ringbuffer.kernel import kernel

ROOT: Final = Path(__file__).resolve().parents[2]
X86: Final = platform.machine() in ("x86_64", "AMD64")
FILLED: Final = 7_777_777_777_777  # what the kernels below write, found again in the code
CURSOR: Final = layout.cursor_index(0)

RELEASE: Final = "store atomic i64 .* release"
ACQUIRE: Final = "load atomic i64, .* acquire"
EXCHANGE: Final = "cmpxchg .* seq_cst seq_cst"


@kernel
def fill_and_publish(words, slots, seq):  # type: ignore[no-untyped-def]
    """Fill a slot and publish it."""
    slots[0] = FILLED
    sequence.publish(words, CURSOR, seq)
    return seq


@kernel
def fill_and_store(words, slots, seq):  # type: ignore[no-untyped-def]
    """The canary: the release store is a plain one."""
    slots[0] = FILLED
    words[CURSOR] = seq
    return seq


@kernel
def look_available(words, participant):  # type: ignore[no-untyped-def]
    """Look how far a reader may read."""
    return sequence.available(words, participant)


@kernel
def look_plainly(words, participant):  # type: ignore[no-untyped-def]
    """The canary: the same with plain loads."""
    base = layout.HEADER_WORDS + layout.PARTICIPANT_WORDS * participant
    mask = words[base + layout.P_GATES]
    lowest = np.int64(layout.MAX_SEQ)
    for other in range(layout.MAX_PARTICIPANTS):
        if (mask >> other) & 1:
            lowest = min(lowest, words[layout.HEADER_WORDS + layout.PARTICIPANT_WORDS * other])
    return lowest


@kernel
def claim_one(words, local, capacity, n):  # type: ignore[no-untyped-def]
    """Claim as the one writer."""
    return sequence.try_claim(words, local, capacity, n)


@kernel
def claim_and_fill(words, local, slots, capacity, n):  # type: ignore[no-untyped-def]
    """Claim as the one writer, announcing it, and fill a slot."""
    last = sequence.try_claim(words, local, capacity, n)
    if last >= 0:
        slots[0] = FILLED
    return last


@kernel
def claim_of_several(words, local, capacity, n):  # type: ignore[no-untyped-def]
    """Claim as one of several."""
    return multi.claim_shared(words, local, capacity, n)


@kernel
def claim_without_exchange(words, local, capacity, n):  # type: ignore[no-untyped-def]
    """The canary: look and store."""
    end = words[CURSOR]
    words[words[layout.H_STATES] + ((end + 1) & (capacity - 1))] = local[multi.L_OWN]
    words[CURSOR] = end + n
    return end + n


@kernel
def fill_and_publish_shared(words, local, slots, capacity):  # type: ignore[no-untyped-def]
    """Fill a slot and publish it, as one of several."""
    slots[0] = FILLED
    multi.publish_shared(words, local, capacity)
    return capacity


@kernel
def look_readable(words, local, capacity, limit):  # type: ignore[no-untyped-def]
    """Look how far the claims of several are published."""
    return multi.readable(words, local, capacity, limit)


@kernel
def pad_one(words, seq, capacity, state):  # type: ignore[no-untyped-def]
    """Pad a claim."""
    return multi.pad_claim(words, seq, capacity, state)


ARGUMENTS: Final[dict[Any, int]] = {  # kernel: how many of its arguments are arrays; the rest are integers
    fill_and_publish: 2,
    fill_and_store: 2,
    look_available: 1,
    look_plainly: 1,
    claim_one: 2,
    claim_and_fill: 3,
    claim_of_several: 2,
    claim_without_exchange: 2,
    fill_and_publish_shared: 3,
    look_readable: 2,
    pad_one: 1,
}


def dump() -> None:
    """Compile all kernels here, and print their code as JSON: name, then (LLVM, assembly) after optimisation."""
    words = np.zeros(4, np.int64)
    code = {}
    for each, arrays in ARGUMENTS.items():
        count = each.py_func.__code__.co_argcount
        signature = (*(words_type(words) for _ in range(arrays)), *("int64" for _ in range(count - arrays)))
        each.compile(f"({', '.join(signature)})")
        compiled = each.overloads[each.signatures[0]]
        name = each.py_func.__name__
        code[name] = (body_of(compiled.library.get_llvm_str(), name), each.inspect_asm(each.signatures[0]))
    print(json.dumps(code))


def words_type(words: Any) -> str:
    """Return Numba's name of an array like this, C-contiguous."""
    return f"{words.dtype.name}[::1]"


def body_of(text: str, name: str) -> str:
    """Return the LLVM text of the function itself, without its wrappers."""
    bodies = re.findall(r"^define [^\n]*\{\n.*?^\}$", text, re.MULTILINE | re.DOTALL)
    wanted = [body for body in bodies if name in body.split("\n")[0] and "_ZN" in body.split("\n")[0]]
    wanted = [body for body in wanted if "7cpython" not in body.split("\n")[0]]
    return "\n".join(wanted)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Return the code of each kernel, compiled by an interpreter with an empty cache."""
    cache = tmp_path_factory.mktemp("kernels")
    child = subprocess.run(
        [sys.executable, "-c", "from tests.ringbuffer.test_machine_code import dump; dump()"],
        cwd=ROOT,
        env={
            **os.environ,
            "RINGMATCH_CACHE_DIR": str(cache),
            "NUMBA_DISABLE_JIT": "0",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return {name: (str(llvm), str(asm)) for name, (llvm, asm) in json.loads(child.stdout).items()}


def holds(pattern: str) -> Callable[[str], bool]:
    """Return a check that the code has such an operation."""
    return lambda llvm: re.search(pattern, llvm) is not None


def fills_before(pattern: str) -> Callable[[str], bool]:
    """Return a check that the slot is filled before such an operation."""

    def check(llvm: str) -> bool:
        fill, operation = llvm.find(str(FILLED)), re.search(pattern, llvm)
        return operation is not None and 0 <= fill < operation.start()

    return check


def fills_after(pattern: str) -> Callable[[str], bool]:
    """Return a check that the slot is filled after such an operation."""

    def check(llvm: str) -> bool:
        fill, operation = llvm.find(str(FILLED)), re.search(pattern, llvm)
        return operation is not None and fill > operation.start()

    return check


CLAIMS: Final = [
    ("fill_and_publish", "a release store, after the slot", fills_before(RELEASE), "fill_and_store"),
    ("fill_and_publish_shared", "a release store, after the slot", fills_before(RELEASE), "fill_and_store"),
    ("look_available", "acquire loads", holds(ACQUIRE), "look_plainly"),
    ("claim_one", "acquire loads of the gates", holds(ACQUIRE), "look_plainly"),
    ("claim_and_fill", "a release fence before the slot", fills_after("fence release"), "fill_and_publish"),
    ("claim_of_several", "an acquire load", holds(ACQUIRE), "claim_without_exchange"),
    ("claim_of_several", "two exchanges", holds(f"(?s){EXCHANGE}.*{EXCHANGE}"), "claim_without_exchange"),
    ("look_readable", "an acquire load", holds(ACQUIRE), "look_plainly"),
    ("pad_one", "an exchange", holds(EXCHANGE), "fill_and_store"),
]


@pytest.mark.parametrize(
    ("name", "what", "check", "canary"), CLAIMS, ids=[f"{row[0]}: {row[1]}" for row in CLAIMS]
)
def test_the_code_has_its_atomic_operations(
    code: dict[str, tuple[str, str]], name: str, what: str, check: Callable[[str], bool], canary: str
) -> None:
    """The optimised code of this kernel has this operation; the kernel without it is told apart."""
    assert check(code[name][0]), f"expected {what}, was\n{code[name][0]}"
    assert code[canary][0], f"expected the code of {canary}, was none"
    assert not check(code[canary][0]), f"expected no {what} in {canary}"


@pytest.mark.skipif(not X86, reason="reads x86-64 assembly")
def test_on_x86_claims_of_several_lock_and_nothing_else_does(code: dict[str, tuple[str, str]]) -> None:
    """Several producers and padding use ``lock cmpxchg``; one writer and readers have no locked operation."""
    for name in ("claim_of_several", "pad_one"):
        assert re.search(r"\block\b[\s;]*cmpxchg", code[name][1]), name
    for name in ("fill_and_publish", "look_available", "claim_one", "claim_and_fill", "look_readable"):
        text = code[name][1]
        own = text[: text.find("cpython")] if "cpython" in text else text
        assert not re.search(r"\b(lock|mfence|xchgq)\b", own), name


@pytest.mark.skipif(not X86, reason="reads x86-64 assembly")
def test_on_x86_the_payload_is_stored_before_the_cursor(code: dict[str, tuple[str, str]]) -> None:
    """In the assembly the number that fills the slot is loaded and stored before the cursor's store."""
    text = code["fill_and_publish"][1]
    number = re.search(rf"\${FILLED}, (%\w+)", text)
    assert number is not None, text[:2000]
    offset = CURSOR * 8
    cursor = re.search(rf"movq\s+%\w+, {offset}\(%\w+\)", text)
    payload = re.search(rf"movq\s+{number.group(1)}, \(%\w+\)", text)
    assert cursor and payload and number.start() < payload.start() < cursor.start(), text[:2000]
