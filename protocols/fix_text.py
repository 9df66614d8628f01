"""Write FIX messages: the envelope, times, and the client's side of the order messages.

Plain Python, off the hot path: file generators, tests and gateways write messages with it. The scanner of
:mod:`protocols.fix_scan` is the inverse of :func:`encode_command`, which a Hypothesis test holds it to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from protocols.codes import (
    KIND_CANCEL,
    KIND_NEW,
    KIND_REPLACE,
    TIF_DAY,
    TIF_FOK,
    TIF_GTC,
    TIF_IOC,
    TYPE_LIMIT,
    TYPE_MARKET,
)
from protocols.directory import Directory
from protocols.text import unpack_text

__all__ = ["VENUE_COMP_ID", "VERSIONS", "build_message", "encode_command", "to_log", "utc_text"]

VENUE_COMP_ID: Final = "RINGMATCH"
VERSIONS: Final = ("FIX.4.2", "FIX.4.4")
SOH: Final = "\x01"
NS_PER_SECOND: Final = 1_000_000_000
MSG_TYPES: Final = {KIND_NEW: "D", KIND_CANCEL: "F", KIND_REPLACE: "G"}
ORD_TYPES: Final = {TYPE_MARKET: "1", TYPE_LIMIT: "2"}
TIFS: Final = {TIF_DAY: "0", TIF_GTC: "1", TIF_IOC: "3", TIF_FOK: "4"}

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
    target: str = VENUE_COMP_ID,
) -> bytes:
    """Return the NewOrderSingle, Cancel or Cancel/Replace that a client would send for a command slot.

    Raise ValueError for what FIX cannot say: other kinds, unknown types, tifs, sides or instruments.
    """
    kind, side = int(command["kind"]), int(command["side"])
    instrument, tif = int(command["instrument"]), int(command["tif"])
    ord_type = int(command["ord_type"])
    symbol = directory.symbol(instrument)
    if kind not in MSG_TYPES or side not in (1, 2) or not symbol:
        raise ValueError(f"expected a client's order, was kind {kind}, side {side}, instrument {instrument}")
    is_order = kind != KIND_CANCEL
    if is_order and (ord_type not in ORD_TYPES or tif not in TIFS):
        raise ValueError(f"expected a FIX order type and time in force, was {ord_type} and {tif}")
    time_text = _exact_utc_text(int(command["time_ns"]))
    order_id = int(command["order_id"])
    has_price = is_order and ord_type == TYPE_LIMIT
    price = directory.price_text(instrument, int(command["price_ticks"])) if has_price else None
    return build_message(
        version,
        [
            (35, MSG_TYPES[kind]),
            (34, msg_seq_num),
            (49, session_name),
            (52, time_text),
            (56, target),
            (1, directory.account_name(int(command["account"])) or None),
            (11, unpack_text(command["cl0"], command["cl1"], command["cl2"])),
            (21, "1" if is_order else None),
            (37, order_id or None),
            (38, directory.qty_text(instrument, int(command["qty_lots"]))),
            (40, ORD_TYPES[ord_type] if is_order else None),
            (41, unpack_text(command["orig0"], command["orig1"], command["orig2"]) or None),
            (44, price),
            (54, side),
            (55, symbol),
            (59, TIFS[tif] if is_order else None),
            (60, time_text),
        ],
    )
