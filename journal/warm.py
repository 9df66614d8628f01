"""Compile (or load from the cache) every kernel of the journal, for the types that writers and readers use.

For the process that starts the workers, so that no worker compiles. Touches no disk but the kernels' cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from journal import blocks, blockwalk, compact
from journal.scan import CHECK_ONLY, NO_ROWS

__all__ = ["warm_kernels"]


def warm_kernels(slots: Any | None = None) -> None:
    """Call each kernel once; ``slots`` is the int64 2-D view of a ring that a stage encodes from, if any."""
    codec = compact.new_codec(4)
    compact.record_bytes_max(4)
    data = np.zeros(1024, dtype=np.uint8)
    spans = compact.byte_spans(data)
    rows = np.zeros((2, 4), dtype=np.int64)
    rows[:, 0] = (1, 2)
    position = blocks.open_block(codec, 1)
    position = compact.encode_records(rows, 0, 2, spans, position, codec)
    compact.encode_ring(rows if slots is None else slots, 0, 0, spans, position, codec)
    size = int(blocks.seal_block(data, position, 1, codec))
    blocks.sealed_sizes(data, np.zeros(3, dtype=np.int64))
    link = int(blocks.stamp_block(data, 1, 0, 1, 0))
    walker = blockwalk.new_walker(1, 1, 0, 1, 1024, 0)
    blockwalk.walk_blocks(data, spans, 0, size, walker, rows, 0, 2, codec)
    blockwalk.walk_blocks(data, spans, 0, size, walker, NO_ROWS, 0, CHECK_ONLY, codec)
    blocks.find_witness(data, 0, size, 1, link)
