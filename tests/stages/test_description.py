"""The description in the control segment: read whole, however often it is written anew meanwhile."""

from __future__ import annotations

import threading

import msgspec
import numpy as np
import pytest

from stages.control import (
    CONTROL_WORDS,
    DESCRIPTION_BYTES,
    AccountRow,
    Description,
    WorkerPlan,
    read_description,
    write_description,
)

pytestmark = pytest.mark.jitoff

ABOUT = Description(
    venue="v", data_dir="d", durability="none", wait="yield", plan=(WorkerPlan(stages=("ingest",)),), ports=2,
    input_slots=64, output_slots=64, ingress_slots=64, egress_slots=64, instruments=(), accounts=(),
    max_instruments=1, max_accounts=1,
)  # fmt: skip


def test_what_was_written_last_is_read() -> None:
    """Two halves take turns; a description that has no room leaves the one before."""
    buffer, words = bytearray(CONTROL_WORDS * 8 + DESCRIPTION_BYTES), np.zeros(CONTROL_WORDS, dtype=np.int64)
    for turn in range(5):
        written = msgspec.structs.replace(ABOUT, recovered_seq=turn)
        write_description(buffer, 0, words, written)
        assert read_description(buffer, 0, words) == written
    crowd = tuple(AccountRow(1 << 60, "A" * 16) for _ in range(DESCRIPTION_BYTES // 2 // 40))
    with pytest.raises(ValueError, match="description: expected at most"):
        write_description(buffer, 0, words, msgspec.structs.replace(ABOUT, accounts=crowd))
    assert read_description(buffer, 0, words) == written


def test_a_reader_never_sees_half_of_one() -> None:
    """While one thread writes without pause, another reads descriptions that are whole, and never an older one."""
    buffer, words = bytearray(CONTROL_WORDS * 8 + DESCRIPTION_BYTES), np.zeros(CONTROL_WORDS, dtype=np.int64)
    over = threading.Event()

    def writer() -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            groups = {f"G{number}": turn for number in range(1 + turn % 7)}
            write_description(
                buffer, 0, words, msgspec.structs.replace(ABOUT, recovered_seq=turn, groups=groups)
            )

    write_description(buffer, 0, words, ABOUT)
    thread = threading.Thread(target=writer)
    thread.start()
    last = 0
    try:
        for _ in range(2000):
            read = read_description(buffer, 0, words)
            assert read.recovered_seq >= last and set(read.groups.values()) <= {read.recovered_seq}
            last = read.recovered_seq
    finally:
        over.set()
        thread.join()
