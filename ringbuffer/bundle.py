"""Bundles: named tuples of many arrays that kernels take as one pointer.

Numba passes a tuple of arrays as all of their fields, six or more words an array, through every call. A state of
twenty arrays is then more than a hundred arguments, and LLVM, which has to rate each of them at each call, takes
minutes for what it does in seconds. A bundle hands over the address of a *table* instead::

    table   data  shape...  strides...   of the first array
            data  shape...  strides...   of the second
            ...

Kernels write ``s.orders`` as before; the array is put together from the table where it is used. The table never
changes after it is made, and LLVM is told so: it may load a pointer once and keep it.

Invariant: the arrays of a bundle are never exchanged (``_replace`` would leave the old table behind, so it is refused).
With the JIT off a bundle is the named tuple that it looks like.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from ringbuffer.kernel import JIT_DISABLED  # first: it chooses the cache

# isort: split
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default as register_model
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import NativeValue, typeof_impl, unbox
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import as_dtype

__all__ = ["bundle", "make_bundle"]

WORD_BYTES = 8
TABLE = "table"

Made = TypeVar("Made", bound=tuple[Any, ...])


class BundleType(types.Type):
    """The type of a bundle: its class's name, and the types of its arrays in their order."""

    def __init__(self, name: str, arrays: tuple[tuple[str, Any], ...]) -> None:
        self.arrays = dict(arrays)
        self.places: dict[str, int] = {}
        place = 0
        for field, array in arrays:
            self.places[field] = place
            place += 1 + 2 * array.ndim
        # types are told apart by their names, which go into the symbols of all kernels that take them
        digest = hashlib.blake2b(repr(arrays).encode(), digest_size=8).hexdigest()
        super().__init__(f"{name}_{digest}")


@register_model(BundleType)
class _BundleModel(models.OpaqueModel):  # type: ignore[misc]
    """A pointer to the table."""


@infer_getattr
class _BundleAttribute(AttributeTemplate):  # type: ignore[misc]
    key = BundleType

    def generic_resolve(self, bundle_type: BundleType, name: str) -> Any:
        return bundle_type.arrays.get(name)


@lower_getattr_generic(BundleType)  # type: ignore[untyped-decorator]
def _load_array(context: Any, builder: Any, bundle_type: BundleType, value: Any, name: str) -> Any:
    """Put the array together from its part of the table."""
    array_type = bundle_type.arrays[name]
    word = ir.IntType(WORD_BYTES * 8)
    table = builder.bitcast(value, word.as_pointer())
    once = builder.module.add_metadata([])

    def entry(offset: int) -> Any:
        index = ir.Constant(word, bundle_type.places[name] + offset)
        loaded = builder.load(builder.gep(table, [index]))
        loaded.set_metadata("invariant.load", once)
        return loaded

    array = make_array(array_type)(context, builder)
    itemsize = context.get_constant(types.intp, _item_bytes(array_type))
    shape = [entry(1 + dimension) for dimension in range(array_type.ndim)]
    if array_type.layout == "C":
        strides = [itemsize]
        for extent in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], extent))
    else:
        strides = [entry(1 + array_type.ndim + dimension) for dimension in range(array_type.ndim)]
    populate_array(
        array,
        data=builder.inttoptr(entry(0), array.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()


def _item_bytes(array_type: Any) -> int:
    return int(as_dtype(array_type.dtype).itemsize)


@unbox(BundleType)  # type: ignore[untyped-decorator]
def _unbox_bundle(bundle_type: BundleType, value: Any, c: Any) -> Any:
    """Take the address of the table."""
    table_type = types.Array(types.int64, 1, "C")
    table = c.pyapi.object_getattr_string(value, TABLE)
    native = c.unbox(table_type, table)
    array = make_array(table_type)(c.context, c.builder, native.value)
    pointer = c.builder.bitcast(array.data, c.context.get_value_type(bundle_type))
    c.pyapi.decref(table)
    return NativeValue(pointer, is_error=native.is_error)


def bundle(cls: type[Made]) -> type[Made]:
    """Let kernels take a named tuple class, whose last field is ``table``, as bundles."""
    fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    if fields[-1] != TABLE:
        raise TypeError(f"{cls.__name__}: expected {TABLE!r} as the last field, was {fields[-1]!r}")

    def refuse(*_: Any, **__: Any) -> Any:
        raise TypeError(f"{cls.__name__}: expected its arrays to stay, make another with make_bundle")

    cls._replace = refuse  # type: ignore[attr-defined]
    if JIT_DISABLED:
        return cls

    @typeof_impl.register(cls)  # type: ignore[untyped-decorator]
    def _typeof(value: Any, context: Any) -> BundleType:
        arrays = tuple((name, numba.typeof(getattr(value, name))) for name in fields[:-1])
        return BundleType(cls.__name__, arrays)

    return cls


def make_bundle(cls: type[Made], **arrays: Any) -> Made:
    """Return a bundle of these arrays, which it keeps alive."""
    words: list[int] = []
    for name in cls._fields[:-1]:  # type: ignore[attr-defined]
        array = arrays[name]
        words += [array.__array_interface__["data"][0], *array.shape, *array.strides]
    maker: Any = cls
    made: Made = maker(**arrays, table=np.array(words, dtype=np.int64))
    return made
