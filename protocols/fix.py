"""FIX 4.2 and 4.4 order logs as a source of commands: the edge around the compiled scanner.

:class:`FixScanner` holds what the scanner needs between calls (directory tables, session table, state) and
turns its problem codes into errors; :class:`FixSource` reads a file through it in chunks, so that a file of
any size needs one window of memory. The file may also be a pipe.

Invariants: a command depends on the bytes of the file alone, never on how they were cut into chunks. Session
numbers are given in the order in which SenderCompIDs first appear in good messages.
Failure modes: see :mod:`protocols.source`; a file that holds bytes but no message is an error, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from protocols.directory import Directory
from protocols.fix_frame import (
    STATE_CODE,
    STATE_DETAIL,
    STATE_MESSAGE_START,
    STATE_MESSAGE_STOP,
    STATE_OFFSET,
    STATE_PASSED_OVER,
    STATE_POSITION,
    STATE_RECORD_COUNT,
    STATE_SESSION_COUNT,
    STATE_TAG,
    STATE_VALUE_START,
    STATE_VALUE_STOP,
    STATE_WORDS,
)
from protocols.fix_problems import (
    MAX_MESSAGE_BYTES,
    PROBLEM_NO_MESSAGE,
    PROBLEM_TRUNCATED,
    PROBLEM_WRONG_BODY_LENGTH,
    PROBLEM_WRONG_CHECKSUM,
    PROBLEMS,
    FixDecodeError,
    field_name,
)
from protocols.fix_scan import scan
from protocols.fix_tables import SESSION_CELLS, SLOT_COUNT
from protocols.source import MAX_SESSIONS, CommandSource, OnError
from protocols.text import unpack_text

__all__ = ["FixDecodeError", "FixScanner", "FixSource"]

CHUNK_BYTES: Final = 1 << 18
KEPT_BYTES: Final = MAX_MESSAGE_BYTES + 64  # a message that is not complete yet, and the byte before it
NEWLINE: Final = 10

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class FixScanner:
    """The scanner's memory between calls; one per stream of bytes."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory.arrays()
        assert int(self._directory.tick_e8.min()) > 0 and int(self._directory.lot_e8.min()) > 0
        self._session_table = np.zeros(SESSION_CELLS, dtype=np.int32)
        self._session_keys = np.zeros((MAX_SESSIONS + 1, 3), dtype=np.int64)
        self._spans = np.zeros((SLOT_COUNT, 2), dtype=np.int64)
        self.state = np.zeros(STATE_WORDS, dtype=np.int64)
        self.sessions: list[str] = []

    def scan(self, data: Bytes, start: int, stop: int, final: bool, out: np.ndarray[Any, Any]) -> int:
        """Decode ``data[start:stop]`` into ``out`` and return the number of commands.

        ``start`` is at least 1: the byte before it is read. Afterwards ``position`` is where to go on,
        and ``code`` is 0 unless a bad message ended the scan (:meth:`error` describes it).
        """
        assert 1 <= start <= stop <= len(data), (start, stop, len(data))
        count = scan(
            data, start, stop, 1 if final else 0, out, self._directory,
            self._session_table, self._session_keys, self._spans, self.state,
        )  # fmt: skip
        for number in range(len(self.sessions) + 1, int(self.state[STATE_SESSION_COUNT]) + 1):
            self.sessions.append(unpack_text(*self._session_keys[number]))
        return int(count)

    @property
    def position(self) -> int:
        """Return the index in ``data`` where scanning goes on."""
        return int(self.state[STATE_POSITION])

    @property
    def code(self) -> int:
        """Return the problem that ended the last scan, 0 for none."""
        return int(self.state[STATE_CODE])

    @property
    def record_count(self) -> int:
        """Return how many messages were met, good, passed over and bad."""
        return int(self.state[STATE_RECORD_COUNT])

    @property
    def passed_over(self) -> int:
        """Return how many session messages and replies were passed over."""
        return int(self.state[STATE_PASSED_OVER])

    def error(self, data: Bytes, stop: int, path: str, base: int, line: int) -> FixDecodeError:
        """Describe the problem of the last scan; ``base`` is the file offset of ``data[0]``."""
        state = [int(word) for word in self.state]
        value = _shown(data[state[STATE_VALUE_START] : state[STATE_VALUE_STOP]])
        start = state[STATE_MESSAGE_START]
        message = data[start : state[STATE_MESSAGE_STOP] or min(stop, start + MAX_MESSAGE_BYTES)].tobytes()
        if not state[STATE_MESSAGE_STOP]:  # of unknown length: it ends where the next begins, at the latest
            message = message[: message.find(b"8=FIX", 1) if b"8=FIX" in message[1:] else None]
        return FixDecodeError(
            path,
            base + state[STATE_OFFSET],
            self.record_count,
            field_name(state[STATE_TAG]),
            value,
            self._problem(message, state),
            line,
            code=self.code,
            tag=state[STATE_TAG],
            msg_type=_field(message, b"35"),
            ref_seq_num=int(_field(message, b"34")) if _field(message, b"34").isdecimal() else 0,
            session=_field(message, b"49"),
        )

    def _problem(self, message: bytes, state: list[int]) -> str:
        """Word the problem, with what would have been right where that can be told."""
        text = PROBLEMS[self.code].text
        if self.code == PROBLEM_WRONG_CHECKSUM:
            return f"expected checksum {state[STATE_DETAIL]:03d}"
        if self.code == PROBLEM_WRONG_BODY_LENGTH:
            separator = b"\x01" if b"\x01" in message else b"|"
            body_start = message.find(separator + b"35=")
            trailer = message.find(separator + b"10=")
            if 0 <= body_start < trailer:
                return f"expected BodyLength {trailer - body_start}"
        if self.code == PROBLEM_TRUNCATED:
            return f"{text}: the file ends after {len(message)} bytes of it"
        return text


def _shown(value: Bytes) -> str:
    """Return a value as text: bytes that are not ASCII, and control characters, as escapes."""
    return value.tobytes().decode("ascii", errors="backslashreplace")


def _field(message: bytes, tag: bytes) -> str:
    """Return the value of a field for an error report, ``""`` if it cannot be found."""
    for separator in (b"\x01", b"|"):
        start = message.find(separator + tag + b"=")
        if start >= 0:
            value = message[start + len(tag) + 2 :].split(separator, 1)[0][:64]
            return value.decode("ascii", errors="replace") if value.isascii() else ""
    return ""


class FixSource(CommandSource):
    """The commands of a FIX log; see ``docs/fix.md`` for what it accepts."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        directory: Directory,
        on_error: OnError = "stop",
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        assert chunk_bytes >= 1
        super().__init__(str(path), 0, on_error)
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115  (closed by close)
        self.total_bytes = os.fstat(self._file.fileno()).st_size
        self._scanner = FixScanner(directory)
        self.sessions = self._scanner.sessions
        self._chunk_bytes = chunk_bytes
        self._data: Bytes = np.empty(chunk_bytes + 2 * KEPT_BYTES, dtype=np.uint8)
        self._data[0] = NEWLINE  # the byte before the first
        self._start, self._stop, self._final = 1, 1, False
        self._base = -1  # file offset of _data[0]
        self._line, self._line_index = 1, 1  # line of _data[_line_index]
        self._told_empty = False

    @property
    def record_count(self) -> int:
        """Return how many messages were met so far."""
        return self._scanner.record_count

    @property
    def passed_over(self) -> int:
        """Return how many session messages and replies were passed over so far."""
        return self._scanner.passed_over

    def _decode(self, out: np.ndarray[Any, Any]) -> tuple[int, FixDecodeError | None]:
        """Scan the window, refilling it until something comes of it."""
        while True:
            count = self._scanner.scan(self._data, self._start, self._stop, self._final, out)
            self._start = self._scanner.position
            self.position = self._base + self._start
            if self._scanner.code:
                return count, self._describe()
            if count:
                return count, None
            if self._final:
                return 0, self._no_message()
            self._refill()

    def _describe(self) -> FixDecodeError:
        """Return the error of the last scan; of a message without an end, look at as much as one can hold."""
        state = self._scanner.state
        wanted = int(state[STATE_MESSAGE_START]) + MAX_MESSAGE_BYTES
        while not state[STATE_MESSAGE_STOP] and self._stop < wanted and not self._final:
            self._fill(min(wanted, self._stop + self._chunk_bytes))
        self._count_lines(int(state[STATE_OFFSET]))
        return self._scanner.error(self._data, self._stop, self.path, self._base, self._line)

    def _no_message(self) -> FixDecodeError | None:
        """Describe a file that is no FIX log, once."""
        if self.record_count or self.position == 0 or self._told_empty:
            return None
        self._told_empty = True
        code = int(PROBLEM_NO_MESSAGE)
        problem = PROBLEMS[code].text
        return FixDecodeError(self.path, 0, 1, field_name(8), "", problem, 1, code=code, tag=8)

    def _count_lines(self, index: int) -> None:
        """Move the line counter to ``index``, backwards too (a damaged message is looked through again)."""
        low, high = sorted((self._line_index, index))
        count = int(np.count_nonzero(self._data[low:high] == NEWLINE))
        self._line += count if index >= self._line_index else -count
        self._line_index = index

    def _refill(self) -> None:
        """Move what is not yet decoded, and the byte before it, to the front; read a chunk behind it."""
        self._count_lines(self._start)
        kept = self._stop - (self._start - 1)
        assert kept <= KEPT_BYTES, kept
        self._data[:kept] = self._data[self._start - 1 : self._stop].copy()
        self._base += self._start - 1
        self._start, self._stop, self._line_index = 1, kept, 1
        self._fill(kept + self._chunk_bytes)

    def _fill(self, limit: int) -> None:
        """Read once, up to index ``limit``; a read of nothing is the end of the file."""
        size = self._file.readinto(self._data.data[self._stop : limit])
        self._final = not size
        self._stop += size or 0

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()
