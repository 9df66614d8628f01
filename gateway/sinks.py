"""Where an injector's outcomes go: JSON lines, or the FIX messages that a session would receive."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from gateway.port import Port
from protocols.outcomes import tell_of_orders

__all__ = ["FixSink", "LinesSink"]


class _Sink:
    """A file that takes outcomes."""

    def __init__(self, path: Path, port: Port) -> None:
        self._file: IO[bytes] = open(path, "wb")  # noqa: SIM115  (closed by close)
        self._port = port

    def write(self, outcomes: Any) -> None:
        """Take outcomes in the order in which they were released."""
        raise AssertionError("a sink implements write")

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def session_names(self) -> dict[int, str]:
        """Return the names of the port's sessions by id."""
        return {identity: name for name, identity in self._port.sessions.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LinesSink(_Sink):
    """One JSON line an outcome (protocols.outcome_lines)."""

    def __init__(self, path: Path, port: Port) -> None:
        super().__init__(path, port)
        self._names: dict[int, str] = {}
        self._lines: Any = None

    def write(self, outcomes: Any) -> None:
        """Append the outcomes of orders."""
        if not len(outcomes):
            return
        from protocols.outcome_lines import OutcomeLines

        names = {**self._names, **self.session_names()}
        if self._lines is None or names != self._names:
            self._names = names
            self._lines = OutcomeLines(self._port.directory, names)
        self._file.write(self._lines.encode(outcomes))


class FixSink(_Sink):
    """Execution reports and cancel rejects, and rejects of malformed messages, one message a line."""

    def __init__(self, path: Path, port: Port, source: Any) -> None:
        super().__init__(path, port)
        from protocols.fix_encode import ReplyEncoder

        self._encoder = ReplyEncoder(port.directory)
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._source = source

    def _number(self, session: str) -> int:
        self._numbers[session] = self._numbers.get(session, 0) + 1
        return self._numbers[session]

    def write(self, outcomes: Any) -> None:
        """Append the replies to orders."""
        if not len(outcomes):
            return
        self._names.update(self.session_names())
        for outcome in outcomes[tell_of_orders(outcomes)]:
            name = self._names[int(outcome["session"])]
            self._file.write(
                self._encoder.encode(outcome, name, self._number(name)).replace(b"\x01", b"|") + b"\n"
            )

    def close(self) -> None:
        """Append the rejects of malformed messages that were skipped, then close."""
        from protocols.fix_encode import business_reject, reject

        for error in self._source.errors:
            name = error.session or "UNKNOWN"
            encode = business_reject if error.problem.startswith("unsupported message type") else reject
            message = encode(error, time.time_ns(), "FIX.4.4", self._number(name), session_name=name)
            self._file.write(message.replace(b"\x01", b"|") + b"\n")
        super().close()
