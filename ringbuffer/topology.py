"""The graph of a ring's readers as data: who waits for whom.

::

    handle("journal", "replicate").then("match")                      both, then match behind both
    handle("risk").then("match").handle("audit")                      a pipeline, and audit behind the writer
    handle("left", "right").then("join")                              a diamond
    handle("a", "b", "c").after("a", "b").then("d")                   d behind a and b, c on its own
    pipeline("ingest", "match", "publish")

A topology is a value: each call returns a new one. The producer waits only for the leaves, those that nobody
waits for. Prior art: the LMAX Disruptor's handleEventsWith, then, after, and.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Topology", "diamond", "handle", "pipeline"]


class Topology(Mapping[str, tuple[str, ...]]):
    """Maps each reader to those that it waits for (none: the writer); what ``Ring.create`` takes as ``readers``."""

    __slots__ = ("_readers", "_tail")

    def __init__(
        self, readers: Mapping[str, tuple[str, ...]] | None = None, tail: tuple[str, ...] = ()
    ) -> None:
        self._readers = dict(readers or {})
        self._tail = tail

    def handle(self, *names: str) -> Topology:
        """Return this with readers added that wait for the writer only."""
        return self._with(names, ())

    def then(self, *names: str) -> Topology:
        """Return this with readers added that wait for all that the call before added or named."""
        if not self._tail:
            raise ValueError("then: expected readers before it, was none")
        return self._with(names, self._tail)

    def after(self, *names: str) -> Topology:
        """Return this with the next ``then`` waiting for these readers."""
        unknown = [name for name in names if name not in self._readers]
        if unknown or not names:
            raise ValueError(f"after: expected some of {list(self._readers)}, was {unknown or 'none'}")
        return Topology(self._readers, names)

    def _with(self, names: tuple[str, ...], behind: tuple[str, ...]) -> Topology:
        known = [
            name for position, name in enumerate(names) if name in self._readers or name in names[:position]
        ]
        if known or not names:
            raise ValueError(f"reader: expected new names, was {known or 'none'}")
        return Topology({**self._readers, **dict.fromkeys(names, behind)}, names)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._readers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def __repr__(self) -> str:
        return f"Topology({self._readers!r})"

    def __eq__(self, other: Any) -> bool:
        return self._readers == (other._readers if isinstance(other, Topology) else other)

    __hash__ = None  # type: ignore[assignment]  # a mapping


def handle(*names: str) -> Topology:
    """Return readers that each wait for the writer only: one is unicast, several are multicast."""
    return Topology().handle(*names)


def pipeline(*names: str) -> Topology:
    """Return readers of which each waits for the one before."""
    topology = handle(*names[:1])
    for name in names[1:]:
        topology = topology.then(name)
    return topology


def diamond(left: str, right: str, join: str) -> Topology:
    """Return two readers beside each other and one that waits for both."""
    return handle(left, right).then(join)
