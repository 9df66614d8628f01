"""Where two journals part: the first sequence at which their commands, or the digests in them, differ. Reads only.

Compared are the journaled words of commands, all 15 of them unless fields are to be ignored. A CHECKPOINT that
differs in its digests alone says that the commands so far agree and what was made of them does not: two builds, or
two machines, have decided differently somewhere after the last checkpoint on which they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from journal.errors import JournalMissing
from journal.reader import JournalReader
from protocols.codes import FLAG_FINAL, KIND_CHECKPOINT
from protocols.layouts import COMMAND, DETERMINED_WORDS, SLOT_WORDS, layout_hash
from stages.replay import Replayer, hex_digest

__all__ = ["COMPARED_FIELDS", "JournalDiff", "compare_journals", "digests_made_here"]

CHUNK: Final = 1 << 14
COMPARED_FIELDS: Final = tuple(name for name in COMMAND.names or () if name not in ("seq", "sent_ns"))
DIGEST_FIELDS: Final = {"aux1", "order_id"}
assert COMMAND.fields is not None and COMMAND.fields["sent_ns"][1] == 8 * DETERMINED_WORDS


class JournalDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What comparing two journals found.

    ``verdict`` is ``equal``; ``prefix``: one goes on where the other ends; ``commands``: they differ at ``seq``; or
    ``digests``: the CHECKPOINT at ``seq`` carries other digests for ``digest_seq``, and up to ``agreed_seq`` (0: never
    before) they agreed.
    """

    verdict: str
    first_seq: int  # from where was compared
    compared: int  # commands that both have and that are equal
    seq: int = 0
    digest_what: str = ""  # outcomes or state
    digest_seq: int = 0
    agreed_seq: int = 0
    records: Any = None  # the two commands at ``seq``, array of COMMAND
    differing: list[str] = []

    @property
    def parts(self) -> bool:
        """Tell whether the two contradict each other."""
        return self.verdict in ("commands", "digests")


def compare_journals(
    directory_a: str | Path,
    directory_b: str | Path,
    ignore: Collection[str] = (),
    on_progress: Callable[[int], None] | None = None,
) -> JournalDiff:
    """Compare the journals in two directories from the first sequence that both have; ``ignore`` names fields."""
    assert set(ignore) <= set(COMPARED_FIELDS), ignore
    layout = layout_hash(COMMAND)
    with JournalReader(directory_a, layout) as a, JournalReader(directory_b, layout) as b:
        return _compare(a, b, ignore, on_progress)


def _compare(
    a: JournalReader, b: JournalReader, ignore: Collection[str], on_progress: Callable[[int], None] | None
) -> JournalDiff:
    first_seq = max(a.first_seq, b.first_seq)
    for reader in (a, b):
        try:
            reader.seek(first_seq)
        except JournalMissing as error:
            raise JournalMissing(f"{error}: the two journals have no sequence in common") from error
    rows_a, rows_b = (np.zeros((CHUNK, SLOT_WORDS), dtype=np.int64) for _ in range(2))
    agreed_seq, compared = 0, 0
    while True:
        count_a = a.read(rows_a)
        count_b = _fill(b, rows_b, count_a or 1)
        count = min(count_a, count_b)
        row = _first_difference(rows_a[:count], rows_b[:count], ignore)
        equal = _commands(rows_a[:row])
        checkpoints = equal[equal["kind"] == KIND_CHECKPOINT]
        if len(checkpoints):
            agreed_seq = int(checkpoints["aux0"][-1])
        compared += row
        if row < count:
            pair = np.stack([_commands(rows_a)[row], _commands(rows_b)[row]])
            return _parted(pair, ignore, first_seq, compared, agreed_seq)
        if count_a != count_b or not count_a:
            verdict = "prefix" if count_a != count_b else "equal"
            return JournalDiff(verdict=verdict, first_seq=first_seq, compared=compared, agreed_seq=agreed_seq)
        if on_progress is not None:
            on_progress(compared)


def _fill(reader: JournalReader, rows: Any, wanted: int) -> int:
    """Read as many records as are wanted, fewer at the end only."""
    row = 0
    while row < wanted:
        count = reader.read(rows[row:], wanted - row)
        if not count:
            break
        row += count
    return row


def _commands(rows: Any) -> Any:
    return rows.reshape(-1).view(COMMAND)


def _first_difference(rows_a: Any, rows_b: Any, ignore: Collection[str]) -> int:
    """Return the first row in which two arrays differ, their length if none does."""
    differs = (rows_a != rows_b)[:, :DETERMINED_WORDS].any(axis=1)
    for row in np.nonzero(differs)[0]:
        if _differing(np.stack([_commands(rows_a)[row], _commands(rows_b)[row]]), ignore):
            return int(row)
    return len(rows_a)


def _differing(pair: Any, ignore: Collection[str]) -> list[str]:
    return [name for name in COMPARED_FIELDS if pair[name][0] != pair[name][1] and name not in ignore]


def _parted(
    pair: Any, ignore: Collection[str], first_seq: int, compared: int, agreed_seq: int
) -> JournalDiff:
    """Describe two commands that differ."""
    differing = _differing(pair, ignore)
    seq = int(pair["seq"][0])
    both_checkpoints = bool((pair["kind"] == KIND_CHECKPOINT).all())
    what, digest_seq = "", 0
    if both_checkpoints and set(differing) <= DIGEST_FIELDS:
        what = "outcomes" if "aux1" in differing else "state"
        digest_seq = int(pair["aux0"][0])
    return JournalDiff(
        verdict="digests" if what else "commands",
        first_seq=first_seq,
        compared=compared,
        seq=seq,
        digest_what=what,
        digest_seq=digest_seq,
        agreed_seq=agreed_seq,
        records=pair,
        differing=differing,
    )


def digests_made_here(
    data_dir: str | Path, found: JournalDiff, on_progress: Callable[[int], None] | None = None
) -> list[bool]:
    """Replay the first journal up to where digests part; tell for each whether this build makes its digest."""
    assert found.verdict == "digests"
    result = Replayer(data_dir, to_seq=found.digest_seq).run(on_progress=on_progress)
    field, ours = (
        ("aux1", result.outcome_digest)
        if found.digest_what == "outcomes"
        else ("order_id", result.state_digest)
    )
    assert found.digest_what == "outcomes" or (found.records["flags"] & FLAG_FINAL != 0).all()
    return [hex_digest(int(digest)) == ours for digest in found.records[field]]
