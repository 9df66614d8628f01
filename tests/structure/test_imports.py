"""The floors of the house: who may import whom."""

from __future__ import annotations

from tests.structure.tree import BESIDE, FLOORS, Module, imports, modules, snippet

LLVM_MODULES = {"ringbuffer.atomics", "ringbuffer.bundle", "ringbuffer.native"}


def upward_imports(module: Module) -> list[str]:
    """Return the imports of a module that do not point downward."""
    allowed = FLOORS[: FLOORS.index(module.package) + 1]
    return sorted(
        {
            module.at(node, f"imports {name.partition('.')[0]}")
            for node, name in imports(module)
            if name.partition(".")[0] in {*FLOORS, *BESIDE} - set(allowed)
        }
    )


def llvm_imports(module: Module) -> list[str]:
    """Return the imports of llvmlite where it has no business."""
    if module.name in LLVM_MODULES:
        return []
    return [
        module.at(node, f"imports {name}")
        for node, name in imports(module)
        if name.split(".")[0] == "llvmlite"
    ]


def early_numba(module: Module) -> list[str]:
    """Return imports of Numba past ringbuffer.kernel, which must choose the cache directory first."""
    if module.name == "ringbuffer.kernel":
        return []
    first_kernel = min(
        (node.lineno for node, name in imports(module) if name.startswith("ringbuffer.kernel")),
        default=1 << 30,
    )
    return [
        module.at(node, f"imports {name}, but not ringbuffer.kernel before it")
        for node, name in imports(module)
        if name.split(".")[0] == "numba" and node.lineno < first_kernel
    ]


def test_imports_point_downward() -> None:
    """Ringbuffer < protocols < journal < stages < gateway < cli, and none imports tests or benchmarks."""
    assert [line for module in modules() for line in upward_imports(module)] == []


def test_llvm_is_emitted_in_three_modules() -> None:
    """Only ringbuffer.atomics, ringbuffer.bundle and ringbuffer.native import llvmlite."""
    assert [line for module in modules((*FLOORS, *BESIDE)) for line in llvm_imports(module)] == []


def test_numba_is_imported_through_the_kernel_module() -> None:
    """Whoever imports Numba has imported ringbuffer.kernel before, so that the cache is where it belongs."""
    assert [line for module in modules() for line in early_numba(module)] == []


def test_rules_see_what_they_forbid() -> None:
    """Upward imports are found in all their forms, downward ones are not."""
    source = "import gateway.fix\ndef f():\n    from tests import x\nfrom stages import y\nimport journal\n"
    assert upward_imports(snippet(source)) == [
        "stages/snippet.py:1: imports gateway",
        "stages/snippet.py:3: imports tests",
    ]
    assert llvm_imports(snippet("from llvmlite import ir\n"))
    assert early_numba(snippet("import numba\nfrom ringbuffer.kernel import kernel\n"))
    assert not early_numba(snippet("from ringbuffer.kernel import kernel\nimport numba\n"))
