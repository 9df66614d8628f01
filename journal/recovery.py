"""What to do with the journal that a crash, a power cut or a failing disk has left behind.

:mod:`journal.assess` looks, :func:`decide` decides, by :data:`TABLE` and by nothing else, and
:mod:`journal.repair` does the one repair there is. Refusing means that nothing is changed; what is truncated
is copied to a ``.torn`` file first.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

__all__ = ["TABLE", "Decision", "Found", "Row", "decide"]


class Decision(Enum):
    """What becomes of a journal that is opened for writing."""

    EMPTY = "empty"
    CLEAN = "clean"
    TRUNCATE = "truncate the torn tail"
    REFUSE_LAYOUT = "refuse: other layout or version"
    REFUSE_MISSING = "refuse: segments are missing"
    REFUSE_CORRUPT = "refuse: corruption"
    REFUSE_LOST = "refuse: durable records are lost"

    @property
    def refuses(self) -> bool:
        """Tell whether the journal must not be written to."""
        return self.value.startswith("refuse")


class Found(NamedTuple):
    """What there is: the columns of the table."""

    other_layout: bool = False  # a segment has another format version, layout hash or record size
    segments: bool = True  # there is at least one segment
    meta: bool = True  # the meta file has a valid slot
    durable: bool = True  # the meta file says that something was durable
    missing: bool = False  # segment ids do not follow each other, or do not reach what the meta file says
    broken: bool = False  # the chain of valid blocks ends before the last segment, or a header is damaged
    witness: bool = False  # a later valid block says that what is broken was durable
    lost: bool = False  # the chain ends before the durable sequence of the meta file
    torn: bool = False  # bytes that are no valid block follow the chain


class Row(NamedTuple):
    """One row of the table; ``signs`` are those of the columns: ``+`` yes, ``-`` no, ``.`` either."""

    decision: Decision
    signs: str
    cause: str

    def fits(self, found: Found) -> bool:
        """Tell whether the row is about this."""
        return all(
            sign == "." or (sign == "+") == fact for sign, fact in zip(self.signs.split(), found, strict=True)
        )


# fmt: off
TABLE: Final = (  # the first row that fits counts
    #                                 ┌ other_layout
    #                                 │ ┌ segments
    #                                 │ │ ┌ meta
    #                                 │ │ │ ┌ durable
    #                                 │ │ │ │ ┌ missing
    #                                 │ │ │ │ │ ┌ broken
    #                                 │ │ │ │ │ │ ┌ witness
    #                                 │ │ │ │ │ │ │ ┌ lost
    #                                 │ │ │ │ │ │ │ │ ┌ torn
    Row(Decision.REFUSE_LAYOUT,      "+ . . . . . . . .", "another program or version wrote it"),
    Row(Decision.EMPTY,              ". - . - . . . . .", "nothing was written, no segment was finished"),
    Row(Decision.REFUSE_MISSING,     ". - . + . . . . .", "records were durable, but no segment is there"),
    Row(Decision.REFUSE_CORRUPT,     ". + - . . . . . .", "without the meta file nobody knows what was durable"),
    Row(Decision.REFUSE_MISSING,     ". + + . + . . . .", "a segment is gone"),
    Row(Decision.REFUSE_CORRUPT,     ". + + . - + . . .", "a segment before the last, or a header, is damaged"),
    Row(Decision.REFUSE_CORRUPT,     ". + + . - - + . .", "a later valid block saw the broken place durable"),
    Row(Decision.REFUSE_LOST,        ". + + . - - - + .", "the last durable block is damaged or gone"),
    Row(Decision.TRUNCATE,           ". + + . - - - - +", "a write that nobody was told of was cut off"),
    Row(Decision.CLEAN,              ". + + . - - - - -", "the chain of blocks ends in zeros"),
)
# fmt: on


def decide(found: Found) -> Row:
    """Return the first row of the table that fits."""
    return next(row for row in TABLE if row.fits(found))
