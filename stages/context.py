"""What a pipeline's stages begin with: private words and arrays of all of them, connected to a state and to its rings.

Made anew at each start, behind recovery: everything here is a function of the recovered state, of where the journal
ends, and of the configuration. The supervisor makes it before the fork, so all of it lies in anonymous shared memory.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stages import control as ctl
from stages.control import PortState
from stages.core import CoreState
from stages.ingest import (
    INGEST_WORDS,
    IW_CHECKPOINT,
    IW_CHECKPOINT_EVERY,
    IW_GATE,
    IW_SEQ,
    IW_TICK_NS,
    IW_TIME,
    IW_TIME_BASE,
)
from stages.journaling import BlockBuffers
from stages.loop import Context, Ports
from stages.memory import PipelineMemory
from stages.partitions import LANE_SLOTS, connect
from stages.publish import PUBLISH_WORDS
from stages.state import VERDICT, shared_array
from stages.state_words import RW_OUT_CURSOR

__all__ = ["new_context"]

NS_PER_MS: Final = 1_000_000


def new_context(
    memory: PipelineMemory,
    state: CoreState,
    buffers: BlockBuffers,
    *,
    last_seq: int,
    last_time_ns: int,
    time_base_ns: int,
    checkpoint_every: int,
    tick_ms: int,
    lane_slots: int = LANE_SLOTS,
) -> Context:
    """Return what the stages work on, to go on behind ``last_seq`` and never before ``last_time_ns``.

    ``time_base_ns`` is what ingest adds to its clock. Nothing of ``memory`` but durable_seq and the state of port 0 is
    written here.
    """
    state.risk.words[RW_OUT_CURSOR] = 0
    ingest = shared_array(INGEST_WORDS, np.int64)
    ingest[IW_SEQ] = ingest[IW_GATE] = ingest[IW_CHECKPOINT] = last_seq
    ingest[IW_TIME] = last_time_ns
    ingest[IW_TIME_BASE] = time_base_ns
    ingest[IW_CHECKPOINT_EVERY] = checkpoint_every
    ingest[IW_TICK_NS] = tick_ms * NS_PER_MS
    sizes = memory.sizes
    memory.control[ctl.CW_DURABLE] = last_seq
    memory.control[ctl.CW_PORT_BLOCKS + ctl.PW_STATE] = PortState.OPEN
    return Context(
        control=memory.control,
        in_words=memory.in_words,
        in_slots=memory.in_slots,
        in_slot_words=memory.in_slot_words,
        out_words=memory.out_words,
        out_slots=memory.out_slots,
        out_slot_words=memory.out_slot_words,
        verdicts=shared_array(sizes.input_slots, VERDICT),
        ingress=Ports(memory.ingress.words, sizes.ports, *memory.ingress[1:]),
        egress=Ports(memory.egress.words, sizes.ports, *memory.egress[1:]),
        ingest_words=ingest,
        publish_words=shared_array(PUBLISH_WORDS, np.int64),
        routes=shared_array(len(state.risk.sessions) + 1, np.int32),
        blocks=buffers.blocks,
        codec=buffers.codec,
        spans=buffers.spans,
        journal_words=buffers.words,
        risk=state.risk,
        partitions=connect(state.books, state.merged, memory.out_slot_words, lane_slots),
    )
