"""Faults put into the protocol on purpose: the searches of ``test_protocol_model.py`` must find each of them.

A fault is a change of the text of a module before the model executes it. Were a search blind to a kind of
fault, it would prove nothing about the code without it. Faults of the machine code have their canaries in
``test_machine_code.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.ringbuffer.protocol_model import Mutation, Violation
from tests.ringbuffer.protocol_scenarios import joining, joining_claims, observing, one_writer, two_producers

GATE_OFF_BY_ONE = Mutation(
    "sequence",
    "    return min(available(words, np.int64(WRITER)), cursor)",
    "    return min(available(words, np.int64(WRITER)), cursor) + 1",
)
READER_AHEAD = Mutation(
    "sequence", "            return lowest\n", "            return lowest + (participant != WRITER)\n"
)
MASK_LOOKED_AT_ONCE = Mutation(
    "sequence", "        if load_acquire(words, base + P_GATES) == mask:", "        if mask == mask:"
)
SHARED_GATE_OFF_BY_ONE = Mutation(
    "multi",
    "local[L_GATE] = available(words, np.int64(WRITER))\n            if n >",
    "local[L_GATE] = available(words, np.int64(WRITER)) + 1\n            if n >",
)
CLAIM_WITHOUT_EXCHANGE = Mutation(
    "multi",
    "        if compare_exchange(words, at, seen, mine):",
    "        store_release(words, at, mine)\n        if mine:",
)
CLAIM_OVER_A_CLAIM = Mutation("multi", "        if age >= 0:", "        if age > 0:")
CLAIM_OVER_A_LATER_ONE = Mutation("multi", "        if age >= 0:", "        if age == 0:")
HEAD_OVERWRITTEN = Mutation(
    "multi",
    "        if age == -1 and local[L_GATE] < end",
    "        if age == 2 and local[L_GATE] < end",
)
END_LEFT_BEHIND = Mutation(
    "multi", "        if end > local[L_REACH]:", "        if end > local[L_REACH] + capacity:"
)
END_STORED = Mutation(
    "multi",
    "        if compare_exchange(words, END, kept, end):",
    "        store_release(words, END, end)\n        if kept < end:",
)
END_MOVED_TOO_FAR = Mutation("multi", "move_end(words, end) +", "move_end(words, end + 1) +")
OLD_ROUND_READ = Mutation(
    "multi",
    "        if (state & 3) < PUBLISHED or age_of(state, first, capacity) != 0:",
    "        if (state & 3) < PUBLISHED or age_of(state, first, capacity) < -1:",
)
OPEN_CLAIM_READ = Mutation(
    "multi",
    "        if (state & 3) < PUBLISHED or age_of(state, first, capacity) != 0:",
    "        if age_of(state, first, capacity) != 0:",
)
PADDING_AS_DATA = Mutation(
    "multi",
    "        padding = np.int64(1) if (state & 3) == PADDED else np.int64(0)",
    "        padding = np.int64(0)",
)
NOT_PADDED = Mutation(
    "participant",
    "            healed += bool(pad(words, claim.seq, capacity, claim.state))",
    "            healed += 1",
)
LIVING_PADDED = Mutation(
    "participant",
    "        if claim.owner == owner or not is_alive(pid, start_time):",
    "        if claim.owner > 0:",
)
LOOKS = (
    "        retained = _lowest_of(words, gates)\n"
    "        reach = min(int(_available(words, place)), int(_end_of(words)))\n"
)
NEWCOMER_LOOKS_TOO_EARLY = Mutation(
    "membership",
    "        _settle(words)\n" + LOOKS,
    LOOKS + "        _settle(words)\n",
)
NEWCOMER_AT_THE_KEPT_END = Mutation(
    "membership",
    "        return end_of_claims(words, words[H_CAPACITY])",
    "        return load_acquire(words, WRITER_CURSOR + 48)",
)
NEWCOMER_AHEAD = Mutation(
    "membership",
    "            store_word(words, base, int(_lowest_gate(words)))",
    "            store_word(words, base, int(_lowest_gate(words)) + 2)",
)
REMOVED_WHOEVER_IT_IS = Mutation(
    "membership", " and int(words[cursor_index(participant) + P_OWNER]) == holder", ""
)
OWNER_CLEARED_FIRST = Mutation(
    "membership",
    '    name_participant(words, participant, "")\n    _settle(words)\n    base = cursor_index(participant)\n',
    "    base = cursor_index(participant)\n    store_word(words, base + P_OWNER, 0)\n"
    '    name_participant(words, participant, "")\n    _settle(words)\n',
)
CLAIM_NOT_ANNOUNCED = Mutation(
    "sequence",
    "        store_release(words, WRITER_CURSOR + P_CLAIMED, last + n)",
    "        store_release(words, WRITER_CURSOR + P_CLAIMED, last)",
)
OBSERVED_ONCE = Mutation(
    "observer", "    retained = _claimed(words, capacity) - capacity\n    lost", "    lost"
)
MISSED_NOT_COUNTED = Mutation(
    "observer", "    local[O_MISSED] = missed + lost\n", "    local[O_MISSED] = missed\n"
)

LAPPED = {"deaths": 0, "counts": (1, 3)}  # of two producers, one may sleep while the other goes round
RECORD = "torn or stale|fills|copied"
CAUGHT: list[tuple[str, Mutation, Callable[..., Any], dict[str, Any], str]] = [
    ("gate off by one", GATE_OFF_BY_ONE, one_writer, {"deaths": 0}, "fills"),
    ("gate off by one, shared", SHARED_GATE_OFF_BY_ONE, two_producers, {"deaths": 0}, RECORD),
    ("reader ahead of the writer", READER_AHEAD, one_writer, {"deaths": 0}, "torn or stale"),
    ("mask looked at once", MASK_LOOKED_AT_ONCE, joining, {"at_seq": 0, "last": 3}, RECORD),
    ("claim without exchange", CLAIM_WITHOUT_EXCHANGE, two_producers, {"deaths": 0}, "claims apart|torn"),
    ("claim over a claim", CLAIM_OVER_A_CLAIM, two_producers, {"deaths": 0}, "claims apart|torn|holds"),
    (
        "claim over a later one",
        CLAIM_OVER_A_LATER_ONE,
        two_producers,
        LAPPED,
        "claims apart|torn|holds|kept end",
    ),
    ("end left behind", END_LEFT_BEHIND, two_producers, LAPPED, "kept end"),
    ("end stored", END_STORED, two_producers, {**LAPPED, "batch": 2}, "kept end"),
    (
        "end moved too far",
        END_MOVED_TOO_FAR,
        two_producers,
        {"counts": (3, 0), "healers": "", "mortal": "p"},
        "for ever",
    ),
    ("old round read", OLD_ROUND_READ, two_producers, {"deaths": 0}, "torn or stale"),
    (
        "state overwritten amid its claim",
        HEAD_OVERWRITTEN,
        two_producers,
        {"counts": (1, 1), "batch": 2, "other_batch": 1, "singly": True, "mortal": "r", "healers": ""},
        "for ever|expected",
    ),
    ("open claim read", OPEN_CLAIM_READ, two_producers, {"deaths": 0}, "torn or stale"),
    ("padding as data", PADDING_AS_DATA, two_producers, {"counts": (1, 1), "heirs": False}, "torn or stale"),
    ("dead claim not padded", NOT_PADDED, two_producers, {"counts": (1, 1), "heirs": False}, "for ever"),
    ("living claim padded", LIVING_PADDED, two_producers, {"counts": (1, 1), "heirs": False}, "sent 1|torn"),
    ("newcomer looks too early", NEWCOMER_LOOKS_TOO_EARLY, joining, {"steady": False, "at_seq": 1}, RECORD),
    ("newcomer at the kept end", NEWCOMER_AT_THE_KEPT_END, joining_claims, {}, "refused"),
    ("newcomer ahead", NEWCOMER_AHEAD, joining, {"steady": False, "at_seq": 1}, RECORD),
    (
        "removed whoever it is",
        REMOVED_WHOEVER_IT_IS,
        joining,
        {"deaths": 1, "steady": False, "writer_heals": True, "until": 3},
        "expected to hold|torn",
    ),
    (
        "owner cleared first",
        OWNER_CLEARED_FIRST,
        joining,
        {"deaths": 1, "steady": False, "writer_heals": True, "heir": False, "until": 1},
        "for ever",
    ),
    ("claim not announced", CLAIM_NOT_ANNOUNCED, observing, {"shared": False}, "copied"),
    ("observed once", OBSERVED_ONCE, observing, {"shared": False}, "copied"),
    ("missed not counted", MISSED_NOT_COUNTED, observing, {"shared": False}, "seen or missed"),
]


@pytest.mark.parametrize(
    ("mutation", "scenario", "options", "why"), [row[1:] for row in CAUGHT], ids=[row[0] for row in CAUGHT]
)
def test_the_search_finds_the_fault(
    mutation: Mutation, scenario: Callable[..., Any], options: dict[str, Any], why: str
) -> None:
    """With this fault in the library's text the search ends in a violation, and its steps show the way there."""
    with pytest.raises(Violation, match=f"(?s)({why}).*steps: "):
        scenario(mutations=[mutation], **options)


@pytest.mark.parametrize("pipeline", [False, True])
def test_the_search_finds_a_cursor_stored_before_its_record(pipeline: bool) -> None:
    """What a release store prevents, the cursor overtaking the record, is seen as a torn record."""
    with pytest.raises(Violation, match="torn or stale"):
        one_writer(0, pipeline, late=True)
