"""Who stands on which ring of the pipeline: participants, cursor words, and whom each of them waits for.

::

    ingress[port]   writer gateway ──► ingest
    input           writer ingest ──► journal
                                 ├──► risk ──► matching
    output          writer matching ──► risk (feedback)
                                   └──► publish
    egress[port]    writer publish ──► gateway

Participant 0 of a ring is its writer. A cursor word is where that participant's cursor stands in the ring's
int64 words (see :mod:`ringbuffer.layout`).
"""

from __future__ import annotations

from typing import Final

WORDS_PER_PARTICIPANT: Final = 64
HEADER_WORDS: Final = 64


def cursor_word(participant: int) -> int:
    """Return the index of a participant's cursor among the words of its ring."""
    return HEADER_WORDS + WORDS_PER_PARTICIPANT * participant


WRITER: Final = 0

INPUT_JOURNAL: Final = 1
INPUT_RISK: Final = 2
INPUT_MATCHING: Final = 3

OUTPUT_RISK: Final = 1
OUTPUT_PUBLISH: Final = 2

PORT_READER: Final = 1

CUR_WRITER: Final = 64
CUR_INPUT_JOURNAL: Final = 128
CUR_INPUT_RISK: Final = 192
CUR_INPUT_MATCHING: Final = 256
CUR_OUTPUT_RISK: Final = 128
CUR_OUTPUT_PUBLISH: Final = 192
CUR_PORT_READER: Final = 128

INPUT_READERS: Final = {"journal": (), "risk": (), "matching": ("risk",)}
OUTPUT_READERS: Final = {"risk": (), "publish": ()}
INGRESS_READERS: Final = {"ingest": ()}
EGRESS_READERS: Final = {"gateway": ()}

assert cursor_word(WRITER) == CUR_WRITER
assert cursor_word(INPUT_JOURNAL) == CUR_INPUT_JOURNAL
assert cursor_word(INPUT_RISK) == CUR_INPUT_RISK
assert cursor_word(INPUT_MATCHING) == CUR_INPUT_MATCHING
assert cursor_word(OUTPUT_RISK) == CUR_OUTPUT_RISK
assert cursor_word(OUTPUT_PUBLISH) == CUR_OUTPUT_PUBLISH
assert cursor_word(PORT_READER) == CUR_PORT_READER
