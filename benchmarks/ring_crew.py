"""Resident processes that do the parts of one measured slice at a time, started together.

::

    with Crew([Part({0}, write), Part({1}, read)]) as crew:
        answers = crew.run(1_000_000)          # what write(1_000_000) and read(1_000_000) returned

Each part is a function that runs in a forked process on cores of its own, with the memory that it shares with the
others: rings, queues, arrays. Between two slices a process sleeps on its pipe. A slice begins when all parts have
met at a counter in shared memory, so nobody's way out of that sleep is measured.

Failure modes: a part that raises, or dies, is a :class:`RuntimeError` in :meth:`Crew.run`; one that does not answer
is a :class:`TimeoutError`. Leaving the ``with`` block ends all processes, by their pids if they do not end.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np

from benchmarks.machine import shared_words
from benchmarks.ring_kernels import DONE, meet

__all__ = ["Crew", "Part"]

ANSWER_DEADLINE_S: Final = 90.0
END_DEADLINE_S: Final = 5.0


class Part(NamedTuple):
    """What one process of a crew does, and on which cores."""

    cores: Iterable[int]
    work: Callable[[Any], Any]


class Crew:
    """Processes that run their parts on request; each :meth:`run` is one slice."""

    def __init__(self, parts: Sequence[Part]) -> None:
        context = multiprocessing.get_context("fork")
        self._cells = shared_words(1)
        meet(self._cells, np.int64(0), np.int64(1))  # loads the kernel before anybody forks
        self._arrivals = 1
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for part in parts:
            pipe, other = context.Pipe()
            mine = [
                *self._pipes,
                pipe,
            ]  # the child closes its copies, or nobody would see the end of this process
            child = context.Process(target=_serve, args=(part, self._cells, other, mine), daemon=True)
            with warnings.catch_warnings():
                # Python 3.12 warns of threads, NumPy's for example: the child calls a kernel and exits
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
            other.close()
            self._pipes.append(pipe)
            self._processes.append(child)

    def run(self, request: Any) -> list[Any]:
        """Let all parts do ``request`` at once; return what each returned."""
        self._arrivals += len(self._pipes)
        for pipe in self._pipes:
            pipe.send((request, self._arrivals))
        return [self._answer(pipe) for pipe in self._pipes]

    @staticmethod
    def _answer(pipe: Connection) -> Any:
        if not pipe.poll(ANSWER_DEADLINE_S):
            raise TimeoutError(f"expected an answer of a part in {ANSWER_DEADLINE_S:g} s, was none")
        try:
            failure, answer = pipe.recv()
        except EOFError:
            raise RuntimeError("expected an answer of a part, but it died") from None
        if failure:
            raise RuntimeError(f"expected an answer of a part, but it failed:\n{failure}")
        return answer

    def close(self) -> None:
        """End all processes."""
        for pipe in self._pipes:
            with suppress(OSError):  # it has died
                pipe.send(None)  # crews made later have copies of this pipe, so closing it tells nothing
            pipe.close()
        for child in self._processes:
            child.join(END_DEADLINE_S)
            if child.is_alive():
                child.kill()
                child.join()
        self._pipes, self._processes = [], []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes."""
        if kind is not None:
            for child in self._processes:
                child.kill()
        self.close()


def _serve(part: Part, cells: Any, pipe: Connection, of_the_parent: list[Connection]) -> None:
    for each in of_the_parent:
        each.close()
    os.sched_setaffinity(0, part.cores)
    while True:
        try:
            work = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        if work is None:
            return
        request, arrivals = work
        try:
            if meet(cells, np.int64(0), np.int64(arrivals)) != DONE:
                raise TimeoutError("expected all parts to begin, was alone")
            answer: tuple[str | None, Any] = (None, part.work(request))
        except Exception:
            answer = (traceback.format_exc(), None)
        pipe.send(answer)
