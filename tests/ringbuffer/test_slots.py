"""Slots described by structs: the layout that comes out, and that values come back as they went in."""

from __future__ import annotations

import decimal
import enum
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from ringbuffer.errors import LayoutMismatch
from ringbuffer.layout import layout_hash
from ringbuffer.ring import Ring
from ringbuffer.slots import as_dtype, is_struct, slot_dtype, to_record, to_structs

pytestmark = pytest.mark.jitoff


class Side(enum.IntEnum):
    """What a tick is."""

    BUY = 1
    SELL = 2


class Wide(enum.IntEnum):
    """Members that need a sign and two bytes."""

    LOW = -1
    HIGH = 300


class Tick(msgspec.Struct, kw_only=True):
    """One of each kind of field, in an order that needs padding."""

    side: Side
    price: int
    qty: Annotated[int, Meta(ge=0, le=1_000_000)]
    is_last: bool = False
    rate: float = 0.0
    symbol: Annotated[str, Meta(max_length=5)] = ""
    raw: Annotated[bytes, Meta(max_length=3)] = b""
    wide: Wide = Wide.LOW


class Pair(msgspec.Struct):
    """Two integers."""

    price: int
    qty: int


GOLDEN_HASH = 721704017150843180
PAIR = np.dtype([("price", "<i8"), ("qty", "<i8")])


def test_fields_are_aligned_and_padding_has_names() -> None:
    """Fields keep their order at multiples of their size, all else is named padding, up to a multiple of 8."""
    dtype = slot_dtype(Tick)
    assert {name: field[1] for name, field in (dtype.fields or {}).items()} == {
        "side": 0, "_pad0": 1, "price": 8, "qty": 16, "is_last": 20, "_pad1": 21, "rate": 24,
        "symbol": 32, "raw": 37, "wide": 40, "_pad2": 42,
    }  # fmt: skip
    assert dtype.itemsize == 48
    assert dtype["wide"] == np.dtype("<i2")


def test_the_layout_depends_on_the_struct_alone() -> None:
    """The hash of a struct's layout is the same in every process and version: a golden number."""
    assert layout_hash(slot_dtype(Tick)) == GOLDEN_HASH
    assert slot_dtype(Pair) == PAIR
    assert layout_hash(slot_dtype(Pair)) == layout_hash(PAIR)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, "i8"),
        ({"ge": 0, "le": 255}, "u1"),
        ({"ge": 0, "lt": 257}, "u2"),
        ({"gt": -2, "le": 127}, "i1"),
        ({"ge": -1, "le": 128}, "i2"),
        ({"ge": 0, "le": 65_536}, "u4"),
        ({"ge": -(2**31), "lt": 2**31}, "i4"),
        ({"ge": 0, "le": 2**32}, "i8"),
        ({"ge": 0}, "i8"),
        ({"le": 5}, "i8"),
    ],
)
def test_bounded_integers_take_the_smallest_type(bounds: dict[str, int], expected: str) -> None:
    """An int is 8 bytes unless its bounds fit less; unsigned where both fit."""
    struct = msgspec.defstruct("Bounded", [("value", Annotated[int, Meta(**bounds)] if bounds else int)])
    assert slot_dtype(struct)["value"] == np.dtype(f"<{expected}")


ticks = st.builds(
    Tick,
    side=st.sampled_from(Side),
    price=st.integers(-(2**63), 2**63 - 1),
    qty=st.integers(0, 1_000_000),
    is_last=st.booleans(),
    rate=st.floats(allow_nan=False),
    symbol=st.text(max_size=5).filter(lambda text: len(text.encode()) <= 5 and not text.endswith("\0")),
    raw=st.binary(max_size=3).filter(lambda data: not data.endswith(b"\0")),
    wide=st.sampled_from(Wide),
)


@given(st.lists(ticks, max_size=5))
def test_structs_come_back_as_they_were(values: list[Tick]) -> None:
    """Every struct that a slot takes comes back equal, of the same types; its padding is zero."""
    array = np.full(len(values) * slot_dtype(Tick).itemsize, 255, np.uint8).view(slot_dtype(Tick))
    for index, value in enumerate(values):
        array[index] = to_record(value)
    back = to_structs(Tick, array)
    assert back == values
    assert [[type(each) for each in msgspec.structs.astuple(one)] for one in back] == [
        [type(each) for each in msgspec.structs.astuple(one)] for one in values
    ]
    assert not any(array[name].any() for name in ("_pad0", "_pad1", "_pad2"))


def changed(**fields: Any) -> Tick:
    """Return a tick with some fields of any value."""
    return Tick(**{"side": Side.BUY, "price": 1, "qty": 1, **fields})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (changed(qty=1_000_001), r"Tick\.qty: expected an int of 0\.\.1000000, was 1000001"),
        (
            changed(price=2**63),
            r"Tick\.price: expected an int of -9223372036854775808\.\.9223372036854775807",
        ),
        (changed(price=1.5), r"Tick\.price: expected an int"),
        (changed(side=3), r"Tick\.side: expected a Side, was 3"),
        (changed(symbol="123456"), r"Tick\.symbol: expected at most 5 bytes .* was 6: '123456'"),
        (changed(symbol="\N{EURO SIGN}uro"), r"Tick\.symbol: expected at most 5 bytes .* was 6"),
        (changed(symbol=b"x"), r"Tick\.symbol: expected str, was b'x'"),
        (changed(raw=b"a\0"), r"Tick\.raw: expected at most 3 bytes without a zero at the end"),
        (changed(rate="1"), r"Tick\.rate: expected a float, was '1'"),
        (changed(is_last=1), r"Tick\.is_last: expected a bool, was 1"),
    ],
)
def test_what_does_not_fit_is_refused(value: Tick, said: str) -> None:
    """A value that a slot would cut short, wrap or change is refused with struct, field and bounds."""
    with pytest.raises(ValueError, match=said):
        to_record(value)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (decimal.Decimal, r"Bad\.x: expected int, float, bool, an IntEnum, .* was Decimal"),
        (str, r"Bad\.x: expected Meta\(max_length=\.\.\.\), was none"),
        (bytes, r"Bad\.x: expected Meta\(max_length=\.\.\.\), was none"),
        (int | None, r"Bad\.x: expected int, float, .* was UnionType"),
        (list[int], r"Bad\.x: expected int, float, .* was ListType"),
        (Pair, r"Bad\.x: expected int, float, .* was Pair"),
        (Annotated[int, Meta(ge=3, le=2)], r"Bad\.x: expected bounds in order, was 3\.\.2"),
    ],
)
def test_fields_of_no_fixed_size_are_refused(kind: Any, said: str) -> None:
    """A type that a slot cannot hold is a TypeError that names struct and field."""
    with pytest.raises(TypeError, match=said):
        slot_dtype(msgspec.defstruct("Bad", [("x", kind)]))


def test_what_is_no_struct_is_refused() -> None:
    """Other types, structs without fields, and fields named like padding."""
    with pytest.raises(TypeError, match=r"expected a type of msgspec\.Struct, was <class 'int'>"):
        slot_dtype(int)
    with pytest.raises(TypeError, match="Empty: expected at least one field"):
        slot_dtype(msgspec.defstruct("Empty", []))
    with pytest.raises(TypeError, match=r"Bad\._pad0: expected a name that is none of padding"):
        slot_dtype(msgspec.defstruct("Bad", [("_pad0", int)]))
    with pytest.raises(TypeError, match="Pair: expected an array of"):
        to_structs(Pair, np.zeros(1, slot_dtype(Tick)))
    assert [is_struct(each) for each in (Pair, Pair(1, 2), PAIR, int, None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert as_dtype("<i8") == np.dtype("<i8")


def test_a_ring_takes_a_type_of_structs() -> None:
    """Create and attach with a struct type, publish structs, and get them back; another type is refused."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with Ring.create(name, 8, Pair, {"reader": ()}) as ring, Ring.attach(name, Pair) as other:
        with ring.producer() as producer, other.consumer("reader") as consumer:
            assert producer.publish(Pair(3, -4)) == 1
            assert producer.publish((5, 6)) == 2
            with pytest.raises(TypeError, match="Tick: expected a struct of"):
                producer.publish(changed())
            assert to_structs(Pair, consumer.poll()) == [Pair(3, -4), Pair(5, 6)]
        Ring.attach(name, PAIR).close()
        with pytest.raises(LayoutMismatch, match="slot_bytes: expected 48, was 16"):
            Ring.attach(name, Tick)


def test_msgspec_is_imported_when_it_is_used() -> None:
    """A ring of a NumPy dtype loads no msgspec."""
    program = "import sys, ringbuffer.ring, ringbuffer.processor; print('msgspec' in sys.modules)"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": root}, timeout=120,
    )  # fmt: skip
    assert done.stdout == "False\n"
