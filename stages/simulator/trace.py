"""What happened in a simulated run, one line an event: nothing in it depends on the host, so runs can be compared.

::

    step  what        details
      17  ingest      3 commands to 12
      18  crash       power cut in pwrite

Steps are those of the scheduler; a turn in which nothing moved is no event.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import IO, Any, Final

__all__ = ["Trace"]

KEPT: Final = 40  # last lines that a report of a failure shows


class Trace:
    """Counts events and hashes their lines; writes them to ``file`` if there is one."""

    def __init__(self, file: IO[str] | None = None) -> None:
        self.step = 0
        self.counts: dict[str, int] = {}
        self.last: deque[str] = deque(maxlen=KEPT)
        self._file = file
        self._hash = hashlib.blake2b(digest_size=8)

    def __call__(self, what: str, details: Any = "") -> None:
        """Note an event."""
        line = f"{self.step:6d}  {what:<12}{details}".rstrip()
        self.counts[what] = self.counts.get(what, 0) + 1
        self.last.append(line)
        self._hash.update(f"{line}\n".encode())
        if self._file is not None:
            self._file.write(f"{line}\n")

    @property
    def digest(self) -> str:
        """Return what two runs have in common if all their lines are the same."""
        return self._hash.hexdigest()
