"""Named shared memory segments that cannot fault, leak silently or be unlinked by a bystander.

Every segment starts with one page that says whose it is; the content starts at ``CONTENT``::

    byte 0 magic   8 version  16 size_bytes  24 pid  32 start time of pid  40 created (Unix ns)
        48 not 0: huge pages                 64 name (128 bytes of text)  192 purpose (256 bytes of text)
      4096 content

The creator writes that page once; everybody reads it. A segment belongs to its creator: it is *stale* when
that process is dead, and :func:`clean_stale` unlinks it. Unlinking takes the name away only, whoever has
the segment mapped keeps it.

Failure modes, and what happens:

- /dev/shm is full: all pages are reserved at creation (``posix_fallocate``), so that is a
  ``SharedMemoryFull`` with both figures and nothing left behind, never a SIGBUS at the first touch of a
  page later on.
- The creator is killed: the segment stays, as it must for a post-mortem, and is listed with ``alive`` false.
- Views into a closed segment: the mapping lives as long as the last array on it, so no access ever faults.
- Huge pages were asked for and the host gives none: the segment has ordinary pages, and ``info`` says so.

:class:`Segment` is POSIX (posix_ipc, /dev/shm, mode 0600), :class:`SysvSegment` the same interface over
System V (sysv_ipc), for places where /dev/shm is small: containers often get 64 MB.
Both are readable and writable for their owner alone, whatever the umask.

Huge pages spare a large ring misses of the translation buffer. POSIX: transparent ones, by madvise, where
``/sys/kernel/mm/transparent_hugepage/shmem_enabled`` allows. System V: reserved ones (SHM_HUGETLB), if
``vm.nr_hugepages`` has left enough.

``multiprocessing.shared_memory`` is not used because before Python 3.13 its resource tracker unlinks a
segment when any attacher exits. No Numba here.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import mmap
import os
import re
import struct
import time
import weakref
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

import posix_ipc
import sysv_ipc

from ringbuffer.errors import LayoutMismatch, SegmentExists, SegmentMissing, SharedMemoryFull
from ringbuffer.huge_pages import (
    SHM_HUGETLB,
    free_huge_bytes,
    free_memory_bytes,
    heeds_advice,
    huge_page_bytes,
    is_huge,
    map_huge,
)
from ringbuffer.liveness import is_alive, own_identity

__all__ = ["PREFIX", "Segment", "SegmentInfo", "SysvSegment", "clean_stale", "list_segments"]

PREFIX: Final = "ringmatch-"
SHM_DIRECTORY: Final = Path("/dev/shm")
SYSV_TABLE: Final = Path("/proc/sysvipc/shm")
SYSV_KEY_TAG: Final = 0x52  # top byte of the keys of our System V segments
HEADER_BYTES: Final = 4096
SEGMENT_MAGIC: Final = int.from_bytes(b"rmsegm01", "little")
SEGMENT_VERSION: Final = 1
MAX_NAME_BYTES: Final = 120
MAX_PURPOSE_BYTES: Final = 255
GRACE_S: Final = 10.0  # a segment without a header and younger than this is being created right now
_HEADER: Final = struct.Struct("<7q8x128s256s")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")

assert _HEADER.size <= HEADER_BYTES


class SegmentInfo(NamedTuple):
    """One segment as found on the system; ``owner_pid`` is 0 where the header is missing or foreign."""

    name: str
    size: int
    owner_pid: int
    owner_start: int
    alive: bool
    created_ns: int = 0
    purpose: str = ""
    kind: str = "posix"
    huge_pages: bool = False


def full_name(name: str) -> str:
    """Return a segment's name with the prefix, or raise ValueError if it cannot be one."""
    name = name if name.startswith(PREFIX) else PREFIX + name
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_BYTES:
        raise ValueError(f"segment name: expected 1..{MAX_NAME_BYTES} of A-Z a-z 0-9 . _ -, was {name!r}")
    return name


class _Header(NamedTuple):
    size_bytes: int
    pid: int
    start_time: int
    created_ns: int
    huge_pages: bool
    name: str
    purpose: str


def _pack_header(name: str, size_bytes: int, purpose: str, huge_pages: bool) -> bytes:
    text = purpose.encode()[:MAX_PURPOSE_BYTES]
    owner = own_identity()
    return _HEADER.pack(
        SEGMENT_MAGIC, SEGMENT_VERSION, size_bytes, *owner, time.time_ns(), huge_pages, name.encode(), text
    )


def _unpack_header(data: bytes) -> _Header | None:
    """Return the header, or None if these bytes are none."""
    if len(data) < _HEADER.size:
        return None
    magic, version, size_bytes, pid, start, created_ns, huge, name, purpose = _HEADER.unpack_from(data)
    if magic != SEGMENT_MAGIC or version != SEGMENT_VERSION:
        return None
    texts = (text.rstrip(b"\0").decode("utf-8", "replace") for text in (name, purpose))
    return _Header(size_bytes, pid, start, created_ns, bool(huge), *texts)


class Segment:
    """A POSIX shared memory segment; make one with :meth:`create` or :meth:`attach`.

    As a context manager it closes on leaving and, if this object created the segment, unlinks it.
    """

    CONTENT: ClassVar[int] = HEADER_BYTES

    def __init__(self, name: str, buffer: Any, created: bool) -> None:
        self.name = name
        self._creator_pid = os.getpid() if created else 0
        self._buffer: Any = buffer

    @property
    def created(self) -> bool:
        """Whether this object created the segment, in this process and not in the parent of a fork."""
        return self._creator_pid == os.getpid()

    @property
    def buffer(self) -> Any:
        """The whole segment as a writable buffer (mmap); content starts at ``CONTENT``."""
        assert self._buffer is not None, f"{self.name}: used after close"
        return self._buffer

    @property
    def size(self) -> int:
        """Bytes of the whole segment."""
        return memoryview(self.buffer).nbytes

    @property
    def info(self) -> SegmentInfo:
        """Owner and purpose, from the header."""
        header = _unpack_header(bytes(memoryview(self.buffer)[: _HEADER.size]))
        return _info_of(self.name, self.size, header, "posix")

    @classmethod
    def create(cls, name: str, size: int, purpose: str = "", *, huge_pages: bool = False) -> Self:
        """Create a segment of ``size`` bytes (header page included), zeroed, all its pages reserved.

        With ``huge_pages`` they are huge ones if the host gives them, ``info.huge_pages`` says whether; the size is
        then a multiple of theirs.
        """
        name = full_name(name)
        huge_bytes = huge_page_bytes() if huge_pages and heeds_advice() else 0
        size = _whole_pages(name, size, huge_bytes)
        free_bytes = _free_bytes()
        if size > free_bytes:
            raise SharedMemoryFull(name, size, free_bytes)
        try:
            shm = posix_ipc.SharedMemory("/" + name, posix_ipc.O_CREX, mode=0o600)
        except posix_ipc.ExistentialError:
            raise SegmentExists(_taken(name)) from None
        try:
            buffer = map_huge(shm.fd, size) if huge_bytes else None
            os.posix_fallocate(shm.fd, 0, size)
            buffer = mmap.mmap(shm.fd, size) if buffer is None else buffer
        except OSError as error:
            shm.unlink()
            raise SharedMemoryFull(name, size, _free_bytes()) from error
        finally:
            shm.close_fd()
        buffer[: _HEADER.size] = _pack_header(name, size, purpose, bool(huge_bytes) and is_huge(buffer))
        return cls(name, buffer, created=True)

    @classmethod
    def attach(cls, name: str) -> Self:
        """Map an existing segment; its header must be ours and its size what the header says."""
        name = full_name(name)
        try:
            shm = posix_ipc.SharedMemory("/" + name)
        except posix_ipc.ExistentialError:
            raise SegmentMissing(f"{name}: expected a segment in {SHM_DIRECTORY}, was none") from None
        try:
            size = os.fstat(shm.fd).st_size
            header = _unpack_header(os.pread(shm.fd, _HEADER.size, 0))
            _check(name, size, header)
            buffer = mmap.mmap(shm.fd, size)
        finally:
            shm.close_fd()
        return cls(name, buffer, created=False)

    def unlink(self) -> None:
        """Take the name away; mappings stay valid. A name that is gone already is fine."""
        with contextlib.suppress(posix_ipc.ExistentialError):
            posix_ipc.unlink_shared_memory("/" + self.name)

    def close(self) -> None:
        """Give up this object's mapping; the last array on it unmaps it, so that no access can fault."""
        self._buffer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.created:
            self.unlink()
        self.close()


def _mapping_of(shm: Any) -> Any:
    """Return the bytes of a System V segment as an object that keeps them attached.

    sysv_ipc unmaps on detach even under live arrays, and never on its own. The arrays keep the mapping alive, and
    its end detaches.
    """
    mapping = (ctypes.c_ubyte * shm.size).from_address(shm.address)
    weakref.finalize(mapping, shm.detach).atexit = False
    return mapping


_REFUSALS: Final = (MemoryError, OSError, ValueError, sysv_ipc.Error)  # of System V memory


class SysvSegment(Segment):
    """The same over System V shared memory; the key is derived from the name."""

    def __init__(self, name: str, shm: Any, created: bool) -> None:
        super().__init__(name, memoryview(_mapping_of(shm)).cast("B"), created)
        self._shm = shm

    @property
    def info(self) -> SegmentInfo:
        """Owner and purpose, from the header."""
        return super().info._replace(kind="sysv")

    @staticmethod
    def key_of(name: str) -> int:
        """Return the System V key of a name; two names can share one, and then the second is refused."""
        digest = hashlib.blake2b(full_name(name).encode(), digest_size=3).digest()
        return SYSV_KEY_TAG << 24 | int.from_bytes(digest, "little")

    @classmethod
    def create(cls, name: str, size: int, purpose: str = "", *, huge_pages: bool = False) -> Self:
        """Create a segment of ``size`` bytes (header page included), zeroed, all its pages touched.

        With ``huge_pages`` it has reserved huge pages if enough are left, as ``info.huge_pages`` says; its size is
        then a multiple of theirs.
        """
        name = full_name(name)
        huge_bytes = huge_page_bytes()
        if huge_pages and 0 < (huge_size := _whole_pages(name, size, huge_bytes)) <= free_huge_bytes():
            with contextlib.suppress(*_REFUSALS):  # not allowed to us, or somebody was quicker
                return cls._create(name, huge_size, purpose, SHM_HUGETLB)
        size = _whole_pages(name, size)
        free_bytes = free_memory_bytes()
        if size > free_bytes:
            raise SharedMemoryFull(name, size, free_bytes, "memory")
        try:
            return cls._create(name, size, purpose, 0)
        except _REFUSALS as error:
            raise SharedMemoryFull(name, size, free_memory_bytes(), "memory") from error

    @classmethod
    def _create(cls, name: str, size: int, purpose: str, flags: int) -> Self:
        try:
            # the init character is written into every byte, so all pages are there
            shm = sysv_ipc.SharedMemory(
                cls.key_of(name), sysv_ipc.IPC_CREX | flags, mode=0o600, size=size, init_character=b"\0"
            )
        except sysv_ipc.ExistentialError:
            raise SegmentExists(f"{name}: expected a free key, was taken: {cls.key_of(name):#x}") from None
        segment = cls(name, shm, created=True)
        segment.buffer[: _HEADER.size] = _pack_header(name, size, purpose, flags == SHM_HUGETLB)
        return segment

    @classmethod
    def attach(cls, name: str) -> Self:
        """Map an existing segment; its header must be ours, of this name, and its size what it says."""
        name = full_name(name)
        try:
            shm = sysv_ipc.SharedMemory(cls.key_of(name))
        except sysv_ipc.ExistentialError:
            raise SegmentMissing(f"{name}: expected a System V segment, was none") from None
        try:
            header = _unpack_header(shm.read(_HEADER.size))
            _check(name, shm.size, header)
        except LayoutMismatch:
            shm.detach()
            raise
        return cls(name, shm, created=False)

    def unlink(self) -> None:
        """Mark the segment for removal: the kernel frees it when the last process has detached."""
        with contextlib.suppress(sysv_ipc.ExistentialError):
            self._shm.remove()


def list_segments(prefix: str = PREFIX) -> list[SegmentInfo]:
    """Return all segments whose name starts with ``prefix``, POSIX and System V, sorted by name."""
    found = [*_posix_segments(prefix), *_sysv_segments(prefix)]
    return sorted(found)


def map_for_reading(info: SegmentInfo) -> Any:
    """Map a segment that was found, for looking at it only: a buffer that refuses writes."""
    if info.kind == "sysv":
        try:  # without the right to write in the mode, it is attached without
            shm = sysv_ipc.SharedMemory(SysvSegment.key_of(info.name), flags=0, mode=0o400)
        except sysv_ipc.Error:
            raise SegmentMissing(f"{info.name}: expected a System V segment, was none") from None
        return memoryview(_mapping_of(shm)).cast("B").toreadonly()
    try:
        fd = os.open(SHM_DIRECTORY / info.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SegmentMissing(f"{info.name}: expected a segment in {SHM_DIRECTORY}, was none") from None
    try:
        return mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
    finally:
        os.close(fd)


def clean_stale(prefix: str = PREFIX) -> list[SegmentInfo]:
    """Unlink all segments of dead owners whose name starts with ``prefix``; return what was unlinked."""
    stale = [info for info in list_segments(prefix) if not info.alive]
    for info in stale:
        if info.kind == "posix":
            with contextlib.suppress(posix_ipc.ExistentialError):
                posix_ipc.unlink_shared_memory("/" + info.name)
        else:
            with contextlib.suppress(sysv_ipc.ExistentialError):
                sysv_ipc.remove_shared_memory(_sysv_id(SysvSegment.key_of(info.name)))
    return stale


def _posix_segments(prefix: str) -> list[SegmentInfo]:
    found = []
    for path in SHM_DIRECTORY.glob(f"{PREFIX}*"):
        if not path.name.startswith(prefix):
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # unlinked meanwhile, or another user's
            continue
        try:
            stat = os.fstat(fd)
            info = _info_of(path.name, stat.st_size, _unpack_header(os.pread(fd, _HEADER.size, 0)), "posix")
        finally:
            os.close(fd)
        if info.owner_pid == 0 and time.time() - stat.st_mtime < GRACE_S:
            info = info._replace(alive=True)
        found.append(info)
    return found


def _sysv_table() -> list[tuple[int, int, int, int, int]]:
    """Return (key, id, size, uid, ctime) of each System V segment."""
    try:
        lines = SYSV_TABLE.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [(int(row[0]) & 0xFFFFFFFF, int(row[1]), int(row[3]), int(row[7]), int(row[13])) for row in rows]


def _sysv_id(key: int) -> int:
    for other, identity, *_ in _sysv_table():
        if other == key:
            return identity
    raise sysv_ipc.ExistentialError(f"no segment of key {key:#x}")


def _sysv_segments(prefix: str) -> list[SegmentInfo]:
    found = []
    for key, _, size, uid, ctime in _sysv_table():
        if key >> 24 != SYSV_KEY_TAG or uid != os.getuid() or size <= HEADER_BYTES:
            continue
        try:
            shm = sysv_ipc.SharedMemory(key, flags=0)
        except sysv_ipc.Error:  # removed meanwhile
            continue
        header = _unpack_header(shm.read(_HEADER.size))
        shm.detach()
        if header is None or not header.name.startswith(prefix):
            continue
        info = _info_of(header.name, size, header, "sysv")
        found.append(info._replace(alive=info.alive or (header.pid == 0 and time.time() - ctime < GRACE_S)))
    return found


def _info_of(name: str, size: int, header: _Header | None, kind: str) -> SegmentInfo:
    if header is None:
        return SegmentInfo(name, size, 0, 0, False, kind=kind)
    alive = is_alive(header.pid, header.start_time)
    return SegmentInfo(
        name=name,
        size=size,
        owner_pid=header.pid,
        owner_start=header.start_time,
        alive=alive,
        created_ns=header.created_ns,
        purpose=header.purpose,
        kind=kind,
        huge_pages=header.huge_pages,
    )


def _check(name: str, size: int, header: _Header | None) -> None:
    if header is None:
        raise LayoutMismatch(f"{name}: header: expected magic and version {SEGMENT_VERSION}, was none")
    if header.size_bytes != size:
        raise LayoutMismatch(f"{name}: size: expected {header.size_bytes} bytes, was {size}")
    if header.name != name:
        raise LayoutMismatch(f"{name}: name in the header: expected {name}, was {header.name}")


def _taken(name: str) -> str:
    for info in _posix_segments(name):
        if info.name == name:
            owner = f"pid {info.owner_pid}, {'alive' if info.alive else 'dead: clean_stale() removes it'}"
            return f"{name}: expected a free name, was taken by {owner}"
    return f"{name}: expected a free name, was taken"


def _whole_pages(name: str, size: int, page_bytes: int = 0) -> int:
    """Return a size rounded up to whole pages, ordinary ones unless ``page_bytes`` says otherwise."""
    if size <= HEADER_BYTES:
        raise ValueError(f"{name}: expected more than {HEADER_BYTES} bytes, was {size}")
    page_bytes = page_bytes or mmap.PAGESIZE
    return -(-size // page_bytes) * page_bytes


def _free_bytes() -> int:
    stat = os.statvfs(SHM_DIRECTORY)
    return stat.f_bavail * stat.f_frsize
