"""Where commands come from when they come from a file: one interface for FIX logs, binary files, ITCH feeds.

An injector owns a source and is its only reader. The source translates records into command slots
(:data:`protocols.layouts.COMMAND`) in the order in which they stand in the file, a batch at a time, and
never holds more than a bounded window of the file as commands.

Invariants: a command's ``time_ns`` is the recorded time of its record (nanoseconds since the epoch, 0 if it
has none) and its ``session`` is the 1-based index into ``sessions``; ``seq``, ``seen_seq`` and ``sent_ns``
are 0, because only ingest and the injector know them. ``position`` never falls and reaches ``total_bytes``
when the file was read to its end.

Failure modes: a bad record is a :class:`DecodeError`. With ``on_error="stop"`` the commands before it are
handed out first, the next read raises it, and so does every read after that. With ``"skip"`` it is counted in
``skipped``, the first :data:`MAX_ERRORS` are kept in ``errors``, and reading goes on at the next record.
A file that cannot be opened is an ``OSError``; a file that shrinks while it is read is not detected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Final, Literal, Self

import numpy as np

__all__ = ["MAX_ERRORS", "MAX_SESSIONS", "CommandSource", "DecodeError", "OnError"]

MAX_ERRORS: Final = 100
MAX_SESSIONS: Final = 1024
MAX_VALUE_SHOWN: Final = 80

OnError = Literal["stop", "skip"]


class DecodeError(ValueError):
    """A record that is not what its format says.

    ``offset`` is the byte where the field at fault begins, or the record's first byte where no single field
    is; ``record`` counts from 1; ``line`` is 0 where the file has no lines; ``field`` and ``value`` are empty
    where nothing was there to name.
    """

    def __init__(
        self, path: str, offset: int, record: int, field: str, value: str, problem: str, line: int = 0
    ) -> None:
        self.path = path
        self.offset = offset
        self.record = record
        self.line = line
        self.field = field
        self.value = value
        self.problem = problem
        place = f"{path}: record {record}"
        if line:
            place += f", line {line}"
        place += f", offset {offset}"
        if field:
            place += f", field {field}"
        if value:
            shown = value if len(value) <= MAX_VALUE_SHOWN else value[:MAX_VALUE_SHOWN] + "..."
            place += f", value {shown!r}"
        super().__init__(f"{place}: {problem}")

    def __reduce__(self) -> Any:
        """Pickle by the seven facts (an injector may run in another process)."""
        facts = (self.path, self.offset, self.record, self.field, self.value, self.problem, self.line)
        return (DecodeError, facts)


class CommandSource(ABC):
    """A file of commands, read forward once.

    A format implements :meth:`_decode`; the policy for bad records is here, once for all formats.
    """

    def __init__(self, path: str, total_bytes: int, on_error: OnError = "stop") -> None:
        if on_error not in ("stop", "skip"):
            raise ValueError(f"on_error: expected 'stop' or 'skip', was {on_error!r}")
        self.path = path
        self.total_bytes = total_bytes
        self.position = 0
        self.sessions: list[str] = []
        self.skipped = 0
        self.errors: list[DecodeError] = []
        self._on_error: OnError = on_error
        self._stopped_by: DecodeError | None = None

    @abstractmethod
    def _decode(self, out: np.ndarray[Any, Any]) -> tuple[int, DecodeError | None]:
        """Decode records into ``out`` until it is full, a record is bad, or the file ends.

        Return how many commands were written and the error of the bad record, if one ended the run; by then
        ``position`` stands where reading can go on (behind the bad record, resynchronised). (0, None) for
        a non-empty ``out`` means the end. Fewer commands than fit without an error are allowed anywhere else.
        """

    def read(self, out: np.ndarray[Any, Any]) -> int:
        """Fill up to ``len(out)`` commands and return how many; 0 at the end of the file.

        Raise :class:`DecodeError` with ``on_error="stop"``, once all commands before the bad record are out.
        """
        filled = 0
        while filled < len(out) and self._stopped_by is None:
            count, error = self._decode(out[filled:])
            filled += count
            if error is not None:
                self._meet(error)
            elif count == 0:
                break
        if filled == 0 and self._stopped_by is not None:
            raise self._stopped_by
        return filled

    def _meet(self, error: DecodeError) -> None:
        """Count and remember a bad record; stop at it if that is the policy."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(error)
        if self._on_error == "stop":
            self._stopped_by = error
        else:
            self.skipped += 1

    def close(self) -> None:
        """Release the file; a second call does nothing. Formats that hold none need not override it."""
        return

    def __enter__(self) -> Self:
        """Return the source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source."""
        self.close()
