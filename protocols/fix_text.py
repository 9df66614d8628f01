"""Write FIX messages: the envelope, times, and the client's side of the order messages.

Plain Python, off the hot path: file generators, tests and gateways write messages with it. The scanner of
:mod:`protocols.fix_scan` is the inverse of :func:`encode_command`, which a Hypothesis test holds it to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from protocols.codes import (
    FLAG_POST_ONLY,
    FLAG_POST_REPRICE,
    FLAG_STP_MASK,
    FLAG_STP_SHIFT,
    KIND_CANCEL,
    KIND_MASS_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    KIND_STATUS,
    TIF_CLOSE,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TIF_GTD,
    TIF_IOC,
    TIF_OPEN,
    TYPE_LIMIT,
    TYPE_MARKET,
    TYPE_STOP,
    TYPE_STOP_LIMIT,
    TYPE_TRAILING_STOP,
)
from protocols.directory import Directory
from protocols.text import unpack_text

__all__ = ["VENUE_COMP_ID", "VERSIONS", "build_message", "encode_command", "to_log", "utc_text"]

VENUE_COMP_ID: Final = "RINGMATCH"
VERSIONS: Final = ("FIX.4.2", "FIX.4.4")
SOH: Final = "\x01"
NS_PER_SECOND: Final = 1_000_000_000
MSG_TYPES: Final = {
    KIND_NEW: "D",
    KIND_CANCEL: "F",
    KIND_REPLACE: "G",
    KIND_STATUS: "H",
    KIND_MASS_CANCEL: "q",
}
ORD_TYPES: Final = {
    TYPE_MARKET: "1",
    TYPE_LIMIT: "2",
    TYPE_STOP: "3",
    TYPE_STOP_LIMIT: "4",
    TYPE_TRAILING_STOP: "P",
}
TIFS: Final = {
    TIF_DAY: "0",
    TIF_GTC: "1",
    TIF_OPEN: "2",
    TIF_IOC: "3",
    TIF_FOK: "4",
    TIF_GTD: "6",
    TIF_CLOSE: "7",
}
REPRICES: Final = "P"  # DisplayIndicator (9479) of a post-only order that takes another price
TRAILS: Final = "a"  # ExecInst of a trailing stop
ADDS_ONLY: Final = "6"  # ExecInst of a post-only order

Field = tuple[int, object]


def build_message(version: str, fields: Iterable[Field]) -> bytes:
    """Return a message with BeginString, BodyLength and CheckSum around ``fields``, which begin with 35.

    Fields whose value is None are left out. Raise ValueError for a value that no field can hold.
    """
    if version not in VERSIONS:
        raise ValueError(f"expected one of {', '.join(VERSIONS)}, was {version!r}")
    parts = []
    for tag, value in fields:
        if value is None:
            continue
        text = str(value)
        if not text or SOH in text or not text.isascii():
            raise ValueError(f"field {tag}: expected ASCII text without SOH, was {text!r}")
        parts.append(f"{tag}={text}{SOH}")
    body = "".join(parts)
    message = f"8={version}{SOH}9={len(body)}{SOH}{body}".encode("ascii")
    return message + f"10={sum(message) % 256:03d}{SOH}".encode("ascii")


def to_log(message: bytes) -> bytes:
    """Return a message as logs show it, with ``|`` for SOH; length and checksum stay those with SOH."""
    return message.replace(b"\x01", b"|")


def utc_text(time_ns: int, decimals: int = 3) -> str:
    """Return nanoseconds since the epoch as a UTCTimestamp, cut to 3, 6 or 9 ``decimals``."""
    seconds, fraction_ns = divmod(int(time_ns), NS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y%m%d-%H:%M:%S}." + f"{fraction_ns:09d}"[:decimals]


def _exact_utc_text(time_ns: int) -> str:
    """Return a UTCTimestamp with as many decimals as it takes to lose nothing."""
    for decimals, unit_ns in ((3, 1_000_000), (6, 1_000)):
        if time_ns % unit_ns == 0:
            return utc_text(time_ns, decimals)
    return utc_text(time_ns, 9)


def encode_command(
    command: Any,
    directory: Directory,
    session_name: str,
    version: str = "FIX.4.4",
    msg_seq_num: int = 1,
    target_comp_id: str = VENUE_COMP_ID,
) -> bytes:
    """Return the message that a client would send for a command slot: D, F, G, H or q.

    Raise ValueError for what FIX cannot say: other kinds, unknown types, tifs, sides or instruments.
    """
    kind, side = int(command["kind"]), int(command["side"])
    instrument = int(command["instrument"])
    symbol = directory.symbol(instrument)
    is_mass = kind == KIND_MASS_CANCEL
    if kind not in MSG_TYPES or side not in ((0, 1, 2) if is_mass else (1, 2)) or not (symbol or is_mass):
        raise ValueError(f"expected a client's order, was kind {kind}, side {side}, instrument {instrument}")
    if kind in (KIND_NEW, KIND_REPLACE):
        ord_type, tif = int(command["ord_type"]), int(command["tif"])
        if ord_type not in ORD_TYPES or tif not in TIFS:
            raise ValueError(f"expected a FIX order type and time in force, was {ord_type} and {tif}")
        own = _order_fields(command, directory)
    elif is_mass:
        own = [(530, "1" if instrument else "7")]
    else:
        own = [(37, int(command["order_id"]) or None)]
    time_text = _exact_utc_text(int(command["time_ns"]))
    cl_ord_id = unpack_text(command["cl0"], command["cl1"], command["cl2"])
    if kind == KIND_NEW or is_mass:
        names: list[Field] = [(11, cl_ord_id)]
    else:
        target = unpack_text(command["orig0"], command["orig1"], command["orig2"]) or None
        is_status = kind == KIND_STATUS
        names = [(11, target), (790, cl_ord_id or None)] if is_status else [(11, cl_ord_id), (41, target)]
    if kind == KIND_CANCEL:
        own.append((38, directory.qty_text(instrument, int(command["qty_lots"]))))
    header: list[Field] = [
        (35, MSG_TYPES[kind]),
        (34, msg_seq_num),
        (49, session_name),
        (52, time_text),
        (56, target_comp_id),
    ]
    body: list[Field] = [
        *names,
        *own,
        (1, directory.account_name(int(command["account"])) or None),
        (54, side or None),
        (55, symbol or None),
        (60, time_text),
    ]
    return build_message(version, header + sorted(body, key=lambda field: field[0]))


def _order_fields(command: Any, directory: Directory) -> list[Field]:
    """Return what a new order and a replace have beyond names."""
    instrument, ord_type, flags = (int(command[name]) for name in ("instrument", "ord_type", "flags"))
    stop = int(command["aux0"])
    stop_text = directory.price_text(instrument, stop) if stop else None
    is_trailing = ord_type == TYPE_TRAILING_STOP
    has_price = ord_type in (TYPE_LIMIT, TYPE_STOP_LIMIT)
    fields: list[Field] = [
        (21, "1"),
        (38, directory.qty_text(instrument, int(command["qty_lots"]))),
        (40, ORD_TYPES[ord_type]),
        (44, directory.price_text(instrument, int(command["price_ticks"])) if has_price else None),
        (59, TIFS[int(command["tif"])]),
        (211 if is_trailing else 99, stop_text),
    ]
    posts = flags & (FLAG_POST_ONLY | FLAG_POST_REPRICE) != 0
    instructions = [ADDS_ONLY] * posts + [TRAILS] * is_trailing
    fields.append((18, " ".join(instructions) or None))
    if int(command["kind"]) == KIND_REPLACE:
        return [*fields, (37, int(command["order_id"]) or None)]
    display, minimum, group = (int(command[name]) for name in ("order_id", "orig0", "orig2"))
    has_expiry = int(command["tif"]) == TIF_GTD
    return [
        *fields,
        (110, directory.qty_text(instrument, minimum) if minimum else None),
        (111, directory.qty_text(instrument, display) if display else None),
        (126, _exact_utc_text(int(command["aux1"])) if has_expiry else None),
        (2362, group or None),
        (2964, (flags >> FLAG_STP_SHIFT & FLAG_STP_MASK) or None),
        (9479, REPRICES if flags & FLAG_POST_REPRICE else None),
    ]
