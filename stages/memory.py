"""The shared memory of one pipeline: which segments there are, where the rings lie in them, typed views.

Four segments in /dev/shm, named after the data directory so that two pipelines never meet::

    ringmatch-<id>-control    stages.control
    ringmatch-<id>-core       input ring, output ring
    ringmatch-<id>-ingress    one ring a port, a fixed stride apart
    ringmatch-<id>-egress     one ring a port, a fixed stride apart

The supervisor creates them and takes their names away; workers inherit the mappings over fork; gateways and
``status`` attach. No Numba here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from protocols.layouts import COMMAND, COMMAND_BYTES, OUTCOME, layout_hash
from ringbuffer.errors import LayoutMismatch, SegmentMissing
from ringbuffer.layout import cursor_index, initialise, ring_bytes, slots_offset
from ringbuffer.liveness import own_identity
from ringbuffer.shm import Segment
from stages.control import (
    CONTROL_WORDS,
    CW_EPOCH,
    CW_MAGIC,
    CW_PORTS,
    CW_VERSION,
    DESCRIPTION_BYTES,
    MAGIC,
    VERSION,
)
from stages.topology import EGRESS_READERS, INGRESS_READERS, INPUT_READERS, OUTPUT_READERS

__all__ = ["PipelineMemory", "PortArea", "attach_control", "pipeline_id"]

PAGE = 4096
SEGMENTS = ("control", "core", "ingress", "egress")
PORT_PARTICIPANTS = 2


def pipeline_id(data_dir: str | Path) -> str:
    """Return the id of the pipeline of a data directory: the same for every spelling of its path."""
    real = os.path.realpath(data_dir)
    return hashlib.blake2b(os.fsencode(real), digest_size=5).hexdigest()


def segment_name(identity: str, part: str) -> str:
    """Return the name of a segment in /dev/shm."""
    return f"ringmatch-{identity}-{part}"


class PortArea(NamedTuple):
    """The rings of all ports as one array of words: what the ingest and publish kernels take."""

    words: Any  # int64, all rings
    port_words: int  # stride between two rings
    slots_word: int  # from the start of a ring to its slots
    port_slots: int

    def ring_words(self, port: int) -> Any:
        """Return header and cursors of one port's ring."""
        start = port * self.port_words
        return self.words[start : start + cursor_index(PORT_PARTICIPANTS)]

    def slot_words(self, port: int) -> Any:
        """Return the slots of one port's ring as rows of 16 words."""
        start = port * self.port_words + self.slots_word
        return self.words[start : start + self.port_slots * 16].reshape(-1, 16)


def port_area(segment: Segment, ports: int, port_slots: int) -> PortArea:
    """Return the rings of a port segment."""
    stride = ring_bytes(port_slots, COMMAND_BYTES, PORT_PARTICIPANTS)
    words = np.frombuffer(segment.buffer, np.int64, ports * stride // 8, Segment.CONTENT)
    return PortArea(words, stride // 8, slots_offset(port_slots, PORT_PARTICIPANTS) // 8, port_slots)


class Sizes(NamedTuple):
    """Ring sizes in slots."""

    input_slots: int
    output_slots: int
    ingress_slots: int
    egress_slots: int
    ports: int


class PipelineMemory:
    """All segments of a pipeline, created by its supervisor; ``create`` makes one, of other memory if need be."""

    def __init__(
        self,
        identity: str,
        sizes: Sizes,
        epoch: int,
        input_seq: int,
        create: Callable[[str, int, str], Any] = Segment.create,
    ) -> None:
        self.identity = identity
        self.sizes = sizes
        self.segments: dict[str, Any] = {}
        in_bytes = ring_bytes(sizes.input_slots, COMMAND_BYTES, 1 + len(INPUT_READERS))
        out_bytes = ring_bytes(sizes.output_slots, COMMAND_BYTES, 1 + len(OUTPUT_READERS))
        ingress_bytes = ring_bytes(sizes.ingress_slots, COMMAND_BYTES, PORT_PARTICIPANTS)
        egress_bytes = ring_bytes(sizes.egress_slots, COMMAND_BYTES, PORT_PARTICIPANTS)
        wanted = {
            "control": CONTROL_WORDS * 8 + DESCRIPTION_BYTES,
            "core": in_bytes + out_bytes,
            "ingress": sizes.ports * ingress_bytes,
            "egress": sizes.ports * egress_bytes,
        }
        try:
            for part, size in wanted.items():
                name = segment_name(identity, part)
                self.segments[part] = create(name, Segment.CONTENT + size, f"pipeline {part}")
            self._lay_out(epoch, input_seq, in_bytes, ingress_bytes, egress_bytes)
        except BaseException:
            self.unlink()
            raise

    def _lay_out(
        self, epoch: int, input_seq: int, in_bytes: int, ingress_bytes: int, egress_bytes: int
    ) -> None:
        sizes = self.sizes
        start = Segment.CONTENT
        owner = own_identity()
        core = self.segments["core"].buffer
        command_hash, outcome_hash = layout_hash(COMMAND), layout_hash(OUTCOME)
        self.in_words, slots = initialise(
            core, start, sizes.input_slots, COMMAND, INPUT_READERS, input_seq, epoch, command_hash, owner
        )
        self.in_slots = slots.reshape(-1).view(COMMAND)
        self.in_slot_words = slots.reshape(-1).view(np.int64).reshape(-1, 16)
        self.out_words, slots = initialise(
            core, start + in_bytes, sizes.output_slots, OUTCOME, OUTPUT_READERS, 0, epoch, outcome_hash, owner
        )
        self.out_slots = slots.reshape(-1).view(OUTCOME)
        self.out_slot_words = slots.reshape(-1).view(np.int64).reshape(-1, 16)
        for port in range(sizes.ports):
            at = start + port * ingress_bytes
            buffer = self.segments["ingress"].buffer
            initialise(
                buffer, at, sizes.ingress_slots, COMMAND, INGRESS_READERS, 0, epoch, command_hash, owner
            )
            at = start + port * egress_bytes
            buffer = self.segments["egress"].buffer
            initialise(buffer, at, sizes.egress_slots, OUTCOME, EGRESS_READERS, 0, epoch, outcome_hash, owner)
        self.ingress = port_area(self.segments["ingress"], sizes.ports, sizes.ingress_slots)
        self.egress = port_area(self.segments["egress"], sizes.ports, sizes.egress_slots)
        self.control = control_words(self.segments["control"])
        self.control[CW_VERSION] = VERSION
        self.control[CW_EPOCH] = epoch
        self.control[CW_PORTS] = sizes.ports
        self.control[CW_MAGIC] = MAGIC

    def unlink(self) -> None:
        """Take the segments' names away; whoever has them mapped keeps them."""
        for segment in self.segments.values():
            segment.unlink()


def control_words(segment: Segment) -> Any:
    """Return the words of a control segment."""
    return np.frombuffer(segment.buffer, np.int64, CONTROL_WORDS, Segment.CONTENT)


def attach_control(data_dir: str | Path) -> tuple[Segment, Any]:
    """Attach the control segment of the pipeline of a data directory; SegmentMissing if there is none."""
    segment = Segment.attach(segment_name(pipeline_id(data_dir), "control"))
    words = control_words(segment)
    if not words[CW_MAGIC]:
        raise SegmentMissing(f"{data_dir}: expected a running pipeline, was one that is still starting")
    if (int(words[CW_MAGIC]), int(words[CW_VERSION])) != (MAGIC, VERSION):
        raise LayoutMismatch(f"{segment.name}: version: expected {VERSION}, was {int(words[CW_VERSION])}")
    return segment, words


def attach_ports(data_dir: str | Path, sizes: Sizes) -> tuple[PortArea, PortArea]:
    """Attach the ingress and egress rings of the pipeline of a data directory."""
    identity = pipeline_id(data_dir)
    ingress = Segment.attach(segment_name(identity, "ingress"))
    egress = Segment.attach(segment_name(identity, "egress"))
    return (
        port_area(ingress, sizes.ports, sizes.ingress_slots),
        port_area(egress, sizes.ports, sizes.egress_slots),
    )
