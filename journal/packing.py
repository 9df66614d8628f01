"""Compressed segments: the content of a segment as one Zstandard frame, unpacked into memory to be read.

A sealed segment ``journal-….rmj`` may be replaced by ``journal-….rmj.zst``, whose content is the same up to the last
block (the zeros behind it are not kept); ``zstd -d`` unpacks it too. The frame carries its own checksum, and the blocks
in it theirs. Readers see a descriptor of anonymous memory, at most 1 GiB, and need not know.

The compressor is that of the standard library (Python 3.14 and later), else the package backports.zstd, which is the
same code for older ones: ``pip install 'ringmatch[zstd]'``. Nothing needs it until a segment is compressed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from journal.errors import JournalCorrupt, JournalError, io_errors

__all__ = ["PACKED_SUFFIX", "pack", "unpack_head", "unpack_segment"]

PACKED_SUFFIX: Final = ".zst"
CONTENT_BYTES_MAX: Final = 1 << 30  # no segment is larger
CHUNK_BYTES: Final = 1 << 20
LEVEL: Final = 3
MODULES: Final = ("compression.zstd", "backports.zstd")


def _zstd(names: tuple[str, ...] = MODULES) -> Any:
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise JournalError(
        "compressed segments: expected Python 3.14 or the package backports.zstd, was neither "
        "(pip install 'ringmatch[zstd]')"
    )


def pack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Compress a content that comes in chunks, as one frame with a checksum."""
    zstd = _zstd()
    parameter = zstd.CompressionParameter
    packer = zstd.ZstdCompressor(options={parameter.compression_level: LEVEL, parameter.checksum_flag: 1})
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def _unpacked(path: Path, most_bytes: int) -> Iterator[bytes]:
    """Unpack up to ``most_bytes`` of a compressed segment; a frame that is damaged or holds more is refused."""
    zstd = _zstd()
    unpacker = zstd.ZstdDecompressor()
    done = 0
    with io_errors("read", path), open(path, "rb") as file:
        while not unpacker.eof and done < most_bytes:
            packed = file.read(CHUNK_BYTES) if unpacker.needs_input else b""
            if unpacker.needs_input and not packed:
                raise JournalCorrupt(path, "compressed segment is cut off", offset=file.tell())
            try:
                chunk = unpacker.decompress(packed, min(CHUNK_BYTES, most_bytes - done))
            except zstd.ZstdError as error:
                raise JournalCorrupt(path, f"compressed segment does not unpack ({error})") from error
            done += len(chunk)
            yield chunk
        if unpacker.eof and (unpacker.unused_data or file.read(1)):
            raise JournalCorrupt(path, "something follows the compressed segment")


def unpack_head(path: Path, size: int) -> bytes:
    """Return the first ``size`` bytes of a compressed segment's content."""
    return b"".join(_unpacked(path, size))


def unpack_segment(path: Path) -> int:
    """Unpack a compressed segment into anonymous memory; return its descriptor."""
    fd = os.memfd_create(path.name, os.MFD_CLOEXEC)
    try:
        size = 0
        for chunk in _unpacked(path, CONTENT_BYTES_MAX + 1):
            size += len(chunk)
            if size > CONTENT_BYTES_MAX:
                raise JournalCorrupt(
                    path, "compressed segment", expected=f"at most {CONTENT_BYTES_MAX} bytes", was="more"
                )
            with io_errors("write", path):
                rest = memoryview(chunk)
                while len(rest):
                    rest = rest[os.write(fd, rest) :]
    except BaseException:
        os.close(fd)
        raise
    return fd
