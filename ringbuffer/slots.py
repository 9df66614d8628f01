"""Slots described by a ``msgspec.Struct`` instead of a NumPy dtype, and the way between structs and slots.

::

    class Tick(msgspec.Struct):
        price: int                                           i8
        qty: Annotated[int, Meta(ge=0, le=1_000_000)]        u4: the smallest that fits
        side: Side                                           an IntEnum: the smallest that fits its members
        is_last: bool                                        one byte
        symbol: Annotated[str, Meta(max_length=8)]           8 bytes of UTF-8, padded with zeros

    Ring.create("ticks", 1024, Tick, handle("book"))         wherever a dtype is expected
    producer.publish(Tick(...)) ; to_structs(Tick, batch)

Fields keep their order and stand at multiples of their size; what is between and behind them is padding with a name,
``_pad0``, ``_pad1``, ..., up to a multiple of 8 bytes: the layout, and so its hash, depends on the struct
alone. ``float`` is f8, ``bytes`` and ``str`` need a ``max_length`` (of a str it bounds the bytes of its UTF-8).

Invariants: ``to_structs(type(x), [to_record(x)]) == [x]``, or :func:`to_record` raises: slots are of fixed size, so
what does not fit, or would come back shortened (bytes that end with a zero), is refused.

Failure modes: a field of any other type is a TypeError that names struct and field, a value beyond its bounds a
ValueError. ``msgspec`` is imported when a struct is described, never before.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from ringbuffer.layout import WORD_BYTES

__all__ = ["as_dtype", "as_record", "is_struct", "slot_dtype", "to_record", "to_structs"]

INTEGERS: Final = ("u1", "i1", "u2", "i2", "u4", "i4", "i8")  # smallest first; msgspec bounds by int64
LEAST: Final = -(2**63)
MOST: Final = 2**63 - 1
PADDING: Final = "_pad"


class _Field(NamedTuple):
    name: str
    dtype: str
    pack: Callable[[str, Any], Any]  # (where, value) -> what the slot takes
    unpack: Callable[[Any], Any] | None  # None: what NumPy gives is the value


def is_struct(value: Any) -> bool:
    """Tell whether a value is a msgspec.Struct, or a type of them; imports nothing."""
    msgspec = sys.modules.get("msgspec")
    if msgspec is None:  # then nobody can have made one
        return False
    return issubclass(value if isinstance(value, type) else type(value), msgspec.Struct)


def as_dtype(described: Any) -> np.dtype[Any]:
    """Return the dtype of slots that are described by a dtype, or by a type of structs."""
    return slot_dtype(described) if _is_struct_type(described) else np.dtype(described)


def as_record(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return what a slot of ``dtype`` takes for a value: that itself, unless it is a struct of that layout."""
    if not is_struct(value):
        return value
    struct: Any = type(value)
    if slot_dtype(struct) != dtype:
        raise TypeError(f"{struct.__name__}: expected a struct of {dtype}, was {slot_dtype(struct)}")
    return to_record(value)


def _is_struct_type(described: Any) -> bool:
    return isinstance(described, type) and is_struct(described)


@cache
def slot_dtype(struct: Any) -> np.dtype[Any]:
    """Return the structured dtype of a type of structs, a multiple of 8 bytes, all padding named."""
    return np.dtype([(name, *form) for name, *form in _layout(struct)])


def to_record(value: Any) -> tuple[Any, ...]:
    """Return a struct as a tuple that a slot takes, padding included; raise ValueError for what does not fit."""
    struct: Any = type(value)
    fields = _fields(struct)
    packed = {
        field.name: field.pack(f"{struct.__name__}.{field.name}", getattr(value, field.name))
        for field in fields
    }
    return tuple(packed.get(name, 0) for name in slot_dtype(struct).names or ())


def to_structs(struct: Any, array: Any) -> list[Any]:
    """Return a structured array, such as a batch, as a list of structs; they are copies and may be kept."""
    if array.dtype != slot_dtype(struct):
        raise TypeError(f"{struct.__name__}: expected an array of {slot_dtype(struct)}, was {array.dtype}")
    fields = _fields(struct)
    columns = []
    for field in fields:
        values = array[field.name].tolist()
        columns.append(values if field.unpack is None else map(field.unpack, values))
    names = [field.name for field in fields]
    return [struct(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _layout(struct: Any) -> list[tuple[Any, ...]]:
    """Return (name, type) or (name, type, shape) of each field and each padding."""
    rows: list[tuple[Any, ...]] = []
    offset = 0

    def pad(unit_bytes: int) -> int:
        missing = -offset % unit_bytes
        if missing:
            count = sum(name.startswith(PADDING) for name, *_ in rows)
            rows.append((f"{PADDING}{count}", "u1", (missing,)))
        return offset + missing

    for field in _fields(struct):
        dtype = np.dtype(field.dtype)
        offset = pad(dtype.alignment)
        rows.append((field.name, dtype.str))
        offset += dtype.itemsize
    pad(WORD_BYTES)
    return rows


@cache
def _fields(struct: Any) -> tuple[_Field, ...]:
    if not _is_struct_type(struct):
        raise TypeError(f"slots: expected a type of msgspec.Struct, was {struct!r}")
    from msgspec import inspect

    try:
        described = inspect.type_info(struct).fields  # type: ignore[attr-defined]
    except (TypeError, NameError) as error:
        raise TypeError(f"{struct.__name__}: expected types that msgspec knows: {error}") from error
    if not described:
        raise TypeError(f"{struct.__name__}: expected at least one field, was none")
    return tuple(_field(f"{struct.__name__}.{each.name}", each.name, each.type) for each in described)


def _field(where: str, name: str, kind: Any) -> _Field:
    from msgspec import inspect

    if name.startswith(PADDING):
        raise TypeError(f"{where}: expected a name that is none of padding ({PADDING}...), was {name!r}")
    match kind:
        case inspect.IntType():
            least, most = _bounds(kind)
            return _Field(name, _smallest(where, least, most), _IntegerIn(least, most), None)
        case inspect.FloatType():
            return _Field(name, "<f8", _number, None)
        case inspect.BoolType():
            return _Field(name, "?", _truth, None)
        case inspect.EnumType() if issubclass(kind.cls, enum.IntEnum):
            values = [int(member) for member in kind.cls]
            return _Field(name, _smallest(where, min(values), max(values)), _MemberOf(kind.cls), kind.cls)
        case inspect.BytesType() | inspect.StrType() if kind.max_length:
            is_text = isinstance(kind, inspect.StrType)
            return _Field(
                name,
                f"S{kind.max_length}",
                _Text(kind.max_length, is_text),
                bytes.decode if is_text else None,
            )
        case inspect.BytesType() | inspect.StrType():
            raise TypeError(f"{where}: expected Meta(max_length=...), was none: slots are of fixed size")
    was = getattr(kind, "cls", type(kind)).__name__
    raise TypeError(
        f"{where}: expected int, float, bool, an IntEnum, or bytes or str of bounded length, was {was}"
    )


def _bounds(kind: Any) -> tuple[int, int]:
    least = LEAST if kind.ge is None else kind.ge
    most = MOST if kind.le is None else kind.le
    least = least if kind.gt is None else max(least, kind.gt + 1)
    most = most if kind.lt is None else min(most, kind.lt - 1)
    return int(least), int(most)


def _smallest(where: str, least: int, most: int) -> str:
    if least > most:
        raise TypeError(f"{where}: expected bounds in order, was {least}..{most}")
    for name in INTEGERS:
        info = np.iinfo(name)
        if info.min <= least and most <= info.max:
            return f"<{name}"
    raise TypeError(f"{where}: expected bounds within {LEAST}..{MOST}, was {least}..{most}")


class _IntegerIn:
    """Takes integers of a range."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __call__(self, where: str, value: Any) -> int:
        if not isinstance(value, int) or not self._least <= value <= self._most:
            raise ValueError(f"{where}: expected an int of {self._least}..{self._most}, was {value!r}")
        return int(value)


class _MemberOf:
    """Takes members of an IntEnum, or their numbers."""

    def __init__(self, kind: type[enum.IntEnum]) -> None:
        self._kind = kind

    def __call__(self, where: str, value: Any) -> int:
        try:
            return int(self._kind(value))
        except ValueError:
            raise ValueError(f"{where}: expected a {self._kind.__name__}, was {value!r}") from None


class _Text:
    """Takes bytes, or text as its UTF-8, of at most so many bytes, not ending with a zero."""

    def __init__(self, most_bytes: int, is_text: bool) -> None:
        self._most_bytes, self._kind = most_bytes, str if is_text else bytes

    def __call__(self, where: str, value: Any) -> bytes:
        if not isinstance(value, self._kind):
            raise ValueError(f"{where}: expected {self._kind.__name__}, was {value!r}")
        data = value.encode() if isinstance(value, str) else bytes(value)
        if len(data) > self._most_bytes or data.endswith(b"\0"):
            wanted = f"at most {self._most_bytes} bytes without a zero at the end"
            raise ValueError(f"{where}: expected {wanted}, was {len(data)}: {value!r}")
        return data


def _number(where: str, value: Any) -> float:
    if not isinstance(value, int | float):
        raise ValueError(f"{where}: expected a float, was {value!r}")
    return float(value)


def _truth(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where}: expected a bool, was {value!r}")
    return value
