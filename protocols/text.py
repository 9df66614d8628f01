"""Short ASCII texts in integers: ClOrdIDs and names of up to 20 bytes as two int64 and one int32.

Byte 0 is the least significant byte of the first integer; unused bytes are zero. Equality of texts is
equality of the three integers, which is all that the core ever asks.
"""

from __future__ import annotations

__all__ = ["TEXT_BYTES", "pack_text", "unpack_text"]

TEXT_BYTES = 20


def pack_text(text: str) -> tuple[int, int, int]:
    """Pack up to 20 printable ASCII characters; raise ValueError for anything else."""
    if len(text) > TEXT_BYTES or not text.isascii() or not text.isprintable():
        raise ValueError(f"expected at most {TEXT_BYTES} printable ASCII characters, was {text!r}")
    raw = text.encode("ascii").ljust(TEXT_BYTES, b"\0")
    return (
        int.from_bytes(raw[0:8], "little", signed=True),
        int.from_bytes(raw[8:16], "little", signed=True),
        int.from_bytes(raw[16:20], "little", signed=True),
    )


def unpack_text(first: int, second: int, third: int = 0) -> str:
    """Return the text that :func:`pack_text` packed; bytes that are not ASCII show as ``?``."""
    raw = (
        (int(first) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
        + (int(second) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
        + (int(third) & 0xFFFFFFFF).to_bytes(4, "little")
    )
    return raw.rstrip(b"\0").decode("ascii", errors="replace").replace("�", "?")
